//! Finding frames in a stream of bytes, without copying them.

use bytes::{Bytes, BytesMut};
use thiserror::Error;

/// Bytes before a message's body: its kind, and its length in four bytes.
pub const HEADER: usize = 5;

/// Bytes of the length field, which counts itself but not the kind.
const LENGTH: usize = 4;

/// How long a frame may be, per kind of message. Each limit is what the server itself would take, or what the message can sensibly carry.
pub mod limit {
    use super::HEADER;
    use crate::{backend, frontend};

    /// Short messages: names, counts, no payload. Postgres's own limit for them (`PQ_SMALL_MESSAGE_LIMIT`).
    pub const SMALL: usize = 10_000 + HEADER;
    /// Messages of a log-in, both ways: an access token as password may have up to 64 KiB.
    pub const LOGIN: usize = 64 * 1024 + HEADER;
    /// The largest message that Postgres itself reads or writes (`MaxAllocSize`, 1 GiB - 1), and the kind.
    pub const LARGE: usize = 0x3fff_ffff + 1;
    /// Errors and notices: their texts may quote a statement, but never a whole large value.
    pub const REPORT: usize = 4 * 1024 * 1024;
    /// Descriptions: 1,664 result columns or 65,535 parameters, each with a name of up to 64 bytes (longer in forks).
    pub const DESCRIPTION: usize = 4 * 1024 * 1024;

    /// The limit for a message that a client sends after its log-in. Callers may set a lower one for statements.
    pub fn client(kind: u8) -> usize {
        use frontend::kind;
        match kind {
            kind::BIND | kind::COPY_DATA | kind::FUNCTION_CALL | kind::PARSE | kind::QUERY => LARGE,
            kind::AUTHENTICATION => LOGIN,
            _ => SMALL,
        }
    }

    /// The limit for a message that a server sends.
    pub fn server(kind: u8) -> usize {
        use backend::kind;
        match kind {
            kind::COPY_DATA | kind::DATA_ROW | kind::FUNCTION_CALL_RESPONSE => LARGE,
            kind::ERROR_RESPONSE | kind::NOTICE_RESPONSE => REPORT,
            kind::PARAMETER_DESCRIPTION | kind::ROW_DESCRIPTION => DESCRIPTION,
            kind::COPY_BOTH_RESPONSE | kind::COPY_IN_RESPONSE | kind::COPY_OUT_RESPONSE => LOGIN,
            kind::AUTHENTICATION | kind::PARAMETER_STATUS => LOGIN,
            _ => SMALL,
        }
    }
}

/// The peer's bytes are not a frame. The stream can't be read on: the connection must end.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// The length field is smaller than itself.
    #[error("the peer sent a message of kind {kind:#04x} with the impossible length {length}")]
    TooShort {
        /// The message's kind.
        kind: u8,
        /// Its length field.
        length: u32,
    },
    /// The message is longer than its kind may be.
    #[error("the peer sent a message of kind {kind:#04x} of {length} bytes; the limit is {limit}")]
    TooLong {
        /// The message's kind.
        kind: u8,
        /// The whole frame, in bytes.
        length: usize,
        /// The limit, in bytes.
        limit: usize,
    },
}

/// What the first five bytes of a frame say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The message's kind: one of [`frontend::kind`](crate::frontend::kind) or [`backend::kind`](crate::backend::kind).
    pub kind: u8,
    /// The whole frame in bytes, the header included.
    pub length: usize,
}

impl Header {
    /// Whether the frame does not fit a buffer of so many bytes: such a one is sent on in pieces, see [`Rest`].
    pub fn is_large(self, buffer: usize) -> bool {
        self.length > buffer
    }
}

/// Reads the header of the frame that starts the buffer; `None` when more bytes are needed. `limit` counts the whole frame.
///
/// ```
/// use querygate_postgres::frame::{self, Header};
/// assert_eq!(frame::peek(b"S\0\0\0\x04", 100), Ok(Some(Header { kind: b'S', length: 5 })));
/// ```
#[inline]
pub fn peek(buffer: &[u8], limit: usize) -> Result<Option<Header>, FrameError> {
    let Some(&[kind, a, b, c, d]) = buffer.first_chunk::<HEADER>() else { return Ok(None) };
    let length = u32::from_be_bytes([a, b, c, d]);
    let whole = usize::try_from(length).unwrap_or(usize::MAX).saturating_add(1);
    if whole < LENGTH + 1 {
        return Err(FrameError::TooShort { kind, length });
    }
    if whole > limit {
        return Err(FrameError::TooLong { kind, length: whole, limit });
    }
    Ok(Some(Header { kind, length: whole }))
}

/// [`peek`] with the limit of the message's kind, for what a client sends.
#[inline]
pub fn peek_client(buffer: &[u8]) -> Result<Option<Header>, FrameError> {
    peek(buffer, limit::client(buffer.first().copied().unwrap_or_default()))
}

/// [`peek`] with the limit of the message's kind, for what a server sends.
#[inline]
pub fn peek_server(buffer: &[u8]) -> Result<Option<Header>, FrameError> {
    peek(buffer, limit::server(buffer.first().copied().unwrap_or_default()))
}

/// Splits the first frame off the buffer; `None` when it is not whole yet. Nothing is copied, and nothing is reserved for a length that was only claimed.
#[inline]
pub fn next(buffer: &mut BytesMut, limit: usize) -> Result<Option<Frame>, FrameError> {
    match peek(buffer, limit)? {
        Some(header) if buffer.len() >= header.length => {
            Ok(Some(Frame { bytes: buffer.split_to(header.length).freeze() }))
        }
        _ => Ok(None),
    }
}

