use bytes::BytesMut;

use crate::{FieldError, FieldType, Format, MaskError, MaskWarning, Masker, NullRule, Rendering, constant::Constant};

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
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    Constant(Constant),
}

impl FieldMask {
    /// Prepares a masker for a column's type; an error when the type cannot carry it.
    pub fn compile(masker: &Masker, nulls: NullRule, field_type: &FieldType) -> Result<FieldMask, MaskError> {
        let redacted = Constant::redact(field_type);
        let action = match masker {
            Masker::Redact => Action::Constant(redacted.clone()),
            Masker::Null => Action::Constant(Constant::Null),
            other => {
                return Err(MaskError::Unsuitable {
                    masker: other.name(),
                    field_type: field_type.to_string(),
                    allowed: vec!["redact", "null"],
                });
            }
        };
        let Action::Constant(constant) = &action;
        let when_null = match nulls {
            _ if masker.constant() => constant.clone(),
            NullRule::Keep => Constant::Null,
            NullRule::Hide => redacted,
        };
        let yields_null = *constant == Constant::Null;
        let warning = (yields_null && field_type.not_null).then_some(MaskWarning::NullInNotNull);
        Ok(FieldMask { masker: masker.clone(), action, when_null, warning })
    }

    /// The masker that it was made from.
    pub fn masker(&self) -> &Masker {
        &self.masker
    }

    /// Whether every value, NULL included, becomes the same constant, so that nothing about the value shows.
    pub fn constant(&self) -> bool {
        self.masker.constant()
    }

    /// Whether NULL stays NULL: the masker keeps it, or its constant is NULL. Then a row that an outer join fills with NULL
    /// may be masked after the join.
    pub fn keeps_null(&self) -> bool {
        self.when_null == Constant::Null
    }

    /// Whether every value becomes NULL.
    pub fn yields_null(&self) -> bool {
        matches!(self.action, Action::Constant(Constant::Null))
    }

    /// What the policy's author should know about this mask.
    pub fn warning(&self) -> Option<MaskWarning> {
        self.warning
    }

    /// Masks one field: `None` is NULL. Appends the masked value's bytes, without a length, to `out`; after an error `out` is
    /// as it was.
    pub fn apply(
        &self,
        value: Option<&[u8]>,
        format: Format,
        rendering: &Rendering,
        out: &mut BytesMut,
    ) -> Result<Masked, FieldError> {
        let _ = value;
        match &self.action {
            Action::Constant(constant) => Ok(constant.write(format, rendering, out)),
        }
    }
}
