//! Column references, by the server's rules (`transformColumnRef` in `src/backend/parser/parse_expr.c`).

use std::sync::Arc;

use querygate_record::Position;
use sqlparser::{
    ast::{Ident, ObjectName, Spanned},
    tokenizer::Span,
};

use super::Clause;
use crate::{
    analysis::{Analysis, fold},
    resolve::{Item, Scope, Source, Ty, Value, oid},
    statement::{ColumnId, Refusal, RefusalKind},
};

impl Analysis<'_> {
    /// A name of one part: a column, else a whole row.
    pub(crate) fn identifier(&mut self, ident: &Ident, scope: &Scope<'_>) -> Result<Value, Refusal> {
        let name = fold(ident);
        let position = self.position(ident.span);
        if ident.quote_style.is_none() {
            match &*name {
                "default" => return Ok(Value::constant(Ty::Any)),
                "current_schema" | "current_catalog" | "current_role" | "current_user" | "session_user"
                | "system_user" | "user" => {
                    return Ok(Value::constant(Ty::Oid(oid::NAME)));
                }
                _ => {}
            }
        }
        let mut beyond_open = false;
        for level in scope.levels() {
            let mut found = level.from.columns.iter().filter(|column| column.name == name);
            match (found.next(), found.next()) {
                (Some(column), None) => return Ok(self.referred(column.value.clone(), position)),
                (Some(_), Some(_)) => return Err(self.ambiguous_name(&name, position)),
                (None, _) => {}
            }
            if let Some(system) = self.system_attribute(&name, level.from.items.iter(), position) {
                return Ok(system);
            }
            beyond_open |= level.from.open;
        }
        if let Some(item) = scope.item(None, &name) {
            let item = item.clone();
            return Ok(self.whole_row(&item, position));
        }
        if beyond_open { Ok(Value::constant(Ty::Any)) } else { Err(self.unknown_name(&name, position)) }
    }

    /// A name of several parts: `table.column`, `schema.table.column`, or a function in attribute notation (`table.function`).
    pub(crate) fn compound(&mut self, parts: &[Ident], scope: &Scope<'_>, clause: Clause) -> Result<Value, Refusal> {
        let span = parts.first().map_or_else(Span::empty, |ident| ident.span);
        let position = self.position(span);
        let names: Vec<Arc<str>> = parts.iter().map(fold).collect();
        let (schema, table, column) = match names.as_slice() {
            [table, column] => (None, table, column),
            [schema, table, column] => (Some(&**schema), table, column),
            [database, schema, table, column] if **database == *self.catalog.database() => {
                (Some(&**schema), table, column)
            }
            _ => return Err(self.unsupported("name of too many parts", span)),
        };
        let Some(item) = scope.item(schema, table) else {
            return Err(Refusal {
                kind: RefusalKind::UnknownTable,
                construct: format!("\"{table}\", which is not in FROM").into(),
                position,
                hint: "name a table or alias of FROM".into(),
            });
        };
        let item = item.clone();
        self.field(&item, column, position, clause)
    }

    fn field(
        &mut self,
        item: &Item,
        name: &Arc<str>,
        position: Option<Position>,
        clause: Clause,
    ) -> Result<Value, Refusal> {
        let mut found = item.columns.iter().filter(|column| column.name == *name);
        match (found.next(), found.next()) {
            (Some(column), None) => return Ok(self.referred(column.value.clone(), position)),
            (Some(_), Some(_)) => return Err(self.ambiguous_name(name, position)),
            (None, _) => {}
        }
        if let Some(system) = self.system_attribute(name, std::iter::once(item), position) {
            return Ok(system);
        }
        if item.open {
            return Ok(Value::constant(Ty::Any));
        }
        if self.catalog.functions(name).next().is_none() {
            return Err(self.unknown_name(name, position));
        }
        let row = self.whole_row(item, position);
        self.used(&row, "whole row");
        Ok(self.named_function(None, name, &[row], clause, position)?.value)
    }

    /// The item that `x.*` names.
    pub(crate) fn qualifier<'s>(&mut self, name: &ObjectName, scope: &'s Scope<'_>) -> Result<&'s Item, Refusal> {
        let parts: Vec<Arc<str>> = name.0.iter().filter_map(|part| part.as_ident()).map(fold).collect();
        let item = match parts.as_slice() {
            [table] => scope.item(None, table),
            [schema, table] => scope.item(Some(schema), table),
            [database, schema, table] if **database == *self.catalog.database() => scope.item(Some(schema), table),
            _ => None,
        };
        item.ok_or_else(|| Refusal {
            kind: RefusalKind::UnknownTable,
            construct: format!("\"{name}\", which is not in FROM").into(),
            position: self.position(name.span()),
            hint: "name a table or alias of FROM".into(),
        })
    }

    /// All columns of an item as one value.
    pub(crate) fn whole_row(&mut self, item: &Item, position: Option<Position>) -> Value {
        for column in &item.columns {
            self.column_read(&column.value);
        }
        Value {
            ty: item.row_type,
            source: Source::Row(item.columns.as_slice().into()),
            slots: Vec::new(),
            position,
            deferred: None,
        }
    }

    /// A resolved reference: its columns are read.
    fn referred(&mut self, mut value: Value, position: Option<Position>) -> Value {
        value.position = position;
        value.slots.clear();
        self.column_read(&value);
        value
    }

    /// `ctid` and the like. Where a row stands hangs on the size of every value in its table, and `tableoid` on the partition key.
    fn system_attribute<'i>(
        &mut self,
        name: &str,
        items: impl Iterator<Item = &'i Item>,
        position: Option<Position>,
    ) -> Option<Value> {
        let ty = match name {
            "ctid" => oid::TID,
            "xmin" | "xmax" => oid::XID,
            "cmin" | "cmax" => oid::CID,
            "tableoid" => oid::OID,
            _ => return None,
        };
        let mut tables = items
            .filter_map(|item| item.relation)
            .filter_map(|oid| self.catalog.relation(oid))
            .filter(|relation| relation.view.is_none());
        let relation = tables.next()?;
        let columns: Vec<ColumnId> = match name {
            "ctid" => relation.columns.iter().map(|column| column.id).collect(),
            "tableoid" if !self.catalog.children(relation.oid).is_empty() => {
                relation.columns.iter().map(|column| column.id).collect()
            }
            _ => Vec::new(),
        };
        for column in columns {
            self.column_use(column, format!("system column {name}"), position);
        }
        Some(Value::constant(Ty::Oid(ty)))
    }

    pub(crate) fn unknown_name(&self, name: &str, position: Option<Position>) -> Refusal {
        Refusal {
            kind: RefusalKind::UnknownColumn,
            construct: format!("column \"{name}\"").into(),
            position,
            hint: "name a column that exists; a new one is known a moment after it was made".into(),
        }
    }

    pub(crate) fn ambiguous_name(&self, name: &str, position: Option<Position>) -> Refusal {
        Refusal {
            kind: RefusalKind::Ambiguous,
            construct: format!("column \"{name}\"").into(),
            position,
            hint: "qualify it with its table's name".into(),
        }
    }
}
