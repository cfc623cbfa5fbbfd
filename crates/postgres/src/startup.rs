//! The first packet of a connection, which has no kind, in both directions; and cancellation, which is a connection of its own.

use bytes::{Buf, BufMut, BytesMut};
use thiserror::Error;

use crate::{
    error::{DecodeError, EncodeError, Malformed, Problem},
    read::Reader,
    write,
};

/// Protocol 3.0 as a packet's first number.
pub const VERSION_3_0: u32 = 3 << 16;
/// Protocol 3.2 as a packet's first number: keys for cancellation may be longer than four bytes.
pub const VERSION_3_2: u32 = (3 << 16) | 2;

/// Longest first packet, in bytes: Postgres's own limit (`MAX_STARTUP_PACKET_LENGTH`).
pub const PACKET_MAX: usize = 10_000;
/// Most parameters in a start-up packet. Drivers send fewer than ten.
pub const PARAMETERS_MAX: usize = 64;
/// Longest secret of a key for cancellation, in bytes (protocol 3.2).
pub const SECRET_MAX: usize = 256;
/// Shortest secret of a key for cancellation, in bytes.
pub const SECRET_MIN: usize = 4;

const CANCEL_REQUEST: u32 = (1234 << 16) | 5678;
const SSL_REQUEST: u32 = (1234 << 16) | 5679;
const GSSENC_REQUEST: u32 = (1234 << 16) | 5680;

const LENGTH: usize = 4;
const PACKET_MIN: usize = 8;

/// What a client may open a connection with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FirstPacket {
    /// Asks to cancel what another connection runs. The connection ends after it.
    Cancel(CancelKey),
    /// Asks for encryption by GSSAPI; answered by one byte, `N` for no. Another first packet follows.
    GssEnc,
    /// Asks for TLS; answered by one byte, `S` for yes or `N` for no. Another first packet follows.
    Ssl,
    /// Opens a session.
    Startup(Startup),
}

/// Opens a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Startup {
    /// The protocol's major version. Only 3 is in use; the caller refuses others.
    pub major: u16,
    /// The protocol's minor version: 0, 2, or what a newer client would like.
    pub minor: u16,
    /// Names and values in the order sent. Names are unique; `_pq_.` begins those of protocol options.
    pub parameters: Vec<(String, String)>,
}

impl Startup {
    /// The value of a parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Appends the packet.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        write::packet(out, |out| {
            out.put_u16(self.major);
            out.put_u16(self.minor);
            for (name, value) in &self.parameters {
                write::text(out, name, "parameter name")?;
                write::text(out, value, "parameter value")?;
            }
            out.put_u8(0);
            Ok(())
        })
    }
}

/// Names a running session to whoever wants to cancel its statement. A secret: its debug output hides it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CancelKey {
    /// The process number that BackendKeyData gave.
    pub process: u32,
    /// 4 bytes in protocol 3.0, 4 to 256 in 3.2.
    pub secret: Vec<u8>,
}

impl std::fmt::Debug for CancelKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CancelKey").field("process", &self.process).finish_non_exhaustive()
    }
}

/// The first packet can't be read.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartupError {
    /// Something that isn't this protocol (an HTTP request, a TLS greeting without SSLRequest), or nonsense. Close without an answer.
    #[error("the client's first packet has the impossible length {length}: it does not speak Postgres's protocol")]
    Length {
        /// The packet's length field.
        length: u32,
    },
    /// A packet of this protocol with wrong contents. Answer with SQLSTATE 08P01.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
}

/// Splits the first packet off the buffer and decodes it; `None` when more bytes are needed. Bytes after it stay in the buffer: after
/// [`FirstPacket::Ssl`] there must be none before the answer, else somebody injected them in clear text.
///
/// ```
/// use bytes::BytesMut;
/// use querygate_postgres::startup::{FirstPacket, next_first};
/// let mut buffer = BytesMut::from(&b"\0\0\0\x08\x04\xd2\x16\x2f"[..]);
/// assert_eq!(next_first(&mut buffer), Ok(Some(FirstPacket::Ssl)));
/// ```
pub fn next_first(buffer: &mut BytesMut) -> Result<Option<FirstPacket>, StartupError> {
    let Some(head) = buffer.first_chunk::<LENGTH>() else { return Ok(None) };
    let length = u32::from_be_bytes(*head);
    let whole = usize::try_from(length).unwrap_or(usize::MAX);
    if !(PACKET_MIN..=PACKET_MAX).contains(&whole) {
        return Err(StartupError::Length { length });
    }
    if buffer.len() < whole {
        return Ok(None);
    }
    let mut packet = buffer.split_to(whole);
    packet.advance(LENGTH);
    decode(&packet).map(Some).map_err(|malformed| DecodeError::Client(malformed).into())
}

