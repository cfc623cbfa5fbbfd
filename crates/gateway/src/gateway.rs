//! Starts and stops the gateway: event loops, listeners, catalog watchers.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use arc_swap::ArcSwapOption;
use querygate_approvals::Desk;
use querygate_identity::Accounts;
use querygate_journal::Journal;
use querygate_policy::PolicySet;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::LocalSet,
    time::{interval, sleep},
};

use crate::{
    catalog,
    config::{ClientTls, Config, Database},
    door::Door,
    judge::HashKey,
    log::{LAZY_FLUSH, LoopLog, now_ns},
    metrics::Metrics,
    mysql,
    postgres::{self, upstream::Upstream},
    remembered,
    shared::{LoopParts, Shared},
    tls::{Acceptor, Connector, TlsError},
    world::DatabaseState,
};

/// Connections that the system keeps for a listener that is busy.
const BACKLOG: i32 = 1024;
/// Requests for a look at one catalog that may wait.
const REFRESH_QUEUE: usize = 1024;
/// How often expired requests are looked for.
const EXPIRY_INTERVAL: Duration = Duration::from_millis(250);
/// Pause after a failed accept (out of descriptors, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener.
    #[error("can't listen on {address}: {why}. Is another program using the port?")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// The system's words.
        why: io::Error,
    },
    /// A certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The log.
    #[error("the access log can't be opened: {0}")]
    Log(#[from] querygate_journal::Error),
    /// A thread.
    #[error("an event loop can't be started: {0}")]
    Thread(io::Error),
}

/// What the gateway works with.
pub struct Parts {
    /// The settings.
    pub config: Config,
    /// The policies.
    pub policies: Arc<PolicySet>,
    /// Who may log in.
    pub accounts: Arc<Accounts>,
    /// Where held statements wait.
    pub desk: Desk,
    /// The log.
    pub journal: Journal,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// A running gateway. Must be started inside a tokio runtime, which watches the catalogs; sessions run on threads of their own.
pub struct Gateway {
    shared: Arc<Shared>,
    loops: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
    /// Where Postgres clients connect.
    pub postgres: Option<SocketAddr>,
    /// Where MySQL and MariaDB clients connect.
    pub mysql: Option<SocketAddr>,
}

/// A protocol that clients speak.
#[derive(Clone, Copy, Debug)]
enum Speaks {
    Postgres,
    Mysql,
}

/// The listeners of one event loop.
type Listeners = Vec<(Speaks, std::net::TcpListener)>;

impl Gateway {
    /// Starts listening.
    pub fn start(parts: Parts) -> Result<Gateway, StartError> {
        let (stop, stopped) = watch::channel(false);
        let (literal, key_name) = parts.journal.keys().literal();
        let hash_key = HashKey { key: *literal, name: key_name.into() };
        let mut databases = HashMap::new();
        let mut watched = Vec::new();
        let mut config = parts.config;
        for settings in std::mem::take(&mut config.databases) {
            let (state, asked) = database_state(settings, &parts.policies)?;
            watched.push((state.clone(), asked));
            databases.insert(state.settings.name.clone(), state);
        }
        let every = config.catalog_interval;
        let (asked_postgres, asked_mysql, loops) = (config.postgres, config.mysql, config.loops.max(1));
        let shared = Arc::new(Shared {
            tls: ArcSwapOption::new(client_tls(&config.tls)?),
            door: Arc::new(Door::new(config.pending_max, config.free_failures)),
            config,
            databases,
            accounts: parts.accounts,
            desk: parts.desk,
            journal: parts.journal,
            hash_key,
            registry: Arc::default(),
            metrics: parts.metrics,
            digests: mysql::Digests::default(),
            clients: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
        });
        for (state, asked) in watched {
            tokio::spawn(catalog::watch(state, shared.clone(), asked, every));
        }
        tokio::spawn(expire(shared.desk.clone(), stopped.clone()));
        tokio::spawn(follow_accounts(shared.clone(), stopped.clone()));
        let mut listeners: Vec<Listeners> = (0..loops).map(|_| Vec::new()).collect();
        let postgres = asked_postgres.map(|address| bind(address, Speaks::Postgres, &mut listeners)).transpose()?;
        let mysql = asked_mysql.map(|address| bind(address, Speaks::Mysql, &mut listeners)).transpose()?;
        let mut gateway = Gateway { shared, loops: Vec::new(), stop, postgres, mysql };
        for (index, listeners) in listeners.into_iter().enumerate() {
            let (shared, stopped) = (gateway.shared.clone(), stopped.clone());
            let thread = std::thread::Builder::new()
                .name(format!("loop-{index}"))
                .spawn(move || event_loop(shared, index, listeners, stopped));
            gateway.loops.push(thread.map_err(StartError::Thread)?);
        }
        Ok(gateway)
    }

