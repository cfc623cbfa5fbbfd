//! From a proved identity to a session: which database, a server connection, the first OK.

use std::sync::{Arc, atomic::Ordering};

use querygate_mysql::{
    capability::{self as can},
    login::Login,
    response::{OK, Success},
};
use querygate_policy::Limits;
use querygate_record::{Engine, Event, Origin, SessionId};
use tokio::sync::mpsc;

use super::{
    handshake::{self, Before, LoggedIn},
    link::Link,
    upstream::{self, PASSED, Wishes},
    wire::Mysql,
};
use crate::{
    driver::{Driver, Start},
    duplex::{Duplex, Side},
    judge::{SessionJudge, Subject},
    log::{LogAway, now_ns},
    registry::{MAILBOX_MAX, SessionInfo},
    shared::LoopParts,
    world::{AllTaken, DatabaseState, Places, World},
};

/// Why a known principal gets no session: SQLSTATE and words.
type Refusal = (&'static str, String);

/// Opens a session for a client that has logged in, and drives it to its end; another where the client then changes its user.
pub async fn open(parts: LoopParts, client: LoggedIn) {
    let mut next = Some(client);
    while let Some(client) = next.take() {
        let before = Before { address: client.address, number: client.number };
        let Some(changing) = session(&parts, client).await else { return };
        match handshake::change(&parts, changing.link, changing.login, &before).await {
            Ok(client) => next = Some(client),
            Err(why) => tracing::debug!(address = %before.address, %why, "a client's change of its user ended"),
        }
    }
}

/// A client that asked to be another.
struct Changing {
    link: Link,
    login: Login,
}

/// One session, from the first OK to its end.
async fn session(parts: &LoopParts, mut client: LoggedIn) -> Option<Changing> {
    if client.login.database.as_ref().is_none_or(String::is_empty) {
        client.login.database = only_database(parts, &client);
    }
    let prepared = prepare(parts, &client).await;
    let engine = prepared.as_ref().map_or(Engine::Mysql, |p| p.database.settings.engine);
    let mut facts = handshake::session_facts(&client.login, engine, client.address, client.link.stream.is_tls());
    facts.principal = (*client.principal).clone();
    facts.refused = prepared.as_ref().err().map(|(_, words)| words.clone());
    parts.log.push(Some(client.session), 0, Origin::Client, Event::SessionOpened(Box::new(facts)), now_ns());
    match prepared {
        Ok(prepared) => run(parts, client, prepared).await,
        Err((code, words)) => {
            parts.shared.metrics.refused_logins.inc();
            // The client is told, or gone.
            let _ = handshake::refuse(&mut client.link, code, &words).await;
            None
        }
    }
}

/// The database of a client that names none: command lines and dumps name it later, by USE. A session has one from its beginning on, so it is the one
/// that the principal may open, where there is no other.
fn only_database(parts: &LoopParts, client: &LoggedIn) -> Option<String> {
    let opens = |database: &&Arc<DatabaseState>| {
        let may = database.policy.load().as_ref().is_some_and(|policy| policy.may_connect(&client.principal));
        database.settings.engine != Engine::Postgres && may
    };
    let mut open = parts.shared.databases.values().filter(opens);
    match (open.next(), open.next()) {
        (Some(only), None) => Some(only.settings.name.to_string()),
        _ => None,
    }
}

/// What a session needs besides its client.
struct Prepared {
    database: Arc<DatabaseState>,
    places: Places,
    world: Arc<World>,
    limits: Limits,
}

async fn prepare(parts: &LoopParts, client: &LoggedIn) -> Result<Prepared, Refusal> {
    if parts.shared.draining.load(Ordering::Relaxed) {
        return Err(("57P03", "the gateway is stopping".to_owned()));
    }
    let Some(name) = &client.login.database else {
        let words = "name a database when you connect: a session has one, and you may open several, or none";
        return Err(("3D000", words.to_owned()));
    };
    // A database that doesn't exist and one that does not open to this principal look alike.
    let unknown = || ("3D000", format!("Unknown database '{name}'"));
    let database = parts.shared.databases.get(name.as_str()).ok_or_else(unknown)?.clone();
    let policy = database.policy.load_full().ok_or_else(unknown)?;
    if database.settings.engine == Engine::Postgres || !policy.may_connect(&client.principal) {
        return Err(unknown());
    }
    let of_roles = policy.limits(&client.principal);
    let places =
        database.enter(&client.principal, database.account_max(&of_roles)).await.map_err(|taken| match taken {
            AllTaken::Account => ("53300", format!("too many connections of your account to database '{name}'")),
            AllTaken::Database => ("53300", format!("too many connections to database '{name}' through the gateway")),
        })?;
    let unreadable = "the gateway can't read the database's catalog; the database server may be away, try again later";
    let world = database.present_world().await.ok_or_else(|| ("08006", unreadable.to_owned()))?;
    let limits = database.limits(&of_roles);
    Ok(Prepared { database, places, world, limits })
}

/// The statement by which the gateway pins a server connection's settings is in the log before it is sent, like all of its own.
async fn log_own(parts: &LoopParts, session: SessionId) -> Result<(), LogAway> {
    let begun = parts.log.begin_own(session, "pin the settings of a server connection").await?;
    parts.log.end_own(session, "sent", begun);
    Ok(())
}

async fn run(parts: &LoopParts, mut client: LoggedIn, prepared: Prepared) -> Option<Changing> {
    let Prepared { database, places, world, limits } = prepared;
    let capabilities = client.login.capabilities & PASSED;
    let collation = upstream::collation(client.login.collation, database.settings.engine);
    let wishes = Wishes { capabilities, collation, limits: limits.clone() };
    if let Err(away) = log_own(parts, client.session).await {
        tracing::error!(%away, "a session can't begin");
        let words = "the access log can't be written, so nothing may run; tell the gateway's administrator";
        // The client is told, or gone.
        let _ = handshake::refuse(&mut client.link, "58030", words).await;
        return None;
    }
    let connected = match upstream::connect(&database.upstream, &wishes).await {
        Ok(connected) => connected,
        Err(error) => {
            tracing::warn!(database = %database.settings.name, %error, "no server connection for a session");
            let (code, words) = error.for_client();
            let closed = Event::SessionClosed { reason: error.to_string() };
            parts.log.push(Some(client.session), 0, Origin::Gateway, closed, now_ns());
            // The client is told, or gone.
            let _ = handshake::refuse(&mut client.link, code, &words).await;
            return None;
        }
    };
    let welcome = Success { status: can::status::AUTOCOMMIT, ..Success::default() };
    if client.link.write(&welcome.encode(OK, capabilities & can::SESSION_TRACK != 0)).await.is_err() {
        return None;
    }
    let (post, mailbox) = mpsc::channel(MAILBOX_MAX);
    let info = SessionInfo {
        id: client.session,
        principal: client.principal.clone(),
        database: database.settings.name.clone(),
        client: client.address.to_string(),
        application: handshake::application(&client.login),
        engine: database.settings.engine,
        server: None,
        started_ns: now_ns(),
        live: Arc::default(),
    };
    let live = info.live.clone();
    let entered = parts.shared.registry.enter(info, post.clone(), 0, Some(client.number));
    let statement_max = limits.statement.map_or(usize::MAX, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    let judge = SessionJudge::new(Subject {
        database: database.clone(),
        principal: client.principal.clone(),
        world,
        cache: parts.cache.clone(),
        hash_key: parts.shared.hash_key.clone(),
        metrics: parts.shared.metrics.clone(),
        statement_max,
    });
    let start = Start {
        wire: Mysql::new(capabilities, connected.number, client.login),
        io: Duplex {
            client: Side::new(client.link.stream, client.link.buffer),
            server: Side::new(connected.link.stream, connected.link.buffer),
        },
        judge,
        id: client.session,
        principal: client.principal,
        database,
        mailbox: (post, mailbox),
        live,
        limits,
    };
    parts.shared.metrics.sessions.inc();
    let mut driver = Driver::new(parts, start);
    let end = driver.run().await;
    parts.shared.metrics.sessions.dec();
    tracing::debug!(session = %client.session, reason = end.reason, "a session ended");
    drop((entered, places));
    let login = driver.wire.changes.take()?;
    let sequence = driver.wire.client_sequence;
    let (stream, buffer) = driver.io.client.into_parts();
    Some(Changing { link: Link { stream, buffer, sequence }, login })
}
