use std::fmt::Write as _;

use bytes::{BufMut, BytesMut};

use crate::ByteaOutput;

/// Reads `\x` and pairs of hexadecimal digits.
fn parse_hex(text: &str) -> Option<Vec<u8>> {
    hex_bytes(text.strip_prefix(r"\x")?)
}

/// Reads either form: what begins with `\x` is hex, since the other form doubles each backslash (`byteaout` in
/// src/backend/utils/adt/varlena.c).
pub(crate) fn parse(text: &str) -> Option<Vec<u8>> {
    if text.starts_with(r"\x") {
        return parse_hex(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        (first.is_ascii()).then_some(())?;
        if *first != b'\\' {
            bytes.push(*first);
            rest = after;
            continue;
        }
        rest = match after {
            [b'\\', after @ ..] => {
                bytes.push(b'\\');
                after
            }
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                after
            }
            _ => return None,
        };
    }
    Some(bytes)
}

/// Appends the text form.
pub(crate) fn write(bytes: &[u8], output: ByteaOutput, out: &mut BytesMut) {
    if output == ByteaOutput::Hex {
        out.put_slice(br"\x");
    }
    for byte in bytes {
        let _ = match (output, byte) {
            (ByteaOutput::Hex, _) => write!(out, "{byte:02x}"),
            (ByteaOutput::Escape, b'\\') => out.write_str(r"\\"),
            (ByteaOutput::Escape, b' '..=b'~') => out.write_char(char::from(*byte)),
            (ByteaOutput::Escape, _) => write!(out, "\\{byte:03o}"),
        };
    }
}

/// Pairs of hexadecimal digits.
pub(crate) fn hex_bytes(hex: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes: Option<Vec<u8>> = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    bytes.filter(|_| rest.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_outputs_are_written_as_postgres_15_writes_them() {
        for (bytes, hex, escape) in [
            (&b""[..], r"\x", ""),
            (b"\x00a\\\xff\x7f", r"\x00615cff7f", r"\000a\\\377\177"),
            (b"\\x00", r"\x5c783030", r"\\x00"),
        ] {
            for (output, text) in [(ByteaOutput::Hex, hex), (ByteaOutput::Escape, escape)] {
                let mut out = BytesMut::new();
                write(bytes, output, &mut out);
                assert_eq!(out, text);
                assert_eq!(parse(text).as_deref(), Some(bytes));
            }
        }
        for bad in [r"\", r"\8", r"\400", r"\x0", r"\xzz", "\u{e9}"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(bytes: Vec<u8>, hex: bool) {
            let mut out = BytesMut::new();
            write(&bytes, if hex { ByteaOutput::Hex } else { ByteaOutput::Escape }, &mut out);
            prop_assert_eq!(parse(std::str::from_utf8(&out).unwrap()), Some(bytes));
        }
    }
}
