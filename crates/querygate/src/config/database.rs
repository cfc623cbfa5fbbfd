use std::{path::PathBuf, time::Duration};

use querygate_policy::{
    Limits,
    document::{Table, Value},
};
use querygate_record::Engine;
use secrecy::SecretString;

use super::{Address, Context, account::new_name, secret};

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

/// A database behind the gateway.
#[derive(Debug)]
pub struct Database {
    /// What clients ask for.
    pub name: String,
    /// What it is.
    pub engine: Engine,
    /// Where its server is.
    pub address: Address,
    /// Its name there.
    pub database: String,
    /// Whom the gateway logs in as.
    pub user: String,
    /// That login's password; none for servers that ask for none.
    pub password: Option<SecretString>,
    /// How the connection to the server is encrypted.
    pub tls: ServerTls,
    /// Verdicts are only logged; masks apply all the same.
    pub observe: bool,
    /// With `observe`: masks don't apply either.
    pub danger_unmasked: bool,
    /// Bounds on each session; `connections` on all of them together.
    pub limits: Limits,
    /// How often the catalog's fingerprint is compared.
    pub catalog_refresh: Duration,
}

/// How a connection to a server is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerTls {
    /// Encrypted; the server's certificate and name are checked against these authorities, else those of the system.
    VerifyFull {
        /// PEM file of authorities.
        authorities: Option<PathBuf>,
    },
    /// Encrypted, the certificate not checked: whoever stands between can read along.
    Require,
    /// Not encrypted.
    Off,
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
    let address_value = table.required("address", "\"db.internal:5432\"");
    let address = address_value.as_ref().and_then(Address::read);
    let database = table.string("database").map(|d| d.value);
    let user = table.required("user", "\"gateway_svc\"").and_then(|v| v.string());
    let password_value = table.value("password");
    let password = password_value.as_ref().and_then(|v| secret::read(v, context));
    let tls_value = table.value("tls");
    let tls = tls_value.as_ref().map_or(Some(ServerTls::VerifyFull { authorities: None }), |v| tls(v, context));
    let danger_plaintext = table.boolean("danger_plaintext").unwrap_or(false);
    if tls == Some(ServerTls::Off) && !danger_plaintext && address.as_ref().is_some_and(|a| !a.is_loopback()) {
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
    let limits = table.table("limits").map(Limits::read).unwrap_or_default();
    let limits = with_defaults(limits, &table);
    let catalog_refresh = table.value("catalog_refresh").and_then(|v| refresh(&v)).unwrap_or(DEFAULT_CATALOG_REFRESH);
    table.finish();
    let name = name?;
    Some(Database {
        engine: engine?,
        address: address?,
        database: database.unwrap_or_else(|| name.clone()),
        user: user?.value,
        password,
        tls: tls?,
        observe,
        danger_unmasked,
        limits,
        catalog_refresh,
        name,
    })
}

fn engine(value: &Value<'_>) -> Option<Engine> {
    value.one_of(&[("postgres", Engine::Postgres), ("mysql", Engine::Mysql), ("mariadb", Engine::Mariadb)])
}

/// `"verify-full"`, `"require"`, `"off"`, or `{ mode = "verify-full", authorities = "ca.crt" }`.
fn tls(value: &Value<'_>, context: &Context<'_>) -> Option<ServerTls> {
    let words = [("verify-full", 2), ("require", 1), ("off", 0)];
    let (mode, authorities) = match value.is_table() {
        true => {
            let mut table = value.table()?;
            let mode = table.value("mode").map_or(Some(2), |v| v.one_of(&words));
            let authorities = table.value("authorities").and_then(|v| authorities(&v, context));
            table.finish();
            (mode?, authorities)
        }
        false => (value.one_of(&words)?, None),
    };
    match (mode, authorities) {
        (2, authorities) => Some(ServerTls::VerifyFull { authorities }),
        (_, Some(_)) => {
            value.error("`authorities` are checked in mode \"verify-full\" alone", "set mode = \"verify-full\"");
            None
        }
        (1, None) => {
            value.warn("\"require\" encrypts, but does not check who answers", "use \"verify-full\"");
            Some(ServerTls::Require)
        }
        _ => Some(ServerTls::Off),
    }
}

fn authorities(value: &Value<'_>, context: &Context<'_>) -> Option<PathBuf> {
    let path = context.path(&value.string()?);
    if let Err(error) = std::fs::File::open(&path) {
        value.error(
            format!("{} can't be read: {error}", path.display()),
            "check the path (relative to this file) and its permissions",
        );
    }
    Some(path)
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
