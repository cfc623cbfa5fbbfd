use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, Signer, VerifyingKey};
use querygate_record::Digest;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    Keys, PublicKey,
    chain_id::{ChainId, Head},
    codec::Malformed,
};

/// A signed statement of how far every chain had come: the heads that changed since the checkpoint before it, which it names by its hash. So one
/// checkpoint stands for all entries up to its time. Kept elsewhere (`to_json`), it proves that nothing before it was changed or cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its number, from 1.
    pub number: u64,
    /// When it was made, nanoseconds since 1970-01-01 UTC.
    pub time_ns: i64,
    /// The hash of the checkpoint before it; zeros for the first.
    pub previous: Digest,
    /// Whether every chain that this or an earlier checkpoint names has ended: nothing may be added to them any more.
    pub seals: bool,
    /// Heads that changed since then.
    pub heads: Vec<Head>,
    /// The id of the key that signed it.
    pub key: String,
    /// Ed25519 over [`Checkpoint::content`].
    pub signature: [u8; 64],
}

/// Heads in one checkpoint; more chains than this changed in one interval is no gateway that we know.
pub(crate) const HEADS_MAX: usize = 65_536;
const VERSION: u8 = 1;
const SIGNED_DOMAIN: &[u8] = b"querygate log: checkpoint, version 1.";
const HASH_DOMAIN: &[u8; 32] = b"querygate log: checkpoint hash 1";
const KEY_ID_MAX: usize = 64;

impl Checkpoint {
    pub(crate) fn sign(mut self, keys: &Keys) -> Checkpoint {
        self.signature = keys.signing.sign(&self.content()).to_bytes();
        self
    }

    /// The bytes that are signed: a fixed text, number, time, previous hash, whether it seals, key id and heads; integers little endian, lists preceded by their length.
    pub fn content(&self) -> Vec<u8> {
        let mut out = SIGNED_DOMAIN.to_vec();
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.time_ns.to_le_bytes());
        out.extend_from_slice(&self.previous.0);
        out.push(u8::from(self.seals));
        out.extend_from_slice(&(self.key.len() as u32).to_le_bytes());
        out.extend_from_slice(self.key.as_bytes());
        out.extend_from_slice(&(self.heads.len() as u32).to_le_bytes());
        for Head { chain, sequence, hash } in &self.heads {
            out.extend_from_slice(chain.0.as_bytes());
            out.extend_from_slice(&sequence.to_le_bytes());
            out.extend_from_slice(&hash.0);
        }
        out
    }

    /// The hash by which the next checkpoint names this one.
    pub fn hash(&self) -> Digest {
        Digest(*blake3::keyed_hash(HASH_DOMAIN, &self.content()).as_bytes())
    }

    /// Whether one of the keys signed it.
    pub fn is_signed_by(&self, keys: &[PublicKey]) -> bool {
        let signature = Signature::from_bytes(&self.signature);
        let content = self.content();
        let signs = |key: &VerifyingKey| key.verify_strict(&content, &signature).is_ok();
        keys.iter().any(|key| key.id() == self.key && signs(&key.0))
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.signature);
        out.extend_from_slice(&self.content());
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Checkpoint, Malformed> {
        let (&version, rest) = bytes.split_first().ok_or(Malformed("empty"))?;
        if version != VERSION {
            return Err(Malformed("of a format that this version does not know"));
        }
        Checkpoint::read(rest).ok_or(Malformed("cut short or malformed"))
    }

    fn read(bytes: &[u8]) -> Option<Checkpoint> {
        let (signature, rest) = bytes.split_first_chunk::<64>()?;
        let rest = rest.strip_prefix(SIGNED_DOMAIN)?;
        let (number, rest) = rest.split_first_chunk()?;
        let (time, rest) = rest.split_first_chunk()?;
        let (previous, rest) = rest.split_first_chunk()?;
        let (&seals, rest) = rest.split_first().filter(|(seals, _)| **seals <= 1)?;
        let (length, rest) = rest.split_first_chunk()?;
        let length = u32::from_le_bytes(*length) as usize;
        let (key, rest) = rest.split_at_checked(length.min(KEY_ID_MAX + 1))?;
        let (count, mut rest) = rest.split_first_chunk()?;
        let count = u32::from_le_bytes(*count) as usize;
        if length > KEY_ID_MAX || count > HEADS_MAX {
            return None;
        }
        let mut heads = Vec::with_capacity(count.min(rest.len() / 56));
        for _ in 0..count {
            let (chain, after) = rest.split_first_chunk()?;
            let (sequence, after) = after.split_first_chunk()?;
            let (hash, after) = after.split_first_chunk()?;
            let (chain, sequence) = (ChainId(Uuid::from_bytes(*chain)), u64::from_le_bytes(*sequence));
            heads.push(Head { chain, sequence, hash: Digest(*hash) });
            rest = after;
        }
        rest.is_empty().then_some(Checkpoint {
            number: u64::from_le_bytes(*number),
            time_ns: i64::from_le_bytes(*time),
            previous: Digest(*previous),
            seals: seals == 1,
            heads,
            key: String::from_utf8(key.to_vec()).ok()?,
            signature: *signature,
        })
    }

    /// The checkpoint as one JSON object, to be kept elsewhere.
    pub fn to_json(&self) -> String {
        serde_json::to_string(&Exported::from(self)).unwrap_or_default()
    }

    /// Reads what [`Checkpoint::to_json`] wrote; none if it is not one.
    pub fn from_json(text: &str) -> Option<Checkpoint> {
        serde_json::from_str::<Exported>(text).ok().and_then(Exported::into_checkpoint)
    }
}

#[derive(Serialize, Deserialize)]
struct Exported {
    version: u8,
    number: u64,
    time_ns: i64,
    previous: String,
    seals: bool,
    heads: Vec<ExportedHead>,
    key: String,
    signature: String,
}

#[derive(Serialize, Deserialize)]
struct ExportedHead {
    chain: String,
    sequence: u64,
    hash: String,
}

impl From<&Checkpoint> for Exported {
    fn from(c: &Checkpoint) -> Exported {
        let head =
            |h: &Head| ExportedHead { chain: h.chain.to_string(), sequence: h.sequence, hash: h.hash.to_string() };
        Exported {
            version: VERSION,
            number: c.number,
            time_ns: c.time_ns,
            previous: c.previous.to_string(),
            seals: c.seals,
            heads: c.heads.iter().map(head).collect(),
            key: c.key.clone(),
            signature: STANDARD.encode(c.signature),
        }
    }
}

impl Exported {
    fn into_checkpoint(self) -> Option<Checkpoint> {
        if self.version != VERSION || self.heads.len() > HEADS_MAX {
            return None;
        }
        let head = |h: ExportedHead| {
            Some(Head { chain: h.chain.parse().ok()?, sequence: h.sequence, hash: digest_from_hex(&h.hash)? })
        };
        Some(Checkpoint {
            number: self.number,
            time_ns: self.time_ns,
            previous: digest_from_hex(&self.previous)?,
            seals: self.seals,
            heads: self.heads.into_iter().map(head).collect::<Option<_>>()?,
            key: self.key,
            signature: STANDARD.decode(self.signature).ok()?.try_into().ok()?,
        })
    }
}

fn digest_from_hex(text: &str) -> Option<Digest> {
    let hash = blake3::Hash::from_hex(text).ok()?;
    Some(Digest(*hash.as_bytes()))
}
