//! Relation names, and what reading a relation means.

use std::sync::Arc;

use querygate_record::{Effect, Position};
use sqlparser::ast::{ObjectName, Spanned};

use super::{Column, Item, Source, Ty, Value};
use crate::{
    analysis::{Analysis, fold},
    catalog::{self, Relation, RelationKind},
    statement::{Refusal, RefusalKind},
    system_catalog, view,
};

/// What a relation's name means.
#[derive(Clone, Debug)]
pub(crate) enum Named<'a> {
    /// A relation of the catalog.
    Relation(&'a Relation),
    /// A temporary relation of this session, whose columns aren't known.
    /// Where it hides a permanent one, that too.
    Temporary(Arc<str>, Option<&'a Relation>),
}

impl<'a> Analysis<'a> {
    /// The relation that a name means under the session's search path; temporary ones come first.
    pub(crate) fn named(&self, name: &ObjectName) -> Result<Named<'a>, Refusal> {
        let parts: Option<Vec<Arc<str>>> = name.0.iter().map(|part| part.as_ident().map(fold)).collect();
        let position = self.position(name.span());
        let unknown = |shown: String| Refusal {
            kind: RefusalKind::UnknownTable,
            construct: format!("relation \"{shown}\"").into(),
            position,
            hint: "name a table or view that exists; a new one is known a moment after it was made".into(),
        };
        let catalog = self.catalog;
        match parts.as_deref() {
            // A temporary relation hides a permanent one of its name, unless it is gone by now or the path puts it last: then both readings count.
            Some([name]) if self.settings.temporary.iter().any(|made| **made == **name) => {
                Ok(Named::Temporary(Arc::clone(name), catalog.relation_on_path(&self.settings.search_path, name)))
            }
            Some([name]) => catalog
                .relation_on_path(&self.settings.search_path, name)
                .map(Named::Relation)
                .ok_or_else(|| unknown(name.to_string())),
            Some([schema, name]) if is_temporary(schema) => Ok(Named::Temporary(Arc::clone(name), None)),
            Some([schema, name]) => catalog
                .relation_in(schema, name)
                .map(Named::Relation)
                .ok_or_else(|| unknown(format!("{schema}.{name}"))),
            Some([database, schema, name]) if **database == *catalog.database() => catalog
                .relation_in(schema, name)
                .map(Named::Relation)
                .ok_or_else(|| unknown(format!("{schema}.{name}"))),
            _ => Err(unknown(name.to_string())),
        }
    }

    /// What reading a relation touches, runs and gives.
    pub(crate) fn read_relation(&mut self, named: &Named<'a>, position: Option<Position>) -> Result<Item, Refusal> {
        let relation = match named {
            Named::Temporary(name, hidden) => {
                self.effect(Effect::Read, format!("pg_temp.{name}"));
                self.any_type = true;
                return match hidden {
                    None => Ok(temporary(Arc::clone(name))),
                    Some(relation) => {
                        Ok(Item { open: true, ..self.read_relation(&Named::Relation(relation), position)? })
                    }
                };
            }
            Named::Relation(relation) => *relation,
        };
        self.table(relation, false);
        self.effect(Effect::Read, Arc::clone(&relation.qualified));
        if relation.system {
            self.system_relation(relation, position);
        }
        let columns = match relation.kind {
            RelationKind::View | RelationKind::MaterializedView if !relation.system => {
                self.view_columns(relation, position)
            }
            RelationKind::Foreign => {
                let construct = format!("foreign table {}", relation.qualified);
                self.effect(Effect::Outbound, Arc::clone(&relation.qualified));
                self.opaque(construct, Arc::clone(&relation.qualified), position);
                own_columns(relation)
            }
            RelationKind::Composite => {
                return Err(self.unsupported(
                    format!("type {} in place of a table", relation.qualified),
                    sqlparser::tokenizer::Span::empty(),
                ));
            }
            _ => own_columns(relation),
        };
        self.foreign_descendants(relation, position);
        self.row_security(relation, position);
        Ok(Item {
            name: Some(Arc::clone(&relation.name)),
            schema: Some(Arc::clone(&relation.schema)),
            relation: Some(relation.oid),
            row_type: Ty::Oid(relation.row_type),
            columns,
            open: false,
        })
    }

    /// A view gives what its definition gives, under its own column names.
    fn view_columns(&mut self, relation: &Relation, position: Option<Position>) -> Vec<Column> {
        match view::definition(self, relation) {
            Ok(definition) => {
                self.absorb(&definition.found);
                let names = relation.columns.iter().map(|column| (Arc::clone(&column.name), column.type_oid));
                let pairs = names.zip(&definition.columns);
                pairs
                    .map(|((name, ty), column)| Column {
                        name,
                        value: Value { ty: Ty::Oid(ty), ..column.value.clone() },
                    })
                    .collect()
            }
            Err(_) => {
                self.opaque(format!("view {}", relation.qualified), Arc::clone(&relation.qualified), position);
                own_columns(relation)
            }
        }
    }

    /// Reading a table reads those that inherit from it, and foreign ones among them reach other servers.
    fn foreign_descendants(&mut self, relation: &Relation, position: Option<Position>) {
        let foreign: Vec<_> =
            self.catalog.tables_below(relation.oid).filter(|table| table.kind == RelationKind::Foreign).collect();
        for table in foreign {
            self.effect(Effect::Outbound, Arc::clone(&table.qualified));
            self.opaque(format!("foreign table {}", table.qualified), Arc::clone(&table.qualified), position);
        }
    }

    /// Row policies read columns of the table for every row, and may run user code.
    fn row_security(&mut self, relation: &Relation, position: Option<Position>) {
        if !relation.row_security {
            return;
        }
        for policy in &relation.policies {
            for column in policy.columns.iter().filter_map(|number| relation.attribute(*number)) {
                self.column_use(column.id, format!("row policy {}", policy.name), position);
            }
            for function in &policy.functions {
                let name = self.catalog.function_name(*function);
                self.call(format!("row policy {} of {}", policy.name, relation.qualified), name, position);
            }
        }
    }

    /// A reference to a relation's column: records what reading it involves.
    pub(crate) fn column_read(&mut self, value: &Value) {
        if let Some(found) = &value.deferred {
            self.absorb(found);
        }
        let Source::Plain { column: id, .. } = value.source else { return };
        self.read(id);
        if let Ty::Oid(oid) = value.ty {
            self.handles(oid);
        }
        let Some(relation) = self.catalog.relation(id.table) else { return };
        let Some(column) = relation.attribute(id.attribute) else { return };
        if relation.system {
            self.system_column(relation, column, value.position);
        }
        for from in column.generated_from.iter().filter_map(|number| relation.attribute(*number)) {
            self.read(from.id);
        }
        for function in column.default_functions.iter().filter(|_| column.generated) {
            let name = self.catalog.function_name(*function);
            self.call(format!("generated column {}", column.name), name, value.position);
        }
    }

    /// The server's own relations are data too: what isn't known to hold definitions alone is opaque.
    fn system_relation(&mut self, relation: &Relation, position: Option<Position>) {
        if !system_catalog::is_listed(&relation.schema, &relation.name) {
            self.opaque(format!("system relation {}", relation.qualified), Arc::clone(&relation.qualified), position);
        }
    }

    fn system_column(&mut self, relation: &Relation, column: &catalog::Column, position: Option<Position>) {
        if *relation.schema == *"pg_catalog" && system_catalog::refused_columns(&relation.name).contains(&&*column.name)
        {
            self.opaque(
                format!("system column {}.{}", relation.qualified, column.name),
                Arc::clone(&relation.qualified),
                position,
            );
        }
    }
}

/// Whether a schema name means this session's temporary schema.
fn is_temporary(schema: &str) -> bool {
    schema == "pg_temp" || schema.starts_with("pg_temp_")
}

/// A temporary relation: its columns aren't known, and hold nothing that this session could not read.
pub(crate) fn temporary(name: Arc<str>) -> Item {
    Item {
        name: Some(name),
        schema: Some("pg_temp".into()),
        relation: None,
        row_type: Ty::Any,
        columns: Vec::new(),
        open: true,
    }
}

fn own_columns(relation: &Relation) -> Vec<Column> {
    let own = relation.columns.iter().map(|column| Column {
        name: Arc::clone(&column.name),
        value: Value {
            ty: Ty::Oid(column.type_oid),
            source: Source::Plain { column: column.id, nullable_side: false },
            slots: Vec::new(),
            position: None,
            deferred: None,
        },
    });
    own.collect()
}
