use std::{collections::BTreeMap, fmt, path::Path};

use querygate_record::Digest;

use crate::{
    Checkpoint, Error, PublicKey, Reader,
    batch::Frames,
    chain_id::{ChainId, Head},
    claims::Claims,
    codec::{Kind, Malformed, Raw},
    reader::LOOKS_MAX,
    run,
    store::{Family, Store},
};

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Entries read and found to follow one another, up to the first bad one.
    pub entries: u64,
    /// Chains.
    pub chains: u64,
    /// Checkpoints with a good signature.
    pub checkpoints: u64,
    /// Entries after the last checkpoint: their hashes agree, but nothing signed would notice if they were cut or made anew.
    pub unsigned: u64,
    /// The first thing that is not as it was written; none when all is well.
    pub first_bad: Option<Bad>,
}

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// Where.
    pub place: Place,
    /// What is wrong, in words.
    pub why: String,
}

/// A place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// An entry; where hashes were made anew after an edit, one of `sequence ..= through`: all that a signature can tell.
    Entry {
        /// The chain.
        chain: ChainId,
        /// The first entry that can be meant.
        sequence: u64,
        /// The last entry that can be meant.
        through: u64,
    },
    /// A checkpoint.
    Checkpoint {
        /// Its number.
        number: u64,
    },
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Entry { chain, sequence, through } if sequence == through => {
                write!(f, "entry {sequence} of chain {chain}: {}", self.why)
            }
            Place::Entry { chain, sequence, through } => {
                write!(f, "one of the entries {sequence} to {through} of chain {chain}: {}", self.why)
            }
            Place::Checkpoint { number } => write!(f, "checkpoint {number}: {}", self.why),
        }
    }
}

/// Verifies the log in a folder, whether or not a gateway writes to it. See [`Reader::verify`].
pub fn verify(folder: &Path, keys: &[PublicKey], kept: Option<&Checkpoint>) -> Result<Report, Error> {
    Reader::open(folder)?.verify(keys, kept)
}

impl Reader {
    /// Checks every entry and every checkpoint. `keys` are the public keys of the gateway, the present one and earlier ones; `kept` is a checkpoint that
    /// was kept elsewhere.
    ///
    /// An edit, removal or reordering of an entry, or a cut, before the last checkpoint (of the log, or the one given) is found, whether or not the hashes
    /// after it were made anew. What no check can tell: entries cut after the last checkpoint that is kept elsewhere, and anything done by the holder of the
    /// signing key.
    pub fn verify(&self, keys: &[PublicKey], kept: Option<&Checkpoint>) -> Result<Report, Error> {
        let mut attempt = 1;
        loop {
            self.refresh()?;
            let mut verifier = Verifier::new(&self.store, keys)?;
            // What first entries say of other chains and of checkpoints is looked for in what was written since, whichever database has it.
            self.refresh()?;
            let first_bad = verifier.run(kept)?.err();
            // Beside a gateway that moves entries from its log file to a table just now, they can be in neither for one look; inside it, entries and
            // checkpoints that are read one after the other can be of different moments.
            if first_bad.is_none() || attempt >= LOOKS_MAX || !run::is_live(self.store.folder()) {
                return Ok(Report { first_bad, ..verifier.report });
            }
            attempt += 1;
        }
    }
}

const ADDED: &str = "it was added after the end of its chain was signed";

/// Whether what was looked at is as it was written; the outer result says whether it could be looked at.
type Checked = Result<Result<(), Bad>, Error>;

macro_rules! check {
    ($checked:expr) => {
        if let Err(bad) = $checked? {
            return Ok(Err(bad));
        }
    };
}

struct Verifier<'a> {
    store: &'a Store,
    keys: &'a [PublicKey],
    walks: BTreeMap<ChainId, Walk>,
    claims: Claims,
    report: Report,
}

