//! Rows: fields replaced one by one, the rest left as it is (MySQL Internals, "Text Resultset Row", "Binary Protocol Resultset Row").

use bytes::{BufMut, BytesMut};

use crate::{
    Malformed, Problem,
    read::Reader,
    value::{self, Type},
    write,
};

/// What became of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrote {
    /// It stays as it is.
    Keep,
    /// It is NULL; nothing was appended.
    Null,
    /// Its new text was appended.
    Value,
}

/// Why a row could not be rewritten.
#[derive(Debug, PartialEq, Eq)]
pub enum RowError<E> {
    /// The row can't be read, or a new value does not fit its type.
    Malformed(Malformed),
    /// The caller's own.
    Field(E),
}

impl<E> From<Malformed> for RowError<E> {
    fn from(malformed: Malformed) -> Self {
        RowError::Malformed(malformed)
    }
}

const NULL: u8 = 0xfb;

/// Rewrites a row of the text protocol of so many columns. `field` gets each field's position and text and may append another text.
pub fn rewrite_text<E>(
    payload: &[u8],
    columns: usize,
    out: &mut BytesMut,
    mut field: impl FnMut(usize, Option<&[u8]>, &mut BytesMut) -> Result<Wrote, E>,
) -> Result<(), RowError<E>> {
    let mut reader = Reader::new("text row", payload);
    let mut fresh = BytesMut::new();
    for index in 0..columns {
        let value = match reader.peek() {
            Some(NULL) => {
                reader.u8("NULL")?;
                None
            }
            _ => Some(reader.lenenc_bytes("field")?),
        };
        fresh.clear();
        let written = field(index, value, &mut fresh).map_err(RowError::Field)?;
        match (written, value) {
            (Wrote::Null, _) | (Wrote::Keep, None) => out.put_u8(NULL),
            (Wrote::Value, _) => write::lenenc_bytes(out, &fresh),
            (Wrote::Keep, Some(value)) => write::lenenc_bytes(out, value),
        }
    }
    reader.finish().map_err(RowError::Malformed)
}

/// The fields of a row of the text protocol.
pub fn text_fields(payload: &[u8], columns: usize) -> Result<Vec<Option<&[u8]>>, Malformed> {
    let mut reader = Reader::new("text row", payload);
    let mut fields = Vec::with_capacity(columns.min(payload.len()));
    for _ in 0..columns {
        if reader.peek() == Some(NULL) {
            reader.u8("NULL")?;
            fields.push(None);
        } else {
            fields.push(Some(reader.lenenc_bytes("field")?));
        }
    }
    reader.finish()?;
    Ok(fields)
}

/// The bitmap of a binary row begins with two bits that mean nothing.
const BITMAP_OFFSET: usize = 2;

