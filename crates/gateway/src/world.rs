//! What decisions belong to: a policy bound to one state of a database's catalog. Replaced whole, never changed.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::{ArcSwap, ArcSwapOption};
use parking_lot::Mutex;
use querygate_policy::{Bound, Limits, Mode, Policy, RoleView};
use querygate_record::Principal;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use crate::{
    config::{CATALOG_WAIT_MAX, Database},
    places::{Full, Line, Place},
    postgres::upstream::Upstream,
};

/// A catalog that could not be looked at for this long decides nothing any more.
pub const OUTDATED_AFTER: Duration = Duration::from_secs(60);

/// Accounts whose connections are counted before those without any are forgotten.
const ACCOUNTS_MAX: usize = 4096;

/// Role views kept per world: beyond this they are computed anew.
const VIEWS_MAX: usize = 1024;

/// Tells one state of policy and catalog from another.
pub type Identity = [u8; 32];

/// One state of policy and catalog.
#[derive(Debug)]
pub struct World {
    /// The policy with its masks bound to columns.
    pub bound: Bound,
    /// Which state this is: a hash over policy and catalog, and over which transaction sees it, if not everybody.
    pub version: Identity,
    /// The server's fingerprint of the catalog.
    pub fingerprint: String,
    views: Mutex<HashMap<Vec<u8>, Arc<RoleView>>>,
}

impl World {
    /// A state of policy and catalog.
    pub fn new(bound: Bound, mode: Mode, fingerprint: String) -> World {
        World::of_transaction(bound, mode, fingerprint, 0)
    }

    /// What one open transaction sees; `serial` tells it from every other.
    pub fn of_transaction(bound: Bound, mode: Mode, fingerprint: String, serial: u64) -> World {
        let mut hasher = blake3::Hasher::new();
        hasher.update(bound.policy().version().as_bytes());
        hasher.update(&[0]);
        hasher.update(bound.catalog().version().as_bytes());
        hasher.update(&[u8::from(mode.observe), u8::from(mode.danger_unmasked)]);
        hasher.update(&serial.to_le_bytes());
        World { bound, version: *hasher.finalize().as_bytes(), fingerprint, views: Mutex::default() }
    }

    /// What a principal may not see.
    pub fn view(&self, principal: &Principal) -> Arc<RoleView> {
        let key = view_key(principal);
        if let Some(view) = self.views.lock().get(&key) {
            return view.clone();
        }
        let view = self.bound.view(principal);
        let mut views = self.views.lock();
        if views.len() >= VIEWS_MAX {
            views.clear();
        }
        views.insert(key, view.clone());
        view
    }
}

/// All that a decision depends on in a principal: its roles, and those it acts for.
pub fn view_key(principal: &Principal) -> Vec<u8> {
    let mut roles: Vec<&str> = principal.roles.iter().map(String::as_str).collect();
    roles.sort_unstable();
    let mut key = Vec::new();
    for role in roles {
        key.extend_from_slice(role.as_bytes());
        key.push(0);
    }
    for subject in &principal.on_behalf_of {
        key.push(1);
        key.extend_from_slice(subject.issuer.as_bytes());
        key.push(0);
        key.extend_from_slice(subject.subject.as_bytes());
    }
    key
}

/// One database: its settings, its server, and its present world.
#[derive(Debug)]
pub struct DatabaseState {
    /// The settings.
    pub settings: Arc<Database>,
    /// How to reach the server.
    pub upstream: Upstream,
    /// The policy in force; none: it opens to nobody.
    pub policy: ArcSwapOption<Policy>,
    /// The present state; none until the catalog was loaded once.
    pub world: ArcSwapOption<World>,
    /// Why there is no world, when loading failed.
    pub trouble: ArcSwap<String>,
    /// A pooler hands its sessions around: it can't be used.
    pub pooled: AtomicBool,
    /// A session's connection led through somebody in between: the gateway's own may still lead to the server itself, and is to be made anew.
    pub between: AtomicBool,
    /// Held by whoever compares two connections: were there many, each could wait for a second one in a pool that is full of first ones.
    pub comparing: tokio::sync::Mutex<()>,
    /// Asks for a look at the catalog now.
    pub refresh: mpsc::Sender<oneshot::Sender<bool>>,
    connections: Arc<Line>,
    /// The connections of each account, by issuer and subject.
    accounts: Mutex<HashMap<(String, String), Arc<Line>>>,
    /// Transactions of any session that defined something, counted.
    definitions: AtomicU64,
    /// How many of them the world shows.
    shown: AtomicU64,
    /// When the catalog was last known to be current, milliseconds after `started`.
    seen_ms: AtomicU64,
    started: Instant,
}

/// Places among a connection's account's and a database's connections, given back on drop.
#[derive(Debug)]
pub struct Places {
    _account: Option<Place>,
    _database: Place,
}

/// Which places are all taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllTaken {
    /// Those of the account.
    Account,
    /// Those of the database.
    Database,
}

