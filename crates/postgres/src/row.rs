//! Rewriting the fields of a DataRow without decoding the others: runs of kept fields are copied as they came, lengths are patched.

use bytes::{BufMut, BytesMut};
use thiserror::Error;

use crate::{
    backend::kind,
    error::{DecodeError, Malformed, Problem},
    frame::HEADER,
};

/// Bytes of a field's length.
const LENGTH: usize = 4;
/// Bytes before the first field: header and field count.
const FIELDS_START: usize = HEADER + 2;
const MESSAGE: &str = "DataRow";

/// What became of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrote {
    /// Nothing: the field stays as it is.
    Keep,
    /// The field becomes NULL.
    Null,
    /// The field becomes what was written.
    Value,
}

/// A row that was not rewritten. Nothing of it was written either.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RowError<E> {
    /// In a COPY some value is written just like NULL. The statement should have been refused.
    #[error("the text for NULL could be a value: refuse this COPY")]
    AmbiguousNull,
    /// The rewriting function failed.
    #[error("a field could not be rewritten: {0}")]
    Field(E),
    /// The server's row is not one.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// The row has no such column: what was planned does not fit it.
    #[error("the row has {fields} fields, so none at index {column}")]
    NoSuchColumn {
        /// The index asked for, from 0.
        column: usize,
        /// The fields that there are.
        fields: usize,
    },
    /// The indexes are not in ascending order, each once. Ours.
    #[error("the columns to rewrite are not in ascending order")]
    NotAscending,
    /// The row became longer than a message can be.
    #[error("the rewritten row is longer than a message can be")]
    TooLong,
}

/// The number of fields that the row claims; [`rewrite`] checks that they are there.
pub fn count(frame: &[u8]) -> Result<usize, DecodeError> {
    match frame {
        [kind::DATA_ROW, _, _, _, _, a, b, ..] => Ok(u16::from_be_bytes([*a, *b]).into()),
        _ => Err(malformed("field count", Problem::EndsEarly)),
    }
}

/// Appends the row with each field as `f` says. `f` gets the field's index, its value, and where to write another; it must write nothing
/// before it returns [`Wrote::Keep`] or [`Wrote::Null`] (what it wrote is taken back). Returns how many fields were replaced.
///
/// ```
/// use bytes::BytesMut;
/// use querygate_postgres::row::{self, Wrote};
/// let row = b"D\0\0\0\x10\0\x02\0\0\0\x01a\0\0\0\x01b";
/// let mut out = BytesMut::new();
/// let replaced = row::rewrite(row, &mut out, |column, _value, out| {
///     if column == 0 {
///         return Ok::<_, ()>(Wrote::Keep);
///     }
///     out.extend_from_slice(b"***");
///     Ok(Wrote::Value)
/// });
/// assert_eq!((replaced, &out[..]), (Ok(1), &b"D\0\0\0\x12\0\x02\0\0\0\x01a\0\0\0\x03***"[..]));
/// ```
pub fn rewrite<E>(
    frame: &[u8],
    out: &mut BytesMut,
    mut f: impl FnMut(usize, Option<&[u8]>, &mut BytesMut) -> Result<Wrote, E>,
) -> Result<usize, RowError<E>> {
    let start = out.len();
    let result = (|| {
        let (mut row, fields) = begin(frame, out)?;
        for column in 0..fields {
            row.replace(column, out, &mut f)?;
        }
        finish(row, start, out)
    })();
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// [`rewrite`] for some columns only: their indexes from 0, ascending. The others are stepped over by their lengths.
pub fn rewrite_columns<E>(
    frame: &[u8],
    columns: &[usize],
    out: &mut BytesMut,
    mut f: impl FnMut(usize, Option<&[u8]>, &mut BytesMut) -> Result<Wrote, E>,
) -> Result<usize, RowError<E>> {
    let start = out.len();
    let result = (|| {
        let (mut row, fields) = begin(frame, out)?;
        row.replace_columns(fields, columns, out, &mut f)?;
        finish(row, start, out)
    })();
    if result.is_err() {
        out.truncate(start);
    }
    result
}

fn begin<'a, E>(frame: &'a [u8], out: &mut BytesMut) -> Result<(Rewriting<'a>, usize), RowError<E>> {
    let fields = count(frame)?;
    let claimed = frame.get(1..HEADER).and_then(|b| b.try_into().ok()).map(u32::from_be_bytes).unwrap_or_default();
    if usize::try_from(claimed).ok().and_then(|length| length.checked_add(1)) != Some(frame.len()) {
        return Err(malformed("length", Problem::BadValue { value: claimed.into() }).into());
    }
    out.reserve(frame.len());
    Ok((Rewriting::new(frame, FIELDS_START, MESSAGE), fields))
}

