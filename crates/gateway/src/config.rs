//! What the gateway is told at its start: plain values, already read and checked.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use querygate_policy::Mode;
use querygate_record::Engine;
use secrecy::SecretString;

/// Everything that the gateway needs to know.
#[derive(Debug)]
pub struct Config {
    /// Where Postgres clients connect.
    pub postgres: Option<SocketAddr>,
    /// Where MySQL and MariaDB clients connect.
    pub mysql: Option<SocketAddr>,
    /// TLS towards clients.
    pub tls: ClientTls,
    /// The databases.
    pub databases: Vec<Database>,
    /// Event loops; one per core by default.
    pub loops: usize,
    /// Client connections at one time.
    pub connections_max: usize,
    /// How often the catalog's fingerprint is looked at.
    pub catalog_interval: Duration,
}

/// TLS towards clients.
#[derive(Clone, Debug)]
pub enum ClientTls {
    /// None: only where the configuration allows it.
    Off,
    /// Offered, and required unless `plain_allowed`.
    On {
        /// Certificate chain, PEM.
        certificate: PathBuf,
        /// Private key, PEM.
        key: PathBuf,
        /// Clients may stay in clear.
        plain_allowed: bool,
    },
}

/// One database behind the gateway.
#[derive(Debug)]
pub struct Database {
    /// What clients ask for.
    pub name: Arc<str>,
    /// Its engine.
    pub engine: Engine,
    /// `host:port`.
    pub address: String,
    /// Its name on the server.
    pub database: String,
    /// The login's name.
    pub user: String,
    /// The login's password.
    pub password: Option<SecretString>,
    /// TLS towards the server.
    pub tls: ServerTls,
    /// Enforce or observe.
    pub mode: Mode,
    /// Connections at one time.
    pub connections_max: usize,
    /// Bytes of one text.
    pub statement_max: usize,
    /// How long one statement may run.
    pub statement_timeout: Option<Duration>,
    /// How long an open transaction may wait for its client.
    pub idle_in_transaction: Option<Duration>,
}

/// TLS towards a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerTls {
    /// None.
    Off,
    /// Encrypted, the certificate not checked.
    Require,
    /// Encrypted, the certificate checked against these roots (PEM) or the system's, and its name against the host.
    VerifyFull {
        /// Roots; none for the system's.
        roots: Option<PathBuf>,
    },
}

/// Longest wait for each step of a client's log-in.
pub const LOGIN_WAIT_MAX: Duration = Duration::from_secs(30);
/// Longest wait for a server to accept a connection and a log-in.
pub const CONNECT_WAIT_MAX: Duration = Duration::from_secs(15);
/// Longest wait for a client to take the last words of a session.
pub const FAREWELL_WAIT_MAX: Duration = Duration::from_secs(5);
/// Longest wait for the catalog of a database.
pub const CATALOG_WAIT_MAX: Duration = Duration::from_secs(30);