    /// What sessions share: lists, metrics, databases.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Puts other policies into force, all at once; sessions go on and are judged anew at their next statement. A session that may not
    /// open its database any more ends.
    pub fn set_policies(&self, policies: &PolicySet) {
        for (name, database) in &self.shared.databases {
            database.set_policy(policies.database(name).cloned());
        }
        end_invalid(&self.shared);
        // Their limits may be others now.
        self.shared.registry.wake_all();
    }

    /// Reads certificates and keys anew, both those for clients and those for servers; nothing changes before [`Certificates::install`].
    ///
    /// # Errors
    /// A file that can't be used; the certificates in use stay as they are.
    pub fn prepare_certificates(&self) -> Result<Certificates, TlsError> {
        let clients = client_tls(&self.shared.config.tls)?;
        let mut servers = Vec::new();
        for database in self.shared.databases.values() {
            servers.push((database.clone(), Connector::read(&database.settings.tls)?));
        }
        Ok(Certificates { shared: self.shared.clone(), clients, servers })
    }

    /// Why it is not ready; none when it is.
    pub fn trouble(&self) -> Option<String> {
        if self.shared.draining.load(Ordering::Relaxed) {
            return Some("stopping".to_owned());
        }
        if let Err(error) = self.shared.journal.check() {
            return Some(format!("the access log can't be written: {error}"));
        }
        // Sessions may go on with the catalog as it was last seen; new ones may find no server.
        let away = self.shared.databases.values().find(|d| d.policy.load().is_some() && !d.trouble.load().is_empty());
        away.map(|d| format!("database {}: {}", d.settings.name, d.trouble.load()))
    }

    /// Turns new clients away, lets sessions finish what they do for at most `wait`, then ends the rest.
    pub async fn stop(self, wait: Duration) {
        self.shared.draining.store(true, Ordering::Relaxed);
        self.shared.registry.wake_all();
        let until = tokio::time::Instant::now() + wait;
        while !self.shared.registry.is_empty() && tokio::time::Instant::now() < until {
            sleep(Duration::from_millis(20)).await;
        }
        for (id, result) in self.shared.desk.stop() {
            if let Err(error) = result {
                tracing::error!(%id, %error, "the end of a held statement can't be logged");
            }
        }
        self.shared.registry.end_where("57P01", "the gateway is stopping", |_| true);
        let until = tokio::time::Instant::now() + crate::config::FAREWELL_WAIT_MAX;
        while !self.shared.registry.is_empty() && tokio::time::Instant::now() < until {
            sleep(Duration::from_millis(20)).await;
        }
        // Loops that are gone need no word.
        let _ = self.stop.send(true);
        for thread in self.loops {
            if thread.join().is_err() {
                tracing::error!("an event loop ended by a panic");
            }
        }
    }
}

/// Certificates that were read and are not in use yet.
pub struct Certificates {
    shared: Arc<Shared>,
    clients: Option<Arc<Acceptor>>,
    servers: Vec<(Arc<DatabaseState>, Option<Connector>)>,
}

impl Certificates {
    /// Uses them for connections from now on; those that are open go on with what they began with.
    pub fn install(self) {
        self.shared.tls.store(self.clients);
        for (database, connector) in self.servers {
            database.upstream.set_tls(connector);
        }
    }
}

fn database_state(
    settings: Database,
    policies: &PolicySet,
) -> Result<(Arc<DatabaseState>, mpsc::Receiver<tokio::sync::oneshot::Sender<bool>>), StartError> {
    let settings = Arc::new(settings);
    let upstream = Upstream::new(settings.clone())?;
    let (refresh, asked) = mpsc::channel(REFRESH_QUEUE);
    let policy = policies.database(&settings.name).cloned();
    Ok((Arc::new(DatabaseState::new(settings, upstream, policy, refresh)), asked))
}

fn client_tls(tls: &ClientTls) -> Result<Option<Arc<Acceptor>>, TlsError> {
    match tls {
        ClientTls::Off => Ok(None),
        ClientTls::On { certificate, key, .. } => {
            Acceptor::read(certificate, key).map(|acceptor| Some(Arc::new(acceptor)))
        }
    }
}

/// Ends sessions whose account or database is no longer open to them.
fn end_invalid(shared: &Shared) {
    shared.registry.end_where("57P01", "the session was ended: the account or its access was changed", |session| {
        let opens = shared
            .databases
            .get(&session.database)
            .and_then(|d| d.policy.load_full())
            .is_some_and(|policy| policy.may_connect(&session.principal));
        !opens || !postgres::still_valid(&shared.accounts, &session.principal)
    });
}

/// Ends the sessions of accounts that are disabled while they are open.
async fn follow_accounts(shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let mut changes = shared.accounts.changes();
    loop {
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            _ = stopped.changed() => return,
        }
        end_invalid(&shared);
    }
}

