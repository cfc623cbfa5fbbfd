//! The JSON document of `postgres_snapshot.sql`, field for field.

use serde::Deserialize;

/// A list that the server writes as `null` when it is empty.
pub(super) type List<T> = Option<Vec<T>>;

#[derive(Deserialize)]
pub(super) struct Document {
    pub server_version: u32,
    pub database: String,
    pub schemas: List<(u32, String)>,
    pub types: List<Type>,
    pub relations: List<Relation>,
    /// Table and number of each column whose collation is not deterministic.
    #[serde(default)]
    pub folding: List<(u32, i16)>,
    pub defaults: List<Default>,
    pub constraints: List<Constraint>,
    pub indexes: List<Index>,
    pub triggers: List<Trigger>,
    pub rules: List<Rule>,
    pub policies: List<Policy>,
    pub inherits: List<(u32, u32)>,
    pub functions: List<Function>,
    pub operators: List<Operator>,
    pub casts: List<Cast>,
}

#[derive(Deserialize)]
pub(super) struct Type {
    pub oid: u32,
    pub schema: u32,
    pub name: String,
    pub kind: char,
    pub category: char,
    pub preferred: bool,
    pub element: u32,
    pub array: u32,
    pub relation: u32,
    pub base: u32,
    #[serde(default = "no_typmod")]
    pub typmod: i32,
    pub length: i16,
    pub input: u32,
    pub output: u32,
    pub subtype: u32,
    pub label: Option<String>,
    pub checks: List<DomainCheck>,
}

#[derive(Deserialize)]
pub(super) struct DomainCheck {
    pub name: String,
    pub functions: Vec<u32>,
}

#[derive(Deserialize)]
pub(super) struct Relation {
    pub oid: u32,
    pub schema: u32,
    pub name: String,
    pub kind: char,
    #[serde(rename = "type")]
    pub row_type: u32,
    pub row_security: bool,
    pub view: Option<String>,
    pub columns: List<Column>,
}

/// Number, name, type, type modifier, NOT NULL, `attgenerated`, has a default, `attidentity`.
pub(super) type Column = (i16, String, u32, i32, bool, String, bool, String);

#[derive(Deserialize)]
pub(super) struct Default {
    pub relation: u32,
    pub column: i16,
    pub functions: Vec<u32>,
    pub columns: Vec<i16>,
}

#[derive(Deserialize)]
pub(super) struct Constraint {
    pub relation: u32,
    pub name: String,
    pub kind: char,
    pub columns: Vec<i16>,
    pub functions: Vec<u32>,
    pub validated: bool,
    pub target: u32,
    pub target_columns: Vec<i16>,
    pub on_delete: char,
    pub on_update: char,
}

#[derive(Deserialize)]
pub(super) struct Index {
    pub relation: u32,
    pub name: String,
    pub keys: List<i16>,
    pub unique: bool,
    pub primary: bool,
    pub exclusion: bool,
    pub valid: bool,
    pub immediate: bool,
    pub partial: bool,
    pub expressions: bool,
    pub columns: Vec<i16>,
    pub functions: Vec<u32>,
}

#[derive(Deserialize)]
pub(super) struct Trigger {
    pub relation: u32,
    pub name: String,
    pub function: u32,
    #[serde(rename = "type")]
    pub kind: i16,
    pub columns: Vec<i16>,
}

#[derive(Deserialize)]
pub(super) struct Rule {
    pub relation: u32,
    pub name: String,
    pub event: char,
}

#[derive(Deserialize)]
pub(super) struct Policy {
    pub relation: u32,
    pub name: String,
    pub command: char,
    pub columns: Vec<i16>,
    pub functions: Vec<u32>,
}

#[derive(Deserialize)]
pub(super) struct Function {
    pub oid: u32,
    pub schema: u32,
    pub name: String,
    pub kind: char,
    pub arguments: Vec<u32>,
    pub defaults: u16,
    pub variadic: u32,
    pub returns: u32,
    pub set: bool,
    pub names: List<String>,
    pub modes: List<char>,
    pub all: List<u32>,
    pub body: Option<String>,
    #[serde(default)]
    pub parsed: bool,
    pub default_texts: Option<String>,
    pub settings: List<String>,
    pub language: String,
    pub volatility: char,
    pub definer: bool,
}

#[derive(Deserialize)]
pub(super) struct Operator {
    pub oid: u32,
    pub schema: u32,
    pub name: String,
    pub left: u32,
    pub right: u32,
    pub result: u32,
    pub function: u32,
}

#[derive(Deserialize)]
pub(super) struct Cast {
    pub oid: u32,
    pub source: u32,
    pub target: u32,
    pub function: u32,
    pub context: char,
    pub method: char,
}

fn no_typmod() -> i32 {
    -1
}
