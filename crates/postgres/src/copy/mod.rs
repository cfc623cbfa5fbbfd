//! COPY's formats. Text and CSV, one row at a time: to fields and back, and rewriting some fields of a row while the others keep their bytes;
//! binary ([`BinaryCodec`]): rewriting only.
//!
//! As in COPY's documentation, with client_encoding UTF8 (the ENCODING option would change what the bytes mean). A server sends each row of a
//! COPY TO STDOUT as one CopyData message, with a newline at its end.

use std::borrow::Cow;

use bytes::BytesMut;
use thiserror::Error;

use crate::{
    error::{DecodeError, Malformed, Problem},
    row::{RowError, Wrote},
};

mod binary;
mod csv;
mod text;

pub use binary::BinaryCodec;

/// A field's value; `None` is NULL.
pub type Field<'a> = Option<Cow<'a, [u8]>>;

/// The options of a COPY that shape its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// FORMAT.
    pub syntax: Syntax,
    /// DELIMITER.
    pub delimiter: u8,
    /// NULL: how NULL is written.
    pub null: Vec<u8>,
    /// HEADER: whether the first row holds the columns' names.
    pub header: bool,
    /// QUOTE, in CSV.
    pub quote: u8,
    /// ESCAPE, in CSV.
    pub escape: u8,
    /// FORCE_QUOTE, in CSV.
    pub force_quote: ForceQuote,
}

/// The two formats that are text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Syntax {
    /// Quotes around what needs them.
    Csv,
    /// Backslashes before what needs them.
    Text,
}

/// Which columns are quoted whether they need it or not. NULL never is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ForceQuote {
    /// All.
    All,
    /// Those at these indexes, from 0.
    Columns(Vec<usize>),
    /// None.
    #[default]
    None,
}

impl ForceQuote {
    fn includes(&self, column: usize) -> bool {
        match self {
            ForceQuote::All => true,
            ForceQuote::Columns(columns) => columns.contains(&column),
            ForceQuote::None => false,
        }
    }
}

/// Options that no server accepts, since rows written by them could not be read.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionsError {
    /// A delimiter that means something else already.
    #[error("the delimiter can't be {0:#04x}")]
    Delimiter(u8),
    /// A text for NULL with a newline, the delimiter or the quote in it.
    #[error("the text for NULL contains a newline, the delimiter or the quote")]
    Null,
    /// A quote or escape that means something else already.
    #[error("the quote or escape can't be {0:#04x}")]
    Quote(u8),
}

impl Options {
    /// What FORMAT text has by default: tabs, `\N` for NULL.
    pub fn text() -> Options {
        Options {
            syntax: Syntax::Text,
            delimiter: b'\t',
            null: b"\\N".to_vec(),
            header: false,
            quote: b'"',
            escape: b'"',
            force_quote: ForceQuote::None,
        }
    }

    /// What FORMAT csv has by default: commas, NULL as nothing, double quotes.
    pub fn csv() -> Options {
        Options { syntax: Syntax::Csv, delimiter: b',', null: Vec::new(), ..Options::text() }
    }

    /// Refuses what the server refuses too (`ProcessCopyOptions` in its source): with such options, fields could not be told apart.
    fn check(&self) -> Result<(), OptionsError> {
        let line_end = |byte| matches!(byte, b'\n' | b'\r' | 0);
        let has_meaning = match self.syntax {
            Syntax::Text => matches!(self.delimiter, b'\\' | b'.' | b'a'..=b'z' | b'0'..=b'9'),
            Syntax::Csv => false,
        };
        if line_end(self.delimiter) || has_meaning || !self.delimiter.is_ascii() {
            return Err(OptionsError::Delimiter(self.delimiter));
        }
        if self.syntax == Syntax::Csv {
            let bad = |byte: u8| line_end(byte) || byte == self.delimiter || !byte.is_ascii();
            if let Some(byte) = [self.quote, self.escape].into_iter().find(|byte| bad(*byte)) {
                return Err(OptionsError::Quote(byte));
            }
        }
        let in_null =
            |byte: u8| line_end(byte) || byte == self.delimiter || (self.syntax == Syntax::Csv && byte == self.quote);
        match self.null.iter().any(|byte| in_null(*byte)) {
            true => Err(OptionsError::Null),
            false => Ok(()),
        }
    }

