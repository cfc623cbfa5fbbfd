use std::sync::Arc;

use querygate_record::{
    Digest, Event, Facts, HoldId, Origin, Outcome, Principal, SessionFacts, SessionId, StatementId, Value,
};

use crate::ChainId;

/// One line of the log as people read it: a statement with everything that is known of it, or an event of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What it is.
    pub kind: RowKind,
    /// The chain of its first entry.
    pub chain: ChainId,
    /// The number of its first entry in the chain.
    pub sequence: u64,
    /// The hash of the entry before its first entry.
    pub previous: Digest,
    /// The hash of its first entry.
    pub hash: Digest,
    /// The time of its first entry, nanoseconds since 1970-01-01 UTC.
    pub time_ns: i64,
    /// Whose doing it is.
    pub origin: Origin,
    /// The session.
    pub session: Option<SessionId>,
    /// The statement's number in its session; 0 for what is not a statement.
    pub statement: u64,
    /// What is known of the session. Absent for the gateway's own doings.
    pub session_facts: Option<Arc<SessionFacts>>,
    /// What analysis and policy said. Absent for what is not a statement.
    pub facts: Option<Arc<Facts>>,
    /// Bind values.
    pub values: Vec<Value>,
    /// How often the portal was executed after its first time.
    pub executions: u64,
    /// The wait for a reviewer, when there was one.
    pub hold: Option<Hold>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// The entry that ended it: number, hash and time.
    pub end: Option<(u64, Digest, i64)>,
    /// Whether its chain can still grow, so that an absent end may yet come.
    pub open: bool,
    /// The event itself, for kinds other than `Statement` and `Prepare`.
    pub event: Option<Event>,
}

/// What a [`Row`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RowKind {
    /// A statement that was about to reach the server, or was refused.
    Statement,
    /// A text that was prepared.
    Prepare,
    /// A session passed log-in, or was refused.
    SessionOpened,
    /// A session ended.
    SessionClosed,
    /// Something that an operator must look at.
    Alarm,
    /// Configuration or policies were loaded.
    Loaded,
}

impl RowKind {
    /// The name used in exports.
    pub fn name(self) -> &'static str {
        match self {
            RowKind::Statement => "statement",
            RowKind::Prepare => "prepare",
            RowKind::SessionOpened => "session_opened",
            RowKind::SessionClosed => "session_closed",
            RowKind::Alarm => "alarm",
            RowKind::Loaded => "loaded",
        }
    }
}

/// A wait for a reviewer.
#[derive(Clone, Debug, PartialEq)]
pub struct Hold {
    /// The request.
    pub id: HoldId,
    /// When it began, nanoseconds since 1970-01-01 UTC.
    pub time_ns: i64,
    /// Roles that may decide.
    pub reviewers: Vec<String>,
    /// When it expires.
    pub expires_ns: i64,
    /// How it ended.
    pub ruling: Option<Ruling>,
}

/// The end of a wait.
#[derive(Clone, Debug, PartialEq)]
pub struct Ruling {
    /// When, nanoseconds since 1970-01-01 UTC.
    pub time_ns: i64,
    /// `approved`, `denied`, `expired`, `cancelled`, `disconnected`, `stopped`.
    pub ruling: String,
    /// Who decided, when somebody did.
    pub reviewer: Option<Principal>,
    /// Their words.
    pub because: String,
}

/// [`Row::status`] of a statement whose chain ended before it did: it may or may not have run.
pub const OUTCOME_UNKNOWN: &str = "outcome unknown";

/// [`Row::status`] of a statement that has not ended yet.
pub const RUNNING: &str = "running";

/// [`Row::status`] of a statement that waits for a reviewer.
pub const HELD: &str = "held";

impl Row {
    /// The statement's name; none for what is not a statement.
    pub fn id(&self) -> Option<StatementId> {
        let session = self.session?;
        (self.statement != 0).then_some(StatementId { session, number: self.statement })
    }

    /// Who did it.
    pub fn principal(&self) -> Option<&Principal> {
        self.session_facts.as_deref().map(|facts| &facts.principal)
    }

    /// How it ended: the outcome's status, or [`OUTCOME_UNKNOWN`], [`RUNNING`], [`HELD`]; empty for what does not end.
    pub fn status(&self) -> &str {
        match (&self.outcome, &self.hold) {
            (Some(outcome), _) => &outcome.status,
            _ if self.kind != RowKind::Statement => "",
            _ if !self.open => OUTCOME_UNKNOWN,
            (None, Some(Hold { ruling: None, .. })) => HELD,
            (None, _) => RUNNING,
        }
    }

    /// Whether the result had masked columns.
    pub fn is_masked(&self) -> bool {
        self.facts.as_ref().is_some_and(|facts| !facts.masks.is_empty())
            || self.outcome.as_ref().is_some_and(|outcome| outcome.masked_fields > 0)
    }

    /// Adds what a later entry says.
    pub(crate) fn join(&mut self, sequence: u64, hash: Digest, time_ns: i64, event: Event) {
        match event {
            Event::Execute => self.executions += 1,
            Event::End(outcome) => {
                self.outcome = Some(*outcome);
                self.end = Some((sequence, hash, time_ns));
            }
            Event::Held { hold, reviewers, expires_ns } => {
                self.hold = Some(Hold { id: hold, time_ns, reviewers, expires_ns, ruling: None });
            }
            Event::Ruled { hold, ruling, reviewer, because } => {
                let ended = Ruling { time_ns, ruling, reviewer, because };
                let unknown = || Hold { id: hold, time_ns, reviewers: Vec::new(), expires_ns: 0, ruling: None };
                self.hold.get_or_insert_with(unknown).ruling = Some(ended);
            }
            _ => {}
        }
    }
}
