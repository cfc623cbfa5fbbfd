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
    /// Sets, releases or returns to a savepoint; stays inside.
    Savepoint,
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
