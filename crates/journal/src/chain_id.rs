use std::{fmt, str::FromStr};

use querygate_record::{Digest, ParseIdError};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One chain of the log: the entries of one event loop from one start of the gateway. Ordered by the time at which it was opened (UUID version 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ChainId(pub Uuid);

impl ChainId {
    /// A new chain in one of the log's databases: its last byte says in which.
    pub(crate) fn new(lane: u8) -> ChainId {
        let mut bytes = *Uuid::now_v7().as_bytes();
        bytes.last_mut().into_iter().for_each(|last| *last = lane);
        ChainId(Uuid::from_bytes(bytes))
    }

    /// The number of the database that holds it.
    pub(crate) fn lane(self) -> usize {
        self.0.as_bytes().last().map_or(0, |lane| usize::from(*lane))
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ChainId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(ChainId).map_err(|_| ParseIdError)
    }
}

/// The last entry of a chain at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Head {
    /// The chain.
    pub chain: ChainId,
    /// The entry's number in its chain, from 1.
    pub sequence: u64,
    /// Its hash, which covers every entry before it.
    pub hash: Digest,
}
