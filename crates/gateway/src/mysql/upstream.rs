//! The gateway's own connection to a MySQL or MariaDB server.

use std::time::Duration;

use bytes::BytesMut;
use querygate_mysql::{
    auth,
    capability::{self as can},
    greeting::Greeting,
    login::{self, Login, Step},
    response::{ERR, Failure},
};
use querygate_policy::Limits;
use querygate_record::Engine;
use querygate_sql::mysql::PINNED_MODES;
use rustls_pki_types::ServerName;
use secrecy::ExposeSecret;
use tokio::{net::TcpStream, time::timeout};

use super::link::{LOGIN_BYTES_MAX, Link, LinkError, Rows};
use crate::{
    config::{Address, CATALOG_WAIT_MAX, Database},
    postgres::upstream::{ConnectError, Upstream},
    registry::Cancelled,
    stream::{Stream, keep_alive},
    tls::Connector,
};

/// `utf8mb4_general_ci`, which every version of both servers knows.
pub const COLLATION: u8 = 45;
/// What the gateway always asks a server for.
const NEEDED: u32 = can::LONG_PASSWORD
    | can::LONG_FLAG
    | can::CONNECT_WITH_DB
    | can::PROTOCOL_41
    | can::TRANSACTIONS
    | can::SECURE_CONNECTION
    | can::PLUGIN_AUTH
    | can::PLUGIN_AUTH_LENENC;
/// What the gateway passes on of a client's wishes.
pub const PASSED: u32 = can::FOUND_ROWS
    | can::INTERACTIVE
    | can::MULTI_STATEMENTS
    | can::MULTI_RESULTS
    | can::PS_MULTI_RESULTS
    | can::SESSION_TRACK
    | can::DEPRECATE_EOF;

/// What a session asks a server for.
#[derive(Clone, Debug)]
pub struct Wishes {
    /// Flags of [`PASSED`].
    pub capabilities: u32,
    /// The collation that the client's literals have.
    pub collation: u8,
    /// Bounds on each statement.
    pub limits: Limits,
}

impl Default for Wishes {
    /// Those of the gateway's own questions.
    fn default() -> Wishes {
        Wishes { capabilities: 0, collation: COLLATION, limits: Limits::default() }
    }
}

/// The collation that stands for a client's at the server: its own where it is one of utf8mb4 that the server knows. `utf8mb4_0900_ai_ci` is MySQL's
/// alone; MariaDB would take its own default, of whatever character set, in its place.
pub fn collation(asked: u8, engine: Engine) -> u8 {
    match asked {
        45 | 46 | 224..=247 => asked,
        255 if engine == Engine::Mysql => asked,
        _ => COLLATION,
    }
}

/// A connection that is ready for commands.
#[derive(Debug)]
pub struct Connected {
    /// The connection.
    pub link: Link,
    /// The server's number of it, for KILL.
    pub number: u32,
}

/// Connects, encrypts, logs in, and pins what texts mean.
pub async fn connect(upstream: &Upstream, wishes: &Wishes) -> Result<Connected, ConnectError> {
    let database = &upstream.database;
    let wait = database.connect_timeout;
    match timeout(wait, open(upstream, wishes)).await {
        Ok(result) => result,
        Err(_) => Err(ConnectError::Slow { address: name(database), wait }),
    }
}

