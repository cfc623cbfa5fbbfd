use bytes::BytesMut;

use crate::{FieldType, Format, Kind, Masked, Rendering};

/// A value that does not depend on what it replaces, encoded once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Constant {
    /// NULL.
    Null,
    /// A value whose two forms are always the same.
    Value { text: Box<[u8]>, binary: Box<[u8]> },
}

impl Constant {
    /// What `redact` makes of every value of a type.
    pub(crate) fn redact(field_type: &FieldType) -> Constant {
        let (text, binary): (&[u8], &[u8]) = match &field_type.kind {
            Kind::Text => (b"[redacted]", b"[redacted]"),
            _ => return Constant::Null,
        };
        Constant::Value { text: text.into(), binary: binary.into() }
    }

    /// Appends its form.
    pub(crate) fn write(&self, format: Format, _rendering: &Rendering, out: &mut BytesMut) -> Masked {
        match self {
            Constant::Null => return Masked::Null,
            Constant::Value { text, binary } => out.extend_from_slice(match format {
                Format::Text => text,
                Format::Binary => binary,
            }),
        }
        Masked::Value
    }
}
