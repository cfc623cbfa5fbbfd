use bytes::BytesMut;

use crate::{
    FieldError, FieldType, Format, Kind, MaskError, MaskKeys, MaskWarning, Masker, NullRule, Rendering,
    constant::{Constant, takes_fixed},
    transform::Transform,
};

/// What [`FieldMask::apply`] made of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Masked {
    /// NULL: nothing was appended.
    Null,
    /// A value: its bytes were appended to the output.
    Value,
}

/// A masker made ready for one column: everything that does not depend on the value is computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldMask {
    masker: Masker,
    action: Action,
    when_null: Constant,
    warning: Option<MaskWarning>,
    styled: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    Constant(Constant),
    Transform(Transform),
}

impl FieldMask {
    /// Prepares a masker for a column's type; an error when the type cannot carry it.
    ///
    /// On an array, `redact` gives the empty array and `null` NULL; what depends on the value is applied to each element, to
    /// which the rule for NULLs applies likewise. On a domain, `redact` gives NULL and the others do what they do on its base
    /// type; whether a fixed value satisfies the domain's constraints is not checked.
    pub fn compile(masker: &Masker, nulls: NullRule, field_type: &FieldType) -> Result<FieldMask, MaskError> {
        FieldMask::compile_with(masker, nulls, field_type, &MaskKeys::default())
    }

    /// The same for maskers that need one of these keys.
    pub fn compile_with(
        masker: &Masker,
        nulls: NullRule,
        field_type: &FieldType,
        keys: &MaskKeys,
    ) -> Result<FieldMask, MaskError> {
        let action = match masker {
            Masker::Fixed(given) => match Constant::fixed(given, field_type) {
                Ok(constant) => Action::Constant(constant),
                Err(_) if !takes_fixed(field_type) => return Err(unsuitable(masker, field_type)),
                Err(remedy) => {
                    let (value, field_type) = (given.clone(), field_type.to_string());
                    return Err(MaskError::BadConstant { value, field_type, remedy });
                }
            },
            Masker::Null => Action::Constant(Constant::Null),
            Masker::Redact => Action::Constant(Constant::redact(field_type)),
            dependent => match Transform::compile(dependent, nulls, field_type, keys)? {
                Some(transform) => Action::Transform(transform),
                None => return Err(unsuitable(masker, field_type)),
            },
        };
        let when_null = match (&action, nulls) {
            (Action::Constant(constant), _) => constant.clone(),
            (Action::Transform(_), NullRule::Keep) => Constant::Null,
            // A domain's own constant is NULL, which would hide nothing.
            (Action::Transform(_), NullRule::Hide) => Constant::redact(field_type.base()),
        };
        let yields_null = action == Action::Constant(Constant::Null);
        let warning = (yields_null && field_type.not_null).then_some(MaskWarning::NullInNotNull);
        let styled = !yields_null && is_styled(field_type);
        Ok(FieldMask { masker: masker.clone(), action, when_null, warning, styled })
    }

    /// The masker that it was made from.
    pub fn masker(&self) -> &Masker {
        &self.masker
    }

    /// Whether every value, NULL included, becomes the same constant, so that nothing about the value shows.
    pub fn constant(&self) -> bool {
        matches!(self.action, Action::Constant(_))
    }

    /// Whether NULL stays NULL: the masker keeps it, or its constant is NULL. Then a row that an outer join fills with NULL
    /// may be masked after the join.
    pub fn keeps_null(&self) -> bool {
        self.when_null == Constant::Null
    }

    /// Whether every value becomes NULL.
    pub fn yields_null(&self) -> bool {
        self.action == Action::Constant(Constant::Null)
    }

    /// Whether different values always have different masked ones and equal values equal ones, NULL aside, so that comparing masked values is
    /// comparing values.
    pub fn is_injective(&self) -> bool {
        matches!(self.masker, Masker::Hash(_))
    }

    /// Whether its text depends on `DateStyle`, `IntervalStyle` or the time zone, so that it is only right under those of
    /// [`Rendering`].
    pub fn is_styled(&self) -> bool {
        self.styled
    }

    /// What the policy's author should know about this mask.
    pub fn warning(&self) -> Option<MaskWarning> {
        self.warning
    }

    /// Masks one field: `None` is NULL. Appends the masked value's bytes, without a length, to `out`; after an error `out` is
    /// as it was. COPY's escapes are the caller's to take off and put on.
    pub fn apply(
        &self,
        value: Option<&[u8]>,
        format: Format,
        rendering: &Rendering,
        out: &mut BytesMut,
    ) -> Result<Masked, FieldError> {
        match (&self.action, value) {
            (Action::Transform(transform), Some(value)) => {
                let start = out.len();
                transform
                    .apply(value, format, rendering, out)
                    .map(|()| Masked::Value)
                    .inspect_err(|_| out.truncate(start))
            }
            (Action::Transform(_), None) => Ok(self.when_null.write(format, rendering, out)),
            (Action::Constant(constant), _) => Ok(constant.write(format, rendering, out)),
        }
    }
}

fn unsuitable(masker: &Masker, field_type: &FieldType) -> MaskError {
    MaskError::Unsuitable { masker: masker.name(), field_type: field_type.to_string(), allowed: allowed(field_type) }
}

fn is_styled(field_type: &FieldType) -> bool {
    matches!(scalar(field_type).kind, Kind::Date | Kind::Interval | Kind::Other | Kind::Timestamp | Kind::Timestamptz)
}

/// The type of an array's elements, and what a domain stands on.
fn scalar(field_type: &FieldType) -> &FieldType {
    let mut scalar = field_type.base();
    while let Kind::Array { element, .. } = &scalar.kind {
        scalar = element.base();
    }
    scalar
}

/// Names of the maskers that a type can carry.
fn allowed(field_type: &FieldType) -> Vec<&'static str> {
    let mut names = vec!["redact", "null"];
    if takes_fixed(field_type) {
        names.push("fixed");
    }
    let scalar = scalar(field_type);
    names.extend_from_slice(match scalar.kind {
        Kind::Bpchar | Kind::Text => &["email", "keep_first", "keep_last", "hash", "fpe", "scan"],
        Kind::Bytea | Kind::Uuid => &["hash"],
        Kind::Date | Kind::Timestamp | Kind::Timestamptz => &["year", "month"],
        Kind::Int4 | Kind::Int8 => &["round", "hash"],
        Kind::Json | Kind::Jsonb => &["scan"],
        Kind::Numeric if scalar.numeric.is_none() => &["round", "hash"],
        Kind::Float4 | Kind::Float8 | Kind::Int2 | Kind::Numeric => &["round"],
        _ => &[],
    });
    if scalar.folds {
        names.retain(|name| !matches!(*name, "hash" | "fpe"));
    }
    names
}
