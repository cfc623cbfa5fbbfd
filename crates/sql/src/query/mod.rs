//! Queries: what they read, and where each of their columns comes from.

mod arguments;
mod call;
mod expression;
mod from;
mod join;
mod label;
mod name;
mod operator;
mod select;
mod setting;
#[cfg(test)]
pub(crate) mod tests;
mod with;

use std::sync::Arc;

use sqlparser::{
    ast::{
        Expr, LimitClause, OrderBy, OrderByKind, Query, SetExpr, SetOperator, SetQuantifier, Spanned, Value as Literal,
        Values,
    },
    tokenizer::Span,
};

pub(crate) use expression::number_type;
pub(crate) use setting::NamedSetting;

use crate::{
    analysis::Analysis,
    resolve::{Column, From, Scope, Ty, Value, oid},
    statement::{Refusal, RefusalKind},
};

/// The clause that an expression stands in; `None` in a select list, where the innermost function or operator names the use.
pub(crate) type Clause = Option<&'static str>;

/// A query's result columns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    pub columns: Vec<Column>,
    /// There are more, which aren't known (`*` of a temporary table).
    pub open: bool,
}

impl Analysis<'_> {
    /// A query inside `outer` (the empty scope at the top).
    pub(crate) fn query(&mut self, query: &Query, outer: &Scope<'_>) -> Result<Rows, Refusal> {
        self.refuse_query_clauses(query)?;
        let Query { with, body, order_by, limit_clause, fetch, .. } = query;
        let defer = std::mem::take(&mut self.defer) && order_by.is_none() && limit_clause.is_none() && fetch.is_none();
        let mut scope = outer.inner(From::default());
        if let Some(with) = with {
            self.with(with, &mut scope)?;
        }
        self.defer = defer && matches!(&**body, SetExpr::Select(_));
        let rows = match &**body {
            SetExpr::Select(select) => self.select(select, order_by.as_ref(), &scope)?,
            other => {
                let rows = self.set_expression(other, &scope)?;
                self.order_outputs(order_by.as_ref(), &rows)?;
                rows
            }
        };
        self.limits(query, &scope)?;
        Ok(rows)
    }

    /// What only other dialects have after a query.
    pub(crate) fn refuse_query_clauses(&mut self, query: &Query) -> Result<(), Refusal> {
        let Query { for_clause, settings, format_clause, pipe_operators, .. } = query;
        if for_clause.is_some() || settings.is_some() || format_clause.is_some() || !pipe_operators.is_empty() {
            return Err(self.unsupported("clause of another dialect", query.span()));
        }
        Ok(())
    }

    /// LIMIT, OFFSET and FETCH.
    pub(crate) fn limits(&mut self, query: &Query, scope: &Scope<'_>) -> Result<(), Refusal> {
        match &query.limit_clause {
            Some(LimitClause::LimitOffset { limit, offset, limit_by }) if limit_by.is_empty() => {
                for expr in limit.iter().chain(offset.iter().map(|offset| &offset.value)) {
                    self.condition(expr, scope, "LIMIT")?;
                }
            }
            None => {}
            Some(_) => return Err(self.unsupported("LIMIT of another dialect", query.span())),
        }
        if let Some(quantity) = query.fetch.as_ref().and_then(|fetch| fetch.quantity.as_ref()) {
            self.condition(quantity, scope, "FETCH")?;
        }
        Ok(())
    }

    /// A query beyond what the server itself could run, or analysis in bounded time.
    pub(crate) fn too_many(&self, what: &str) -> Refusal {
        Refusal {
            kind: RefusalKind::TooComplex,
            construct: what.into(),
            position: None,
            hint: "split the query, or select fewer columns".into(),
        }
    }

    /// An expression whose value shapes what happens: whatever columns it still is are uses by that clause.
    pub(crate) fn condition(&mut self, expr: &Expr, scope: &Scope<'_>, clause: &'static str) -> Result<Value, Refusal> {
        let value = self.expression(expr, scope, Some(clause))?;
        self.used(&value, clause);
        if matches!(clause, "WHERE" | "HAVING" | "JOIN" | "FILTER") {
            self.implicit_code(value.ty, oid::BOOL, value.position);
        }
        Ok(value)
    }

    pub(crate) fn set_expression(&mut self, body: &SetExpr, scope: &Scope<'_>) -> Result<Rows, Refusal> {
        match body {
            SetExpr::Select(select) => self.select(select, None, scope),
            SetExpr::Query(query) => self.query(query, scope),
            SetExpr::SetOperation { left, op, set_quantifier, right } => {
                if matches!(
                    set_quantifier,
                    SetQuantifier::ByName | SetQuantifier::AllByName | SetQuantifier::DistinctByName
                ) {
                    return Err(self.unsupported("BY NAME", body.span()));
                }
                let name = operation(op);
                let left = self.set_expression(left, scope)?;
                let right = self.set_expression(right, scope)?;
                Ok(self.unite(left, &right, name))
            }
            SetExpr::Values(values) => self.values(values, scope),
            SetExpr::Insert(statement)
            | SetExpr::Update(statement)
            | SetExpr::Delete(statement)
            | SetExpr::Merge(statement) => self.write(statement, scope),
            SetExpr::Table(_) => Err(self.unsupported("TABLE", Span::empty())),
        }
    }

    /// Both arms of a set operation: rows of each mix, so whatever plain columns they have are used by it.
    pub(crate) fn unite(&mut self, left: Rows, right: &Rows, operation: &'static str) -> Rows {
        for column in left.columns.iter().chain(&right.columns) {
            self.used(&column.value, operation);
        }
        let open = left.open || right.open;
        let columns = left.columns.into_iter().enumerate().map(|(at, column)| {
            let other = right.columns.get(at).map(|other| &other.value);
            let ty = self.brought_together(std::iter::once(column.value.ty).chain(other.map(|value| value.ty)));
            Column { name: column.name, value: Value::derived(ty, std::iter::once(&column.value).chain(other)) }
        });
        Rows { columns: columns.collect(), open }
    }

    /// VALUES: each column computed from its rows' expressions.
    pub(crate) fn values(&mut self, values: &Values, scope: &Scope<'_>) -> Result<Rows, Refusal> {
        let mut columns: Vec<Vec<Value>> = Vec::new();
        for row in &values.rows {
            for (at, expr) in row.content.iter().enumerate() {
                let value = self.expression(expr, scope, None)?;
                self.used(&value, "VALUES");
                match columns.get_mut(at) {
                    Some(column) => column.push(value),
                    None => columns.push(vec![value]),
                }
            }
        }
        let columns = columns.into_iter().enumerate().map(|(at, values)| {
            let ty = self.brought_together(values.iter().map(|value| value.ty));
            Column { name: format!("column{}", at + 1).into(), value: Value::derived(ty, &values) }
        });
        Ok(Rows { columns: columns.collect(), open: false })
    }

    /// ORDER BY over a set operation or VALUES sees result columns alone, by name or number.
    fn order_outputs(&mut self, order_by: Option<&OrderBy>, rows: &Rows) -> Result<(), Refusal> {
        let Some(order_by) = order_by else { return Ok(()) };
        for expr in self.order_terms(order_by)? {
            let value = match expr {
                Expr::Identifier(ident) => {
                    let name = crate::analysis::fold(ident);
                    rows.columns.iter().find(|column| column.name == name).map(|column| &column.value)
                }
                other => ordinal(other).and_then(|at| rows.columns.get(at)).map(|column| &column.value),
            };
            match value {
                Some(value) => self.used(value, "ORDER BY"),
                None if rows.open => {}
                None => return Err(self.unsupported("ORDER BY an expression over a set operation", expr.span())),
            }
        }
        Ok(())
    }

    /// The expressions of ORDER BY. `USING operator` runs that operator.
    pub(crate) fn order_terms<'o>(&mut self, order_by: &'o OrderBy) -> Result<Vec<&'o Expr>, Refusal> {
        let OrderByKind::Expressions(terms) = &order_by.kind else {
            return Err(self.unsupported("ORDER BY ALL", order_by.span()));
        };
        if order_by.interpolate.is_some() {
            return Err(self.unsupported("INTERPOLATE", order_by.span()));
        }
        for term in terms {
            self.order_options(term)?;
        }
        Ok(terms.iter().map(|term| &term.expr).collect())
    }
}

/// The server's name of a set operation.
fn operation(operator: &SetOperator) -> &'static str {
    match operator {
        SetOperator::Union => "UNION",
        SetOperator::Intersect => "INTERSECT",
        SetOperator::Except | SetOperator::Minus => "EXCEPT",
    }
}

/// A bare integer, as a position in the select list counted from 0.
pub(crate) fn ordinal(expr: &Expr) -> Option<usize> {
    let Expr::Value(value) = expr else { return None };
    let Literal::Number(digits, _) = &value.value else { return None };
    digits.parse::<usize>().ok()?.checked_sub(1)
}

/// A column that nothing is known of beyond its name.
pub(crate) fn unknown_column(name: Arc<str>) -> Column {
    Column { name, value: Value::constant(Ty::Any) }
}
