//! Values in the binary protocol, and the text that the text protocol has for the same value (MySQL Internals, "Binary Protocol Value").
//!
//! Maskers work on text: a binary value becomes text, is masked, and becomes binary again.

use std::{borrow::Cow, fmt::Write as _};

use bytes::{BufMut, BytesMut};

use crate::{Malformed, Problem, column::kind, read::Reader, write};

/// A binary value's type, as column definitions and parameters name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Type {
    /// [`kind`].
    pub kind: u8,
    /// A number without sign.
    pub unsigned: bool,
    /// Digits after the point, of instants and times.
    pub decimals: u8,
}

/// Takes one value's bytes, without giving them a meaning.
pub(crate) fn raw<'a>(reader: &mut Reader<'a>, kind: u8) -> Result<&'a [u8], Malformed> {
    const FIELD: &str = "value";
    match kind {
        kind::NULL => Ok(&[]),
        kind::TINY => reader.bytes(FIELD, 1),
        kind::SHORT | kind::YEAR => reader.bytes(FIELD, 2),
        kind::LONG | kind::INT24 | kind::FLOAT => reader.bytes(FIELD, 4),
        kind::LONGLONG | kind::DOUBLE => reader.bytes(FIELD, 8),
        kind::DATE | kind::DATETIME | kind::TIMESTAMP | kind::TIME => {
            let length = reader.u8(FIELD)?;
            let possible: &[u8] = if kind == kind::TIME { &[0, 8, 12] } else { &[0, 4, 7, 11] };
            if !possible.contains(&length) {
                return Err(reader.wrong(FIELD, Problem::BadValue { value: u64::from(length) }));
            }
            reader.bytes(FIELD, usize::from(length))
        }
        _ => reader.lenenc_bytes(FIELD),
    }
}

/// Appends one value's bytes as [`raw`] takes them.
pub(crate) fn put_raw(out: &mut BytesMut, kind: u8, bytes: &[u8]) {
    match kind {
        kind::NULL => {}
        kind::TINY
        | kind::SHORT
        | kind::YEAR
        | kind::LONG
        | kind::INT24
        | kind::FLOAT
        | kind::LONGLONG
        | kind::DOUBLE => out.put_slice(bytes),
        kind::DATE | kind::DATETIME | kind::TIMESTAMP | kind::TIME => {
            out.put_u8(u8::try_from(bytes.len()).unwrap_or(0));
            out.put_slice(bytes);
        }
        _ => write::lenenc_bytes(out, bytes),
    }
}

/// The text of a value that [`raw`] took.
pub fn text(of: Type, bytes: &[u8]) -> Result<Cow<'_, [u8]>, Malformed> {
    let mut reader = Reader::new("binary value", bytes);
    let signed = |value: u64, bits: u32| -> String {
        if of.unsigned { value.to_string() } else { ((value << (64 - bits)).cast_signed() >> (64 - bits)).to_string() }
    };
    let text = match of.kind {
        kind::TINY => signed(u64::from(reader.u8("value")?), 8),
        kind::SHORT => signed(u64::from(reader.u16("value")?), 16),
        kind::YEAR => format!("{:04}", reader.u16("value")?),
        kind::LONG | kind::INT24 => signed(u64::from(reader.u32("value")?), 32),
        kind::LONGLONG => signed(reader.u64("value")?, 64),
        kind::FLOAT => f32::from_bits(reader.u32("value")?).to_string(),
        kind::DOUBLE => f64::from_bits(reader.u64("value")?).to_string(),
        kind::DATE | kind::DATETIME | kind::TIMESTAMP => instant(of, &mut reader)?,
        kind::TIME => time(of, &mut reader)?,
        _ => return Ok(Cow::Borrowed(bytes)),
    };
    reader.finish()?;
    Ok(Cow::Owned(text.into_bytes()))
}

