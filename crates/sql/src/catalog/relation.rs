//! Relations and everything that hangs on them.

use std::sync::{Arc, OnceLock};

use crate::{statement::ColumnId, view::ViewDefinition};

/// Kinds of relation that a statement can name (`pg_class.relkind`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RelationKind {
    /// An ordinary table.
    Table,
    /// A partitioned table.
    Partitioned,
    /// A view.
    View,
    /// A materialised view.
    MaterializedView,
    /// A foreign table.
    Foreign,
    /// A sequence.
    Sequence,
    /// A composite type's row.
    Composite,
}

/// A relation.
#[derive(Debug)]
pub struct Relation {
    /// Its OID.
    pub oid: u32,
    /// Its schema's name.
    pub schema: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// `schema.name`.
    pub qualified: Arc<str>,
    /// What it is.
    pub kind: RelationKind,
    /// OID of its row type.
    pub row_type: u32,
    /// Whether it belongs to the server itself: `pg_catalog`, `information_schema`.
    pub system: bool,
    /// Whether row-level security is on.
    pub row_security: bool,
    /// Its columns in order, dropped ones left out.
    pub columns: Vec<Column>,
    /// CHECK, UNIQUE, PRIMARY KEY, FOREIGN KEY, EXCLUDE.
    pub constraints: Vec<Constraint>,
    /// Its indexes.
    pub indexes: Vec<Index>,
    /// Its enabled triggers.
    pub triggers: Vec<Trigger>,
    /// Its enabled rules other than a view's own.
    pub rules: Vec<Rule>,
    /// Its row-level security policies.
    pub policies: Vec<Policy>,
    /// Foreign keys of other tables that point here: the referencing relation and the index in its `constraints`.
    pub referenced_by: Vec<(u32, usize)>,
    /// A view's or materialised view's text, names outside `pg_catalog` qualified.
    pub view: Option<Arc<str>>,
    pub(crate) definition: OnceLock<Arc<ViewDefinition>>,
}

impl Relation {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| &*column.name == name)
    }

    /// The column with that attribute number.
    pub fn attribute(&self, number: i16) -> Option<&Column> {
        self.columns.iter().find(|column| column.id.attribute == number)
    }
}

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    /// The server's identity of it; for a view's column, of the view.
    pub id: ColumnId,
    /// Its name.
    pub name: Arc<str>,
    /// Its type's OID.
    pub type_oid: u32,
    /// Its type modifier, -1 for none.
    pub typmod: i32,
    /// Whether it is NOT NULL.
    pub not_null: bool,
    /// GENERATED ALWAYS AS (expression), stored or virtual.
    pub generated: bool,
    /// GENERATED ... AS IDENTITY.
    pub identity: bool,
    /// Whether it has a default (a generation expression counts).
    pub has_default: bool,
    /// User functions that its default or generation expression runs.
    pub default_functions: Vec<u32>,
    /// Columns of the same table that its generation expression reads.
    pub generated_from: Vec<i16>,
}

/// Kinds of table constraint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConstraintKind {
    /// CHECK.
    Check,
    /// FOREIGN KEY.
    Foreign,
    /// PRIMARY KEY.
    Primary,
    /// UNIQUE.
    Unique,
    /// EXCLUDE.
    Exclude,
}

/// A table constraint.
#[derive(Debug)]
pub struct Constraint {
    /// Its name.
    pub name: Arc<str>,
    /// What it is.
    pub kind: ConstraintKind,
    /// Attribute numbers that it reads (0 stands for an expression).
    pub columns: Vec<i16>,
    /// User functions that it runs.
    pub functions: Vec<u32>,
    /// Whether all rows are known to satisfy it.
    pub validated: bool,
    /// FOREIGN KEY: the referenced table.
    pub target: u32,
    /// FOREIGN KEY: its columns, pairwise with `columns`.
    pub target_columns: Vec<i16>,
    /// FOREIGN KEY: whether a DELETE of the target writes here (CASCADE, SET NULL, SET DEFAULT).
    pub writes_on_delete: bool,
    /// FOREIGN KEY: whether an UPDATE of the target writes here.
    pub writes_on_update: bool,
}

/// An index.
#[derive(Debug)]
pub struct Index {
    /// Its name.
    pub name: Arc<str>,
    /// Key columns in order; 0 stands for an expression. Included columns left out.
    pub keys: Vec<i16>,
    /// Every column that keys, expressions and predicate read.
    pub columns: Vec<i16>,
    /// Unique.
    pub unique: bool,
    /// The primary key's.
    pub primary: bool,
    /// An exclusion constraint's.
    pub exclusion: bool,
    /// Valid, ready and live.
    pub valid: bool,
    /// Checked at once, not deferrable.
    pub immediate: bool,
    /// Has a WHERE.
    pub partial: bool,
    /// Has an expression among its keys.
    pub expressions: bool,
    /// User functions that it runs.
    pub functions: Vec<u32>,
}

/// A trigger.
#[derive(Debug)]
pub struct Trigger {
    /// Its name.
    pub name: Arc<str>,
    /// Its function.
    pub function: u32,
    /// Fires on INSERT.
    pub insert: bool,
    /// Fires on UPDATE.
    pub update: bool,
    /// Fires on DELETE.
    pub delete: bool,
    /// Fires on TRUNCATE.
    pub truncate: bool,
    /// UPDATE OF these columns; empty for all.
    pub columns: Vec<i16>,
}

/// A rule on INSERT, UPDATE or DELETE.
#[derive(Debug)]
pub struct Rule {
    /// Its name.
    pub name: Arc<str>,
    /// Its event.
    pub event: RuleEvent,
}

/// What sets a rule off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleEvent {
    /// SELECT (a view's own rule under another name).
    Select,
    /// UPDATE.
    Update,
    /// INSERT.
    Insert,
    /// DELETE.
    Delete,
}

/// A row-level security policy.
#[derive(Debug)]
pub struct Policy {
    /// Its name.
    pub name: Arc<str>,
    /// `pg_policy.polcmd`: `r`, `a`, `w`, `d` or `*`.
    pub command: char,
    /// Columns of its own table that it reads.
    pub columns: Vec<i16>,
    /// User functions that it runs.
    pub functions: Vec<u32>,
}
