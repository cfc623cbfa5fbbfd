//! The client's messages: what runs at once, and where each of the others is dealt with.

use std::sync::Arc;

use querygate_policy::decision::MaskPlan;
use querygate_record::{Named, Outcome, TransactionChange, Verdict};

use crate::{
    copy,
    event::{Action, ClientMessage, ClientReply, Formats, Injected, Log, Report, Step, Transaction},
    expect::{Expect, OwnStep, Query},
    hold::HoldStep,
    judgement::{Judge, Judgement},
    names::{Portal, Prepared},
    refuse,
    session::{Mode, OWED_MAX, Session, status},
};

impl Session {
    /// Takes one message of the client.
    pub fn client(
        &mut self,
        message: ClientMessage<'_>,
        judge: &mut dyn Judge,
        now_ns: i64,
        out: &mut Vec<Action>,
    ) -> Step {
        let step = self.take(message, judge, now_ns, out);
        self.note_step(step);
        step
    }

    fn take(&mut self, message: ClientMessage<'_>, judge: &mut dyn Judge, now_ns: i64, out: &mut Vec<Action>) -> Step {
        if self.cancelling {
            return Step::Later;
        }
        if self.queue.len() >= OWED_MAX {
            self.drained(out);
            return Step::Later;
        }
        if let Mode::Skipping { poison } = self.mode {
            return self.skip(message, poison, now_ns, out);
        }
        if self.copy_in {
            return self.copy_message(message, now_ns, out);
        }
        if self.waits_for_copy(message) {
            return Step::Later;
        }
        match message {
            ClientMessage::Query { text } => self.query(text, judge, now_ns, out),
            ClientMessage::Parse { name, text } => self.parse(name, text, judge, now_ns, out),
            ClientMessage::Bind { .. } => self.bind(message, judge, now_ns, out),
            ClientMessage::Describe(target, name) => self.describe(target, name, out),
            ClientMessage::Execute { portal } => self.execute(portal, judge, now_ns, out),
            ClientMessage::Close(target, name) => self.close(target, name, out),
            ClientMessage::Flush => {
                self.batch.flushed = true;
                forward(out)
            }
            ClientMessage::Sync => {
                self.batch = Default::default();
                self.queue.push_back(Expect::Sync { own: false });
                forward(out)
            }
            // As the server does: data of a COPY that failed is read and dropped.
            ClientMessage::CopyData | ClientMessage::CopyDone | ClientMessage::CopyFail => Step::Taken,
            ClientMessage::TooLong { limit, query: true } => {
                if !self.drained(out) {
                    return Step::Later;
                }
                self.answer_query(refuse::too_long(limit), now_ns, out)
            }
            ClientMessage::NotText { query: true } => {
                if !self.drained(out) {
                    return Step::Later;
                }
                self.answer_query(refuse::not_text(), now_ns, out)
            }
            ClientMessage::NotText { query: false } => self.fail(refuse::not_text(), out),
            ClientMessage::TooLong { limit, query: false } => self.fail(refuse::too_long(limit), out),
            ClientMessage::Unsupported { what, query: true } => self.unsupported(what, now_ns, out),
            ClientMessage::Unsupported { what, query: false } => self.fail(refuse::unsupported(what), out),
        }
    }

    fn query(&mut self, text: &str, judge: &mut dyn Judge, now_ns: i64, out: &mut Vec<Action>) -> Step {
        let approved = match self.mode {
            Mode::Ready => self.approved.take(),
            Mode::Held(_) => match self.hold_step(now_ns, out) {
                HoldStep::Wait => return Step::Later,
                HoldStep::Run(number) => Some(number),
                HoldStep::Refuse(report) => return self.answer_query(report, now_ns, out),
            },
            Mode::Skipping { .. } => None,
        };
        if approved.is_none() && !(self.drained(out) && self.settings_known(now_ns, out)) {
            return Step::Later;
        }
        if !self.catalog_known(text, judge, now_ns, out) {
            return self.again(approved);
        }
        let Some(judgement) = judge.judge(text) else { return self.again(approved) };
        let (judgement, masks) = match self.resolve(judgement, judge) {
            Ok(resolved) => resolved,
            Err(report) => {
                self.end_approved(approved, &report, now_ns, out);
                return self.answer_query(report, now_ns, out);
            }
        };
        if let Some(texts) = judgement.apart.clone().filter(|_| approved.is_none()) {
            out.push(Action::Apart(texts));
            return Step::Taken;
        }
        if let Some(report) = refuse::report(&judgement) {
            self.log_refused(&judgement, approved, &report, now_ns, out);
            return self.answer_query(report, now_ns, out);
        }
        if judgement.verdict == Verdict::Approve && approved.is_none() {
            return match self.hold(&judgement, Vec::new(), now_ns, out) {
                Ok(()) => Step::Later,
                Err(report) => {
                    self.log_refused(&judgement, None, &report, now_ns, out);
                    self.answer_query(report, now_ns, out)
                }
            };
        }
        if approved.is_none() && !self.copy_probed(&judgement, &masks, now_ns, out) {
            return Step::Later;
        }
        self.run_query(judgement, masks, approved, now_ns, out)
    }

