//! The server's messages: each answers the head of the queue, or ends the session.

use std::sync::Arc;

use querygate_policy::decision::MaskPlan;
use querygate_record::{Named, Outcome, TransactionChange};

use crate::{
    cap,
    client::ends_transaction,
    event::{Action, ClientReply, Column, EndReason, Formats, Log, Relay, ServerMessage, Target, Transaction},
    expect::{Execution, Expect, OwnStep, Query},
    judgement::{Judge, Judgement, Part},
    names::{Portal, Prepared, put_back},
    session::{Mode, Own, Rows, Session, status},
};

/// How servers say that a statement was cancelled: Postgres by SQLSTATE, MySQL and MariaDB by number.
const CANCELLED: [&str; 2] = ["57014", "1317"];

impl Session {
    /// Takes one message of the server other than a row, notice, parameter or notification.
    pub fn server(
        &mut self,
        message: ServerMessage<'_>,
        judge: &mut dyn Judge,
        now_ns: i64,
        out: &mut Vec<Action>,
    ) -> Relay {
        self.note_answer();
        let muted = self.muted;
        let relay = self.answer(message, judge, now_ns, out);
        let more = self.muted && (!muted || self.unmute(message, now_ns, out));
        if more { Relay::Swallow } else { relay }
    }

    fn answer(
        &mut self,
        message: ServerMessage<'_>,
        judge: &mut dyn Judge,
        now_ns: i64,
        out: &mut Vec<Action>,
    ) -> Relay {
        if let ServerMessage::Failed { code } = message {
            return self.failed(code, judge.is_masked(), now_ns, out);
        }
        let Some(head) = self.queue.pop_front() else { return self.unexpected("a message that answers nothing", out) };
        match (head, message) {
            (Expect::Parse { .. }, ServerMessage::ParseComplete) => Relay::Pass,
            (Expect::Bind { replaced, .. }, ServerMessage::BindComplete) => {
                if let Some(replaced) = replaced {
                    self.end_open(replaced.number, status("ok"), now_ns, out);
                }
                Relay::Pass
            }
            (Expect::Close { portal, .. }, ServerMessage::CloseComplete) => {
                if let Some(portal) = portal {
                    self.end_open(portal.number, status("ok"), now_ns, out);
                }
                Relay::Pass
            }
            (Expect::Describe { target, own, masks }, message) => self.described((target, own, masks), message, out),
            (Expect::Query(query), message) => self.query_reply(query, message, judge, now_ns, out),
            (Expect::Execute(execution), message) => self.execute_reply(execution, message, judge, now_ns, out),
            (Expect::Sync { own }, ServerMessage::Ready(transaction)) => {
                self.ready(transaction, judge, now_ns, out);
                if own { Relay::Swallow } else { Relay::Pass }
            }
            (Expect::Settings(step, own), message) => self.settings_reply((step, own), message, judge, now_ns, out),
            (Expect::Catalog(question, at, step, own), message) => {
                self.catalog_reply((question, at, step, own), message, judge, now_ns, out)
            }
            (Expect::Probe(step, masks, own), message) => self.probe_reply((step, masks, own), message, now_ns, out),
            _ => self.unexpected("a message out of its turn", out),
        }
    }

    /// Whether the next row answers the gateway's own question and must be handed over as a message.
    pub fn wants_row(&self) -> bool {
        matches!(self.rows(), Rows::Own)
    }

