//! What all event loops share.

use std::{
    collections::HashMap,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use arc_swap::ArcSwapOption;
use querygate_approvals::Desk;
use querygate_identity::Accounts;
use querygate_journal::Journal;

use crate::{
    config::Config, door::Door, judge::HashKey, log::LoopLog, metrics::Metrics, mysql::Digests, registry::Registry,
    remembered::Cache, tls::Acceptor, world::DatabaseState,
};

/// What a session needs of its event loop.
#[derive(Clone)]
pub struct LoopParts {
    /// Shared by all loops.
    pub shared: Arc<Shared>,
    /// This loop's chain of the log.
    pub log: Rc<LoopLog>,
    /// This loop's judgements.
    pub cache: Cache,
}

/// A client's place among all open sockets, given back on drop.
pub struct ClientPlace {
    shared: Arc<Shared>,
    /// How many there are with it.
    pub number: usize,
}

impl ClientPlace {
    /// Takes a place; whether there is room is for the caller to say.
    pub fn enter(shared: &Arc<Shared>) -> ClientPlace {
        let number = shared.clients.fetch_add(1, Ordering::AcqRel) + 1;
        ClientPlace { shared: shared.clone(), number }
    }
}

impl Drop for ClientPlace {
    fn drop(&mut self) {
        self.shared.clients.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The gateway's parts that sessions use.
pub struct Shared {
    /// The settings.
    pub config: Config,
    /// TLS towards clients; replaced on reload.
    pub(crate) tls: ArcSwapOption<Acceptor>,
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
    /// Digests of MySQL clients' passwords that were proved.
    pub digests: Digests,
    /// Who is on the way in.
    pub(crate) door: Arc<Door>,
    /// Client sockets that are open.
    pub clients: AtomicUsize,
    /// New clients are turned away; sessions end when they are idle.
    pub draining: AtomicBool,
}
