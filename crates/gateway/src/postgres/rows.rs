//! Masks fields in rows and in COPY data.

use bytes::BytesMut;
use querygate_mask::{FieldError, Format, Masked, Rendering};
use querygate_policy::MaskPlan;
use querygate_postgres::{
    copy::{BinaryCodec, Codec, ForceQuote, Options, Syntax},
    row::{self, Wrote},
};
use querygate_record::{Copy, CopyFormat};
use querygate_session::Formats;

/// Whether any field of a result is masked.
pub fn masks_any(plan: &MaskPlan) -> bool {
    !plan.masked.is_empty()
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
    let masked = row::rewrite_columns(frame, &plan.masked, out, |index, value, out| {
        let format = if formats.is_binary(index) { Format::Binary } else { Format::Text };
        mask_field(plan, index, value, format, rendering, out)
    });
    Ok(masked.map_err(|e| e.to_string())? as u64)
}

fn mask_field(
    plan: &MaskPlan,
    index: usize,
    value: Option<&[u8]>,
    format: Format,
    rendering: &Rendering,
    out: &mut BytesMut,
) -> Result<Wrote, FieldError> {
    // A plan's own indexes always have a field; were one missing, NULL shows nothing.
    let Some(field) = plan.fields.get(index).and_then(Option::as_ref) else { return Ok(Wrote::Null) };
    field.mask.apply(value, format, rendering, out).map(|masked| match masked {
        Masked::Null => Wrote::Null,
        Masked::Value => Wrote::Value,
    })
}

/// How the rows of a COPY that is masked are read and written.
#[derive(Debug)]
pub enum CopyRows {
    /// Binary.
    Binary(BinaryCodec),
    /// Text or CSV: a row in each message, the first one names if `names` is set.
    Lines {
        /// Reads and writes them.
        codec: Codec,
        /// Whether the columns' names are still to come.
        names: bool,
    },
}

impl CopyRows {
    /// At the start of a COPY; none for options that no server accepts.
    pub fn new(copy: &Copy) -> Option<CopyRows> {
        if copy.format == CopyFormat::Binary {
            return Some(CopyRows::Binary(BinaryCodec::new()));
        }
        let codec = codec(copy)?;
        Some(CopyRows::Lines { names: codec.options().header, codec })
    }

    /// Appends the data of one message with its fields masked; returns how many were. Of binary data the part of a row that is not whole yet is
    /// kept for the next message.
    pub fn mask(
        &mut self,
        data: &[u8],
        plan: &MaskPlan,
        rendering: &Rendering,
        out: &mut BytesMut,
    ) -> Result<u64, String> {
        let fields = plan.fields.len();
        let masked = match self {
            CopyRows::Binary(codec) => codec.rewrite_columns(data, fields, &plan.masked, out, |index, value, out| {
                mask_field(plan, index, value, Format::Binary, rendering, out)
            }),
            CopyRows::Lines { names, .. } if *names => {
                *names = false;
                out.extend_from_slice(data);
                Ok(0)
            }
            CopyRows::Lines { codec, .. } => {
                codec.rewrite_columns(data, fields, &plan.masked, out, |index, value, out| {
                    mask_field(plan, index, value, Format::Text, rendering, out)
                })
            }
        };
        Ok(masked.map_err(|e| e.to_string())? as u64)
    }

    /// At the end of a COPY: an error if something was kept that never became whole.
    pub fn finish(&self) -> Result<(), String> {
        match self {
            CopyRows::Binary(codec) => codec.finish().map_err(|e| e.to_string()),
            CopyRows::Lines { .. } => Ok(()),
        }
    }
}

/// The codec of a COPY's lines; none for the binary format, and for options that no server accepts.
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

/// Whether the first message of a COPY holds the names of its columns.
pub fn begins_with_names(copy: &Copy) -> bool {
    matches!(copy.format, CopyFormat::Text { header: true, .. } | CopyFormat::Csv { header: true, .. })
}

fn force_quoted(columns: &[bool]) -> ForceQuote {
    ForceQuote::Columns(columns.iter().enumerate().filter(|(_, quoted)| **quoted).map(|(index, _)| index).collect())
}
