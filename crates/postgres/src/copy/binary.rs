//! COPY's binary format: rows of fields with their lengths in front, after a header and before a trailer.

use bytes::BytesMut;

use crate::{
    error::{DecodeError, Malformed, Problem},
    row::{Rewriting, RowError, Wrote},
};

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// Signature, flags, and the length of an extension.
const HEADER: usize = SIGNATURE.len() + 8;
/// Flags that a reader must know (bits 16 to 31); the only one ever defined, OIDs, is gone since Postgres 12.
const CRITICAL_FLAGS: u32 = 0xffff_0000;
/// A field count that stands for the end.
const TRAILER: i16 = -1;
const COUNT: usize = 2;

/// Where in the data of one COPY TO STDOUT the next message begins. The server sends the header with the first row, each row whole, and the
/// trailer; a message may hold several of them.
///
/// ```
/// use bytes::BytesMut;
/// use querygate_postgres::{copy::BinaryCodec, row::Wrote};
/// let mut data = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
/// data.extend_from_slice(b"\0\x02\0\0\0\x01a\0\0\0\x01b");
/// let mut out = BytesMut::new();
/// let masked = BinaryCodec::new().rewrite_columns(&data, 2, &[1], &mut out, |_column, _value, _out| Ok::<_, ()>(Wrote::Null));
/// assert_eq!(masked, Ok(1));
/// assert!(out.ends_with(b"\0\x02\0\0\0\x01a\xff\xff\xff\xff"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct BinaryCodec {
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    ExpectHeader,
    ExpectRow,
    Ended,
}

impl BinaryCodec {
    /// At the start of a COPY.
    pub fn new() -> BinaryCodec {
        BinaryCodec::default()
    }

    /// Appends the data of one message with the fields at `columns` as `f` says, in each of its rows; the twin of
    /// [`Codec::rewrite_columns`](super::Codec::rewrite_columns).
    pub fn rewrite_columns<E>(
        &mut self,
        data: &[u8],
        fields: usize,
        columns: &[usize],
        out: &mut BytesMut,
        mut f: impl FnMut(usize, Option<&[u8]>, &mut BytesMut) -> Result<Wrote, E>,
    ) -> Result<usize, RowError<E>> {
        let start = out.len();
        let result = self.rewrite(data, fields, columns, out, &mut f);
        if result.is_err() {
            out.truncate(start);
        }
        result
    }

    fn rewrite<E>(
        &mut self,
        data: &[u8],
        fields: usize,
        columns: &[usize],
        out: &mut BytesMut,
        f: &mut impl FnMut(usize, Option<&[u8]>, &mut BytesMut) -> Result<Wrote, E>,
    ) -> Result<usize, RowError<E>> {
        let mut at = 0;
        if self.state == State::ExpectHeader {
            at = header(data)?;
            self.state = State::ExpectRow;
        }
        let mut row = Rewriting::new(data, at, "CopyData");
        while !row.rest().is_empty() {
            let count = row.rest().first_chunk::<COUNT>().map(|count| i16::from_be_bytes(*count));
            row.step(COUNT)?;
            match count {
                _ if self.state == State::Ended => {
                    return Err(malformed("end", Problem::Surplus { bytes: row.rest().len() + COUNT }).into());
                }
                Some(TRAILER) => self.state = State::Ended,
                Some(count) if usize::try_from(count) == Ok(fields) => row.replace_columns(fields, columns, out, f)?,
                Some(count) => return Err(malformed("field count", Problem::BadValue { value: count.into() }).into()),
                None => return Err(malformed("field count", Problem::EndsEarly).into()),
            }
        }
        row.copy(out);
        Ok(row.replaced)
    }
}

/// Checks the header; gives its length.
fn header(data: &[u8]) -> Result<usize, DecodeError> {
    let number =
        |at: usize| data.get(at..).and_then(|rest| rest.first_chunk::<4>()).map(|bytes| u32::from_be_bytes(*bytes));
    let (Some(flags), Some(extension)) = (number(SIGNATURE.len()), number(SIGNATURE.len() + 4)) else {
        return Err(malformed("header", Problem::EndsEarly));
    };
    if !data.starts_with(SIGNATURE) {
        return Err(malformed("header", Problem::BadValue { value: data.first().copied().unwrap_or_default().into() }));
    }
    if flags & CRITICAL_FLAGS != 0 {
        return Err(malformed("header flags", Problem::BadValue { value: flags.into() }));
    }
    let end = usize::try_from(extension).ok().and_then(|extension| extension.checked_add(HEADER));
    end.filter(|end| *end <= data.len()).ok_or(malformed("header extension", Problem::EndsEarly))
}