    /// CSV quotes a value that looks like NULL; text does not.
    fn has_ambiguous_null(&self) -> bool {
        let mut written = BytesMut::new();
        text::encode(self, &text::decode(&self.null), &mut written);
        self.syntax == Syntax::Text && written == self.null
    }

    /// Where the field at `at` ends, and whether any quote was seen in it.
    fn field_end(&self, row: &[u8], at: usize) -> Result<Span, DecodeError> {
        match self.syntax {
            Syntax::Csv => csv::field_end(self, row, at),
            Syntax::Text => text::field_end(self, row, at),
        }
    }

    fn decode<'r>(&self, raw: &'r [u8], quoted: bool) -> Field<'r> {
        if !quoted && raw == self.null {
            return None;
        }
        Some(match self.syntax {
            Syntax::Csv => csv::decode(self, raw, quoted),
            Syntax::Text => text::decode(raw),
        })
    }

    /// Appends a field as the server writes it; `alone` when the row has no other.
    fn encode(&self, value: Option<&[u8]>, column: usize, alone: bool, out: &mut BytesMut) {
        match (value, self.syntax) {
            (None, _) => out.extend_from_slice(&self.null),
            (Some(value), Syntax::Csv) => csv::encode(self, value, column, alone, out),
            (Some(value), Syntax::Text) => text::encode(self, value, out),
        }
    }
}

/// Where a field ends: at a delimiter, or at the newline that ends the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    end: usize,
    quoted: bool,
}

/// Reads and writes rows under checked options.
///
/// ```
/// use bytes::BytesMut;
/// use querygate_postgres::{copy::{Codec, Options}, row::Wrote};
/// let mut codec = Codec::new(Options::csv()).unwrap();
/// let fields = codec.split(b"1,\"a \"\"b\"\"\",\n").unwrap();
/// assert_eq!(fields[1].as_deref(), Some(&b"a \"b\""[..]));
/// assert_eq!(fields[2], None);
///
/// let mut out = BytesMut::new();
/// let masked = codec.rewrite_columns(b"1,\"a \"\"b\"\"\",\n", 3, &[1], &mut out, |_column, _value, out| {
///     out.extend_from_slice(b"x,y");
///     Ok::<_, ()>(Wrote::Value)
/// });
/// assert_eq!((masked, &out[..]), (Ok(1), &b"1,\"x,y\",\n"[..]));
/// ```
#[derive(Clone, Debug)]
pub struct Codec {
    options: Options,
    ambiguous_null: bool,
    /// What a rewriting function wrote, before it is escaped; kept so that no row allocates.
    written: BytesMut,
}

impl Codec {
    /// Checks the options.
    pub fn new(options: Options) -> Result<Codec, OptionsError> {
        options.check()?;
        let ambiguous_null = options.has_ambiguous_null();
        Ok(Codec { options, ambiguous_null, written: BytesMut::new() })
    }

    /// Whether some value is written just like NULL, so that a row can't tell the two apart: `NULL 'x'` in text format. Such rows are not
    /// rewritten, since which rows show the text for NULL would tell which ones hold that value.
    pub fn has_ambiguous_null(&self) -> bool {
        self.ambiguous_null
    }

