//! What the first entries of chains say of everything that was written before them.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;
use querygate_record::Digest;

use crate::{
    Bad, Error, Place,
    chain_id::{ChainId, Head},
    codec::{Content, Malformed, Raw},
    resolve::with_entry,
    store::Store,
};

/// The heads and checkpoints that first entries name, each until it was seen. A claim that is not met is only told when nothing else is wrong: the entry
/// that claims may be the one that was changed.
#[derive(Default)]
pub(crate) struct Claims {
    heads: HashMap<ChainId, BTreeMap<u64, (Digest, ChainId)>, RandomState>,
    checkpoints: BTreeMap<u64, (Digest, ChainId)>,
    unmet: Option<Bad>,
}

impl Claims {
    /// Reads the first entry of every chain. One that cannot be read is left to the check of its chain.
    pub fn read(store: &Store, chains: &[ChainId]) -> Result<Claims, Error> {
        let mut claims = Claims::default();
        for chain in chains {
            let Ok(Some(Content::Opening(opening))) =
                with_entry(store, *chain, 1, |_, raw: &Raw<'_>| -> Result<_, Malformed> { raw.decode() })
            else {
                continue;
            };
            for head in opening.heads {
                claims.heads.entry(head.chain).or_default().insert(head.sequence, (head.hash, *chain));
            }
            if opening.checkpoint > 0 {
                claims.checkpoints.insert(opening.checkpoint, (opening.checkpoint_hash, *chain));
            }
        }
        Ok(claims)
    }

    /// Compares an entry with what is said of it.
    pub fn entry(&mut self, head: Head) {
        if self.heads.is_empty() {
            return;
        }
        let claim = self.heads.get_mut(&head.chain).and_then(|claims| claims.remove(&head.sequence));
        if let Some((hash, by)) = claim
            && hash != head.hash
        {
            self.miss(head.chain, head.sequence, by);
        }
    }

    /// Compares a checkpoint with what is said of it.
    pub fn checkpoint(&mut self, number: u64, hash: Digest) {
        if let Some((claimed, by)) = self.checkpoints.remove(&number)
            && claimed != hash
        {
            let why = format!("it is not the one that the first entry of chain {by} names");
            self.unmet.get_or_insert(Bad { place: Place::Checkpoint { number }, why });
        }
    }

    /// What is still open when everything up to checkpoint `last` was seen.
    pub fn settle(&mut self, last: u64) -> Result<(), Bad> {
        let open = self.heads.iter().find_map(|(chain, claims)| {
            let (sequence, (_, by)) = claims.iter().next()?;
            Some((*chain, *sequence, *by))
        });
        if let Some((chain, sequence, by)) = open {
            self.miss(chain, sequence, by);
        }
        if let Some((number, (_, by))) = self.checkpoints.iter().next() {
            let why = format!("it is missing (the log has {last}); the first entry of chain {by} names it");
            self.unmet.get_or_insert(Bad { place: Place::Checkpoint { number: *number }, why });
        }
        self.unmet.take().map_or(Ok(()), Err)
    }

    fn miss(&mut self, chain: ChainId, sequence: u64, by: ChainId) {
        let why = format!("it is not as the first entry of chain {by} says");
        self.unmet.get_or_insert(Bad { place: Place::Entry { chain, sequence, through: sequence }, why });
    }
}
