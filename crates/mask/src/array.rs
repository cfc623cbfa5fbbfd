use bytes::{Buf, BufMut, BytesMut};

use crate::Masked;

/// Most dimensions of an array (`MAXDIM` in src/include/utils/array.h).
const DIMENSIONS_MAX: usize = 6;

/// Most bytes of one field (`MaxAllocSize` in src/include/utils/memutils.h).
pub(crate) const FIELD_BYTES_MAX: usize = 0x3fff_ffff;

/// Why an array could not be rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ArrayError<E> {
    /// It is not an array in this format.
    Malformed,
    /// An element could not be rewritten.
    Element(E),
    /// The result is longer than a field may be.
    TooLong,
}

/// The binary form of an array without elements.
pub(crate) fn empty_binary(element_oid: u32) -> [u8; 12] {
    let mut bytes = [0; 12];
    if let Some(oid) = bytes.last_chunk_mut::<4>() {
        *oid = element_oid.to_be_bytes();
    }
    bytes
}

/// Rewrites each element of an array in text format, NULL elements included; bounds and shape stay. `element` appends the new
/// element's text.
pub(crate) fn rewrite_text<E>(
    text: &str,
    out: &mut BytesMut,
    mut element: impl FnMut(Option<&[u8]>, &mut BytesMut) -> Result<Masked, E>,
) -> Result<(), ArrayError<E>> {
    let body = match text.starts_with('[') {
        true => {
            let end = text.find('=').ok_or(ArrayError::Malformed)?;
            let (bounds, body) = text.split_at_checked(end + 1).ok_or(ArrayError::Malformed)?;
            let plain = |byte: u8| byte.is_ascii_digit() || b"[]:-=".contains(&byte);
            if !bounds.bytes().all(plain) {
                return Err(ArrayError::Malformed);
            }
            out.extend_from_slice(bounds.as_bytes());
            body
        }
        false => text,
    };
    if body == "{}" {
        out.extend_from_slice(b"{}");
        return Ok(());
    }
    let mut reader = Items { rest: body, depth: 0, expects_item: true };
    let (mut unquoted, mut scratch) = (String::new(), BytesMut::new());
    let limit = out.len() + FIELD_BYTES_MAX;
    while let Some(item) = reader.next(&mut unquoted).ok_or(ArrayError::Malformed)? {
        let value = match item {
            Item::Mark(mark) => {
                out.put_u8(mark);
                continue;
            }
            Item::Null => None,
            Item::Plain(value) => Some(value.as_bytes()),
            Item::Quoted => Some(unquoted.as_bytes()),
        };
        scratch.clear();
        match element(value, &mut scratch).map_err(ArrayError::Element)? {
            Masked::Null => out.extend_from_slice(b"NULL"),
            Masked::Value => write_item(&scratch, out),
        }
        if out.len() > limit {
            return Err(ArrayError::TooLong);
        }
    }
    Ok(())
}

/// Appends an element's text, quoted where `array_out` quotes it.
pub(crate) fn write_item(text: &[u8], out: &mut BytesMut) {
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | b'{' | b'}' | b',' | b' ' | b'\t'..=b'\r');
    if !text.is_empty() && !text.eq_ignore_ascii_case(b"NULL") && !text.iter().any(special) {
        return out.extend_from_slice(text);
    }
    out.put_u8(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.put_u8(b'\\');
        }
        out.put_u8(*byte);
    }
    out.put_u8(b'"');
}

enum Item<'a> {
    /// A brace or comma.
    Mark(u8),
    Null,
    Plain(&'a str),
    /// An element that was quoted; its text is in the buffer.
    Quoted,
}

/// Reads the items of an array's text as `array_out` writes them: no white space between them, each brace closed.
struct Items<'a> {
    rest: &'a str,
    depth: usize,
    expects_item: bool,
}

