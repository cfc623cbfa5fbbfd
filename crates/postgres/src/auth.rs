//! Logging in to a server with the gateway's own credential.

use md5::{Digest as _, Md5};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    backend::Authentication,
    frontend::kind,
    scram::{SCRAM_SHA_256, SCRAM_SHA_256_PLUS, client},
};

/// A password for a server. Wiped from memory when it is dropped; its debug output hides it.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes a password.
    pub fn new(password: String) -> Password {
        Password(Zeroizing::new(password))
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password")
    }
}

/// What the log-in may rely on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Not encrypted: the password is never sent as it is.
    Plain,
    /// Not encrypted, and the administrator said that the password may be sent as it is nevertheless.
    PlainDangerCleartext,
    /// TLS. With the hash of the server's certificate (RFC 5929), the exchange is bound to it where the server can.
    Tls {
        /// `tls-server-end-point`.
        end_point: Option<Vec<u8>>,
        /// Its certificate was checked. Without that anybody may be there, and the password is never sent as it is.
        trusted: bool,
    },
}

/// Why the gateway is not logged in to the server.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoginError {
    /// Ours: somebody else could read the password. Use TLS with a checked certificate, or scram-sha-256 on the server.
    #[error(
        "the server asks for the password in clear text, and the connection is not encrypted or the server's certificate not checked: \
         use tls = \"verify-full\", or scram-sha-256 in its pg_hba.conf"
    )]
    CleartextRefused,
    /// Ours: nothing to log in with. Configure a password for this database.
    #[error("the server asks for a password, but none is configured")]
    NoPassword,
    /// The server offers no mechanism that the gateway speaks.
    #[error("the server offers no SASL mechanism that is known here (SCRAM-SHA-256, SCRAM-SHA-256-PLUS)")]
    NoCommonMechanism,
    /// The server failed the exchange.
    #[error(transparent)]
    Scram(#[from] client::ScramError),
    /// The server sent a step out of order: it says "logged in" without its proof, or starts again.
    #[error("the server sent a step of the log-in out of order")]
    Unexpected,
    /// The server wants a method that the gateway does not speak.
    #[error(
        "the server asks for authentication method {code} (GSSAPI, SSPI or Kerberos), which is not supported: use scram-sha-256 in its pg_hba.conf"
    )]
    Unsupported {
        /// The method's code.
        code: u32,
    },
}

/// What to do after a step.
#[derive(Debug)]
pub enum Step {
    /// Logged in.
    Done,
    /// Send this frame, then read on.
    Send(ServerLogin, Zeroizing<Vec<u8>>),
    /// Read on.
    Wait(ServerLogin),
}

/// A log-in that waits for the server's next `Authentication` message.
///
/// ```
/// use querygate_postgres::{auth::{Channel, Password, ServerLogin, Step}, backend::Authentication};
/// let login = ServerLogin::new("svc", Some(Password::new("secret".to_owned())), Channel::Plain);
/// let Ok(Step::Send(login, frame)) = login.on(&Authentication::Md5Password { salt: [1, 2, 3, 4] }) else { panic!() };
/// assert!(frame.starts_with(b"p\0\0\0\x28md5"));
/// assert!(matches!(login.on(&Authentication::Ok), Ok(Step::Done)));
/// ```
#[derive(Debug)]
pub struct ServerLogin {
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing was said yet.
    Start { user: String, password: Option<Password>, channel: Channel },
    /// The password, or its hash, was sent.
    ExpectOk,
    /// The first SCRAM message was sent.
    ExpectServerFirst(client::ClientFirst),
    /// The proof was sent.
    ExpectServerFinal(client::ClientFinal),
}

impl ServerLogin {
    /// A log-in after the start-up packet was sent. Without a password it succeeds only where the server asks for none.
    pub fn new(user: &str, password: Option<Password>, channel: Channel) -> ServerLogin {
        ServerLogin { state: State::Start { user: user.to_owned(), password, channel } }
    }

    /// Takes the server's next step.
    pub fn on(self, step: &Authentication<'_>) -> Result<Step, LoginError> {
        match (self.state, step) {
            (State::Start { .. } | State::ExpectOk, Authentication::Ok) => Ok(Step::Done),
            (State::Start { user, password, channel }, step) => {
                let password = password.ok_or(LoginError::NoPassword);
                start(&user, password, channel, step)
            }
            (State::ExpectServerFirst(scram), Authentication::SaslContinue(data)) => {
                let (message, scram) = scram.server_first(data)?;
                Ok(send(State::ExpectServerFinal(scram), &[&message]))
            }
            (State::ExpectServerFinal(scram), Authentication::SaslFinal(data)) => {
                scram.server_final(data)?;
                Ok(Step::Wait(ServerLogin { state: State::ExpectOk }))
            }
            _ => Err(LoginError::Unexpected),
        }
    }
}

