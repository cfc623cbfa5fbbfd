//! What the session has prepared and bound, as the server knows it by name. SQL's PREPARE and DECLARE share the protocol's name spaces.

use std::{collections::HashMap, sync::Arc};

use foldhash::fast::RandomState;
use querygate_policy::decision::MaskPlan;

use crate::{event::Formats, judgement::Judgement};

/// Most statements and portals that a session may keep: the answer beyond is SQLSTATE 54000.
pub const NAMES_MAX: usize = 10_000;

/// A prepared statement.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    /// Which Parse or PREPARE made it: names are used again.
    pub(crate) id: u64,
    pub(crate) judgement: Arc<Judgement>,
    /// Which of the text's statements it is: SQL's PREPARE may stand among others.
    pub(crate) part: usize,
    /// The plan of its result; of what stands behind the name where it executes or fetches by name.
    pub(crate) masks: Arc<MaskPlan>,
    /// Its columns have been asked for, so that the cross-check comes before its rows.
    pub(crate) described: bool,
}

/// A bound portal, or a cursor.
#[derive(Clone, Debug)]
pub(crate) struct Portal {
    pub(crate) judgement: Arc<Judgement>,
    pub(crate) masks: Arc<MaskPlan>,
    pub(crate) formats: Formats,
    /// The statement's number in the log; 0 for a cursor, whose DECLARE has its own entries.
    pub(crate) number: u64,
    /// A cursor was declared twice: it can't be told which one the server kept.
    pub(crate) uncertain: bool,
    /// Its transaction has ended: only a cursor WITH HOLD is still there.
    pub(crate) ended: bool,
}

/// Names and what they stand for, as if all that is under way succeeds.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(crate) statements: HashMap<String, Prepared, RandomState>,
    pub(crate) portals: HashMap<String, Portal, RandomState>,
}

impl Names {
    /// Whether there is no room for another name. Cursors of past transactions make room first: most of them are gone.
    pub(crate) fn is_full(&mut self) -> bool {
        if self.portals.len() >= NAMES_MAX {
            self.portals.retain(|_, portal| !portal.ended);
        }
        self.statements.len() >= NAMES_MAX || self.portals.len() >= NAMES_MAX
    }
}
