use std::sync::Arc;

use foldhash::{HashMap, HashSet};
use querygate_mask::FieldMask;
use querygate_record::Principal;
use querygate_sql::statement::ColumnId;

use crate::{
    Bound, MaskedColumns,
    bind::{MaskedColumn, RefusedTable},
    roles::{RoleSet, role_sets},
};

/// What one set of roles may not see of a database. Computed once per set of roles and [`Bound`], then shared.
#[derive(Debug)]
pub struct RoleView {
    pub(crate) columns: HashMap<ColumnId, MaskedColumn>,
    pub(crate) refused: HashMap<u32, RefusedTable>,
    tables: HashSet<u32>,
    masked_columns: Arc<MaskedColumns>,
}

impl RoleView {
    /// Whether something is masked from it: then only what can be analysed completely is allowed.
    pub fn is_masked(&self) -> bool {
        !self.columns.is_empty() || !self.refused.is_empty()
    }

    /// Whether a table has columns that are masked from it.
    pub fn masks_table(&self, relation: u32) -> bool {
        self.tables.contains(&relation)
    }

    /// The columns that are masked from it, for the cross-check with what the server says of a result.
    pub fn masked_columns(&self) -> &Arc<MaskedColumns> {
        &self.masked_columns
    }

    /// The mask of a column; none where it is clear, or refused altogether.
    pub fn mask(&self, column: ColumnId) -> Option<&Arc<FieldMask>> {
        self.columns.get(&column)?.mask.as_ref()
    }
}

impl Bound {
    /// What a principal may not see.
    pub fn view(&self, principal: &Principal) -> Arc<RoleView> {
        let sets = role_sets(principal);
        let sees_all = |set: &RoleSet<'_>| set.has_any(&self.policy.file.clear_for);
        let sets: Vec<RoleSet<'_>> = match self.mode.observe && self.mode.danger_unmasked {
            true => Vec::new(),
            false => sets.into_iter().filter(|s| !sees_all(s)).collect(),
        };
        let hidden = |lists: &[Arc<[String]>]| sets.iter().any(|set| !lists.iter().all(|list| set.has_any(list)));
        let columns = self.columns.iter().filter(|(_, c)| hidden(&c.clear_for)).map(|(id, c)| (*id, c.clone()));
        let columns: HashMap<ColumnId, MaskedColumn> = columns.collect();
        let refused = self.refused.iter().filter(|(_, t)| hidden(std::slice::from_ref(&t.clear_for)));
        let refused = refused.map(|(oid, t)| (*oid, t.clone())).collect();
        let tables = columns.keys().map(|id| id.table).collect();
        let masked_columns = Arc::new(columns.keys().copied().collect());
        Arc::new(RoleView { columns, refused, tables, masked_columns })
    }
}
