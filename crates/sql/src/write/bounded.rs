//! How far a write reaches: a condition bounds it whose top-level conjuncts compare every column of a unique or foreign key with constants.

use std::sync::Arc;

use sqlparser::ast::{BinaryOperator, Expr, InTarget};

use super::{is_constant, target::Base};
use crate::{
    analysis::{Analysis, fold},
    catalog::{ConstraintKind, Relation, RelationKind},
    postgres::forms,
    resolve::Item,
    statement::Compared,
};

/// How many rows a change reaches.
pub(super) struct Reach {
    /// A unique or foreign key bounds it.
    pub bounded: bool,
    /// What the condition fixes, if it is a condition that decides.
    pub compared: Option<Compared>,
}

impl Reach {
    /// The rows that the text lists, or any number of them.
    pub(super) fn listed(listed: bool) -> Reach {
        Reach { bounded: listed, compared: None }
    }
}

impl Analysis<'_> {
    /// How many rows of the table the condition names. `item` is what names see of it. Nothing bounds a change through a view.
    pub(super) fn reach(&self, base: &Base<'_>, item: &Item, only: bool, condition: Option<&Expr>) -> Reach {
        if base.view.is_some() {
            return Reach::listed(false);
        }
        let mut columns: Vec<Arc<str>> = Vec::new();
        if let Some(condition) = condition {
            // The row on which a cursor stands.
            if is_current_of(condition) {
                return Reach::listed(true);
            }
            conjuncts(condition, &mut |conjunct| columns.extend(compared(conjunct, item)));
        }
        let bounded = self.holds_key(base.relation, &columns, only);
        Reach { bounded, compared: Some(Compared { table: Arc::clone(&base.relation.qualified), columns }) }
    }

    /// Whether these columns are all of a unique or foreign key.
    fn holds_key(&self, relation: &Relation, equal: &[Arc<str>], only: bool) -> bool {
        let held = |numbers: &[i16]| {
            !numbers.is_empty()
                && numbers
                    .iter()
                    .all(|number| relation.attribute(*number).is_some_and(|column| equal.contains(&column.name)))
        };
        // A key of a table says nothing of its children's rows; one of a partitioned table does.
        let inherited =
            relation.kind == RelationKind::Table && !only && !self.catalog.children(relation.oid).is_empty();
        let unique = |index: &crate::catalog::Index| {
            index.unique && index.valid && !index.partial && !index.expressions && held(&index.keys)
        };
        let foreign = |key: &crate::catalog::Constraint| key.kind == ConstraintKind::Foreign && held(&key.columns);
        !inherited && (relation.indexes.iter().any(unique) || relation.constraints.iter().any(foreign))
    }
}

/// Whether a condition is CURRENT OF a cursor.
pub(super) fn is_current_of(condition: &Expr) -> bool {
    matches!(condition, Expr::Identifier(name) if name.value == forms::CURRENT_OF)
}

fn conjuncts(condition: &Expr, each: &mut impl FnMut(&Expr)) {
    let mut pending = vec![condition];
    while let Some(expr) = pending.pop() {
        match expr {
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => pending.extend([&**left, &**right]),
            Expr::Nested(inner) => pending.push(inner),
            other => each(other),
        }
    }
}

/// The target's columns that a conjunct compares with constants for equality.
fn compared(conjunct: &Expr, item: &Item) -> Vec<Arc<str>> {
    match conjunct {
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => match (bare(left), bare(right)) {
            (Expr::Tuple(columns), Expr::Tuple(values))
                if values.iter().all(is_constant) && columns.len() == values.len() =>
            {
                columns.iter().filter_map(|column| column_of(column, item)).collect()
            }
            (column, value) if is_constant(value) => column_of(column, item).into_iter().collect(),
            (value, column) if is_constant(value) => column_of(column, item).into_iter().collect(),
            _ => Vec::new(),
        },
        Expr::In { expr, target: InTarget::List(list), negated: false, global: false } => match bare(expr) {
            Expr::Tuple(columns)
                if list
                    .iter()
                    .all(|row| matches!(bare(row), Expr::Tuple(values) if values.iter().all(is_constant))) =>
            {
                columns.iter().filter_map(|column| column_of(column, item)).collect()
            }
            column if list.iter().all(is_constant) => column_of(column, item).into_iter().collect(),
            _ => Vec::new(),
        },
        Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } if is_constant(right) => {
            column_of(bare(left), item).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

fn bare(expr: &Expr) -> &Expr {
    let mut expr = expr;
    while let Expr::Nested(inner) = expr {
        expr = inner;
    }
    expr
}

/// The target's own column, by its own name or the target's alias.
fn column_of(expr: &Expr, item: &Item) -> Option<Arc<str>> {
    let name = match expr {
        Expr::Identifier(ident) => fold(ident),
        Expr::CompoundIdentifier(parts) => {
            let [.., table, column] = parts.as_slice() else { return None };
            let schema = parts.len().checked_sub(3).and_then(|at| parts.get(at)).map(fold);
            let same = item.name.as_deref() == Some(&*fold(table)) && (schema.is_none() || schema == item.schema);
            same.then(|| fold(column))?
        }
        Expr::Nested(inner) => return column_of(inner, item),
        _ => return None,
    };
    item.columns.iter().any(|column| column.name == name).then_some(name)
}
