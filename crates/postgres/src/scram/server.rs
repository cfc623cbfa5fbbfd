//! The exchange with a client that proves to know a password, of which the gateway has only a verifier.
//!
//! For an account that does not exist, give [`mock_verifier`]: the exchange then looks the same and fails at the same place.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use querygate_record::ScramVerifier;
use subtle::ConstantTimeEq as _;
use thiserror::Error;

use super::{END_POINT, Key, MESSAGE_MAX, SCRAM_SHA_256, SCRAM_SHA_256_PLUS};

/// Bytes of a mock salt: as many as Postgres and the gateway give a real one.
const SALT: usize = 16;

/// Why the client is not logged in. The exchange is over.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScramError {
    /// The certificate that the client saw is not the gateway's: somebody may be in between.
    #[error("SCRAM channel binding check failed")]
    BindingMismatch,
    /// The client thinks that the gateway can't bind channels, but it offered to: somebody may have removed the offer.
    #[error("SCRAM channel binding was offered, but the client did not see the offer")]
    BindingStripped,
    /// The chosen mechanism and the client's message contradict each other about channel binding.
    #[error("the client's SCRAM message does not fit the mechanism that it chose")]
    BindingUnfit,
    /// The message does not follow SCRAM's grammar.
    #[error("malformed SCRAM message: {what}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
    },
    /// A mechanism that was not offered.
    #[error("the client selected an invalid SASL authentication mechanism")]
    Mechanism,
    /// The password is wrong, or the account is not one.
    #[error("password authentication failed")]
    WrongProof,
}

impl ScramError {
    /// The SQLSTATE that Postgres answers with.
    pub fn sqlstate(self) -> &'static str {
        match self {
            ScramError::BindingMismatch | ScramError::BindingStripped => {
                crate::sqlstate::INVALID_AUTHORIZATION_SPECIFICATION
            }
            ScramError::WrongProof => crate::sqlstate::INVALID_PASSWORD,
            _ => crate::sqlstate::PROTOCOL_VIOLATION,
        }
    }
}

/// A verifier for an account that does not exist. The same name and key give the same one, so that asking twice tells nothing; no password
/// fits it. `iterations` must be what real accounts have.
pub fn mock_verifier(name: &str, key: &[u8; 32], iterations: u32) -> ScramVerifier {
    let derive = |purpose: &[u8]| super::hmac(key, &[purpose, b"\0", name.as_bytes()]);
    ScramVerifier {
        iterations,
        salt: derive(b"salt").into_iter().take(SALT).collect(),
        stored_key: derive(b"stored key"),
        server_key: derive(b"server key"),
    }
}

/// Waits for the client's first message.
///
/// ```
/// use querygate_postgres::scram::server::{ServerFirst, mock_verifier};
/// let verifier = mock_verifier("nobody", &[7; 32], 4096);
/// let exchange = ServerFirst::new(None);
/// let (answer, next) = exchange.client_first("SCRAM-SHA-256", b"n,,n=,r=abc", &verifier).unwrap();
/// assert!(answer.starts_with(b"r=abc"));
/// assert!(next.client_final(b"c=biws,r=wrong,p=AAAA").is_err());
/// ```
#[derive(Debug)]
pub struct ServerFirst {
    end_point: Option<Vec<u8>>,
    pub(super) nonce: String,
}

impl ServerFirst {
    /// A new exchange. Over TLS, `end_point` is the hash of the gateway's certificate by its signature's hash function (RFC 5929: SHA-256
    /// in place of MD5 and SHA-1); with it, channel binding is offered.
    pub fn new(end_point: Option<Vec<u8>>) -> ServerFirst {
        ServerFirst { end_point, nonce: super::nonce() }
    }

    /// The mechanisms to offer, best first.
    pub fn mechanisms(&self) -> &'static [&'static str] {
        match self.end_point {
            Some(_) => &[SCRAM_SHA_256_PLUS, SCRAM_SHA_256],
            None => &[SCRAM_SHA_256],
        }
    }

    /// Takes the client's first message; gives the answer (server-first-message) and the state that waits for the final one. The user's
    /// name in the message is not looked at, as in Postgres: the start-up packet's counts.
    pub fn client_first(
        self,
        mechanism: &str,
        message: &[u8],
        verifier: &ScramVerifier,
    ) -> Result<(Vec<u8>, ServerFinal), ScramError> {
        let plus = match mechanism {
            SCRAM_SHA_256 => false,
            SCRAM_SHA_256_PLUS if self.end_point.is_some() => true,
            _ => return Err(ScramError::Mechanism),
        };
        let first = ClientFirst::parse(text(message)?)?;
        let binding = match (first.flag, self.end_point) {
            (Flag::EndPoint, Some(end_point)) if plus => end_point,
            (Flag::EndPoint, _) => return Err(ScramError::BindingUnfit),
            (_, _) if plus => return Err(ScramError::BindingUnfit),
            (Flag::NotSeen, Some(_)) => return Err(ScramError::BindingStripped),
            (Flag::None | Flag::NotSeen, _) => Vec::new(),
        };
        let nonce = format!("{}{}", first.nonce, self.nonce);
        let answer = format!("r={nonce},s={},i={}", STANDARD.encode(&verifier.salt), verifier.iterations);
        let next = ServerFinal {
            auth_message: format!("{},{answer}", first.bare),
            binding: [first.header.as_bytes(), &binding].concat(),
            nonce,
            stored_key: verifier.stored_key,
            server_key: verifier.server_key,
        };
        Ok((answer.into_bytes(), next))
    }
}

