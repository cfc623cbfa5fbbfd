use std::{collections::HashSet, sync::Arc};

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use querygate_record::{Digest, Entry, Facts};

use crate::{
    Durability, Error, Written,
    batch::{Builder, PushError},
    chain_id::{ChainId, Head},
    codec::{self, Malformed, Opening},
    journal::Shared,
    store::GENESIS,
};

/// Digests of facts that a chain remembers having written. Beyond this it forgets all and writes facts anew when they are used again.
pub const FACTS_REMEMBERED_MAX: usize = 65_536;

/// Entries pushed and not yet written may take this much memory, bytes. It only fills when writes fail.
pub const PENDING_BYTES_MAX: usize = 64 << 20;

/// How far a chain is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tip {
    pub head: Head,
    /// Bytes of all its entries.
    pub bytes: u64,
}

/// The writing end of one chain. One event loop owns it; nothing is shared with other loops but the database.
///
/// `push` encodes and hashes into memory; [`Chain::flush`] writes everything pushed as one. Only what a successful `flush` covered is logged: after an
/// error the caller must treat all of it as not logged and send nothing. The entries are kept and written, unchanged, by the next flush that
/// succeeds, so a statement that was refused because the log was away may appear as begun, never the other way round.
pub struct Chain {
    shared: Arc<Shared>,
    id: ChainId,
    /// The last entry pushed.
    sequence: u64,
    hash: Digest,
    /// The value being filled.
    open: Builder,
    /// Full values that wait for the flush.
    full: Vec<Builder>,
    spare: Vec<Builder>,
    pending: usize,
    /// Why an entry was left out since the last flush; that flush fails.
    dropped: Option<Error>,
    /// Where checkpoints and the index read how far this chain is written.
    tip: Arc<Mutex<Tip>>,
    known: HashSet<Digest, RandomState>,
    scratch: Vec<u8>,
}

impl Chain {
    /// Opens a chain and writes its first entry.
    pub(crate) fn open(shared: Arc<Shared>, id: ChainId, opening: &Opening, time_ns: i64) -> Result<Chain, Error> {
        let tip = Tip { head: Head { chain: id, sequence: 0, hash: GENESIS }, bytes: 0 };
        let mut chain = Chain {
            shared,
            id,
            sequence: 0,
            hash: GENESIS,
            open: Builder::default(),
            full: Vec::new(),
            spare: Vec::new(),
            pending: 0,
            dropped: None,
            tip: Arc::new(Mutex::new(tip)),
            known: HashSet::default(),
            scratch: Vec::new(),
        };
        chain.open.start(1, &GENESIS);
        chain.put(|out| codec::encode_opening(opening, time_ns, out));
        chain.flush()?;
        Ok(chain)
    }

    /// Its name.
    pub fn id(&self) -> ChainId {
        self.id
    }

    pub(crate) fn tip(&self) -> Arc<Mutex<Tip>> {
        self.tip.clone()
    }

    /// Adds an entry to what the next flush writes. Never fails by itself: an entry that cannot be kept makes that flush fail.
    pub fn push(&mut self, entry: &Entry) {
        self.put(|out| codec::encode(entry, out));
    }

    /// Makes sure that the chain holds `facts`, and returns the digest by which other entries name them. They are written once per chain (and again
    /// after [`FACTS_REMEMBERED_MAX`] others).
    pub fn facts(&mut self, facts: &Facts, time_ns: i64) -> Digest {
        let mut scratch = std::mem::take(&mut self.scratch);
        let digest = match codec::digest_of(facts, &mut scratch) {
            Ok(digest) => digest,
            Err(_) => {
                self.dropped = Some(Error::away("the facts of a statement cannot be encoded"));
                Digest::default()
            }
        };
        if !self.known.contains(&digest) {
            if self.known.len() >= FACTS_REMEMBERED_MAX {
                self.known.clear();
            }
            if self.put(|out| codec::encode_facts(&digest, &scratch, time_ns, out)) {
                self.known.insert(digest);
            }
        }
        scratch.clear();
        scratch.shrink_to(crate::BATCH_BYTES);
        self.scratch = scratch;
        digest
    }

    /// Whether facts of this digest are already in the chain, so that [`Chain::facts`] need not be called.
    pub fn knows(&self, facts: &Digest) -> bool {
        self.known.contains(facts)
    }

    /// Bytes pushed and not yet written; not 0 while the next flush has something to do or to tell.
    pub fn pending(&self) -> usize {
        self.pending + usize::from(self.dropped.is_some())
    }

    fn put(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<(), Malformed>) -> bool {
        if self.pending >= PENDING_BYTES_MAX {
            self.dropped = Some(Error::away("too many entries wait to be written"));
            return false;
        }
        if self.open.is_full() {
            let mut next = self.spare.pop().unwrap_or_default();
            next.start(self.sequence + 1, &self.hash);
            self.full.push(std::mem::replace(&mut self.open, next));
        }
        let before = self.open.bytes().len();
        match self.open.push(self.id, self.sequence + 1, &self.hash, write) {
            Ok(hash) => {
                self.hash = hash;
                self.sequence += 1;
                self.pending += self.open.bytes().len() - before;
                true
            }
            Err(PushError::TooLarge(bytes)) => {
                self.dropped = Some(Error::EntryTooLarge { bytes, limit: crate::ENTRY_BYTES_MAX });
                false
            }
            Err(PushError::Encoding) => {
                self.dropped = Some(Error::away("an entry cannot be encoded"));
                false
            }
        }
    }

    /// Writes everything pushed since the last successful flush to the operating system, as one. Returns the number of the write (of the last
    /// one, when nothing was pushed).
    pub fn flush(&mut self) -> Result<Written, Error> {
        if self.open.is_empty() && self.full.is_empty() {
            self.shared.check()?;
            return match self.dropped.take() {
                Some(error) => Err(error),
                None => Ok(self.shared.syncer.last()),
            };
        }
        {
            // Held over the write, so that closing can wait for it.
            let mut tip = self.tip.lock();
            self.shared.check()?;
            self.write().inspect_err(|error| self.shared.syncer.fail(error))?;
            tip.head = Head { chain: self.id, sequence: self.sequence, hash: self.hash };
            tip.bytes += self.pending as u64;
        }
        self.pending = 0;
        self.open.start(self.sequence + 1, &self.hash);
        self.open.shrink();
        self.spare.append(&mut self.full);
        self.spare.truncate(SPARE_MAX);
        let written = self.shared.syncer.wrote();
        if self.shared.durability == Durability::Strict {
            self.shared.syncer.want(written);
        }
        match self.dropped.take() {
            Some(error) => Err(error),
            None => Ok(written),
        }
    }

    fn write(&self) -> Result<(), Error> {
        let parts = self.full.iter().chain([&self.open]).filter(|part| !part.is_empty());
        self.shared.store.append(self.id, parts.map(|part| (part.first, part.bytes())))
    }
}

/// Emptied values whose memory is kept for the next large turn.
const SPARE_MAX: usize = 4;

impl Drop for Chain {
    /// Writes what was pushed last, if it can be written; whoever needs to know calls [`Chain::flush`].
    fn drop(&mut self) {
        let _ = self.flush();
    }
}
