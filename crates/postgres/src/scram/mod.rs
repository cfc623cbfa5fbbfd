//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677, RFC 5929) as Postgres speaks them: [`server`] towards clients, [`client`]
//! towards servers. One type per state, consumed by each step.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use rand::Rng;
use sha2::{Digest, Sha256};

pub mod client;
pub mod server;

/// The mechanism without channel binding.
pub const SCRAM_SHA_256: &str = "SCRAM-SHA-256";
/// The mechanism that binds the exchange to the TLS connection's certificate.
pub const SCRAM_SHA_256_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// The one kind of channel binding in use: a hash of the server's certificate (RFC 5929, section 4).
const END_POINT: &str = "tls-server-end-point";
/// Longest SCRAM message, in bytes. Real ones have a few hundred.
const MESSAGE_MAX: usize = 4096;
/// Random bytes in a nonce: as Postgres has them.
const NONCE_BYTES: usize = 18;
const KEY: usize = 32;
/// SHA-256's block: a key that is padded to it needs no hashing.
const BLOCK: usize = 64;

type Key = [u8; KEY];

/// A nonce in base64, of which no letter has a meaning in SCRAM.
fn nonce() -> String {
    let mut bytes = [0; NONCE_BYTES];
    rand::rng().fill_bytes(&mut bytes);
    STANDARD.encode(bytes)
}

/// HMAC-SHA-256 of the parts in turn.
fn hmac(key: &Key, parts: &[&[u8]]) -> Key {
    let mut block = [0; BLOCK];
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    let mut mac = Hmac::<Sha256>::new(&block.into());
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

fn hash(bytes: &[u8]) -> Key {
    Sha256::digest(bytes).into()
}

fn xor(a: &Key, b: &Key) -> Key {
    let mut result = *a;
    result.iter_mut().zip(b).for_each(|(to, from)| *to ^= from);
    result
}

/// The value of the attribute that the text starts with, and what follows its comma.
fn attribute(text: &str, letter: char) -> Option<(&str, &str)> {
    let rest = text.strip_prefix(letter)?.strip_prefix('=')?;
    Some(rest.split_once(',').unwrap_or((rest, "")))
}

fn decode_key(text: &str) -> Option<Key> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

/// A nonce is printable ASCII without a comma, and not empty.
fn is_nonce(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21..=0x2b | 0x2d..=0x7e))
}

#[cfg(test)]
pub(crate) mod tests;