fn instant(of: Type, reader: &mut Reader<'_>) -> Result<String, Malformed> {
    let has = |reader: &Reader<'_>| reader.left() > 0;
    let (year, month, day) = match has(reader) {
        true => (reader.u16("year")?, reader.u8("month")?, reader.u8("day")?),
        false => (0, 0, 0),
    };
    let (hour, minute, second) = match has(reader) {
        true => (reader.u8("hour")?, reader.u8("minute")?, reader.u8("second")?),
        false => (0, 0, 0),
    };
    let micros = if has(reader) { reader.u32("microseconds")? } else { 0 };
    let mut text = format!("{year:04}-{month:02}-{day:02}");
    if of.kind != kind::DATE {
        // Writing to a string does not fail.
        let _ = write!(text, " {hour:02}:{minute:02}:{second:02}");
        fraction(&mut text, micros, of.decimals);
    }
    Ok(text)
}

fn time(of: Type, reader: &mut Reader<'_>) -> Result<String, Malformed> {
    let mut text = String::new();
    let (mut hours, mut minute, mut second, mut micros) = (0_u64, 0, 0, 0);
    if reader.left() > 0 {
        if reader.u8("sign")? != 0 {
            text.push('-');
        }
        hours = u64::from(reader.u32("days")?) * 24 + u64::from(reader.u8("hour")?);
        (minute, second) = (reader.u8("minute")?, reader.u8("second")?);
        micros = if reader.left() > 0 { reader.u32("microseconds")? } else { 0 };
    }
    let _ = write!(text, "{hours:02}:{minute:02}:{second:02}");
    fraction(&mut text, micros, of.decimals);
    Ok(text)
}

fn fraction(text: &mut String, micros: u32, decimals: u8) {
    // 31 stands for "as many as there are" in column definitions; parameters have 0 and may have a fraction.
    let shown = if (1..=6).contains(&decimals) {
        usize::from(decimals)
    } else if micros > 0 {
        6
    } else {
        return;
    };
    let digits = format!("{micros:06}");
    let _ = write!(text, ".{}", digits.get(..shown).unwrap_or(&digits));
}

/// The bytes, as [`raw`] takes them, of a value with this text.
pub fn binary(of: Type, text: &[u8]) -> Result<Vec<u8>, Malformed> {
    let unfit = || Malformed { packet: "binary value", field: "value", problem: Problem::Unfit };
    let words = || std::str::from_utf8(text).map_err(|_| unfit());
    let whole = || -> Result<i128, Malformed> { words()?.trim().parse().map_err(|_| unfit()) };
    let integer = |bits: u32| -> Result<Vec<u8>, Malformed> {
        let value = whole()?;
        let (low, high) = match of.unsigned {
            true => (0, (1_i128 << bits) - 1),
            false => (-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1),
        };
        if !(low..=high).contains(&value) {
            return Err(unfit());
        }
        let bytes = value.to_le_bytes();
        Ok(bytes.into_iter().take(usize::try_from(bits / 8).unwrap_or(0)).collect())
    };
    match of.kind {
        kind::TINY => integer(8),
        kind::SHORT | kind::YEAR => integer(16),
        kind::LONG | kind::INT24 => integer(32),
        kind::LONGLONG => integer(64),
        kind::FLOAT => words()?.parse::<f32>().map(|v| v.to_le_bytes().to_vec()).map_err(|_| unfit()),
        kind::DOUBLE => words()?.parse::<f64>().map(|v| v.to_le_bytes().to_vec()).map_err(|_| unfit()),
        kind::DATE | kind::DATETIME | kind::TIMESTAMP => binary_instant(of, words()?).ok_or_else(unfit),
        kind::TIME => binary_time(words()?).ok_or_else(unfit),
        kind::NULL => Err(unfit()),
        _ => Ok(text.to_vec()),
    }
}

fn binary_instant(of: Type, text: &str) -> Option<Vec<u8>> {
    let (date, clock) = text.split_once(' ').unwrap_or((text, ""));
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?.parse::<u16>().ok()?, parts.next()?, parts.next()?);
    let (month, day) = (month.parse::<u8>().ok()?, day.parse::<u8>().ok()?);
    if parts.next().is_some() || month > 12 || day > 31 {
        return None;
    }
    let mut out = year.to_le_bytes().to_vec();
    out.extend([month, day]);
    if of.kind == kind::DATE || clock.is_empty() {
        return Some(out);
    }
    let (hours, minute, second, micros) = read_clock(clock)?;
    out.extend([u8::try_from(hours).ok().filter(|h| *h < 24)?, minute, second]);
    if micros > 0 {
        out.extend(micros.to_le_bytes());
    }
    Some(out)
}

