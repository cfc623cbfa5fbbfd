//! Putting frames together: header first, its length patched when the body is there.

use bytes::{BufMut, BytesMut};

use crate::{error::EncodeError, frame::HEADER};

/// What a text of ours has in place of a zero byte, which would end it.
const ZERO_BYTE_STAND_IN: &str = "\u{fffd}";

/// Appends one frame whose body `body` writes; when it fails, `out` is as it was before.
pub(crate) fn frame(
    out: &mut BytesMut,
    kind: u8,
    body: impl FnOnce(&mut BytesMut) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let start = out.len();
    out.put_u8(kind);
    out.put_u32(0);
    let result = body(out).and_then(|()| patch(out, start + 1, "message"));
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// Appends a packet without a kind, as the first ones of a connection are.
pub(crate) fn packet(
    out: &mut BytesMut,
    body: impl FnOnce(&mut BytesMut) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let start = out.len();
    out.put_u32(0);
    let result = body(out).and_then(|()| patch(out, start, "packet"));
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// Writes the length of everything from `at` on, itself included, into the four bytes at `at`.
fn patch(out: &mut BytesMut, at: usize, field: &'static str) -> Result<(), EncodeError> {
    let length = i32::try_from(out.len() - at).map_err(|_| EncodeError::TooLong { field })?;
    if let Some(place) = out.get_mut(at..at + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

/// Appends a frame without a body.
pub(crate) fn empty(out: &mut BytesMut, kind: u8) {
    bounded(out, kind, |_| ());
}

/// Appends a frame whose body is known to be short.
pub(crate) fn bounded(out: &mut BytesMut, kind: u8, body: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_u8(kind);
    out.put_u32(0);
    body(out);
    debug_assert!(out.len() - start >= HEADER);
    let length = u32::try_from(out.len() - start - 1).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(start + 1..start + HEADER) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

/// Appends a text and its terminator; a zero byte in it is an error.
pub(crate) fn text(out: &mut BytesMut, text: &str, field: &'static str) -> Result<(), EncodeError> {
    if memchr::memchr(0, text.as_bytes()).is_some() {
        return Err(EncodeError::ZeroByte { field });
    }
    out.put_slice(text.as_bytes());
    out.put_u8(0);
    Ok(())
}

/// Appends a text of the gateway's own and its terminator: cut at `limit` bytes, zero bytes replaced.
pub(crate) fn own_text(out: &mut BytesMut, text: &str, limit: usize) {
    let text = text.get(..text.floor_char_boundary(limit)).unwrap_or_default();
    for (number, part) in text.split('\0').enumerate() {
        if number > 0 {
            out.put_slice(ZERO_BYTE_STAND_IN.as_bytes());
        }
        out.put_slice(part.as_bytes());
    }
    out.put_u8(0);
}

/// Appends a count in two bytes.
pub(crate) fn count(out: &mut BytesMut, count: usize, field: &'static str) -> Result<(), EncodeError> {
    out.put_u16(u16::try_from(count).map_err(|_| EncodeError::TooMany { field, count })?);
    Ok(())
}

/// Appends a value with its length in front, NULL as the length -1.
pub(crate) fn value(out: &mut BytesMut, value: Option<&[u8]>, field: &'static str) -> Result<(), EncodeError> {
    match value {
        None => out.put_i32(-1),
        Some(bytes) => {
            out.put_i32(i32::try_from(bytes.len()).map_err(|_| EncodeError::TooLong { field })?);
            out.put_slice(bytes);
        }
    }
    Ok(())
}
