//! DELETE of rows of some tables by a join: `DELETE a, b FROM a JOIN b ... WHERE ...` and `DELETE FROM a USING a JOIN b ...` (MySQL manual, "DELETE
//! Statement").

use querygate_record::Effect;
use sqlparser::ast::{Delete, Ident, ObjectName, TableFactor, TableWithJoins};

use super::{
    reading::{Reading, parts, unsupported},
    scope::{Scope, same},
};
use crate::statement::{EffectOn, Refusal};

/// Whether a DELETE names its tables apart from those that it reads.
pub fn is_joined(delete: &Delete) -> bool {
    !delete.tables.is_empty() || delete.using.is_some()
}

impl Reading<'_> {
    /// Reads one. A join bounds no deletion.
    pub fn delete_joined(&mut self, delete: &Delete, from: &[TableWithJoins]) -> Result<(), Refusal> {
        let plain = delete.returning.is_none() && delete.order_by.is_empty() && delete.limit.is_none();
        let (targets, read): (Vec<&ObjectName>, &[TableWithJoins]) = match (&delete.tables, &delete.using) {
            (tables, None) if plain => (tables.iter().collect(), from),
            (tables, Some(using)) if plain && tables.is_empty() => (from.iter().filter_map(named).collect(), &**using),
            _ => return Err(unsupported("a clause of this DELETE", "leave it out")),
        };
        let all_named = delete.using.is_none() || targets.len() == from.len();
        if !all_named || targets.is_empty() {
            return Err(unsupported("this form of DELETE", "name the tables that lose rows"));
        }
        let mut scope = Scope::within(None);
        self.from(read, &mut scope)?;
        self.condition(delete.selection.as_ref(), &scope)?;
        for target in targets {
            // With USING it stands twice in the statement, and is read here the second time.
            self.relations_read += usize::from(delete.using.is_some());
            let relation = self.target(table_of(read, target)?)?;
            let change = EffectOn { bounded: false, ..EffectOn::new(Effect::Delete, relation.qualified.clone()) };
            self.effect_on(change.clone());
            self.consequences_of_delete(relation, &change, super::write::CASCADE_DEPTH);
        }
        Ok(())
    }
}

/// The name of a table that stands alone, without an alias.
fn named(table: &TableWithJoins) -> Option<&ObjectName> {
    match &table.relation {
        TableFactor::Table { name, alias: None, .. } if table.joins.is_empty() => Some(name),
        _ => None,
    }
}

/// The table that a target means among those that are read: by its alias, or by its name where it has none.
fn table_of<'t>(read: &'t [TableWithJoins], target: &ObjectName) -> Result<&'t ObjectName, Refusal> {
    let hint = || {
        unsupported(
            "this target of DELETE",
            "name a table of the join by its alias, or by its name without its database",
        )
    };
    let [target] = parts(target)?[..] else { return Err(hint()) };
    let factors =
        read.iter().flat_map(|table| [&table.relation].into_iter().chain(table.joins.iter().map(|j| &j.relation)));
    let mut found = factors.filter_map(|factor| match factor {
        TableFactor::Table { name, alias, .. } => {
            let last = name.0.last().and_then(|part| part.as_ident());
            let shown: Option<&Ident> = alias.as_ref().map(|alias| &alias.name).or(last);
            shown.filter(|shown| same(&shown.value, &target.value)).map(|_| name)
        }
        _ => None,
    });
    match (found.next(), found.next()) {
        (Some(name), None) => Ok(name),
        _ => Err(hint()),
    }
}
