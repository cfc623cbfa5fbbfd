//! The session's state, and what is asked of it between messages.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, LazyLock},
};

use querygate_policy::decision::MaskPlan;
use querygate_record::Outcome;

use crate::{
    cap::Caps,
    event::{Action, Control, EndReason, Formats, Injected, Log, Relay, Step, Transaction},
    expect::{Expect, OwnStep},
    hold::Held,
    names::Names,
    portals::Open,
};

/// Most replies that may be owed at once: further messages wait.
pub(crate) const OWED_MAX: usize = 4096;

pub(crate) static NOTHING_MASKED: LazyLock<Arc<MaskPlan>> = LazyLock::new(|| Arc::new(MaskPlan::default()));

/// What servers do differently that the session can't see in their messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Habits {
    /// An error leaves an open transaction as it is, and there is no way to make one fail.
    pub errors_keep_transactions: bool,
    /// SQL's PREPARE takes the place of a statement that has the name; else it fails.
    pub prepare_replaces: bool,
}

/// One client's session with one server connection. Holds no bytes and reads no clock: `now_ns` comes with each event.
#[derive(Debug, Default)]
pub struct Session {
    pub(crate) queue: VecDeque<Expect>,
    pub(crate) names: Names,
    pub(crate) mode: Mode,
    pub(crate) transaction: Transaction,
    pub(crate) batch: Batch,
    /// Tracked settings may have changed: read them back before the next analysis.
    pub(crate) settings_stale: bool,
    /// They have been asked for, and the answer is not whole.
    pub(crate) settings_asked: bool,
    /// A setting changed inside the transaction: its end may change it back.
    pub(crate) settings_in_transaction: bool,
    /// What was sent may change the catalog, and is not answered.
    pub(crate) defines_owed: bool,
    /// The catalog has been asked for, and the answer is not whole.
    pub(crate) catalog_asked: bool,
    pub(crate) habits: Habits,
    /// The server takes COPY data.
    pub(crate) copy_in: bool,
    /// A COPY was sent that may yet ask for data.
    pub(crate) copy_owed: bool,
    pub(crate) last_number: u64,
    /// How many of the numbers are of the gateway's own statements.
    own_numbers: u64,
    /// The gateway's own message that is failing a COPY.
    pub(crate) failing_copy: Option<Own>,
    pub(crate) last_prepared: u64,
    /// Bound statements whose end is not logged yet, by number.
    pub(crate) open: BTreeMap<u64, Open>,
    pub(crate) counted: Counted,
    pub(crate) caps: Caps,
    /// Rows and bytes of the result that comes now, once it has begun.
    pub(crate) result: Option<(u64, u64)>,
    /// The client has been told an error: what the server says until the next ReadyForQuery does not reach it.
    pub(crate) muted: bool,
    /// The statement that runs was cancelled because it took too long.
    pub(crate) overdue: bool,
    /// Messages of the server so far, other than rows.
    answers: u64,
    /// Messages of the client that were taken so far.
    taken: u64,
    /// A cancel is on its way to the server: nothing new may start that it could hit.
    pub(crate) cancelling: bool,
    /// The columns of the COPY that waits at the head of the client's stream have been asked for and checked.
    pub(crate) probed: bool,
    /// An approval that is not used yet because the catalog is being loaded: the number of its statement.
    pub(crate) approved: Option<u64>,
}

/// What the client side does.
#[derive(Debug, Default)]
pub(crate) enum Mode {
    /// Takes messages.
    #[default]
    Ready,
    /// Drops messages until Sync: an error was sent. `poison`: the implicit transaction must fail on the server too.
    Skipping { poison: bool },
    /// Waits for reviewers.
    Held(Box<Held>),
}

/// What was sent since the last Sync.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Anything.
    pub(crate) open: bool,
    /// Something that runs code.
    pub(crate) executed: bool,
    /// A Flush is behind the last of it.
    pub(crate) flushed: bool,
}

