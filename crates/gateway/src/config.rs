//! What the gateway is told at its start: plain values, already read and checked.

use std::{fmt, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use querygate_policy::Mode;
use querygate_record::{Engine, Principal};
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
    /// After how long without a byte a client is asked whether it is there.
    pub keepalive: Duration,
    /// Connections of one address that have not logged in yet, at one time.
    pub pending_max: usize,
    /// Failed log-ins on one account from one address before further ones are slowed down.
    pub free_failures: u32,
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
    /// Its servers, in the order in which they are tried; at least one.
    pub addresses: Vec<Address>,
    /// Which of them will do; none: the writable one where there are several.
    pub wanted: Option<Servers>,
    /// How long one server may take to accept a connection and a log-in.
    pub connect_timeout: Duration,
    /// After how long without a byte the other end is asked whether it is there.
    pub keepalive: Duration,
    /// Its name on the server.
    pub database: String,
    /// Whom the gateway logs in as for itself, and for those for whom there is no other login.
    pub login: ServerLogin,
    /// Whom it logs in as for sessions of certain roles.
    pub role_logins: Vec<RoleLogin>,
    /// TLS towards the server.
    pub tls: ServerTls,
    /// Enforce or observe.
    pub mode: Mode,
    /// Connections at one time.
    pub connections_max: usize,
    /// Connections of one account at one time, where that is bounded.
    pub account_connections_max: Option<usize>,
    /// How long a client waits for a place among the connections.
    pub connection_wait: Duration,
    /// Bytes of one text.
    pub statement_max: usize,
    /// Rows of one result.
    pub rows_max: Option<u64>,
    /// Bytes of one result.
    pub bytes_max: Option<u64>,
    /// How long one statement may run.
    pub statement_timeout: Option<Duration>,
    /// How long an open transaction may wait for its client.
    pub idle_in_transaction: Option<Duration>,
    /// How long a session outside a transaction may wait for its client.
    pub idle_session: Option<Duration>,
}

impl Database {
    /// Which of its servers will do.
    pub fn servers(&self) -> Servers {
        let several = self.addresses.len() > 1;
        self.wanted.unwrap_or(if several { Servers::Writable } else { Servers::Any })
    }

    /// Whom the gateway logs in as for a session of this principal: the first login for one of its roles.
    pub fn login_for(&self, principal: &Principal) -> &ServerLogin {
        let named = |login: &&RoleLogin| login.roles.iter().any(|role| principal.roles.iter().any(|r| r == role));
        self.role_logins.iter().find(named).map_or(&self.login, |login| &login.login)
    }
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Name, or IP address without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Which of a database's servers will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Servers {
    /// The first that answers.
    Any,
    /// The first that takes writes.
    Writable,
}

/// A login on a database's servers.
#[derive(Clone, Debug)]
pub struct ServerLogin {
    /// Its name.
    pub user: String,
    /// Its password; none for servers that ask for none.
    pub password: Option<SecretString>,
}

/// A login for sessions of certain roles.
#[derive(Clone, Debug)]
pub struct RoleLogin {
    /// The gateway's roles.
    pub roles: Vec<String>,
    /// The login.
    pub login: ServerLogin,
}

/// TLS towards a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerTls {
    /// None.
    Off,
    /// Encrypted.
    On {
        /// Whose certificate is taken.
        trust: Trust,
        /// The gateway's own certificate, for servers that want one.
        client: Option<ClientCertificate>,
    },
}

/// Whose certificate is taken from a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Anybody's: no protection from who stands between.
    Anybody,
    /// One of these authorities (PEM), or the system's, whatever name it holds.
    Authority {
        /// Their certificates; none for the system's.
        roots: Option<PathBuf>,
    },
    /// One of these authorities (PEM), or the system's, that holds the name of the server's address.
    AuthorityAndName {
        /// Their certificates; none for the system's.
        roots: Option<PathBuf>,
    },
}

/// The certificate that the gateway shows to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Chain, PEM.
    pub certificate: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
}

/// Longest wait for each step of a client's log-in.
pub const LOGIN_WAIT_MAX: Duration = Duration::from_secs(30);
/// Longest wait for a client to take the last words of a session.
pub const FAREWELL_WAIT_MAX: Duration = Duration::from_secs(5);
/// Longest wait for the catalog of a database.
pub const CATALOG_WAIT_MAX: Duration = Duration::from_secs(30);
