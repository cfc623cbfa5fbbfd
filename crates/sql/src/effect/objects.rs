//! From names in commands to the objects that effects fall on.

use std::sync::Arc;

use querygate_record::{Effect, Position};

use super::Name;
use crate::{
    analysis::Analysis,
    catalog::{Relation, schemas_of},
};

/// What a command's name means.
pub(super) struct Object<'a> {
    /// `schema.name`; the schema where a new object would go if there is none of that name yet.
    pub name: Arc<str>,
    /// The relation, where it is one of the catalog's.
    pub relation: Option<&'a Relation>,
    /// It is temporary.
    pub temporary: bool,
}

/// The relation of that name, or where it would be made.
pub(super) fn relation<'a>(analysis: &Analysis<'a>, name: &Name) -> Object<'a> {
    let last = name.last();
    let known = |relation: &'a Relation| Object {
        name: Arc::clone(&relation.qualified),
        relation: Some(relation),
        temporary: false,
    };
    match name.schema() {
        Some(schema) if is_temporary(schema) => temporary(last),
        Some(schema) => match analysis.catalog.relation_in(schema, last) {
            Some(relation) => known(relation),
            None => other(analysis, name),
        },
        // Where a temporary relation hides a permanent one it may be gone by now, so the permanent one counts.
        None => match analysis.catalog.relation_on_path(&analysis.settings.search_path, last) {
            Some(relation) => known(relation),
            None if analysis.settings.temporary.iter().any(|made| made == last) => temporary(last),
            None => other(analysis, name),
        },
    }
}

/// A new relation: it goes to the named schema, or to the first of the path that exists.
pub(super) fn new_relation<'a>(analysis: &Analysis<'a>, name: &Name) -> Object<'a> {
    let creation = analysis.settings.search_path.first();
    if name.schema().or(creation.map(String::as_str)).is_some_and(is_temporary) {
        return temporary(name.last());
    }
    let object = other(analysis, name);
    let relation = object.name.split_once('.').and_then(|(schema, last)| analysis.catalog.relation_in(schema, last));
    Object { relation, ..object }
}

/// An object that is no relation: by its name alone.
pub(super) fn other<'a>(analysis: &Analysis<'a>, name: &Name) -> Object<'a> {
    let schema = name.schema().or_else(|| {
        let path = &analysis.settings.search_path;
        path.iter().map(String::as_str).find(|schema| analysis.catalog.has_schema(schema))
    });
    let name = schema.map_or_else(|| name.last().into(), |schema| format!("{schema}.{}", name.last()).into());
    Object { name, relation: None, temporary: false }
}

/// A function or procedure: where the path finds one of that name.
pub(super) fn routine(analysis: &Analysis<'_>, name: &Name) -> Arc<str> {
    let found = |schema: &str| analysis.catalog.functions(name.last()).find(|function| &*function.schema == schema);
    let function = match name.schema() {
        Some(schema) => found(schema),
        None => schemas_of(&analysis.settings.search_path).find_map(found),
    };
    function.map_or_else(|| other(analysis, name).name, |function| Arc::clone(&function.qualified))
}

impl Analysis<'_> {
    /// A query makes a table of its result (SELECT INTO).
    pub(crate) fn creates(&mut self, parts: Vec<String>, temporary: bool) {
        let name = Name { parts, position: Position(0) };
        let object = new_relation(self, &name);
        if temporary || object.temporary {
            self.effect(Effect::Session, format!("pg_temp.{}", name.last()));
            self.made_temporary.push(name.last().to_owned());
        } else {
            self.effect(Effect::Define, object.name);
        }
    }
}

fn temporary<'a>(name: &str) -> Object<'a> {
    Object { name: format!("pg_temp.{name}").into(), relation: None, temporary: true }
}

pub(super) fn is_temporary(schema: &str) -> bool {
    schema == "pg_temp" || schema.starts_with("pg_temp_")
}
