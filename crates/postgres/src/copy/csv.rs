//! FORMAT csv: quotes.

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};

use super::{Options, Span};
use crate::error::DecodeError;

pub(super) fn field_end(options: &Options, row: &[u8], mut at: usize) -> Result<Span, DecodeError> {
    let mut quoted = false;
    loop {
        let rest = row.get(at..).ok_or_else(super::ends_early)?;
        let found = memchr::memchr3(options.quote, options.delimiter, b'\n', rest).ok_or_else(super::ends_early)?;
        at += found;
        if row.get(at) != Some(&options.quote) {
            return Ok(Span { end: at, quoted });
        }
        quoted = true;
        at = quote_end(options, row, at + 1)? + 1;
    }
}

/// Where the quoted part that begins at `at` has its closing quote.
fn quote_end(options: &Options, row: &[u8], mut at: usize) -> Result<usize, DecodeError> {
    loop {
        let rest = row.get(at..).ok_or_else(super::ends_early)?;
        let found = memchr::memchr2(options.quote, options.escape, rest).ok_or_else(super::ends_early)?;
        at += found;
        match is_escape(options, row.get(at..).unwrap_or_default()) {
            true => at += 2,
            false if row.get(at) == Some(&options.quote) => return Ok(at),
            false => at += 1,
        }
    }
}

/// Whether the bytes start with an escape that escapes something: only a quote or an escape can be escaped.
fn is_escape(options: &Options, bytes: &[u8]) -> bool {
    matches!(bytes, [first, second, ..]
        if *first == options.escape && (*second == options.quote || *second == options.escape))
}

pub(super) fn decode<'r>(options: &Options, raw: &'r [u8], quoted: bool) -> Cow<'r, [u8]> {
    if !quoted {
        return Cow::Borrowed(raw);
    }
    let mut value = Vec::with_capacity(raw.len());
    let (mut rest, mut inside) = (raw, false);
    while let Some((&byte, after)) = rest.split_first() {
        match (inside, after.split_first()) {
            (true, Some((&escaped, further))) if is_escape(options, rest) => {
                value.push(escaped);
                rest = further;
                continue;
            }
            _ if byte == options.quote => inside = !inside,
            _ => value.push(byte),
        }
        rest = after;
    }
    Cow::Owned(value)
}

/// Quotes where the server does (`CopyAttributeOutCSV` in its source): where it must, where it is told to, where the value reads as NULL, and
/// where a lone `\.` would read as the end of the data.
pub(super) fn encode(options: &Options, value: &[u8], column: usize, alone: bool, out: &mut BytesMut) {
    let special = |byte: &u8| *byte == options.delimiter || *byte == options.quote || matches!(byte, b'\n' | b'\r');
    let needs_quotes = options.force_quote.includes(column)
        || value == options.null
        || (alone && value == b"\\.")
        || value.iter().any(special);
    if !needs_quotes {
        return out.put_slice(value);
    }
    out.put_u8(options.quote);
    for &byte in value {
        if byte == options.quote || byte == options.escape {
            out.put_u8(options.escape);
        }
        out.put_u8(byte);
    }
    out.put_u8(options.quote);
}
