use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use querygate_record::{Entry, Event, Origin};
use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    Chain, Checkpoint, Durability, Error, Keys, Options, PublicKey, Reader, SyncState, Written,
    chain::Tip,
    chain_id::ChainId,
    codec::Opening,
    indexer::Indexer,
    run::Mark,
    signing::{Live, Signing, now_ns},
    store::{LANES_MAX, Store},
    sync::Syncer,
};

/// How often changed heads are signed.
pub const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(10);

/// How often the index is looked after.
const INDEX_INTERVAL: Duration = Duration::from_secs(1);

/// The log, open for writing. Clones share it.
#[derive(Clone)]
pub struct Journal {
    handle: Arc<Handle>,
}

/// What chains and threads share.
pub(crate) struct Shared {
    pub store: Arc<Store>,
    run: Uuid,
    _mark: Mark,
    pub syncer: Syncer,
    pub durability: Durability,
    keys: Keys,
    closed: AtomicBool,
    signing: Mutex<Signing>,
    indexer: Mutex<Indexer>,
    /// What opening found that is not as it should be, until it is written down.
    warnings: Mutex<Vec<String>>,
    stop: Mutex<bool>,
    wake: Condvar,
}

struct Handle {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Shared {
    pub fn check(&self) -> Result<(), Error> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        self.syncer.check()
    }

    fn sign(&self, seals: bool) -> Result<Checkpoint, Error> {
        self.signing.lock().sign(&self.store, &self.syncer, &self.keys, seals)
    }

    /// The keeper's whole life: checkpoints, and the index built behind.
    fn keep(&self) {
        let mut signed_at = Instant::now();
        // Failures are recorded for everyone who writes or waits; the next round tries again.
        let _ = self.index_earlier();
        while self.sleep(INDEX_INTERVAL) {
            let _ = self.index_live();
            if signed_at.elapsed() >= CHECKPOINT_INTERVAL {
                let _ = self.sign(false);
                signed_at = Instant::now();
            }
        }
    }

    /// False when it is time to stop.
    fn sleep(&self, time: Duration) -> bool {
        let mut stop = self.stop.lock();
        if !*stop {
            self.wake.wait_for(&mut stop, time);
        }
        !*stop
    }

    fn is_stopping(&self) -> bool {
        *self.stop.lock()
    }

    /// Indexes what earlier runs left.
    fn index_earlier(&self) -> Result<(), Error> {
        let mut indexer = self.indexer.lock();
        for chain in self.store.chains()? {
            let is_live = || self.signing.lock().live.iter().any(|live| live.tip.lock().head.chain == chain);
            if !is_live() {
                indexer.advance(&self.store, chain, true, || self.is_stopping())?;
            }
        }
        Ok(())
    }

    /// Indexes what the chains of this run have in full segments.
    fn index_live(&self) -> Result<(), Error> {
        let mut indexer = self.indexer.lock();
        let due: Vec<Tip> = self.signing.lock().live.iter().filter_map(Live::due).collect();
        for tip in due {
            let chain = tip.head.chain;
            let next = indexer.advance(&self.store, chain, false, || self.is_stopping())?;
            let mut signing = self.signing.lock();
            if let Some(live) = signing.live.iter_mut().find(|live| live.tip.lock().head.chain == chain) {
                live.indexed = (next - 1, tip.bytes);
            }
        }
        Ok(())
    }
}

impl Journal {
    /// Opens the log in a folder, or starts one. What an earlier run left unsigned is signed now.
    pub fn open(folder: &Path, options: Options) -> Result<Journal, Error> {
        let Options { durability, keys, loops, cache_bytes, danger_accept_loss } = options;
        let lanes = loops.saturating_add(1).min(LANES_MAX);
        let (store, loss) = Store::open(folder, lanes, cache_bytes, danger_accept_loss)?;
        let (signing, mut warnings) = Signing::recover(&store)?;
        warnings.extend(loss.map(|why| format!("the log was opened although its last entries are lost: {why}")));
        let (mark, run) = Mark::set(&store)?;
        let shared = Arc::new(Shared {
            store: Arc::new(store),
            run,
            _mark: mark,
            syncer: Syncer::new(),
            durability,
            keys,
            closed: AtomicBool::new(false),
            signing: Mutex::new(signing),
            indexer: Mutex::default(),
            warnings: Mutex::new(warnings),
            stop: Mutex::new(false),
            wake: Condvar::new(),
        });
        while shared.signing.lock().is_unsealed() {
            shared.sign(true)?;
        }
        let spawn = |name: &str, life: fn(&Shared)| {
            let shared = shared.clone();
            std::thread::Builder::new().name(name.to_owned()).spawn(move || life(&shared)).map_err(Error::away)
        };
        let handle = Handle { shared: shared.clone(), threads: Mutex::default() };
        let syncer = spawn("log-sync", |shared| shared.syncer.run(&shared.store))?;
        handle.threads.lock().push(syncer);
        let keeper = spawn("log-keeper", Shared::keep)?;
        handle.threads.lock().push(keeper);
        Ok(Journal { handle: Arc::new(handle) })
    }

