//! The exchange with a server, in which the gateway proves its password and the server proves to know it too.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use thiserror::Error;
use zeroize::Zeroizing;

use super::{END_POINT, Key, MESSAGE_MAX, SCRAM_SHA_256, SCRAM_SHA_256_PLUS};

/// Most rounds that a server may ask for. Each costs about half a microsecond, spent by the caller's thread; Postgres's default is 4,096.
pub const ITERATIONS_MAX: u32 = 1_000_000;

/// Longest salt of a server, in bytes. Postgres's have 16.
const SALT_MAX: usize = 1024;

/// Why the exchange failed: each is the server's doing.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScramError {
    /// The message does not follow SCRAM's grammar.
    #[error("the server sent a malformed SCRAM message: {what}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
    },
    /// The server refused the exchange.
    #[error("the server refused the SCRAM exchange")]
    Refused,
    /// More rounds than a server may ask for.
    #[error("the server asks for {iterations} SCRAM iterations; at most {ITERATIONS_MAX} are done")]
    TooManyIterations {
        /// What it asks for.
        iterations: u32,
    },
    /// The server does not know the password's verifier: it is not the server that it claims to be.
    #[error("the server could not prove that it knows the password: it may be an impostor")]
    WrongSignature,
}

/// What is known of the connection that the exchange may be bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Binding {
    /// TLS, and the server offers to bind: the hash of its certificate (RFC 5929).
    EndPoint(Vec<u8>),
    /// No TLS, or its certificate is not known.
    None,
    /// TLS with a known certificate, but the server did not offer to bind.
    NotOffered,
}

impl Binding {
    fn header(&self) -> String {
        match self {
            Binding::EndPoint(_) => format!("p={END_POINT},,"),
            Binding::None => "n,,".to_owned(),
            Binding::NotOffered => "y,,".to_owned(),
        }
    }

    /// The mechanism to choose.
    pub fn mechanism(&self) -> &'static str {
        match self {
            Binding::EndPoint(_) => SCRAM_SHA_256_PLUS,
            Binding::None | Binding::NotOffered => SCRAM_SHA_256,
        }
    }
}

/// Has made the first message; waits for the server's.
pub struct ClientFirst {
    password: Zeroizing<Vec<u8>>,
    binding: Binding,
    pub(super) nonce: String,
}

impl std::fmt::Debug for ClientFirst {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientFirst").finish_non_exhaustive()
    }
}

impl ClientFirst {
    /// A new exchange. The password is prepared by SASLprep where that is possible, else taken as it is, as in Postgres.
    pub fn new(password: &str, binding: Binding) -> ClientFirst {
        let password = match stringprep::saslprep(password) {
            Ok(prepared) => Zeroizing::new(prepared.into_owned().into_bytes()),
            Err(_) => Zeroizing::new(password.as_bytes().to_vec()),
        };
        ClientFirst { password, binding, nonce: super::nonce() }
    }

    /// The client-first-message. The user's name is left out: the server takes that of the start-up packet.
    pub fn message(&self) -> Vec<u8> {
        format!("{}{}", self.binding.header(), self.bare()).into_bytes()
    }

    fn bare(&self) -> String {
        format!("n=,r={}", self.nonce)
    }

    /// Takes the server-first-message; gives the client-final-message and the state that waits for the server's proof.
    pub fn server_first(self, message: &[u8]) -> Result<(Vec<u8>, ClientFinal), ScramError> {
        let server = text(message)?;
        let first = ServerFirst::parse(server)?;
        if first.nonce.len() <= self.nonce.len() || !first.nonce.starts_with(&self.nonce) {
            return Err(ScramError::Malformed { what: "the nonce does not extend the client's" });
        }
        let mut salted = Zeroizing::new([0; 32]);
        pbkdf2::pbkdf2_hmac::<Sha256>(&self.password, &first.salt, first.iterations, &mut *salted);
        let client_key = Zeroizing::new(super::hmac(&salted, &[b"Client Key"]));
        let stored_key = super::hash(&*client_key);

        let mut binding = self.binding.header().into_bytes();
        if let Binding::EndPoint(end_point) = &self.binding {
            binding.extend_from_slice(end_point);
        }
        let without_proof = format!("c={},r={}", STANDARD.encode(binding), first.nonce);
        let auth_message = format!("{},{server},{without_proof}", self.bare());
        let proof = super::xor(&client_key, &super::hmac(&stored_key, &[auth_message.as_bytes()]));
        let server_key = super::hmac(&salted, &[b"Server Key"]);
        let signature = super::hmac(&server_key, &[auth_message.as_bytes()]);
        Ok((format!("{without_proof},p={}", STANDARD.encode(proof)).into_bytes(), ClientFinal { signature }))
    }
}

/// Has sent its proof; waits for the server's.
pub struct ClientFinal {
    signature: Key,
}

impl std::fmt::Debug for ClientFinal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientFinal").finish_non_exhaustive()
    }
}

impl ClientFinal {
    /// Takes the server-final-message and checks the server's proof.
    pub fn server_final(self, message: &[u8]) -> Result<(), ScramError> {
        let text = text(message)?;
        if super::attribute(text, 'e').is_some() {
            return Err(ScramError::Refused);
        }
        let signature = super::attribute(text, 'v').and_then(|(value, _)| super::decode_key(value));
        let signature = signature.ok_or(ScramError::Malformed { what: "the signature is missing" })?;
        match bool::from(signature.ct_eq(&self.signature)) {
            true => Ok(()),
            false => Err(ScramError::WrongSignature),
        }
    }
}

struct ServerFirst<'a> {
    nonce: &'a str,
    salt: Vec<u8>,
    iterations: u32,
}

impl<'a> ServerFirst<'a> {
    fn parse(text: &'a str) -> Result<ServerFirst<'a>, ScramError> {
        let malformed = |what| ScramError::Malformed { what };
        let (nonce, rest) = super::attribute(text, 'r').ok_or(malformed("the nonce is missing"))?;
        let (salt, rest) = super::attribute(rest, 's').ok_or(malformed("the salt is missing"))?;
        let (iterations, _extensions) = super::attribute(rest, 'i').ok_or(malformed("the iterations are missing"))?;
        if !super::is_nonce(nonce) {
            return Err(malformed("the nonce is not printable"));
        }
        let salt = STANDARD.decode(salt).map_err(|_| malformed("the salt is not base64"))?;
        if salt.is_empty() || salt.len() > SALT_MAX {
            return Err(malformed("the salt has an impossible length"));
        }
        match iterations.parse().map_err(|_| malformed("the iterations are not a number"))? {
            0 => Err(malformed("the iterations are none")),
            iterations @ 1..=ITERATIONS_MAX => Ok(ServerFirst { nonce, salt, iterations }),
            iterations => Err(ScramError::TooManyIterations { iterations }),
        }
    }
}

fn text(message: &[u8]) -> Result<&str, ScramError> {
    if message.len() > MESSAGE_MAX {
        return Err(ScramError::Malformed { what: "longer than 4096 bytes" });
    }
    std::str::from_utf8(message).map_err(|_| ScramError::Malformed { what: "not UTF-8" })
}
