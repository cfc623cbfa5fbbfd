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
/// Bytes of a field's length.
const LENGTH: usize = 4;

/// The most bytes of a row that is not whole yet, which wait for the rest of it.
const WAITING_BYTES_MAX: usize = 64 << 20;

/// Where in the data of one COPY TO STDOUT the next message begins. Today's servers send the header with the first row, each row whole, and
/// the trailer; the documentation lets messages begin and end anywhere, and so does this.
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
    /// The beginning of a header or row whose end is still to come.
    waiting: BytesMut,
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
    /// [`Codec::rewrite_columns`](super::Codec::rewrite_columns). What is not whole yet waits for the next message.
    pub fn rewrite_columns<E>(
        &mut self,
        data: &[u8],
        fields: usize,
        columns: &[usize],
        out: &mut BytesMut,
        mut f: impl FnMut(usize, Option<&[u8]>, &mut BytesMut) -> Result<Wrote, E>,
    ) -> Result<usize, RowError<E>> {
        let start = out.len();
        let mut joined = std::mem::take(&mut self.waiting);
        let result = if joined.is_empty() {
            let whole = self.whole(data, fields).map_err(RowError::Malformed)?;
            let (now, later) = data.split_at(whole);
            self.waiting.extend_from_slice(later);
            self.rewrite(now, fields, columns, out, &mut f)
        } else {
            joined.extend_from_slice(data);
            let whole = self.whole(&joined, fields).map_err(RowError::Malformed)?;
            self.waiting = joined.split_off(whole);
            self.rewrite(&joined, fields, columns, out, &mut f)
        };
        let result = match self.waiting.len() {
            bytes if bytes > WAITING_BYTES_MAX => Err(RowError::TooLong),
            bytes if bytes > 0 && self.state == State::Ended => {
                Err(malformed("end", Problem::Surplus { bytes }).into())
            }
            _ => result,
        };
        if result.is_err() {
            out.truncate(start);
        }
        result
    }

    /// At the end of the COPY: an error unless everything, the trailer too, has come.
    pub fn finish(&self) -> Result<(), DecodeError> {
        match self.state {
            State::Ended if self.waiting.is_empty() => Ok(()),
            _ => Err(malformed("trailer", Problem::EndsEarly)),
        }
    }

    /// How many of these bytes are whole: header, rows, trailer.
    fn whole(&self, data: &[u8], fields: usize) -> Result<usize, DecodeError> {
        let mut whole = match self.state {
            State::ExpectHeader => match header(data)? {
                Some(end) => end,
                None => return Ok(0),
            },
            _ => 0,
        };
        while let Some(length) = whole_row(data.get(whole..).unwrap_or_default(), fields)? {
            whole += length;
        }
        Ok(whole)
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
            let Some(end) = header(data)? else { return Ok(0) };
            at = end;
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

/// Checks the header; gives its length, none while it is not whole.
fn header(data: &[u8]) -> Result<Option<usize>, DecodeError> {
    let compared = data.len().min(SIGNATURE.len());
    if data.get(..compared) != SIGNATURE.get(..compared) {
        return Err(malformed("header", Problem::BadValue { value: data.first().copied().unwrap_or_default().into() }));
    }
    let number =
        |at: usize| data.get(at..).and_then(|rest| rest.first_chunk::<4>()).map(|bytes| u32::from_be_bytes(*bytes));
    let Some(flags) = number(SIGNATURE.len()) else { return Ok(None) };
    if flags & CRITICAL_FLAGS != 0 {
        return Err(malformed("header flags", Problem::BadValue { value: flags.into() }));
    }
    let Some(extension) = number(SIGNATURE.len() + 4) else { return Ok(None) };
    let end = usize::try_from(extension).ok().and_then(|extension| extension.checked_add(HEADER));
    let end = end.ok_or(malformed("header extension", Problem::BadValue { value: extension.into() }))?;
    Ok((end <= data.len()).then_some(end))
}

/// The length of the row or trailer that comes first, none while it is not whole.
fn whole_row(data: &[u8], fields: usize) -> Result<Option<usize>, DecodeError> {
    let Some(count) = data.first_chunk::<COUNT>().map(|count| i16::from_be_bytes(*count)) else { return Ok(None) };
    if count == TRAILER {
        return Ok(Some(COUNT));
    }
    if usize::try_from(count) != Ok(fields) {
        return Err(malformed("field count", Problem::BadValue { value: count.into() }));
    }
    let mut at = COUNT;
    for _ in 0..fields {
        let length = data.get(at..).and_then(|rest| rest.first_chunk::<LENGTH>());
        let Some(length) = length.map(|length| i32::from_be_bytes(*length)) else { return Ok(None) };
        at += LENGTH;
        match (length, usize::try_from(length)) {
            (-1, _) => (),
            (_, Ok(length)) => at = at.saturating_add(length),
            _ => return Err(malformed("field length", Problem::BadValue { value: length.into() })),
        }
    }
    Ok((at <= data.len()).then_some(at))
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
    }

    #[test]
    fn data_cut_anywhere_comes_through_as_in_one_piece() {
        let whole = captured().concat();
        let mut expected = BytesMut::new();
        let mut codec = BinaryCodec::new();
        codec.rewrite_columns(&whole, 8, &[2], &mut expected, star).unwrap();
        assert_eq!(codec.finish(), Ok(()));
        for pieces in [1, 2, 3, 7, 64] {
            let (mut codec, mut out) = (BinaryCodec::new(), BytesMut::new());
            for piece in whole.chunks(pieces) {
                codec.rewrite_columns(piece, 8, &[2], &mut out, star).unwrap();
            }
            assert_eq!((codec.finish(), &out), (Ok(()), &expected), "in pieces of {pieces}");
        }
        for cut in 0..whole.len() {
            let mut codec = BinaryCodec::new();
            let mut out = BytesMut::new();
            codec.rewrite_columns(&whole[..cut], 8, &[2], &mut out, star).unwrap();
            assert!(codec.finish().is_err(), "cut at {cut}");
            assert!(expected.starts_with(&out), "cut at {cut}");
        }
    }

    #[test]
    fn a_row_that_never_ends_is_refused_at_the_limit() {
        let mut codec = BinaryCodec { state: State::ExpectRow, waiting: BytesMut::new() };
        let mut out = BytesMut::new();
        codec.rewrite_columns(b"\0\x01\x7f\xff\xff\xff", 1, &[0], &mut out, star).unwrap();
        let chunk = vec![0; 1 << 20];
        let mut taken = 0;
        while codec.rewrite_columns(&chunk, 1, &[0], &mut out, star).is_ok() {
            taken += chunk.len();
        }
        assert!(out.is_empty() && taken <= WAITING_BYTES_MAX && taken > WAITING_BYTES_MAX - 2 * chunk.len());
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
