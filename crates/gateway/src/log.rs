//! One event loop's hand on the log: all sessions of the loop share one chain, and what they push in one turn is appended as one value.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
    sync::{Arc, OnceLock},
    task::Poll,
    time::{Duration, SystemTime},
};

use querygate_journal::{Chain, Durability, Journal, SyncState, Written};
use querygate_record::{Digest, Entry, Event, Facts, Origin, Outcome, SessionId};
use tokio::sync::{Notify, watch};

/// How long a statement waits for its entry to reach the disk before the log counts as away.
pub const SYNC_WAIT_MAX: Duration = Duration::from_secs(30);

/// Entries that nobody waits for (ends) are appended after at most this.
pub const LAZY_FLUSH: Duration = Duration::from_millis(20);

/// The log can't be written: nothing may pass.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the access log can't be written: {0}")]
pub struct LogAway(pub Arc<str>);

/// What must be in the log before the server may be written to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Need {
    first: u64,
    turn: u64,
    durable: bool,
    any: bool,
}

impl Need {
    /// Adds an entry's need.
    pub fn add(&mut self, turn: u64, durable: bool) {
        self.first = if self.any { self.first.min(turn) } else { turn };
        self.turn = turn;
        self.durable |= durable;
        self.any = true;
    }

    /// Whether anything is needed.
    pub fn is_some(self) -> bool {
        self.any
    }
}

/// The facts of something that the gateway has a server do by itself, in words.
pub fn own_facts(what: &str) -> Facts {
    Facts { text: what.to_owned(), rule: "gateway".to_owned(), ..Facts::default() }
}

/// How something of the gateway's own ended that began at `begun_ns`.
pub fn own_end(status: &'static str, begun_ns: i64, ended_ns: i64) -> Event {
    let duration_ns = u64::try_from(ended_ns.saturating_sub(begun_ns)).unwrap_or(0);
    Event::End(Box::new(Outcome { status: status.into(), duration_ns, ..Outcome::default() }))
}

/// Shared by the sessions of one event loop.
pub struct LoopLog {
    journal: Journal,
    chain: RefCell<Chain>,
    /// Counts turns: entries pushed now go out with this turn's flush.
    turn: Cell<u64>,
    flushed: Cell<u64>,
    flushing: Cell<bool>,
    written: Cell<Option<Written>>,
    /// The last turn that could not be appended whole, and why.
    failed: RefCell<Option<(u64, LogAway)>>,
    flushed_notify: Notify,
    synced: watch::Receiver<SyncState>,
}

impl LoopLog {
    /// Opens the chain of one event loop, numbered from 0.
    pub fn new(journal: &Journal, number: usize) -> Result<Rc<LoopLog>, querygate_journal::Error> {
        Ok(Rc::new(LoopLog {
            journal: journal.clone(),
            chain: RefCell::new(journal.chain_of_loop(number)?),
            turn: Cell::new(1),
            flushed: Cell::new(0),
            flushing: Cell::new(false),
            written: Cell::new(None),
            failed: RefCell::new(None),
            flushed_notify: Notify::new(),
            synced: journal.synced_through(),
        }))
    }

    /// Puts an entry into this turn's batch; returns the turn.
    pub fn push(&self, session: Option<SessionId>, statement: u64, origin: Origin, event: Event, time_ns: i64) -> u64 {
        self.chain.borrow_mut().push(&Entry { time_ns, session, statement, origin, event });
        self.turn.get()
    }

    /// Makes sure that the chain holds these facts. `id` keeps their digest from the first time on.
    pub fn facts(&self, facts: &Facts, id: &OnceLock<Digest>, time_ns: i64) -> Digest {
        let mut chain = self.chain.borrow_mut();
        match id.get() {
            Some(id) if chain.knows(id) => *id,
            _ => {
                let digest = chain.facts(facts, time_ns);
                *id.get_or_init(|| digest)
            }
        }
    }

    /// Returns once something of the gateway's own, for a session that has not begun yet, is in the log; tells when that began.
    pub async fn begin_own(&self, session: SessionId, what: &str) -> Result<i64, LogAway> {
        let begun = now_ns();
        let facts = self.facts(&own_facts(what), &OnceLock::new(), begun);
        let begin = Event::Begin { facts, values: Vec::new() };
        let mut need = Need::default();
        need.add(self.push(Some(session), 0, Origin::Gateway, begin, begun), false);
        self.commit(need).await?;
        Ok(begun)
    }

    /// Puts its end into the log, which nobody waits for.
    pub fn end_own(&self, session: SessionId, status: &'static str, begun_ns: i64) {
        let ended = now_ns();
        self.push(Some(session), 0, Origin::Gateway, own_end(status, begun_ns, ended), ended);
    }

    /// Whether entries that ask for it must be on disk.
    fn syncs(&self, durable: bool) -> bool {
        match self.journal.durability() {
            Durability::Process => false,
            Durability::Balanced => durable,
            Durability::Strict => true,
        }
    }

