//! A client's first steps: encryption, proof of identity. Nothing of the server is touched here.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Instant,
};

use bytes::BytesMut;
use parking_lot::Mutex;
use querygate_mysql::{
    auth::{self, Sha2Digest},
    capability::{self as can, status},
    greeting::{self, Greeting, NONCE},
    login::{self, First, Login},
};
use querygate_record::{Engine, Event, Origin, Principal, SessionFacts, SessionId};
use secrecy::SecretString;
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

use super::{
    errors,
    link::{LOGIN_BYTES_MAX, Link, LinkError},
    upstream::{COLLATION, PASSED},
};
use crate::{
    config::{ClientTls, FAREWELL_WAIT_MAX, LOGIN_WAIT_MAX},
    door::Pending,
    log::now_ns,
    shared::{LoopParts, Shared},
    stream::{Stream, keep_alive},
    tls::Acceptor,
};

/// What a client may use. What the gateway can't mediate is not offered: files, compression, rows without definitions,
/// blanks before `(`, query attributes.
const OFFERED: u32 = PASSED
    | can::LONG_PASSWORD
    | can::LONG_FLAG
    | can::CONNECT_WITH_DB
    | can::PROTOCOL_41
    | can::TRANSACTIONS
    | can::SECURE_CONNECTION
    | can::PLUGIN_AUTH
    | can::CONNECT_ATTRS
    | can::PLUGIN_AUTH_LENENC;

/// The version that clients see where no server's is known yet.
const VERSION: &str = "8.4.0-querygate";

/// What MariaDB 10 puts before its version.
const OLD: &str = "5.5.5-";

/// A driver that reads log-ins of servers as old as [`OLD`] in another way, in which `caching_sha2_password` can't ask for the password.
const READS_OLD_LOGINS: &str = "MySQL Connector/J";

/// Numbers of connections, as clients see them.
static CONNECTIONS: AtomicU32 = AtomicU32::new(1);

/// Digests of passwords that were proved, each with the key of the verifier that it was proved against. In memory alone; they make later
/// log-ins of the same account quick.
#[derive(Default)]
pub struct Digests(Mutex<HashMap<String, ([u8; 32], Sha2Digest)>>);

/// Digests that are kept at most: beyond this, passwords are asked for.
const DIGESTS_MAX: usize = 10_000;

impl Digests {
    fn proves(&self, name: &str, stored_key: &[u8; 32], proof: &[u8], nonce: &[u8]) -> bool {
        let known = self.0.lock().get(name).filter(|(key, _)| key == stored_key).map(|(_, digest)| digest.clone());
        known.is_some_and(|digest| digest.proves(proof, nonce))
    }

    fn keep(&self, name: &str, stored_key: [u8; 32], digest: Sha2Digest) {
        let mut known = self.0.lock();
        if known.len() < DIGESTS_MAX || known.contains_key(name) {
            known.insert(name.to_owned(), (stored_key, digest));
        }
    }
}

/// A client that has proved who it is and waits for the word that it is in.
pub struct LoggedIn {
    /// Its connection.
    pub link: Link,
    /// What it asked for.
    pub login: Login,
    /// Who it is.
    pub principal: Arc<Principal>,
    /// Where it comes from.
    pub address: SocketAddr,
    /// The session's id in the log.
    pub session: SessionId,
    /// The connection's number, as the client was told.
    pub number: u32,
}