    /// The judgement is not to be had now; a ruling that was taken must not be lost.
    fn again(&mut self, approved: Option<u64>) -> Step {
        if let Some(number) = approved {
            self.hold_resume(number);
        }
        Step::Later
    }

    fn run_query(
        &mut self,
        judgement: Arc<Judgement>,
        masks: Vec<Arc<MaskPlan>>,
        approved: Option<u64>,
        now_ns: i64,
        out: &mut Vec<Action>,
    ) -> Step {
        self.probed = false;
        let durable = judgement.durable || (judgement.changes && self.transaction != Transaction::Open);
        let number = match approved {
            Some(number) => {
                out.push(Action::Log { number, entry: Log::Execute, durable: true });
                number
            }
            None => {
                let number = self.next_number();
                out.push(Action::Log { number, entry: Log::Begin(judgement.clone(), Vec::new()), durable });
                number
            }
        };
        self.note_names(&judgement);
        self.note_barrier(&judgement);
        self.note_definition(&judgement);
        match &judgement.rewritten {
            Some(text) => out.push(Action::ForwardText(text.clone())),
            None => out.push(Action::Forward),
        }
        self.batch = Default::default();
        self.copy_owed |= judgement.parts.iter().any(copy::reads);
        let query = Query {
            number,
            judgement,
            part: 0,
            read_part: 0,
            failed: None,
            masks,
            formats: Formats::Text,
            started_ns: now_ns,
            rows: 0,
            cut: None,
            cut_too_late: false,
        };
        self.queue.push_back(Expect::Query(Box::new(query)));
        Step::Taken
    }

    /// Names that the text makes are known from now on; a failure takes them back.
    pub(crate) fn note_names(&mut self, judgement: &Arc<Judgement>) {
        for (part, statement) in judgement.parts.iter().enumerate() {
            match &statement.named {
                Some(Named::Prepare(name)) => {
                    let masks = statement.masks.clone();
                    let id = self.next_prepared();
                    let prepared =
                        Prepared { id, judgement: judgement.clone(), part, masks, described: false, inner: true };
                    self.names.statements.insert(name.clone(), prepared);
                }
                Some(Named::Declare(name)) => {
                    let uncertain = self.names.portals.get(name).is_some_and(|p| !p.ended);
                    let portal = Portal {
                        judgement: judgement.clone(),
                        masks: statement.masks.clone(),
                        formats: Formats::Text,
                        number: 0,
                        uncertain,
                        inner: false,
                        ended: false,
                    };
                    self.names.portals.insert(name.clone(), portal);
                }
                _ => {}
            }
        }
    }

    pub(crate) fn note_barrier(&mut self, judgement: &Judgement) {
        if judgement.is_barrier() {
            self.settings_stale = true;
            self.settings_in_transaction = true;
        }
    }

    /// Each statement's plan, EXECUTE and FETCH by what stands behind their names.
    pub(crate) fn resolve(
        &mut self,
        judgement: Arc<Judgement>,
        judge: &mut dyn Judge,
    ) -> Result<(Arc<Judgement>, Vec<Arc<MaskPlan>>), Report> {
        let mut strict = judgement.clone();
        let mut masks = Vec::with_capacity(judgement.parts.len());
        for (index, part) in judgement.parts.iter().enumerate() {
            let earlier = judgement.parts.get(..index).unwrap_or_default();
            let plan = match &part.named {
                Some(Named::Execute(name)) => {
                    match earlier.iter().rev().find(|p| p.named == Some(Named::Prepare(name.clone()))) {
                        Some(here) => here.masks.clone(),
                        None => {
                            let (inner, plan) = self.prepared_plan(name, judge)?;
                            strict = stricter(&strict, &inner);
                            plan
                        }
                    }
                }
                Some(Named::Prepare(name))
                    if !self.habits.prepare_replaces && self.names.statements.contains_key(name) =>
                {
                    return Err(refuse::duplicate(name));
                }
                Some(Named::Fetch(name)) => {
                    match earlier.iter().rev().find(|p| p.named == Some(Named::Declare(name.clone()))) {
                        Some(here) => here.masks.clone(),
                        None => self.cursor_plan(name, &part.masks, judge)?,
                    }
                }
                Some(Named::Prepare(_) | Named::Declare(_)) if self.names.is_full() => {
                    return Err(refuse::too_many_names());
                }
                _ => part.masks.clone(),
            };
            masks.push(plan);
        }
        Ok((strict, masks))
    }

    fn prepared_plan(&mut self, name: &str, judge: &mut dyn Judge) -> Result<(Arc<Judgement>, Arc<MaskPlan>), Report> {
        let prepared = self.names.statements.get_mut(name).ok_or_else(|| refuse::no_statement(name))?;
        if !judge.is_current(&prepared.judgement) {
            let renewed = judge.judge(&prepared.judgement.text).ok_or_else(refuse::not_now)?;
            if renewed.rewritten != prepared.judgement.rewritten {
                return Err(refuse::changed());
            }
            prepared.judgement = renewed;
            let masks = prepared.judgement.masks(prepared.part).cloned();
            prepared.masks = masks.ok_or_else(|| refuse::no_statement(name))?;
        }
        Ok((prepared.judgement.clone(), prepared.masks.clone()))
    }

