use bytes::{BufMut, BytesMut};

use crate::{
    FieldType, Format, Kind, Masked, Rendering, array, bytea,
    cursor::Cursor,
    datetime::{Moment, parse_clock, write_clock},
    float,
    interval::Interval,
    json,
    network::Network,
    numeric::Numeric,
    text::Fit,
};

/// 1970-01-01 in the binary forms of `date` and of `timestamp`, which count from 2000-01-01.
const EPOCH_DAYS: i32 = -10_957;
const EPOCH_US: i64 = -946_684_800_000_000;

/// A value that does not depend on what it replaces, encoded once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Constant {
    /// Bytes: their text depends on `bytea_output`.
    Bytes(Box<[u8]>),
    /// An instant: its text depends on the session's zone.
    Instant(Moment),
    /// NULL.
    Null,
    /// A value whose two forms are always the same.
    Value { text: Box<[u8]>, binary: Box<[u8]> },
}

impl Constant {
    /// What `redact` makes of every value of a type.
    pub(crate) fn redact(field_type: &FieldType) -> Constant {
        match &field_type.kind {
            Kind::Array { element_oid, .. } => value(b"{}", &array::empty_binary(*element_oid)),
            Kind::Bool => value(b"f", &[0]),
            Kind::Text | Kind::Bpchar => same(&Fit::new(field_type).constant("[redacted]")),
            Kind::Bytea => Constant::Bytes(Box::default()),
            Kind::Cidr => value(b"0.0.0.0/32", &[2, 32, 1, 4, 0, 0, 0, 0]),
            Kind::Composite | Kind::Domain(_) | Kind::Other | Kind::Range => Constant::Null,
            Kind::Date => value(b"1970-01-01", &EPOCH_DAYS.to_be_bytes()),
            Kind::Enum { first_label } => same(first_label.as_bytes()),
            Kind::Float4 | Kind::Int4 | Kind::Oid => value(b"0", &[0; 4]),
            Kind::Float8 | Kind::Int8 => value(b"0", &[0; 8]),
            Kind::Inet => value(b"0.0.0.0", &[2, 32, 0, 4, 0, 0, 0, 0]),
            Kind::Int2 => value(b"0", &[0; 2]),
            Kind::Interval => value(b"00:00:00", &[0; 16]),
            Kind::Json => same(b"null"),
            Kind::Jsonb => value(b"null", b"\x01null"),
            Kind::Money => value(b"$0.00", &[0; 8]),
            Kind::Numeric => numeric(&Numeric::zero(scale_shown(field_type))),
            Kind::Time => value(b"00:00:00", &[0; 8]),
            Kind::Timestamp => value(b"1970-01-01 00:00:00", &EPOCH_US.to_be_bytes()),
            Kind::Timestamptz => Constant::Instant(Moment::Finite(EPOCH_US)),
            Kind::Uuid => value(b"00000000-0000-0000-0000-000000000000", &[0; 16]),
            Kind::Whole(whole) => {
                whole.constant(field_type.length).map_or(Constant::Null, |(text, binary)| value(&text, &binary))
            }
            Kind::Xml => same(b"<redacted/>"),
        }
    }

    /// What `fixed` makes of every value of a type; an error, in words, names what would pass.
    pub(crate) fn fixed(given: &str, field_type: &FieldType) -> Result<Constant, &'static str> {
        let constant = match &field_type.kind {
            Kind::Array { element, element_oid } => return fixed_array(given, element, *element_oid),
            Kind::Bytea => bytea::parse(given).map(|bytes| Constant::Bytes(bytes.into())),
            Kind::Composite | Kind::Money | Kind::Other | Kind::Range | Kind::Xml => {
                return Err("the type takes no fixed value; use redact or null");
            }
            Kind::Domain(base) => return Constant::fixed(given, base),
            Kind::Whole(whole) if !whole.takes_fixed() => {
                return Err("the type takes no fixed value; use redact or null");
            }
            Kind::Whole(whole) => whole.fixed(given, field_type.length).map(|(text, binary)| value(&text, &binary)),
            Kind::Enum { first_label } => {
                return if given == first_label {
                    Ok(same(given.as_bytes()))
                } else {
                    Err("use the enum's first label")
                };
            }
            Kind::Json | Kind::Jsonb => fixed_json(given, &field_type.kind),
            Kind::Text | Kind::Bpchar => (!given.contains('\0')).then(|| same(&Fit::new(field_type).constant(given))),
            Kind::Date | Kind::Interval | Kind::Time | Kind::Timestamp | Kind::Timestamptz => {
                fixed_time(given, field_type)
            }
            _ => fixed_plain(given, field_type),
        };
        constant.ok_or_else(|| form(&field_type.kind))
    }

    /// Appends its form.
    pub(crate) fn write(&self, format: Format, rendering: &Rendering, out: &mut BytesMut) -> Masked {
        match (self, format) {
            (Constant::Null, _) => return Masked::Null,
            (Constant::Bytes(bytes), Format::Binary) => out.put_slice(bytes),
            (Constant::Bytes(bytes), Format::Text) => bytea::write(bytes, rendering.bytea(), out),
            (Constant::Instant(moment), Format::Text) => moment.write_timestamp(Some(rendering), out),
            (Constant::Instant(moment), Format::Binary) => out.put_i64(moment.to_us()),
            (Constant::Value { text, .. }, Format::Text) => out.put_slice(text),
            (Constant::Value { binary, .. }, Format::Binary) => out.put_slice(binary),
        }
        Masked::Value
    }
}

