//! Which heads are signed, and the signing of the rest.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;
use querygate_record::Digest;
use rocksdb::WriteBatch;

use crate::{
    Checkpoint, Error, Keys,
    chain::Tip,
    chain_id::{ChainId, Head},
    checkpoint::HEADS_MAX,
    index::{SEGMENT_BYTES, SEGMENT_ENTRIES},
    store::{Family, Store},
    sync::Syncer,
};

/// The state of the checkpoints; whoever has it makes the next one.
pub(crate) struct Signing {
    /// The last checkpoint.
    pub number: u64,
    pub hash: Digest,
    /// Whether it ended every chain so far.
    seals: bool,
    /// Chains open now.
    pub live: Vec<Live>,
    /// Heads of chains of the last run that no checkpoint covers yet.
    unsigned: Vec<Head>,
}

/// A chain that is open now.
pub(crate) struct Live {
    pub tip: Arc<Mutex<Tip>>,
    pub signed: u64,
    /// Entries indexed, and the chain's bytes when that was looked at.
    pub indexed: (u64, u64),
}

impl Live {
    /// How far the chain is, if it has enough that is not indexed.
    pub fn due(&self) -> Option<Tip> {
        let tip = *self.tip.lock();
        let (entries, bytes) = self.indexed;
        (tip.head.sequence - entries >= SEGMENT_ENTRIES || tip.bytes - bytes >= SEGMENT_BYTES).then_some(tip)
    }
}

impl Signing {
    /// The state as the database has it, and warnings for the operator.
    ///
    /// Only the chains of a run that did not end in order may have grown since they were last signed. Entries added to any other are not the gateway's, and it
    /// must not sign them.
    pub fn recover(store: &Store) -> Result<(Signing, Vec<String>), Error> {
        let (mut number, mut hash, mut seals) = (0, Digest::default(), true);
        if let Some((_, bytes)) = store.last_at(Family::Checkpoints, &u64::MAX.to_be_bytes(), &[])? {
            let last =
                Checkpoint::decode(&bytes).map_err(|e| store.damaged(format!("the last checkpoint is {}", e.0)))?;
            (number, hash, seals) = (last.number, last.hash(), last.seals);
        }
        let sealed = store.get(Family::Meta, SEALED_KEY)?.and_then(|b| b.try_into().ok()).map_or(0, u64::from_be_bytes);
        let (mut unsigned, mut warnings) = (Vec::new(), Vec::new());
        for chain in store.chains()? {
            let (signed, by) = signed(store, chain)?;
            let Some(head) = store.head(chain)? else { continue };
            // A first entry alone is a chain that was being opened; it says nothing of anybody's doing.
            let opened_only = by == 0 && head.sequence == 1;
            if opened_only || (by > sealed && head.sequence > signed) {
                unsigned.push(head);
            } else if by <= sealed && head.sequence > signed {
                warnings.push(format!(
                    "chain {chain} of the log has entries after {signed} that no run of the gateway wrote"
                ));
            } else if head.sequence < signed {
                warnings.push(format!(
                    "chain {chain} of the log ends with entry {}, but {signed} were signed",
                    head.sequence
                ));
            }
        }
        Ok((Signing { number, hash, seals, live: Vec::new(), unsigned }, warnings))
    }

    /// Whether an earlier run has not been brought to its end yet.
    pub fn is_unsealed(&self) -> bool {
        !self.seals || !self.unsigned.is_empty()
    }

    /// Heads that changed since the last checkpoint.
    pub fn changed(&self) -> Vec<Head> {
        let live = self.live.iter().map(|live| (live.tip.lock().head, live.signed));
        let changed = live.filter(|(head, signed)| head.sequence > *signed).map(|(head, _)| head);
        self.unsigned.iter().copied().chain(changed).take(HEADS_MAX).collect()
    }

    /// Signs what changed since the last checkpoint; returns the last one again if nothing did. With `seals`, every chain so far has ended.
    pub fn sign(&mut self, store: &Store, syncer: &Syncer, keys: &Keys, seals: bool) -> Result<Checkpoint, Error> {
        let heads = self.changed();
        if heads.is_empty() && self.number > 0 && (self.seals || !seals) {
            let stored = store.get(Family::Checkpoints, &self.number.to_be_bytes())?;
            let decoded = stored.and_then(|bytes| Checkpoint::decode(&bytes).ok());
            return decoded.ok_or_else(|| store.damaged(format!("checkpoint {} cannot be read", self.number)));
        }
        // A checkpoint kept elsewhere must not name what a loss of power can still take.
        syncer.sync_now(store)?;
        let unsigned = Checkpoint {
            number: self.number + 1,
            time_ns: now_ns(),
            previous: self.hash,
            seals,
            heads,
            key: keys.public_key().id(),
            signature: [0; 64],
        };
        let checkpoint = unsigned.sign(keys);
        write(store, &checkpoint).inspect_err(|error| syncer.fail(error))?;
        self.signed(&checkpoint);
        Ok(checkpoint)
    }

    fn signed(&mut self, checkpoint: &Checkpoint) {
        (self.number, self.hash, self.seals) = (checkpoint.number, checkpoint.hash(), checkpoint.seals);
        self.unsigned.retain(|head| !checkpoint.heads.contains(head));
        for live in &mut self.live {
            let chain = live.tip.lock().head.chain;
            if let Some(head) = checkpoint.heads.iter().find(|head| head.chain == chain) {
                live.signed = head.sequence;
            }
        }
        // A chain whose event loop is gone, whose last entry is signed and whose full segments are indexed needs no more attention.
        self.live.retain(|live| {
            Arc::strong_count(&live.tip) > 1 || live.due().is_some() || live.tip.lock().head.sequence > live.signed
        });
    }
}

fn write(store: &Store, checkpoint: &Checkpoint) -> Result<(), Error> {
    let (checkpoints, meta) = (store.family(Family::Checkpoints)?, store.family(Family::Meta)?);
    let number = checkpoint.number.to_be_bytes();
    let mut batch = WriteBatch::default();
    batch.put_cf(checkpoints, number, checkpoint.encode());
    for head in &checkpoint.heads {
        batch.put_cf(meta, signed_key(head.chain), [head.sequence.to_be_bytes(), number].concat());
    }
    if checkpoint.seals {
        batch.put_cf(meta, SEALED_KEY, number);
    }
    store.write(batch, true)
}

/// The number of the last checkpoint that ended every chain before it.
const SEALED_KEY: &[u8] = b"sealed";

fn signed_key(chain: ChainId) -> Vec<u8> {
    [b"signed ", &chain.0.as_bytes()[..]].concat()
}

/// The last entry of a chain that is signed, and the checkpoint that signed it.
fn signed(store: &Store, chain: ChainId) -> Result<(u64, u64), Error> {
    let stored = store.get(Family::Meta, &signed_key(chain))?;
    let parts = stored.as_deref().and_then(|bytes| {
        let (sequence, number) = bytes.split_first_chunk()?;
        Some((u64::from_be_bytes(*sequence), u64::from_be_bytes(number.try_into().ok()?)))
    });
    Ok(parts.unwrap_or_default())
}

/// Now, in nanoseconds since 1970-01-01 UTC.
pub(crate) fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