fn decode(packet: &[u8]) -> Result<FirstPacket, Malformed> {
    let mut reader = Reader::new(packet, "first packet");
    match reader.u32("code")? {
        CANCEL_REQUEST => {
            let process = reader.u32("process")?;
            let secret = reader.remaining();
            check_secret(&reader, secret)?;
            Ok(FirstPacket::Cancel(CancelKey { process, secret: secret.to_vec() }))
        }
        SSL_REQUEST => reader.finish(FirstPacket::Ssl),
        GSSENC_REQUEST => reader.finish(FirstPacket::GssEnc),
        version => {
            let parameters = parameters(&mut reader)?;
            let (major, minor) = ((version >> 16) as u16, (version & 0xffff) as u16);
            reader.finish(FirstPacket::Startup(Startup { major, minor, parameters }))
        }
    }
}

fn parameters(reader: &mut Reader<'_>) -> Result<Vec<(String, String)>, Malformed> {
    let mut parameters: Vec<(String, String)> = Vec::new();
    loop {
        let name = reader.text("parameter name")?;
        if name.is_empty() {
            return Ok(parameters);
        }
        let value = reader.text("parameter value")?;
        if parameters.iter().any(|(known, _)| known == name) {
            return Err(reader.error("parameter name", Problem::Duplicate));
        }
        if parameters.len() == PARAMETERS_MAX {
            let problem = Problem::TooMany { count: PARAMETERS_MAX + 1, limit: PARAMETERS_MAX };
            return Err(reader.error("parameters", problem));
        }
        parameters.push((name.to_owned(), value.to_owned()));
    }
}

/// A key's secret has 4 to 256 bytes.
pub(crate) fn check_secret(reader: &Reader<'_>, secret: &[u8]) -> Result<(), Malformed> {
    match secret.len() {
        0..SECRET_MIN => Err(reader.error("secret", Problem::EndsEarly)),
        SECRET_MIN..=SECRET_MAX => Ok(()),
        count => Err(reader.error("secret", Problem::TooMany { count, limit: SECRET_MAX })),
    }
}

/// Appends an SSLRequest, which a server answers by one byte: `S` (start TLS now) or `N`.
pub fn ssl_request(out: &mut BytesMut) {
    out.put_u32(8);
    out.put_u32(SSL_REQUEST);
}

