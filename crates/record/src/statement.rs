use serde::{Deserialize, Serialize};

/// The database engine behind a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// PostgreSQL, wire protocol 3.
    Postgres,
    /// MySQL.
    Mysql,
    /// MariaDB.
    Mariadb,
}

/// A place in a statement's text: the character, counted from 1 (as in Postgres's error field `P`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position(pub u32);

/// What a statement does to the transaction that it runs in, when it succeeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransactionChange {
    /// Nothing.
    #[default]
    None,
    /// Opens an explicit transaction (BEGIN, START TRANSACTION).
    Begin,
    /// Ends it and keeps its changes (COMMIT, END, PREPARE TRANSACTION).
    Commit,
    /// Ends it and drops its changes (ROLLBACK, ABORT).
    Rollback,
    /// Sets a savepoint; stays inside.
    Savepoint,
    /// Releases a savepoint and keeps what was done since; stays inside.
    Release,
    /// Returns to a savepoint and drops what was done since (ROLLBACK TO); stays inside.
    RollbackTo,
}

/// Whether a statement may change a tracked setting, so that what follows can only be analysed after it ran.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Barrier {
    /// It changes none.
    #[default]
    None,
    /// It sets a tracked setting to a constant: what follows in the same text may be analysed under that value.
    Constant {
        /// The setting, in lower case.
        setting: String,
        /// The values as written (a list for `search_path`).
        values: Vec<String>,
        /// SET LOCAL: until the transaction ends.
        local: bool,
    },
    /// The value afterwards is known only to the server (RESET, DISCARD, set_config, ROLLBACK over a SET).
    Unknown,
}

impl Barrier {
    /// Whether what follows must wait.
    pub fn is_some(&self) -> bool {
        *self != Barrier::None
    }
}

/// COPY as the wire needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Which way.
    pub direction: CopyDirection,
    /// How rows are written.
    pub format: CopyFormat,
}

/// Which way a COPY goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyDirection {
    /// To the client.
    ToStdout,
    /// From the client.
    FromStdin,
}

/// How COPY writes rows (PostgreSQL documentation, COPY, "File Formats").
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyFormat {
    /// Lines of fields with backslash escapes.
    Text {
        /// Between fields; tab by default.
        delimiter: u8,
        /// For NULL; `\N` by default.
        null: String,
        /// Whether a line of names comes first.
        header: bool,
    },
    /// Comma-separated values.
    Csv {
        /// Between fields; comma by default.
        delimiter: u8,
        /// For NULL; empty by default.
        null: String,
        /// Whether a line of names comes first.
        header: bool,
        /// Around values; `"` by default.
        quote: u8,
        /// Before a quote inside a value; the quote by default.
        escape: u8,
        /// Columns that are always quoted, by position; all for `*`.
        force_quote: Vec<bool>,
    },
    /// Postgres's binary format.
    Binary,
}

/// Names that SQL itself keeps in the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// PREPARE name AS statement.
    Prepare(String),
    /// EXECUTE name.
    Execute(String),
    /// DEALLOCATE name; none for ALL.
    Deallocate(Option<String>),
    /// DECLARE name CURSOR FOR query.
    Declare(String),
    /// FETCH or MOVE.
    Fetch(String),
    /// CLOSE name; none for ALL.
    Close(Option<String>),
}
