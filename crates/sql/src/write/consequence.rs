//! What a write sets off: defaults, checks, indexes, keys, generated columns, row policies, triggers and rules. Their code is opaque, and what they
//! compare a written column with is used: the write tells of it by failing.

use std::sync::Arc;

use querygate_record::{Effect, Position};

use super::Target;
use crate::{
    analysis::Analysis,
    catalog::{Column, Constraint, ConstraintKind, Index, Relation, RuleEvent},
};

/// Writes that foreign keys pass on are followed this deep.
const CASCADE_DEPTH: usize = 16;

/// Partitions and children that a write may reach.
const CHILDREN: usize = 10_000;

/// What a write does to rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Insert,
    Update,
    Delete,
}

impl<'a> Analysis<'a> {
    /// Everything that a write to a table sets off, in its partitions and children too.
    pub(super) fn consequences(
        &mut self,
        relation: &Relation,
        event: Event,
        targets: &[Target],
        position: Option<Position>,
    ) {
        let names: Vec<Arc<str>> = targets
            .iter()
            .filter_map(|target| relation.attribute(target.column.attribute))
            .map(|column| Arc::clone(&column.name))
            .collect();
        let catalog = self.catalog;
        let mut pending = vec![relation.oid];
        let mut seen = 0;
        while let Some(table) = pending.get(seen).copied().and_then(|oid| catalog.relation(oid)) {
            seen += 1;
            self.on_table(table, event, &names, position);
            let more = catalog
                .children(table.oid)
                .iter()
                .filter(|child| !pending.contains(child))
                .copied()
                .collect::<Vec<_>>();
            if seen < CHILDREN {
                pending.extend(more);
            } else {
                self.opaque(format!("children of {}", relation.qualified), "", position);
                break;
            }
        }
        if event != Event::Insert {
            self.referenced(relation, event, &names, position, 0);
        }
    }

    /// A new table with the columns of this one: values of it run their types' code and, if `whole`, that of defaults, checks and indexes.
    pub(crate) fn formed_like(&mut self, relation: &Relation, whole: bool, position: Option<Position>) {
        for column in &relation.columns {
            self.type_code(column.type_oid, position);
            if whole && column.generated {
                self.generated(relation, column, Event::Insert, &[], position);
            } else if whole {
                self.default_of(relation, column, position);
            }
        }
        if whole {
            for constraint in &relation.constraints {
                self.constraint(relation, constraint, Event::Insert, &[], position);
            }
            for index in &relation.indexes {
                self.index_code(relation, index, position);
            }
        }
    }

    fn index_code(&mut self, table: &Relation, index: &Index, position: Option<Position>) {
        for function in &index.functions {
            let name = self.catalog.function_name(*function);
            self.call(format!("index {} of {}", index.name, table.qualified), name, position);
        }
    }

    fn on_table(&mut self, table: &'a Relation, event: Event, names: &[Arc<str>], position: Option<Position>) {
        let wrote = |column: &Column| names.contains(&column.name);
        for rule in table.rules.iter().filter(|rule| rule.event == rule_event(event)) {
            self.call(format!("rule {} on {}", rule.name, table.qualified), "", position);
        }
        for trigger in &table.triggers {
            let fires = match event {
                Event::Insert => trigger.insert,
                Event::Delete => trigger.delete,
                Event::Update => {
                    let of = |number: &i16| table.attribute(*number).is_some_and(wrote);
                    trigger.update && (trigger.columns.is_empty() || trigger.columns.iter().any(of))
                }
            };
            if fires {
                let function = self.catalog.function_name(trigger.function);
                self.call(format!("trigger {} on {}", trigger.name, table.qualified), function, position);
            }
        }
        self.row_policies(table, event, position);
        if event == Event::Delete {
            return;
        }
        for column in &table.columns {
            if column.generated {
                self.generated(table, column, event, names, position);
            } else if event == Event::Insert && !wrote(column) {
                self.default_of(table, column, position);
            }
        }
        for constraint in &table.constraints {
            self.constraint(table, constraint, event, names, position);
        }
        for index in &table.indexes {
            self.index_code(table, index, position);
            if index.unique || index.exclusion || index.expressions || index.partial {
                let construct =
                    if index.unique { format!("unique index {}", index.name) } else { format!("index {}", index.name) };
                let set_by_default =
                    |column: &Column| event == Event::Insert && column.has_default && index.columns.len() > 1;
                self.shared(table, &index.columns, names, &construct, position, set_by_default);
            }
        }
    }

    /// A default that isn't overridden may run code.
    pub(super) fn default_of(&mut self, table: &Relation, column: &Column, position: Option<Position>) {
        for function in &column.default_functions {
            let name = self.catalog.function_name(*function);
            self.call(format!("default of {}.{}", table.qualified, column.name), name, position);
        }
        if column.has_default {
            self.type_code(column.type_oid, position);
        }
    }

    fn generated(
        &mut self,
        table: &Relation,
        column: &Column,
        event: Event,
        names: &[Arc<str>],
        position: Option<Position>,
    ) {
        for function in &column.default_functions {
            let name = self.catalog.function_name(*function);
            self.call(format!("generated column {}.{}", table.qualified, column.name), name, position);
        }
        if event == Event::Update {
            self.shared(
                table,
                &column.generated_from,
                names,
                &format!("generated column {}", column.name),
                position,
                |_| false,
            );
        }
    }