    fn execute_reply(
        &mut self,
        execution: Box<Execution>,
        message: ServerMessage<'_>,
        judge: &mut dyn Judge,
        now_ns: i64,
        out: &mut Vec<Action>,
    ) -> Relay {
        match message {
            ServerMessage::Complete { .. } | ServerMessage::Suspended if execution.cut.is_some() => {
                self.execution_cut(&execution, now_ns, out);
                if matches!(message, ServerMessage::Complete { .. }) {
                    self.executed(&execution, judge, now_ns, out);
                }
                Relay::Swallow
            }
            ServerMessage::Complete { rows } => {
                self.end_open(execution.number, Outcome { rows, ..status("ok") }, now_ns, out);
                self.executed(&execution, judge, now_ns, out);
                Relay::Pass
            }
            ServerMessage::Empty => {
                self.end_open(execution.number, status("ok"), now_ns, out);
                Relay::Pass
            }
            ServerMessage::Suspended => {
                if execution.cursor {
                    self.end_open(execution.number, status("ok"), now_ns, out);
                } else {
                    self.suspend(execution.number);
                }
                Relay::Pass
            }
            ServerMessage::Columns(columns) if execution.judgement.has_several_results() => {
                self.cross_check(columns, &execution.masks, out);
                self.queue.push_front(Expect::Execute(execution));
                Relay::Pass
            }
            ServerMessage::CopyIn | ServerMessage::CopyOut | ServerMessage::CopyDone => {
                self.queue.push_front(Expect::Execute(execution));
                self.copying(message, now_ns, out)
            }
            _ => self.unexpected("a reply that does not answer Execute", out),
        }
    }

    fn executed(&mut self, execution: &Execution, judge: &mut dyn Judge, now_ns: i64, out: &mut Vec<Action>) {
        if execution.makes_names {
            self.part_done(&execution.judgement, 0, judge, now_ns, out);
        } else if !execution.cursor {
            // Made by SQL's PREPARE: no transaction control, but as much of the catalog as its text may change.
            (0..execution.judgement.parts.len()).for_each(|part| judge.completed(&execution.judgement, part));
        }
    }

    /// An execution whose result is too large came to its end, or to its row limit, before it was cancelled.
    fn execution_cut(&mut self, execution: &Execution, now_ns: i64, out: &mut Vec<Action>) {
        self.end_open(execution.number, failed_with(cap::OVER), now_ns, out);
        self.names.portals.retain(|_, portal| portal.number != execution.number);
        execution.cut.into_iter().for_each(|over| self.cut_too_late(over, out));
    }

    fn described(
        &mut self,
        (target, own, masks): (Target, bool, Option<Arc<MaskPlan>>),
        message: ServerMessage<'_>,
        out: &mut Vec<Action>,
    ) -> Relay {
        match message {
            ServerMessage::ParameterDescription if target == Target::Statement => {
                self.queue.push_front(Expect::Describe { target: Target::Portal, own, masks });
            }
            ServerMessage::NoData => {}
            ServerMessage::Columns(columns) => {
                if let Some(masks) = masks {
                    self.cross_check(columns, &masks, out);
                }
            }
            _ => return self.unexpected("a reply that does not answer Describe", out),
        }
        if own { Relay::Swallow } else { Relay::Pass }
    }

    fn query_reply(
        &mut self,
        mut query: Box<Query>,
        message: ServerMessage<'_>,
        judge: &mut dyn Judge,
        now_ns: i64,
        out: &mut Vec<Action>,
    ) -> Relay {
        match message {
            ServerMessage::Columns(columns) => {
                let Some(masks) = query.masks.get(query.part) else {
                    return self.unexpected("more results than the text has statements", out);
                };
                self.cross_check(columns, masks, out);
                let codes: Vec<i16> = columns.iter().map(|c| c.format).collect();
                query.formats = Formats::new(&codes);
            }
            ServerMessage::Complete { rows } => {
                if query.part >= query.judgement.parts.len() {
                    return self.unexpected("more results than the text has statements", out);
                }
                if let Some(over) = query.cut.take() {
                    query.cut_too_late = true;
                    out.push(Action::Tell(ClientReply::Error(over.report(true))));
                    self.muted = true;
                } else if !self.muted {
                    query.rows += rows;
                }
                self.part_done(&query.judgement, query.part, judge, now_ns, out);
                // Nobody knows how many statements a text has that was not understood.
                query.part += usize::from(query.judgement.parts.get(query.part).is_none_or(Part::is_understood));
            }
            ServerMessage::Empty => {}
            ServerMessage::CopyIn | ServerMessage::CopyOut | ServerMessage::CopyDone => {
                self.queue.push_front(Expect::Query(query));
                return self.copying(message, now_ns, out);
            }
            ServerMessage::Ready(transaction) => {
                self.query_ended(&query, now_ns, out);
                self.ready(transaction, judge, now_ns, out);
                return Relay::Pass;
            }
            _ => return self.unexpected("a reply that does not answer a query", out),
        }
        self.queue.push_front(Expect::Query(query));
        Relay::Pass
    }