async fn open(upstream: &Upstream, wishes: &Wishes) -> Result<Connected, ConnectError> {
    let database = &upstream.database;
    let protocol = |why: LinkError| refusal(database, why);
    let address = address(database)?;
    let socket = TcpStream::connect((address.host.as_str(), address.port)).await.map_err(|e| away(database, &e))?;
    socket.set_nodelay(true).map_err(|e| away(database, &e))?;
    keep_alive(&socket, database.keepalive).map_err(|e| away(database, &e))?;
    let mut link = Link::new(Stream::Plain(socket));
    let first = link.read(LOGIN_BYTES_MAX).await.map_err(protocol)?;
    if first.first() == Some(&ERR) {
        let failure = Failure::decode(&first).map_err(|e| protocol(e.into()))?;
        return Err(refusal(database, LinkError::Refused(failure)));
    }
    let greeting = Greeting::decode(&first).map_err(|e| protocol(e.into()))?;
    let capabilities = NEEDED | (wishes.capabilities & PASSED);
    if capabilities & !greeting.capabilities & !can::LONG_PASSWORD != 0 {
        return Err(protocol(LinkError::Unexpected("the server is too old: it lacks what the gateway needs")));
    }
    let mut capabilities = capabilities;
    if let Some(tls) = upstream.tls() {
        if greeting.capabilities & can::SSL == 0 {
            return Err(tls_error(
                database,
                "the server does not offer it; turn it on there, or set tls = \"off\" for this database",
            ));
        }
        capabilities |= can::SSL;
        link.write(&login::tls_request(capabilities, u32::MAX >> 8, wishes.collation)).await.map_err(protocol)?;
        link = encrypt(database, link, &tls).await?;
    }
    log_in(database, &mut link, &greeting, (capabilities, wishes.collation)).await?;
    let mut connected = Connected { link, number: greeting.connection };
    pin(database, &mut connected.link, &wishes.limits).await?;
    Ok(connected)
}

async fn encrypt(database: &Database, link: Link, tls: &Connector) -> Result<Link, ConnectError> {
    let Link { stream: Stream::Plain(socket), buffer, sequence } = link else {
        return Err(tls_error(database, "TLS inside TLS"));
    };
    if !buffer.is_empty() {
        return Err(tls_error(database, "unencrypted data came where TLS was to begin"));
    }
    let name =
        ServerName::try_from(address(database)?.host.clone()).map_err(|e| tls_error(database, &e.to_string()))?;
    let stream = tls.connect(name, socket).await.map_err(|e| tls_error(database, &e.to_string()))?;
    Ok(Link { stream: Stream::Server(Box::new(stream)), buffer: BytesMut::new(), sequence })
}

async fn log_in(
    database: &Database,
    link: &mut Link,
    greeting: &Greeting,
    (capabilities, collation): (u32, u8),
) -> Result<(), ConnectError> {
    let protocol = |why: LinkError| refusal(database, why);
    let password = database.login.password.as_ref().map_or("", |p| p.expose_secret());
    let plugin = if greeting.plugin == auth::NATIVE { auth::NATIVE } else { auth::CACHING_SHA2 };
    let login = Login {
        capabilities,
        packet_max: u32::MAX >> 8,
        collation,
        user: database.login.user.clone(),
        proof: proof(plugin, password, &greeting.nonce).unwrap_or_default(),
        database: Some(database.database.clone()),
        plugin: plugin.to_owned(),
        attributes: Vec::new(),
    };
    link.write(&login.encode()).await.map_err(protocol)?;
    loop {
        let answer = link.read(LOGIN_BYTES_MAX).await.map_err(protocol)?;
        match login::step(&answer).map_err(|e| protocol(e.into()))? {
            Step::Done => return Ok(()),
            Step::Refused(failure) => return Err(refusal(database, LinkError::Refused(failure))),
            Step::Switch { plugin, data } => {
                let Some(proof) = proof(&plugin, password, &data) else {
                    return Err(protocol(LinkError::Unexpected(
                        "the server asks for a log-in plugin that the gateway does not have; use caching_sha2_password or mysql_native_password for its login",
                    )));
                };
                link.write(&proof).await.map_err(protocol)?;
            }
            Step::More(data) if data == [auth::FAST_OK] => {}
            Step::More(data) if data == [auth::FULL] && link.stream.is_tls() => {
                link.write(&[password.as_bytes(), &[0]].concat()).await.map_err(protocol)?;
            }
            Step::More(data) if data == [auth::FULL] => {
                return Err(tls_error(
                    database,
                    "caching_sha2_password hands the password over TLS only; set tls for this database",
                ));
            }
            Step::More(_) => return Err(protocol(LinkError::Unexpected("a log-in that goes on in an unknown way"))),
        }
    }
}

fn proof(plugin: &str, password: &str, nonce: &[u8]) -> Option<Vec<u8>> {
    match plugin {
        auth::CACHING_SHA2 => Some(auth::caching_sha2_proof(password.as_bytes(), nonce)),
        auth::NATIVE => Some(auth::native_proof(password.as_bytes(), nonce)),
        _ => None,
    }
}

