use std::sync::Arc;

use bytes::{BufMut, BytesMut};

use crate::{
    FieldError, FieldMask, FieldType, Format, Kind, MaskError, MaskKey, MaskKeys, Masker, NullRule, Rendering,
    array::{self, ArrayError},
    constant::scale_shown,
    datetime::{Moment, Unit},
    float,
    hash::{self, Hash},
    integer,
    numeric::NumericField,
    preserve::Preserve,
    scan::Scan,
    text::{self, Fit},
};

/// What a masker that depends on the value does with values of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Transform {
    Date(Unit),
    Elements { mask: Box<FieldMask>, element_oid: u32 },
    Float4 { step: u64 },
    Float8 { step: u64 },
    Hash(Hash),
    Integer { bytes: usize, step: u64 },
    Numeric { step: u64, digits_max: usize, scale: u16 },
    Preserve(Preserve),
    Scan(Scan),
    Text(TextRule, Fit),
    Timestamp(Unit),
    Timestamptz(Unit),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextRule {
    Email,
    KeepFirst(u32),
    KeepLast(u32),
}

impl Transform {
    /// None when the type cannot carry the masker.
    pub(crate) fn compile(
        masker: &Masker,
        nulls: NullRule,
        field_type: &FieldType,
        keys: &MaskKeys,
    ) -> Result<Option<Transform>, MaskError> {
        let field_type = field_type.base();
        if let Kind::Array { element, element_oid } = &field_type.kind {
            return Ok(match FieldMask::compile_with(masker, nulls, element, keys) {
                Ok(mask) => Some(Transform::Elements { mask: Box::new(mask), element_oid: *element_oid }),
                Err(MaskError::Unsuitable { .. }) => None,
                Err(error) => return Err(error),
            });
        }
        let text = |rule| Transform::Text(rule, Fit::new(field_type));
        Ok(Some(match (masker, &field_type.kind) {
            (Masker::Email, Kind::Bpchar | Kind::Text) => text(TextRule::Email),
            (Masker::Fpe(name), _) => {
                return Ok(Preserve::compile(key(masker, name, keys)?, field_type).map(Transform::Preserve));
            }
            (Masker::Hash(name), _) => return Transform::hash(masker, key(masker, name, keys)?, field_type),
            (Masker::KeepFirst(kept), Kind::Bpchar | Kind::Text) => text(TextRule::KeepFirst(*kept)),
            (Masker::KeepLast(kept), Kind::Bpchar | Kind::Text) => text(TextRule::KeepLast(*kept)),
            (Masker::Month, kind) => return Ok(Transform::truncate(kind, Unit::Month)),
            (Masker::Round(step), _) => return Transform::round(*step, field_type),
            (Masker::Scan, _) => return Ok(Scan::compile(field_type).map(Transform::Scan)),
            (Masker::Year, kind) => return Ok(Transform::truncate(kind, Unit::Year)),
            _ => return Ok(None),
        }))
    }

    fn hash(masker: &Masker, key: &Arc<MaskKey>, field_type: &FieldType) -> Result<Option<Transform>, MaskError> {
        let Some(hash) = Hash::compile(key, field_type) else { return Ok(None) };
        let length = hash::TEXT_TOKEN_LENGTH;
        let room = field_type.length.and_then(|room| usize::try_from(room).ok());
        if room.is_some_and(|room| room < length) {
            let (masker, field_type) = (masker.name(), field_type.to_string());
            return Err(MaskError::TokenTooLong { masker, field_type, length });
        }
        Ok(Some(Transform::Hash(hash)))
    }

    fn truncate(kind: &Kind, unit: Unit) -> Option<Transform> {
        match kind {
            Kind::Date => Some(Transform::Date(unit)),
            Kind::Timestamp => Some(Transform::Timestamp(unit)),
            Kind::Timestamptz => Some(Transform::Timestamptz(unit)),
            _ => None,
        }
    }