    fn query_ended(&mut self, query: &Query, now_ns: i64, out: &mut Vec<Action>) {
        let mut outcome = match &query.failed {
            _ if query.cut_too_late => failed_with(cap::OVER),
            None => status("ok"),
            Some(code) => failed_with(code),
        };
        outcome.rows = query.rows;
        self.log_end(query.number, outcome, query.started_ns, now_ns, out);
        self.unname(&query.judgement, query.part);
    }

    /// What a text would have named from its failure on does not exist.
    fn unname(&mut self, judgement: &Judgement, from: usize) {
        for part in judgement.parts.get(from..).unwrap_or_default() {
            match &part.named {
                Some(Named::Prepare(name)) => drop(self.names.statements.remove(name)),
                Some(Named::Declare(name)) => drop(self.names.portals.remove(name)),
                _ => {}
            }
        }
    }

    /// Whether something behind the head of the queue, in the batch that is open, runs code.
    fn runs_later(&self) -> bool {
        let open = self.queue.iter().rev().take_while(|owed| !owed.ends_batch());
        open.into_iter().any(|owed| matches!(owed, Expect::Bind { .. } | Expect::Execute(_)))
    }

    /// A statement of a text succeeded.
    fn part_done(
        &mut self,
        judgement: &Arc<Judgement>,
        index: usize,
        judge: &mut dyn Judge,
        now_ns: i64,
        out: &mut Vec<Action>,
    ) {
        let Some(part) = judgement.parts.get(index) else { return };
        match part.transaction {
            TransactionChange::Begin => self.transaction = Transaction::Open,
            change if ends_transaction(change) => {
                self.transaction = Transaction::Idle;
                self.batch.executed = self.runs_later();
                self.end_portals(now_ns, out);
                self.settings_stale |= self.settings_in_transaction;
            }
            TransactionChange::RollbackTo => self.settings_stale |= self.settings_in_transaction,
            _ => {}
        }
        if part.defines {
            // A schema on the search path may have come or gone.
            self.settings_stale = true;
        }
        match &part.named {
            Some(Named::Deallocate(Some(name))) => drop(self.names.statements.remove(name)),
            Some(Named::Deallocate(None)) => self.names.statements.retain(|name, _| name.is_empty()),
            Some(Named::Close(Some(name))) => drop(self.names.portals.remove(name)),
            Some(Named::Close(None)) => self.names.portals.retain(|_, p| self.open.contains_key(&p.number)),
            _ => {}
        }
        judge.completed(judgement, index);
        if ends_transaction(part.transaction) {
            judge.settled();
        }
    }

    fn ready(&mut self, transaction: Transaction, judge: &mut dyn Judge, now_ns: i64, out: &mut Vec<Action>) {
        self.transaction = transaction;
        self.copy_in = false;
        self.overdue = false;
        if transaction == Transaction::Idle {
            judge.settled();
            self.end_portals(now_ns, out);
            self.settings_stale |= self.settings_in_transaction;
            // A change that a later batch makes is still to come, and may still be taken back.
            self.settings_in_transaction &= self.queue.iter().any(Expect::is_barrier);
        }
    }

    /// The server's own word on where each column comes from: the second net under the analysis.
    fn cross_check(&mut self, columns: &[Column], masks: &MaskPlan, out: &mut Vec<Action>) {
        if masks.masked_columns.is_empty() {
            return;
        }
        let detail = if !masks.fields.is_empty() && masks.fields.len() != columns.len() {
            format!("{} result columns where the analysis has {}", columns.len(), masks.fields.len())
        } else {
            let open = columns.iter().enumerate().find(|(index, column)| {
                let covered = masks.fields.get(*index).is_some_and(Option::is_some);
                !covered && masks.masked_columns.contains(column.table, column.attribute)
            });
            match open {
                None => return,
                Some((index, c)) => {
                    format!("result column {} is column {} of relation {}", index + 1, c.attribute, c.table)
                }
            }
        };
        out.push(Action::End(EndReason::CrossCheck { detail }));
    }