    fn cursor_plan(&self, name: &str, own: &Arc<MaskPlan>, judge: &dyn Judge) -> Result<Arc<MaskPlan>, Report> {
        match self.names.portals.get(name) {
            Some(portal) if portal.judgement.is_late() && !judge.is_current(&portal.judgement) => {
                Err(refuse::changed())
            }
            Some(portal) if !portal.uncertain => Ok(portal.masks.clone()),
            // Without masks every cursor shows what the principal may see.
            _ if own.masked_columns.is_empty() => Ok(own.clone()),
            _ => Err(refuse::no_cursor(name)),
        }
    }

    /// True when the columns that a COPY will send need no check or have passed it.
    fn copy_probed(
        &mut self,
        judgement: &Arc<Judgement>,
        masks: &[Arc<MaskPlan>],
        now_ns: i64,
        out: &mut Vec<Action>,
    ) -> bool {
        let probe = judgement.parts.iter().zip(masks).find_map(|(part, plan)| {
            part.copy_probe.clone().filter(|_| !plan.masked_columns.is_empty()).map(|text| (text, plan.clone()))
        });
        let Some((text, plan)) = probe else { return true };
        if self.probed {
            return true;
        }
        self.probed = true;
        let own = self.own("describe the columns of a COPY", now_ns, out);
        self.inject(Injected::Probe(text), [Expect::Probe(OwnStep::Clear, plan, own)], out);
        self.inject(Injected::Sync, [Expect::Sync { own: true }], out);
        false
    }

    /// Answers a query that does not run. What an open pipeline has executed fails with it, as the server's own error would do.
    fn answer_query(&mut self, report: Report, now_ns: i64, out: &mut Vec<Action>) -> Step {
        self.probed = false;
        out.push(Action::Tell(ClientReply::Error(report)));
        if self.batch.open {
            self.end_batch(self.batch.executed && self.transaction == Transaction::Idle, now_ns, out);
        } else {
            out.push(Action::Tell(ClientReply::Ready(self.transaction)));
        }
        Step::Taken
    }

    /// Sends the Sync that ends an open batch; `poison` makes its implicit transaction fail.
    pub(crate) fn end_batch(&mut self, poison: bool, now_ns: i64, out: &mut Vec<Action>) {
        if poison {
            let own = self.own("fail the implicit transaction", now_ns, out);
            self.inject(Injected::Poison, [Expect::Poison(own)], out);
        }
        self.inject(Injected::Sync, [Expect::Sync { own: false }], out);
    }

    /// Logs a statement that is refused: its begin, unless it was held, and its end.
    pub(crate) fn log_refused(
        &mut self,
        judgement: &Arc<Judgement>,
        held: Option<u64>,
        report: &Report,
        now_ns: i64,
        out: &mut Vec<Action>,
    ) {
        let number = held.unwrap_or_else(|| {
            let number = self.next_number();
            out.push(Action::Log { number, entry: Log::Begin(judgement.clone(), Vec::new()), durable: false });
            number
        });
        self.end_approved(Some(number), report, now_ns, out);
    }

    /// The end of a statement that was logged and is refused after all.
    pub(crate) fn end_approved(&mut self, number: Option<u64>, report: &Report, now_ns: i64, out: &mut Vec<Action>) {
        let Some(number) = number else { return };
        let position = (report.position > 0).then_some(querygate_record::Position(report.position));
        let outcome =
            Outcome { code: report.code.to_owned(), detail: report.message.clone(), position, ..status("refused") };
        self.log_end(number, outcome, now_ns, now_ns, out);
    }

    fn unsupported(&mut self, what: &'static str, now_ns: i64, out: &mut Vec<Action>) -> Step {
        if !self.drained(out) {
            return Step::Later;
        }
        self.answer_query(refuse::unsupported(what), now_ns, out)
    }
}

/// The stricter of a text's judgement and that of a statement that it executes by name.
fn stricter(outer: &Arc<Judgement>, inner: &Arc<Judgement>) -> Arc<Judgement> {
    if inner.verdict <= outer.verdict && !inner.durable && !inner.changes {
        return outer.clone();
    }
    let mut merged = (**outer).clone();
    merged.durable |= inner.durable;
    merged.changes |= inner.changes;
    if inner.verdict > outer.verdict {
        merged.verdict = inner.verdict;
        merged.refusal = inner.refusal.clone();
        merged.rule = inner.rule.clone();
        merged.reviewers = inner.reviewers.clone();
        merged.expires = inner.expires;
        merged.hold_in_transaction = inner.hold_in_transaction;
    }
    Arc::new(merged)
}

pub(crate) fn forward(out: &mut Vec<Action>) -> Step {
    out.push(Action::Forward);
    Step::Taken
}

/// Whether a statement's success ends the transaction.
pub(crate) fn ends_transaction(change: TransactionChange) -> bool {
    matches!(change, TransactionChange::Commit | TransactionChange::Rollback)
}
