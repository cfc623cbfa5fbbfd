use std::time::Duration;

use querygate_policy::{
    Limits,
    document::{Table, Value},
};
use querygate_record::Engine;
use secrecy::SecretString;

use super::{Address, Context, ServerTls, account::new_name, secret, server_tls};

/// Client connections of one database where the file does not say.
pub const DEFAULT_CONNECTIONS: u64 = 100;
/// The longest text, in bytes, where the file does not say.
pub const DEFAULT_STATEMENT_BYTES: u64 = 1 << 20;
/// The longest text that can be set; it is analysed whole, in memory.
const MAX_STATEMENT_BYTES: u64 = 64 << 20;
/// How often the catalog's fingerprint is compared where the file does not say.
pub const DEFAULT_CATALOG_REFRESH: Duration = Duration::from_secs(2);
/// The shortest time between two comparisons of the catalog's fingerprint.
const MIN_CATALOG_REFRESH: Duration = Duration::from_millis(100);

/// How long one server may take to accept a connection and a log-in where the file does not say.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// After how long without a byte the other end is asked whether it is there where the file does not say.
pub const DEFAULT_KEEPALIVE: Duration = Duration::from_secs(60);
/// How long a client waits for a place among the connections where the file does not say.
pub const DEFAULT_CONNECTION_WAIT: Duration = Duration::from_secs(5);
const MIN_SECONDS: Duration = Duration::from_secs(1);
const MAX_SECONDS: Duration = Duration::from_secs(86_400);
/// The most connections that can be set.
pub(super) const MAX_CONNECTIONS: u64 = 1_000_000;

/// A database behind the gateway.
#[derive(Debug)]
pub struct Database {
    /// What clients ask for.
    pub name: String,
    /// What it is.
    pub engine: Engine,
    /// Where its servers are, in the order in which they are tried.
    pub addresses: Vec<Address>,
    /// Which of them will do, where the file says so.
    pub servers: Option<Servers>,
    /// How long one server may take to accept a connection and a log-in.
    pub connect_timeout: Duration,
    /// After how long without a byte a server is asked whether it is there.
    pub keepalive: Duration,
    /// Its name there.
    pub database: String,
    /// Whom the gateway logs in as.
    pub user: String,
    /// That login's password; none for servers that ask for none.
    pub password: Option<SecretString>,
    /// Whom it logs in as for sessions of certain roles.
    pub logins: Vec<RoleLogin>,
    /// How the connection to the server is encrypted.
    pub tls: ServerTls,
    /// Verdicts are only logged; masks apply all the same.
    pub observe: bool,
    /// With `observe`: masks don't apply either.
    pub danger_unmasked: bool,
    /// Bounds on each session; `connections` on all of them together.
    pub limits: Limits,
    /// Client connections of one account, where that is bounded.
    pub connections_per_account: Option<u64>,
    /// How long a client waits for a place among the connections.
    pub connection_wait: Duration,
    /// How often the catalog's fingerprint is compared.
    pub catalog_refresh: Duration,
}

/// Which of a database's servers will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Servers {
    /// The first that answers.
    Any,
    /// The first that takes writes.
    Writable,
}

/// A login on the server for sessions of certain roles.
#[derive(Debug)]
pub struct RoleLogin {
    /// The gateway's roles.
    pub roles: Vec<String>,
    /// Its name.
    pub user: String,
    /// Its password; none for servers that ask for none.
    pub password: Option<SecretString>,
}

pub(super) fn read_all(top: &mut Table<'_>, context: &Context<'_>) -> Vec<Database> {
    let mut databases: Vec<Database> = Vec::new();
    let tables = top.tables("database");
    if tables.is_empty() {
        top.error("no database is configured", "add a [[database]] with name, engine, address, database and user");
    }
    for table in tables {
        let read = read(table, context, &databases);
        databases.extend(read);
    }
    databases
}