    fn failed(&mut self, code: &str, masked: bool, now_ns: i64, out: &mut Vec<Action>) -> Relay {
        if let Some(own) = self.failing_copy.take() {
            Session::own_ended(own, failed_with(code), now_ns, out);
        }
        let cut = self.take_cut();
        let slow = self.overdue && CANCELLED.contains(&code);
        let code = if cut.is_some() { cap::OVER } else { code };
        let told = match cut {
            Some(over) => Some(ClientReply::Error(over.report(false))),
            None => slow.then(Session::too_slow),
        };
        let is_told = told.is_some();
        out.extend(told.map(Action::Tell));
        let relay = match self.queue.front_mut() {
            None => return self.unexpected("an error that answers nothing", out),
            Some(Expect::Query(query)) => {
                query.failed = Some(code.to_owned());
                if is_told {
                    self.copy_in = false;
                    return Relay::Swallow;
                }
                let canonical = query.masks.iter().any(|m| m.canonical_errors);
                self.copy_in = false;
                return if canonical { Relay::Canonical } else { Relay::Pass };
            }
            Some(Expect::Poison(_) | Expect::Probe(..)) => Relay::Swallow,
            // A deferred constraint fails at Sync: ReadyForQuery still comes.
            Some(Expect::Sync { own }) => {
                return if *own { Relay::Swallow } else { self.diagnostics(masked) };
            }
            Some(Expect::Catalog(..)) => self.catalog_failed(),
            Some(Expect::Settings(..)) => return self.unexpected("the tracked settings could not be read", out),
            Some(_) if is_told => Relay::Swallow,
            Some(_) => self.diagnostics(masked),
        };
        self.skip_to_sync(code, now_ns, out);
        relay
    }

    /// Drops the replies that the server skips after an error, and takes back what they would have made.
    fn skip_to_sync(&mut self, code: &str, now_ns: i64, out: &mut Vec<Action>) {
        self.copy_in = false;
        let mut skipped = Vec::new();
        while let Some(owed) = self.queue.pop_front_if(|e| !e.ends_batch()) {
            skipped.push(owed);
        }
        if self.queue.is_empty() {
            self.mode = Mode::Skipping { poison: false };
        }
        let mut outcome = failed_with(code);
        for owed in &skipped {
            self.end_skipped(owed, outcome, now_ns, out);
            outcome = status("skipped");
        }
        let failed = skipped.len();
        for (back, owed) in skipped.into_iter().rev().enumerate() {
            self.take_back(owed, back + 1 == failed);
        }
    }

    fn end_skipped(&mut self, owed: &Expect, outcome: Outcome, now_ns: i64, out: &mut Vec<Action>) {
        match owed {
            Expect::Bind { number, .. } => self.end_open(*number, outcome, now_ns, out),
            Expect::Execute(e) => self.end_open(e.number, outcome, now_ns, out),
            owed => owed.own().into_iter().for_each(|own| Session::own_ended(own, outcome.clone(), now_ns, out)),
        }
    }

    /// Takes back what a message would have made; `ran`: the server tried it, else skipped it.
    fn take_back(&mut self, owed: Expect, ran: bool) {
        match owed {
            // The unnamed statement is dropped before the new text is looked at.
            Expect::Parse { name, id, replaced } => self.restore(&name, id, replaced.filter(|_| !ran)),
            Expect::Bind { portal, number, replaced, .. } => self.restore_portal(&portal, number, replaced),
            Expect::Execute(e) if e.makes_names => self.unname(&e.judgement, 0),
            Expect::Close { name, statement: Some(s), .. } => self.restore(&name, 0, Some(s)),
            Expect::Close { name, portal: Some(p), .. } => self.restore_portal(&name, 0, Some(p)),
            _ => {}
        }
    }

