use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use parking_lot::{Condvar, Mutex};
use querygate_record::Digest;
use rocksdb::WriteBatch;
use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    Chain, Checkpoint, Durability, Error, Keys, Options, PublicKey, Reader, SyncState, Written,
    chain::Tip,
    chain_id::{ChainId, Head},
    checkpoint::HEADS_MAX,
    codec::Opening,
    index::{SEGMENT_BYTES, SEGMENT_ENTRIES},
    indexer::Indexer,
    run::Mark,
    store::{Family, Store},
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
    stop: Mutex<bool>,
    wake: Condvar,
}

/// The state of the checkpoints; its lock makes them one after another.
struct Signing {
    number: u64,
    hash: Digest,
    /// Chains open now, and what of each is signed.
    live: Vec<Live>,
    /// Heads of earlier chains that no checkpoint covers yet.
    unsigned: Vec<Head>,
}

struct Live {
    tip: Arc<Mutex<Tip>>,
    signed: u64,
    /// Entries indexed, and the chain's bytes when that was looked at.
    indexed: (u64, u64),
}

impl Live {
    /// How far the chain is, if it has enough that is not indexed.
    fn due(&self) -> Option<Tip> {
        let tip = *self.tip.lock();
        let (entries, bytes) = self.indexed;
        (tip.head.sequence - entries >= SEGMENT_ENTRIES || tip.bytes - bytes >= SEGMENT_BYTES).then_some(tip)
    }
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

    /// Signs what changed since the last checkpoint; the last one again if nothing did.
    fn checkpoint(&self) -> Result<Checkpoint, Error> {
        let mut signing = self.signing.lock();
        let heads = signing.changed();
        if heads.is_empty() && signing.number > 0 {
            let stored = self.store.get(Family::Checkpoints, &signing.number.to_be_bytes())?;
            let decoded = stored.and_then(|bytes| Checkpoint::decode(&bytes).ok());
            return decoded.ok_or_else(|| self.store.damaged(format!("checkpoint {} cannot be read", signing.number)));
        }
        // A checkpoint kept elsewhere must not name what a loss of power can still take.
        self.syncer.sync_now(&self.store)?;
        let checkpoint = Checkpoint::sign(signing.number + 1, now_ns(), signing.hash, heads, &self.keys);
        let mut batch = WriteBatch::default();
        let key = checkpoint.number.to_be_bytes();
        batch.put_cf(self.store.family(Family::Checkpoints)?, key, checkpoint.encode());
        for head in &checkpoint.heads {
            batch.put_cf(self.store.family(Family::Meta)?, signed_key(head.chain), head.sequence.to_be_bytes());
        }
        self.store.write(batch, true).inspect_err(|error| self.syncer.fail(error))?;
        signing.signed(&checkpoint);
        Ok(checkpoint)
    }

    /// The keeper's whole life: checkpoints, and the index built behind.
    fn keep(&self) {
        let mut signed_at = Instant::now();
        // Failures are recorded for everyone who writes or waits; the next round tries again.
        let _ = self.index_earlier();
        while self.sleep(INDEX_INTERVAL) {
            let _ = self.index_live();
            if signed_at.elapsed() >= CHECKPOINT_INTERVAL {
                let _ = self.checkpoint();
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

impl Signing {
    fn changed(&self) -> Vec<Head> {
        let live = self.live.iter().map(|live| (live.tip.lock().head, live.signed));
        let changed = live.filter(|(head, signed)| head.sequence > *signed).map(|(head, _)| head);
        self.unsigned.iter().copied().chain(changed).take(HEADS_MAX).collect()
    }

    fn signed(&mut self, checkpoint: &Checkpoint) {
        (self.number, self.hash) = (checkpoint.number, checkpoint.hash());
        self.unsigned.retain(|head| !checkpoint.heads.contains(head));
        for live in &mut self.live {
            let chain = live.tip.lock().head.chain;
            if let Some(head) = checkpoint.heads.iter().find(|head| head.chain == chain) {
                live.signed = head.sequence;
            }
        }
        // A chain whose event loop is gone and whose last entry is signed (and its full segments indexed) needs no more attention.
        self.live.retain(|live| {
            Arc::strong_count(&live.tip) > 1 || live.due().is_some() || live.tip.lock().head.sequence > live.signed
        });
    }
}

impl Journal {
    /// Opens the log in a folder, or starts one. What an earlier run left unsigned is signed now.
    pub fn open(folder: &Path, options: Options) -> Result<Journal, Error> {
        let Options { durability, keys, cache_bytes, danger_accept_loss } = options;
        let store = Store::open(folder, cache_bytes, danger_accept_loss)?;
        let signing = recover(&store)?;
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
            stop: Mutex::new(false),
            wake: Condvar::new(),
        });
        if !shared.signing.lock().unsigned.is_empty() {
            shared.checkpoint()?;
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

    /// Opens a chain: one for each event loop.
    pub fn chain(&self) -> Result<Chain, Error> {
        let shared = self.shared();
        shared.check()?;
        let mut signing = shared.signing.lock();
        let (checkpoint, checkpoint_hash) = (signing.number, signing.hash);
        let opening = Opening { run: shared.run, checkpoint, checkpoint_hash, heads: signing.changed() };
        let chain = Chain::open(self.handle.shared.clone(), ChainId(Uuid::now_v7()), &opening, now_ns())?;
        signing.live.push(Live { tip: chain.tip(), signed: 0, indexed: (0, 0) });
        Ok(chain)
    }

    /// Signs the heads of all chains now, and syncs them. Returns the last checkpoint if nothing changed since.
    pub fn checkpoint(&self) -> Result<Checkpoint, Error> {
        self.shared().check()?;
        self.shared().checkpoint()
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
        let signed = shared.checkpoint().map(drop);
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

/// The state of signing as the database has it.
fn recover(store: &Store) -> Result<Signing, Error> {
    let last = store.last_at(Family::Checkpoints, &u64::MAX.to_be_bytes(), &[])?;
    let (number, hash) = match last {
        None => (0, Digest::default()),
        Some((_, bytes)) => {
            let checkpoint =
                Checkpoint::decode(&bytes).map_err(|e| store.damaged(format!("the last checkpoint is {}", e.0)))?;
            (checkpoint.number, checkpoint.hash())
        }
    };
    let mut unsigned = Vec::new();
    for chain in store.chains()? {
        let signed = store.get(Family::Meta, &signed_key(chain))?;
        let signed = signed.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
        if let Some(head) = store.head(chain)?.filter(|head| head.sequence > signed) {
            unsigned.push(head);
        }
    }
    Ok(Signing { number, hash, live: Vec::new(), unsigned })
}

fn signed_key(chain: ChainId) -> [u8; 17] {
    let mut key = [b's'; 17];
    key.iter_mut().skip(1).zip(chain.0.as_bytes()).for_each(|(to, from)| *to = *from);
    key
}

/// Now, in nanoseconds since 1970-01-01 UTC.
fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
