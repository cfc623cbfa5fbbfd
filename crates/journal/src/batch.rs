//! One stored value: a run of consecutive entries of one chain.
//!
//! `version (1) | hash of the entry before the first (32)`, then for each entry `length (4, little endian) | check (8) | bytes`. `check` is the start
//! of the entry's hash: it names the very entry that was edited where the hashes after it were not made anew.
//!
//! `hash(n) = BLAKE3-keyed(domain, chain (16) | n (8) | hash(n-1) (32) | length (8) | bytes)`: no entry can be moved to another place or chain.

use querygate_record::Digest;

use crate::{chain_id::ChainId, codec::Malformed};

/// A value is closed at this size, bytes; a single larger entry makes a value of its own.
pub const BATCH_BYTES: usize = 64 << 10;

/// The largest entry, bytes: twice what the largest permitted statement needs, and small enough to be held in memory by every reader.
pub const ENTRY_BYTES_MAX: usize = 16 << 20;

const VERSION: u8 = 1;
const FRAME_HEAD: usize = 4 + CHECK;
const CHECK: usize = 8;
const HASH_DOMAIN: &[u8; 32] = b"querygate log: entry, version 1.";

/// The hash of one entry, which covers all before it.
pub(crate) fn hash_entry(chain: ChainId, sequence: u64, previous: &Digest, bytes: &[u8]) -> Digest {
    let mut hasher = blake3::Hasher::new_keyed(HASH_DOMAIN);
    // One block of BLAKE3, filled first: each call of `update` costs as much as half a block.
    let mut head = [0; 64];
    let (id, rest) = head.split_at_mut(16);
    let (number, rest) = rest.split_at_mut(8);
    let (before, length) = rest.split_at_mut(32);
    id.copy_from_slice(chain.0.as_bytes());
    number.copy_from_slice(&sequence.to_le_bytes());
    before.copy_from_slice(&previous.0);
    length.copy_from_slice(&(bytes.len() as u64).to_le_bytes());
    hasher.update(&head).update(bytes);
    Digest(*hasher.finalize().as_bytes())
}

/// A value being filled.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    bytes: Vec<u8>,
    /// Number of its first entry.
    pub first: u64,
    /// How many it holds.
    pub entries: u64,
}

impl Builder {
    /// Starts over after `previous`, keeping the memory.
    pub fn start(&mut self, first: u64, previous: &Digest) {
        self.bytes.clear();
        self.bytes.push(VERSION);
        self.bytes.extend_from_slice(&previous.0);
        self.first = first;
        self.entries = 0;
    }

    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn is_full(&self) -> bool {
        self.bytes.len() >= BATCH_BYTES
    }

    /// Gives back memory that an unusually large entry took.
    pub fn shrink(&mut self) {
        self.bytes.shrink_to(BATCH_BYTES * 2);
    }

    /// Adds one entry whose bytes `write` appends; returns its hash. On an error the value is as before.
    pub fn push(
        &mut self,
        chain: ChainId,
        sequence: u64,
        previous: &Digest,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), Malformed>,
    ) -> Result<Digest, PushError> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; FRAME_HEAD]);
        let body = start + FRAME_HEAD;
        let written = write(&mut self.bytes).map_err(|_| PushError::Encoding);
        let size = self.bytes.len() - body;
        let fits = if size > ENTRY_BYTES_MAX { Err(PushError::TooLarge(size)) } else { Ok(()) };
        if let Err(error) = written.and(fits) {
            self.bytes.truncate(start);
            return Err(error);
        }
        let (head, bytes) = self.bytes.split_at_mut(body);
        let hash = hash_entry(chain, sequence, previous, bytes);
        let length = (size as u32).to_le_bytes();
        let frame = head.iter_mut().skip(start);
        frame.zip(length.iter().chain(&hash.0)).for_each(|(to, from)| *to = *from);
        self.entries += 1;
        Ok(hash)
    }
}

/// Why an entry was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PushError {
    TooLarge(usize),
    Encoding,
}

/// One entry of a stored value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    pub sequence: u64,
    pub previous: Digest,
    pub hash: Digest,
    pub bytes: &'a [u8],
    /// Whether the stored start of the hash agrees.
    pub intact: bool,
}

/// Reads a stored value, computing each entry's hash.
#[derive(Clone, Debug)]
pub(crate) struct Frames<'a> {
    chain: ChainId,
    next: u64,
    previous: Digest,
    parts: Parts<'a>,
}