    fn round(step: u64, field_type: &FieldType) -> Result<Option<Transform>, MaskError> {
        let bad = |remedy: String| Err(MaskError::BadStep { step, field_type: field_type.to_string(), remedy });
        let transform = match field_type.kind {
            Kind::Float4 => Transform::Float4 { step },
            Kind::Float8 => Transform::Float8 { step },
            Kind::Int2 => Transform::Integer { bytes: 2, step },
            Kind::Int4 => Transform::Integer { bytes: 4, step },
            Kind::Int8 => Transform::Integer { bytes: 8, step },
            Kind::Numeric => {
                let digits_max = field_type.numeric.map_or(usize::MAX, |(precision, scale)| {
                    usize::try_from(i32::from(precision) - i32::from(scale)).unwrap_or(0)
                });
                Transform::Numeric { step, digits_max, scale: scale_shown(field_type) }
            }
            _ => return Ok(None),
        };
        if step == 0 {
            return bad("use a step of at least 1".to_owned());
        }
        if matches!(field_type.kind, Kind::Float4 | Kind::Float8) && step > float::STEP_MAX {
            return bad(format!("use a step of at most {}", float::STEP_MAX));
        }
        if let Some((_, scale @ ..0)) = field_type.numeric {
            let unit = 10u64.checked_pow(scale.unsigned_abs().into());
            if !unit.is_some_and(|unit| step.is_multiple_of(unit)) {
                return bad(format!("use a multiple of 1e{}, the unit of the column", scale.unsigned_abs()));
            }
        }
        Ok(Some(transform))
    }