    /// The options.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The fields of one row, which ends with its newline.
    pub fn split<'r>(&self, row: &'r [u8]) -> Result<Vec<Field<'r>>, DecodeError> {
        let mut fields = Vec::new();
        let mut at = 0;
        loop {
            let span = self.options.field_end(row, at)?;
            fields.push(self.options.decode(row.get(at..span.end).unwrap_or_default(), span.quoted));
            if is_row_end(row, span.end)? {
                return Ok(fields);
            }
            at = span.end + 1;
        }
    }

    /// Appends one row as the server writes it.
    pub fn join(&self, fields: &[Option<&[u8]>], out: &mut BytesMut) {
        for (column, field) in fields.iter().enumerate() {
            if column > 0 {
                out.extend_from_slice(&[self.options.delimiter]);
            }
            self.options.encode(*field, column, fields.len() == 1, out);
        }
        out.extend_from_slice(b"\n");
    }

    /// Appends one row of `fields` fields with those at `columns` (indexes from 0, ascending) as `f` says; see
    /// [`row::rewrite_columns`](crate::row::rewrite_columns), of which this is the twin. The other fields keep their bytes. A header row is the
    /// caller's to leave as it is. Returns how many fields were replaced.
    pub fn rewrite_columns<E>(
        &mut self,
        row: &[u8],
        fields: usize,
        columns: &[usize],
        out: &mut BytesMut,
        mut f: impl FnMut(usize, Option<&[u8]>, &mut BytesMut) -> Result<Wrote, E>,
    ) -> Result<usize, RowError<E>> {
        let start = out.len();
        let result = self.rewrite(row, fields, columns, out, &mut f);
        if result.is_err() {
            out.truncate(start);
        }
        result
    }

    fn rewrite<E>(
        &mut self,
        row: &[u8],
        fields: usize,
        columns: &[usize],
        out: &mut BytesMut,
        f: &mut impl FnMut(usize, Option<&[u8]>, &mut BytesMut) -> Result<Wrote, E>,
    ) -> Result<usize, RowError<E>> {
        if !columns.is_sorted_by(|a, b| a < b) {
            return Err(RowError::NotAscending);
        }
        if let Some(&column) = columns.last().filter(|column| **column >= fields) {
            return Err(RowError::NoSuchColumn { column, fields });
        }
        if self.ambiguous_null && !columns.is_empty() {
            return Err(RowError::AmbiguousNull);
        }
        let (mut at, mut copied, mut replaced) = (0, 0, 0);
        let mut wanted = columns.iter().copied().peekable();
        for column in 0.. {
            let span = self.options.field_end(row, at)?;
            if wanted.next_if_eq(&column).is_some() {
                let value = self.options.decode(row.get(at..span.end).unwrap_or_default(), span.quoted);
                self.written.clear();
                let wrote = f(column, value.as_deref(), &mut self.written).map_err(RowError::Field)?;
                if wrote != Wrote::Keep {
                    out.extend_from_slice(row.get(copied..at).unwrap_or_default());
                    let new = (wrote == Wrote::Value).then_some(&self.written[..]);
                    self.options.encode(new, column, fields == 1, out);
                    copied = span.end;
                    replaced += 1;
                }
            }
            if is_row_end(row, span.end)? {
                check_count(column + 1, fields)?;
                break;
            }
            at = span.end + 1;
        }
        out.extend_from_slice(row.get(copied..).unwrap_or_default());
        Ok(replaced)
    }
}

/// Whether the byte at `end` is the newline that ends the row; it must then be the last.
fn is_row_end(row: &[u8], end: usize) -> Result<bool, DecodeError> {
    match row.get(end..) {
        Some([b'\n']) => Ok(true),
        Some([b'\n', more @ ..]) => Err(malformed("end", Problem::Surplus { bytes: more.len() })),
        _ => Ok(false),
    }
}

fn check_count(count: usize, expected: usize) -> Result<(), DecodeError> {
    // A row without columns looks like one with an empty field.
    match count == expected || (count == 1 && expected == 0) {
        true => Ok(()),
        false if count < expected => Err(malformed("fields", Problem::EndsEarly)),
        false => Err(malformed("fields", Problem::TooMany { count, limit: expected })),
    }
}

fn ends_early() -> DecodeError {
    malformed("row", Problem::EndsEarly)
}

fn malformed(field: &'static str, problem: Problem) -> DecodeError {
    DecodeError::Server(Malformed { message: "CopyData", field, problem })
}

#[cfg(test)]
mod tests;