impl<'a> Items<'a> {
    /// The next item; `Some(None)` at the end, `None` where the text is not an array.
    fn next(&mut self, unquoted: &mut String) -> Option<Option<Item<'a>>> {
        let Some(first) = self.rest.bytes().next() else {
            return (self.depth == 0 && !self.expects_item).then_some(None);
        };
        if self.depth == 0 && (first != b'{' || !self.expects_item) {
            return None;
        }
        match (first, self.expects_item) {
            (b'{', true) => self.depth = (self.depth < DIMENSIONS_MAX).then_some(self.depth + 1)?,
            (b'}', false) => self.depth -= 1,
            (b',', false) => self.expects_item = true,
            (b'"', true) => {
                self.expects_item = false;
                return self.quoted(unquoted).map(|()| Some(Item::Quoted));
            }
            (_, true) => {
                self.expects_item = false;
                return self.plain().map(Some);
            }
            _ => return None,
        }
        self.rest = self.rest.get(1..)?;
        Some(Some(Item::Mark(first)))
    }

    fn plain(&mut self) -> Option<Item<'a>> {
        let end = self.rest.find([',', '}'])?;
        let (item, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        if item.is_empty() || item.contains(['{', '"', '\\']) {
            return None;
        }
        Some(if item == "NULL" { Item::Null } else { Item::Plain(item) })
    }

    fn quoted(&mut self, unquoted: &mut String) -> Option<()> {
        unquoted.clear();
        let mut characters = self.rest.char_indices().skip(1);
        loop {
            match characters.next()? {
                (_, '\\') => unquoted.push(characters.next()?.1),
                (index, '"') => {
                    self.rest = self.rest.get(index + 1..)?;
                    return Some(());
                }
                (_, character) => unquoted.push(character),
            }
        }
    }
}

/// Rewrites each element of an array in binary format; bounds and shape stay. `element` appends the new element's bytes.
pub(crate) fn rewrite_binary<E>(
    mut bytes: &[u8],
    element_oid: u32,
    out: &mut BytesMut,
    mut element: impl FnMut(Option<&[u8]>, &mut BytesMut) -> Result<Masked, E>,
) -> Result<(), ArrayError<E>> {
    let header = read_header(&mut bytes, element_oid).ok_or(ArrayError::Malformed)?;
    let start = out.len();
    let limit = start + FIELD_BYTES_MAX;
    out.put_u32(header.dimensions.len() as u32);
    let flags_at = out.len();
    out.put_u32(0);
    out.put_u32(element_oid);
    for (length, lower_bound) in header.dimensions {
        out.put_u32(length);
        out.put_i32(lower_bound);
    }
    let mut has_null = false;
    for _ in 0..header.elements {
        let value = read_element(&mut bytes).ok_or(ArrayError::Malformed)?;
        let length_at = out.len();
        out.put_i32(-1);
        match element(value, out).map_err(ArrayError::Element)? {
            Masked::Null => has_null = true,
            Masked::Value => {
                let length = out.len() - length_at - 4;
                put_at(out, length_at, u32::try_from(length).map_err(|_| ArrayError::TooLong)?);
            }
        }
        if out.len() > limit {
            return Err(ArrayError::TooLong);
        }
    }
    put_at(out, flags_at, has_null.into());
    if bytes.has_remaining() { Err(ArrayError::Malformed) } else { Ok(()) }
}

fn put_at(out: &mut BytesMut, position: usize, value: u32) {
    if let Some(place) = out.get_mut(position..position + 4) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}

struct Header {
    /// Length and lower bound of each dimension.
    dimensions: Vec<(u32, i32)>,
    elements: usize,
}

fn read_header(bytes: &mut &[u8], element_oid: u32) -> Option<Header> {
    let dimension_count = usize::try_from(bytes.try_get_i32().ok()?).ok()?;
    let flags = bytes.try_get_u32().ok()?;
    let oid = bytes.try_get_u32().ok()?;
    if dimension_count > DIMENSIONS_MAX || flags > 1 || oid != element_oid {
        return None;
    }
    let mut dimensions = Vec::with_capacity(dimension_count);
    let mut elements: usize = if dimension_count == 0 { 0 } else { 1 };
    for _ in 0..dimension_count {
        let length = bytes.try_get_i32().ok().filter(|length| *length > 0)?;
        let lower_bound = bytes.try_get_i32().ok()?;
        dimensions.push((length.cast_unsigned(), lower_bound));
        elements = elements.checked_mul(usize::try_from(length).ok()?)?;
    }
    // Each element takes at least its length word, so a lying header ends the loop over them early.
    (elements <= bytes.len() / 4).then_some(Header { dimensions, elements })
}

