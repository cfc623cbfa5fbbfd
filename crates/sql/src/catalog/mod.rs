//! What the server holds: a snapshot of one database's definitions, read over the gateway's own connection.

mod build;
mod document;
mod mysql;
mod relation;
mod types;

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt, HashSet};
use querygate_record::Engine;

pub use mysql::{MYSQL_SNAPSHOT, is_text};
pub use relation::{
    Column, Constraint, ConstraintKind, Index, Policy, Relation, RelationKind, Rule, RuleEvent, Trigger,
};
pub use types::{Body, Cast, CastContext, DomainCheck, Function, FunctionKind, Operator, Type, TypeKind};

use crate::statement::ColumnId;

/// The query whose one text is what [`Catalog::from_json`] reads. Postgres 14 to 18, no special rights. Run it in a
/// transaction of its own: it sets `search_path` locally so that view texts come out qualified.
pub const POSTGRES_SNAPSHOT: &str = include_str!("postgres_snapshot.sql");

/// A cheap query whose one text changes whenever the snapshot would. Read it before the snapshot, never after: a change
/// between the two is then seen at the next comparison.
pub const POSTGRES_FINGERPRINT: &str = include_str!("postgres_fingerprint.sql");

/// The first OID that the server gives to what users and extensions make (`FirstNormalObjectId`).
pub const FIRST_USER_OID: u32 = 16_384;

/// Inheritance is followed this deep; deeper trees count as unknown to no one, since every level names its parents itself.
const INHERITANCE_DEPTH: usize = 64;

/// A database's definitions at one moment.
#[derive(Debug)]
pub struct Catalog {
    engine: Engine,
    /// Names of databases and tables are the same whatever their case.
    folds_names: bool,
    version: String,
    server_version: u32,
    database: String,
    schemas: HashSet<Arc<str>>,
    relations: HashMap<u32, Relation>,
    relation_names: HashMap<Arc<str>, Vec<(Arc<str>, u32)>>,
    types: HashMap<u32, Type>,
    type_names: HashMap<Arc<str>, Vec<(Arc<str>, u32)>>,
    functions: HashMap<u32, Function>,
    function_names: HashMap<Arc<str>, Vec<u32>>,
    operators: HashMap<Arc<str>, Vec<Operator>>,
    casts: HashMap<(u32, u32), Cast>,
    user_casts: Vec<Cast>,
    parents: HashMap<u32, Vec<u32>>,
    children: HashMap<u32, Vec<u32>>,
    folding: HashSet<ColumnId>,
}