/// How far one chain is checked.
#[derive(Default)]
struct Walk {
    last: u64,
    hash: Digest,
    /// The last entry that a checkpoint vouches for.
    signed: u64,
    /// The first entry of the batch that was read last.
    recent: u64,
    /// Whether a checkpoint said that nothing more comes.
    ended: bool,
}

impl<'a> Verifier<'a> {
    fn new(store: &'a Store, keys: &'a [PublicKey]) -> Result<Verifier<'a>, Error> {
        let chains = store.chains()?;
        let claims = Claims::read(store, &chains)?;
        let walks = chains.into_iter().map(|chain| (chain, Walk::default())).collect();
        Ok(Verifier { store, keys, walks, claims, report: Report::default() })
    }

    fn run(&mut self, kept: Option<&Checkpoint>) -> Checked {
        self.report.chains = self.walks.len() as u64;
        let (mut number, mut previous) = (0, Digest::default());
        for pair in self.store.scan(Family::Checkpoints, &[], &[])? {
            let (key, value) = pair?;
            number += 1;
            let checkpoint = match self.read_checkpoint(&key, &value, number, previous) {
                Ok(checkpoint) => checkpoint,
                Err(why) => return Ok(Err(Bad { place: Place::Checkpoint { number }, why })),
            };
            previous = checkpoint.hash();
            if kept.is_some_and(|kept| kept.number == number && kept.hash() != previous) {
                let why = "it is not the one that was kept elsewhere".to_owned();
                return Ok(Err(Bad { place: Place::Checkpoint { number }, why }));
            }
            self.claims.checkpoint(number, previous);
            check!(self.heads(&checkpoint));
            if checkpoint.seals {
                self.walks.values_mut().filter(|walk| walk.signed > 0).for_each(|walk| walk.ended = true);
            }
            self.report.checkpoints += 1;
        }
        if let Some(kept) = kept {
            check!(self.kept(kept, number));
        }
        check!(self.rest());
        Ok(self.claims.settle(number))
    }

    fn read_checkpoint(&self, key: &[u8], value: &[u8], number: u64, previous: Digest) -> Result<Checkpoint, String> {
        if key != number.to_be_bytes() {
            return Err("it is missing".to_owned());
        }
        let checkpoint = Checkpoint::decode(value).map_err(|e| format!("it is {}", e.0))?;
        if checkpoint.number != number {
            return Err(format!("it says that it is checkpoint {}", checkpoint.number));
        }
        if !checkpoint.is_signed_by(self.keys) {
            return Err(format!("its signature by key {} does not verify under the public keys given", checkpoint.key));
        }
        if checkpoint.previous != previous {
            return Err("it does not follow the checkpoint before it".to_owned());
        }
        Ok(checkpoint)
    }

    /// Checks every chain up to the heads of a checkpoint.
    fn heads(&mut self, checkpoint: &Checkpoint) -> Checked {
        for head in &checkpoint.heads {
            let bad = |sequence: u64, why: &str| {
                let place = Place::Entry { chain: head.chain, sequence, through: head.sequence.max(sequence) };
                Ok(Err(Bad { place, why: format!("{why} (checkpoint {})", checkpoint.number) }))
            };
            let Some(mut walk) = self.take_walk(head.chain)? else {
                return bad(1, "the whole chain is missing");
            };
            let walked = self.walk(head.chain, &mut walk, head.sequence);
            let Walk { last, hash, signed, ended, .. } = walk;
            walk.signed = walk.signed.max(head.sequence);
            self.walks.insert(head.chain, walk);
            check!(walked);
            if ended && head.sequence > signed {
                return bad(signed + 1, ADDED);
            }
            if last < head.sequence {
                return bad(last + 1, "it was cut off");
            }
            if last > head.sequence || hash != head.hash {
                return bad(
                    signed + 1,
                    "it was changed and the hashes after it made anew, for they are not the signed ones",
                );
            }
        }
        Ok(Ok(()))
    }

    /// A chain's walk, which may have been opened since the chains were listed.
    fn take_walk(&mut self, chain: ChainId) -> Result<Option<Walk>, Error> {
        if let Some(walk) = self.walks.remove(&chain) {
            return Ok(Some(walk));
        }
        let exists = self.store.batch_at(chain, u64::MAX)?.is_some();
        Ok(exists.then(Walk::default))
    }

    /// Checks what a checkpoint that was kept elsewhere says, where the log has fewer.
    fn kept(&mut self, kept: &Checkpoint, last: u64) -> Checked {
        let bad = |why: &str| Ok(Err(Bad { place: Place::Checkpoint { number: kept.number }, why: why.to_owned() }));
        if !kept.is_signed_by(self.keys) {
            return bad("the checkpoint that was kept elsewhere does not verify under the public keys given");
        }
        if kept.number <= last {
            return Ok(Ok(()));
        }
        check!(self.heads(kept));
        bad("it was made, for it was kept elsewhere, but the log no longer has it")
    }

    /// Checks what no checkpoint vouches for.
    fn rest(&mut self) -> Checked {
        let chains: Vec<ChainId> = self.walks.keys().copied().collect();
        for chain in chains {
            let mut walk = self.walks.remove(&chain).unwrap_or_default();
            check!(self.walk(chain, &mut walk, u64::MAX));
            let Walk { last, signed, ended, .. } = walk;
            let place = Place::Entry { chain, sequence: signed + 1, through: last.max(signed + 1) };
            if ended && last > signed {
                return Ok(Err(Bad { place, why: ADDED.to_owned() }));
            }
            // The first entry of a chain is signed before there is a second.
            if signed == 0 && last > 1 {
                return Ok(Err(Bad { place, why: "no checkpoint names its chain: it was slipped in".to_owned() }));
            }
            self.report.unsigned += last.saturating_sub(signed);
        }
        Ok(Ok(()))
    }

    /// Reads on in a chain until `to` is read or the chain ends.
    fn walk(&mut self, chain: ChainId, walk: &mut Walk, to: u64) -> Checked {
        if walk.last >= to {
            return Ok(Ok(()));
        }
        let next = if walk.last == 0 { 0 } else { walk.recent + 1 };
        for batch in self.store.batches(&chain, next)? {
            let (first, value) = batch?;
            if let Err(bad) = self.batch(chain, walk, first, &value) {
                return Ok(Err(bad));
            }
            if walk.last >= to {
                break;
            }
        }
        Ok(Ok(()))
    }

    fn batch(&mut self, chain: ChainId, walk: &mut Walk, first: u64, value: &[u8]) -> Result<(), Bad> {
        let bad = |sequence: u64, through: u64, why: &str| Bad {
            place: Place::Entry { chain, sequence, through: through.max(sequence) },
            why: why.to_owned(),
        };
        let expected = walk.last + 1;
        if first < expected {
            return Err(bad(first, first, "it is there twice"));
        }
        if first > expected {
            return Err(bad(expected, first.saturating_sub(1), "it is missing"));
        }
        let frames = Frames::parse(chain, first, value)
            .map_err(|error| bad(first, first, &format!("its batch is {}", error.0)))?;
        let follows = frames.previous() == walk.hash;
        let recent = std::mem::replace(&mut walk.recent, first);
        for frame in frames {
            let sequence = walk.last + 1;
            let malformed = |error: Malformed| bad(sequence, sequence, &format!("it is {}", error.0));
            let frame = frame.map_err(malformed)?;
            if !frame.intact {
                return Err(bad(sequence, sequence, "it was changed or is not in its place"));
            }
            if !follows {
                return Err(bad(recent, walk.last, "it was changed, for the entries after it followed another"));
            }
            let raw = Raw::parse(frame.bytes).map_err(malformed)?;
            if (sequence == 1) != (raw.kind == Kind::Opening) {
                return Err(bad(sequence, sequence, "a chain opens with its first entry and with no other"));
            }
            (walk.last, walk.hash) = (sequence, frame.hash);
            self.claims.entry(Head { chain, sequence, hash: frame.hash });
            self.report.entries += 1;
        }
        Ok(())
    }
}
