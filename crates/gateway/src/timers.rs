//! Waits that may last too long: for the server inside a statement, for the client inside a transaction and outside one. The server has the same
//! bounds as settings, and is first to act on most of them; but a session may change those. These are the gateway's own, a little later.

use std::{future::pending, pin::Pin, time::Duration};

use querygate_policy::Limits;
use querygate_session::{Caps, Control, Waits};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::driver::{Driver, End, Wire};

/// How much later than the server the gateway acts.
const MARGIN: Duration = Duration::from_millis(500);

/// What has lasted too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// A statement.
    Statement,
    /// A transaction in which the client does nothing.
    IdleInTransaction,
    /// A session in which the client does nothing.
    IdleSession,
}

/// The timers of one session.
#[derive(Debug)]
pub struct Timers {
    statement: Option<Duration>,
    idle_in_transaction: Option<Duration>,
    idle_session: Option<Duration>,
    waits: Waits,
    since: Instant,
    /// It has been told that this wait is due.
    told: bool,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Timers {
    /// Timers that hold a session to its limits.
    pub fn new(limits: &Limits) -> Timers {
        Timers {
            statement: limits.statement_timeout,
            idle_in_transaction: limits.idle_in_transaction,
            idle_session: limits.idle_session,
            waits: Waits::Nothing,
            since: Instant::now(),
            told: false,
            alarm: None,
        }
    }

    /// The limits have changed.
    pub fn set(&mut self, limits: &Limits) {
        *self = Timers { waits: self.waits, since: self.since, told: self.told, ..Timers::new(limits) };
        self.arm();
    }

    /// Notes what is waited for. Where nothing is bounded, this does nothing.
    pub fn note(&mut self, waits: Waits) {
        if waits == self.waits || self.is_unbounded() {
            return;
        }
        self.waits = waits;
        self.since = Instant::now();
        self.told = false;
        self.arm();
    }

    fn is_unbounded(&self) -> bool {
        self.statement.is_none() && self.idle_in_transaction.is_none() && self.idle_session.is_none()
    }

    /// Completes when the present wait has lasted too long, once for each. May be dropped and called again at any time.
    pub async fn due(&mut self) -> Due {
        loop {
            match &mut self.alarm {
                Some(alarm) => alarm.as_mut().await,
                None => pending().await,
            }
            self.alarm = None;
            match self.deadline() {
                Some((due, at)) if at <= Instant::now() => {
                    self.told = true;
                    return due;
                }
                _ => self.arm(),
            }
        }
    }

    fn deadline(&self) -> Option<(Due, Instant)> {
        let (due, limit) = match self.waits {
            _ if self.told => return None,
            Waits::Nothing => return None,
            Waits::Server(_) => (Due::Statement, self.statement?),
            Waits::InTransaction(_) => (Due::IdleInTransaction, self.idle_in_transaction?),
            Waits::Idle(_) => (Due::IdleSession, self.idle_session?),
        };
        Some((due, self.since.checked_add(limit)?.checked_add(MARGIN)?))
    }

    /// Makes sure that the alarm does not go off after the deadline. One that goes off before it is left alone: waits are short as a rule,
    /// and the alarm then looks again.
    fn arm(&mut self) {
        let Some((_, at)) = self.deadline() else { return };
        if self.alarm.as_ref().is_none_or(|alarm| alarm.deadline() > at) {
            self.alarm = Some(Box::pin(sleep_until(at)));
        }
    }
}

/// The bounds of each result.
pub fn caps(limits: &Limits) -> Caps {
    Caps { rows: limits.rows.unwrap_or(u64::MAX), bytes: limits.bytes.unwrap_or(u64::MAX) }
}

impl<W: Wire> Driver<W> {
    /// Takes the limits from the policy of now.
    pub(super) fn renew_limits(&mut self) {
        let Some(policy) = self.database.policy.load_full() else { return };
        let limits = self.database.limits(&policy.limits(&self.principal));
        self.session.set_caps(caps(&limits));
        self.timers.set(&limits);
        self.statement_max = limits.statement_max();
    }

    /// Ends what has lasted too long: a statement, or with an idle transaction the session.
    pub(super) fn overdue(&mut self, due: Due) {
        match due {
            Due::Statement => self.control(Control::Overdue),
            Due::IdleInTransaction => {
                self.idle_too_long("25P03", "terminating connection due to idle-in-transaction timeout");
            }
            Due::IdleSession => self.idle_too_long("57P05", "terminating connection due to idle-session timeout"),
        }
    }

    fn idle_too_long(&mut self, code: &'static str, words: &str) {
        self.end = Some(End { status: "ended", reason: words.to_owned(), farewell: Some((code, words.to_owned())) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(statement: u64, idle: u64) -> Limits {
        let seconds = |n| Some(Duration::from_secs(n));
        Limits { statement_timeout: seconds(statement), idle_in_transaction: seconds(idle), ..Limits::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn each_wait_is_due_once_and_a_new_one_starts_afresh() {
        let mut timers = Timers::new(&limits(5, 60));
        let begun = Instant::now();
        timers.note(Waits::Server(1));
        tokio::time::advance(Duration::from_secs(4)).await;
        timers.note(Waits::Server(2));
        assert_eq!(timers.due().await, Due::Statement);
        assert!(begun.elapsed() >= Duration::from_secs(9));
        let again = tokio::time::timeout(Duration::from_secs(600), timers.due()).await;
        assert!(again.is_err(), "the same wait is due twice");
        timers.note(Waits::InTransaction(2));
        assert_eq!(timers.due().await, Due::IdleInTransaction);
        timers.set(&Limits { idle_session: Some(Duration::from_secs(600)), ..Limits::default() });
        timers.note(Waits::Idle(3));
        assert_eq!(timers.due().await, Due::IdleSession);
    }

    #[tokio::test(start_paused = true)]
    async fn a_shorter_limit_after_a_longer_one_is_not_missed() {
        let mut timers = Timers::new(&limits(2, 60));
        timers.note(Waits::InTransaction(1));
        timers.note(Waits::Server(1));
        let begun = Instant::now();
        assert_eq!(timers.due().await, Due::Statement);
        assert!(begun.elapsed() < Duration::from_secs(3));
        timers.set(&limits(1, 1));
        timers.note(Waits::Nothing);
        assert!(tokio::time::timeout(Duration::from_secs(600), timers.due()).await.is_err());
    }
}
