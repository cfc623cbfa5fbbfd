//! What the session has prepared and bound, as the server knows it by name. SQL's PREPARE and DECLARE share the protocol's name spaces.

use std::{collections::HashMap, sync::Arc};

use foldhash::fast::RandomState;
use querygate_policy::decision::MaskPlan;
use querygate_record::Named;

use crate::{
    event::{Formats, Target},
    judgement::Judgement,
    session::Session,
};

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
    /// SQL's PREPARE made it: its judgement is that of the PREPARE, which running it does not repeat.
    pub(crate) inner: bool,
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
    /// It runs what SQL's PREPARE made.
    pub(crate) inner: bool,
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

/// Lets a name stand again for what it stood for before a message that failed: in the first of the messages under way that would put that back
/// themselves, should they fail too, else among the names. `made` tells what the failed message had made of the name.
pub(crate) fn put_back<'q, T: 'q>(
    mut owed: impl Iterator<Item = &'q mut Option<Box<T>>>,
    names: &mut HashMap<String, T, RandomState>,
    name: &str,
    made: impl Fn(Option<&T>) -> bool,
    before: Option<Box<T>>,
) {
    if let Some(replaced) = owed.find(|replaced| made(replaced.as_deref())) {
        *replaced = before;
    } else if made(names.get(name)) {
        match before {
            Some(before) => drop(names.insert(name.to_owned(), *before)),
            None => drop(names.remove(name)),
        }
    }
}

impl Session {
    /// Whether a name stands for what it is taken for. Within a batch it does, or the server skips its use too. What an earlier batch
    /// makes of it is only known once that batch is answered: should it fail, the server would run what the name stood for before.
    /// A transaction's end takes the portals with it. A name that SQL takes away stands for what it did until that has run.
    pub(crate) fn is_certain(&self, target: Target, name: &str) -> bool {
        let mut earlier_batch = false;
        for owed in self.queue.iter().rev() {
            if (target == Target::Portal && owed.ends_portals()) || owed.takes_away(target, name) {
                return false;
            }
            earlier_batch |= owed.ends_batch();
            if owed.changes(target, name) {
                return !earlier_batch;
            }
        }
        true
    }

    /// The same for the names that a text executes or fetches by.
    pub(crate) fn are_names_certain(&self, judgement: &Judgement) -> bool {
        judgement.parts.iter().all(|part| match &part.named {
            Some(Named::Execute(name)) => self.is_certain(Target::Statement, name),
            Some(Named::Fetch(name)) => self.is_certain(Target::Portal, name),
            _ => true,
        })
    }
}
