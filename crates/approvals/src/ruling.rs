use std::fmt;

use querygate_record::{HoldId, Principal};
use serde::{Deserialize, Serialize};

use crate::{Request, StoreError};

/// What a reviewer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Exactly this statement with exactly these values may run once.
    Approve,
    /// It may not run.
    Deny,
}

/// How a wait ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    /// A reviewer let it run.
    Approved {
        /// Who.
        by: Principal,
        /// Their words.
        because: String,
    },
    /// A reviewer refused it.
    Denied {
        /// Who.
        by: Principal,
        /// Their words.
        because: String,
    },
    /// Nobody decided in time.
    Expired,
    /// The client cancelled the statement.
    Cancelled,
    /// The client went away.
    Disconnected,
    /// The session was ended, or the gateway stopped.
    Stopped,
}

impl Ruling {
    /// The name used in the log.
    pub fn name(&self) -> &'static str {
        match self {
            Ruling::Approved { .. } => "approved",
            Ruling::Denied { .. } => "denied",
            Ruling::Expired => "expired",
            Ruling::Cancelled => "cancelled",
            Ruling::Disconnected => "disconnected",
            Ruling::Stopped => "stopped",
        }
    }

    /// Who decided, when somebody did.
    pub fn reviewer(&self) -> Option<&Principal> {
        match self {
            Ruling::Approved { by, .. } | Ruling::Denied { by, .. } => Some(by),
            _ => None,
        }
    }

    /// The reviewer's words; empty when nobody decided.
    pub fn because(&self) -> &str {
        match self {
            Ruling::Approved { because, .. } | Ruling::Denied { because, .. } => because,
            _ => "",
        }
    }
}

impl fmt::Display for Ruling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why an asker gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withdrawn {
    /// The client cancelled the statement.
    Cancelled,
    /// The client went away.
    Disconnected,
    /// Its time is over.
    Expired,
    /// The session is ended, or the gateway stops.
    Stopped,
}

impl From<Withdrawn> for Ruling {
    fn from(why: Withdrawn) -> Ruling {
        match why {
            Withdrawn::Cancelled => Ruling::Cancelled,
            Withdrawn::Disconnected => Ruling::Disconnected,
            Withdrawn::Expired => Ruling::Expired,
            Withdrawn::Stopped => Ruling::Stopped,
        }
    }
}

/// What became of a withdrawal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Withdrawal {
    /// The wait is over: nobody can decide any more.
    Done,
    /// Another outcome came first: the asker finds it in its [`crate::Wait`], now or when it is written down. Should a reviewer's
    /// ruling fail to be written down, the wait ends by this withdrawal after all.
    TooLate,
}

/// Where requests and rulings are written down: the log.
///
/// A reviewer's ruling is written on the reviewer's thread, which may wait for the disk; everything else on the asker's, often an
/// event loop, which must not. No lock is held during a call.
pub trait Store: Send + Sync {
    /// A statement begins to wait. On an error it is not held.
    ///
    /// # Errors
    /// It can't be written down.
    fn asked(&self, id: &HoldId, request: &Request) -> Result<(), StoreError>;

    /// A wait ends. Called at most once with success for each request. On an error a reviewer's ruling doesn't count and the
    /// statement waits on; a withdrawal or expiry, which lets nothing run, stands nevertheless.
    ///
    /// # Errors
    /// It can't be written down.
    fn ruled(&self, id: &HoldId, request: &Request, ruling: &Ruling) -> Result<(), StoreError>;
}
