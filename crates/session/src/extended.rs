//! The messages that prepare, bind and run (PostgreSQL documentation, "Extended Query").

use std::sync::Arc;

use querygate_policy::decision::MaskPlan;
use querygate_record::{Named, Value, Verdict};

use crate::{
    catalog::Late,
    client::forward,
    copy,
    event::{Action, ClientMessage, ClientReply, Formats, Injected, Log, Report, Step, Target, Transaction},
    expect::{Execution, Expect},
    hold::HoldStep,
    judgement::{Judge, Judgement},
    names::{Portal, Prepared},
    refuse,
    session::{Mode, NOTHING_MASKED, Session},
};

impl Session {
    pub(crate) fn parse(
        &mut self,
        name: &str,
        text: &str,
        judge: &mut dyn Judge,
        now_ns: i64,
        out: &mut Vec<Action>,
    ) -> Step {
        if !(self.settings_known(now_ns, out) && self.catalog_known(text, judge, now_ns, out)) {
            return Step::Later;
        }
        let Some(judgement) = judge.judge(text) else { return Step::Later };
        if !self.are_names_certain(&judgement) || !(name.is_empty() || self.is_certain(Target::Statement, name)) {
            self.drained(out);
            return Step::Later;
        }
        let (judgement, masks) = match self.resolve_one(judgement, judge) {
            Ok(resolved) => resolved,
            Err(report) => return self.fail(report, out),
        };
        if !name.is_empty() && self.names.statements.contains_key(name) {
            return self.fail(refuse::duplicate(name), out);
        }
        if self.names.is_full() {
            return self.fail(refuse::too_many_names(), out);
        }
        if judgement.verdict == Verdict::Block
            && let Some(report) = refuse::report(&judgement)
        {
            return self.fail_logged(&judgement, None, report, now_ns, out);
        }
        out.push(Action::Log { number: 0, entry: Log::Prepare(judgement.clone()), durable: false });
        match &judgement.rewritten {
            Some(text) => out.push(Action::ForwardText(text.clone())),
            None => out.push(Action::Forward),
        }
        self.mark_sent();
        let id = self.next_prepared();
        let replaced = self.names.statements.get(name).cloned().map(Box::new);
        self.queue.push_back(Expect::Parse { name: name.to_owned(), id, replaced });
        let mut prepared = Prepared { id, judgement, part: 0, masks, described: false, inner: false };
        self.describe_own(name, &mut prepared, out);
        self.names.statements.insert(name.to_owned(), prepared);
        Step::Taken
    }

    /// Asks for the columns of a statement, for the cross-check; a principal without masks needs none.
    fn describe_own(&mut self, name: &str, prepared: &mut Prepared, out: &mut Vec<Action>) {
        let masks = prepared.masks.clone();
        if masks.masked_columns.is_empty() {
            return;
        }
        prepared.described = true;
        let expect = Expect::Describe { target: Target::Statement, own: true, masks: Some(masks) };
        self.inject(Injected::DescribeStatement(name.to_owned()), [expect], out);
    }

    pub(crate) fn bind(
        &mut self,
        message: ClientMessage<'_>,
        judge: &mut dyn Judge,
        now_ns: i64,
        out: &mut Vec<Action>,
    ) -> Step {
        let ClientMessage::Bind { portal, statement, formats, values, result_formats } = message else {
            return Step::Later;
        };
        let approved = match self.mode {
            Mode::Ready => self.approved.take(),
            Mode::Held(_) => match self.hold_step(now_ns, out) {
                HoldStep::Wait => return Step::Later,
                HoldStep::Run(number) => Some(number),
                HoldStep::Refuse(report) => return self.fail(report, out),
            },
            Mode::Skipping { .. } => None,
        };
        if approved.is_none() && !self.settings_known(now_ns, out) {
            return Step::Later;
        }
        let free = portal.is_empty() || self.is_certain(Target::Portal, portal);
        if !free || !self.is_certain(Target::Statement, statement) {
            self.drained(out);
            return Step::Later;
        }
        let Some(mut prepared) = self.names.statements.get(statement).cloned() else {
            return self.fail_approved(approved, refuse::no_statement(statement), now_ns, out);
        };
        if !self.are_names_certain(&prepared.judgement) {
            self.drained(out);
            return Step::Later;
        }
        let known = self.catalog_known(&prepared.judgement.text, judge, now_ns, out);
        match if known { self.renew(&mut prepared, judge) } else { Ok(false) } {
            Ok(true) => {}
            Ok(false) => {
                if let Some(number) = approved {
                    self.hold_resume(number);
                }
                return Step::Later;
            }
            Err(report) => return self.fail_approved(approved, report, now_ns, out),
        }
        if let Some(report) = refuse::report(&prepared.judgement) {
            return self.fail_logged(&prepared.judgement, approved, report, now_ns, out);
        }
        if !portal.is_empty() && self.names.portals.get(portal).is_some_and(|p| !p.ended) {
            return self.fail_approved(approved, refuse::duplicate_portal(portal), now_ns, out);
        }
        let logged = judge.values(&prepared.judgement, formats, values);
        if prepared.judgement.verdict == Verdict::Approve && approved.is_none() {
            // Whether a transaction is open is only known once all earlier replies are in.
            if !self.drained(out) {
                return Step::Later;
            }
            return match self.hold(&prepared.judgement, logged, now_ns, out) {
                Ok(()) => Step::Later,
                Err(report) => self.fail_logged(&prepared.judgement, None, report, now_ns, out),
            };
        }
        if !prepared.described {
            self.describe_own(statement, &mut prepared, out);
        }
        let number = self.begin(&prepared.judgement, logged, approved, out);
        self.bound((portal, Formats::new(result_formats)), &prepared, number, now_ns, out);
        self.names.statements.insert(statement.to_owned(), prepared);
        Step::Taken
    }