fn start(
    user: &str,
    password: Result<Password, LoginError>,
    channel: Channel,
    step: &Authentication<'_>,
) -> Result<Step, LoginError> {
    match step {
        Authentication::CleartextPassword
            if matches!(channel, Channel::Plain | Channel::Tls { trusted: false, .. }) =>
        {
            Err(LoginError::CleartextRefused)
        }
        Authentication::CleartextPassword => Ok(send(State::ExpectOk, &[password?.0.as_bytes(), b"\0"])),
        Authentication::Md5Password { salt } => {
            let answer = md5_answer(user, &password?, *salt);
            Ok(send(State::ExpectOk, &[b"md5", answer.as_bytes(), b"\0"]))
        }
        Authentication::Sasl { mechanisms } => {
            let binding = binding(channel, mechanisms)?;
            let mechanism = binding.mechanism();
            let scram = client::ClientFirst::new(&password?.0, binding);
            let message = scram.message();
            let length = u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes();
            Ok(send(State::ExpectServerFirst(scram), &[mechanism.as_bytes(), b"\0", &length, &message]))
        }
        Authentication::Unsupported { code } => Err(LoginError::Unsupported { code: *code }),
        _ => Err(LoginError::Unexpected),
    }
}

fn binding(channel: Channel, mechanisms: &[&str]) -> Result<client::Binding, LoginError> {
    let offers = |name| mechanisms.contains(&name);
    match channel {
        Channel::Tls { end_point: Some(end_point), .. } if offers(SCRAM_SHA_256_PLUS) => {
            Ok(client::Binding::EndPoint(end_point))
        }
        _ if !offers(SCRAM_SHA_256) => Err(LoginError::NoCommonMechanism),
        Channel::Tls { end_point: Some(_), .. } => Ok(client::Binding::NotOffered),
        _ => Ok(client::Binding::None),
    }
}

/// Postgres's md5 method: `md5(md5(password || user) || salt)`, each in hex.
fn md5_answer(user: &str, password: &Password, salt: [u8; 4]) -> Zeroizing<String> {
    let inner = hex(Md5::new().chain_update(password.0.as_bytes()).chain_update(user).finalize().as_slice());
    hex(Md5::new().chain_update(inner.as_bytes()).chain_update(salt).finalize().as_slice())
}

fn hex(bytes: &[u8]) -> Zeroizing<String> {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or_default();
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() * 2));
    bytes.iter().for_each(|byte| text.extend([digit(byte >> 4), digit(byte & 0xf)]));
    text
}

