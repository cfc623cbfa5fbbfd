//! INSERT.

use querygate_record::Effect;
use sqlparser::ast::{
    ConflictTarget, Expr, Insert, OnConflict, OnConflictAction, OnInsert, Query, SetExpr, Spanned, TableObject, Values,
};

use super::{
    Event, Target,
    bounded::Reach,
    is_constant, is_default,
    target::{Into, given},
};
use crate::{
    analysis::{Analysis, fold},
    catalog::Column,
    query::Rows,
    resolve::{From, Scope},
    statement::Refusal,
};

impl<'a> Analysis<'a> {
    pub(super) fn insert(&mut self, insert: &Insert, outer: &Scope<'_>) -> Result<Rows, Refusal> {
        self.refuse_foreign_insert(insert)?;
        let TableObject::TableName(name) = &insert.table else {
            return Err(self.unsupported("INSERT into a function", insert.span()));
        };
        let position = self.position(name.span());
        let into = self.target(name, &[Effect::Insert])?;
        let columns = self.insert_columns(insert, &into)?;
        let targets = match &insert.source {
            Some(source) => self.insert_source(source, &into, &columns, outer)?,
            None => Vec::new(),
        };
        if let Some(base) = &into.base {
            let targets = self.mapped(base, &targets, position)?;
            self.written(Effect::Insert, base.relation, &targets, Reach::listed(true));
            self.consequences(base.relation, Event::Insert, &targets, position);
        }
        let mut item = into.item.clone();
        if let Some(alias) = &insert.table_alias {
            item.name = Some(fold(&alias.alias));
            item.schema = None;
        }
        let scope = outer.inner(From::of(item.clone()));
        if let Some(OnInsert::OnConflict(conflict)) = &insert.on {
            let both = outer.inner(From { items: vec![item.clone(), given(&item, "excluded")], ..From::of(item) });
            // Rows that a query gives may meet any number of rows.
            let bounded = insert.source.as_deref().is_none_or(|source| listed(source).is_some());
            self.on_conflict(conflict, &into, &both, Reach::listed(bounded))?;
        }
        self.returning(insert.returning.as_deref(), &scope)
    }

    fn refuse_foreign_insert(&mut self, insert: &Insert) -> Result<(), Refusal> {
        let foreign = insert.or.is_some()
            || insert.ignore
            || !insert.into
            || insert.by_name
            || insert.overwrite
            || !insert.assignments.is_empty()
            || insert.partitioned.is_some()
            || !insert.after_columns.is_empty()
            || insert.has_table_keyword
            || insert.output.is_some()
            || insert.replace_into
            || insert.priority.is_some()
            || insert.insert_alias.is_some()
            || insert.settings.is_some()
            || insert.format_clause.is_some()
            || insert.multi_table_insert_type.is_some()
            || !insert.multi_table_into_clauses.is_empty()
            || !insert.multi_table_when_clauses.is_empty()
            || insert.multi_table_else_clause.is_some()
            || matches!(insert.on, Some(OnInsert::DuplicateKeyUpdate(_)));
        if foreign { Err(self.unsupported("INSERT clause of another dialect", insert.span())) } else { Ok(()) }
    }

    /// The columns that values go to, in order; none are known of a temporary table.
    fn insert_columns(&mut self, insert: &Insert, into: &Into<'a>) -> Result<Vec<Option<&'a Column>>, Refusal> {
        if insert.columns.is_empty() {
            return Ok(into.named.iter().flat_map(|relation| &relation.columns).map(Some).collect());
        }
        insert.columns.iter().map(|name| self.assigned(into.named, name)).collect()
    }

    fn insert_source(
        &mut self,
        source: &Query,
        into: &Into<'a>,
        columns: &[Option<&'a Column>],
        outer: &Scope<'_>,
    ) -> Result<Vec<Target>, Refusal> {
        if let Some(values) = listed(source) {
            return self.insert_values(values, into, columns, outer);
        }
        let rows = self.query(source, outer)?;
        let width = if rows.open { columns.len() } else { rows.columns.len() };
        for (at, output) in rows.columns.iter().enumerate() {
            match columns.get(at).copied().flatten() {
                Some(column) => self.assign(into, column, &output.value, "INSERT"),
                None => self.used(&output.value, "INSERT"),
            }
        }
        let written = columns.iter().take(width).flatten();
        Ok(written.map(|column| Target { column: column.id, constant: false, position: None }).collect())
    }

    fn insert_values(
        &mut self,
        values: &Values,
        into: &Into<'a>,
        columns: &[Option<&'a Column>],
        outer: &Scope<'_>,
    ) -> Result<Vec<Target>, Refusal> {
        let mut constant = vec![true; columns.len()];
        let mut assigned = vec![false; columns.len()];
        for row in &values.rows {
            for (at, expr) in row.content.iter().enumerate() {
                let value = self.expression(expr, outer, Some("INSERT"))?;
                let Some(column) = columns.get(at).copied().flatten() else {
                    self.used(&value, "INSERT");
                    continue;
                };
                self.assign(into, column, &value, "INSERT");
                self.insert_default(expr, column);
                if let (Some(constant), Some(assigned)) = (constant.get_mut(at), assigned.get_mut(at)) {
                    *constant &= is_constant(expr);
                    *assigned = true;
                }
            }
        }
        let targets = columns.iter().zip(constant).zip(assigned).filter(|(_, assigned)| *assigned);
        Ok(targets
            .filter_map(|((column, constant), _)| {
                column.map(|column| Target { column: column.id, constant, position: None })
            })
            .collect())
    }

    fn insert_default(&mut self, expr: &Expr, column: &Column) {
        if is_default(expr)
            && let Some(relation) = self.catalog.relation(column.id.table)
        {
            self.default_of(relation, column, None);
        }
    }

    /// ON CONFLICT tells whether a key exists, and changes the one row that has it.
    fn on_conflict(
        &mut self,
        conflict: &OnConflict,
        into: &Into<'a>,
        scope: &Scope<'_>,
        reach: Reach,
    ) -> Result<(), Refusal> {
        if let Some(ConflictTarget::Columns { columns, predicate }) = &conflict.conflict_target {
            for column in columns {
                self.condition(&Expr::Identifier(column.clone()), scope, "ON CONFLICT")?;
            }
            if let Some(predicate) = predicate {
                self.condition(predicate, scope, "ON CONFLICT")?;
            }
        }
        let OnConflictAction::DoUpdate(update) = &conflict.action else { return Ok(()) };
        let targets = self.assignments(&update.assignments, into, scope, "ON CONFLICT DO UPDATE")?;
        if let Some(condition) = &update.selection {
            self.condition(condition, scope, "ON CONFLICT DO UPDATE WHERE")?;
        }
        if let Some(base) = &into.base {
            let targets = self.mapped(base, &targets, None)?;
            self.written(Effect::Update, base.relation, &targets, reach);
            self.consequences(base.relation, Event::Update, &targets, None);
        }
        Ok(())
    }
}

/// The rows of VALUES, where they stand alone.
fn listed(source: &Query) -> Option<&Values> {
    let alone =
        source.with.is_none() && source.order_by.is_none() && source.limit_clause.is_none() && source.fetch.is_none();
    match &*source.body {
        SetExpr::Values(values) if alone => Some(values),
        _ => None,
    }
}