/// One of the gateway's own statements, until its end is logged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Own {
    number: u64,
    started_ns: i64,
}

/// What went to the client since the last statement's end.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) masked_fields: u64,
}

impl Counted {
    pub(crate) fn add(&mut self, other: &Counted) {
        self.rows += other.rows;
        self.bytes += other.bytes;
        self.masked_fields += other.masked_fields;
    }
}

/// What a session does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// The server owes a reply.
    Active,
    /// Nothing.
    Idle,
    /// Nothing, inside a transaction.
    InTransaction,
    /// A statement waits for reviewers.
    Held,
}

/// A wait that may last too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Waits {
    /// None.
    #[default]
    Nothing,
    /// For the server, since its last answer, by number.
    Server(u64),
    /// For the client, inside a transaction, since this message.
    InTransaction(u64),
    /// For the client, outside a transaction, since this message.
    Idle(u64),
}

/// What to do with the rows that come now.
#[derive(Debug)]
pub enum Rows<'a> {
    /// They belong to a statement with this plan.
    Planned(&'a Arc<MaskPlan>, &'a Formats),
    /// They answer the gateway's own question.
    Own,
    /// They belong to a result of which nothing passes any more.
    Dropped,
    /// They belong to nothing.
    Unexpected,
}

impl Session {
    /// A session after log-in. The tracked settings are read before its first statement.
    pub fn new(habits: Habits) -> Session {
        Session { habits, settings_stale: true, ..Session::default() }
    }