/// One frame of exactly the right capacity: a buffer that grew would leave copies of the password behind.
fn send(next: State, parts: &[&[u8]]) -> Step {
    let body: usize = parts.iter().map(|part| part.len()).sum();
    let mut frame = Zeroizing::new(Vec::with_capacity(body + 5));
    frame.push(kind::AUTHENTICATION);
    frame.extend_from_slice(&u32::try_from(body + 4).unwrap_or(u32::MAX).to_be_bytes());
    parts.iter().for_each(|part| frame.extend_from_slice(part));
    Step::Send(ServerLogin { state: next }, frame)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        backend, fixtures,
        scram::server::{ServerFirst, mock_verifier},
    };

    fn login(channel: Channel) -> ServerLogin {
        ServerLogin::new("svc", Some(Password::new("secret".to_owned())), channel)
    }

    fn sent(step: Result<Step, LoginError>) -> (ServerLogin, Vec<u8>) {
        match step {
            Ok(Step::Send(next, frame)) => (next, frame.to_vec()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_clear_text_password_goes_only_where_nobody_can_read_it() {
        let ask = Authentication::CleartextPassword;
        for channel in [Channel::Plain, Channel::Tls { end_point: None, trusted: false }] {
            assert_eq!(login(channel).on(&ask).unwrap_err(), LoginError::CleartextRefused);
        }
        for channel in [Channel::Tls { end_point: None, trusted: true }, Channel::PlainDangerCleartext] {
            let (next, frame) = sent(login(channel).on(&ask));
            assert_eq!(frame, b"p\0\0\0\x0bsecret\0");
            assert!(matches!(next.on(&Authentication::Ok), Ok(Step::Done)));
        }
    }

    #[test]
    fn md5_answers_as_libpq_does() {
        let (_, frame) = sent(login(Channel::Plain).on(&Authentication::Md5Password { salt: [1, 2, 3, 4] }));
        let theirs = postgres_protocol::authentication::md5_hash(b"svc", b"secret", [1, 2, 3, 4]);
        assert_eq!(&frame[5..], format!("{theirs}\0").as_bytes());
    }

    #[test]
    fn the_best_mechanism_that_both_know_is_chosen() {
        let both = Authentication::Sasl { mechanisms: vec![SCRAM_SHA_256_PLUS, SCRAM_SHA_256] };
        let one = Authentication::Sasl { mechanisms: vec![SCRAM_SHA_256] };
        let tls = || Channel::Tls { end_point: Some(vec![5; 32]), trusted: true };
        for (channel, ask, start) in [
            (tls(), &both, "SCRAM-SHA-256-PLUS\0\0\0\0\x35p=tls-server-end-point,,n=,r="),
            (tls(), &one, "SCRAM-SHA-256\0\0\0\0\x20y,,n=,r="),
            (Channel::Plain, &both, "SCRAM-SHA-256\0\0\0\0\x20n,,n=,r="),
        ] {
            let (_, frame) = sent(login(channel).on(ask));
            assert!(frame[5..].starts_with(start.as_bytes()), "{}", String::from_utf8_lossy(&frame));
            assert_eq!(usize::try_from(u32::from_be_bytes(frame[1..5].try_into().unwrap())).unwrap(), frame.len() - 1);
        }
        let none = Authentication::Sasl { mechanisms: vec!["OAUTHBEARER", SCRAM_SHA_256_PLUS] };
        assert_eq!(login(Channel::Plain).on(&none).unwrap_err(), LoginError::NoCommonMechanism);
    }

    #[test]
    fn a_server_that_skips_its_proof_is_refused() {
        let ask = Authentication::Sasl { mechanisms: vec![SCRAM_SHA_256] };
        let (next, _) = sent(login(Channel::Plain).on(&ask));
        assert_eq!(next.on(&Authentication::Ok).unwrap_err(), LoginError::Unexpected);

        let (next, frame) = sent(login(Channel::Plain).on(&ask));
        let first = &frame[5 + SCRAM_SHA_256.len() + 1 + 4..];
        let verifier = mock_verifier("svc", &[0; 32], 1);
        let (answer, _) = ServerFirst::new(None).client_first(SCRAM_SHA_256, first, &verifier).unwrap();
        let (next, _) = sent(next.on(&Authentication::SaslContinue(&answer)));
        assert_eq!(next.on(&Authentication::Ok).unwrap_err(), LoginError::Unexpected);
    }

    #[test]
    fn real_servers_are_answered_as_psql_answered_them() {
        for name in ["md5", "cleartext"] {
            let asked = fixtures::server(name);
            let Ok(backend::Message::Authentication(step)) = backend::decode(&asked[0]) else { panic!() };
            let user = if name == "md5" { "md5_user" } else { "clear_user" };
            let password = Some(Password::new("pencil".to_owned()));
            let (next, frame) = sent(ServerLogin::new(user, password, Channel::PlainDangerCleartext).on(&step));
            assert_eq!(&frame[..], &fixtures::client(name).1[0].bytes()[..]);
            assert!(matches!(next.on(&Authentication::Ok), Ok(Step::Done)));
        }
    }

    #[test]
    fn a_scram_log_in_ends_after_the_servers_proof() {
        let (next, frame) = sent(login(Channel::Plain).on(&Authentication::Sasl { mechanisms: vec![SCRAM_SHA_256] }));
        let stored = crate::scram::tests::verifier_with("secret", b"salt".to_vec(), 1);
        let first = &frame[5 + SCRAM_SHA_256.len() + 1 + 4..];
        let (answer, server) = ServerFirst::new(None).client_first(SCRAM_SHA_256, first, &stored).unwrap();
        let (next, frame) = sent(next.on(&Authentication::SaslContinue(&answer)));
        let proof = server.client_final(&frame[5..]).unwrap();
        let Ok(Step::Wait(next)) = next.on(&Authentication::SaslFinal(&proof)) else { panic!() };
        assert!(matches!(next.on(&Authentication::Ok), Ok(Step::Done)));
    }

    #[test]
    fn steps_out_of_order_and_unknown_methods_are_refused() {
        let refused = |step: &Authentication<'_>| login(Channel::Plain).on(step).unwrap_err();
        assert_eq!(refused(&Authentication::SaslContinue(b"")), LoginError::Unexpected);
        assert_eq!(refused(&Authentication::SaslFinal(b"")), LoginError::Unexpected);
        assert_eq!(refused(&Authentication::Unsupported { code: 7 }), LoginError::Unsupported { code: 7 });
        let (again, _) = sent(login(Channel::Plain).on(&Authentication::Md5Password { salt: [0; 4] }));
        assert_eq!(again.on(&Authentication::CleartextPassword).unwrap_err(), LoginError::Unexpected);
    }

    #[test]
    fn without_a_password_only_a_server_that_asks_for_none_lets_in() {
        let trusted = || ServerLogin::new("svc", None, Channel::Plain);
        assert!(matches!(trusted().on(&Authentication::Ok), Ok(Step::Done)));
        let ask = Authentication::Md5Password { salt: [0; 4] };
        assert_eq!(trusted().on(&ask).unwrap_err(), LoginError::NoPassword);
    }

    #[test]
    fn debug_output_shows_no_password() {
        assert!(!format!("{:?}", login(Channel::Plain)).contains("secret"));
    }
}
