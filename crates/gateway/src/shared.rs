//! What all event loops share.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize},
    },
};

use arc_swap::ArcSwapOption;
use querygate_approvals::Desk;
use querygate_identity::Accounts;
use querygate_journal::Journal;

use crate::{config::Config, judge::HashKey, metrics::Metrics, registry::Registry, world::DatabaseState};

/// The gateway's parts that sessions use.
pub struct Shared {
    /// The settings.
    pub config: Config,
    /// TLS towards clients; replaced on reload.
    pub tls: ArcSwapOption<rustls::ServerConfig>,
    /// Databases by the name that clients ask for.
    pub databases: HashMap<Arc<str>, Arc<DatabaseState>>,
    /// Who may log in.
    pub accounts: Arc<Accounts>,
    /// Where held statements wait.
    pub desk: Desk,
    /// The log.
    pub journal: Journal,
    /// The key of the log's hashes.
    pub hash_key: HashKey,
    /// Open sessions.
    pub registry: Arc<Registry>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Client sockets that are open.
    pub clients: AtomicUsize,
    /// New clients are turned away; sessions end when they are idle.
    pub draining: AtomicBool,
}
