//! INSERT, UPDATE, DELETE, MERGE: which rows of which table change, what each assigned value comes from, and what else a write sets off.

mod bounded;
mod change;
mod consequence;
mod insert;
mod merge;
mod target;

use std::sync::Arc;

use querygate_record::{Effect, Position};
use sqlparser::ast::{Assignment, AssignmentTarget, Expr, ObjectName, SelectItem, Spanned, Statement, UnaryOperator};

use bounded::Reach;
pub(crate) use consequence::Event;
use target::Into;

use crate::{
    analysis::{Analysis, fold},
    catalog::{Column, Relation},
    query::Rows,
    resolve::{Scope, Value},
    statement::{ColumnId, EffectOn, Refusal, RefusalKind, Write},
};

/// A column that gets a value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub column: ColumnId,
    /// The value is a constant or a parameter.
    pub constant: bool,
    pub position: Option<Position>,
}

impl Analysis<'_> {
    /// A statement that writes rows, on its own or inside a query; its RETURNING columns.
    pub(crate) fn write(&mut self, statement: &Statement, outer: &Scope<'_>) -> Result<Rows, Refusal> {
        match statement {
            Statement::Insert(insert) => self.insert(insert, outer),
            Statement::Update(update) => self.update(update, outer),
            Statement::Delete(delete) => self.delete(delete, outer),
            Statement::Merge(merge) => self.merge_into(merge, outer),
            other => Err(self.unsupported("statement inside a query", other.span())),
        }
    }

    /// The column that a target names. A field or an element of it counts as the whole.
    fn assigned<'r>(
        &mut self,
        relation: Option<&'r Relation>,
        name: &ObjectName,
    ) -> Result<Option<&'r Column>, Refusal> {
        let Some(first) = name.0.first().and_then(|part| part.as_ident()) else {
            return Err(self.unsupported("assignment target", name.span()));
        };
        let Some(relation) = relation else { return Ok(None) };
        let wanted = fold(first);
        match relation.column(&wanted) {
            Some(column) => Ok(Some(column)),
            None => Err(Refusal {
                kind: RefusalKind::UnknownColumn,
                construct: format!("column \"{wanted}\" of {}", relation.qualified).into(),
                position: self.position(name.span()),
                hint: "name a column of the table".into(),
            }),
        }
    }

    /// One value for one column: where the value comes from is used, and the column's type may run code.
    fn assign(&mut self, into: &Into<'_>, column: &Column, value: &Value, construct: &str) {
        self.used(value, construct);
        self.converts(value.ty, crate::resolve::Ty::Oid(column.type_oid), value.position);
        self.belongs(std::slice::from_ref(value), &[into.stored(column.id)]);
    }

    /// SET a = x, (b, c) = (y, z): the targets, in order.
    fn assignments(
        &mut self,
        assignments: &[Assignment],
        into: &Into<'_>,
        scope: &Scope<'_>,
        construct: &'static str,
    ) -> Result<Vec<Target>, Refusal> {
        let relation = into.named;
        let mut targets = Vec::new();
        for assignment in assignments {
            let names = match &assignment.target {
                AssignmentTarget::ColumnName(name) => std::slice::from_ref(name),
                AssignmentTarget::Tuple(names) => names.as_slice(),
            };
            let values = match (&assignment.value, names) {
                (value, [_]) if matches!(assignment.target, AssignmentTarget::ColumnName(_)) => vec![value],
                (Expr::Tuple(values), names) if values.len() == names.len() => values.iter().collect(),
                (Expr::Nested(value), [_]) => vec![&**value],
                _ => Vec::new(),
            };
            if values.is_empty() {
                // (a, b) = (SELECT ...) or ROW(...): what goes into one may come from any.
                self.condition(&assignment.value, scope, construct)?;
            }
            for (at, name) in names.iter().enumerate() {
                let column = self.assigned(relation, name)?;
                let whole = name.0.len() == 1;
                let mut constant = false;
                if let Some(expr) = values.get(at) {
                    let value = self.expression(expr, scope, Some(construct))?;
                    constant = whole && is_constant(expr);
                    match column {
                        Some(column) => self.assign(into, column, &value, construct),
                        None => self.used(&value, construct),
                    }
                    if is_default(expr)
                        && let (Some(column), Some(relation)) = (column, relation)
                    {
                        self.default_of(relation, column, self.position(name.span()));
                    }
                }
                if let Some(column) = column {
                    targets.push(Target { column: column.id, constant, position: self.position(name.span()) });
                }
            }
        }
        Ok(targets)
    }

    /// RETURNING: result columns like any others.
    fn returning(&mut self, items: Option<&[SelectItem]>, scope: &Scope<'_>) -> Result<Rows, Refusal> {
        items.map_or_else(|| Ok(Rows::default()), |items| self.select_list(items, scope))
    }

    /// The effect of a write, with the columns that it falls on.
    fn written(&mut self, effect: Effect, relation: &Relation, targets: &[Target], reach: Reach) {
        self.table(relation, true);
        let names = targets.iter().filter_map(|target| relation.attribute(target.column.attribute));
        let columns: Vec<Arc<str>> = names.map(|column| Arc::clone(&column.name)).collect();
        let Reach { bounded, compared } = reach;
        self.effect_on(EffectOn { effect, object: Arc::clone(&relation.qualified), bounded, compared, columns });
        if relation.system {
            // Definitions, rights and statistics changed behind the server's back.
            self.effect(Effect::Server, Arc::clone(&relation.qualified));
        }
        for target in targets {
            let Target { column, constant, position } = *target;
            self.found.writes.push(Write { column, constant, position });
        }
    }
}

/// Rows added to a table whose values come from outside (COPY FROM).
pub(crate) fn inserted(
    analysis: &mut Analysis<'_>,
    relation: &Relation,
    targets: &[Target],
    position: Option<Position>,
) -> Result<(), Refusal> {
    let base = analysis.base(relation, position)?;
    let targets = analysis.mapped(&base, targets, position)?;
    analysis.written(Effect::Insert, base.relation, &targets, Reach::listed(true));
    analysis.consequences(base.relation, Event::Insert, &targets, position);
    Ok(())
}

/// Whether an expression's value stands in the text or in a parameter.
fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Value(_) | Expr::TypedString(_) => true,
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => is_constant(inner),
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => is_constant(expr),
        Expr::Array(array) => array.elem.iter().all(is_constant),
        other => is_default(other),
    }
}

fn is_default(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default"))
}

#[cfg(test)]
mod tests;