    /// Judges a prepared statement anew where catalog, policy, settings or the name that it uses changed. False: not now.
    fn renew(&mut self, prepared: &mut Prepared, judge: &mut dyn Judge) -> Result<bool, Report> {
        let by_name = runs_by_name(&prepared.judgement);
        if judge.is_current(&prepared.judgement) && !by_name {
            return Ok(true);
        }
        let Some(judgement) = judge.judge(&prepared.judgement.text) else { return Ok(false) };
        if judgement.rewritten != prepared.judgement.rewritten {
            // What the server has prepared is not what would be sent now.
            return Err(refuse::changed());
        }
        let masks = judgement.masks(prepared.part).unwrap_or(&NOTHING_MASKED).clone();
        (prepared.judgement, prepared.masks) =
            if by_name { self.resolve_one(judgement, judge)? } else { (judgement, masks) };
        prepared.described = false;
        Ok(true)
    }

    /// A prepared text is one statement.
    fn resolve_one(
        &mut self,
        judgement: Arc<Judgement>,
        judge: &mut dyn Judge,
    ) -> Result<(Arc<Judgement>, Arc<MaskPlan>), Report> {
        let (judgement, masks) = self.resolve(judgement, judge)?;
        Ok((judgement, masks.into_iter().next().unwrap_or_else(|| NOTHING_MASKED.clone())))
    }

    fn begin(
        &mut self,
        judgement: &Arc<Judgement>,
        values: Vec<Value>,
        approved: Option<u64>,
        out: &mut Vec<Action>,
    ) -> u64 {
        if let Some(number) = approved {
            out.push(Action::Log { number, entry: Log::Execute, durable: true });
            return number;
        }
        // In a pipeline it may not be known yet whether a transaction is open: then the change counts as its own.
        let explicit = self.transaction == Transaction::Open && self.queue.is_empty();
        let durable = judgement.durable || (judgement.changes && !explicit);
        let number = self.next_number();
        out.push(Action::Log { number, entry: Log::Begin(judgement.clone(), values), durable });
        number
    }

    fn bound(
        &mut self,
        (portal, formats): (&str, Formats),
        prepared: &Prepared,
        number: u64,
        now_ns: i64,
        out: &mut Vec<Action>,
    ) {
        let judgement = prepared.judgement.clone();
        out.push(Action::Forward);
        self.mark_sent();
        self.batch.executed = true;
        let masks = prepared.masks.clone();
        let bound = Portal {
            judgement: judgement.clone(),
            masks,
            formats,
            number,
            uncertain: false,
            inner: prepared.inner,
            ended: false,
        };
        self.open(number, now_ns);
        let replaced = self.names.portals.insert(portal.to_owned(), bound).map(Box::new);
        self.queue.push_back(Expect::Bind { portal: portal.to_owned(), number, judgement, replaced });
    }

    pub(crate) fn describe(&mut self, target: Target, name: &str, out: &mut Vec<Action>) -> Step {
        if !self.is_certain(target, name) {
            self.drained(out);
            return Step::Later;
        }
        let masks = match target {
            Target::Statement => self.names.statements.get(name).map(|p| p.masks.clone()),
            Target::Portal => self.names.portals.get(name).map(|p| p.masks.clone()),
        };
        self.mark_sent();
        self.queue.push_back(Expect::Describe { target, own: false, masks });
        forward(out)
    }

