//! The control side's own chain of the log: requests and rulings, reloads, changes of accounts.

use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use querygate_approvals::{Request, Ruling, Store, StoreError};
use querygate_journal::{Chain, Error, Journal, SyncState, Written};
use querygate_record::{Entry, Event, HoldId, Origin, SessionId};
use tokio::sync::watch;

/// Longest wait for a ruling to reach the disk.
const SYNC_WAIT_MAX: std::time::Duration = std::time::Duration::from_secs(30);

/// Writes what the control side does. Each entry is in the log when the call returns; approvals and reloads are on disk.
pub struct ControlLog {
    journal: Journal,
    chain: Mutex<Chain>,
    synced: watch::Receiver<SyncState>,
}

impl ControlLog {
    /// Opens the chain.
    pub fn new(journal: &Journal) -> Result<ControlLog, Error> {
        Ok(ControlLog {
            journal: journal.clone(),
            chain: Mutex::new(journal.chain()?),
            synced: journal.synced_through(),
        })
    }

    /// The log that the chain belongs to.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Configuration and policies were loaded.
    pub fn loaded(&self, policy: &str, detail: &str) -> Result<(), Error> {
        let event = Event::Loaded { policy: policy.to_owned(), detail: detail.to_owned() };
        self.sync(self.append(None, 0, Origin::Gateway, event)?)
    }

    fn append(
        &self,
        session: Option<SessionId>,
        statement: u64,
        origin: Origin,
        event: Event,
    ) -> Result<Written, Error> {
        let mut chain = self.chain.lock();
        chain.push(&Entry { time_ns: now_ns(), session, statement, origin, event });
        chain.flush()
    }

    /// Waits until a write is on disk, however the log's durability is set.
    fn sync(&self, written: Written) -> Result<(), Error> {
        self.journal.want_sync(written);
        let until = std::time::Instant::now() + SYNC_WAIT_MAX;
        loop {
            let state = self.synced.borrow().clone();
            if let Some(why) = state.failed {
                return Err(Error::Away(why));
            }
            if state.through >= written {
                return Ok(());
            }
            if std::time::Instant::now() >= until {
                return Err(Error::Away("the disk did not answer in time".into()));
            }
            std::thread::sleep(std::time::Duration::from_micros(200));
        }
    }
}

impl Store for ControlLog {
    fn asked(&self, id: &HoldId, request: &Request) -> Result<(), StoreError> {
        let event =
            Event::Held { hold: id.clone(), reviewers: request.reviewers.clone(), expires_ns: request.expires_ns };
        let statement = request.statement;
        let written = self.append(Some(statement.session), statement.number, Origin::Client, event);
        written.map(|_| ()).map_err(|e| StoreError(e.to_string()))
    }

    fn ruled(&self, id: &HoldId, request: &Request, ruling: &Ruling) -> Result<(), StoreError> {
        let event = Event::Ruled {
            hold: id.clone(),
            ruling: ruling.name().to_owned(),
            reviewer: ruling.reviewer().cloned(),
            because: ruling.because().to_owned(),
        };
        let statement = request.statement;
        let written = self.append(Some(statement.session), statement.number, Origin::Client, event);
        // What lets a statement run is on disk before it runs; the rest is called from event loops and must not wait.
        let kept = written.and_then(|written| match ruling {
            Ruling::Approved { .. } => self.sync(written),
            _ => Ok(()),
        });
        kept.map_err(|e| StoreError(e.to_string()))
    }
}

fn now_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX))
}
