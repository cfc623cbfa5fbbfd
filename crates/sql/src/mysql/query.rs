//! Queries: what each result column comes from, and which columns shape the result.

use std::sync::Arc;

use sqlparser::ast::{
    Expr, GroupByExpr, LimitClause, OrderBy, OrderByExpr, OrderByKind, Query, Select, SelectFlavor, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, SetOperator, SetQuantifier, Value, Values, WildcardAdditionalOptions,
    With,
};

use super::{
    from::renamed,
    order::sorts_all,
    parser,
    reading::{Reading, parts, unsupported},
    scope::{Column, Scope},
};
use crate::{
    Limits, guard,
    statement::{Origin, Refusal},
};

impl Reading<'_> {
    /// Reads a query; its result columns come back.
    pub fn query(&mut self, query: &Query, outer: Option<&Scope<'_>>) -> Result<Vec<Column>, Refusal> {
        let Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch,
            locks: _,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        if fetch.is_some()
            || for_clause.is_some()
            || settings.is_some()
            || format_clause.is_some()
            || !pipe_operators.is_empty()
        {
            return Err(unsupported("a clause that the server does not know", "leave it out"));
        }
        let any_order = std::mem::take(&mut self.any_order) && limit_clause.is_none();
        let known = self.ctes.len();
        if let Some(with) = with {
            self.with(with, outer)?;
        }
        self.any_order = any_order;
        let result = self.body(body, outer, order_by.as_ref());
        self.ctes.truncate(known);
        let columns = result?;
        if let Some(limit) = limit_clause {
            let scope = Scope::within(outer);
            self.limit(limit, &scope)?;
        }
        Ok(columns)
    }

    /// The text of a view, as the server keeps it.
    pub fn view(&mut self, text: &str) -> Result<Vec<Column>, Refusal> {
        let parts = guard::read_with(super::Lexer::of(text, self.catalog), text, &Limits::default())?;
        let [part] = parts.as_slice() else { return Err(unsupported("this view", "read its tables")) };
        let query = parser::whole(&part.tokens, |parser| parser.parse_query())?;
        let (ctes, levels) = (std::mem::take(&mut self.ctes), std::mem::take(&mut self.levels));
        let (names, relations) = (self.names_read, self.relations_read);
        self.view_depth += 1;
        // The order of a view's rows is not the query's that reads it.
        self.any_order = true;
        let columns = self.query(&query, None);
        self.view_depth -= 1;
        (self.ctes, self.levels) = (ctes, levels);
        (self.names_read, self.relations_read) = (names, relations);
        columns
    }

    fn with(&mut self, with: &With, outer: Option<&Scope<'_>>) -> Result<(), Refusal> {
        for cte in &with.cte_tables {
            if cte.from.is_some() || cte.materialized.is_some() {
                return Err(unsupported("this form of WITH", "use WITH name AS (query)"));
            }
            let name = cte.alias.name.value.clone();
            if with.recursive {
                let columns = self.recursive(&name, cte, outer)?;
                self.ctes.push((name, columns));
                continue;
            }
            let columns = renamed(self.query(&cte.query, outer)?, &cte.alias)?;
            self.ctes.push((name, columns));
        }
        Ok(())
    }

    /// A CTE that may read itself: whatever flows into it counts as used.
    fn recursive(
        &mut self,
        name: &str,
        cte: &sqlparser::ast::Cte,
        outer: Option<&Scope<'_>>,
    ) -> Result<Vec<Column>, Refusal> {
        let construct: Arc<str> = "WITH RECURSIVE".into();
        let computed = |columns: Vec<Column>| -> Vec<Column> {
            columns.into_iter().map(|c| Column { origin: Origin::Computed, ..c }).collect()
        };
        let first = match &*cte.query.body {
            SetExpr::SetOperation { left, .. } => left,
            _ => &cte.query.body,
        };
        // Once for the names of its columns, without keeping count of what is read twice.
        let counted = (self.names_read, self.relations_read, self.parameters);
        let columns = self.body(first, outer, None)?;
        (self.names_read, self.relations_read, self.parameters) = counted;
        columns.iter().for_each(|c| self.used_origin(&c.origin, &construct));
        let columns = renamed(computed(columns), &cte.alias)?;
        self.ctes.push((name.to_owned(), columns.clone()));
        let whole = self.query(&cte.query, outer);
        self.ctes.pop();
        whole?.iter().for_each(|c| self.used_origin(&c.origin, &construct));
        Ok(columns)
    }

    fn body(
        &mut self,
        body: &SetExpr,
        outer: Option<&Scope<'_>>,
        order_by: Option<&OrderBy>,
    ) -> Result<Vec<Column>, Refusal> {
        match body {
            SetExpr::Select(select) => self.select(select, outer, order_by),
            SetExpr::Query(query) => {
                let columns = self.query(query, outer)?;
                self.order_of(&columns, outer, order_by)?;
                Ok(columns)
            }
            SetExpr::SetOperation { left, op, set_quantifier, right } => {
                let all = *op == SetOperator::Union && *set_quantifier == SetQuantifier::All;
                // Rows that are all different and sorted by all they hold have but one order.
                let any_order = std::mem::take(&mut self.any_order) || (!all && sorts_all(left, order_by));
                self.any_order = any_order;
                let left = self.body(left, outer, None)?;
                self.any_order = any_order;
                let right = self.body(right, outer, None)?;
                let columns = self.united(left, right, all)?;
                self.order_of(&columns, outer, order_by)?;
                Ok(columns)
            }
            SetExpr::Values(values) => {
                let columns = self.values(values, outer)?;
                self.order_of(&columns, outer, order_by)?;
                Ok(columns)
            }
            _ => Err(unsupported("this form of query", "use SELECT")),
        }
    }

    /// `VALUES ROW(...), ROW(...)` in MySQL, `VALUES (...), (...)` in MariaDB.
    fn values(&mut self, values: &Values, outer: Option<&Scope<'_>>) -> Result<Vec<Column>, Refusal> {
        let (scope, construct) = (Scope::within(outer), "VALUES".into());
        for expr in values.rows.iter().flat_map(|row| row.content.iter()) {
            self.expression(expr, &scope, &construct)?;
        }
        let width = values.rows.first().map_or(0, |row| row.content.len());
        let column = |n: usize| Column { name: format!("column_{n}").into(), origin: Origin::Computed };
        Ok((0..width).map(column).collect())
    }

    /// The columns of a UNION: plain only where both arms show the same column, and no row is compared with another.
    fn united(&mut self, left: Vec<Column>, right: Vec<Column>, all: bool) -> Result<Vec<Column>, Refusal> {
        if left.len() != right.len() {
            return Err(unsupported("arms of different width", "select as many columns in each"));
        }
        let construct: Arc<str> = "UNION".into();
        let mut columns = Vec::with_capacity(left.len());
        for (l, r) in left.into_iter().zip(right) {
            let plain = all && l.origin == r.origin;
            if !plain {
                self.used_origin(&l.origin, &construct);
                self.used_origin(&r.origin, &construct);
            }
            columns.push(Column { name: l.name, origin: if plain { l.origin } else { Origin::Computed } });
        }
        Ok(columns)
    }

    /// ORDER BY behind a set operation names its result columns.
    fn order_of(
        &mut self,
        columns: &[Column],
        outer: Option<&Scope<'_>>,
        order_by: Option<&OrderBy>,
    ) -> Result<(), Refusal> {
        let scope = Scope { labels: columns.to_vec(), ..Scope::within(outer) };
        self.order_by(order_by, &scope, columns)
    }

    fn select(
        &mut self,
        select: &Select,
        outer: Option<&Scope<'_>>,
        order_by: Option<&OrderBy>,
    ) -> Result<Vec<Column>, Refusal> {
        check_plain(select)?;
        let outermost = std::mem::take(&mut self.outermost);
        let any_order = std::mem::take(&mut self.any_order);
        self.levels.push(Vec::new());
        let mut scope = Scope::within(outer);
        self.from(&select.from, &mut scope)?;
        let mut columns = Vec::new();
        for item in &select.projection {
            match item {
                SelectItem::Wildcard(options) if outermost && scope.star_is_of_temporary() => {
                    check_options(options)?;
                    self.unlisted_star = true;
                    columns.extend(scope.sources.iter().flat_map(|s| s.columns.iter().cloned()));
                }
                item => self.item(item, &scope, &mut columns)?,
            }
        }
        if let Some(condition) = &select.selection {
            self.expression(condition, &scope, &"WHERE".into())?;
        }
        scope.labels = columns.clone();
        self.group_by(&select.group_by, &scope, &columns)?;
        if let Some(condition) = &select.having {
            self.expression(condition, &scope, &"HAVING".into())?;
        }
        for window in &select.named_window {
            self.named_window(window, &scope)?;
        }
        self.order_by(order_by, &scope, &columns)?;
        if select.distinct.is_some() {
            let construct = "DISTINCT".into();
            columns.iter().for_each(|c| self.used_origin(&c.origin, &construct));
        }
        let own = self.levels.pop().unwrap_or_default();
        self.order_of_rows(select, order_by, &own, any_order);
        Ok(columns)
    }

    pub fn item(&mut self, item: &SelectItem, scope: &Scope<'_>, columns: &mut Vec<Column>) -> Result<(), Refusal> {
        match item {
            SelectItem::UnnamedExpr(expr) => {
                let name = label(expr);
                let origin = self.output(expr, scope)?;
                columns.push(Column { name, origin });
            }
            SelectItem::ExprWithAlias { expr, alias } => {
                let origin = self.output(expr, scope)?;
                columns.push(Column { name: alias.value.as_str().into(), origin });
            }
            SelectItem::Wildcard(options) => {
                check_options(options)?;
                let star = scope.star.clone().ok_or_else(unknown_star)?;
                self.shown(&star);
                columns.extend(star);
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                check_options(options)?;
                let alias = match parts(name)?[..] {
                    [alias] => alias,
                    [database, table] if self.is_own(&database.value) => table,
                    _ => return Err(unsupported("`*` of another database", "name the columns")),
                };
                let star = scope.star_of(&alias.value).ok_or_else(unknown_star)?;
                self.shown(&star);
                columns.extend(star);
            }
            _ => return Err(unsupported("this form in the list of columns", "name the columns")),
        }
        Ok(())
    }

    fn shown(&mut self, columns: &[Column]) {
        for column in columns {
            if let Origin::Column { column, .. } = column.origin {
                self.read(column);
            }
        }
    }

    /// A result column: a name alone stays a column, everything else is computed from what it names.
    fn output(&mut self, expr: &Expr, scope: &Scope<'_>) -> Result<Origin, Refusal> {
        let origins = match expr {
            Expr::Nested(inner) => return self.output(inner, scope),
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => self.name(expr, scope)?,
            _ => {
                self.expression(expr, scope, &"an expression".into())?;
                return Ok(Origin::Computed);
            }
        };
        match origins.as_slice() {
            [Origin::Column { column, nullable_side }] => {
                self.read(*column);
                Ok(Origin::Column { column: *column, nullable_side: *nullable_side })
            }
            several => {
                let construct = "a name with several meanings".into();
                several.iter().for_each(|o| self.used_origin(o, &construct));
                Ok(Origin::Computed)
            }
        }
    }

    fn group_by(&mut self, group_by: &GroupByExpr, scope: &Scope<'_>, columns: &[Column]) -> Result<(), Refusal> {
        let GroupByExpr::Expressions(expressions, _) = group_by else {
            return Err(unsupported("GROUP BY ALL", "name the columns"));
        };
        let construct: Arc<str> = "GROUP BY".into();
        for expr in expressions {
            self.ordinal_or(expr, scope, columns, &construct)?;
        }
        Ok(())
    }

    pub fn order_by(
        &mut self,
        order_by: Option<&OrderBy>,
        scope: &Scope<'_>,
        columns: &[Column],
    ) -> Result<(), Refusal> {
        match order_by.map(|o| (&o.kind, &o.interpolate)) {
            None => Ok(()),
            Some((OrderByKind::Expressions(expressions), None)) => self.ordered(expressions, scope, columns),
            Some(_) => Err(unsupported("this form of ORDER BY", "name the columns")),
        }
    }

    pub fn ordered(
        &mut self,
        expressions: &[OrderByExpr],
        scope: &Scope<'_>,
        columns: &[Column],
    ) -> Result<(), Refusal> {
        let construct: Arc<str> = "ORDER BY".into();
        for by in expressions {
            if by.with_fill.is_some() {
                return Err(unsupported("WITH FILL", "leave it out"));
            }
            self.ordinal_or(&by.expr, scope, columns, &construct)?;
        }
        Ok(())
    }

    /// A number stands for a result column.
    fn ordinal_or(
        &mut self,
        expr: &Expr,
        scope: &Scope<'_>,
        columns: &[Column],
        construct: &Arc<str>,
    ) -> Result<(), Refusal> {
        let mut bare = expr;
        while let Expr::Nested(inner) = bare {
            bare = inner;
        }
        if let Expr::Value(value) = bare
            && let Value::Number(number, _) = &value.value
            && let Some(column) = number.parse::<usize>().ok().and_then(|n| columns.get(n.checked_sub(1)?))
        {
            self.used_origin(&column.origin, construct);
        }
        self.expression(expr, scope, construct)
    }

    fn limit(&mut self, limit: &LimitClause, scope: &Scope<'_>) -> Result<(), Refusal> {
        let construct = "LIMIT".into();
        match limit {
            LimitClause::LimitOffset { limit, offset, limit_by } => {
                for expr in limit.iter().chain(offset.as_ref().map(|o| &o.value)).chain(limit_by) {
                    self.expression(expr, scope, &construct)?;
                }
                Ok(())
            }
            LimitClause::OffsetCommaLimit { offset, limit } => {
                self.expression(offset, scope, &construct)?;
                self.expression(limit, scope, &construct)
            }
        }
    }
}