    /// What to do with a row or COPY chunk that the server sends now.
    pub fn rows(&self) -> Rows<'_> {
        if self.drops_rows() {
            return Rows::Dropped;
        }
        match self.queue.front() {
            Some(Expect::Execute(e)) => Rows::Planned(&e.masks, &e.formats),
            Some(Expect::Query(q)) if q.failed.is_none() => match q.masks.get(q.part) {
                Some(masks) => Rows::Planned(masks, &q.formats),
                None => Rows::Unexpected,
            },
            Some(Expect::Settings(OwnStep::Row, _) | Expect::Catalog(_, _, OwnStep::Row, _)) => Rows::Own,
            _ => Rows::Unexpected,
        }
    }

    /// Whether errors and notices that come now are replaced by the canonical text of their code. `masked` says whether the
    /// principal has masks here at all: that decides where no statement is under way.
    pub fn diagnostics(&self, masked: bool) -> Relay {
        let canonical = match self.queue.front() {
            Some(Expect::Execute(e)) => e.masks.canonical_errors,
            Some(Expect::Bind { judgement, .. }) => judgement.parts.iter().any(|p| p.masks.canonical_errors),
            Some(Expect::Query(q)) => q.masks.iter().any(|m| m.canonical_errors),
            Some(Expect::Parse { .. } | Expect::Describe { .. } | Expect::Close { .. }) => false,
            // Deferred constraints and triggers speak at COMMIT, which Sync may be.
            Some(
                Expect::Sync { .. }
                | Expect::Poison(_)
                | Expect::Settings(..)
                | Expect::Catalog(..)
                | Expect::Probe(..),
            )
            | None => masked,
        };
        if canonical { Relay::Canonical } else { Relay::Pass }
    }

    /// Whether the statement that answers now is alone in its text and touches tables that the catalog knows.
    pub fn is_on_tables(&self) -> bool {
        let judgement = match self.queue.front() {
            Some(Expect::Query(q)) => &q.judgement,
            Some(Expect::Execute(e)) => &e.judgement,
            _ => return false,
        };
        judgement.parts.len() == 1 && !judgement.facts.tables.is_empty()
    }

    /// Whether the statement that answers now may show any number of results.
    pub fn shows_several_results(&self) -> bool {
        match self.queue.front() {
            Some(Expect::Query(q)) => q.judgement.has_several_results(),
            Some(Expect::Execute(e)) => e.judgement.has_several_results(),
            _ => false,
        }
    }

    /// Whether nothing is owed and nothing waits: the session may be ended without loss.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty()
            && !self.batch.open
            && matches!(self.mode, Mode::Ready)
            && self.transaction == Transaction::Idle
    }

    /// Whether no reply is owed and nothing waits, whatever transaction is open.
    pub fn is_quiet(&self) -> bool {
        self.queue.is_empty() && matches!(self.mode, Mode::Ready)
    }

    /// Adds to the counts of the statement that answers now, where its result has no bounds.
    pub fn count(&mut self, rows: u64, bytes: u64, masked_fields: u64) {
        self.counted.add(&Counted { rows, bytes, masked_fields });
    }

    /// What it does now, and how many statements it has numbered.
    pub fn activity(&self) -> (Activity, u64) {
        let activity = if matches!(self.mode, Mode::Held(_)) {
            Activity::Held
        } else if !self.queue.is_empty() {
            Activity::Active
        } else if self.transaction == Transaction::Idle {
            Activity::Idle
        } else {
            Activity::InTransaction
        };
        (activity, self.last_number - self.own_numbers)
    }

    /// The format and direction of the COPY that answers now.
    pub fn copy(&self) -> Option<&querygate_record::Copy> {
        match self.queue.front()? {
            Expect::Query(q) => q.judgement.parts.get(q.part)?.copy.as_ref(),
            Expect::Execute(e) => e.judgement.parts.first()?.copy.as_ref(),
            _ => None,
        }
    }

    /// Takes an event beside the two streams.
    pub fn control(&mut self, control: Control, now_ns: i64, out: &mut Vec<Action>) {
        match control {
            Control::Asked(id) => self.hold_asked(id, out),
            Control::Decided(ruling) => self.hold_decided(ruling),
            Control::Cancel => self.cancel(out),
            Control::Overdue => self.overdue(out),
            Control::CancelDone => self.cancelling = false,
            Control::Gone { status } => self.gone(status, now_ns, out),
        }
    }

    pub(crate) fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    pub(crate) fn next_prepared(&mut self) -> u64 {
        self.last_prepared += 1;
        self.last_prepared
    }

    /// Queues a reply and the message that asks for it.
    pub(crate) fn inject(
        &mut self,
        message: Injected,
        replies: impl IntoIterator<Item = Expect>,
        out: &mut Vec<Action>,
    ) {
        self.queue.extend(replies);
        match message {
            Injected::Sync => self.batch = Batch::default(),
            Injected::Flush => self.batch.flushed = true,
            _ => self.mark_sent(),
        }
        out.push(Action::Inject(message));
    }

    pub(crate) fn mark_sent(&mut self) {
        self.batch.open = true;
        self.batch.flushed = false;
    }

    /// True once nothing is owed; else makes sure that the server will answer what it owes.
    pub(crate) fn drained(&mut self, out: &mut Vec<Action>) -> bool {
        if self.queue.is_empty() {
            return true;
        }
        let waits = self.queue.back().is_some_and(|last| !last.ends_batch());
        if waits && !self.batch.flushed && !self.copy_in {
            self.inject(Injected::Flush, [], out);
        }
        false
    }

    /// True once the tracked settings are known; else asks for them. A failed transaction can't be asked: there the server refuses
    /// everything but its end, so an outdated setting decides nothing.
    pub(crate) fn settings_known(&mut self, now_ns: i64, out: &mut Vec<Action>) -> bool {
        if self.settings_asked {
            return false;
        }
        // What is under way may change them back.
        if self.settings_in_transaction && self.queue.iter().any(Expect::may_restore_settings) && !self.drained(out) {
            return false;
        }
        if !self.settings_stale || self.transaction == Transaction::Failed {
            return true;
        }
        if !self.drained(out) {
            return false;
        }
        self.settings_stale = false;
        self.settings_asked = true;
        let own = self.own("read the tracked settings back", now_ns, out);
        let in_batch = self.batch.open;
        self.inject(Injected::ReadSettings, [Expect::Settings(OwnStep::Clear, own)], out);
        if in_batch {
            self.inject(Injected::Flush, [], out);
        } else {
            self.inject(Injected::Sync, [Expect::Sync { own: true }], out);
        }
        false
    }

    /// Begins one of the gateway's own statements.
    pub(crate) fn own(&mut self, what: &'static str, now_ns: i64, out: &mut Vec<Action>) -> Own {
        self.own_numbers += 1;
        let number = self.next_number();
        out.push(Action::Log { number, entry: Log::Own(what), durable: false });
        Own { number, started_ns: now_ns }
    }

    /// Ends one of the gateway's own statements.
    pub(crate) fn own_ended(own: Own, outcome: Outcome, now_ns: i64, out: &mut Vec<Action>) {
        let outcome = Outcome { duration_ns: elapsed(own.started_ns, now_ns), ..outcome };
        out.push(Action::Log { number: own.number, entry: Log::OwnEnd(Box::new(outcome)), durable: false });
    }

    /// The end entry of a statement, with what was counted since the last one.
    pub(crate) fn log_end(
        &mut self,
        number: u64,
        mut outcome: Outcome,
        started_ns: i64,
        now_ns: i64,
        out: &mut Vec<Action>,
    ) {
        let counted = std::mem::take(&mut self.counted);
        outcome.rows = outcome.rows.max(counted.rows);
        outcome.bytes = counted.bytes;
        outcome.masked_fields = counted.masked_fields;
        outcome.duration_ns = elapsed(started_ns, now_ns);
        out.push(Action::Log { number, entry: Log::End(Box::new(outcome)), durable: false });
    }

    fn cancel(&mut self, out: &mut Vec<Action>) {
        if matches!(self.mode, Mode::Held(_)) {
            self.hold_cancelled(out);
        } else if self.runs_something() {
            self.cancel_server(out);
        }
    }

    pub(crate) fn runs_something(&self) -> bool {
        self.queue.iter().any(|e| matches!(e, Expect::Query(_) | Expect::Execute(_) | Expect::Bind { .. }))
    }

    /// Cancels what the server runs, unless that is under way.
    pub(crate) fn cancel_server(&mut self, out: &mut Vec<Action>) {
        if !std::mem::replace(&mut self.cancelling, true) {
            out.push(Action::CancelServer);
        }
    }

    /// What is waited for, so that a wait can be timed: it is another one when this changes.
    pub fn waits(&self) -> Waits {
        if !self.queue.is_empty() {
            Waits::Server(self.answers)
        } else if !matches!(self.mode, Mode::Ready) || self.batch.open {
            Waits::Nothing
        } else if self.transaction == Transaction::Idle {
            Waits::Idle(self.answers + self.taken)
        } else {
            Waits::InTransaction(self.answers + self.taken)
        }
    }

    pub(crate) fn note_step(&mut self, step: Step) {
        self.taken += u64::from(step == Step::Taken);
    }

    pub(crate) fn note_answer(&mut self) {
        self.result = None;
        self.answers += 1;
    }

    fn gone(&mut self, why: &'static str, now_ns: i64, out: &mut Vec<Action>) {
        self.hold_withdrawn(why, now_ns, out);
        self.end_all(why, now_ns, out);
    }

    /// Ends the session because the server sent what no plan covers.
    pub(crate) fn unexpected(&mut self, what: &str, out: &mut Vec<Action>) -> Relay {
        out.push(Action::End(EndReason::Unexpected { detail: what.to_owned() }));
        Relay::Swallow
    }
}

fn elapsed(started_ns: i64, now_ns: i64) -> u64 {
    u64::try_from(now_ns.saturating_sub(started_ns)).unwrap_or(0)
}

pub(crate) fn status(status: &'static str) -> Outcome {
    Outcome { status: status.into(), ..Outcome::default() }
}
