//! What a write's target is: a table, a temporary one, or a simple view over one.

use std::sync::Arc;

use querygate_record::{Effect, Position};
use sqlparser::{
    ast::{ObjectName, Spanned},
    tokenizer::Span,
};

use super::Target;
use crate::{
    analysis::Analysis,
    catalog::{Relation, RelationKind},
    resolve::{Item, Named, Source, Value},
    statement::{ColumnId, Refusal},
    view,
};

/// Views over views are followed this far.
const VIEW_DEPTH: usize = 16;

/// The table that a write reaches.
pub(super) struct Base<'a> {
    pub relation: &'a Relation,
    /// It is reached through a view: the view's columns are these of the table.
    pub view: Option<Vec<(ColumnId, ColumnId)>>,
}

/// A write's target, and what names see of it.
pub(super) struct Into<'a> {
    /// None for a temporary table.
    pub base: Option<Base<'a>>,
    /// The relation that is named.
    pub named: Option<&'a Relation>,
    pub item: Item,
}

impl Into<'_> {
    /// The table's column that a column of the named relation is.
    pub(super) fn stored(&self, column: ColumnId) -> ColumnId {
        let map = self.base.as_ref().and_then(|base| base.view.as_ref());
        map.and_then(|map| map.iter().find(|(own, _)| *own == column)).map_or(column, |(_, stored)| *stored)
    }
}

impl<'a> Analysis<'a> {
    /// The target of that name.
    pub(super) fn target(&mut self, name: &ObjectName, effects: &[Effect]) -> Result<Into<'a>, Refusal> {
        let position = self.position(name.span());
        match self.named(name)? {
            Named::Temporary(temporary, None) => {
                self.effect(Effect::Session, format!("pg_temp.{temporary}"));
                Ok(Into { base: None, named: None, item: crate::resolve::temporary(temporary) })
            }
            Named::Temporary(_, Some(relation)) | Named::Relation(relation) => {
                let base = self.base(relation, position)?;
                if base.view.is_some() {
                    // What policy says of the view counts too; a view doesn't bound.
                    for effect in effects {
                        self.effect_on(crate::statement::EffectOn {
                            bounded: !matches!(effect, Effect::Update | Effect::Delete),
                            ..crate::statement::EffectOn::new(*effect, Arc::clone(&relation.qualified))
                        });
                    }
                    self.table(relation, true);
                }
                let item = self.target_item(relation, position)?;
                Ok(Into { base: Some(base), named: Some(relation), item })
            }
        }
    }

    /// The target as names see it; its rows count as read only where a column of it is.
    fn target_item(&mut self, relation: &'a Relation, position: Option<Position>) -> Result<Item, Refusal> {
        let effects = self.found.effects.len();
        let item = self.read_relation(&Named::Relation(relation), position)?;
        let read =
            |effect: &crate::statement::EffectOn| effect.effect == Effect::Read && effect.object == relation.qualified;
        let mut at = 0;
        self.found.effects.retain(|effect| {
            at += 1;
            at <= effects || !read(effect)
        });
        Ok(item)
    }

    /// The table behind a name: itself, or what a simple view shows.
    pub(super) fn base(&mut self, relation: &Relation, position: Option<Position>) -> Result<Base<'a>, Refusal> {
        let mut oid = relation.oid;
        let mut map: Option<Vec<(ColumnId, ColumnId)>> = None;
        for _ in 0..VIEW_DEPTH {
            let Some(relation) = self.catalog.relation(oid) else { break };
            match relation.kind {
                RelationKind::Table | RelationKind::Partitioned => return Ok(Base { relation, view: map }),
                RelationKind::Foreign => {
                    let name = Arc::clone(&relation.qualified);
                    self.effect(Effect::Outbound, Arc::clone(&name));
                    self.opaque(format!("foreign table {name}"), name, position);
                    return Ok(Base { relation, view: map });
                }
                RelationKind::View if relation.triggers.is_empty() && relation.rules.is_empty() => {
                    let (base, columns) = self.shown(relation)?;
                    map = Some(match map {
                        None => columns,
                        Some(outer) => outer
                            .into_iter()
                            .filter_map(|(seen, via)| {
                                columns.iter().find(|(own, _)| *own == via).map(|(_, base)| (seen, *base))
                            })
                            .collect(),
                    });
                    oid = base;
                }
                _ => break,
            }
        }
        let construct = format!("write to {}", relation.qualified);
        Err(Refusal {
            position,
            hint: "write to the table itself".into(),
            ..self.unsupported(construct, Span::empty())
        })
    }

    /// A simple view's one table, and which of its columns each of the view's is.
    fn shown(&mut self, relation: &Relation) -> Result<(u32, Vec<(ColumnId, ColumnId)>), Refusal> {
        let definition = view::definition(self, relation)?;
        self.absorb(&definition.found);
        let mut map = Vec::new();
        for (own, shown) in relation.columns.iter().zip(&definition.columns) {
            if let Source::Plain { column, .. } = shown.value.source {
                map.push((own.id, column));
            }
        }
        let mut tables: Vec<u32> = map.iter().map(|(_, column)| column.table).collect();
        tables.dedup();
        match (tables.as_slice(), definition.found.tables.len()) {
            ([table], _) => Ok((*table, map)),
            _ => Err(self.unsupported(format!("write to {}", relation.qualified), Span::empty())),
        }
    }

    /// Targets named in a view as columns of its table.
    pub(super) fn mapped(
        &mut self,
        base: &Base<'_>,
        targets: &[Target],
        position: Option<Position>,
    ) -> Result<Vec<Target>, Refusal> {
        let Some(map) = &base.view else { return Ok(targets.to_vec()) };
        let mut found = Vec::with_capacity(targets.len());
        for target in targets {
            match map.iter().find(|(own, _)| *own == target.column) {
                Some((_, column)) => found.push(Target { column: *column, ..*target }),
                None => {
                    let refusal = self.unsupported("write to a computed column of a view", Span::empty());
                    return Err(Refusal { position: target.position.or(position), ..refusal });
                }
            }
        }
        Ok(found)
    }
}

/// A target's columns as values that the client gives, not stored ones (`excluded`).
pub(super) fn given(item: &Item, name: &str) -> Item {
    let mut given = item.clone();
    given.name = Some(name.into());
    given.schema = None;
    given.relation = None;
    for column in &mut given.columns {
        column.value = Value::constant(column.value.ty);
    }
    given
}