fn finish<E>(mut row: Rewriting<'_>, start: usize, out: &mut BytesMut) -> Result<usize, RowError<E>> {
    let surplus = row.rest().len();
    if surplus > 0 {
        return Err(malformed("end", Problem::Surplus { bytes: surplus }).into());
    }
    row.copy(out);
    let length = i32::try_from(out.len() - start - 1).map_err(|_| RowError::TooLong)?;
    if let Some(head) = out.get_mut(start + 1..start + HEADER) {
        head.copy_from_slice(&length.to_be_bytes());
    }
    Ok(row.replaced)
}

/// Fields with their lengths in front, in the middle of their rewriting. Invariant: `copied <= at <= bytes.len()`; everything before `copied`
/// is in the output, rewritten.
pub(crate) struct Rewriting<'a> {
    bytes: &'a [u8],
    message: &'static str,
    copied: usize,
    at: usize,
    /// Fields replaced so far.
    pub(crate) replaced: usize,
}

impl<'a> Rewriting<'a> {
    /// Begins at the first field; what comes before it is copied.
    pub(crate) fn new(bytes: &'a [u8], at: usize, message: &'static str) -> Rewriting<'a> {
        Rewriting { bytes, message, copied: 0, at, replaced: 0 }
    }

    fn error(&self, field: &'static str, problem: Problem) -> DecodeError {
        DecodeError::Server(Malformed { message: self.message, field, problem })
    }

    /// What was not stepped over yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Steps over bytes that are no field.
    pub(crate) fn step(&mut self, count: usize) -> Result<(), DecodeError> {
        if count > self.bytes.len() - self.at {
            return Err(self.error("field count", Problem::EndsEarly));
        }
        self.at += count;
        Ok(())
    }

    /// Replaces those of the next `fields` fields that are at `columns`, and steps over the others.
    #[inline]
    pub(crate) fn replace_columns<E>(
        &mut self,
        fields: usize,
        columns: &[usize],
        out: &mut BytesMut,
        f: &mut impl FnMut(usize, Option<&[u8]>, &mut BytesMut) -> Result<Wrote, E>,
    ) -> Result<(), RowError<E>> {
        let mut next = 0;
        for &column in columns {
            if column < next {
                return Err(RowError::NotAscending);
            }
            if column >= fields {
                return Err(RowError::NoSuchColumn { column, fields });
            }
            self.skip(column - next)?;
            self.replace(column, out, f)?;
            next = column + 1;
        }
        Ok(self.skip(fields - next)?)
    }

    /// The length of the field at `at`; `None` for NULL. Moves behind the length.
    #[inline]
    fn length(&mut self) -> Result<Option<usize>, DecodeError> {
        let head = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<LENGTH>());
        let Some(head) = head else { return Err(self.error("field length", Problem::EndsEarly)) };
        self.at += LENGTH;
        match i32::from_be_bytes(*head) {
            -1 => Ok(None),
            length => match usize::try_from(length) {
                Ok(bytes) if bytes <= self.bytes.len() - self.at => Ok(Some(bytes)),
                Ok(_) => Err(self.error("field", Problem::EndsEarly)),
                Err(_) => Err(self.error("field length", Problem::BadValue { value: length.into() })),
            },
        }
    }

    #[inline]
    fn skip(&mut self, fields: usize) -> Result<(), DecodeError> {
        for _ in 0..fields {
            self.at += self.length()?.unwrap_or_default();
        }
        Ok(())
    }

    #[inline]
    fn replace<E>(
        &mut self,
        column: usize,
        out: &mut BytesMut,
        f: &mut impl FnMut(usize, Option<&[u8]>, &mut BytesMut) -> Result<Wrote, E>,
    ) -> Result<(), RowError<E>> {
        let field_start = self.at;
        let value = match self.length()? {
            None => None,
            Some(bytes) => {
                let value = self.bytes.get(self.at..self.at + bytes);
                self.at += bytes;
                value
            }
        };
        self.copy_until(field_start, out);
        let place = out.len();
        out.put_i32(-1);
        match f(column, value, out).map_err(RowError::Field)? {
            Wrote::Keep => {
                out.truncate(place);
                return Ok(());
            }
            Wrote::Null => out.truncate(place + LENGTH),
            Wrote::Value => {
                let written = out.len().checked_sub(place + LENGTH).and_then(|bytes| i32::try_from(bytes).ok());
                let length = written.ok_or(RowError::TooLong)?;
                if let Some(head) = out.get_mut(place..place + LENGTH) {
                    head.copy_from_slice(&length.to_be_bytes());
                }
            }
        }
        self.copied = self.at;
        self.replaced += 1;
        Ok(())
    }

    /// Copies what was kept and stepped over.
    pub(crate) fn copy(&mut self, out: &mut BytesMut) {
        self.copy_until(self.at, out);
    }

    /// Copies what was kept, up to `end`.
    #[inline]
    fn copy_until(&mut self, end: usize, out: &mut BytesMut) {
        out.put_slice(self.bytes.get(self.copied..end).unwrap_or_default());
        self.copied = end;
    }
}

