//! FORMAT text: backslashes.

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};

use super::{Options, Span};
use crate::error::DecodeError;

pub(super) fn field_end(options: &Options, row: &[u8], mut at: usize) -> Result<Span, DecodeError> {
    loop {
        let rest = row.get(at..).ok_or_else(super::ends_early)?;
        let found = memchr::memchr3(b'\\', options.delimiter, b'\n', rest).ok_or_else(super::ends_early)?;
        match rest.get(found) {
            Some(b'\\') => at += found + 2,
            _ => return Ok(Span { end: at + found, quoted: false }),
        }
    }
}

/// Undoes the escapes, those too that only COPY FROM's input has (octal and hex).
pub(super) fn decode(raw: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memchr(b'\\', raw) else { return Cow::Borrowed(raw) };
    let (plain, mut rest) = raw.split_at(first);
    let mut value = plain.to_vec();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            value.push(byte);
            continue;
        }
        let Some((&letter, after)) = rest.split_first() else { break };
        rest = after;
        value.push(match letter {
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 0x0b,
            b'0'..=b'7' => number(letter - b'0', 8, 2, &mut rest),
            b'x' if rest.first().is_some_and(u8::is_ascii_hexdigit) => number(0, 16, 2, &mut rest),
            other => other,
        });
    }
    Cow::Owned(value)
}

/// Takes at most `digits_max` digits more; what does not fit a byte is cut, as in the server.
fn number(start: u8, base: u8, digits_max: usize, rest: &mut &[u8]) -> u8 {
    let mut number = start;
    for _ in 0..digits_max {
        let Some((&byte, after)) = rest.split_first() else { break };
        let digit = char::from(byte).to_digit(base.into()).and_then(|digit| u8::try_from(digit).ok());
        let Some(digit) = digit else { break };
        number = number.wrapping_mul(base).wrapping_add(digit);
        *rest = after;
    }
    number
}

/// Escapes as the server does (`CopyAttributeOutText` in its source).
pub(super) fn encode(options: &Options, value: &[u8], out: &mut BytesMut) {
    for &byte in value {
        let letter = match byte {
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x0b => b'v',
            b'\\' => b'\\',
            other if other == options.delimiter => other,
            other => {
                out.put_u8(other);
                continue;
            }
        };
        out.put_slice(&[b'\\', letter]);
    }
}