    /// Returns once what is needed is in the log. All sessions that are ready in this turn share one append.
    pub async fn commit(&self, need: Need) -> Result<(), LogAway> {
        while self.flushed.get() < need.turn {
            if self.flushing.get() {
                self.flushed_notify.notified().await;
            } else {
                let guard = Flushing::start(self);
                after_others().await;
                // What failed is asked for below.
                let _ = self.flush();
                drop(guard);
            }
        }
        if let Some((turn, away)) = &*self.failed.borrow()
            && *turn >= need.first
        {
            return Err(away.clone());
        }
        if self.syncs(need.durable) {
            self.sync().await?;
        }
        Ok(())
    }

    /// Bytes of entries that wait to be appended; they stay while the log can't be written.
    pub fn pending(&self) -> usize {
        self.chain.borrow().pending()
    }

    /// Appends what is pending. What is pushed from now on belongs to another turn, even if nothing was pending: it is not in the log before that
    /// turn's flush.
    pub fn flush(&self) -> Result<(), LogAway> {
        let turn = self.turn.get();
        self.turn.set(turn + 1);
        let result = self.chain.borrow_mut().flush();
        self.flushed.set(turn);
        match result {
            Ok(written) => {
                self.written.set(Some(written));
                Ok(())
            }
            Err(error) => {
                let away = LogAway(error.to_string().into());
                let since = self.failed.borrow().as_ref().map(|(turn, _)| *turn);
                // Tried again every few milliseconds: said once.
                if since != Some(turn - 1) {
                    tracing::error!(%error, "the access log can't be written");
                }
                *self.failed.borrow_mut() = Some((turn, away.clone()));
                Err(away)
            }
        }
    }

    async fn sync(&self) -> Result<(), LogAway> {
        let Some(written) = self.written.get() else { return Ok(()) };
        self.journal.want_sync(written);
        let mut synced = self.synced.clone();
        let wait = synced.wait_for(|state| state.failed.is_some() || state.through >= written);
        match tokio::time::timeout(SYNC_WAIT_MAX, wait).await {
            Ok(Ok(state)) => match &state.failed {
                Some(why) => Err(LogAway(why.clone())),
                None => Ok(()),
            },
            Ok(Err(_)) => Err(LogAway("the log is closed".into())),
            Err(_) => Err(LogAway("the disk did not answer in time".into())),
        }
    }
}

/// Lets the sessions that are ready now push theirs first. Unlike tokio's `yield_now` it does not wait for the sockets to be asked again: that costs
/// a system call, and who becomes ready by it has a turn of its own.
async fn after_others() {
    let mut waited = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Lets the next session flush if the one that began to is gone.
struct Flushing<'a>(&'a LoopLog);

impl Flushing<'_> {
    fn start(log: &LoopLog) -> Flushing<'_> {
        log.flushing.set(true);
        Flushing(log)
    }
}

impl Drop for Flushing<'_> {
    fn drop(&mut self) {
        self.0.flushing.set(false);
        self.0.flushed_notify.notify_waiters();
    }
}

/// Nanoseconds since 1970-01-01 UTC.
pub fn now_ns() -> i64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use querygate_journal::{ENTRY_BYTES_MAX, Keys, Options};

    use super::*;

    fn log() -> (tempfile::TempDir, Rc<LoopLog>) {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::load_or_create(&folder.path().join("keys")).unwrap();
        let journal = Journal::open(&folder.path().join("log"), Options::new(keys)).unwrap();
        (folder, LoopLog::new(&journal, 0).unwrap())
    }

    fn commit(log: &LoopLog, turn: u64) -> Result<(), LogAway> {
        let mut need = Need::default();
        need.add(turn, false);
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(log.commit(need))
    }

    #[test]
    fn what_is_pushed_after_turns_without_entries_is_in_the_log_before_anything_is_sent() {
        let (_folder, log) = log();
        for statement in 1..4 {
            log.flush().unwrap();
            log.flush().unwrap();
            let turn = log.push(None, statement, Origin::Gateway, Event::Execute, 1);
            assert_ne!(log.chain.borrow().pending(), 0);
            commit(&log, turn).unwrap();
            assert_eq!(log.chain.borrow().pending(), 0, "it would have been sent unlogged");
        }
    }

    #[test]
    fn an_entry_that_can_not_be_kept_fails_its_own_turn_whatever_is_appended_afterwards() {
        let (_folder, log) = log();
        let alarm = Event::Alarm { kind: "test".to_owned(), detail: "x".repeat(ENTRY_BYTES_MAX + 1) };
        let lost = log.push(None, 1, Origin::Gateway, alarm, 1);
        assert!(log.flush().is_err());
        let kept = log.push(None, 2, Origin::Gateway, Event::Execute, 1);
        commit(&log, kept).unwrap();
        assert!(commit(&log, lost).is_err(), "a statement without its entry would have passed");
    }
}
