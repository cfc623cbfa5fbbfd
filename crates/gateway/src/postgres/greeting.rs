//! From a proved identity to a session: which database, which settings, a server connection, the first ReadyForQuery.

use std::sync::{Arc, atomic::Ordering};

use bytes::BytesMut;
use querygate_identity::Accounts;
use querygate_policy::Limits;
use querygate_postgres::{
    backend::{
        Status,
        encode::{self, ErrorReport, Severity},
    },
    startup::Startup,
};
use querygate_record::{Engine, Event, Origin, Principal, SessionFacts};
use querygate_sql::settings::{Change, change};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
    time::timeout,
};

use crate::{
    config::FAREWELL_WAIT_MAX,
    driver::{Driver, Start},
    duplex::{Duplex, Side},
    judge::{SessionJudge, Subject},
    log::now_ns,
    postgres::{
        Postgres,
        handshake::Login,
        reach::{POOLED, POOLED_REMEDY, Unreached, Way},
        server_side::client_value,
        upstream::Connected,
    },
    registry::{MAILBOX_MAX, SessionInfo},
    shared::LoopParts,
    world::{AllTaken, DatabaseState, Places, World},
};

/// What a server's version number (`server_version_num`) is divided by to give its major version.
const VERSION_MAJOR: u32 = 10_000;
/// Bytes that a client may send before it is ready, at most: then it is not read.
const EARLY_BYTES_MAX: usize = 64 * 1024;
/// Longest `application_name` that Postgres keeps, bytes.
const APPLICATION_NAME_MAX: usize = 63;

/// Why a known principal gets no session.
struct Refusal {
    code: &'static str,
    message: String,
    hint: Option<String>,
}

impl Refusal {
    fn new(code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { code, message: message.into(), hint: None }
    }

    fn hint(self, hint: impl Into<String>) -> Refusal {
        Refusal { hint: Some(hint.into()), ..self }
    }
}

/// Opens a session for a client that has logged in, and drives it to its end.
pub async fn open(parts: LoopParts, mut login: Login) {
    let mut facts = session_facts(&login);
    let session = login.session;
    let log = parts.log.clone();
    let opened = |facts: SessionFacts| {
        log.push(Some(session), 0, Origin::Client, Event::SessionOpened(Box::new(facts)), now_ns());
    };
    let prepared = prepare(&parts, &mut login).await;
    match prepared {
        Ok(prepared) => {
            opened(facts);
            run(parts, login, prepared).await;
        }
        Err(refusal) => {
            parts.shared.metrics.refused_logins.inc();
            facts.refused = Some(refusal.message.clone());
            opened(facts);
            refuse(login, &refusal).await;
        }
    }
}

fn session_facts(login: &Login) -> SessionFacts {
    SessionFacts {
        principal: (*login.principal).clone(),
        client: login.address.to_string(),
        application: login.startup.parameter("application_name").unwrap_or_default().to_owned(),
        database: database_name(&login.startup).to_owned(),
        engine: Engine::Postgres,
        tls: login.stream.is_tls(),
        refused: None,
    }
}

fn database_name(startup: &Startup) -> &str {
    startup.parameter("database").filter(|d| !d.is_empty()).or_else(|| startup.parameter("user")).unwrap_or_default()
}

async fn refuse(mut login: Login, refusal: &Refusal) {
    let mut out = BytesMut::new();
    let report = ErrorReport {
        severity: Severity::Fatal,
        code: refusal.code,
        message: &refusal.message,
        hint: refusal.hint.as_deref(),
        ..ErrorReport::default()
    };
    encode::error(&mut out, &report);
    let farewell = async {
        login.stream.write_all(&out).await?;
        login.stream.shutdown().await
    };
    // A client that is gone needs no farewell.
    let _ = timeout(FAREWELL_WAIT_MAX, farewell).await;
}

/// What a session needs besides its client.
struct Prepared {
    database: Arc<DatabaseState>,
    places: Places,
    world: Arc<World>,
    limits: Limits,
    parameters: Vec<(String, String)>,
}