/// Appends a CancelRequest, the only packet of its connection. The secret is at most [`SECRET_MAX`] bytes, as the server gave it.
pub fn cancel_request(out: &mut BytesMut, key: &CancelKey) -> Result<(), EncodeError> {
    if key.secret.len() > SECRET_MAX {
        return Err(EncodeError::TooLong { field: "secret" });
    }
    write::packet(out, |out| {
        out.put_u32(CANCEL_REQUEST);
        out.put_u32(key.process);
        out.put_slice(&key.secret);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn startup(minor: u16) -> Startup {
        let parameters = [("user", "agent"), ("database", "shop"), ("_pq_.report", "")];
        Startup { major: 3, minor, parameters: parameters.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec() }
    }

    fn encoded(startup: &Startup) -> BytesMut {
        let mut out = BytesMut::new();
        startup.encode(&mut out).unwrap();
        out
    }

    fn packet(code: u32, rest: &[u8]) -> BytesMut {
        let mut out = BytesMut::new();
        out.put_u32(u32::try_from(8 + rest.len()).unwrap());
        out.put_u32(code);
        out.put_slice(rest);
        out
    }

    fn problem(mut packet: BytesMut) -> Problem {
        match next_first(&mut packet) {
            Err(StartupError::Malformed(error)) => error.malformed().problem,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_startup_reads_back_as_written_in_both_versions() {
        for minor in [0, 2] {
            let mut buffer = encoded(&startup(minor));
            buffer.put_slice(b"more");
            assert_eq!(next_first(&mut buffer), Ok(Some(FirstPacket::Startup(startup(minor)))));
            assert_eq!(&buffer[..], b"more");
        }
        assert_eq!(startup(0).parameter("user"), Some("agent"));
    }

    #[test]
    fn a_packet_is_decoded_only_when_whole() {
        let whole = encoded(&startup(0));
        for cut in 0..whole.len() {
            assert_eq!(next_first(&mut BytesMut::from(&whole[..cut])), Ok(None), "{cut}");
        }
    }

    #[test]
    fn a_packet_cut_inside_its_declared_length_is_an_error_at_every_length() {
        let whole = encoded(&startup(0));
        for end in 8..whole.len() {
            let mut cut = BytesMut::from(&whole[..end]);
            cut[..4].copy_from_slice(&u32::try_from(end).unwrap().to_be_bytes());
            assert!(next_first(&mut cut).is_err(), "{end}");
        }
    }

    #[test]
    fn what_does_not_speak_the_protocol_is_told_from_what_does_it_wrong() {
        for alien in [&b"GET / HTTP/1.1\r\n"[..], b"\x16\x03\x01\x02\0\x01", b"\0\0\0\x07abcdef", b"\0\0\0\0"] {
            assert!(matches!(next_first(&mut BytesMut::from(alien)), Err(StartupError::Length { .. })));
        }
        assert_eq!(problem(packet(VERSION_3_0, b"user\0a\0user\0b\0\0")), Problem::Duplicate);
        assert_eq!(problem(packet(VERSION_3_0, b"user\0\xff\0\0")), Problem::NotUtf8 { at: 0 });
        assert_eq!(problem(packet(VERSION_3_0, b"user\0a\0")), Problem::NoTerminator);
        assert_eq!(problem(packet(VERSION_3_0, b"user\0a\0\0x")), Problem::Surplus { bytes: 1 });
        assert_eq!(problem(packet(SSL_REQUEST, b"x")), Problem::Surplus { bytes: 1 });
        let many: Vec<u8> = (0..=PARAMETERS_MAX).flat_map(|n| format!("p{n}\0v\0").into_bytes()).chain([0]).collect();
        assert_eq!(problem(packet(VERSION_3_0, &many)), Problem::TooMany { count: 65, limit: 64 });
    }

    #[test]
    fn cancel_keys_have_4_to_256_bytes() {
        for bytes in [4, 32, 256] {
            let key = CancelKey { process: 7, secret: vec![9; bytes] };
            let mut out = BytesMut::new();
            cancel_request(&mut out, &key).unwrap();
            assert_eq!(next_first(&mut out), Ok(Some(FirstPacket::Cancel(key))));
        }
        assert_eq!(problem(packet(CANCEL_REQUEST, &[0; 7])), Problem::EndsEarly);
        assert_eq!(problem(packet(CANCEL_REQUEST, &[0; 4 + 257])), Problem::TooMany { count: 257, limit: 256 });
        let key = CancelKey { process: 7, secret: vec![9; 257] };
        assert!(cancel_request(&mut BytesMut::new(), &key).is_err());
        assert!(!format!("{key:?}").contains('9'));
    }

    #[test]
    fn requests_for_encryption_are_recognised() {
        let mut out = BytesMut::new();
        ssl_request(&mut out);
        assert_eq!(next_first(&mut out), Ok(Some(FirstPacket::Ssl)));
        assert_eq!(next_first(&mut packet(GSSENC_REQUEST, b"")), Ok(Some(FirstPacket::GssEnc)));
    }

    #[test]
    fn a_text_with_a_zero_byte_is_not_sent() {
        let bad = Startup { major: 3, minor: 0, parameters: vec![("user".to_owned(), "a\0b".to_owned())] };
        let mut out = BytesMut::new();
        assert_eq!(bad.encode(&mut out), Err(EncodeError::ZeroByte { field: "parameter value" }));
        assert!(out.is_empty());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), code in 0_usize..6) {
            let codes = [CANCEL_REQUEST, SSL_REQUEST, GSSENC_REQUEST, VERSION_3_0, VERSION_3_2, 0];
            let _ = next_first(&mut packet(codes[code], &bytes));
            let _ = next_first(&mut BytesMut::from(&bytes[..]));
        }
    }
}