    fn kind(&self) -> &'static str {
        match self {
            Transform::Date(_) => "date",
            Transform::Elements { .. } => "array",
            Transform::Float4 { .. } => "real",
            Transform::Float8 { .. } => "double precision",
            Transform::Hash(_) => "a type with tokens",
            Transform::Integer { .. } => "integer",
            Transform::Numeric { .. } => "numeric",
            Transform::Preserve(_) | Transform::Text(..) => "text",
            Transform::Scan(_) => "text or JSON",
            Transform::Timestamp(_) => "timestamp",
            Transform::Timestamptz(_) => "timestamp with time zone",
        }
    }

    /// Appends the masked form of a value. After an error `out` may hold a part of it.
    pub(crate) fn apply(
        &self,
        value: &[u8],
        format: Format,
        rendering: &Rendering,
        out: &mut BytesMut,
    ) -> Result<(), FieldError> {
        if let Transform::Elements { mask, element_oid } = self {
            return self.apply_to_elements(mask, *element_oid, value, format, rendering, out);
        }
        if let Transform::Hash(hash) = self {
            let malformed = FieldError::Malformed { kind: self.kind(), format };
            return hash.apply(value, format, rendering, out).ok_or(malformed);
        }
        match format {
            Format::Text => self.apply_to_text(value, rendering, out),
            Format::Binary => self.apply_to_binary(value, out),
        }
        .ok_or(FieldError::Malformed { kind: self.kind(), format })
    }

    fn apply_to_text(&self, value: &[u8], rendering: &Rendering, out: &mut BytesMut) -> Option<()> {
        let value = std::str::from_utf8(value).ok()?;
        match self {
            Transform::Date(unit) => Moment::parse_date(value)?.truncate_date(*unit).write_date(out),
            Transform::Float4 { step } => {
                float::write(float::round(float::parse::<f32>(value)?.into(), *step) as f32, out);
            }
            Transform::Float8 { step } => float::write(float::round(float::parse::<f64>(value)?, *step), out),
            Transform::Integer { bytes, step } => integer::round_text(value, *bytes, *step, out)?,
            Transform::Numeric { step, digits_max, scale } => match NumericField::parse(value)? {
                NumericField::Number(number) => number.rounded(*step, *digits_max, *scale).write_text(out),
                NumericField::Special => out.put_slice(value.as_bytes()),
            },
            Transform::Preserve(preserve) => preserve.apply(value, out),
            Transform::Scan(scan) => scan.apply(value.as_bytes(), Format::Text, out)?,
            Transform::Text(rule, fit) => rule.apply(value, *fit, out),
            Transform::Timestamp(unit) => {
                Moment::parse_timestamp(value, false)?.truncate_timestamp(*unit).write_timestamp(None, out);
            }
            Transform::Timestamptz(unit) => {
                Moment::parse_timestamp(value, true)?.truncate_timestamp(*unit).write_timestamp(Some(rendering), out);
            }
            Transform::Elements { .. } | Transform::Hash(_) => return None,
        }
        Some(())
    }

    fn apply_to_binary(&self, value: &[u8], out: &mut BytesMut) -> Option<()> {
        match self {
            Transform::Date(unit) => {
                let days = i32::from_be_bytes(value.try_into().ok()?);
                out.put_i32(Moment::from_days(days)?.truncate_date(*unit).to_days());
            }
            Transform::Float4 { step } => {
                let number = f32::from_be_bytes(value.try_into().ok()?);
                out.put_f32(float::round(number.into(), *step) as f32);
            }
            Transform::Float8 { step } => {
                let number = f64::from_be_bytes(value.try_into().ok()?);
                out.put_f64(float::round(number, *step));
            }
            Transform::Integer { bytes, step } => integer::round_binary(value, *bytes, *step, out)?,
            Transform::Numeric { step, digits_max, scale } => match NumericField::decode(value)? {
                NumericField::Number(number) => number.rounded(*step, *digits_max, *scale).write_binary(out),
                NumericField::Special => out.put_slice(value),
            },
            Transform::Preserve(preserve) => preserve.apply(std::str::from_utf8(value).ok()?, out),
            Transform::Scan(scan) => scan.apply(value, Format::Binary, out)?,
            Transform::Text(rule, fit) => rule.apply(std::str::from_utf8(value).ok()?, *fit, out),
            Transform::Timestamp(unit) | Transform::Timestamptz(unit) => {
                let us = i64::from_be_bytes(value.try_into().ok()?);
                out.put_i64(Moment::from_us(us)?.truncate_timestamp(*unit).to_us());
            }
            Transform::Elements { .. } | Transform::Hash(_) => return None,
        }
        Some(())
    }

    fn apply_to_elements(
        &self,
        mask: &FieldMask,
        element_oid: u32,
        value: &[u8],
        format: Format,
        rendering: &Rendering,
        out: &mut BytesMut,
    ) -> Result<(), FieldError> {
        let element = |value: Option<&[u8]>, out: &mut BytesMut| mask.apply(value, format, rendering, out);
        let malformed = FieldError::Malformed { kind: self.kind(), format };
        match format {
            Format::Text => {
                let value = std::str::from_utf8(value).map_err(|_| malformed)?;
                array::rewrite_text(value, out, element)
            }
            Format::Binary => array::rewrite_binary(value, element_oid, out, element),
        }
        .map_err(|error| match error {
            ArrayError::Element(error) => error,
            ArrayError::Malformed => malformed,
            ArrayError::TooLong => FieldError::TooLong { kind: self.kind() },
        })
    }
}

impl TextRule {
    fn apply(self, value: &str, fit: Fit, out: &mut BytesMut) {
        let (start, content) = (out.len(), fit.content(value));
        match self {
            TextRule::Email => text::email(content, out),
            TextRule::KeepFirst(kept) => text::keep_first(content, kept, out),
            TextRule::KeepLast(kept) => text::keep_last(content, kept, out),
        }
        fit.finish(out, start);
    }
}

fn key<'k>(masker: &Masker, name: &str, keys: &'k MaskKeys) -> Result<&'k Arc<MaskKey>, MaskError> {
    keys.get(name).ok_or_else(|| MaskError::NoKey { masker: masker.name(), key: name.to_owned() })
}
