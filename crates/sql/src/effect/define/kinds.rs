//! Kinds of object that CREATE, ALTER and DROP know.

use querygate_record::Effect;

use super::super::Reader;

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
    /// Its literals are secrets: passwords, connection strings, options.
    pub secret: bool,
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
                secret: false,
            }
        },)*];
    };
}

kinds! {
    "foreign table" "FOREIGN TABLE" Outbound relation secret;
    "foreign data wrapper" "FOREIGN DATA WRAPPER" Outbound secret;
    "materialized view" "MATERIALIZED VIEW" Define relation;
    "recursive view" "VIEW" Define relation;
    "access method" "ACCESS METHOD" DefineCode;
    "constraint trigger" "TRIGGER" DefineCode on_table;
    "event trigger" "EVENT TRIGGER" DefineCode;
    "operator class" "OPERATOR CLASS" DefineCode;
    "operator family" "OPERATOR FAMILY" DefineCode;
    "text search" "TEXT SEARCH" Define;
    "trusted language" "LANGUAGE" DefineCode;
    "procedural language" "LANGUAGE" DefineCode;
    "trusted procedural language" "LANGUAGE" DefineCode;
    "user mapping" "USER MAPPING" Outbound secret;
    "large object" "LARGE OBJECT" Define;
    "default privileges" "DEFAULT PRIVILEGES" Privilege;
    "default conversion" "CONVERSION" DefineCode;
    "unique index" "INDEX" Define relation;
    "table" "TABLE" Define relation;
    "view" "VIEW" Define relation;
    "index" "INDEX" Define relation;
    "sequence" "SEQUENCE" Define relation;
    "column" "COLUMN" Define;
    "constraint" "CONSTRAINT" Define on_table;
    "schema" "SCHEMA" Define;
    "type" "TYPE" Define;
    "domain" "DOMAIN" Define;
    "collation" "COLLATION" Define;
    "statistics" "STATISTICS" Define;
    "database" "DATABASE" Server;
    "tablespace" "TABLESPACE" File;
    "aggregate" "AGGREGATE" DefineCode;
    "function" "FUNCTION" DefineCode;
    "procedure" "PROCEDURE" DefineCode;
    "routine" "ROUTINE" DefineCode;
    "trigger" "TRIGGER" DefineCode on_table;
    "rule" "RULE" DefineCode on_table;
    "policy" "POLICY" DefineCode on_table;
    "operator" "OPERATOR" DefineCode;
    "cast" "CAST" DefineCode;
    "conversion" "CONVERSION" DefineCode;
    "transform" "TRANSFORM" DefineCode;
    "language" "LANGUAGE" DefineCode;
    "extension" "EXTENSION" DefineCode;
    "server" "SERVER" Outbound secret;
    "subscription" "SUBSCRIPTION" Outbound secret;
    "publication" "PUBLICATION" Server;
    "role" "ROLE" Privilege secret;
    "user" "USER" Privilege secret;
    "group" "GROUP" Privilege secret;
    "system" "SYSTEM" Server secret;
}