fn check_plain(select: &Select) -> Result<(), Refusal> {
    let plain = select.top.is_none()
        && select.exclude.is_none()
        && select.lateral_views.is_empty()
        && select.prewhere.is_none()
        && select.connect_by.is_empty()
        && select.cluster_by.is_empty()
        && select.distribute_by.is_empty()
        && select.sort_by.is_empty()
        && select.qualify.is_none()
        && select.value_table_mode.is_none()
        && select.flavor == SelectFlavor::Standard;
    if select.into.is_some() {
        return Err(unsupported("SELECT ... INTO", "read the result"));
    }
    if plain { Ok(()) } else { Err(unsupported("a clause that the server does not know", "leave it out")) }
}

fn check_options(options: &WildcardAdditionalOptions) -> Result<(), Refusal> {
    let plain = options.opt_ilike.is_none()
        && options.opt_exclude.is_none()
        && options.opt_except.is_none()
        && options.opt_replace.is_none()
        && options.opt_rename.is_none()
        && options.opt_alias.is_none();
    if plain { Ok(()) } else { Err(unsupported("this form of `*`", "name the columns")) }
}

fn unknown_star() -> Refusal {
    unsupported("`*` of columns that are not known", "name the columns")
}

/// The label that a result column has without AS.
fn label(expr: &Expr) -> Arc<str> {
    match expr {
        Expr::Identifier(name) => name.value.as_str().into(),
        Expr::CompoundIdentifier(names) => names.last().map_or("", |n| &n.value).into(),
        _ => "".into(),
    }
}
