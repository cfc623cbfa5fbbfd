//! Proofs of a password, by plugin: what a client computes, and how a server checks it.
//!
//! (MySQL Internals, "Authentication Methods"; MySQL 8.0 source, `sha2_password_common.cc`.)

use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// SHA-1 twice; servers before 8.0.
pub const NATIVE: &str = "mysql_native_password";
/// SHA-256 twice, and the password itself over TLS where the server has no digest of it yet.
pub const CACHING_SHA2: &str = "caching_sha2_password";
/// The password itself: over TLS only.
pub const CLEAR: &str = "mysql_clear_password";

/// `caching_sha2_password`: the server knows a digest and the proof was right.
pub const FAST_OK: u8 = 3;
/// `caching_sha2_password`: the server wants the password itself.
pub const FULL: u8 = 4;

/// A client's proof for [`NATIVE`]: empty for an empty password.
pub fn native_proof(password: &[u8], nonce: &[u8]) -> Vec<u8> {
    if password.is_empty() {
        return Vec::new();
    }
    let once: [u8; 20] = Sha1::digest(password).into();
    let twice: [u8; 20] = Sha1::digest(once).into();
    let mixed: [u8; 20] = Sha1::new().chain_update(nonce).chain_update(twice).finalize().into();
    once.iter().zip(mixed).map(|(a, b)| a ^ b).collect()
}

/// A client's proof for [`CACHING_SHA2`]: empty for an empty password.
pub fn caching_sha2_proof(password: &[u8], nonce: &[u8]) -> Vec<u8> {
    if password.is_empty() {
        return Vec::new();
    }
    let once: [u8; 32] = Sha256::digest(password).into();
    let mixed = mixed(&Sha256::digest(once).into(), nonce);
    once.iter().zip(mixed).map(|(a, b)| a ^ b).collect()
}

fn mixed(twice: &[u8; 32], nonce: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(twice).chain_update(nonce).finalize().into()
}

/// What a server keeps of a password to check [`CACHING_SHA2`] proofs: SHA-256 of its SHA-256. It is not the password, but whoever has
/// it and sees one exchange can log in: keep it in memory only.
#[derive(Clone, PartialEq, Eq)]
pub struct Sha2Digest([u8; 32]);

impl std::fmt::Debug for Sha2Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sha2Digest(..)")
    }
}

impl Sha2Digest {
    /// Of a password.
    pub fn of(password: &[u8]) -> Sha2Digest {
        let once: [u8; 32] = Sha256::digest(password).into();
        Sha2Digest(Sha256::digest(once).into())
    }

    /// Whether a client's proof under a nonce was made from the password.
    pub fn proves(&self, proof: &[u8], nonce: &[u8]) -> bool {
        if proof.len() != 32 {
            return false;
        }
        let once: Vec<u8> = proof.iter().zip(mixed(&self.0, nonce)).map(|(a, b)| a ^ b).collect();
        let twice: [u8; 32] = Sha256::digest(once).into();
        bool::from(twice.ct_eq(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &[u8] = b"eF!@34gH%^78abcdefgh";

    #[test]
    fn a_proof_is_right_for_its_password_and_nonce_alone() {
        let digest = Sha2Digest::of(b"secret");
        assert!(digest.proves(&caching_sha2_proof(b"secret", NONCE), NONCE));
        assert!(!digest.proves(&caching_sha2_proof(b"Secret", NONCE), NONCE));
        assert!(!digest.proves(&caching_sha2_proof(b"secret", b"another nonce"), NONCE));
        for wrong in [&b""[..], &[0; 31], &[0; 33], &[0; 32]] {
            assert!(!digest.proves(wrong, NONCE));
        }
    }

    #[test]
    fn an_empty_password_has_an_empty_proof_that_proves_nothing() {
        assert!(caching_sha2_proof(b"", NONCE).is_empty() && native_proof(b"", NONCE).is_empty());
        assert!(!Sha2Digest::of(b"").proves(b"", NONCE));
    }

    #[test]
    fn the_native_proof_is_what_the_server_undoes() {
        // As `check_scramble` does: SHA1(proof XOR SHA1(nonce + SHA1(SHA1(password)))) is SHA1(SHA1(password)).
        let proof = native_proof(b"secret", NONCE);
        let stored: [u8; 20] = Sha1::digest(Sha1::digest(b"secret")).into();
        let mixed: [u8; 20] = Sha1::new().chain_update(NONCE).chain_update(stored).finalize().into();
        let once: Vec<u8> = proof.iter().zip(mixed).map(|(a, b)| a ^ b).collect();
        assert_eq!(<[u8; 20]>::from(Sha1::digest(once)), stored);
    }
}
