//! The queue of replies that the server owes: one entry for each message sent to it, the gateway's own included.

use std::sync::Arc;

use querygate_policy::decision::MaskPlan;

use crate::{
    event::{Formats, Target},
    judgement::Judgement,
    names::{Portal, Prepared},
};

/// A reply that is owed.
#[derive(Debug)]
pub(crate) enum Expect {
    /// ParseComplete; `replaced` is what the unnamed statement was before.
    Parse { name: String, id: u64, replaced: Option<Box<Prepared>> },
    /// BindComplete; `replaced` is the number of what the portal was before, 0 for nothing.
    Bind { portal: String, number: u64, judgement: Arc<Judgement>, replaced: u64 },
    /// ParameterDescription (statements only), then columns or NoData.
    Describe { target: Target, own: bool, masks: Option<Arc<MaskPlan>> },
    /// Rows, then the end of the portal or its suspension.
    Execute(Box<Execution>),
    /// CloseComplete.
    Close { name: String, statement: Option<Box<Prepared>>, portal: Option<Box<Portal>> },
    /// The replies of a whole text, up to ReadyForQuery.
    Query(Box<Query>),
    /// ReadyForQuery.
    Sync { own: bool },
    /// The error that fails an implicit transaction.
    Poison,
    /// The replies to the settings query: what is still to come.
    Settings(OwnStep),
    /// The replies to a COPY's probe.
    Probe(OwnStep, Arc<MaskPlan>),
}

/// A portal that runs.
#[derive(Debug)]
pub(crate) struct Execution {
    pub(crate) number: u64,
    pub(crate) judgement: Arc<Judgement>,
    pub(crate) masks: Arc<MaskPlan>,
    pub(crate) formats: Formats,
    /// It reads a cursor: it ends with each answer.
    pub(crate) cursor: bool,
}

/// A text that runs at once.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) number: u64,
    pub(crate) judgement: Arc<Judgement>,
    /// The statement that answers now.
    pub(crate) part: usize,
    /// The code of its error.
    pub(crate) failed: Option<String>,
    /// The plan of each statement, names resolved.
    pub(crate) masks: Vec<Arc<MaskPlan>>,
    /// Formats of the result that comes now: a binary cursor answers in binary.
    pub(crate) formats: Formats,
    pub(crate) started_ns: i64,
    /// Rows as its tags counted them.
    pub(crate) rows: u64,
}

/// Where the replies to a group of the gateway's own messages stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnStep {
    Parse,
    Bind,
    Describe,
    Row,
    Complete,
    ClosePortal,
    Close,
}

impl Expect {
    /// Whether ReadyForQuery ends it.
    pub(crate) fn ends_batch(&self) -> bool {
        matches!(self, Expect::Query(_) | Expect::Sync { .. })
    }
}