/// Why the first steps did not end well.
#[derive(Debug, thiserror::Error)]
pub enum GreetError {
    /// The client went away, was too slow, or does not speak the protocol.
    #[error("{0}")]
    Gone(#[from] LinkError),
    /// The client was refused and told so.
    #[error("refused: {0}")]
    Refused(String),
}

/// The first packets of a connection.
pub async fn greet(parts: &LoopParts, socket: TcpStream, address: SocketAddr) -> Result<LoggedIn, GreetError> {
    let Some(pending) = parts.shared.door.enter(address.ip()) else {
        return Err(GreetError::Refused("far too many connections of one address are logging in".to_owned()));
    };
    match timeout(LOGIN_WAIT_MAX, greet_patiently(parts, socket, address, &pending)).await {
        Ok(result) => result,
        Err(_) => Err(GreetError::Refused("log-in took too long".to_owned())),
    }
}

async fn greet_patiently(
    parts: &LoopParts,
    socket: TcpStream,
    address: SocketAddr,
    pending: &Pending,
) -> Result<LoggedIn, GreetError> {
    socket.set_nodelay(true).map_err(LinkError::Io)?;
    keep_alive(&socket, parts.shared.config.keepalive).map_err(LinkError::Io)?;
    let mut link = Link::new(Stream::Plain(socket));
    if pending.crowded {
        return Err(refuse(&mut link, "53300", "too many connections from your address are logging in at once").await);
    }
    let tls = parts.shared.tls.load_full();
    let nonce = greeting::nonce(rand::random::<[u8; NONCE]>());
    let greeting = Greeting {
        version: version(&parts.shared),
        connection: CONNECTIONS.fetch_add(1, Ordering::Relaxed),
        nonce,
        capabilities: OFFERED | if tls.is_some() { can::SSL } else { 0 },
        collation: COLLATION,
        status: status::AUTOCOMMIT,
        plugin: auth::CACHING_SHA2.to_owned(),
    };
    link.write(&greeting.encode()).await?;
    let login = loop {
        let packet = match link.stream.is_tls() {
            true => link.read(LOGIN_BYTES_MAX).await?,
            false => link.read_alone(LOGIN_BYTES_MAX).await?,
        };
        match login::decode(&packet).map_err(LinkError::Malformed)? {
            First::Login(login) => break *login,
            First::Tls { .. } => match (&tls, link.stream.is_tls()) {
                (Some(tls), false) => link = encrypt(link, tls).await?,
                _ => return Err(refuse(&mut link, "08P01", "TLS is not offered here").await),
            },
        }
    };
    if let ClientTls::On { plain_allowed: false, .. } = parts.shared.config.tls
        && !link.stream.is_tls()
    {
        let words =
            "connections without TLS are not allowed here; connect with --ssl-mode=REQUIRED or sslMode=REQUIRED";
        return Err(refuse(&mut link, "28000", words).await);
    }
    if let Err(words) = check(&login) {
        return Err(refuse(&mut link, "0A000", words).await);
    }
    let client = Unproved { link, login, address, number: greeting.connection };
    authenticate(parts, client, pending, &nonce, greeting.version.starts_with(OLD)).await
}

/// A client that has said who it is.
struct Unproved {
    link: Link,
    login: Login,
    address: SocketAddr,
    number: u32,
}

/// Has a client on whose connection a session has ended prove that it is another.
pub async fn change(parts: &LoopParts, link: Link, login: Login, before: &Before) -> Result<LoggedIn, GreetError> {
    let Before { address, number } = *before;
    let mut client = Unproved { link, login, address, number };
    let Some(pending) = parts.shared.door.enter(address.ip()) else {
        let words = "far too many connections of your address are logging in at once";
        return Err(refuse(&mut client.link, "53300", words).await);
    };
    if let Err(words) = check(&client.login) {
        return Err(refuse(&mut client.link, "0A000", words).await);
    }
    // What came with the command was made for the nonce of the greeting, which is used up.
    if client.login.plugin != auth::CLEAR {
        client.login.plugin.clear();
    }
    let nonce = greeting::nonce(rand::random::<[u8; NONCE]>());
    let old = version(&parts.shared).starts_with(OLD);
    match timeout(LOGIN_WAIT_MAX, authenticate(parts, client, &pending, &nonce, old)).await {
        Ok(result) => result,
        Err(_) => Err(GreetError::Refused("log-in took too long".to_owned())),
    }
}

/// What stays of a client that changes its user.
#[derive(Clone, Copy, Debug)]
pub struct Before {
    /// Where it comes from.
    pub address: SocketAddr,
    /// The connection's number, as the client was told.
    pub number: u32,
}

async fn authenticate(
    parts: &LoopParts,
    client: Unproved,
    pending: &Pending,
    nonce: &[u8],
    old: bool,
) -> Result<LoggedIn, GreetError> {
    let Unproved { mut link, login, address, number } = client;
    let session = SessionId(uuid::Uuid::now_v7());
    let Some(turn) = pending.turn(&login.user, Instant::now()) else {
        log_refusal(parts, &login, address, session, &link, "too many failed log-ins before this one");
        let words = format!("too many log-ins for user '{}' from your address have failed", login.user);
        return Err(refuse(&mut link, "53300", &words).await);
    };
    sleep(turn).await;
    let in_clear = old && link.stream.is_tls() && login.attribute("_client_name") == Some(READS_OLD_LOGINS);
    let proof = match in_clear {
        true => prove_in_clear(parts, &mut link, &login).await?,
        false => prove(parts, &mut link, &login, nonce).await?,
    };
    match proof {
        Proof::Of(_) => pending.succeeded(&login.user),
        Proof::Wrong => pending.failed(&login.user, Instant::now()),
        Proof::NeedsTls => {}
    }
    match proof {
        Proof::Of(principal) => Ok(LoggedIn { link, login, principal: Arc::new(principal), address, session, number }),
        Proof::NeedsTls => {
            log_refusal(parts, &login, address, session, &link, "the password was not asked for without TLS");
            let words = "log-in needs TLS: caching_sha2_password hands the password to the gateway, which it does only encrypted";
            Err(refuse(&mut link, "28000", words).await)
        }
        Proof::Wrong => {
            log_refusal(parts, &login, address, session, &link, "authentication failed");
            // One answer for a wrong password, an unknown account and a disabled one.
            let words = format!("Access denied for user '{}' (using password: YES)", login.user);
            Err(refuse(&mut link, "28000", &words).await)
        }
    }
}

/// The version of the first server whose catalog is known: clients choose their ways by it.
fn version(shared: &Shared) -> String {
    let mut databases: Vec<_> = shared.databases.values().filter(|d| d.settings.engine != Engine::Postgres).collect();
    databases.sort_by(|a, b| a.settings.name.cmp(&b.settings.name));
    let known = databases.iter().find_map(|d| Some((d.settings.engine, d.world.load_full()?)));
    let Some((engine, world)) = known else { return VERSION.to_owned() };
    let number = world.bound.catalog().server_version();
    let version = format!("{}.{}.{}", number / 10_000, number / 100 % 100, number % 100);
    match engine {
        Engine::Mariadb => format!("{OLD}{version}-MariaDB-querygate"),
        _ => format!("{version}-querygate"),
    }
}

async fn encrypt(link: Link, tls: &Acceptor) -> Result<Link, GreetError> {
    let Link { stream: Stream::Plain(socket), buffer, sequence } = link else {
        return Err(GreetError::Refused("TLS inside TLS".to_owned()));
    };
    // Clients begin the handshake without waiting for a word, so none of it was read before.
    if !buffer.is_empty() {
        return Err(GreetError::Refused("unencrypted data came after the request for TLS".to_owned()));
    }
    let stream = tls.accept(socket).await.map_err(LinkError::Io)?;
    Ok(Link { stream: Stream::Client(Box::new(stream)), buffer: BytesMut::new(), sequence })
}

/// What a client asks for that would change what its texts mean.
fn check(login: &Login) -> Result<(), &'static str> {
    if login.capabilities & can::PLUGIN_AUTH == 0 || login.capabilities & can::SECURE_CONNECTION == 0 {
        return Err("the client is too old: it does not know log-in plugins");
    }
    // What it wants beside what was offered does not hold: both sides use what both know.
    match is_readable(login.collation) {
        true => Ok(()),
        false => Err("the client asks for a character set that is not allowed here; use utf8mb4"),
    }
}

