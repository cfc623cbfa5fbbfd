use std::time::Duration;

use crate::document::Table;

/// The most that one number of a limit may say; far above what a server stands.
const MAX_COUNT: u64 = 1 << 40;

/// Bounds on what a session may use; none: no bound of that kind is set here. Written `limits = { connections = 100, rows = 1_000_000,
/// bytes = "1GiB", statement = "1MiB", statement_timeout = "60s", idle_in_transaction = "60s", idle_session = "8h" }`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Client connections at one time.
    pub connections: Option<u64>,
    /// Rows of one statement's result.
    pub rows: Option<u64>,
    /// Bytes of one statement's result.
    pub bytes: Option<u64>,
    /// Bytes of one text; longer ones are refused before they are parsed.
    pub statement: Option<u64>,
    /// How long one statement may run.
    pub statement_timeout: Option<Duration>,
    /// How long an open transaction may wait for its client.
    pub idle_in_transaction: Option<Duration>,
    /// How long a session outside a transaction may wait for its client.
    pub idle_session: Option<Duration>,
}

impl Limits {
    /// Reads a table of limits.
    pub fn read(mut table: Table<'_>) -> Limits {
        let limits = Limits {
            connections: table.integer("connections", 1..=MAX_COUNT),
            rows: table.integer("rows", 1..=MAX_COUNT),
            bytes: table.bytes("bytes"),
            statement: table.bytes("statement"),
            statement_timeout: table.duration("statement_timeout"),
            idle_in_transaction: table.duration("idle_in_transaction"),
            idle_session: table.duration("idle_session"),
        };
        table.finish();
        limits
    }

    /// Bytes of one text.
    pub fn statement_max(&self) -> usize {
        self.statement.map_or(usize::MAX, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    /// The smaller of each pair.
    pub fn smallest(&self, other: &Limits) -> Limits {
        fn least<T: Ord + Copy>(a: Option<T>, b: Option<T>) -> Option<T> {
            a.into_iter().chain(b).min()
        }
        Limits {
            connections: least(self.connections, other.connections),
            rows: least(self.rows, other.rows),
            bytes: least(self.bytes, other.bytes),
            statement: least(self.statement, other.statement),
            statement_timeout: least(self.statement_timeout, other.statement_timeout),
            idle_in_transaction: least(self.idle_in_transaction, other.idle_in_transaction),
            idle_session: least(self.idle_session, other.idle_session),
        }
    }
}