fn malformed(field: &'static str, problem: Problem) -> DecodeError {
    DecodeError::Server(Malformed { message: "CopyData", field, problem })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use bytes::BufMut;
    use proptest::prelude::*;

    use super::*;
    use crate::{backend, fixtures};

    fn star(_: usize, _: Option<&[u8]>, out: &mut BytesMut) -> Result<Wrote, Infallible> {
        out.put_slice(b"***");
        Ok(Wrote::Value)
    }

    /// The messages of the one binary COPY among the captured ones.
    fn captured() -> Vec<Vec<u8>> {
        let mut data: Vec<Vec<u8>> = Vec::new();
        for frame in fixtures::server("copy-out") {
            if frame.kind() == backend::kind::COPY_DATA && (frame.body().starts_with(SIGNATURE) || !data.is_empty()) {
                data.push(frame.body().to_vec());
            }
            if frame.kind() == backend::kind::COPY_DONE && !data.is_empty() {
                break;
            }
        }
        data
    }

    #[test]
    fn a_real_copy_keeps_its_header_its_trailer_and_the_other_fields() {
        let data = captured();
        assert!(data.len() > 3, "header or rows, and the trailer");
        let (mut same, mut masked) = (BinaryCodec::new(), BinaryCodec::new());
        let (mut rows, mut seen) = (0, Vec::new());
        for message in &data {
            let mut out = BytesMut::new();
            assert_eq!(same.rewrite_columns(message, 8, &[], &mut out, star), Ok(0));
            assert_eq!(out, message[..]);
            out.clear();
            rows += masked
                .rewrite_columns(message, 8, &[2], &mut out, |_, value, out| {
                    seen.push(value.map(<[u8]>::to_vec));
                    star(2, value, out)
                })
                .unwrap();
            assert!(!out.windows(12).any(|window| window == b"@example.com"));
        }
        assert_eq!((rows, same.state, masked.state), (3, State::Ended, State::Ended));
        assert_eq!(seen, [Some(b"jane@example.com".to_vec()), Some(b"bob@example.com".to_vec()), None]);
    }

    #[test]
    fn what_is_not_the_format_is_refused_whole() {
        let whole = captured().concat();
        let rewrite = |data: &[u8], fields: usize, columns: &[usize]| {
            let mut out = BytesMut::from(&b"before"[..]);
            let result = BinaryCodec::new().rewrite_columns(data, fields, columns, &mut out, star);
            assert!(result.is_ok() || &out[..] == b"before");
            result.is_ok()
        };
        assert!(rewrite(&whole, 8, &[2]));
        for (fields, columns) in [(7, &[2][..]), (9, &[2]), (8, &[8]), (8, &[2, 1])] {
            assert!(!rewrite(&whole, fields, columns));
        }
        assert!(!rewrite(&[&whole[..], b"\0"].concat(), 8, &[2]));
        assert!(!rewrite(&[&whole[..], b"\xff\xff"].concat(), 8, &[2]));
        for place in [0, 10, 11, 12] {
            let mut bad = whole.clone();
            bad[place] ^= 1;
            assert!(!rewrite(&bad, 8, &[2]), "{place}");
        }
        let complete: Vec<_> = (0..whole.len()).filter(|cut| rewrite(&whole[..*cut], 8, &[2])).collect();
        assert_eq!(complete.len(), 4, "only the header alone, and after each row: {complete:?}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(data in proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(0xff), any::<u8>()], 0..60)) {
            let mut codec = BinaryCodec::new();
            let mut out = BytesMut::new();
            let _ = codec.rewrite_columns(&data, 2, &[1], &mut out, star);
            codec.state = State::ExpectRow;
            let _ = codec.rewrite_columns(&data, 2, &[1], &mut out, star);
        }
    }
}