/// Collations in whose character sets a text of ASCII is the same bytes as in UTF-8, and no other byte can be taken for ASCII. What is
/// not ASCII must be UTF-8 whatever the client asked for.
fn is_readable(collation: u8) -> bool {
    const LATIN1_AND_ASCII: &[u8] = &[5, 8, 11, 15, 31, 47, 48, 49, 63, 65, 94];
    let utf8 = matches!(collation, 33 | 45 | 46 | 76 | 83 | 192..=215 | 223..=247 | 255);
    utf8 || LATIN1_AND_ASCII.contains(&collation)
}

/// What became of a client's proof.
enum Proof {
    Of(Principal),
    NeedsTls,
    Wrong,
}

/// Asks for the password itself, inside TLS.
async fn prove_in_clear(parts: &LoopParts, link: &mut Link, login: &Login) -> Result<Proof, LinkError> {
    link.write(&login::switch(auth::CLEAR, &[])).await?;
    let password = link.read(LOGIN_BYTES_MAX).await?;
    Ok(checked(parts, login, password).await)
}

async fn prove(parts: &LoopParts, link: &mut Link, login: &Login, nonce: &[u8]) -> Result<Proof, LinkError> {
    let accounts = parts.shared.accounts.clone();
    let known = accounts.lookup(&login.user);
    if login.plugin == auth::CLEAR && link.stream.is_tls() {
        return Ok(checked(parts, login, login.proof.clone()).await);
    }
    let mut proof = login.proof.clone();
    if login.plugin != auth::CACHING_SHA2 {
        link.write(&login::switch(auth::CACHING_SHA2, nonce)).await?;
        proof = link.read(LOGIN_BYTES_MAX).await?;
    }
    if parts.shared.digests.proves(&login.user, &known.verifier.stored_key, &proof, nonce)
        && let Some(principal) = known.principal
    {
        link.write(&login::more(&[auth::FAST_OK])).await?;
        return Ok(Proof::Of(principal));
    }
    if !link.stream.is_tls() {
        return Ok(Proof::NeedsTls);
    }
    link.write(&login::more(&[auth::FULL])).await?;
    let password = link.read(LOGIN_BYTES_MAX).await?;
    Ok(checked(parts, login, password).await)
}

