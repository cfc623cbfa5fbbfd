use std::borrow::Cow;

use bytes::{BufMut, BytesMut};

use crate::{FieldType, Format, Kind, constant::Constant, detect, json, text::Fit};

/// The longest value that is searched, in bytes: it holds up the other sessions of its event loop meanwhile. Longer ones become the type's
/// constant.
const SCAN_BYTES_MAX: usize = 1 << 20;

/// Replaces what the detectors find in a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scan {
    form: Form,
    too_long: Box<[u8]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Json,
    Jsonb,
    Text(Fit),
}

impl Scan {
    /// None where the type is neither text nor JSON.
    pub(crate) fn compile(field_type: &FieldType) -> Option<Scan> {
        let form = match field_type.kind {
            Kind::Json => Form::Json,
            Kind::Jsonb => Form::Jsonb,
            Kind::Bpchar | Kind::Text => Form::Text(Fit::new(field_type)),
            _ => return None,
        };
        let Constant::Value { text, .. } = Constant::redact(field_type) else { return None };
        Some(Scan { form, too_long: text })
    }

    /// Appends the value without what was found in it; None where it does not read as its type.
    pub(crate) fn apply(&self, value: &[u8], format: Format, out: &mut BytesMut) -> Option<()> {
        let mut value = value;
        if self.form == Form::Jsonb && format == Format::Binary {
            let (version, rest) = value.split_first()?;
            (*version == json::JSONB_VERSION).then_some(())?;
            out.put_u8(json::JSONB_VERSION);
            value = rest;
        }
        let text = std::str::from_utf8(value).ok()?;
        if text.len() > SCAN_BYTES_MAX {
            out.put_slice(&self.too_long);
            return Some(());
        }
        let start = out.len();
        match self.form {
            Form::Text(fit) => {
                detect::scrub(fit.content(text), out);
                fit.finish(out, start);
            }
            Form::Json => {
                scrub_json(text, out)?;
            }
            // A name that changed may be another's, or stand elsewhere in the order of names.
            Form::Jsonb if scrub_json(text, out)?.named => {
                let scrubbed = out.split_off(start);
                let canonical = json::jsonb_text(std::str::from_utf8(&scrubbed).ok()?);
                out.put_slice(canonical.as_deref().unwrap_or(&self.too_long));
            }
            Form::Jsonb => (),
        }
        Some(())
    }
}

/// What [`scrub_json`] found.
struct Found {
    /// Something in the name of a member.
    named: bool,
}

/// Appends a JSON text whose strings, names and numbers are replaced where something is found in them; all else stays byte for byte.
fn scrub_json(text: &str, out: &mut BytesMut) -> Option<Found> {
    let mut found = Found { named: false };
    let mut rest = text;
    while let Some(first) = rest.bytes().next() {
        let length = match first {
            b'"' => string_length(rest)?,
            b'-' | b'0'..=b'9' => {
                rest.find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E')).unwrap_or(rest.len())
            }
            _ => rest.find(['"', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']).unwrap_or(rest.len()),
        };
        let (token, after) = rest.split_at_checked(length)?;
        rest = after;
        match first {
            b'"' => {
                let changed = scrub_string(token, out)?;
                found.named |= changed && after.trim_start().starts_with(':');
            }
            b'-' | b'0'..=b'9' => match detect::find(token).first() {
                Some((_, what)) => write_marker(what.marker(), out),
                None => out.put_slice(token.as_bytes()),
            },
            _ => out.put_slice(token.as_bytes()),
        }
    }
    Some(found)
}

/// Bytes of the string at the start, its quotes included.
fn string_length(text: &str) -> Option<usize> {
    let mut bytes = text.bytes().enumerate().skip(1);
    loop {
        match bytes.next()? {
            (_, b'\\') => {
                bytes.next()?;
            }
            (at, b'"') => return Some(at + 1),
            _ => (),
        }
    }
}

/// Appends a string, as it was unless something is found in it.
fn scrub_string(token: &str, out: &mut BytesMut) -> Option<bool> {
    let value: Cow<'_, str> = serde_json::from_str(token).ok()?;
    let mut scrubbed = BytesMut::new();
    if detect::scrub(&value, &mut scrubbed) == 0 {
        out.put_slice(token.as_bytes());
        return Some(false);
    }
    let start = out.len();
    if json::write_string(std::str::from_utf8(&scrubbed).ok()?, out).is_none() {
        // It holds U+0000, which has no form in jsonb.
        out.truncate(start);
        write_marker(detect::Detected::Secret.marker(), out);
    }
    Some(true)
}

fn write_marker(marker: &str, out: &mut BytesMut) {
    out.put_u8(b'"');
    out.put_slice(marker.as_bytes());
    out.put_u8(b'"');
}
