//! SELECT: select list, WHERE, GROUP BY, HAVING, windows, DISTINCT and ORDER BY.

use std::sync::Arc;

use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, GroupByWithModifier, NamedWindowExpr, OrderBy, OrderByExpr, OrderBySort, Select,
    SelectFlavor, SelectInto, SelectItem, SelectItemQualifiedWildcardKind, Spanned, WildcardAdditionalOptions,
};

use super::{Rows, label::label, ordinal};
use crate::{
    analysis::{Analysis, fold},
    resolve::{Column, Scope, Source, Value},
    statement::Refusal,
};

/// The server's own limit on a select list (`MaxTupleAttributeNumber`).
const RESULT_COLUMNS: usize = 1_664;

impl Analysis<'_> {
    pub(crate) fn select(
        &mut self,
        select: &Select,
        order_by: Option<&OrderBy>,
        outer: &Scope<'_>,
    ) -> Result<Rows, Refusal> {
        self.refuse_foreign_clauses(select)?;
        let defer = std::mem::take(&mut self.defer) && is_row_by_row(select);
        // A query inside another's select list has rows of its own.
        let outside = self.named_setting.take();
        let from = self.clause_from(&select.from, outer)?;
        let scope = outer.inner(from);
        if let Some(condition) = &select.selection {
            self.condition(condition, &scope, "WHERE")?;
        }
        self.named_setting = self.names_a_setting(select, &scope);
        let rows = if defer {
            self.deferred_list(&select.projection, &scope)
        } else {
            self.select_list(&select.projection, &scope)
        };
        self.named_setting = None;
        let rows = rows?;
        self.group_by(&select.group_by, &rows, &scope)?;
        if let Some(condition) = &select.having {
            self.condition(condition, &scope, "HAVING")?;
        }
        for window in &select.named_window {
            if let NamedWindowExpr::WindowSpec(spec) = &window.1 {
                self.window(spec, &scope)?;
            }
        }
        match &select.distinct {
            Some(Distinct::Distinct) => rows.columns.iter().for_each(|column| self.used(&column.value, "DISTINCT")),
            Some(Distinct::On(terms)) => {
                for term in terms {
                    self.output_term(term, &rows, &scope, "DISTINCT ON")?;
                }
            }
            Some(Distinct::All) | None => {}
        }
        if let Some(order_by) = order_by {
            for term in self.order_terms(order_by)? {
                self.output_term(term, &rows, &scope, "ORDER BY")?;
            }
        }
        self.named_setting = outside;
        match &select.into {
            Some(into) => self.select_into(into, rows),
            None => Ok(rows),
        }
    }

    fn refuse_foreign_clauses(&mut self, select: &Select) -> Result<(), Refusal> {
        let foreign = select.top.is_some()
            || select.exclude.is_some()
            || !select.lateral_views.is_empty()
            || select.prewhere.is_some()
            || !select.connect_by.is_empty()
            || !select.cluster_by.is_empty()
            || !select.distribute_by.is_empty()
            || !select.sort_by.is_empty()
            || select.qualify.is_some()
            || select.value_table_mode.is_some()
            || select.select_modifiers.is_some()
            || !matches!(select.flavor, SelectFlavor::Standard);
        if foreign { Err(self.unsupported("SELECT clause of another dialect", select.span())) } else { Ok(()) }
    }

    /// A select list, or RETURNING's.
    pub(crate) fn select_list(&mut self, items: &[SelectItem], scope: &Scope<'_>) -> Result<Rows, Refusal> {
        let mut rows = Rows::default();
        for item in items {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    let value = self.expression(expr, scope, None)?;
                    self.push(&mut rows, label(self, expr), value);
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    let value = self.expression(expr, scope, None)?;
                    self.push(&mut rows, fold(alias), value);
                }
                SelectItem::Wildcard(options) => {
                    self.refuse_wildcard_options(options)?;
                    self.push_all(&mut rows, &scope.from.columns);
                    rows.open |= scope.from.open;
                }
                SelectItem::QualifiedWildcard(kind, options) => {
                    self.refuse_wildcard_options(options)?;
                    self.qualified_wildcard(kind, &mut rows, scope)?;
                }
                SelectItem::ExprWithAliases { .. } => return Err(self.unsupported("alias list", item.span())),
            }
            if rows.columns.len() > RESULT_COLUMNS {
                return Err(self.too_many("select list of too many columns"));
            }
        }
        if rows.open {
            // Where in the result the known columns stand can't be said.
            rows.columns.iter().for_each(|column| self.used(&column.value, "* of a temporary table"));
        }
        Ok(rows)
    }

    /// A view's select list: each column is computed only for whoever refers to it.
    fn deferred_list(&mut self, items: &[SelectItem], scope: &Scope<'_>) -> Result<Rows, Refusal> {
        let mut rows = Rows::default();
        for item in items {
            let (list, found) = self.apart(|analysis| analysis.select_list(std::slice::from_ref(item), scope));
            let mut list = list?;
            match list.columns.pop() {
                Some(column) if list.columns.is_empty() && !list.open => {
                    let value = self.attach(column.value, found);
                    rows.columns.push(Column { value, ..column });
                }
                last => {
                    self.absorb(&found);
                    rows.columns.extend(list.columns.into_iter().chain(last));
                    rows.open |= list.open;
                }
            }
        }
        Ok(rows)
    }

    fn refuse_wildcard_options(&mut self, options: &WildcardAdditionalOptions) -> Result<(), Refusal> {
        let WildcardAdditionalOptions {
            wildcard_token,
            opt_ilike,
            opt_exclude,
            opt_except,
            opt_replace,
            opt_rename,
            opt_alias,
        } = options;
        let foreign = opt_ilike.is_some()
            || opt_exclude.is_some()
            || opt_except.is_some()
            || opt_replace.is_some()
            || opt_rename.is_some()
            || opt_alias.is_some();
        if foreign { Err(self.unsupported("* with options", wildcard_token.0.span)) } else { Ok(()) }
    }

    fn qualified_wildcard(
        &mut self,
        kind: &SelectItemQualifiedWildcardKind,
        rows: &mut Rows,
        scope: &Scope<'_>,
    ) -> Result<(), Refusal> {
        match kind {
            SelectItemQualifiedWildcardKind::ObjectName(name) => {
                let item = self.qualifier(name, scope)?.clone();
                self.push_all(rows, &item.columns);
                rows.open |= item.open;
                Ok(())
            }
            SelectItemQualifiedWildcardKind::Expr(expr) => {
                let value = self.expression(expr, scope, None)?;
                if let Source::Row(columns) = &value.source {
                    self.push_all(rows, columns);
                    return Ok(());
                }
                self.used(&value, "row expansion");
                let relation = value
                    .ty
                    .known()
                    .and_then(|oid| self.catalog.type_by_oid(oid))
                    .and_then(|held| self.catalog.relation(held.relation));
                let Some(relation) = relation else { return Err(self.unsupported("(expression).*", expr.span())) };
                for column in &relation.columns {
                    let value = Value::derived(crate::resolve::Ty::Oid(column.type_oid), [&value]);
                    rows.columns.push(Column { name: Arc::clone(&column.name), value });
                }
                Ok(())
            }
        }
    }

    fn push_all(&mut self, rows: &mut Rows, columns: &[Column]) {
        for column in columns {
            self.column_read(&column.value);
            rows.columns.push(column.clone());
        }
    }

    /// One result column. A whole row as a result is one value made of all its columns.
    fn push(&mut self, rows: &mut Rows, name: Arc<str>, value: Value) {
        let value = match value.source {
            Source::Row(_) => {
                self.used(&value, "whole row");
                Value::derived(value.ty, [&value])
            }
            _ => value,
        };
        rows.columns.push(Column { name, value });
    }

    fn group_by(&mut self, group_by: &GroupByExpr, rows: &Rows, scope: &Scope<'_>) -> Result<(), Refusal> {
        let GroupByExpr::Expressions(terms, modifiers) = group_by else {
            return Err(self.unsupported("GROUP BY ALL", group_by.span()));
        };
        if !modifiers.iter().all(|modifier| matches!(modifier, GroupByWithModifier::GroupingSets(_))) {
            return Err(self.unsupported("GROUP BY ... WITH", group_by.span()));
        }
        let sets = modifiers.iter().filter_map(|modifier| match modifier {
            GroupByWithModifier::GroupingSets(expr) => Some(expr),
            _ => None,
        });
        for term in terms.iter().chain(sets) {
            self.group_term(term, rows, scope)?;
        }
        Ok(())
    }

    fn group_term(&mut self, term: &Expr, rows: &Rows, scope: &Scope<'_>) -> Result<(), Refusal> {
        match term {
            Expr::GroupingSets(sets) | Expr::Cube(sets) | Expr::Rollup(sets) => {
                for part in sets.iter().flatten() {
                    self.group_term(part, rows, scope)?;
                }
                Ok(())
            }
            Expr::Tuple(parts) => {
                for part in parts {
                    self.group_term(part, rows, scope)?;
                }
                Ok(())
            }
            // An input column goes before a result column of the same name.
            Expr::Identifier(ident) => {
                let name = fold(ident);
                match rows.columns.iter().find(|column| column.name == name) {
                    Some(output) if !scope.from.columns.iter().any(|column| column.name == name) => {
                        self.used(&output.value, "GROUP BY")
                    }
                    _ => drop(self.condition(term, scope, "GROUP BY")?),
                }
                Ok(())
            }
            other => match ordinal(other) {
                Some(at) => {
                    if let Some(column) = rows.columns.get(at) {
                        self.used(&column.value, "GROUP BY");
                    }
                    Ok(())
                }
                None => self.condition(other, scope, "GROUP BY").map(drop),
            },
        }
    }

    /// A term of ORDER BY or DISTINCT ON: a bare name is a result column first, a bare integer its number.
    fn output_term(
        &mut self,
        term: &Expr,
        rows: &Rows,
        scope: &Scope<'_>,
        clause: &'static str,
    ) -> Result<(), Refusal> {
        let output = match term {
            Expr::Identifier(ident) => {
                let name = fold(ident);
                rows.columns.iter().filter(|column| column.name == name).collect()
            }
            other => ordinal(other).and_then(|at| rows.columns.get(at)).into_iter().collect::<Vec<_>>(),
        };
        if output.is_empty() {
            return if ordinal(term).is_some() { Ok(()) } else { self.condition(term, scope, clause).map(drop) };
        }
        for column in output {
            self.used(&column.value, clause);
        }
        Ok(())
    }

    /// ORDER BY inside an aggregate, a window or WITHIN GROUP: input expressions alone.
    pub(crate) fn order_inputs(
        &mut self,
        terms: &[OrderByExpr],
        scope: &Scope<'_>,
        clause: &'static str,
    ) -> Result<Vec<Value>, Refusal> {
        let mut values = Vec::with_capacity(terms.len());
        for term in terms {
            self.order_options(term)?;
            values.push(self.condition(&term.expr, scope, clause)?);
        }
        Ok(values)
    }

    pub(crate) fn order_options(&mut self, term: &OrderByExpr) -> Result<(), Refusal> {
        if term.with_fill.is_some() {
            return Err(self.unsupported("WITH FILL", term.span()));
        }
        if let Some(OrderBySort::Using(name)) = &term.options.sort {
            let name = name.0.last().map(|part| part.to_string()).unwrap_or_default();
            if self.catalog.operators(&name).iter().any(|operator| !operator.system) {
                self.call(format!("operator {name}"), "", self.position(term.span()));
            }
        }
        Ok(())
    }

    /// SELECT INTO makes a table of the result, so nothing of it reaches the client.
    fn select_into(&mut self, into: &SelectInto, rows: Rows) -> Result<Rows, Refusal> {
        let parts: Vec<String> = match into.targets.as_slice() {
            [Expr::Identifier(name)] => vec![fold(name).to_string()],
            [Expr::CompoundIdentifier(parts)] => parts.iter().map(|part| fold(part).to_string()).collect(),
            _ => return Err(self.unsupported("SELECT INTO", sqlparser::tokenizer::Span::empty())),
        };
        for column in &rows.columns {
            self.used(&column.value, "SELECT INTO");
        }
        self.creates(parts, into.temporary);
        self.no_rows = true;
        Ok(rows)
    }
}

/// Nothing but the rows of FROM and WHERE decides what a select list computes, so the server leaves out a column that nobody refers to.
fn is_row_by_row(select: &Select) -> bool {
    let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(terms, modifiers) if terms.is_empty() && modifiers.is_empty());
    !grouped && select.having.is_none() && select.distinct.is_none() && select.into.is_none()
}
