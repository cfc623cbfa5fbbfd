use std::{borrow::Cow, collections::BTreeMap, fmt::Write as _};

use bytes::BytesMut;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

/// Version byte before the text of a binary `jsonb` (`jsonb_send` in src/backend/utils/adt/jsonb.c).
pub(crate) const JSONB_VERSION: u8 = 1;

/// Deepest nesting of a `jsonb` constant: each level is a stack frame.
const DEPTH_MAX: usize = 64;

/// Whether the text is one JSON value.
pub(crate) fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// The text that Postgres writes for a `jsonb` of this value: keys by length and then bytes, the last of equal keys, numbers as
/// `numeric`. None for what is no JSON, for numbers with an exponent, for
/// `\u0000`, and for what is nested deeper than 64 levels.
pub(crate) fn jsonb_text(text: &str) -> Option<BytesMut> {
    let mut out = BytesMut::new();
    write(serde_json::from_str(text).ok()?, DEPTH_MAX, &mut out)?;
    Some(out)
}

fn write(value: &RawValue, depth_left: usize, out: &mut BytesMut) -> Option<()> {
    let raw = value.get();
    let deeper = depth_left.checked_sub(1)?;
    match raw.as_bytes().first()? {
        b'{' => {
            let members: BTreeMap<Key<'_>, &RawValue> = serde_json::from_str(raw).ok()?;
            out.extend_from_slice(b"{");
            for (index, (key, member)) in members.into_iter().enumerate() {
                out.extend_from_slice(if index > 0 { b", " } else { b"" });
                write_string(&key.1, out)?;
                out.extend_from_slice(b": ");
                write(member, deeper, out)?;
            }
            out.extend_from_slice(b"}");
        }
        b'[' => {
            let elements: Vec<&RawValue> = serde_json::from_str(raw).ok()?;
            out.extend_from_slice(b"[");
            for (index, element) in elements.into_iter().enumerate() {
                out.extend_from_slice(if index > 0 { b", " } else { b"" });
                write(element, deeper, out)?;
            }
            out.extend_from_slice(b"]");
        }
        b'"' => write_string(&serde_json::from_str::<Cow<'_, str>>(raw).ok()?, out)?,
        b't' | b'f' | b'n' => out.extend_from_slice(raw.as_bytes()),
        _ => crate::numeric::Numeric::parse(raw)?.write_text(out),
    }
    Some(())
}

/// Appends a string (`escape_json` in src/backend/utils/adt/json.c); None for one with U+0000.
pub(crate) fn write_string(text: &str, out: &mut BytesMut) -> Option<()> {
    out.extend_from_slice(b"\"");
    for character in text.chars() {
        let escaped = match character {
            '\0' => return None,
            '"' => "\\\"",
            '\\' => "\\\\",
            '\u{8}' => "\\b",
            '\u{c}' => "\\f",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            control if control < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
                continue;
            }
            other => {
                out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
        };
        out.extend_from_slice(escaped.as_bytes());
    }
    out.extend_from_slice(b"\"");
    Some(())
}

/// A member's name, ordered as `jsonb` orders names: by length in bytes, then by bytes.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key<'a>(usize, Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<'de, str>::deserialize(deserializer)?;
        Ok(Key(name.len(), name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jsonb_is_written_as_postgres_15_writes_it() {
        for (given, written) in [
            (r#"{"bb":1,"a":[1,2.50,-0,-0.0],"a":{}, "c":[], "":null}"#, r#"{"": null, "a": {}, "c": [], "bb": 1}"#),
            (r#" [1, 2.50,-0 ,-0.0,true,false , null] "#, r#"[1, 2.50, 0, 0.0, true, false, null]"#),
            (r#""x\u00e9\u0001\n\/\"\\""#, "\"xé\\u0001\\n/\\\"\\\\\""),
        ] {
            assert_eq!(jsonb_text(given).unwrap(), written);
        }
        for bad in ["", "{", "1e2", "nul", r#""\u0000""#, "[1,]", "01"] {
            assert_eq!(jsonb_text(bad), None, "{bad}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_and_does_not_exhaust_the_stack() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert_eq!(jsonb_text(&deep), None);
    }
}