/// Why a snapshot could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The server's answer isn't the document that the query makes.
    #[error("the catalog snapshot is not the expected document: {0}")]
    Document(#[from] serde_json::Error),
    /// The server's rows aren't those that the queries make.
    #[error("the catalog snapshot is not as expected: {0}")]
    Rows(&'static str),
}

impl Catalog {
    /// Reads the document that [`POSTGRES_SNAPSHOT`] returns.
    pub fn from_json(json: &[u8]) -> Result<Catalog, CatalogError> {
        let document = serde_json::from_slice(json)?;
        Ok(build::build(document, blake3::hash(json).to_hex().to_string()))
    }

    /// Which engine's definitions it holds.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Whether names of databases and tables are the same whatever their case (`lower_case_table_names`).
    pub fn folds_names(&self) -> bool {
        self.folds_names
    }

    /// A hash of the document: decisions made under one version don't hold under another.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// `server_version_num`.
    pub fn server_version(&self) -> u32 {
        self.server_version
    }

    /// The database's name.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Whether that schema exists.
    pub fn has_schema(&self, name: &str) -> bool {
        self.schemas.contains(name)
    }

    /// Every relation.
    pub fn relations(&self) -> impl Iterator<Item = &Relation> {
        self.relations.values()
    }

    /// The relation with that OID.
    pub fn relation(&self, oid: u32) -> Option<&Relation> {
        self.relations.get(&oid)
    }

    /// The relation of that name in that schema.
    pub fn relation_in(&self, schema: &str, name: &str) -> Option<&Relation> {
        let (_, oid) = self.relation_names.get(name)?.iter().find(|(s, _)| &**s == schema)?;
        self.relations.get(oid)
    }

    /// The relation that an unqualified name means under a search path (`pg_catalog` first unless it is listed).
    pub fn relation_on_path(&self, path: &[String], name: &str) -> Option<&Relation> {
        let held = self.relation_names.get(name)?;
        schemas_of(path)
            .find_map(|schema| held.iter().find(|(s, _)| &**s == schema))
            .and_then(|(_, oid)| self.relations.get(oid))
    }

    /// A column by the server's identity of it.
    pub fn column(&self, id: ColumnId) -> Option<&Column> {
        self.relations.get(&id.table)?.attribute(id.attribute)
    }

    /// Whether texts of different bytes may be equal in a column: its collation is not deterministic. MySQL's collations count as such, since
    /// most are.
    pub fn folds(&self, id: ColumnId) -> bool {
        self.engine != Engine::Postgres || self.folding.contains(&id)
    }

    /// `schema.table.column`.
    pub fn name_of(&self, id: ColumnId) -> Option<String> {
        let relation = self.relations.get(&id.table)?;
        Some(format!("{}.{}", relation.qualified, relation.attribute(id.attribute)?.name))
    }

    /// The same column in every table that this one's table inherits from or is a partition of.
    pub fn ancestors(&self, id: ColumnId) -> Vec<ColumnId> {
        self.spread(id, &self.parents)
    }

    /// The same column in every table that inherits from this one's table or is a partition of it.
    pub fn descendants(&self, id: ColumnId) -> Vec<ColumnId> {
        self.spread(id, &self.children)
    }

    /// Tables that inherit directly from that table, partitions included.
    pub fn children(&self, table: u32) -> &[u32] {
        self.children.get(&table).map_or(&[], Vec::as_slice)
    }

    /// Tables that it inherits directly from.
    pub fn parents(&self, table: u32) -> &[u32] {
        self.parents.get(&table).map_or(&[], Vec::as_slice)
    }

    /// Every table that inherits from that table, at any level.
    pub fn tables_below(&self, table: u32) -> impl Iterator<Item = &Relation> {
        let mut found = self.children(table).to_vec();
        let mut at = 0;
        while let Some(next) = found.get(at).copied() {
            let more: Vec<u32> = self.children(next).iter().copied().filter(|child| !found.contains(child)).collect();
            found.extend(more);
            at += 1;
        }
        found.into_iter().filter_map(|oid| self.relations.get(&oid))
    }

    fn spread(&self, id: ColumnId, edges: &HashMap<u32, Vec<u32>>) -> Vec<ColumnId> {
        let mut found = Vec::new();
        let Some(name) = self.column(id).map(|column| &column.name) else { return found };
        let mut level = vec![id.table];
        for _ in 0..INHERITANCE_DEPTH {
            let next: Vec<u32> =
                level.iter().flat_map(|table| edges.get(table).into_iter().flatten().copied()).collect();
            if next.is_empty() {
                break;
            }
            for relation in next.iter().filter_map(|oid| self.relations.get(oid)) {
                if let Some(column) = relation.column(name).filter(|column| !found.contains(&column.id)) {
                    found.push(column.id);
                }
            }
            level = next;
        }
        found
    }

    /// The type with that OID.
    pub fn type_by_oid(&self, oid: u32) -> Option<&Type> {
        self.types.get(&oid)
    }

    /// The type of that name in that schema.
    pub fn type_in(&self, schema: &str, name: &str) -> Option<&Type> {
        let (_, oid) = self.type_names.get(name)?.iter().find(|(s, _)| &**s == schema)?;
        self.types.get(oid)
    }

    /// The type that an unqualified name means under a search path.
    pub fn type_on_path(&self, path: &[String], name: &str) -> Option<&Type> {
        let held = self.type_names.get(name)?;
        schemas_of(path)
            .find_map(|schema| held.iter().find(|(s, _)| &**s == schema))
            .and_then(|(_, oid)| self.types.get(oid))
    }

    /// The function with that OID.
    pub fn function(&self, oid: u32) -> Option<&Function> {
        self.functions.get(&oid)
    }

    /// Every function, procedure and aggregate of that name, in any schema.
    pub fn functions(&self, name: &str) -> impl Iterator<Item = &Function> {
        self.function_names.get(name).into_iter().flatten().filter_map(|oid| self.functions.get(oid))
    }

    /// Every operator of that name, in any schema.
    pub fn operators(&self, name: &str) -> &[Operator] {
        self.operators.get(name).map_or(&[], Vec::as_slice)
    }

    /// The cast from one type to another.
    pub fn cast(&self, source: u32, target: u32) -> Option<&Cast> {
        self.casts.get(&(source, target))
    }

    /// Casts that users and extensions made.
    pub fn user_casts(&self) -> impl Iterator<Item = &Cast> {
        self.user_casts.iter()
    }

    /// `schema.name` of a function, for messages and for trust; its OID in words if it isn't known.
    pub fn function_name(&self, oid: u32) -> Arc<str> {
        self.functions
            .get(&oid)
            .map_or_else(|| format!("function {oid}").into(), |function| Arc::clone(&function.qualified))
    }
}

/// Schemas in the order that the server searches for tables, types and functions; temporary ones come first and are the session's affair.
pub(crate) fn schemas_of(path: &[String]) -> impl Iterator<Item = &str> {
    let implicit = (!path.iter().any(|schema| schema == "pg_catalog")).then_some("pg_catalog");
    implicit.into_iter().chain(path.iter().map(String::as_str))
}

#[cfg(test)]
mod tests;