    /// Puts a statement back in place of the one with this id (0: of none). Where a later message has replaced that, it is what a
    /// failure of that message brings back.
    fn restore(&mut self, name: &str, id: u64, statement: Option<Box<Prepared>>) {
        let owed = self.queue.iter_mut().filter_map(|owed| match owed {
            Expect::Parse { name: n, replaced, .. } if n == name => Some(replaced),
            Expect::Close { target: Target::Statement, name: n, statement, .. } if n == name => Some(statement),
            _ => None,
        });
        put_back(owed, &mut self.names.statements, name, |made| made.map_or(0, |p| p.id) == id, statement);
    }

    /// The same for a portal and its number.
    fn restore_portal(&mut self, name: &str, number: u64, portal: Option<Box<Portal>>) {
        let owed = self.queue.iter_mut().filter_map(|owed| match owed {
            Expect::Bind { portal: n, replaced, .. } if n == name => Some(replaced),
            Expect::Close { target: Target::Portal, name: n, portal, .. } if n == name => Some(portal),
            _ => None,
        });
        put_back(owed, &mut self.names.portals, name, |made| made.map_or(0, |p| p.number) == number, portal);
    }

    fn settings_reply(
        &mut self,
        (step, own): (OwnStep, Own),
        message: ServerMessage<'_>,
        judge: &mut dyn Judge,
        now_ns: i64,
        out: &mut Vec<Action>,
    ) -> Relay {
        let next = match (step, message) {
            (OwnStep::Clear, ServerMessage::CloseComplete) => OwnStep::Parse,
            (OwnStep::Parse, ServerMessage::ParseComplete) => OwnStep::Bind,
            (OwnStep::Bind, ServerMessage::BindComplete) => OwnStep::Row,
            (OwnStep::Row, ServerMessage::Row(row)) if judge.settings_read(row) => OwnStep::Complete,
            (OwnStep::Complete, ServerMessage::Complete { .. }) => OwnStep::ClosePortal,
            (OwnStep::ClosePortal, ServerMessage::CloseComplete) => OwnStep::Close,
            (OwnStep::Close, ServerMessage::CloseComplete) => {
                self.settings_asked = false;
                Session::own_ended(own, status("ok"), now_ns, out);
                return Relay::Swallow;
            }
            (OwnStep::Row, ServerMessage::Row(_)) => {
                out.push(Action::End(EndReason::Settings));
                return Relay::Swallow;
            }
            _ => return self.unexpected("the tracked settings could not be read", out),
        };
        self.queue.push_front(Expect::Settings(next, own));
        Relay::Swallow
    }

    fn probe_reply(
        &mut self,
        (step, masks, own): (OwnStep, Arc<MaskPlan>, Own),
        message: ServerMessage<'_>,
        now_ns: i64,
        out: &mut Vec<Action>,
    ) -> Relay {
        let next = match (step, message) {
            (OwnStep::Clear, ServerMessage::CloseComplete) => OwnStep::Parse,
            (OwnStep::Parse, ServerMessage::ParseComplete) => OwnStep::Describe,
            (OwnStep::Describe, ServerMessage::ParameterDescription) => OwnStep::Describe,
            (OwnStep::Describe, ServerMessage::Columns(columns)) => {
                self.cross_check(columns, &masks, out);
                OwnStep::Close
            }
            (OwnStep::Close, ServerMessage::CloseComplete) => {
                Session::own_ended(own, status("ok"), now_ns, out);
                return Relay::Swallow;
            }
            _ => return self.unexpected("the columns of a COPY could not be described", out),
        };
        self.queue.push_front(Expect::Probe(next, masks, own));
        Relay::Swallow
    }
}

fn failed_with(code: &str) -> Outcome {
    Outcome { code: code.to_owned(), ..status("error") }
}

impl Session {
    /// An alarm for the log.
    pub fn alarm(kind: &str, detail: &str) -> Log {
        Log::Other(querygate_record::Event::Alarm { kind: kind.to_owned(), detail: detail.to_owned() })
    }
}