impl<'a> Frames<'a> {
    /// Takes the value's head off.
    pub fn parse(chain: ChainId, first: u64, value: &'a [u8]) -> Result<Frames<'a>, Malformed> {
        let (previous, parts) = Parts::parse(value)?;
        Ok(Frames { chain, next: first, previous, parts })
    }

    /// The hash of the entry before the next one: as stored, then as computed from the entries read.
    pub fn previous(&self) -> Digest {
        self.previous
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let (check, bytes) = match self.parts.next()? {
            Ok(part) => part,
            Err(error) => return Some(Err(error)),
        };
        let sequence = self.next;
        let Some(next) = sequence.checked_add(1) else {
            self.parts.rest = &[];
            return Some(Err(Malformed("an entry numbered past the end")));
        };
        self.next = next;
        let hash = hash_entry(self.chain, sequence, &self.previous, bytes);
        let previous = std::mem::replace(&mut self.previous, hash);
        Some(Ok(Frame { sequence, previous, hash, bytes, intact: hash.0.starts_with(check) }))
    }
}

/// Reads a stored value without hashing: the start of each entry's hash as stored, and its bytes.
#[derive(Clone, Debug)]
pub(crate) struct Parts<'a> {
    rest: &'a [u8],
}

impl<'a> Parts<'a> {
    /// Takes the value's head off: the hash before the first entry, and the entries.
    pub fn parse(value: &'a [u8]) -> Result<(Digest, Parts<'a>), Malformed> {
        let (&version, rest) = value.split_first().ok_or(Malformed("empty"))?;
        if version != VERSION {
            return Err(Malformed("of a format that this version does not know"));
        }
        let (previous, rest) = rest.split_first_chunk().ok_or(Malformed("cut short"))?;
        if rest.is_empty() {
            return Err(Malformed("without entries"));
        }
        Ok((Digest(*previous), Parts { rest }))
    }

    fn read(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let (length, rest) = self.rest.split_first_chunk()?;
        let (check, rest) = rest.split_at_checked(CHECK)?;
        let (bytes, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        self.rest = rest;
        Some((check, bytes))
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Result<(&'a [u8], &'a [u8]), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let part = self.read();
        if part.is_none() {
            self.rest = &[];
        }
        Some(part.ok_or(Malformed("cut short")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chain() -> ChainId {
        ChainId(uuid::Uuid::from_u128(7))
    }

    fn build(bodies: &[Vec<u8>]) -> (Builder, Digest) {
        let mut builder = Builder::default();
        let mut head = Digest::default();
        builder.start(1, &head);
        for (i, body) in bodies.iter().enumerate() {
            head = builder
                .push(chain(), i as u64 + 1, &head, |out| {
                    out.extend_from_slice(body);
                    Ok(())
                })
                .unwrap();
        }
        (builder, head)
    }

    proptest! {
        #[test]
        fn a_batch_reads_back_as_written(bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..20)) {
            let (builder, head) = build(&bodies);
            let frames: Vec<_> = Frames::parse(chain(), 1, builder.bytes()).unwrap().map(Result::unwrap).collect();
            prop_assert!(frames.iter().all(|f| f.intact));
            prop_assert_eq!(frames.iter().map(|f| f.bytes.to_vec()).collect::<Vec<_>>(), bodies);
            prop_assert_eq!(frames.last().unwrap().hash, head);
        }

        #[test]
        fn an_edited_byte_never_leaves_the_head_as_it_was(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 1..10), at in any::<prop::sample::Index>(), bit in 0u8..8,
        ) {
            let (builder, head) = build(&bodies);
            let mut bytes = builder.bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let noticed = match Frames::parse(chain(), 1, &bytes) {
                Err(_) => true,
                Ok(frames) => {
                    let before = frames.previous();
                    let read: Vec<_> = frames.collect();
                    before != Digest::default() || read.iter().any(|f| !matches!(f, Ok(f) if f.intact))
                        || read.last().is_none_or(|f| f.as_ref().unwrap().hash != head)
                }
            };
            prop_assert!(noticed);
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), first in any::<u64>()) {
            if let Ok(frames) = Frames::parse(chain(), first, &bytes) {
                frames.for_each(drop);
            }
        }
    }

    #[test]
    fn an_entry_over_the_limit_is_refused_and_leaves_the_batch_alone() {
        let (mut builder, head) = build(&[vec![1], vec![2]]);
        let before = builder.bytes().to_vec();
        let refused = builder.push(chain(), 3, &head, |out| {
            out.resize(out.len() + ENTRY_BYTES_MAX + 1, 0);
            Ok(())
        });
        assert_eq!(refused, Err(PushError::TooLarge(ENTRY_BYTES_MAX + 1)));
        assert_eq!((builder.bytes(), builder.entries), (&before[..], 2));
    }
}