fn binary_time(text: &str) -> Option<Vec<u8>> {
    let (negative, clock) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (hours, minute, second, micros) = read_clock(clock)?;
    let mut out = vec![u8::from(negative)];
    out.extend((hours / 24).to_le_bytes());
    out.extend([u8::try_from(hours % 24).ok()?, minute, second]);
    if micros > 0 {
        out.extend(micros.to_le_bytes());
    }
    Some(out)
}

/// Hours, minutes, seconds, microseconds.
fn read_clock(text: &str) -> Option<(u32, u8, u8, u32)> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.split(':');
    let hours = parts.next()?.parse().ok()?;
    let minute = parts.next()?.parse().ok().filter(|m| *m < 60)?;
    let second = parts.next()?.parse().ok().filter(|s| *s < 60)?;
    if parts.next().is_some() || fraction.len() > 6 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some((hours, minute, second, format!("{fraction:0<6}").parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: u8) -> Type {
        Type { kind, unsigned: false, decimals: 0 }
    }

    fn back_and_forth(of: Type, shown: &str) {
        let bytes = binary(of, shown.as_bytes()).unwrap_or_else(|e| panic!("{shown}: {e}"));
        let mut out = BytesMut::new();
        put_raw(&mut out, of.kind, &bytes);
        let mut reader = Reader::new("test", &out);
        assert_eq!(raw(&mut reader, of.kind).unwrap(), bytes);
        reader.finish().unwrap();
        assert_eq!(String::from_utf8_lossy(&text(of, &bytes).unwrap()), shown);
    }

    #[test]
    fn every_type_goes_to_text_and_back() {
        for shown in ["0", "-128", "127"] {
            back_and_forth(of(kind::TINY), shown);
        }
        back_and_forth(Type { unsigned: true, ..of(kind::TINY) }, "255");
        back_and_forth(of(kind::SHORT), "-32768");
        back_and_forth(of(kind::LONG), "-2147483648");
        back_and_forth(of(kind::LONGLONG), "-9223372036854775808");
        back_and_forth(Type { unsigned: true, ..of(kind::LONGLONG) }, "18446744073709551615");
        back_and_forth(of(kind::YEAR), "1970");
        back_and_forth(of(kind::FLOAT), "1.5");
        back_and_forth(of(kind::DOUBLE), "-0.25");
        back_and_forth(of(kind::DATE), "1970-01-01");
        back_and_forth(of(kind::DATE), "0000-00-00");
        back_and_forth(of(kind::DATETIME), "2024-02-29 23:59:58");
        back_and_forth(Type { decimals: 6, ..of(kind::DATETIME) }, "2024-02-29 23:59:58.000001");
        back_and_forth(Type { decimals: 3, ..of(kind::TIMESTAMP) }, "2024-02-29 23:59:58.120");
        back_and_forth(of(kind::TIME), "-838:59:59");
        back_and_forth(of(kind::TIME), "00:00:00");
        back_and_forth(of(kind::VAR_STRING), "any text");
        back_and_forth(of(kind::DECIMAL), "-12.340");
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        for (kind, text) in [
            (kind::TINY, "128"),
            (kind::LONG, "x"),
            (kind::DATE, "1970"),
            (kind::DATE, "1970-13-01"),
            (kind::DATETIME, "1970-01-01 24:00:00"),
            (kind::TIME, "1:2"),
            (kind::TIME, "00:00:00.1234567"),
            (kind::NULL, ""),
        ] {
            assert!(binary(of(kind), text.as_bytes()).is_err(), "{text}");
        }
        assert!(text(of(kind::LONG), &[1, 2]).is_err() && text(of(kind::TINY), &[1, 2]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(kind: u8, unsigned: bool, decimals: u8, bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..20)) {
            let of = Type { kind, unsigned, decimals };
            if let Ok(text) = text(of, &bytes) {
                let _ = binary(of, &text);
            }
            let _ = binary(of, &bytes);
            let _ = raw(&mut Reader::new("test", &bytes), kind);
        }
    }
}
