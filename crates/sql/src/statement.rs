//! What analysis says of one statement. Everything that policy, session and log need, without a syntax tree.

use std::{ops::Range, sync::Arc};

use querygate_record::{Barrier, Effect, Position, TransactionChange};
pub use querygate_record::{Copy, CopyDirection, CopyFormat, Named};

/// The server's identity of a column: the table's OID and the attribute number. A rename keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnId {
    /// OID of the table (never of a view).
    pub table: u32,
    /// Attribute number, from 1.
    pub attribute: i16,
}

/// One statement of a text, analysed.
#[derive(Clone, Debug)]
pub struct Statement {
    /// Where its text stands in the whole text, in bytes.
    pub range: Range<usize>,
    /// The first words of the kind, upper case: `SELECT`, `CREATE TABLE`, `COPY`. For messages and metrics.
    pub tag: &'static str,
    /// What it does, each effect with the object that it does it to. A statement that does nothing at all (`;`) has none.
    pub effects: Vec<EffectOn>,
    /// Columns of tables whose values it reads, however.
    pub reads: Vec<ColumnId>,
    /// Columns that it writes, and how.
    pub writes: Vec<Write>,
    /// Every relation that it touches, views' base tables included.
    pub tables: Vec<TableUse>,
    /// Its result columns in order; `None` where it gives no rows or the columns aren't known before it is described (EXECUTE, FETCH, SHOW).
    pub outputs: Option<Vec<Output>>,
    /// Uses of table columns other than as a plain result column. A masked role is refused if one of these columns is masked from it.
    pub uses: Vec<ColumnUse>,
    /// Constructs whose reads can't be named: refused for masked roles, `call` or another effect for the rest.
    pub opaque: Vec<Opaque>,
    /// Functions called, `schema.name`.
    pub functions: Vec<String>,
    /// Functions called whose bodies are known, and what those do: not counted above until [`Statement::settle`].
    pub bodies: Vec<Body>,
    /// It was understood by the body of a function, which may be replaced.
    pub by_body: bool,
    /// Why it could not be understood completely; its effects then contain `unanalysed`.
    pub unanalysed: Option<Refusal>,
    /// String and number literals, with the column that each is compared with or written to, where there is one.
    pub literals: Vec<Literal>,
    /// The same for parameters: the column that `$n` (index n-1) is compared with or written to.
    pub parameters: Vec<Vec<ColumnId>>,
    /// What it does to the transaction.
    pub transaction: TransactionChange,
    /// Whether it changes a tracked setting.
    pub barrier: Barrier,
    /// COPY, where it is one.
    pub copy: Option<Copy>,
    /// COPY TO STDOUT: a query with the same result columns, which can be described without running it.
    pub copy_query: Option<Arc<str>>,
    /// SQL-level PREPARE, EXECUTE, DEALLOCATE, DECLARE, FETCH, MOVE, CLOSE: the name that it makes or uses.
    pub named: Option<Named>,
    /// Names of temporary relations that it makes.
    pub temporary: Vec<String>,
    /// Whether it changes the time zone in which instants are written, and so what a mask that keeps a part of them shows.
    pub shifts_instants: bool,
    /// What the server gets in place of its text.
    pub instead: Option<&'static str>,
}

/// What the body of a SQL function does: nothing but read.
#[derive(Clone, Debug)]
pub struct Body {
    /// The function, `schema.name`.
    pub function: Arc<str>,
    /// Its reads, as effects.
    pub effects: Vec<EffectOn>,
    /// Columns that it reads.
    pub reads: Vec<ColumnId>,
    /// Relations that it touches.
    pub tables: Vec<TableUse>,
    /// Columns that it reads, whatever for.
    pub uses: Vec<ColumnUse>,
    /// Functions that it calls.
    pub functions: Vec<Arc<str>>,
}

impl Body {
    pub(crate) fn add(&mut self, inner: Body) {
        append(&mut self.effects, inner.effects);
        append(&mut self.reads, inner.reads);
        append(&mut self.tables, inner.tables);
        append(&mut self.uses, inner.uses);
        append(&mut self.functions, inner.functions);
    }
}

impl Statement {
    /// Counts what the bodies of the functions do that it calls as its own; a function that is trusted by name stays a call of user code.
    pub fn settle(&mut self, trusted: &dyn Fn(&str) -> bool) {
        for body in std::mem::take(&mut self.bodies) {
            if trusted(&body.function) {
                let object = Arc::clone(&body.function);
                let call = EffectOn::new(Effect::Call, Arc::clone(&object));
                append(&mut self.effects, vec![call]);
                let construct = format!("function {object}").into();
                append(&mut self.opaque, vec![Opaque { construct, object, position: None }]);
                continue;
            }
            append(&mut self.effects, body.effects);
            append(&mut self.reads, body.reads);
            append(&mut self.uses, body.uses);
            append(&mut self.functions, body.functions.iter().map(ToString::to_string).collect());
            for table in body.tables {
                if !self.tables.iter().any(|known| known.relation == table.relation) {
                    self.tables.push(table);
                }
            }
        }
    }
}