async fn prepare(parts: &LoopParts, login: &mut Login) -> Result<Prepared, Refusal> {
    if parts.shared.draining.load(Ordering::Relaxed) {
        return Err(Refusal::new("57P03", "the gateway is stopping"));
    }
    let name = database_name(&login.startup).to_owned();
    // A database that doesn't exist and one that does not open to this principal look alike.
    let unknown = || Refusal::new("3D000", format!("database \"{name}\" does not exist"));
    let database = parts.shared.databases.get(name.as_str()).ok_or_else(unknown)?.clone();
    let policy = database.policy.load_full().ok_or_else(unknown)?;
    if database.settings.engine != Engine::Postgres || !policy.may_connect(&login.principal) {
        return Err(unknown());
    }
    let of_roles = policy.limits(&login.principal);
    let places = enter(&database, login, &of_roles).await?;
    let world = present_world(&database).await?;
    let masked = world.view(&login.principal).is_masked();
    let limits = database.limits(&of_roles);
    let parameters = server_parameters(&login.startup, &login.principal, &limits, masked)?;
    Ok(Prepared { database, places, world, limits, parameters })
}

/// Takes a place among the database's connections and the account's, in turn.
async fn enter(database: &DatabaseState, login: &mut Login, of_roles: &Limits) -> Result<Places, Refusal> {
    let principal = login.principal.clone();
    let entered = tokio::select! {
        entered = database.enter(&principal, database.account_max(of_roles)) => entered,
        () = gone(login) => return Err(Refusal::new("08006", "the client went away while it waited for a connection")),
    };
    let (name, waited) = (&database.settings.name, database.settings.connection_wait.as_secs_f32());
    entered.map_err(|taken| match taken {
        AllTaken::Account => Refusal::new(
            "53300",
            format!("too many connections of account \"{}\" to database \"{name}\"", principal.identity.subject),
        )
        .hint(format!(
            "None of your own ended within {waited} s: close some, or ask the gateway's administrator to raise \
             connections_per_account, or limits.connections of your role."
        )),
        AllTaken::Database => {
            Refusal::new("53300", format!("too many connections to database \"{name}\" through the gateway")).hint(
                format!(
                    "None ended within {waited} s: try again later, or ask the gateway's administrator to raise limits.connections."
                ),
            )
        }
    })
}

