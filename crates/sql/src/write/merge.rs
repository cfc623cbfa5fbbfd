//! MERGE: each clause is a write of its own to the same target.

use querygate_record::Effect;
use sqlparser::ast::{Merge, MergeAction, MergeInsertExpr, MergeInsertKind, MergeUpdateKind, OutputClause, Spanned};

use super::{Event, Target, bounded::Reach, is_constant, target::Into};
use crate::{
    analysis::Analysis,
    query::Rows,
    resolve::{From, Scope},
    statement::Refusal,
};

impl<'a> Analysis<'a> {
    pub(super) fn merge_into(&mut self, merge: &Merge, outer: &Scope<'_>) -> Result<Rows, Refusal> {
        let named = self.plain_table(&merge.table)?;
        let position = self.position(named.name.span());
        let into = self.target(named.name, &[Effect::Update, Effect::Delete, Effect::Insert])?;
        let item = self.aliased(into.item.clone(), named.alias)?;
        let source = self.factor(&merge.source, outer, &From::default())?;
        let from_source = outer.inner(source.clone());
        let scope = outer.inner(From::of(item.clone()).join(source));
        self.condition(&merge.on, &scope, "MERGE ON")?;
        for clause in &merge.clauses {
            if let Some(predicate) = &clause.predicate {
                self.condition(predicate, &scope, "MERGE WHEN")?;
            }
            match &clause.action {
                MergeAction::Insert(insert) => self.merge_insert(insert, &into, &from_source)?,
                MergeAction::Update(update) => {
                    let MergeUpdateKind::Set(assignments) = &update.kind else {
                        return Err(self.unsupported("MERGE UPDATE *", merge.span()));
                    };
                    if update.update_predicate.is_some() || update.delete_predicate.is_some() {
                        return Err(self.unsupported("MERGE clause of another dialect", merge.span()));
                    }
                    let targets = self.assignments(assignments, &into, &scope, "MERGE UPDATE")?;
                    if let Some(base) = &into.base {
                        let reach = self.reach(base, &item, named.only, Some(&merge.on));
                        let targets = self.mapped(base, &targets, position)?;
                        self.written(Effect::Update, base.relation, &targets, reach);
                        self.consequences(base.relation, Event::Update, &targets, position);
                    }
                }
                MergeAction::Delete { .. } => self.removed(&into, &item, named.only, Some(&merge.on), position),
                MergeAction::DoNothing { .. } => {}
            }
        }
        match &merge.output {
            None => Ok(Rows::default()),
            Some(OutputClause::Returning { select_items, .. }) => self.returning(Some(select_items), &scope),
            Some(OutputClause::Output { .. }) => Err(self.unsupported("OUTPUT", merge.span())),
        }
    }

    fn merge_insert(&mut self, insert: &MergeInsertExpr, into: &Into<'a>, scope: &Scope<'_>) -> Result<(), Refusal> {
        let (MergeInsertKind::Values(values), None) = (&insert.kind, &insert.insert_predicate) else {
            return Err(self.unsupported("MERGE INSERT of another dialect", sqlparser::tokenizer::Span::empty()));
        };
        let mut columns = Vec::new();
        for name in &insert.columns {
            columns.push(self.assigned(into.named, name)?);
        }
        if insert.columns.is_empty() {
            columns.extend(into.named.iter().flat_map(|relation| &relation.columns).map(Some));
        }
        let mut targets = Vec::new();
        for row in &values.rows {
            for (at, expr) in row.content.iter().enumerate() {
                let value = self.expression(expr, scope, Some("MERGE INSERT"))?;
                match columns.get(at).copied().flatten() {
                    Some(column) => {
                        self.assign(into, column, &value, "MERGE INSERT");
                        targets.push(Target { column: column.id, constant: is_constant(expr), position: None });
                    }
                    None => self.used(&value, "MERGE INSERT"),
                }
            }
        }
        if let Some(base) = &into.base {
            let targets = self.mapped(base, &targets, None)?;
            self.written(Effect::Insert, base.relation, &targets, Reach::listed(true));
            self.consequences(base.relation, Event::Insert, &targets, None);
        }
        Ok(())
    }
}