fn read(mut table: Table<'_>, context: &Context<'_>, others: &[Database]) -> Option<Database> {
    let name = table.required("name", "\"shop\"").and_then(|v| new_name(&v, others.iter().map(|d| d.name.as_str())));
    let engine = table.required("engine", "\"postgres\"").and_then(|v| engine(&v));
    let addresses = table.required("address", "\"db.internal:5432\"").and_then(|v| Address::read_all(&v));
    let servers =
        table.value("servers").and_then(|v| v.one_of(&[("any", Servers::Any), ("writable", Servers::Writable)]));
    let connect_timeout = seconds(&mut table, "connect_timeout", DEFAULT_CONNECT_TIMEOUT);
    let keepalive = seconds(&mut table, "keepalive", DEFAULT_KEEPALIVE);
    let database = table.string("database").map(|d| d.value);
    let user = table.required("user", "\"gateway_svc\"").and_then(|v| v.string());
    let password_value = table.value("password");
    let password = password_value.as_ref().and_then(|v| secret::read(v, context));
    let logins = logins(&mut table, context);
    let tls_value = table.value("tls");
    let tls = tls_value.as_ref().map_or(Some(ServerTls::default()), |v| server_tls::read(v, context));
    let danger_plaintext = table.boolean("danger_plaintext").unwrap_or(false);
    if tls == Some(ServerTls::Off) && !danger_plaintext && addresses.iter().flatten().any(|a| !a.is_loopback()) {
        let remedy = "use \"verify-full\", or add `danger_plaintext = true` beside it";
        tls_value
            .iter()
            .for_each(|v| v.error("the gateway's password and the data would cross the network unencrypted", remedy));
    }
    let observe = table.value("mode").and_then(|v| v.one_of(&[("enforce", false), ("observe", true)])).unwrap_or(false);
    let unmasked = table.value("danger_unmasked");
    let danger_unmasked = unmasked.as_ref().and_then(Value::boolean).unwrap_or(false);
    if let Some(value) = unmasked.filter(|_| danger_unmasked && !observe) {
        value.error("`danger_unmasked` goes with `mode = \"observe\"` alone", "take it out, or set the mode");
    }
    if engine.is_some_and(|engine| engine != Engine::Postgres) {
        only_postgres(&table, addresses.as_ref().is_some_and(|a| a.len() > 1), !logins.is_empty());
    }
    let limits = table.table("limits").map(Limits::read).unwrap_or_default();
    let limits = with_defaults(limits, &table);
    let connections_per_account = table.integer("connections_per_account", 1..=MAX_CONNECTIONS);
    let connection_wait = table.duration("connection_wait").unwrap_or(DEFAULT_CONNECTION_WAIT);
    let catalog_refresh = table.value("catalog_refresh").and_then(|v| refresh(&v)).unwrap_or(DEFAULT_CATALOG_REFRESH);
    table.finish();
    let name = name?;
    Some(Database {
        engine: engine?,
        addresses: addresses?,
        servers,
        connect_timeout,
        keepalive,
        database: database.unwrap_or_else(|| name.clone()),
        user: user?.value,
        password,
        logins,
        tls: tls?,
        observe,
        danger_unmasked,
        limits,
        connections_per_account,
        connection_wait,
        catalog_refresh,
        name,
    })
}

fn engine(value: &Value<'_>) -> Option<Engine> {
    value.one_of(&[("postgres", Engine::Postgres), ("mysql", Engine::Mysql), ("mariadb", Engine::Mariadb)])
}

fn only_postgres(table: &Table<'_>, several: bool, logins: bool) {
    if several {
        table.error("several servers are followed for Postgres alone in this version", "give one address");
    }
    if logins {
        table.error("logins for roles are there for Postgres alone in this version", "take [[database.login]] out");
    }
}

/// `[[database.login]]`: whom the gateway logs in as for sessions of certain roles; the first that names one of a session's roles counts.
fn logins(table: &mut Table<'_>, context: &Context<'_>) -> Vec<RoleLogin> {
    let read = |mut table: Table<'_>| {
        let roles = table.required("roles", "[\"dba\"]").and_then(|v| {
            let roles = v.strings()?;
            if roles.is_empty() {
                v.error("a login for no role is never used", "name the roles whose sessions use it");
            }
            Some(roles)
        });
        let user = table.required("user", "\"gateway_dba\"").and_then(|v| v.string());
        let password = table.value("password").and_then(|v| secret::read(&v, context));
        table.finish();
        let roles = roles?.into_iter().map(|role| role.value).collect();
        Some(RoleLogin { roles, user: user?.value, password })
    };
    table.tables("login").into_iter().filter_map(read).collect()
}

/// A time of a second or more: what the system counts in.
pub(super) fn seconds(table: &mut Table<'_>, key: &str, default: Duration) -> Duration {
    let Some(value) = table.value(key) else { return default };
    let Some(time) = value.duration() else { return default };
    if !(MIN_SECONDS..=MAX_SECONDS).contains(&time) {
        value.error(format!("`{}` is out of range", value.path()), "from 1s to 1d");
    }
    time
}

fn with_defaults(limits: Limits, table: &Table<'_>) -> Limits {
    if limits.statement.is_some_and(|n| n == 0 || n > MAX_STATEMENT_BYTES) {
        table.error("`limits.statement` is out of range", format!("from 1 to {MAX_STATEMENT_BYTES} bytes"));
    }
    Limits {
        connections: limits.connections.or(Some(DEFAULT_CONNECTIONS)),
        statement: limits.statement.or(Some(DEFAULT_STATEMENT_BYTES)),
        ..limits
    }
}

fn refresh(value: &Value<'_>) -> Option<Duration> {
    let time = value.duration()?;
    if time < MIN_CATALOG_REFRESH {
        value.error("`catalog_refresh` is too short", "100ms or longer");
        return None;
    }
    Some(time)
}