    fn shared(&self) -> &Shared {
        &self.handle.shared
    }

    /// Opens a chain for what is written seldom.
    pub fn chain(&self) -> Result<Chain, Error> {
        self.chain_in(0)
    }

    /// Opens the chain of one event loop, numbered from 0.
    pub fn chain_of_loop(&self, number: usize) -> Result<Chain, Error> {
        // The first lane is not theirs, unless there is no other.
        match self.shared().store.lane_count() - 1 {
            0 => self.chain_in(0),
            lanes => self.chain_in(1 + number % lanes),
        }
    }

    /// Its first entry is signed at once, so that no chain can be slipped in while nothing runs.
    fn chain_in(&self, lane: usize) -> Result<Chain, Error> {
        let shared = self.shared();
        shared.check()?;
        let mut signing = shared.signing.lock();
        let (checkpoint, checkpoint_hash) = (signing.number, signing.hash);
        let id = ChainId::new(u8::try_from(lane).unwrap_or(0));
        let opening = Opening { run: shared.run, checkpoint, checkpoint_hash, heads: signing.changed() };
        let mut chain = Chain::open(self.handle.shared.clone(), id, &opening, now_ns())?;
        signing.live.push(Live { tip: chain.tip(), signed: 0, indexed: (0, 0) });
        signing.sign(&shared.store, &shared.syncer, &shared.keys, false)?;
        drop(signing);
        let warnings = std::mem::take(&mut *shared.warnings.lock());
        for detail in warnings {
            let event = Event::Alarm { kind: "log".to_owned(), detail };
            chain.push(&Entry { time_ns: now_ns(), session: None, statement: 0, origin: Origin::Gateway, event });
        }
        Ok(chain)
    }

    /// What opening found that is not as it should be: for the operator. The first chain also writes it down as alarms.
    pub fn warnings(&self) -> Vec<String> {
        self.shared().warnings.lock().clone()
    }

    /// Signs the heads of all chains now, and syncs them. Returns the last checkpoint if nothing changed since.
    pub fn checkpoint(&self) -> Result<Checkpoint, Error> {
        self.shared().check()?;
        self.shared().sign(false)
    }

    /// Asks for a sync that covers `write`; [`Journal::synced_through`] tells when it is done.
    pub fn want_sync(&self, write: Written) {
        self.shared().syncer.want(write);
    }

    /// How far the log is on disk. Look at the present value first: a failure may have come before.
    pub fn synced_through(&self) -> watch::Receiver<SyncState> {
        self.shared().syncer.subscribe()
    }

    /// Reads the log from inside the process that writes it.
    pub fn reader(&self) -> Reader {
        Reader::inside(self.shared().store.clone())
    }

    /// Indexes now what the thread behind would index within its next rounds. Searches need no call: they read what is not indexed yet themselves.
    pub fn index_now(&self) -> Result<(), Error> {
        self.shared().index_earlier()?;
        self.shared().index_live()
    }

    /// The durability mode it was opened with.
    pub fn durability(&self) -> Durability {
        self.shared().durability
    }

    /// The id of the literal key and the key, for hashing literals of masked columns.
    pub fn keys(&self) -> &Keys {
        &self.shared().keys
    }

    /// The key that verifies its checkpoints.
    pub fn public_key(&self) -> PublicKey {
        self.shared().keys.public_key()
    }

    /// An error if the log cannot be written at present.
    pub fn check(&self) -> Result<(), Error> {
        self.shared().check()
    }

    /// Signs and syncs what is written, and stops. Chains that still exist fail from now on; flush them before.
    pub fn close(self) -> Result<(), Error> {
        let shared = self.shared();
        if shared.closed.swap(true, Ordering::AcqRel) {
            return Err(Error::Closed);
        }
        // Once closed, no chain begins a write; those under way are waited for.
        shared.signing.lock().live.iter().for_each(|live| drop(live.tip.lock()));
        let signed = shared.sign(true).map(drop);
        self.handle.stop();
        signed
    }
}

impl Handle {
    fn stop(&self) {
        *self.shared.stop.lock() = true;
        self.shared.wake.notify_all();
        self.shared.syncer.stop();
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            // A thread that panicked has nothing left to stop.
            let _ = thread.join();
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop();
    }
}