fn malformed(field: &'static str, problem: Problem) -> DecodeError {
    DecodeError::Server(Malformed { message: MESSAGE, field, problem })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;
    use crate::backend::encode;

    fn row(values: &[Option<&[u8]>]) -> BytesMut {
        let mut out = BytesMut::new();
        encode::data_row(&mut out, values.iter().copied()).unwrap();
        out
    }

    fn star(_: usize, _: Option<&[u8]>, out: &mut BytesMut) -> Result<Wrote, Infallible> {
        out.put_u8(b'*');
        Ok(Wrote::Value)
    }

    #[test]
    fn only_the_named_columns_change() {
        let source = row(&[Some(b"id"), None, Some(b"secret"), Some(b""), Some(b"last")]);
        let mut out = BytesMut::from(&b"before"[..]);
        let replaced = rewrite_columns(&source, &[1, 2, 4], &mut out, |column, value, out| {
            match column {
                1 => assert_eq!(value, None),
                2 => assert_eq!(value, Some(&b"secret"[..])),
                _ => return Ok::<_, Infallible>(Wrote::Null),
            }
            out.put_slice(b"longer than before");
            Ok(Wrote::Value)
        });
        assert_eq!(replaced, Ok(3));
        let expected = row(&[Some(b"id"), Some(b"longer than before"), Some(b"longer than before"), Some(b""), None]);
        assert_eq!(&out[..6], b"before");
        assert_eq!(&out[6..], &expected[..]);
    }

    #[test]
    fn what_is_written_before_keep_or_null_is_taken_back() {
        let source = row(&[Some(b"a"), Some(b"b"), Some(b"c")]);
        let mut out = BytesMut::new();
        let replaced = rewrite(&source, &mut out, |column, _, out| {
            out.put_slice(b"stray");
            Ok::<_, Infallible>(if column == 1 { Wrote::Null } else { Wrote::Keep })
        });
        assert_eq!(replaced, Ok(1));
        assert_eq!(out, row(&[Some(b"a"), None, Some(b"c")]));
    }

    #[test]
    fn a_row_that_fails_half_way_leaves_nothing() {
        let source = row(&[Some(b"a"), Some(b"b")]);
        let mut out = BytesMut::from(&b"before"[..]);
        let failed = rewrite(&source, &mut out, |column, _, out| {
            out.put_u8(b'x');
            if column == 0 { Ok(Wrote::Value) } else { Err("no") }
        });
        assert_eq!(failed, Err(RowError::Field("no")));
        assert_eq!(&out[..], b"before");
    }

    #[test]
    fn a_plan_that_does_not_fit_is_an_error_and_never_skips_a_column() {
        let source = row(&[Some(b"a"), Some(b"b")]);
        let mut out = BytesMut::new();
        let no_such = Err(RowError::NoSuchColumn { column: 2, fields: 2 });
        assert_eq!(rewrite_columns(&source, &[0, 2], &mut out, star), no_such);
        assert_eq!(rewrite_columns(&source, &[1, 0], &mut out, star), Err(RowError::NotAscending));
        assert_eq!(rewrite_columns(&source, &[1, 1], &mut out, star), Err(RowError::NotAscending));
        assert!(out.is_empty());
        assert_eq!(rewrite_columns(&source, &[], &mut out, star), Ok(0));
        assert_eq!(out, source);
    }

    #[test]
    fn a_row_cut_at_any_length_or_with_a_surplus_byte_is_an_error() {
        let source = row(&[Some(b"ab"), None, Some(b"cd")]);
        let fails = |frame: &[u8]| {
            let mut out = BytesMut::new();
            let all = rewrite(frame, &mut out, star).is_err();
            let some = rewrite_columns(frame, &[1], &mut out, star).is_err();
            let none = rewrite_columns(frame, &[], &mut out, star).is_err();
            all && some && none && out.is_empty()
        };
        for cut in 0..source.len() {
            assert!(fails(&source[..cut]), "cut at {cut}, length as it was");
            let mut short = source[..cut].to_vec();
            if let Some(head) = short.get_mut(1..HEADER) {
                head.copy_from_slice(&u32::try_from(cut - 1).unwrap().to_be_bytes());
            }
            assert!(fails(&short), "cut at {cut}, length made to fit");
        }
        let mut longer = source.to_vec();
        longer.push(0);
        assert!(fails(&longer));
        longer[4] += 1;
        assert!(fails(&longer));
        let mut negative = row(&[Some(b"")]);
        negative[7..11].copy_from_slice(&(-2_i32).to_be_bytes());
        assert!(fails(&negative));
    }

    proptest! {
        #[test]
        fn both_ways_agree_with_encoding_anew(
            values in proptest::collection::vec(proptest::option::of(proptest::collection::vec(any::<u8>(), 0..9)), 0..9),
            mask in any::<u16>(),
        ) {
            let borrowed: Vec<_> = values.iter().map(|v| v.as_deref()).collect();
            let source = row(&borrowed);
            let masked: Vec<usize> = (0..values.len()).filter(|n| mask >> n & 1 == 1).collect();
            let expected: Vec<_> =
                borrowed.iter().enumerate().map(|(n, v)| if masked.contains(&n) { Some(&b"*"[..]) } else { *v }).collect();
            let (mut by_columns, mut by_choice) = (BytesMut::new(), BytesMut::new());
            prop_assert_eq!(rewrite_columns(&source, &masked, &mut by_columns, star), Ok(masked.len()));
            let chosen = rewrite(&source, &mut by_choice, |column, value, out| {
                if masked.contains(&column) { star(column, value, out) } else { Ok(Wrote::Keep) }
            });
            prop_assert_eq!(chosen, Ok(masked.len()));
            prop_assert_eq!(&by_columns, &row(&expected));
            prop_assert_eq!(&by_choice, &by_columns);
        }

        #[test]
        fn no_bytes_make_it_panic(body in proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(0xff), any::<u8>()], 0..60)) {
            let mut frame = vec![b'D'];
            frame.extend_from_slice(&u32::try_from(body.len() + 4).unwrap().to_be_bytes());
            frame.extend_from_slice(&body);
            let mut out = BytesMut::new();
            let _ = rewrite(&frame, &mut out, star);
            let _ = rewrite_columns(&frame, &[0, 3], &mut out, star);
            let _ = rewrite(&body, &mut out, star);
        }
    }
}
