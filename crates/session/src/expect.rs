//! The queue of replies that the server owes: one entry for each message sent to it, the gateway's own included.

use std::sync::Arc;

use querygate_policy::decision::MaskPlan;
use querygate_record::{Named, TransactionChange};

use crate::{
    cap::Over,
    client::ends_transaction,
    event::{Formats, Target},
    judgement::{Judgement, Question},
    names::{Portal, Prepared},
    session::Own,
};

/// A reply that is owed.
#[derive(Debug)]
pub(crate) enum Expect {
    /// ParseComplete; `replaced` is what the unnamed statement was before.
    Parse { name: String, id: u64, replaced: Option<Box<Prepared>> },
    /// BindComplete; `replaced` is what the unnamed portal was before.
    Bind { portal: String, number: u64, judgement: Arc<Judgement>, replaced: Option<Box<Portal>> },
    /// ParameterDescription (statements only), then columns or NoData.
    Describe { target: Target, own: bool, masks: Option<Arc<MaskPlan>> },
    /// Rows, then the end of the portal or its suspension.
    Execute(Box<Execution>),
    /// CloseComplete.
    Close { target: Target, name: String, statement: Option<Box<Prepared>>, portal: Option<Box<Portal>> },
    /// The replies of a whole text, up to ReadyForQuery.
    Query(Box<Query>),
    /// ReadyForQuery.
    Sync { own: bool },
    /// The error that fails an implicit transaction.
    Poison(Own),
    /// The replies to the settings query: what is still to come.
    Settings(OwnStep, Own),
    /// The replies to a question about the catalog: which of its statements answers, and what of that is still to come.
    Catalog(Question, usize, OwnStep, Own),
    /// The replies to a COPY's probe.
    Probe(OwnStep, Arc<MaskPlan>, Own),
}

/// A portal that runs.
#[derive(Debug)]
pub(crate) struct Execution {
    pub(crate) number: u64,
    pub(crate) judgement: Arc<Judgement>,
    pub(crate) masks: Arc<MaskPlan>,
    pub(crate) formats: Formats,
    /// It is a COPY that has yet to ask for data.
    pub(crate) reads: bool,
    /// It reads a cursor: it ends with each answer.
    pub(crate) cursor: bool,
    /// It makes the names that its text makes.
    pub(crate) makes_names: bool,
    /// Its result is too large.
    pub(crate) cut: Option<Over>,
}

/// A text that runs at once.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) number: u64,
    pub(crate) judgement: Arc<Judgement>,
    /// The statement that answers now.
    pub(crate) part: usize,
    /// The first statement whose COPY may yet ask for data.
    pub(crate) read_part: usize,
    /// The code of its error.
    pub(crate) failed: Option<String>,
    /// The plan of each statement, names resolved.
    pub(crate) masks: Vec<Arc<MaskPlan>>,
    /// Formats of the result that comes now: a binary cursor answers in binary.
    pub(crate) formats: Formats,
    pub(crate) started_ns: i64,
    /// Rows as its tags counted them.
    pub(crate) rows: u64,
    /// The result that comes now is too large.
    pub(crate) cut: Option<Over>,
    /// One was, and the server finished it all the same: to the client the text has failed, to the server it goes on.
    pub(crate) cut_too_late: bool,
}

/// Where the replies to a group of the gateway's own messages stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnStep {
    /// What an earlier group has left behind, because it failed, is closed.
    Clear,
    Parse,
    Bind,
    Describe,
    Row,
    Complete,
    ClosePortal,
    Close,
}

impl Expect {
    /// The gateway's own statement that it answers.
    pub(crate) fn own(&self) -> Option<Own> {
        match self {
            Expect::Poison(own) | Expect::Settings(_, own) | Expect::Catalog(.., own) | Expect::Probe(_, _, own) => {
                Some(*own)
            }
            _ => None,
        }
    }

    /// Whether ReadyForQuery ends it.
    pub(crate) fn ends_batch(&self) -> bool {
        matches!(self, Expect::Query(_) | Expect::Sync { .. })
    }

    /// Whether it may change tracked settings.
    pub(crate) fn is_barrier(&self) -> bool {
        match self {
            Expect::Query(q) => q.judgement.is_barrier(),
            Expect::Execute(e) => e.judgement.is_barrier(),
            _ => false,
        }
    }

    /// Whether it may change the catalog.
    pub(crate) fn defines(&self) -> bool {
        match self {
            Expect::Query(q) => q.judgement.defines(),
            Expect::Execute(e) => e.judgement.defines(),
            _ => false,
        }
    }

    /// Whether it may take back what a transaction changed of the settings.
    pub(crate) fn may_restore_settings(&self) -> bool {
        match self {
            Expect::Query(_) | Expect::Sync { .. } => true,
            Expect::Execute(e) => e
                .judgement
                .parts
                .iter()
                .any(|p| !matches!(p.transaction, TransactionChange::None | TransactionChange::Begin)),
            _ => false,
        }
    }

    /// Whether it may end the transaction, and its portals.
    pub(crate) fn ends_portals(&self) -> bool {
        match self {
            Expect::Query(_) | Expect::Sync { .. } => true,
            Expect::Execute(e) => e.judgement.parts.iter().any(|p| ends_transaction(p.transaction)),
            _ => false,
        }
    }

    /// Whether it may change what stands behind a name, other than by [`Expect::takes_away`].
    pub(crate) fn changes(&self, target: Target, name: &str) -> bool {
        match (self, target) {
            (Expect::Parse { name: n, .. }, Target::Statement) => n == name,
            (Expect::Bind { portal, .. }, Target::Portal) => portal == name,
            (Expect::Close { target: t, name: n, .. }, _) => *t == target && n == name,
            (Expect::Execute(e), _) => text_makes(&e.judgement, target, name),
            (Expect::Query(q), _) => text_makes(&q.judgement, target, name),
            _ => false,
        }
    }

    /// Whether SQL of it takes a name away, which is known once that has run.
    pub(crate) fn takes_away(&self, target: Target, name: &str) -> bool {
        let judgement = match self {
            Expect::Execute(execution) => &execution.judgement,
            Expect::Query(query) => &query.judgement,
            _ => return false,
        };
        judgement.parts.iter().any(|part| match (&part.named, target) {
            (Some(Named::Deallocate(gone)), Target::Statement) | (Some(Named::Close(gone)), Target::Portal) => {
                gone.as_ref().is_none_or(|gone| gone == name)
            }
            _ => false,
        })
    }
}

fn text_makes(judgement: &Judgement, target: Target, name: &str) -> bool {
    let named = judgement.parts.iter().filter_map(|part| part.named.as_ref());
    named.into_iter().any(|named| match (named, target) {
        (Named::Prepare(n), Target::Statement) | (Named::Declare(n), Target::Portal) => n == name,
        _ => false,
    })
}