/// Rewrites a row of the binary protocol. `field` gets each field's position and its text as the text protocol has it, and may append
/// another text, which becomes a value of the column's type.
pub fn rewrite_binary<E>(
    payload: &[u8],
    columns: &[Type],
    out: &mut BytesMut,
    mut field: impl FnMut(usize, Option<&[u8]>, &mut BytesMut) -> Result<Wrote, E>,
) -> Result<(), RowError<E>> {
    let mut reader = Reader::new("binary row", payload);
    let header = reader.u8("header")?;
    if header != 0 {
        return Err(reader.wrong("header", Problem::BadValue { value: u64::from(header) }).into());
    }
    let bitmap = reader.bytes("NULL bitmap", (columns.len() + 7 + BITMAP_OFFSET) / 8)?;
    let mut nulls = bitmap.to_vec();
    let mut values = BytesMut::with_capacity(payload.len());
    let mut fresh = BytesMut::new();
    for (index, of) in columns.iter().enumerate() {
        let (byte, bit) = ((index + BITMAP_OFFSET) / 8, 1_u8 << ((index + BITMAP_OFFSET) % 8));
        let null = bitmap.get(byte).is_some_and(|b| b & bit != 0);
        let raw = if null { None } else { Some(value::raw(&mut reader, of.kind)?) };
        fresh.clear();
        let text = raw.map(|raw| value::text(*of, raw)).transpose()?;
        let written = field(index, text.as_deref(), &mut fresh).map_err(RowError::Field)?;
        let now_null = written == Wrote::Null || (written == Wrote::Keep && null);
        if let Some(byte) = nulls.get_mut(byte) {
            *byte = if now_null { *byte | bit } else { *byte & !bit };
        }
        match (written, raw) {
            (Wrote::Value, _) => value::put_raw(&mut values, of.kind, &value::binary(*of, &fresh)?),
            (Wrote::Keep, Some(raw)) => value::put_raw(&mut values, of.kind, raw),
            _ => {}
        }
    }
    reader.finish()?;
    out.put_u8(0);
    out.put_slice(&nulls);
    out.put_slice(&values);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::kind;

    type Never = std::convert::Infallible;

    const TYPES: [Type; 3] = [
        Type { kind: kind::LONG, unsigned: false, decimals: 0 },
        Type { kind: kind::VAR_STRING, unsigned: false, decimals: 0 },
        Type { kind: kind::DATE, unsigned: false, decimals: 0 },
    ];

    fn mask(index: usize, value: Option<&[u8]>, out: &mut BytesMut) -> Result<Wrote, Never> {
        Ok(match (index, value) {
            (1, Some(_)) => {
                out.put_slice(b"***");
                Wrote::Value
            }
            (2, _) => Wrote::Null,
            _ => Wrote::Keep,
        })
    }

    #[test]
    fn a_text_row_keeps_what_is_not_replaced() {
        let row = b"\x015\xfb\x03xyz";
        let mut out = BytesMut::new();
        rewrite_text(row, 3, &mut out, mask).unwrap();
        assert_eq!(&out[..], b"\x015\xfb\xfb");
        out.clear();
        rewrite_text(b"\xfb\x05secre\x01x", 3, &mut out, mask).unwrap();
        assert_eq!(&out[..], b"\xfb\x03***\xfb");
        assert_eq!(text_fields(row, 3).unwrap(), [Some(&b"5"[..]), None, Some(&b"xyz"[..])]);
    }

    #[test]
    fn a_row_of_another_width_is_an_error() {
        for (row, columns) in [(&b"\x015"[..], 2), (b"\x015\x016", 1), (b"\x05ab", 1), (b"", 1)] {
            let mut out = BytesMut::new();
            assert!(rewrite_text(row, columns, &mut out, mask).is_err(), "{row:?}");
            assert!(text_fields(row, columns).is_err(), "{row:?}");
        }
    }

    #[test]
    fn a_binary_row_keeps_what_is_not_replaced_and_its_bitmap_follows() {
        // 7, "secret", 1999-12-31.
        let row = b"\0\0\x07\0\0\0\x06secret\x04\xcf\x07\x0c\x1f";
        let mut out = BytesMut::new();
        rewrite_binary(row, &TYPES, &mut out, mask).unwrap();
        assert_eq!(&out[..], b"\0\x10\x07\0\0\0\x03***");
        let nulls = b"\0\x1c";
        out.clear();
        rewrite_binary(nulls, &TYPES, &mut out, mask).unwrap();
        assert_eq!(&out[..], nulls);
        for cut in 0..row.len() {
            assert!(rewrite_binary(&row[..cut], &TYPES, &mut BytesMut::new(), mask).is_err(), "{cut}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(row in proptest::collection::vec(proptest::num::u8::ANY, 0..60), columns in 0_usize..5) {
            let mut out = BytesMut::new();
            let _ = rewrite_text(&row, columns, &mut out, mask);
            let _ = rewrite_binary(&row, &TYPES, &mut out, mask);
        }

        #[test]
        fn a_text_row_that_is_kept_stays_byte_for_byte(fields in proptest::collection::vec(proptest::option::of(proptest::collection::vec(proptest::num::u8::ANY, 0..300)), 0..6)) {
            let mut row = BytesMut::new();
            for field in &fields {
                match field {
                    Some(field) => write::lenenc_bytes(&mut row, field),
                    None => row.put_u8(NULL),
                }
            }
            let mut out = BytesMut::new();
            rewrite_text(&row, fields.len(), &mut out, |_, _, _| Ok::<_, Never>(Wrote::Keep)).unwrap();
            assert_eq!(out, row);
        }
    }
}
