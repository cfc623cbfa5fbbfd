//! Masks fields in rows and COPY lines.

use bytes::BytesMut;
use querygate_mask::{Format, Masked, Rendering};
use querygate_policy::MaskPlan;
use querygate_postgres::{
    copy::{Codec, ForceQuote, Options, Syntax},
    row::{self, Wrote},
};
use querygate_record::{Copy, CopyFormat};
use querygate_session::Formats;

/// Whether any field of a result is masked.
pub fn masks_any(plan: &MaskPlan) -> bool {
    plan.fields.iter().any(Option::is_some)
}

/// Appends a DataRow with its fields masked; returns how many were.
pub fn mask_row(
    frame: &[u8],
    plan: &MaskPlan,
    formats: &Formats,
    rendering: &Rendering,
    out: &mut BytesMut,
) -> Result<u64, String> {
    let count = row::count(frame).map_err(|e| e.to_string())?;
    if count != plan.fields.len() {
        return Err(format!("a row of {count} fields where the analysis has {}", plan.fields.len()));
    }
    let mut masked = 0;
    row::rewrite(frame, out, |index, value, out| {
        let Some(field) = plan.fields.get(index).and_then(Option::as_ref) else { return Ok(Wrote::Keep) };
        masked += 1;
        let format = if formats.is_binary(index) { Format::Binary } else { Format::Text };
        wrote(field.mask.apply(value, format, rendering, out))
    })
    .map_err(|e| e.to_string())?;
    Ok(masked)
}

fn wrote(result: Result<Masked, querygate_mask::FieldError>) -> Result<Wrote, querygate_mask::FieldError> {
    result.map(|masked| match masked {
        Masked::Null => Wrote::Null,
        Masked::Value => Wrote::Value,
    })
}

/// Appends a COPY row with its fields masked; returns how many were.
pub fn mask_copy(
    line: &[u8],
    codec: &mut Codec,
    plan: &MaskPlan,
    rendering: &Rendering,
    out: &mut BytesMut,
) -> Result<u64, String> {
    let columns: Vec<usize> = plan.fields.iter().enumerate().filter(|(_, f)| f.is_some()).map(|(i, _)| i).collect();
    let masked = codec
        .rewrite_columns(line, plan.fields.len(), &columns, out, |index, value, out| {
            match plan.fields.get(index).and_then(Option::as_ref) {
                Some(field) => wrote(field.mask.apply(value, Format::Text, rendering, out)),
                None => Ok(Wrote::Keep),
            }
        })
        .map_err(|e| e.to_string())?;
    Ok(masked as u64)
}

/// How the rows of a COPY are written; none for the binary format.
pub fn codec(copy: &Copy) -> Option<Codec> {
    let options = match &copy.format {
        CopyFormat::Binary => return None,
        CopyFormat::Text { delimiter, null, header } => {
            Options { delimiter: *delimiter, null: null.clone().into_bytes(), header: *header, ..Options::text() }
        }
        CopyFormat::Csv { delimiter, null, header, quote, escape, force_quote } => Options {
            syntax: Syntax::Csv,
            delimiter: *delimiter,
            null: null.clone().into_bytes(),
            header: *header,
            quote: *quote,
            escape: *escape,
            force_quote: force_quoted(force_quote),
        },
    };
    Codec::new(options).ok()
}

fn force_quoted(columns: &[bool]) -> ForceQuote {
    ForceQuote::Columns(columns.iter().enumerate().filter(|(_, quoted)| **quoted).map(|(index, _)| index).collect())
}