impl DatabaseState {
    /// A database without a world yet.
    pub fn new(
        settings: Arc<Database>,
        upstream: Upstream,
        policy: Option<Arc<Policy>>,
        refresh: mpsc::Sender<oneshot::Sender<bool>>,
    ) -> DatabaseState {
        DatabaseState {
            settings,
            upstream,
            policy: ArcSwapOption::new(policy),
            world: ArcSwapOption::empty(),
            trouble: ArcSwap::from_pointee("the catalog has not been read yet".to_owned()),
            refresh,
            pooled: AtomicBool::new(false),
            between: AtomicBool::new(false),
            comparing: tokio::sync::Mutex::default(),
            connections: Arc::default(),
            accounts: Mutex::default(),
            definitions: AtomicU64::new(0),
            shown: AtomicU64::new(0),
            seen_ms: AtomicU64::new(0),
            started: Instant::now(),
        }
    }

    /// Notes that a transaction which defined something has ended: the world does not show it yet.
    pub fn note_definition(&self) {
        self.definitions.fetch_add(1, Ordering::AcqRel);
    }

    /// How many such transactions there were.
    pub fn definitions(&self) -> u64 {
        self.definitions.load(Ordering::Acquire)
    }

    /// Notes that the world shows so many of them.
    pub fn shows(&self, definitions: u64) {
        self.shown.fetch_max(definitions, Ordering::AcqRel);
    }

    /// Whether some session defined what the world does not show.
    pub fn is_behind(&self) -> bool {
        self.shown.load(Ordering::Acquire) < self.definitions()
    }

    /// Notes that the world is that of the server at this moment.
    pub fn seen(&self) {
        self.seen_ms.store(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX), Ordering::Release);
    }

    /// Whether the catalog has not been seen for too long to rely on it.
    pub fn is_outdated(&self) -> bool {
        let seen = Duration::from_millis(self.seen_ms.load(Ordering::Acquire));
        self.started.elapsed().saturating_sub(seen) > OUTDATED_AFTER
    }

    /// Has the catalog looked at; false if it could not be read in time.
    pub async fn look(&self) -> bool {
        let look = async {
            let (answer, seen) = oneshot::channel();
            self.refresh.send(answer).await.is_ok() && seen.await.unwrap_or(false)
        };
        timeout(CATALOG_WAIT_MAX, look).await.unwrap_or_else(|_| {
            tracing::warn!(database = %self.settings.name, "the catalog was not read in time");
            false
        })
    }

    /// The present world; where there is none yet, one look at the catalog is waited for.
    pub async fn present_world(&self) -> Option<Arc<World>> {
        if let Some(world) = self.world.load_full() {
            return Some(world);
        }
        // Whatever it says, the world tells.
        self.look().await;
        self.world.load_full()
    }

    /// The bounds of one principal's sessions: the smallest of the database's and those of its roles.
    pub fn limits(&self, of_roles: &Limits) -> Limits {
        let own = Limits {
            connections: None,
            rows: self.settings.rows_max,
            bytes: self.settings.bytes_max,
            statement: Some(self.settings.statement_max as u64),
            statement_timeout: self.settings.statement_timeout,
            idle_in_transaction: self.settings.idle_in_transaction,
            idle_session: self.settings.idle_session,
        };
        own.smallest(of_roles)
    }

    /// Takes a place among the database's connections, and before it, where `account_max` bounds them, among the account's: so that those
    /// who wait for their own account keep no place from others. Waits for both together as long as the settings say.
    pub async fn enter(&self, principal: &Principal, account_max: Option<usize>) -> Result<Places, AllTaken> {
        let until = Instant::now() + self.settings.connection_wait;
        let left = || until.saturating_duration_since(Instant::now());
        let account = match account_max {
            Some(limit) => Some(self.account(principal).enter(limit, left()).await.map_err(|Full| AllTaken::Account)?),
            None => None,
        };
        let limit = self.settings.connections_max;
        let database = self.connections.enter(limit, left()).await.map_err(|Full| AllTaken::Database)?;
        Ok(Places { _account: account, _database: database })
    }

    /// How many connections one account may have here, by the settings and its roles' limits.
    pub fn account_max(&self, of_roles: &Limits) -> Option<usize> {
        let of_roles = of_roles.connections.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        self.settings.account_connections_max.into_iter().chain(of_roles).min()
    }

    fn account(&self, principal: &Principal) -> Arc<Line> {
        let mut accounts = self.accounts.lock();
        if accounts.len() >= ACCOUNTS_MAX {
            accounts.retain(|_, line| Arc::strong_count(line) > 1 || !line.is_idle());
        }
        let identity = &principal.identity;
        accounts.entry((identity.issuer.clone(), identity.subject.clone())).or_default().clone()
    }

    /// Binds another policy to the present catalog.
    pub fn set_policy(&self, policy: Option<Arc<Policy>>) {
        self.policy.store(policy.clone());
        let Some(world) = self.world.load_full() else { return };
        match policy {
            Some(policy) => {
                let bound = policy.bind(world.bound.catalog(), self.settings.mode, Some(&world.bound));
                self.world.store(Some(Arc::new(World::new(bound, self.settings.mode, world.fingerprint.clone()))));
            }
            None => self.world.store(None),
        }
    }
}
