use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// What the gateway stores in place of a password: `SCRAM-SHA-256$<iterations>:<salt>$<stored>:<server>`, as in `pg_authid.rolpassword`
/// (RFC 5802, section 3; PostgreSQL documentation, pg_authid). It lets a client prove the password; it is not the password.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramVerifier {
    /// PBKDF2 rounds, at least 1.
    pub iterations: u32,
    /// The salt.
    pub salt: Vec<u8>,
    /// SHA-256 of the client key.
    pub stored_key: [u8; 32],
    /// The server key.
    pub server_key: [u8; 32],
}

impl fmt::Debug for ScramVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramVerifier").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

impl fmt::Display for ScramVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (salt, stored, server) =
            (STANDARD.encode(&self.salt), STANDARD.encode(self.stored_key), STANDARD.encode(self.server_key));
        write!(f, "SCRAM-SHA-256${}:{salt}${stored}:{server}", self.iterations)
    }
}

/// The text is not a SCRAM-SHA-256 verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifierError;

impl fmt::Display for VerifierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a verifier of the form SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>")
    }
}

impl std::error::Error for VerifierError {}

impl FromStr for ScramVerifier {
    type Err = VerifierError;

    fn from_str(text: &str) -> Result<Self, VerifierError> {
        let rest = text.trim().strip_prefix("SCRAM-SHA-256$").ok_or(VerifierError)?;
        let (head, keys) = rest.split_once('$').ok_or(VerifierError)?;
        let (iterations, salt) = head.split_once(':').ok_or(VerifierError)?;
        let (stored, server) = keys.split_once(':').ok_or(VerifierError)?;
        let key = |text: &str| -> Result<[u8; 32], VerifierError> {
            STANDARD.decode(text).ok().and_then(|b| b.try_into().ok()).ok_or(VerifierError)
        };
        let iterations = iterations.parse().ok().filter(|n| (1..=10_000_000).contains(n)).ok_or(VerifierError)?;
        let salt = STANDARD.decode(salt).ok().filter(|s| !s.is_empty() && s.len() <= 1024).ok_or(VerifierError)?;
        Ok(ScramVerifier { iterations, salt, stored_key: key(stored)?, server_key: key(server)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_reads_back_as_written_and_bad_ones_are_refused() {
        let v = ScramVerifier { iterations: 4096, salt: vec![7; 16], stored_key: [1; 32], server_key: [2; 32] };
        assert_eq!(v.to_string().parse::<ScramVerifier>().unwrap(), v);
        for bad in
            ["", "SCRAM-SHA-256$", "SCRAM-SHA-256$0:AA==$AA==:AA==", "md5abc", "SCRAM-SHA-256$4096:AA==$AA==:AA=="]
        {
            assert!(bad.parse::<ScramVerifier>().is_err(), "{bad}");
        }
    }
}