/// One element; `Some(None)` is NULL, `None` where the bytes are not an element.
fn read_element<'a>(bytes: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let length = bytes.try_get_i32().ok()?;
    if length == -1 {
        return Some(None);
    }
    let (element, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    *bytes = rest;
    Some(Some(element))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    fn same(value: Option<&[u8]>, out: &mut BytesMut) -> Result<Masked, Infallible> {
        let Some(value) = value else { return Ok(Masked::Null) };
        out.extend_from_slice(value);
        Ok(Masked::Value)
    }

    fn copy(text: &str) -> Result<String, ArrayError<Infallible>> {
        let mut out = BytesMut::new();
        rewrite_text(text, &mut out, same).map(|()| String::from_utf8(out.to_vec()).unwrap())
    }

    #[test]
    fn text_arrays_of_postgres_15_come_through_as_they_were() {
        for array in [
            "{}",
            "{a,b}",
            r#"{"a b","null","","a,b","a\"b","a\\b","{x}","nUll",NULL,é}"#,
            "{{a,b},{c,NULL}}",
            "[0:1]={a,b}",
            "[-2:-1][3:3]={{1},{2}}",
            "{\"a\tb\"}",
            "{a\u{a0}x}",
        ] {
            assert_eq!(copy(array).as_deref(), Ok(array));
        }
    }

    #[test]
    fn what_is_no_array_is_refused() {
        for bad in [
            "",
            "a",
            "{",
            "}",
            "{a",
            "{a}}",
            "{a}x",
            "{,}",
            "{a,}",
            "{a\"b}",
            "{\"a}",
            "{\"a\"b}",
            "[0:1]{a}",
            "{{{{{{{a}}}}}}}",
            "{}{}",
            "{a\\",
        ] {
            assert_eq!(copy(bad), Err(ArrayError::Malformed), "{bad}");
        }
        let bytes = [[0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 23], [0x7f, 255, 255, 255], [0, 0, 0, 1]].concat();
        let mut out = BytesMut::new();
        assert_eq!(rewrite_binary(&bytes, 23, &mut out, same), Err(ArrayError::Malformed));
    }

    #[test]
    fn binary_arrays_keep_shape_and_bounds() {
        let hex = "000000020000000000000017000000020000000200000002000000000000000400000001000000040000000200000004000000030000000400000004";
        let bytes: Vec<u8> =
            (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect();
        let mut out = BytesMut::new();
        rewrite_binary(&bytes, 23, &mut out, same).unwrap();
        assert_eq!(out, bytes);
        assert_eq!(rewrite_binary(&bytes, 25, &mut out, same), Err(ArrayError::Malformed));
        assert_eq!(rewrite_binary(&bytes[..bytes.len() - 1], 23, &mut out, same), Err(ArrayError::Malformed));
        assert_eq!(rewrite_binary(&[bytes, vec![0]].concat(), 23, &mut out, same), Err(ArrayError::Malformed));
    }

    proptest! {
        #[test]
        fn any_text_survives_quoting(items in proptest::collection::vec(proptest::option::of("\\PC{0,6}|[ \\t\\n{},\"\\\\]{0,4}"), 1..5)) {
            let mut array = BytesMut::from("{");
            for (index, item) in items.iter().enumerate() {
                array.extend_from_slice(if index > 0 { b"," } else { b"" });
                match item {
                    Some(item) => write_item(item.as_bytes(), &mut array),
                    None => array.extend_from_slice(b"NULL"),
                }
            }
            array.extend_from_slice(b"}");
            let mut seen = Vec::new();
            let text = std::str::from_utf8(&array).unwrap().to_owned();
            rewrite_text(&text, &mut BytesMut::new(), |value, out| {
                seen.push(value.map(|v| String::from_utf8(v.to_vec()).unwrap()));
                same(value, out)
            }).unwrap();
            prop_assert_eq!(seen, items);
            prop_assert_eq!(copy(&text).unwrap(), text);
        }
    }
}