fn append<T: PartialEq>(to: &mut Vec<T>, more: Vec<T>) {
    for one in more {
        if !to.contains(&one) {
            to.push(one);
        }
    }
}

/// An effect and the object that it falls on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectOn {
    /// The effect.
    pub effect: Effect,
    /// `schema.table`, `schema.function`, a setting's name ... empty where there is no object.
    pub object: Arc<str>,
    /// Update, delete and merge: whether a unique or foreign key bounds it. True for all else.
    pub bounded: bool,
    /// Update, delete and merge of a table by a condition: what the condition fixes, for policies that say by which columns a change is bounded.
    pub compared: Option<Compared>,
    /// The columns that this effect falls on, where it is about columns: names.
    pub columns: Vec<Arc<str>>,
}

impl EffectOn {
    /// An effect on an object, with nothing more to say of it.
    pub fn new(effect: Effect, object: impl Into<Arc<str>>) -> EffectOn {
        EffectOn { effect, object: object.into(), bounded: true, compared: None, columns: Vec::new() }
    }
}

/// The columns of a table that a condition's top-level conjuncts compare with constants or parameters by `=` or IN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// The table that the condition is about, `schema.table`. The effect may fall on another, by a foreign key.
    pub table: Arc<str>,
    /// Names of its columns.
    pub columns: Vec<Arc<str>>,
}

/// A relation that a statement touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableUse {
    /// Its OID.
    pub relation: u32,
    /// `schema.name`.
    pub name: Arc<str>,
    /// Whether the statement changes its rows or its definition.
    pub written: bool,
}

/// A column that is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The column.
    pub column: ColumnId,
    /// Whether the value is a constant or a parameter (else it comes from a query or an expression).
    pub constant: bool,
    /// The target's place in the text.
    pub position: Option<Position>,
}

/// One result column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its label.
    pub name: Arc<str>,
    /// Where its values come from.
    pub origin: Origin,
}

/// Where a result column's values come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A table's column, untouched: it may be masked at the row. More than one where the arms of a UNION differ (then every one of them counts).
    Column {
        /// The column.
        column: ColumnId,
        /// It stands on the nullable side of an outer join, so that NULL may mean "no row".
        nullable_side: bool,
    },
    /// Computed; the columns that it is computed from are in `uses`.
    Computed,
}

/// A table column used otherwise than as a plain result column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnUse {
    /// The column.
    pub column: ColumnId,
    /// The construct: `WHERE`, `ORDER BY`, `JOIN`, `function upper`, `operator ||`, `whole row`, `UPDATE` ...
    pub construct: Arc<str>,
    /// Where, if the parser knows.
    pub position: Option<Position>,
}

/// The construct of columns whose sizes and statistics an EXPLAIN shows, whether the statement names them or not.
pub const EXPLAINED_SIZES: &str = "EXPLAIN with costs";

/// A construct whose reads can't be named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opaque {
    /// What it is: `function public.cust_ssn`, `foreign table public.customers_far`, `trigger on public.inbox` ...
    pub construct: Arc<str>,
    /// The function or table, `schema.name`, so that policy can look whether it is trusted; empty if it can't be trusted.
    pub object: Arc<str>,
    /// Where.
    pub position: Option<Position>,
}

/// Why a text could not be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The kind.
    pub kind: RefusalKind,
    /// The construct, or the parser's complaint, in words for the client. Never contains a literal of the text.
    pub construct: Arc<str>,
    /// Where.
    pub position: Option<Position>,
    /// What would pass.
    pub hint: Arc<str>,
}

/// Kinds of [`Refusal`], each with its own SQLSTATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// Too long, too deep, too many operators: 54000 / 54001.
    TooComplex,
    /// The parser does not know it: 0A000.
    Unparsed,
    /// It is parsed but its meaning isn't built: 0A000.
    Unsupported,
    /// A table that the catalog doesn't have: 42P01.
    UnknownTable,
    /// A column that the catalog doesn't have: 42703.
    UnknownColumn,
    /// A function that the catalog doesn't have: 42883.
    UnknownFunction,
    /// A name that could mean two things: 42702.
    Ambiguous,
}

/// A literal of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal {
    /// Its bytes in the whole text, quotes included.
    pub range: Range<usize>,
    /// The columns that it is compared with or written to.
    pub columns: Vec<ColumnId>,
    /// A password or another secret of the statement itself (CREATE ROLE ... PASSWORD): never logged.
    pub secret: bool,
}
