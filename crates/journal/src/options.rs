use crate::Keys;

/// When an entry is on disk. In every mode an entry survives `kill -9` of the gateway once it is flushed; the modes differ in what a loss of power may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Everything is synced within [`SYNC_INTERVAL`](crate::SYNC_INTERVAL); a loss of power may take the last of it.
    Process,
    /// As `Process`; the caller asks for a sync (and waits for it) where a statement cannot be undone.
    #[default]
    Balanced,
    /// Every write is synced; the caller waits for each.
    Strict,
}

/// How a journal is opened.
#[derive(Debug)]
pub struct Options {
    /// The durability mode.
    pub durability: Durability,
    /// The keys that sign checkpoints and hash literals.
    pub keys: Keys,
    /// Event loops that write: each gets a database of its own, so that they share nothing when they write.
    pub loops: usize,
    /// Memory that reads and indexes may cache, bytes.
    pub cache_bytes: usize,
    /// Open a log whose write-ahead log is damaged in the middle, losing what comes after the damage. The loss is written down as an alarm
    /// in the next chain, and verification against an earlier exported checkpoint still finds it.
    pub danger_accept_loss: bool,
}

impl Options {
    /// The usual options: `balanced`, 32 MiB of cache, refuse a damaged log.
    pub fn new(keys: Keys) -> Options {
        Options {
            durability: Durability::default(),
            keys,
            loops: 0,
            cache_bytes: DEFAULT_CACHE_BYTES,
            danger_accept_loss: false,
        }
    }
}

/// Default of [`Options::cache_bytes`].
pub const DEFAULT_CACHE_BYTES: usize = 32 << 20;
