//! Masks fields in rows of both protocols.

use bytes::BytesMut;
use querygate_mask::{Format, Masked, Rendering};
use querygate_mysql::{
    row::{self, RowError, Wrote},
    value::Type,
};
use querygate_policy::MaskPlan;

/// A row with its fields masked, and how many were. `types` are those of its columns, for the binary protocol.
pub fn mask_row(
    payload: &[u8],
    plan: &MaskPlan,
    types: &[Type],
    binary: bool,
    rendering: &Rendering,
) -> Result<(BytesMut, u64), String> {
    if types.len() != plan.fields.len() {
        return Err(format!("a row of {} fields where the analysis has {}", types.len(), plan.fields.len()));
    }
    let (mut out, mut masked) = (BytesMut::with_capacity(payload.len()), 0);
    let field = |index: usize, value: Option<&[u8]>, out: &mut BytesMut| {
        let Some(field) = plan.fields.get(index).and_then(Option::as_ref) else { return Ok(Wrote::Keep) };
        masked += 1;
        // Maskers know text; what is binary has been turned into it, and is turned back.
        field.mask.apply(value, Format::Text, rendering, out).map(|written| match written {
            Masked::Null => Wrote::Null,
            Masked::Value => Wrote::Value,
        })
    };
    let result = match binary {
        true => row::rewrite_binary(payload, types, &mut out, field),
        false => row::rewrite_text(payload, types.len(), &mut out, field),
    };
    match result {
        Ok(()) => Ok((out, masked)),
        Err(RowError::Malformed(malformed)) => Err(malformed.to_string()),
        Err(RowError::Field(error)) => Err(error.to_string()),
    }
}