/// Checks a password, which ends with a zero byte.
async fn checked(parts: &LoopParts, login: &Login, password: Vec<u8>) -> Proof {
    let Some(Ok(text)) = password.strip_suffix(&[0]).map(std::str::from_utf8) else { return Proof::Wrong };
    let (secret, accounts, name) = (SecretString::from(text), parts.shared.accounts.clone(), login.user.clone());
    // It is slow on purpose: the loop's other sessions go on meanwhile.
    let checking = tokio::task::spawn_blocking(move || accounts.check_password(&name, &secret));
    match checking.await {
        Ok(Some(principal)) => {
            let stored_key = parts.shared.accounts.lookup(&login.user).verifier.stored_key;
            parts.shared.digests.keep(&login.user, stored_key, Sha2Digest::of(text.as_bytes()));
            Proof::Of(principal)
        }
        _ => Proof::Wrong,
    }
}

fn log_refusal(
    parts: &LoopParts,
    login: &Login,
    address: SocketAddr,
    session: SessionId,
    link: &Link,
    why: &'static str,
) {
    parts.shared.metrics.refused_logins.inc();
    let facts = SessionFacts {
        principal: Principal::local(&login.user, []),
        refused: Some(why.to_owned()),
        ..session_facts(login, Engine::Mysql, address, link.stream.is_tls())
    };
    parts.log.push(Some(session), 0, Origin::Client, Event::SessionOpened(Box::new(facts)), now_ns());
}

/// What the log keeps of a client.
pub fn session_facts(login: &Login, engine: Engine, address: SocketAddr, tls: bool) -> SessionFacts {
    SessionFacts {
        principal: Principal::local(&login.user, []),
        client: address.to_string(),
        application: application(login),
        database: login.database.clone().unwrap_or_default(),
        engine,
        tls,
        refused: None,
    }
}

/// What the client calls itself.
pub fn application(login: &Login) -> String {
    let named = login.attribute("program_name").or_else(|| login.attribute("_client_name"));
    named.unwrap_or_default().to_owned()
}

/// Tells a client why it gets no session, and closes.
pub async fn refuse(link: &mut Link, code: &str, message: &str) -> GreetError {
    let farewell = async {
        link.write(&errors::coded(code, message).encode()).await?;
        tokio::io::AsyncWriteExt::shutdown(&mut link.stream).await.map_err(LinkError::Io)
    };
    match timeout(FAREWELL_WAIT_MAX, farewell).await {
        Ok(Ok(())) => GreetError::Refused(message.to_owned()),
        Ok(Err(gone)) => GreetError::Gone(gone),
        Err(_) => GreetError::Gone(LinkError::Io(io::ErrorKind::TimedOut.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_holds_for_the_secret_that_it_was_made_from_alone() {
        let digests = Digests::default();
        let nonce = [7; NONCE];
        let proof = auth::caching_sha2_proof(b"secret-1", &nonce);
        assert!(!digests.proves("a", &[1; 32], &proof, &nonce));
        digests.keep("a", [1; 32], Sha2Digest::of(b"secret-1"));
        assert!(digests.proves("a", &[1; 32], &proof, &nonce));
        assert!(!digests.proves("b", &[1; 32], &proof, &nonce));
        assert!(!digests.proves("a", &[2; 32], &proof, &nonce), "the account's secret was changed");
    }

    #[test]
    fn character_sets_whose_bytes_may_mean_something_else_are_refused() {
        for gbk_sjis_big5_ucs2_utf16_gb18030 in [1, 13, 24, 28, 35, 54, 56, 60, 84, 87, 88, 95, 101, 128, 160, 248, 249]
        {
            assert!(!is_readable(gbk_sjis_big5_ucs2_utf16_gb18030));
        }
        for allowed in [8, 33, 45, 255, 224, 63] {
            assert!(is_readable(allowed));
        }
    }
}