/// How a fixed value of a type is written.
fn form(kind: &Kind) -> &'static str {
    match kind {
        Kind::Bool => "write true or false",
        Kind::Bytea => r"write it in hex, such as \x00ff, or with \nnn for bytes that are no ASCII",
        Kind::Cidr | Kind::Inet => "write an address in full, with a prefix length if it has one, such as 10.0.0.0/8",
        Kind::Date => "write it as YYYY-MM-DD",
        Kind::Float4 | Kind::Float8 => "write a number within the type's range",
        Kind::Int2 | Kind::Int4 | Kind::Int8 | Kind::Oid => "write a whole number within the type's range",
        Kind::Interval => "write it as Postgres does, such as 1 year 2 mons 3 days 04:05:06",
        Kind::Json => "write one JSON value",
        Kind::Jsonb => r"write one JSON value, without exponents and \u0000",
        Kind::Numeric => "write a number within the column's precision, without an exponent",
        Kind::Time => "write it as HH:MM:SS",
        Kind::Timestamp => "write it as YYYY-MM-DD HH:MM:SS",
        Kind::Timestamptz => "write it as YYYY-MM-DD HH:MM:SS+00",
        Kind::Whole(whole) => whole.form(),
        Kind::Uuid => "write 32 hexadecimal digits, grouped 8-4-4-4-12",
        _ => "leave out the character U+0000",
    }
}

/// Digits after the point that a column of this type shows for a whole number.
pub(crate) fn scale_shown(field_type: &FieldType) -> u16 {
    field_type.numeric.map_or(0, |(_, scale)| u16::try_from(scale).unwrap_or(0))
}

fn value(text: &[u8], binary: &[u8]) -> Constant {
    Constant::Value { text: text.into(), binary: binary.into() }
}

/// A value whose binary form is its text.
fn same(text: &[u8]) -> Constant {
    value(text, text)
}

/// A value from what writes its forms.
fn written(text: impl FnOnce(&mut BytesMut), binary: impl FnOnce(&mut BytesMut)) -> Constant {
    let (mut text_form, mut binary_form) = (BytesMut::new(), BytesMut::new());
    text(&mut text_form);
    binary(&mut binary_form);
    value(&text_form, &binary_form)
}

fn numeric(number: &Numeric) -> Constant {
    written(|out| number.write_text(out), |out| number.write_binary(out))
}

/// Booleans, numbers, addresses, UUIDs.
fn fixed_plain(given: &str, field_type: &FieldType) -> Option<Constant> {
    fn integer<const N: usize>(number: impl ToString, bytes: [u8; N]) -> Constant {
        value(number.to_string().as_bytes(), &bytes)
    }
    Some(match field_type.kind {
        Kind::Bool => match given {
            "true" | "t" => value(b"t", &[1]),
            "false" | "f" => value(b"f", &[0]),
            _ => return None,
        },
        Kind::Int2 => given.parse::<i16>().ok().map(|number| integer(number, number.to_be_bytes()))?,
        Kind::Int4 => given.parse::<i32>().ok().map(|number| integer(number, number.to_be_bytes()))?,
        Kind::Int8 => given.parse::<i64>().ok().map(|number| integer(number, number.to_be_bytes()))?,
        Kind::Oid => given.parse::<u32>().ok().map(|number| integer(number, number.to_be_bytes()))?,
        Kind::Numeric => fixed_numeric(given, field_type)?,
        Kind::Float4 => {
            let number = given.parse::<f32>().ok().filter(|number| number.is_finite())?;
            written(|out| float::write(number, out), |out| out.put_f32(number))
        }
        Kind::Float8 => {
            let number = given.parse::<f64>().ok().filter(|number| number.is_finite())?;
            written(|out| float::write(number, out), |out| out.put_f64(number))
        }
        Kind::Inet | Kind::Cidr => {
            let network = Network::parse(given, field_type.kind == Kind::Cidr)?;
            written(|out| network.write_text(out), |out| network.write_binary(out))
        }
        Kind::Uuid => uuid(given)?,
        _ => return None,
    })
}

