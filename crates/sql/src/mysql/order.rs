//! The order of rows that SQL leaves open: an index that has all that a query needs gives its own, and so tells of the columns that it sorts.

use std::sync::Arc;

use sqlparser::ast::{
    Expr, GroupByExpr, ObjectName, OrderBy, OrderByKind, Select, SelectItem, SetExpr, TableFactor, TableIndexDirective,
    TableIndexHintType,
};

use super::{
    reading::{Reading, parts},
    scope::same,
    write::is_one_row,
};
use crate::{
    catalog::{Index, Relation, RelationKind},
    statement::ColumnId,
};

/// Aggregates that are the same in whatever order rows come.
const ORDERLESS: &[&str] = &["avg", "bit_and", "bit_or", "bit_xor", "count", "max", "min", "std", "stddev", "sum"];

impl<'c> Reading<'c> {
    /// What an index sorts counts as used where a query of one table leaves the order of its rows to it. `own` is what the query itself reads.
    pub fn order_of_rows(&mut self, select: &Select, order_by: Option<&OrderBy>, own: &[ColumnId], any_order: bool) {
        let construct: Arc<str> = "the order of an index (add ORDER BY with the primary key)".into();
        let mut tells: Vec<ColumnId> = Vec::new();
        for item in &select.from {
            for factor in std::iter::once(&item.relation).chain(item.joins.iter().map(|j| &j.relation)) {
                tells.extend(self.hinted(factor));
            }
        }
        if let [item] = select.from.as_slice()
            && let TableFactor::Table { name, .. } = &item.relation
            && let Some(relation) = self.table_named(name)
            && item.joins.is_empty()
            && !any_order
            && !is_orderless(select)
            && !is_one_row(relation, select.selection.as_ref())
            && !names_key(relation, order_by)
        {
            tells.extend(sorted_by(relation, own));
        }
        tells.into_iter().for_each(|column| self.used(column, &construct));
    }

    /// The columns of indexes that a table's hints ask for. A hint may give the beginning of an index's name.
    fn hinted(&self, factor: &TableFactor) -> Vec<ColumnId> {
        let TableFactor::Table { name, index_directives, .. } = factor else { return Vec::new() };
        let Some(relation) = self.table_named(name) else { return Vec::new() };
        let asked = index_directives.iter().filter_map(|directive| match directive {
            TableIndexDirective::MySql(hints) if hints.hint_type != TableIndexHintType::Ignore => Some(hints),
            _ => None,
        });
        let begins = |index: &&Index, hint: &str| index.name.to_lowercase().starts_with(&hint.to_lowercase());
        let indexes = asked
            .flat_map(|d| &d.index_names)
            .flat_map(|hint| relation.indexes.iter().filter(move |index| begins(index, &hint.value)));
        indexes.flat_map(|index| ids(relation, index)).collect()
    }

    fn table_named(&self, name: &ObjectName) -> Option<&'c Relation> {
        let last = &parts(name).ok()?.last()?.value;
        let folded = || self.catalog.relation_in("", &last.to_lowercase()).filter(|_| self.catalog.folds_names());
        let found = self.catalog.relation_in("", last).or_else(folded);
        found.filter(|relation| relation.kind != RelationKind::View)
    }
}

fn ids(relation: &Relation, index: &Index) -> Vec<ColumnId> {
    index.columns.iter().map(|&attribute| ColumnId { table: relation.oid, attribute }).collect()
}

/// The columns of every index that may give rows their order: one that has all that is read, with the primary key, or whose first column is read.
fn sorted_by(relation: &Relation, own: &[ColumnId]) -> Vec<ColumnId> {
    let read: Vec<i16> = own.iter().filter(|c| c.table == relation.oid).map(|c| c.attribute).collect();
    if read.is_empty() {
        return Vec::new();
    }
    let primary: Vec<i16> = relation.indexes.iter().filter(|i| i.primary).flat_map(|i| i.columns.clone()).collect();
    let gives_order = |index: &&Index| {
        let covers = read.iter().all(|c| index.columns.contains(c) || primary.contains(c));
        covers || (index.keys.len() > 1 && index.keys.first().is_some_and(|first| read.contains(first)))
    };
    relation
        .indexes
        .iter()
        .filter(|i| i.valid && !i.primary)
        .filter(gives_order)
        .flat_map(|i| ids(relation, i))
        .collect()
}

/// Whether the result is one row of aggregates that no order changes.
fn is_orderless(select: &Select) -> bool {
    let aggregate = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(Expr::Function(call))
        | SelectItem::ExprWithAlias { expr: Expr::Function(call), .. } => {
            let name = call.name.to_string().to_lowercase();
            call.over.is_none() && ORDERLESS.contains(&name.as_str())
        }
        _ => false,
    };
    let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty());
    !grouped && select.projection.iter().all(aggregate)
}

/// Whether ORDER BY names every column of the primary key.
/// Whether ORDER BY names every result column of a set operation, whose names are those of its first arm.
pub fn sorts_all(first: &SetExpr, order_by: Option<&OrderBy>) -> bool {
    let Some(OrderByKind::Expressions(by)) = order_by.map(|o| &o.kind) else { return false };
    let named =
        |name: &str| by.iter().any(|by| matches!(&by.expr, Expr::Identifier(label) if same(&label.value, name)));
    match first {
        SetExpr::SetOperation { left, .. } => sorts_all(left, order_by),
        SetExpr::Select(select) => select.projection.iter().all(|item| match item {
            SelectItem::ExprWithAlias { alias, .. } => named(&alias.value),
            SelectItem::UnnamedExpr(Expr::Identifier(name)) => named(&name.value),
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(path)) => {
                path.last().is_some_and(|name| named(&name.value))
            }
            _ => false,
        }),
        _ => false,
    }
}

fn names_key(relation: &Relation, order_by: Option<&OrderBy>) -> bool {
    let Some(OrderByKind::Expressions(by)) = order_by.map(|o| &o.kind) else { return false };
    let named = |name: &str| {
        by.iter().any(|by| match &by.expr {
            Expr::Identifier(column) => same(&column.value, name),
            Expr::CompoundIdentifier(path) => path.last().is_some_and(|column| same(&column.value, name)),
            _ => false,
        })
    };
    let Some(primary) = relation.indexes.iter().find(|i| i.primary) else { return false };
    primary.keys.iter().all(|key| relation.attribute(*key).is_some_and(|column| named(&column.name)))
}