async fn expire(desk: Desk, mut stopped: watch::Receiver<bool>) {
    let mut ticks = interval(EXPIRY_INTERVAL);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopped.changed() => return,
        }
        for (id, result) in desk.expire(now_ns()) {
            if let Err(error) = result {
                tracing::error!(%id, %error, "an expiry can't be logged");
            }
        }
    }
}

/// Gives each event loop a listener of its own at one address.
fn bind(address: SocketAddr, speaks: Speaks, loops: &mut [Listeners]) -> Result<SocketAddr, StartError> {
    let failed = |why| StartError::Listen { address, why };
    // Sockets that share a port would share it with another gateway, too: only a free one is taken.
    std::net::TcpListener::bind(address).map(drop).map_err(failed)?;
    let mut bound = address;
    for listeners in loops {
        let listener = socket(bound).map_err(failed)?;
        bound = listener.local_addr().map_err(failed)?;
        listeners.push((speaks, listener));
    }
    Ok(bound)
}

/// A listener of one event loop; the system spreads clients over them.
fn socket(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn event_loop(shared: Arc<Shared>, number: usize, listeners: Listeners, stopped: watch::Receiver<bool>) {
    // A loop with nothing to do lets clients and servers on the same processors run first: what they send meanwhile is one turn, and one append to
    // the log, where a sleep and a wake for each message cost more than the gateway's own work. On idle processors it returns at once.
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .on_thread_park(std::thread::yield_now)
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return tracing::error!(%error, "an event loop can't be started"),
    };
    let log = match LoopLog::new(&shared.journal, number) {
        Ok(log) => log,
        Err(error) => return tracing::error!(%error, "an event loop can't open its chain of the log"),
    };
    let parts = LoopParts { shared, log, cache: remembered::cache() };
    // Tasks among the others: what is blocked on is polled at every turn of the loop.
    let working = async {
        for (speaks, listener) in listeners {
            tokio::task::spawn_local(accept(parts.clone(), speaks, listener, stopped.clone()));
        }
        tokio::task::spawn_local(flush(parts, stopped)).await
    };
    if let Err(error) = LocalSet::new().block_on(&runtime, working) {
        tracing::error!(%error, "an event loop has ended");
    }
}

async fn accept(parts: LoopParts, speaks: Speaks, listener: std::net::TcpListener, mut stopped: watch::Receiver<bool>) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "a listener can't be used"),
    };
    loop {
        tokio::select! {
            accepted = listener.accept() => match (accepted, speaks) {
                (Ok((socket, address)), Speaks::Postgres) => {
                    tokio::task::spawn_local(postgres::serve(parts.clone(), socket, address));
                }
                (Ok((socket, address)), Speaks::Mysql) => {
                    tokio::task::spawn_local(mysql::serve(parts.clone(), socket, address));
                }
                (Err(error), _) => {
                    tracing::warn!(%error, "a client can't be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            _ = stopped.changed() => return,
        }
    }
}

/// Appends the entries that nobody waits for.
async fn flush(parts: LoopParts, mut stopped: watch::Receiver<bool>) {
    let mut queued = 0;
    let mut lazy = interval(LAZY_FLUSH);
    lazy.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = lazy.tick() => {
                // The gauge is the sum over all loops: each adds what its own part changed by.
                let pending = i64::try_from(parts.log.pending()).unwrap_or(i64::MAX);
                parts.shared.metrics.log_queue.add(pending - queued);
                queued = pending;
                // Failures are told to whoever needs the log next.
                let _ = parts.log.flush();
            }
            _ = stopped.changed() => {
                let _ = parts.log.flush();
                return;
            }
        }
    }
}
