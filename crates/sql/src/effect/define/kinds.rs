//! Kinds of object that CREATE, ALTER and DROP know.

use std::sync::Arc;

use querygate_record::Effect;

use super::super::{Name, Reader, objects};
use crate::analysis::Analysis;

/// A kind of object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    /// Its keywords.
    pub word: &'static str,
    pub create: &'static str,
    pub alter: &'static str,
    pub drop: &'static str,
    /// What making one does.
    pub effect: Effect,
    /// It is a relation.
    pub relation: bool,
    /// It hangs on a table that is named after ON.
    pub on_table: bool,
    /// It belongs to no schema.
    pub global: bool,
    /// Its literals are secrets: passwords, connection strings, options.
    pub secret: bool,
}

impl Kind {
    /// What an effect on an object of this kind calls it.
    pub(super) fn named(&self, analysis: &Analysis<'_>, name: &Name) -> Arc<str> {
        match self.word {
            "system" | "default privileges" => Arc::from(""),
            _ if self.global => name.text(),
            _ => objects::other(analysis, name).name,
        }
    }
}

/// The kind that comes next, with its keywords passed over.
pub(super) fn read(reader: &mut Reader<'_, '_>) -> Option<Kind> {
    KINDS.iter().find(|kind| reader.eat(kind.word)).copied()
}

macro_rules! kinds {
    ($($word:literal $upper:literal $effect:ident $($flag:ident)*;)*) => {
        /// Longer names come before shorter ones that they begin with.
        const KINDS: &[Kind] = &[$(Kind {
            $($flag: true,)*
            ..Kind {
                word: $word,
                create: concat!("CREATE ", $upper),
                alter: concat!("ALTER ", $upper),
                drop: concat!("DROP ", $upper),
                effect: Effect::$effect,
                relation: false,
                on_table: false,
                global: false,
                secret: false,
            }
        },)*];
    };
}

kinds! {
    "foreign table" "FOREIGN TABLE" Outbound relation secret;
    "foreign data wrapper" "FOREIGN DATA WRAPPER" Outbound global secret;
    "materialized view" "MATERIALIZED VIEW" Define relation;
    "recursive view" "VIEW" Define relation;
    "access method" "ACCESS METHOD" DefineCode global;
    "constraint trigger" "TRIGGER" DefineCode on_table;
    "event trigger" "EVENT TRIGGER" DefineCode global;
    "operator class" "OPERATOR CLASS" DefineCode;
    "operator family" "OPERATOR FAMILY" DefineCode;
    "text search configuration" "TEXT SEARCH CONFIGURATION" Define;
    "text search dictionary" "TEXT SEARCH DICTIONARY" Define;
    "text search parser" "TEXT SEARCH PARSER" DefineCode;
    "text search template" "TEXT SEARCH TEMPLATE" DefineCode;
    "trusted language" "LANGUAGE" DefineCode global;
    "procedural language" "LANGUAGE" DefineCode global;
    "trusted procedural language" "LANGUAGE" DefineCode global;
    "user mapping" "USER MAPPING" Outbound global secret;
    "large object" "LARGE OBJECT" Define global;
    "default privileges" "DEFAULT PRIVILEGES" Privilege global;
    "default conversion" "CONVERSION" DefineCode;
    "unique index" "INDEX" Define relation;
    "table" "TABLE" Define relation;
    "view" "VIEW" Define relation;
    "index" "INDEX" Define relation;
    "sequence" "SEQUENCE" Define relation;
    "column" "COLUMN" Define;
    "constraint" "CONSTRAINT" Define on_table;
    "schema" "SCHEMA" Define global;
    "type" "TYPE" Define;
    "domain" "DOMAIN" Define;
    "collation" "COLLATION" Define;
    "statistics" "STATISTICS" Define;
    "database" "DATABASE" Server global;
    "tablespace" "TABLESPACE" File global;
    "aggregate" "AGGREGATE" DefineCode;
    "function" "FUNCTION" DefineCode;
    "procedure" "PROCEDURE" DefineCode;
    "routine" "ROUTINE" DefineCode;
    "trigger" "TRIGGER" DefineCode on_table;
    "rule" "RULE" DefineCode on_table;
    "policy" "POLICY" DefineCode on_table;
    "operator" "OPERATOR" DefineCode;
    "cast" "CAST" DefineCode global;
    "conversion" "CONVERSION" DefineCode;
    "transform" "TRANSFORM" DefineCode global;
    "language" "LANGUAGE" DefineCode global;
    "extension" "EXTENSION" DefineCode global;
    "server" "SERVER" Outbound global secret;
    "subscription" "SUBSCRIPTION" Outbound global secret;
    "publication" "PUBLICATION" Server global;
    "role" "ROLE" Privilege global secret;
    "user" "USER" Privilege global secret;
    "group" "GROUP" Privilege global secret;
    "system" "SYSTEM" Server global secret;
}
