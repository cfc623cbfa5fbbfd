//! Capability flags that both sides of a connection agree on (MySQL Internals, "Capability Flags").

/// The classic password column; MariaDB servers leave it out of their greeting to say that they are no MySQL.
pub const LONG_PASSWORD: u32 = 1;
/// Affected rows count matched rows, not changed ones.
pub const FOUND_ROWS: u32 = 1 << 1;
/// All column flags.
pub const LONG_FLAG: u32 = 1 << 2;
/// The log-in may name a database.
pub const CONNECT_WITH_DB: u32 = 1 << 3;
/// Packets may be compressed by zlib.
pub const COMPRESS: u32 = 1 << 5;
/// LOAD DATA LOCAL: the server may ask the client for a file.
pub const LOCAL_FILES: u32 = 1 << 7;
/// Blanks before `(` are ignored: changes how texts are read.
pub const IGNORE_SPACE: u32 = 1 << 8;
/// The protocol since 4.1.
pub const PROTOCOL_41: u32 = 1 << 9;
/// `interactive_timeout` in place of `wait_timeout`.
pub const INTERACTIVE: u32 = 1 << 10;
/// TLS.
pub const SSL: u32 = 1 << 11;
/// Status flags tell of transactions.
pub const TRANSACTIONS: u32 = 1 << 13;
/// Log-in proofs since 4.1.
pub const SECURE_CONNECTION: u32 = 1 << 15;
/// Several statements in one text.
pub const MULTI_STATEMENTS: u32 = 1 << 16;
/// Several results to one text.
pub const MULTI_RESULTS: u32 = 1 << 17;
/// Several results to one prepared statement.
pub const PS_MULTI_RESULTS: u32 = 1 << 18;
/// Log-in by named plugins.
pub const PLUGIN_AUTH: u32 = 1 << 19;
/// Connection attributes.
pub const CONNECT_ATTRS: u32 = 1 << 20;
/// The log-in's proof has a length-encoded length.
pub const PLUGIN_AUTH_LENENC: u32 = 1 << 21;
/// OK packets tell what of the session's state changed.
pub const SESSION_TRACK: u32 = 1 << 23;
/// OK packets in place of EOF packets.
pub const DEPRECATE_EOF: u32 = 1 << 24;
/// Results may come without column definitions.
pub const OPTIONAL_RESULTSET_METADATA: u32 = 1 << 25;
/// Packets may be compressed by zstd.
pub const ZSTD: u32 = 1 << 26;
/// Attributes beside a text.
pub const QUERY_ATTRIBUTES: u32 = 1 << 27;

/// Status flags of OK and EOF packets (MySQL Internals, "Status Flags").
pub mod status {
    /// A transaction is open.
    pub const IN_TRANSACTION: u16 = 1;
    /// Each statement is a transaction of its own.
    pub const AUTOCOMMIT: u16 = 1 << 1;
    /// Another result follows.
    pub const MORE_RESULTS: u16 = 1 << 3;
    /// The result stays on the server, to be fetched.
    pub const CURSOR_EXISTS: u16 = 1 << 6;
    /// The last row has been fetched.
    pub const LAST_ROW_SENT: u16 = 1 << 7;
    /// A backslash is a character like any other in strings.
    pub const NO_BACKSLASH_ESCAPES: u16 = 1 << 9;
    /// The session's state changed.
    pub const STATE_CHANGED: u16 = 1 << 14;
}
