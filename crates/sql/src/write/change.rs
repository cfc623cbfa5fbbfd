//! UPDATE and DELETE.

use querygate_record::Effect;
use sqlparser::ast::{
    Delete, FromTable, ObjectName, Spanned, TableAlias, TableFactor, TableInheritance, TableWithJoins, Update,
    UpdateTableFromKind,
};

use super::{Event, bounded::is_current_of, target::Into};
use crate::{
    analysis::Analysis,
    query::Rows,
    resolve::{From, Scope},
    statement::Refusal,
};

/// A target as the text names it.
pub(super) struct NamedTarget<'t> {
    pub name: &'t ObjectName,
    pub alias: Option<&'t TableAlias>,
    pub only: bool,
}

impl<'a> Analysis<'a> {
    pub(super) fn update(&mut self, update: &Update, outer: &Scope<'_>) -> Result<Rows, Refusal> {
        let from = match &update.from {
            None => &[],
            Some(UpdateTableFromKind::AfterSet(tables)) => tables.as_slice(),
            Some(UpdateTableFromKind::BeforeSet(_)) => return Err(self.unsupported("FROM before SET", update.span())),
        };
        let foreign = update.on_cluster.is_some()
            || update.output.is_some()
            || update.or.is_some()
            || !update.order_by.is_empty()
            || update.limit.is_some()
            || update.settings.is_some();
        if foreign {
            return Err(self.unsupported("UPDATE clause of another dialect", update.span()));
        }
        let named = self.only_table(&update.table)?;
        let position = self.position(named.name.span());
        let into = self.target(named.name, &[Effect::Update])?;
        let item = self.aliased(into.item.clone(), named.alias)?;
        let sources = self.clause_from(from, outer)?;
        let scope = outer.inner(From::of(item.clone()).join(sources));
        let targets = self.assignments(&update.assignments, &into, &scope, "UPDATE")?;
        if let Some(condition) = update.selection.as_ref().filter(|condition| !is_current_of(condition)) {
            self.condition(condition, &scope, "WHERE")?;
        }
        if let Some(base) = &into.base {
            let reach = self.reach(base, &item, named.only, update.selection.as_ref());
            let targets = self.mapped(base, &targets, position)?;
            self.written(Effect::Update, base.relation, &targets, reach);
            self.consequences(base.relation, Event::Update, &targets, position);
        }
        self.returning(update.returning.as_deref(), &scope)
    }

    pub(super) fn delete(&mut self, delete: &Delete, outer: &Scope<'_>) -> Result<Rows, Refusal> {
        let FromTable::WithFromKeyword(from) = &delete.from else {
            return Err(self.unsupported("DELETE without FROM", delete.span()));
        };
        let foreign = !delete.tables.is_empty()
            || delete.on_cluster.is_some()
            || delete.output.is_some()
            || !delete.order_by.is_empty()
            || delete.limit.is_some()
            || delete.settings.is_some();
        let ([table], false) = (from.as_slice(), foreign) else {
            return Err(self.unsupported("DELETE clause of another dialect", delete.span()));
        };
        let named = self.only_table(table)?;
        let position = self.position(named.name.span());
        let into = self.target(named.name, &[Effect::Delete])?;
        let item = self.aliased(into.item.clone(), named.alias)?;
        let sources = self.clause_from(delete.using.as_deref().unwrap_or_default(), outer)?;
        let scope = outer.inner(From::of(item.clone()).join(sources));
        if let Some(condition) = delete.selection.as_ref().filter(|condition| !is_current_of(condition)) {
            self.condition(condition, &scope, "WHERE")?;
        }
        self.removed(&into, &item, named.only, delete.selection.as_ref(), position);
        self.returning(delete.returning.as_deref(), &scope)
    }

    pub(super) fn removed(
        &mut self,
        into: &Into<'a>,
        item: &crate::resolve::Item,
        only: bool,
        condition: Option<&sqlparser::ast::Expr>,
        position: Option<querygate_record::Position>,
    ) {
        if let Some(base) = &into.base {
            let reach = self.reach(base, item, only, condition);
            self.written(Effect::Delete, base.relation, &[], reach);
            self.consequences(base.relation, Event::Delete, &[], position);
        }
    }

    /// The one table that UPDATE, DELETE or MERGE names.
    fn only_table<'t>(&mut self, table: &'t TableWithJoins) -> Result<NamedTarget<'t>, Refusal> {
        if !table.joins.is_empty() {
            return Err(self.unsupported("join as the target of a write", table.span()));
        }
        self.plain_table(&table.relation)
    }

    pub(super) fn plain_table<'t>(&mut self, factor: &'t TableFactor) -> Result<NamedTarget<'t>, Refusal> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                with_hints,
                version: None,
                with_ordinality: false,
                partitions,
                json_path: None,
                sample: None,
                index_directives,
                inheritance,
            } if with_hints.is_empty() && partitions.is_empty() && index_directives.is_empty() => {
                let only = matches!(inheritance, Some(TableInheritance::Only { .. }));
                Ok(NamedTarget { name, alias: alias.as_ref(), only })
            }
            other => Err(self.unsupported("target of a write", other.span())),
        }
    }
}