/// Takes out of the server's `sql_mode` what would change how texts are read. The character sets come with the log-in; the session looks whether
/// they are.
async fn pin(database: &Database, link: &mut Link, limits: &Limits) -> Result<(), ConnectError> {
    let protocol = |why: LinkError| refusal(database, why);
    let mut settings = vec![format!("sql_mode = {}", pinned_mode())];
    if let Some(limit) = limits.statement_timeout {
        settings.push(match database.engine {
            Engine::Mariadb => format!("max_statement_time = {}", limit.as_secs_f64()),
            _ => format!("max_execution_time = {}", limit.as_millis()),
        });
    }
    let text = format!("SET {}", settings.join(", "));
    command(link, &text).await.map_err(protocol)
}

/// The session's own `sql_mode` without the modes that are never on.
fn pinned_mode() -> String {
    let start = "CONCAT(',', @@session.sql_mode, ',')".to_owned();
    // Combinations such as ANSI stand beside the modes that they are made of, all of which go.
    let without = PINNED_MODES.iter().fold(start, |text, mode| format!("REPLACE({text}, ',{mode},', ',')"));
    format!("TRIM(BOTH ',' FROM {without})")
}

/// Runs a text that gives no rows, whatever form the connection's packets have.
pub async fn command(link: &mut Link, text: &str) -> Result<(), LinkError> {
    link.sequence = 0;
    link.write(&[&[querygate_mysql::command::kind::QUERY], text.as_bytes()].concat()).await?;
    let answer = link.read(LOGIN_BYTES_MAX).await?;
    match answer.first() {
        Some(&querygate_mysql::response::OK) => Ok(()),
        Some(&ERR) => Err(LinkError::Refused(Failure::decode(&answer)?)),
        _ => Err(LinkError::Unexpected("rows where none were asked for")),
    }
}

/// Asks the server to cancel what a connection runs; returns once it has taken the request.
pub async fn cancel(upstream: &Upstream, number: u32, wait: Duration) -> Cancelled {
    let mut sent = false;
    let attempt = async {
        let mut connected = connect(upstream, &Wishes::default()).await.ok()?;
        sent = true;
        command(&mut connected.link, &format!("KILL QUERY {number}")).await.ok()
    };
    let ended = timeout(wait, attempt).await.is_ok();
    if !ended {
        tracing::warn!(database = %upstream.database.name, "the server did not take a cancel request in time");
    }
    if ended || !sent { Cancelled::Settled } else { Cancelled::Unknown }
}

/// A connection for the gateway's own questions.
#[derive(Debug)]
pub struct Own(Link);

impl Own {
    /// Connects.
    pub async fn connect(upstream: &Upstream) -> Result<Own, ConnectError> {
        connect(upstream, &Wishes::default()).await.map(|connected| Own(connected.link))
    }

    /// Asks one question.
    pub async fn ask(&mut self, text: &str) -> Result<Rows, String> {
        match timeout(CATALOG_WAIT_MAX, self.0.query(text)).await {
            Ok(answer) => answer.map_err(|e| e.to_string()),
            Err(_) => Err(format!("the database server did not answer in {} s", CATALOG_WAIT_MAX.as_secs())),
        }
    }
}

/// Its server: the configuration gives one.
fn address(database: &Database) -> Result<&Address, ConnectError> {
    database.addresses.first().ok_or_else(|| ConnectError::None(Vec::new()))
}

fn name(database: &Database) -> String {
    database.addresses.first().map(ToString::to_string).unwrap_or_default()
}

fn away(database: &Database, error: &std::io::Error) -> ConnectError {
    ConnectError::Away { address: name(database), why: error.to_string() }
}

fn tls_error(database: &Database, why: &str) -> ConnectError {
    ConnectError::Tls { address: name(database), why: why.to_owned() }
}

fn refusal(database: &Database, why: LinkError) -> ConnectError {
    match why {
        LinkError::Refused(failure) => {
            ConnectError::Refused { code: failure.code.to_string(), message: failure.message }
        }
        LinkError::Io(error) => away(database, &error),
        other => ConnectError::Protocol { address: name(database), why: other.to_string() },
    }
}
