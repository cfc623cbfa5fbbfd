//! From the configuration's types to those of the parts that use them.

use std::{fs, os::unix::fs::OpenOptionsExt, path::Path, sync::Arc, time::Duration};

use querygate_gateway::config as gateway;
use querygate_identity::{Configured, Error as IdentityError};
use querygate_journal::{Durability as LogDurability, Error, Keys, Options};
use querygate_policy::Mode;
use secrecy::ExposeSecret;

use crate::{
    commands::Failure,
    config::{Address, Config, Database, Durability, ListenTls, RoleLogin, ServerTls, Servers, Trust},
};

/// Event loops: one for each core.
fn loops() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The gateway's own settings.
pub fn gateway(config: &Config) -> Result<gateway::Config, Failure> {
    let catalog_interval = config.databases.iter().map(|d| d.catalog_refresh).min().unwrap_or(Duration::from_secs(2));
    Ok(gateway::Config {
        postgres: config.listen.postgres,
        mysql: config.listen.mysql,
        tls: client_tls(config)?,
        databases: config.databases.iter().map(database).collect(),
        loops: loops(),
        connections_max: usize::try_from(config.listen.connections).unwrap_or(usize::MAX),
        catalog_interval,
        keepalive: config.listen.keepalive,
        pending_max: usize::try_from(config.listen.logins_per_address).unwrap_or(usize::MAX),
        free_failures: u32::try_from(config.listen.failed_logins).unwrap_or(u32::MAX),
    })
}

/// One database's settings.
pub fn database(database: &Database) -> gateway::Database {
    let limits = &database.limits;
    let count = |limit: Option<u64>, default: u64| usize::try_from(limit.unwrap_or(default)).unwrap_or(usize::MAX);
    gateway::Database {
        name: Arc::from(database.name.as_str()),
        engine: database.engine,
        addresses: database.addresses.iter().map(address).collect(),
        wanted: database.servers.map(|servers| match servers {
            Servers::Any => gateway::Servers::Any,
            Servers::Writable => gateway::Servers::Writable,
        }),
        connect_timeout: database.connect_timeout,
        keepalive: database.keepalive,
        database: database.database.clone(),
        login: gateway::ServerLogin { user: database.user.clone(), password: database.password.clone() },
        role_logins: database.logins.iter().map(role_login).collect(),
        tls: server_tls(&database.tls),
        mode: Mode { observe: database.observe, danger_unmasked: database.danger_unmasked },
        connections_max: count(limits.connections, crate::config::DEFAULT_CONNECTIONS),
        account_connections_max: database.connections_per_account.map(|limit| count(Some(limit), limit)),
        connection_wait: database.connection_wait,
        statement_max: count(limits.statement, crate::config::DEFAULT_STATEMENT_BYTES),
        rows_max: limits.rows,
        bytes_max: limits.bytes,
        statement_timeout: limits.statement_timeout,
        idle_in_transaction: limits.idle_in_transaction,
        idle_session: limits.idle_session,
    }
}

fn address(address: &Address) -> gateway::Address {
    gateway::Address { host: address.host.clone(), port: address.port }
}

fn role_login(login: &RoleLogin) -> gateway::RoleLogin {
    let RoleLogin { roles, user, password } = login;
    let login = gateway::ServerLogin { user: user.clone(), password: password.clone() };
    gateway::RoleLogin { roles: roles.clone(), login }
}

fn server_tls(tls: &ServerTls) -> gateway::ServerTls {
    let ServerTls::On { trust, authorities, client } = tls else { return gateway::ServerTls::Off };
    let roots = authorities.clone();
    gateway::ServerTls::On {
        trust: match trust {
            Trust::Require => gateway::Trust::Anybody,
            Trust::VerifyCa => gateway::Trust::Authority { roots },
            Trust::VerifyFull => gateway::Trust::AuthorityAndName { roots },
        },
        client: client.clone().map(|(certificate, key)| gateway::ClientCertificate { certificate, key }),
    }
}

fn client_tls(config: &Config) -> Result<gateway::ClientTls, Failure> {
    Ok(match &config.listen.tls {
        ListenTls::Off => gateway::ClientTls::Off,
        ListenTls::Files { certificate, key } => {
            gateway::ClientTls::On { certificate: certificate.clone(), key: key.clone(), plain_allowed: false }
        }
        ListenTls::SelfSigned => {
            let (certificate, key) = (config.data_dir.join("self-signed.crt"), config.data_dir.join("self-signed.key"));
            if !certificate.exists() || !key.exists() {
                make_certificate(&certificate, &key)
                    .map_err(|e| Failure::wrong(format!("no self-signed certificate: {e}")))?;
            }
            gateway::ClientTls::On { certificate, key, plain_allowed: false }
        }
    })
}

fn make_certificate(certificate: &Path, key: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
    let mut private = fs::OpenOptions::new();
    private.write(true).create(true).truncate(true).mode(0o600);
    std::io::Write::write_all(&mut private.open(key)?, made.signing_key.serialize_pem().as_bytes())?;
    fs::write(certificate, made.cert.pem())?;
    Ok(())
}

/// Service accounts of the configuration.
pub fn accounts(config: &Config) -> Result<Vec<Configured>, IdentityError> {
    let configured = |a: &crate::config::Account| Configured {
        name: a.name.clone(),
        roles: a.roles.clone(),
        credential: a.credential.clone(),
    };
    Ok(config.accounts.iter().map(configured).collect())
}

/// How the log is opened.
pub fn journal(config: &Config) -> Result<Options, Error> {
    let kept = Keys::load_or_create(&config.data_dir.join("keys"))?;
    let keys = match (&config.log.signing_key, &config.log.literal_key) {
        (Some(signing), Some(literal)) => Keys::from_bytes(signing.expose_secret(), literal.expose_secret()),
        (signing, literal) => {
            kept.with(signing.as_ref().map(|k| k.expose_secret()), literal.as_ref().map(|k| k.expose_secret()))
        }
    };
    let durability = match config.log.durability {
        Durability::Process => LogDurability::Process,
        Durability::Balanced => LogDurability::Balanced,
        Durability::Strict => LogDurability::Strict,
    };
    Ok(Options { durability, loops: loops(), ..Options::new(keys) })
}
