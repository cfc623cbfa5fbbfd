//! Syncing to disk: one thread, woken while anything waits; what comes during one sync is the next one's group.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

use crate::{Error, store::Store};

/// The longest that a written entry stays unsynced, in every mode.
pub const SYNC_INTERVAL: Duration = Duration::from_millis(50);

/// How often a failed disk is tried again.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// The number of one write. Taken after the write returned, so whatever is synced through a number is synced with every write of a smaller one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Written(pub(crate) u64);

/// How far the log is on disk.
#[derive(Clone, Debug, Default)]
pub struct SyncState {
    /// Every write up to this one is on disk.
    pub through: Written,
    /// Why nothing more can be written or synced at present; waiters must give up.
    pub failed: Option<Arc<str>>,
}

#[derive(Default)]
struct Wanted {
    through: u64,
    stop: bool,
}

pub(crate) struct Syncer {
    /// Writes that returned.
    written: AtomicU64,
    /// Whether the thread sleeps without a deadline, so that the next write must wake it.
    idle: AtomicBool,
    wanted: Mutex<Wanted>,
    wake: Condvar,
    state: watch::Sender<SyncState>,
    /// Checked before each write without taking a lock; the reason is in `state`.
    failed: AtomicBool,
}

impl Syncer {
    pub fn new() -> Syncer {
        Syncer {
            written: AtomicU64::new(0),
            idle: AtomicBool::new(false),
            wanted: Mutex::default(),
            wake: Condvar::new(),
            state: watch::Sender::new(SyncState::default()),
            failed: AtomicBool::new(false),
        }
    }

    /// An error if writing failed and was not seen to work since.
    pub fn check(&self) -> Result<(), Error> {
        if !self.failed.load(Ordering::Acquire) {
            return Ok(());
        }
        Err(Error::Away(self.state.borrow().failed.clone().unwrap_or_else(|| "an earlier write failed".into())))
    }

    /// Numbers a write that returned.
    pub fn wrote(&self) -> Written {
        let number = self.written.fetch_add(1, Ordering::SeqCst) + 1;
        if self.idle.swap(false, Ordering::SeqCst) {
            let _held = self.wanted.lock();
            self.wake.notify_one();
        }
        Written(number)
    }

    /// The last write that returned.
    pub fn last(&self) -> Written {
        Written(self.written.load(Ordering::SeqCst))
    }

    /// Asks for a sync that covers `write`.
    pub fn want(&self, write: Written) {
        let mut wanted = self.wanted.lock();
        if write.0 > wanted.through {
            wanted.through = write.0;
            self.wake.notify_one();
        }
    }

    pub fn subscribe(&self) -> watch::Receiver<SyncState> {
        self.state.subscribe()
    }

    /// Records that a write failed.
    pub fn fail(&self, why: &Error) {
        let why: Arc<str> = match why {
            Error::Away(why) => why.clone(),
            other => other.to_string().into(),
        };
        self.state.send_modify(|state| state.failed = Some(why));
        self.failed.store(true, Ordering::Release);
        // The thread must probe; it may be asleep.
        let _held = self.wanted.lock();
        self.wake.notify_one();
    }

    /// Syncs everything written so far; the caller's thread does it.
    pub fn sync_now(&self, store: &Store) -> Result<Written, Error> {
        self.check()?;
        let through = Written(self.written.load(Ordering::SeqCst));
        match store.sync() {
            Ok(()) => {
                self.state.send_if_modified(|state| {
                    let newer = through > state.through;
                    state.through = state.through.max(through);
                    newer
                });
                Ok(through)
            }
            Err(error) => {
                self.fail(&error);
                Err(error)
            }
        }
    }

    pub fn stop(&self) {
        self.wanted.lock().stop = true;
        self.wake.notify_one();
    }

    /// The thread's whole life.
    pub fn run(&self, store: &Store) {
        let mut synced_at = Instant::now();
        while self.wait_for_work(synced_at) {
            if self.failed.load(Ordering::Acquire) {
                self.probe(store);
            } else {
                // A failure is already recorded for everyone who waits.
                let _ = self.sync_now(store);
            }
            synced_at = Instant::now();
        }
    }

    /// Returns when there is something to sync or to probe; false when it is time to stop.
    fn wait_for_work(&self, synced_at: Instant) -> bool {
        let mut wanted = self.wanted.lock();
        loop {
            if wanted.stop {
                return false;
            }
            if self.failed.load(Ordering::Acquire) {
                let deadline = synced_at + PROBE_INTERVAL;
                if Instant::now() >= deadline {
                    return true;
                }
                self.wake.wait_until(&mut wanted, deadline);
                continue;
            }
            let through = self.state.borrow().through.0;
            if wanted.through > through {
                return true;
            }
            self.idle.store(true, Ordering::SeqCst);
            if self.written.load(Ordering::SeqCst) == through {
                self.wake.wait(&mut wanted);
                continue;
            }
            self.idle.store(false, Ordering::SeqCst);
            let deadline = synced_at + SYNC_INTERVAL;
            if Instant::now() >= deadline {
                return true;
            }
            self.wake.wait_until(&mut wanted, deadline);
        }
    }

    /// Tries whether the disk takes writes again.
    fn probe(&self, store: &Store) {
        if store.probe().is_ok() {
            self.failed.store(false, Ordering::Release);
            self.state.send_modify(|state| state.failed = None);
        }
    }
}