/// [`next`] with the limit of the message's kind, for what a client sends.
#[inline]
pub fn next_client(buffer: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
    let limit = limit::client(buffer.first().copied().unwrap_or_default());
    next(buffer, limit)
}

/// [`next`] with the limit of the message's kind, for what a server sends.
#[inline]
pub fn next_server(buffer: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
    let limit = limit::server(buffer.first().copied().unwrap_or_default());
    next(buffer, limit)
}

/// One whole message with its header, so that sending it on needs no encoding.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    bytes: Bytes,
}

/// Names the kind and the length only: a body may hold a password or a secret.
impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frame").field("kind", &char::from(self.kind())).field("length", &self.bytes.len()).finish()
    }
}

impl Frame {
    /// Takes bytes that are exactly one frame; `None` when they are not.
    pub fn new(bytes: Bytes) -> Option<Frame> {
        let header = peek(&bytes, usize::MAX).ok()??;
        (header.length == bytes.len()).then_some(Frame { bytes })
    }

    /// The message's kind.
    #[inline]
    pub fn kind(&self) -> u8 {
        self.bytes.first().copied().unwrap_or_default()
    }

    /// What follows the header.
    #[inline]
    pub fn body(&self) -> &[u8] {
        self.bytes.get(HEADER..).unwrap_or_default()
    }

    /// The whole message.
    #[inline]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The whole message, for sending on.
    #[inline]
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }
}

/// What is still to come of a frame that is sent on in pieces, since it is larger than the buffer.
///
/// ```
/// use bytes::BytesMut;
/// use querygate_postgres::frame::{self, Rest};
/// let mut buffer = BytesMut::from(&b"d\0\0\0\x08ab"[..]);
/// let header = frame::peek_server(&buffer).unwrap().unwrap();
/// let mut rest = Rest::of(header);
/// assert_eq!(&rest.take(&mut buffer)[..], b"d\0\0\0\x08ab");
/// buffer.extend_from_slice(b"cdS");
/// assert_eq!(&rest.take(&mut buffer)[..], b"cd");
/// assert!(rest.is_done());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    bytes: usize,
}

impl Rest {
    /// Everything of a frame, its header included.
    pub fn of(header: Header) -> Rest {
        Rest { bytes: header.length }
    }

    /// Splits off what the buffer holds of it.
    pub fn take(&mut self, buffer: &mut BytesMut) -> Bytes {
        let count = self.bytes.min(buffer.len());
        self.bytes -= count;
        buffer.split_to(count).freeze()
    }

    /// Whether nothing is left.
    pub fn is_done(self) -> bool {
        self.bytes == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_handed_out_only_when_whole_and_keeps_its_header() {
        let whole = b"Q\0\0\0\x0dSELECT 1\0Z";
        for cut in 0..14 {
            let mut buffer = BytesMut::from(&whole[..cut]);
            assert_eq!(next_client(&mut buffer), Ok(None), "{cut}");
            assert_eq!(buffer.len(), cut);
        }
        let mut buffer = BytesMut::from(&whole[..]);
        let frame = next_client(&mut buffer).unwrap().unwrap();
        assert_eq!((frame.kind(), frame.body(), &frame.bytes()[..]), (b'Q', &b"SELECT 1\0"[..], &whole[..14]));
        assert_eq!(&buffer[..], b"Z");
    }

    #[test]
    fn impossible_lengths_are_refused_from_the_header_alone() {
        for length in 0..4_u8 {
            let header = [b'Q', 0, 0, 0, length];
            assert_eq!(peek_client(&header), Err(FrameError::TooShort { kind: b'Q', length: length.into() }));
        }
        let endless = [b'Q', 0xff, 0xff, 0xff, 0xff];
        assert!(matches!(peek_client(&endless), Err(FrameError::TooLong { kind: b'Q', .. })));
        assert!(matches!(peek(&endless, usize::MAX), Ok(Some(Header { length: 0x1_0000_0000, .. }))));
        assert_eq!(peek(b"S\0\0\0\x04", 5).unwrap().unwrap().length, 5);
        assert!(peek(b"S\0\0\0\x05", 5).is_err());
    }

    #[test]
    fn a_claimed_length_reserves_nothing() {
        let mut buffer = BytesMut::from(&b"Q\x3f\xff\xff\xffabc"[..]);
        let before = buffer.capacity();
        assert_eq!(next_client(&mut buffer), Ok(None));
        assert_eq!(buffer.capacity(), before);
    }

    #[test]
    fn small_messages_have_small_limits_both_ways() {
        for kind in *b"SHXcE" {
            assert_eq!(limit::client(kind), limit::SMALL);
        }
        for kind in *b"Z123nItsc" {
            assert!(limit::server(kind) <= limit::DESCRIPTION, "{kind}");
        }
        assert!(limit::client(b'?') <= limit::SMALL);
    }

    #[test]
    fn debug_output_shows_no_body() {
        let frame = Frame::new(Bytes::from_static(b"p\0\0\0\x0bsecret\0")).unwrap();
        assert_eq!(format!("{frame:?}"), "Frame { kind: 'p', length: 12 }");
        assert!(Frame::new(Bytes::from_static(b"p\0\0\0\x0bsecret\0x")).is_none());
    }
}
