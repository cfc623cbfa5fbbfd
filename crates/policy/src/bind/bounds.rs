//! By which columns a change of a table is bounded, where the policy says so.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};
use querygate_record::Engine;
use querygate_sql::{catalog::Relation, statement::EffectOn};

use super::{Bound, columns::holds_rows};
use crate::{
    document::{Located, Severity, nearest},
    file::TableSection,
};

impl Bound {
    /// Ties `bounded_by` to the catalog. What it says of a table holds for the tables under it that have no such line of their own.
    pub(super) fn bind_bounds(&mut self) {
        let (policy, catalog) = (Arc::clone(&self.policy), Arc::clone(&self.catalog));
        let mut named: HashMap<u32, Arc<[Arc<str>]>> = HashMap::new();
        for section in &policy.file.tables {
            let relation = catalog.relation_in(&section.schema, &section.name).filter(|r| holds_rows(r));
            if let Some((relation, columns)) = relation.zip(section.bounded_by.as_ref()) {
                let names = columns.iter().map(|column| self.bounding(section, relation, column)).collect();
                named.insert(relation.oid, names);
            }
        }
        if named.is_empty() {
            return;
        }
        for relation in catalog.relations().filter(|r| holds_rows(r)) {
            let own = named.get(&relation.oid).cloned();
            let columns = own.or_else(|| {
                let above = self.ancestors_of(relation.oid);
                let above: Vec<Arc<str>> =
                    above.iter().filter_map(|t| named.get(t)).flat_map(|c| c.iter()).cloned().collect();
                (!above.is_empty()).then(|| above.into())
            });
            self.bounded_by.extend(columns.map(|columns| (Arc::clone(&relation.qualified), columns)));
        }
    }

    /// The column's name as the catalog has it. One that does not exist stays in the list: no change compares it, so none is bounded.
    fn bounding(&mut self, section: &TableSection, relation: &Relation, column: &Located<String>) -> Arc<str> {
        let folds = self.catalog.engine() != Engine::Postgres;
        let meant = |name: &str| name == column.value || (folds && name.eq_ignore_ascii_case(&column.value));
        if let Some(found) = relation.columns.iter().find(|c| meant(&c.name)) {
            return Arc::clone(&found.name);
        }
        let remedy = match nearest(column, relation.columns.iter().map(|c| &*c.name)) {
            Some(near) => format!("did you mean {near:?}? Until then no change of the table counts as bounded"),
            None => "name a column of the table; until then no change of it counts as bounded".to_owned(),
        };
        let message =
            format!("`bounded_by` names column {:?}, which {} does not have", column.value, section.qualified());
        self.report(Severity::Error, column.span.clone(), message, remedy);
        column.value.as_str().into()
    }

    /// Whether a change is bounded, and by what the policy says that it would be.
    pub(crate) fn bounds(&self, on: &EffectOn) -> (bool, Option<&[Arc<str>]>) {
        let by = on.compared.as_ref().and_then(|c| Some((c, self.bounded_by.get(&c.table)?)));
        match by {
            Some((compared, by)) => (by.iter().all(|c| compared.columns.contains(c)), Some(by)),
            None => (on.bounded, None),
        }
    }
}
