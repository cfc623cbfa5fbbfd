use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use querygate_record::ScramVerifier;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::Error;

/// PBKDF2 rounds of every verifier: Postgres's default (`scram_iterations`). One number for all, because an account that answered
/// with another number than an unknown one would show that it exists.
pub const ITERATIONS: u32 = 4096;

/// Bytes of every salt, as in Postgres (`SCRAM_DEFAULT_SALT_LEN`); one number for the same reason as [`ITERATIONS`].
pub(crate) const SALT_BYTES: usize = 16;

/// Longest secret, in bytes, that is accepted or even hashed.
pub const MAX_SECRET_BYTES: usize = 512;

/// Shortest secret, in bytes, that an account may be given.
pub const MIN_SECRET_BYTES: usize = 8;

/// Random bytes of a made secret; 32 characters when written.
const MADE_SECRET_BYTES: usize = 24;

/// What an account is to be checked against: the secret itself, or a verifier made elsewhere.
#[derive(Clone, Debug)]
pub enum Credential {
    /// The secret; only a verifier of it is kept.
    Secret(SecretString),
    /// A verifier, as in Postgres's `pg_authid.rolpassword`.
    Verifier(ScramVerifier),
}

impl Credential {
    /// Reads the contents of a secret file: a verifier if it looks like one, else the secret, without its final line break.
    ///
    /// # Errors
    /// The text starts like a verifier and isn't one.
    pub fn parse(text: &str) -> Result<Credential, querygate_record::VerifierError> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.starts_with("SCRAM-SHA-256$") {
            return text.parse().map(Credential::Verifier);
        }
        Ok(Credential::Secret(SecretString::from(text)))
    }

    /// The verifier to keep for account `name`; a secret is hashed with `salt`.
    pub(crate) fn into_verifier(self, name: &str, salt: &[u8; SALT_BYTES]) -> Result<ScramVerifier, Error> {
        let refuse = |why: String| Err(Error::Secret { name: name.to_owned(), why });
        match self {
            Credential::Secret(secret) => match secret.expose_secret() {
                s if s.len() < MIN_SECRET_BYTES => refuse(format!("it is shorter than {MIN_SECRET_BYTES} bytes")),
                s if s.len() > MAX_SECRET_BYTES => refuse(format!("it is longer than {MAX_SECRET_BYTES} bytes")),
                s if s.contains('\0') => refuse("it holds a zero byte, which no client can send".to_owned()),
                s => Ok(verifier(s, salt)),
            },
            Credential::Verifier(v) if v.iterations != ITERATIONS || v.salt.len() != SALT_BYTES => refuse(format!(
                "its verifier has {} rounds and {} bytes of salt where all accounts here have {ITERATIONS} and {SALT_BYTES}, \
                 so that a log-in does not show which names exist",
                v.iterations,
                v.salt.len(),
            )),
            Credential::Verifier(v) => Ok(v),
        }
    }
}

/// A new random secret, safe in URLs and shells.
pub(crate) fn make_secret() -> Result<SecretString, Error> {
    let mut bytes = Zeroizing::new([0; MADE_SECRET_BYTES]);
    getrandom::fill(bytes.as_mut())?;
    Ok(SecretString::from(URL_SAFE_NO_PAD.encode(bytes.as_ref())))
}

/// Whether `secret` is the one that `verifier` was made from. Takes the same time for every secret of one length.
pub(crate) fn matches(secret: &str, verifier: &ScramVerifier) -> Choice {
    let keys = Keys::derive(secret, &verifier.salt, verifier.iterations);
    keys.stored.ct_eq(&verifier.stored_key) & keys.server.ct_eq(&verifier.server_key)
}

/// The verifier of `secret` under `salt`.
pub(crate) fn verifier(secret: &str, salt: &[u8]) -> ScramVerifier {
    let keys = Keys::derive(secret, salt, ITERATIONS);
    ScramVerifier { iterations: ITERATIONS, salt: salt.to_vec(), stored_key: keys.stored, server_key: keys.server }
}

/// What RFC 5802, section 3 derives from a secret.
struct Keys {
    stored: [u8; 32],
    server: [u8; 32],
}

impl Keys {
    fn derive(secret: &str, salt: &[u8], iterations: u32) -> Keys {
        let secret = prepare(secret);
        let salted = Zeroizing::new(pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(secret.as_bytes(), salt, iterations));
        let client = Zeroizing::new(hmac_sha256(salted.as_ref(), &[b"Client Key"]));
        Keys { stored: Sha256::digest(client.as_ref()).into(), server: hmac_sha256(salted.as_ref(), &[b"Server Key"]) }
    }
}

/// SASLprep (RFC 4013); a secret that it refuses or leaves empty is taken as it is, as Postgres and its clients do.
fn prepare(secret: &str) -> Zeroizing<String> {
    match stringprep::saslprep(secret) {
        Ok(Cow::Owned(prepared)) if !prepared.is_empty() => Zeroizing::new(prepared),
        _ => Zeroizing::new(secret.to_owned()),
    }
}

/// HMAC-SHA-256 over the parts, one after the other.
pub(crate) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes keys of any length; the error exists for other MACs.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_is_the_one_of_rfc_7677() {
        // RFC 7677, section 3: user "user", password "pencil"; the server's final message proves the server key.
        let salt = base64::engine::general_purpose::STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let made = verifier("pencil", &salt);
        let messages = b"n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
            s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let signature = hmac_sha256(&made.server_key, &[messages]);
        let signature = base64::engine::general_purpose::STANDARD.encode(signature);
        assert_eq!(signature, "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn a_secret_is_prepared_as_postgres_prepares_it() {
        let same = |a: &str, b: &str| bool::from(matches(a, &verifier(b, &[1; SALT_BYTES])));
        assert!(same("I\u{ad}X", "IX"), "soft hyphen is mapped to nothing");
        assert!(same("\u{2168}", "IX"), "compatibility forms are folded");
        assert!(same("a\u{a0}b", "a b"), "other spaces become spaces");
        assert!(!same("\u{7}", ""), "refused characters: taken as it is");
        assert!(same("\u{ad}", "\u{ad}") && !same("\u{ad}", ""), "empty after mapping: taken as it is");
        assert!(!same("pencil", "Pencil"));
    }

    #[test]
    fn a_secret_file_holds_a_secret_or_a_verifier_and_loses_one_line_break() {
        let secret = |text: &str| match Credential::parse(text) {
            Ok(Credential::Secret(s)) => s.expose_secret().to_owned(),
            other => format!("{other:?}"),
        };
        assert_eq!(secret("hunter2!\n"), "hunter2!");
        assert_eq!(secret("hunter2!\r\n"), "hunter2!");
        assert_eq!(secret(" two \n\n"), " two \n");
        let text = verifier("pencil", &[1; SALT_BYTES]).to_string();
        assert!(matches!(Credential::parse(&format!("{text}\n")), Ok(Credential::Verifier(_))));
        assert!(Credential::parse("SCRAM-SHA-256$nonsense").is_err());
    }
}
