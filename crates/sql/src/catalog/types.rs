//! Types, functions, operators and casts.

use std::sync::Arc;

/// Kinds of type (`pg_type.typtype`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeKind {
    /// A base type; arrays are base types with an element.
    Base,
    /// A composite type, or a table's row.
    Composite,
    /// A domain.
    Domain,
    /// An enum.
    Enum,
    /// A pseudo-type: `anyelement`, `record`, `void` ...
    Pseudo,
    /// A range.
    Range,
    /// A multirange.
    Multirange,
}

/// A type.
#[derive(Debug)]
pub struct Type {
    /// Its OID.
    pub oid: u32,
    /// Its schema.
    pub schema: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// What it is.
    pub kind: TypeKind,
    /// `pg_type.typcategory`: `S` strings, `N` numbers, `A` arrays ...
    pub category: char,
    /// Preferred within its category.
    pub preferred: bool,
    /// A true array: its element's type. 0 for others.
    pub element: u32,
    /// Its array type, 0 if it has none.
    pub array: u32,
    /// Composite: its relation. 0 for others.
    pub relation: u32,
    /// Domain: what it is over. 0 for others.
    pub base: u32,
    /// Domain: the type modifier of what it is over, -1 for none.
    pub typmod: i32,
    /// Range and multirange: of what. 0 for others.
    pub subtype: u32,
    /// Enum: its first label.
    pub first_label: Option<Arc<str>>,
    /// A user function that its own text input or output runs.
    pub code: Option<u32>,
    /// Domain: names of its CHECKs that run user functions, with those functions.
    pub checks: Vec<DomainCheck>,
}

/// A CHECK of a domain.
#[derive(Debug)]
pub struct DomainCheck {
    /// Its name.
    pub name: Arc<str>,
    /// User functions that it runs.
    pub functions: Vec<u32>,
}

/// Kinds of routine (`pg_proc.prokind`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionKind {
    /// A plain function.
    Function,
    /// A procedure.
    Procedure,
    /// An aggregate.
    Aggregate,
    /// A window function.
    Window,
}

/// A function, procedure or aggregate.
#[derive(Debug)]
pub struct Function {
    /// Its OID.
    pub oid: u32,
    /// Its schema.
    pub schema: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// `schema.name`.
    pub qualified: Arc<str>,
    /// What it is.
    pub kind: FunctionKind,
    /// Types of its input arguments; the last is an array (or `any`) if it is variadic.
    pub arguments: Vec<u32>,
    /// How many of the last ones have defaults.
    pub defaults: usize,
    /// Variadic: the element's type (`any`'s OID for VARIADIC "any"); 0 if it isn't.
    pub variadic: u32,
    /// What it returns.
    pub returns: u32,
    /// Whether it returns a set.
    pub set: bool,
    /// Columns that it gives in FROM through OUT and TABLE arguments: name and type.
    pub outputs: Vec<(Arc<str>, u32)>,
    /// Names of its input parameters, empty where they have none; as many as `arguments`, or none.
    pub parameters: Vec<Arc<str>>,
    /// The body of a user's function in SQL.
    pub body: Option<Body>,
    /// Expressions of its default arguments, as the server prints them.
    pub default_texts: Option<Arc<str>>,
    /// Settings that it brings (`pg_proc.proconfig`): `name=value`.
    pub settings: Vec<String>,
    /// Its language.
    pub language: Arc<str>,
    /// Immutable `i`, stable `s` or volatile `v`.
    pub volatility: char,
    /// Runs with its owner's rights.
    pub definer: bool,
    /// Came with the server (and isn't an extension's or a user's).
    pub system: bool,
}

/// The body of a function in SQL.
#[derive(Debug)]
pub struct Body {
    /// Its text.
    pub text: Arc<str>,
    /// It was parsed when it was defined (BEGIN ATOMIC, RETURN), and is printed with every name outside `pg_catalog` qualified; else its
    /// names are looked up when it runs.
    pub parsed: bool,
}

/// An operator.
#[derive(Debug)]
pub struct Operator {
    /// Its schema.
    pub schema: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Left type; 0 for a prefix operator.
    pub left: u32,
    /// Right type.
    pub right: u32,
    /// Result type.
    pub result: u32,
    /// Its function.
    pub function: u32,
    /// Came with the server.
    pub system: bool,
}

/// When a cast applies by itself (`pg_cast.castcontext`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CastContext {
    /// Only when written.
    Explicit,
    /// Also on assignment.
    Assignment,
    /// Anywhere.
    Implicit,
}

/// A cast.
#[derive(Clone, Copy, Debug)]
pub struct Cast {
    /// From.
    pub source: u32,
    /// To.
    pub target: u32,
    /// Its function; 0 for binary-coercible and input/output casts.
    pub function: u32,
    /// When it applies.
    pub context: CastContext,
    /// Came with the server.
    pub system: bool,
}