    pub(crate) fn execute(&mut self, portal: &str, judge: &mut dyn Judge, now_ns: i64, out: &mut Vec<Action>) -> Step {
        if !self.is_certain(Target::Portal, portal) {
            self.drained(out);
            return Step::Later;
        }
        // Values are rendered under the settings of now, not of Bind.
        if !self.settings_known(now_ns, out) {
            return Step::Later;
        }
        let Some(found) = self.names.portals.get(portal).filter(|p| !p.uncertain).cloned() else {
            return self.fail(refuse::no_cursor(portal), out);
        };
        if !self.are_names_certain(&found.judgement) {
            self.drained(out);
            return Step::Later;
        }
        match self.holds_late(&found, judge, now_ns, out) {
            Late::Holds => {}
            Late::Later => return Step::Later,
            Late::Refuse(report) => return self.fail(report, out),
        }
        if let Some(name) = self.prepares_again(&found) {
            return self.fail(refuse::duplicate(&name), out);
        }
        if let Err(report) = self.check_name(&found, judge) {
            return self.fail(report, out);
        }
        let number = self.execution_number(&found, now_ns, out);
        let cursor = found.number == 0;
        let makes_names = !cursor && !found.inner;
        let Portal { judgement, masks, formats, .. } = found;
        self.note_barrier(&judgement);
        self.note_definition(&judgement);
        if makes_names {
            self.note_names(&judgement);
        }
        self.mark_sent();
        self.batch.executed = true;
        let reads = !cursor && judgement.parts.iter().any(copy::reads);
        self.copy_owed |= reads;
        let execution = Execution { reads, number, judgement, masks, formats, cursor, makes_names, cut: None };
        self.queue.push_back(Expect::Execute(Box::new(execution)));
        forward(out)
    }

    /// The name that a PREPARE would make although it is there.
    fn prepares_again(&self, portal: &Portal) -> Option<String> {
        portal.judgement.parts.iter().find_map(|part| match &part.named {
            Some(Named::Prepare(name)) if !portal.inner && self.names.statements.contains_key(name) => {
                Some(name.clone())
            }
            _ => None,
        })
    }

    /// The server looks the name of an EXECUTE or FETCH up when it runs, which may be another than the one that was bound.
    fn check_name(&mut self, portal: &Portal, judge: &mut dyn Judge) -> Result<(), Report> {
        if portal.number == 0 || !runs_by_name(&portal.judgement) {
            return Ok(());
        }
        let (_, masks) = self.resolve_one(portal.judgement.clone(), judge)?;
        if Arc::ptr_eq(&masks, &portal.masks) { Ok(()) } else { Err(refuse::changed()) }
    }

    pub(crate) fn close(&mut self, target: Target, name: &str, out: &mut Vec<Action>) -> Step {
        let (statement, portal) = match target {
            Target::Statement => (self.names.statements.remove(name).map(Box::new), None),
            Target::Portal => (None, self.names.portals.remove(name).map(Box::new)),
        };
        self.mark_sent();
        self.queue.push_back(Expect::Close { target, name: name.to_owned(), statement, portal });
        forward(out)
    }

    /// Refuses a message of a pipeline: the error in its place among the replies, then nothing until Sync.
    pub(crate) fn fail(&mut self, report: Report, out: &mut Vec<Action>) -> Step {
        if !self.drained(out) {
            return Step::Later;
        }
        out.push(Action::Tell(ClientReply::Error(report)));
        let poison = self.batch.executed && self.transaction == Transaction::Idle;
        self.mode = Mode::Skipping { poison };
        Step::Taken
    }

    /// Refuses a Bind that may have been approved.
    fn fail_approved(&mut self, approved: Option<u64>, report: Report, now_ns: i64, out: &mut Vec<Action>) -> Step {
        self.end_approved(approved, &report, now_ns, out);
        self.fail(report, out)
    }

    fn fail_logged(
        &mut self,
        judgement: &Arc<Judgement>,
        held: Option<u64>,
        report: Report,
        now_ns: i64,
        out: &mut Vec<Action>,
    ) -> Step {
        if !self.drained(out) {
            if let Some(number) = held {
                self.hold_resume(number);
            }
            return Step::Later;
        }
        self.log_refused(judgement, held, &report, now_ns, out);
        self.fail(report, out)
    }

    /// After an error: everything is dropped until Sync, as the server does.
    pub(crate) fn skip(
        &mut self,
        message: ClientMessage<'_>,
        poison: bool,
        now_ns: i64,
        out: &mut Vec<Action>,
    ) -> Step {
        if !matches!(message, ClientMessage::Sync) {
            return Step::Taken;
        }
        if !self.drained(out) {
            return Step::Later;
        }
        self.mode = Mode::Ready;
        self.end_batch(poison, now_ns, out);
        Step::Taken
    }
}

fn runs_by_name(judgement: &Judgement) -> bool {
    judgement.parts.iter().any(|p| matches!(p.named, Some(Named::Execute(_) | Named::Fetch(_))))
}
