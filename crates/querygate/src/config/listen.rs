use std::{net::SocketAddr, path::PathBuf, time::Duration};

use querygate_policy::document::{Table, Value};

use super::{
    Context,
    database::{DEFAULT_KEEPALIVE, MAX_CONNECTIONS, seconds},
};

/// How long an orderly stop waits for running statements where the file does not say.
pub const DEFAULT_DRAIN: Duration = Duration::from_secs(30);
/// Client connections of the whole gateway where the file does not say.
pub const DEFAULT_CONNECTIONS: u64 = 1_000;

/// Connections of one address on their way in where the file does not say.
pub const DEFAULT_LOGINS_PER_ADDRESS: u64 = 100;
/// Failed log-ins that cost nothing where the file does not say.
pub const DEFAULT_FAILED_LOGINS: u64 = 10;

/// What the gateway listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Postgres clients.
    pub postgres: Option<SocketAddr>,
    /// MySQL and MariaDB clients.
    pub mysql: Option<SocketAddr>,
    /// Metrics and health.
    pub metrics: Option<SocketAddr>,
    /// How clients' connections are encrypted.
    pub tls: ListenTls,
    /// Client connections at one time, of all databases.
    pub connections: u64,
    /// Connections of one address that have not logged in yet, at one time.
    pub logins_per_address: u64,
    /// Failed log-ins on one account from one address before further ones are slowed down.
    pub failed_logins: u64,
    /// After how long without a byte a client is asked whether it is there.
    pub keepalive: Duration,
    /// How long an orderly stop waits for running statements.
    pub drain: Duration,
}

/// How clients' connections are encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenTls {
    /// With this certificate chain and key, both PEM files.
    Files {
        /// The chain, the server's own certificate first.
        certificate: PathBuf,
        /// The private key.
        key: PathBuf,
    },
    /// With a certificate that the gateway makes once in `data_dir`: encryption, but no proof of who answers.
    SelfSigned,
    /// Not at all.
    Off,
}

pub(super) fn read(mut table: Table<'_>, context: &Context<'_>) -> Option<Listen> {
    let postgres = table.value("postgres");
    let mysql = table.value("mysql");
    if let Some(console) = table.value("console") {
        console.error(
            "the web console is not built in this version",
            "take `listen.console` out; the commands need no port",
        );
    }
    let tls_value = table.value("tls");
    let tls = match &tls_value {
        Some(value) => tls(value, context)?,
        None => ListenTls::SelfSigned,
    };
    let danger = table.boolean("danger_plaintext").unwrap_or(false);
    let listen = Listen {
        postgres: postgres.as_ref().and_then(socket),
        mysql: mysql.as_ref().and_then(socket),
        metrics: table.value("metrics").as_ref().and_then(socket),
        tls,
        connections: table.integer("connections", 1..=MAX_CONNECTIONS).unwrap_or(DEFAULT_CONNECTIONS),
        logins_per_address: table
            .integer("logins_per_address", 1..=MAX_CONNECTIONS)
            .unwrap_or(DEFAULT_LOGINS_PER_ADDRESS),
        failed_logins: table.integer("failed_logins", 0..=1_000_000).unwrap_or(DEFAULT_FAILED_LOGINS),
        keepalive: seconds(&mut table, "keepalive", DEFAULT_KEEPALIVE),
        drain: table.duration("drain").unwrap_or(DEFAULT_DRAIN),
    };
    if postgres.is_none() && mysql.is_none() {
        table.error("nothing to listen on", "add `listen.postgres = \"127.0.0.1:6432\"` or `listen.mysql`");
    }
    for (value, address) in [(&postgres, listen.postgres), (&mysql, listen.mysql)] {
        if listen.tls == ListenTls::Off && !danger && address.is_some_and(|a| !a.ip().is_loopback()) {
            let message = "passwords and data would cross the network unencrypted";
            value.iter().for_each(|v| v.error(message, "set `listen.tls`, or add `danger_plaintext = true` beside it"));
        }
    }
    table.finish();
    Some(listen)
}

fn tls(value: &Value<'_>, context: &Context<'_>) -> Option<ListenTls> {
    if value.is_string() {
        let off = value.one_of(&[("self-signed", false), ("off", true)])?;
        return Some(if off { ListenTls::Off } else { ListenTls::SelfSigned });
    }
    let mut table = value.table()?;
    let certificate = table.required("certificate", "\"server.crt\"").and_then(|v| context.readable(&v));
    let key = table.required("key", "\"server.key\"").and_then(|v| context.readable(&v));
    table.finish();
    Some(ListenTls::Files { certificate: certificate?, key: key? })
}

fn socket(value: &Value<'_>) -> Option<SocketAddr> {
    let text = value.string()?;
    let parsed: Option<SocketAddr> = text.parse().ok();
    if parsed.is_none() {
        value.error(
            format!("{:?} is not an IP address and a port", text.value),
            "write it like \"0.0.0.0:6432\" or \"[::]:6432\"",
        );
    }
    parsed
}