fn fixed_numeric(given: &str, field_type: &FieldType) -> Option<Constant> {
    let number = Numeric::parse(given)?;
    Some(numeric(&match field_type.numeric {
        Some((precision, scale)) => number.within(precision, scale)?,
        None => number,
    }))
}

fn fixed_time(given: &str, field_type: &FieldType) -> Option<Constant> {
    Some(match field_type.kind {
        Kind::Date => {
            let date = Moment::parse_date(given)?;
            written(|out| date.write_date(out), |out| out.put_i32(date.to_days()))
        }
        Kind::Interval => {
            let interval = Interval::parse(given)?;
            written(|out| interval.write_text(out), |out| interval.write_binary(out))
        }
        Kind::Time => {
            let mut cursor = Cursor::new(given);
            let us = parse_clock(&mut cursor).filter(|_| cursor.at_end())?;
            written(|out| write_clock(us, out), |out| out.put_i64(us))
        }
        Kind::Timestamp => {
            let moment = Moment::parse_timestamp(given, false)?;
            written(|out| moment.write_timestamp(None, out), |out| out.put_i64(moment.to_us()))
        }
        Kind::Timestamptz => Constant::Instant(Moment::parse_timestamp(given, true)?),
        _ => return None,
    })
}

fn fixed_json(given: &str, kind: &Kind) -> Option<Constant> {
    if *kind == Kind::Json {
        return json::is_json(given).then(|| same(given.as_bytes()));
    }
    let text = json::jsonb_text(given)?;
    Some(value(&text, &[&[json::JSONB_VERSION], &text[..]].concat()))
}

fn uuid(given: &str) -> Option<Constant> {
    let grouped = given.bytes().enumerate().all(|(index, byte)| (byte == b'-') == matches!(index, 8 | 13 | 18 | 23));
    let bytes = bytea::hex_bytes(&given.replace('-', ""))?;
    (grouped && bytes.len() == 16).then(|| value(given.to_ascii_lowercase().as_bytes(), &bytes))
}

/// An array literal of one dimension, as Postgres writes it.
fn fixed_array(given: &str, element: &FieldType, element_oid: u32) -> Result<Constant, &'static str> {
    const FORM: &str = "write it as Postgres does, in one dimension and without spaces, such as {a,\"b c\",NULL}";
    if given == "{}" {
        return Ok(value(b"{}", &array::empty_binary(element_oid)));
    }
    if !given.starts_with('{') || given.starts_with("{{") || given.contains('\0') {
        return Err(FORM);
    }
    let (mut text, mut elements, mut count, mut has_null) = (BytesMut::new(), BytesMut::new(), 0u32, false);
    array::rewrite_text(given, &mut text, |item, out| {
        count += 1;
        let Some(item) = item else {
            has_null = true;
            elements.put_i32(-1);
            return Ok(Masked::Null);
        };
        let item = std::str::from_utf8(item).map_err(|_| FORM)?;
        let Constant::Value { text, binary } = Constant::fixed(item, element)? else {
            return Err("instants and bytes in an array take no fixed value; use {} or redact");
        };
        elements.put_u32(u32::try_from(binary.len()).map_err(|_| FORM)?);
        elements.put_slice(&binary);
        out.put_slice(&text);
        Ok(Masked::Value)
    })
    .map_err(|error| match error {
        array::ArrayError::Element(remedy) => remedy,
        array::ArrayError::Malformed | array::ArrayError::TooLong => FORM,
    })?;
    let mut binary = BytesMut::new();
    for word in [1, has_null.into(), element_oid, count, 1] {
        binary.put_u32(word);
    }
    binary.put_slice(&elements);
    Ok(value(&text, &binary))
}

/// Whether `fixed` can stand for values of a type at all.
pub(crate) fn takes_fixed(field_type: &FieldType) -> bool {
    match &field_type.base().kind {
        Kind::Composite | Kind::Money | Kind::Other | Kind::Range | Kind::Xml => false,
        Kind::Whole(whole) => whole.takes_fixed(),
        _ => true,
    }
}