/// Ends when the client has closed its connection. What it sends too early is kept, up to a bound.
async fn gone(login: &mut Login) {
    while login.rest.len() < EARLY_BYTES_MAX {
        match login.stream.read_buf(&mut login.rest).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
    std::future::pending().await
}

/// The database's world; where there is none yet, one look at the catalog is waited for.
async fn present_world(database: &DatabaseState) -> Result<Arc<World>, Refusal> {
    database.present_world().await.ok_or_else(|| {
        if database.pooled.load(Ordering::Acquire) {
            return Refusal::new("0A000", POOLED).hint(pooled_hint());
        }
        Refusal::new("08006", "the gateway can't read the database's catalog")
            .hint("The database server may be away; the gateway's log says more. Try again later.")
    })
}

/// The start-up parameters for the server: the client's, as far as they are allowed, and the gateway's own.
fn server_parameters(
    startup: &Startup,
    principal: &Principal,
    limits: &Limits,
    masked: bool,
) -> Result<Vec<(String, String)>, Refusal> {
    let mut parameters: Vec<(String, String)> = Vec::new();
    let mut application = String::new();
    let mut asked: Vec<(String, String)> = Vec::new();
    for (name, value) in &startup.parameters {
        match name.to_ascii_lowercase().as_str() {
            "user" | "database" => {}
            "application_name" => application = value.clone(),
            "replication" if matches!(value.as_str(), "false" | "off" | "no" | "0") => {}
            "replication" => {
                let words = "replication connections are not supported through the gateway";
                return Err(Refusal::new("0A000", words).hint("Connect to the database server itself for replication."));
            }
            "options" => asked.extend(options(value)?),
            protocol if protocol.starts_with("_pq_.") => {}
            name => asked.push((name.to_owned(), value.clone())),
        }
    }
    let mut own = |name: &str, value: String| {
        if !asked.iter().any(|(asked, _)| asked == name) {
            parameters.push((name.to_owned(), value));
        }
    };
    own("standard_conforming_strings", "on".to_owned());
    if masked {
        own("datestyle", "ISO".to_owned());
        own("intervalstyle", "postgres".to_owned());
        own("bytea_output", "hex".to_owned());
    }
    if let Some(limit) = limits.statement_timeout {
        own("statement_timeout", limit.as_millis().to_string());
    }
    if let Some(limit) = limits.idle_in_transaction {
        own("idle_in_transaction_session_timeout", limit.as_millis().to_string());
    }
    for (name, value) in asked {
        allowed(&name, &value)?;
        if name != "client_encoding" {
            parameters.push((name, value));
        }
    }
    parameters.push(("client_encoding".to_owned(), "UTF8".to_owned()));
    parameters.push(("application_name".to_owned(), application_name(&principal.identity.subject, &application)));
    Ok(parameters)
}

fn allowed(name: &str, value: &str) -> Result<(), Refusal> {
    let lower = value.to_ascii_lowercase();
    let pinned = |values: &[&str]| values.contains(&lower.trim_matches(['\'', '"']));
    match change(name) {
        // psql asks for SQL_ASCII under LC_ALL=C; it is answered as UTF8, of which ASCII is a part.
        Change::Pinned(_) if name == "client_encoding" && matches!(lower.as_str(), "sql_ascii" | "auto") => Ok(()),
        Change::Pinned(values) if pinned(values) => Ok(()),
        Change::Pinned(values) => {
            Err(Refusal::new("0A000", format!("start-up parameter \"{name}\" may only be {} here", values.join(", "))))
        }
        Change::Listed | Change::Tracked => Ok(()),
        Change::Privilege | Change::Unlisted => {
            Err(Refusal::new("0A000", format!("start-up parameter \"{name}\" is not allowed through the gateway"))
                .hint("Leave it out of the connection string."))
        }
    }
}

/// The settings of the `options` parameter: `-c name=value` and `--name=value` (PostgreSQL documentation, "Server Configuration", and
/// libpq's `options`), backslash before a blank that belongs to a value.
fn options(text: &str) -> Result<Vec<(String, String)>, Refusal> {
    let refused = || {
        Refusal::new(
            "0A000",
            "the start-up parameter \"options\" may only hold -c name=value and --name=value through the gateway",
        )
    };
    let mut words = vec![String::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let Some(word) = words.last_mut() else { return Err(refused()) };
        match character {
            '\\' => word.extend(characters.next()),
            c if c.is_ascii_whitespace() => words.push(String::new()),
            c => word.push(c),
        }
    }
    let mut settings = Vec::new();
    let mut words = words.into_iter().filter(|w| !w.is_empty());
    while let Some(word) = words.next() {
        let setting = if word == "-c" {
            words.next().ok_or_else(refused)?
        } else if let Some(rest) = word.strip_prefix("--") {
            rest.to_owned()
        } else if let Some(rest) = word.strip_prefix("-c") {
            rest.to_owned()
        } else {
            return Err(refused());
        };
        let (name, value) = setting.split_once('=').ok_or_else(refused)?;
        settings.push((name.replace('-', "_").to_ascii_lowercase(), value.to_owned()));
    }
    Ok(settings)
}

fn application_name(subject: &str, theirs: &str) -> String {
    let mut name = format!("{subject}/{theirs}");
    let mut end = name.len().min(APPLICATION_NAME_MAX);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.truncate(end);
    name
}

fn pooled_hint() -> String {
    format!("Tell the gateway's administrator: {POOLED_REMEDY}.")
}

async fn run(parts: LoopParts, login: Login, prepared: Prepared) {
    let Prepared { database, places, world, limits, parameters } = prepared;
    let way = Way {
        log: &parts.log,
        session: login.session,
        database: &database,
        principal: &login.principal,
        parameters: &parameters,
    };
    let connected = match way.go().await {
        Ok(connected) => connected,
        Err(error) => {
            tracing::warn!(database = %database.settings.name, %error, "no server connection for a session");
            let (code, words) = error.for_client();
            parts.log.push(
                Some(login.session),
                0,
                Origin::Gateway,
                Event::SessionClosed { reason: error.to_string() },
                now_ns(),
            );
            let mut refusal = Refusal::new(code, words);
            refusal.hint = matches!(error, Unreached::Shared).then(pooled_hint);
            return refuse(login, &refusal).await;
        }
    };
    let (post, mailbox) = mpsc::channel(MAILBOX_MAX);
    let info = SessionInfo {
        id: login.session,
        principal: login.principal.clone(),
        database: database.settings.name.clone(),
        client: login.address.to_string(),
        application: login.startup.parameter("application_name").unwrap_or_default().to_owned(),
        engine: Engine::Postgres,
        server: Some(connected.route.socket),
        started_ns: now_ns(),
        live: Arc::default(),
    };
    let live = info.live.clone();
    let process = connected.key.as_ref().map(|key| key.process());
    let entered = parts.shared.registry.enter(info, post.clone(), login.minor, process);
    // Whatever changed before this session could be told is looked at now.
    if let Some((code, words)) = overtaken(&parts, &login.principal, &database, &world, &connected) {
        let event = Event::SessionClosed { reason: words.to_owned() };
        parts.log.push(Some(login.session), 0, Origin::Gateway, event, now_ns());
        return refuse(login, &Refusal::new(code, words)).await;
    }
    let mut client = Side::new(login.stream, login.rest);
    for (name, value) in &connected.parameters {
        let value = client_value(name, value, &login.principal.identity.subject).unwrap_or_else(|| value.clone());
        encode::parameter_status(&mut client.output, name, &value);
    }
    encode::backend_key_data(&mut client.output, &entered.key);
    encode::ready_for_query(&mut client.output, Status::Idle);
    let judge = SessionJudge::new(Subject {
        database: database.clone(),
        principal: login.principal.clone(),
        world,
        cache: parts.cache.clone(),
        hash_key: parts.shared.hash_key.clone(),
        metrics: parts.shared.metrics.clone(),
        statement_max: limits.statement_max(),
    });
    let start = Start {
        wire: Postgres { server_key: connected.key, ..Postgres::default() },
        io: Duplex { client, server: Side::new(connected.stream, connected.rest) },
        judge,
        id: login.session,
        principal: login.principal,
        database,
        mailbox: (post, mailbox),
        live,
        limits,
    };
    parts.shared.metrics.sessions.inc();
    let end = Driver::new(&parts, start).run().await;
    parts.shared.metrics.sessions.dec();
    tracing::debug!(session = %login.session, reason = end.reason, "a session ended");
    drop((entered, places));
}

/// What has changed since a session's log-in, while it waited for a place or its server, that lets it begin no more.
fn overtaken(
    parts: &LoopParts,
    principal: &Principal,
    database: &DatabaseState,
    world: &World,
    connected: &Connected,
) -> Option<(&'static str, &'static str)> {
    let opens = database.policy.load().as_ref().is_some_and(|policy| policy.may_connect(principal));
    if !opens || !still_valid(&parts.shared.accounts, principal) {
        return Some(("57P01", "the account or its access was changed while it logged in"));
    }
    if database.upstream.settled().is_some_and(|route| route.socket != connected.route.socket) {
        return Some(("57P01", "the database is served by another server now: connect again"));
    }
    // A server may be replaced by a newer one in the same place. What its functions do belongs to its version.
    let catalog = world.bound.catalog().server_version() / VERSION_MAJOR;
    if connected.major_version().is_some_and(|major| major != catalog) {
        return Some((
            "08006",
            "the database server's version is another than its catalog was read from: connect again",
        ));
    }
    None
}

/// Whether an account may still log in and has the roles that its session has, for sessions that outlive a change.
pub fn still_valid(accounts: &Accounts, principal: &Principal) -> bool {
    principal.identity.issuer != Principal::LOCAL
        || accounts.principal(&principal.identity.subject).is_some_and(|now| now.roles == principal.roles)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_settings_or_refused() {
        let read = |text| options(text).map_err(|r| r.message);
        assert_eq!(
            read("-c geqo=off --search_path=a\\ b -cwork_mem=1MB").unwrap(),
            [("geqo".into(), "off".into()), ("search_path".into(), "a b".into()), ("work_mem".into(), "1MB".into()),]
        );
        for bad in ["-d 3", "-c", "-c x", "plain", "-W 5"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_start_up_parameter_that_is_not_listed_is_refused_by_name() {
        assert!(allowed("client_encoding", "SQL_ASCII").is_ok());
        assert!(allowed("client_encoding", "UTF8").is_ok());
        assert!(allowed("statement_timeout", "5s").is_ok());
        for (name, value) in [
            ("client_encoding", "LATIN1"),
            ("role", "postgres"),
            ("session_replication_role", "replica"),
            ("app.x", "1"),
        ] {
            assert!(allowed(name, value).is_err_and(|r| r.message.contains(name)), "{name}");
        }
    }

    #[test]
    fn the_application_name_carries_the_principal_and_fits() {
        assert_eq!(application_name("agent", "psql"), "agent/psql");
        assert_eq!(application_name(&"ä".repeat(40), "x").len(), 62);
    }
}