    fn constraint(
        &mut self,
        table: &Relation,
        constraint: &Constraint,
        event: Event,
        names: &[Arc<str>],
        position: Option<Position>,
    ) {
        for function in &constraint.functions {
            let name = self.catalog.function_name(*function);
            self.call(format!("constraint {} of {}", constraint.name, table.qualified), name, position);
        }
        let wrote = |number: &i16| table.attribute(*number).is_some_and(|column| names.contains(&column.name));
        match constraint.kind {
            // A new row's own values are the client's; an old row's others are not.
            ConstraintKind::Check if event == Event::Update => {
                let construct = format!("CHECK constraint {}", constraint.name);
                if constraint.validated {
                    self.shared(table, &constraint.columns, names, &construct, position, |_| false);
                } else {
                    self.uses_of(table, &constraint.columns, &construct, position);
                }
            }
            ConstraintKind::Foreign if constraint.columns.iter().any(wrote) => {
                let construct = format!("foreign key {}", constraint.name);
                self.shared(table, &constraint.columns, names, &construct, position, |_| false);
                if let Some(target) = self.catalog.relation(constraint.target) {
                    self.uses_of(target, &constraint.target_columns, &construct, position);
                }
            }
            ConstraintKind::Exclude => {
                let construct = format!("EXCLUDE constraint {}", constraint.name);
                self.shared(table, &constraint.columns, names, &construct, position, |_| false);
            }
            _ => {}
        }
    }

    /// If one of these columns is written, the others are used.
    fn shared(
        &mut self,
        table: &Relation,
        columns: &[i16],
        names: &[Arc<str>],
        construct: &str,
        position: Option<Position>,
        set_otherwise: impl Fn(&Column) -> bool,
    ) {
        let held: Vec<&Column> = columns.iter().filter_map(|number| table.attribute(*number)).collect();
        let touched = |column: &&&Column| names.contains(&column.name) || set_otherwise(column);
        if held.iter().any(|column| touched(&column)) {
            for column in held.iter().filter(|column| !names.contains(&column.name)) {
                self.column_use(column.id, construct, position);
            }
        }
    }

    fn uses_of(&mut self, table: &Relation, columns: &[i16], construct: &str, position: Option<Position>) {
        for column in columns.iter().filter_map(|number| table.attribute(*number)) {
            self.column_use(column.id, construct, position);
        }
    }

    fn row_policies(&mut self, table: &Relation, event: Event, position: Option<Position>) {
        let command = match event {
            Event::Insert => 'a',
            Event::Update => 'w',
            Event::Delete => 'd',
        };
        let policies =
            table.policies.iter().filter(|policy| table.row_security && [command, '*'].contains(&policy.command));
        for policy in policies {
            for function in &policy.functions {
                let name = self.catalog.function_name(*function);
                self.call(format!("row policy {} of {}", policy.name, table.qualified), name, position);
            }
            if event != Event::Insert {
                self.uses_of(table, &policy.columns, &format!("row policy {}", policy.name), position);
            }
        }
    }

    /// Rows of other tables that point here: they let the write fail, or change with it.
    fn referenced(
        &mut self,
        relation: &Relation,
        event: Event,
        names: &[Arc<str>],
        position: Option<Position>,
        depth: usize,
    ) {
        if depth > CASCADE_DEPTH {
            self.opaque(format!("foreign keys on {}", relation.qualified), "", position);
            return;
        }
        let catalog = self.catalog;
        for (referencing, at) in &relation.referenced_by {
            let Some(table) = catalog.relation(*referencing) else { continue };
            let Some(key) = table.constraints.get(*at) else { continue };
            let moved = |number: &i16| relation.attribute(*number).is_some_and(|column| names.contains(&column.name));
            if event == Event::Update && !key.target_columns.iter().any(moved) {
                continue;
            }
            self.uses_of(table, &key.columns, &format!("foreign key {}", key.name), position);
            let (passes_on, effect) = match event {
                Event::Delete => (key.writes_on_delete, Effect::Delete),
                _ => (key.writes_on_update, Effect::Update),
            };
            let known = self.found.effects.iter().any(|on| on.effect == effect && on.object == table.qualified);
            if passes_on && !known {
                self.table(table, true);
                // As many rows as point to those that the statement names.
                self.effect(effect, Arc::clone(&table.qualified));
                let changed: Vec<Arc<str>> = key
                    .columns
                    .iter()
                    .filter_map(|number| table.attribute(*number))
                    .map(|column| Arc::clone(&column.name))
                    .collect();
                self.on_table(table, event, &changed, position);
                if event == Event::Delete {
                    // SET NULL and SET DEFAULT change rows instead.
                    self.on_table(table, Event::Update, &changed, position);
                }
                self.referenced(table, event, &changed, position, depth + 1);
            }
        }
    }
}

fn rule_event(event: Event) -> RuleEvent {
    match event {
        Event::Insert => RuleEvent::Insert,
        Event::Update => RuleEvent::Update,
        Event::Delete => RuleEvent::Delete,
    }
}
