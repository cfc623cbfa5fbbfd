use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use parking_lot::{Condvar, Mutex};
use querygate_record::Digest;
use rocksdb::WriteBatch;
use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    Chain, Checkpoint, Durability, Error, Keys, Options, PublicKey, SyncState, Written,
    chain_id::{ChainId, Head},
    codec::Opening,
    store::{Family, Store},
    sync::Syncer,
};

/// How often changed heads are signed.
pub const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(10);

/// The log, open for writing. Clones share it.
#[derive(Clone)]
pub struct Journal {
    handle: Arc<Handle>,
}

/// What chains and threads share.
pub(crate) struct Shared {
    pub store: Store,
    pub syncer: Syncer,
    pub durability: Durability,
    keys: Keys,
    closed: AtomicBool,
    signing: Mutex<Signing>,
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
    head: Arc<Mutex<Head>>,
    signed: u64,
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

    /// The keeper's whole life: checkpoints, then whatever is built behind.
    fn keep(&self) {
        loop {
            {
                let mut stop = self.stop.lock();
                if !*stop {
                    self.wake.wait_for(&mut stop, CHECKPOINT_INTERVAL);
                }
                if *stop {
                    return;
                }
            }
            // A failure is recorded by the syncer for everyone who writes or waits; the next round tries again.
            let _ = self.checkpoint();
        }
    }
}

impl Signing {
    fn changed(&self) -> Vec<Head> {
        let live =
            self.live.iter().map(|l| (*l.head.lock(), l.signed)).filter(|(head, signed)| head.sequence > *signed);
        self.unsigned.iter().copied().chain(live.map(|(head, _)| head)).take(crate::checkpoint::HEADS_MAX).collect()
    }

    fn signed(&mut self, checkpoint: &Checkpoint) {
        (self.number, self.hash) = (checkpoint.number, checkpoint.hash());
        self.unsigned.retain(|head| !checkpoint.heads.contains(head));
        for live in &mut self.live {
            let chain = live.head.lock().chain;
            if let Some(head) = checkpoint.heads.iter().find(|head| head.chain == chain) {
                live.signed = head.sequence;
            }
        }
        // Chains whose event loop is gone and whose last entry is signed need no more attention.
        self.live.retain(|live| Arc::strong_count(&live.head) > 1 || live.head.lock().sequence > live.signed);
    }
}

impl Journal {
    /// Opens the log in a folder, or starts one. What an earlier run left unsigned is signed now.
    pub fn open(folder: &Path, options: Options) -> Result<Journal, Error> {
        let Options { durability, keys, cache_bytes, danger_accept_loss } = options;
        let store = Store::open(folder, cache_bytes, danger_accept_loss)?;
        let signing = recover(&store)?;
        let shared = Arc::new(Shared {
            store,
            syncer: Syncer::new(),
            durability,
            keys,
            closed: AtomicBool::new(false),
            signing: Mutex::new(signing),
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
        let opening = Opening { checkpoint: signing.number, checkpoint_hash: signing.hash, heads: signing.changed() };
        let chain = Chain::open(self.handle.shared.clone(), ChainId(Uuid::now_v7()), &opening, now_ns())?;
        signing.live.push(Live { head: chain.head_cell(), signed: 0 });
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