/// Waits for the client's final message, which holds its proof.
pub struct ServerFinal {
    auth_message: String,
    binding: Vec<u8>,
    nonce: String,
    stored_key: Key,
    server_key: Key,
}

impl std::fmt::Debug for ServerFinal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerFinal").finish_non_exhaustive()
    }
}

impl ServerFinal {
    /// Takes the client's final message. The client is who it says if this gives the server-final-message to answer with.
    pub fn client_final(self, message: &[u8]) -> Result<Vec<u8>, ScramError> {
        let last = ClientFinal::parse(text(message)?)?;
        if last.nonce != self.nonce {
            return Err(ScramError::Malformed { what: "the nonce is another" });
        }
        if !bool::from(last.binding.ct_eq(&self.binding)) {
            return Err(ScramError::BindingMismatch);
        }
        let auth_message = [self.auth_message.as_bytes(), b",", last.without_proof.as_bytes()];
        let signature = super::hmac(&self.stored_key, &auth_message);
        let client_key = super::xor(&last.proof, &signature);
        if !bool::from(super::hash(&client_key).ct_eq(&self.stored_key)) {
            return Err(ScramError::WrongProof);
        }
        Ok(format!("v={}", STANDARD.encode(super::hmac(&self.server_key, &auth_message))).into_bytes())
    }
}

/// What the client says about channel binding.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flag {
    /// `p=tls-server-end-point`: it binds.
    EndPoint,
    /// `n`: it can't.
    None,
    /// `y`: it could, but saw no offer.
    NotSeen,
}

struct ClientFirst<'a> {
    flag: Flag,
    header: &'a str,
    bare: &'a str,
    nonce: &'a str,
}

impl<'a> ClientFirst<'a> {
    fn parse(text: &'a str) -> Result<ClientFirst<'a>, ScramError> {
        let malformed = |what| ScramError::Malformed { what };
        let (flag, rest) = text.split_once(',').ok_or(malformed("the header is missing"))?;
        let (authorization, bare) = rest.split_once(',').ok_or(malformed("the header is cut off"))?;
        let flag = match (flag, flag.strip_prefix("p=")) {
            ("n", _) => Flag::None,
            ("y", _) => Flag::NotSeen,
            (_, Some(END_POINT)) => Flag::EndPoint,
            (_, Some(_)) => return Err(malformed("an unsupported type of channel binding")),
            _ => return Err(malformed("an unknown flag for channel binding")),
        };
        if !authorization.is_empty() {
            return Err(malformed("an authorization identity, which is not supported"));
        }
        if bare.starts_with("m=") {
            return Err(malformed("an extension that is not supported"));
        }
        let (_user, rest) = super::attribute(bare, 'n').ok_or(malformed("the user is missing"))?;
        let (nonce, _extensions) = super::attribute(rest, 'r').ok_or(malformed("the nonce is missing"))?;
        if !super::is_nonce(nonce) {
            return Err(malformed("the nonce is not printable"));
        }
        let header = text.get(..text.len() - bare.len()).unwrap_or_default();
        Ok(ClientFirst { flag, header, bare, nonce })
    }
}

struct ClientFinal<'a> {
    binding: Vec<u8>,
    nonce: &'a str,
    without_proof: &'a str,
    proof: Key,
}

impl<'a> ClientFinal<'a> {
    fn parse(text: &'a str) -> Result<ClientFinal<'a>, ScramError> {
        let malformed = |what| ScramError::Malformed { what };
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(malformed("the proof is missing"))?;
        let proof = super::decode_key(proof).ok_or(malformed("the proof is not 32 bytes in base64"))?;
        let (binding, rest) =
            super::attribute(without_proof, 'c').ok_or(malformed("the channel binding is missing"))?;
        let binding = STANDARD.decode(binding).map_err(|_| malformed("the channel binding is not base64"))?;
        let (nonce, _extensions) = super::attribute(rest, 'r').ok_or(malformed("the nonce is missing"))?;
        Ok(ClientFinal { binding, nonce, without_proof, proof })
    }
}

fn text(message: &[u8]) -> Result<&str, ScramError> {
    if message.len() > MESSAGE_MAX {
        return Err(ScramError::Malformed { what: "longer than 4096 bytes" });
    }
    std::str::from_utf8(message).map_err(|_| ScramError::Malformed { what: "not UTF-8" })
}
