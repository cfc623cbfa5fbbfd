//! Packets: a header of three bytes of length and one of sequence, then the payload; a payload of 16 MiB - 1 or more goes in several
//! (MySQL Internals, "MySQL Packets").

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};

use crate::PacketError;

/// Bytes before each payload.
pub const HEADER: usize = 4;
/// The longest payload of one packet; another one follows it, if only an empty one.
pub const PAYLOAD_MAX: usize = 0xff_ffff;

/// A whole packet, its parts joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What it carries. Borrowed unless it came in parts.
    pub payload: Cow<'a, [u8]>,
    /// Bytes that it takes up in the buffer, headers included.
    pub length: usize,
    /// The sequence id that is due next.
    pub next_sequence: u8,
}

/// The packet at the start of `buffer`; none while it is not whole. `sequence` is the id that is due; `limit` bounds its payload, all
/// parts together, and is checked on the headers, before anything is waited for.
pub fn next(buffer: &[u8], sequence: u8, limit: usize) -> Result<Option<Packet<'_>>, PacketError> {
    let (mut at, mut due, mut total, mut parts) = (0_usize, sequence, 0_usize, 0_usize);
    loop {
        let Some((&[a, b, c, got], _)) = buffer.get(at..).and_then(|rest| rest.split_first_chunk::<HEADER>()) else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_le_bytes([a, b, c, 0])).unwrap_or(PAYLOAD_MAX);
        if got != due {
            return Err(PacketError::OutOfTurn { expected: due, got });
        }
        total += length;
        if total > limit {
            return Err(PacketError::TooLong { limit });
        }
        (at, due, parts) = (at + HEADER + length, due.wrapping_add(1), parts + 1);
        if at > buffer.len() {
            return Ok(None);
        }
        if length < PAYLOAD_MAX {
            break;
        }
    }
    let whole = buffer.get(..at).unwrap_or_default();
    let payload = match parts {
        1 => Cow::Borrowed(whole.get(HEADER..).unwrap_or_default()),
        _ => Cow::Owned(joined(whole, total)),
    };
    Ok(Some(Packet { payload, length: at, next_sequence: due }))
}

fn joined(whole: &[u8], total: usize) -> Vec<u8> {
    let mut payload = Vec::with_capacity(total);
    for part in whole.chunks(HEADER + PAYLOAD_MAX) {
        payload.extend_from_slice(part.get(HEADER..).unwrap_or_default());
    }
    payload
}

/// Appends a payload as one packet, or as many as its length asks for, and moves the sequence id on.
pub fn write(out: &mut BytesMut, sequence: &mut u8, payload: &[u8]) {
    let mut rest = payload;
    loop {
        let (part, after) = rest.split_at(rest.len().min(PAYLOAD_MAX));
        out.reserve(HEADER + part.len());
        out.put_uint_le(part.len() as u64, 3);
        out.put_u8(*sequence);
        out.put_slice(part);
        *sequence = sequence.wrapping_add(1);
        rest = after;
        if part.len() < PAYLOAD_MAX {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(payload: &[u8], sequence: u8) -> (BytesMut, u8) {
        let (mut out, mut next) = (BytesMut::new(), sequence);
        write(&mut out, &mut next, payload);
        (out, next)
    }

    #[test]
    fn a_packet_is_found_once_it_is_whole() {
        let (bytes, next_sequence) = through(b"abc", 7);
        for cut in 0..bytes.len() {
            assert_eq!(next(&bytes[..cut], 7, 100), Ok(None));
        }
        let packet = next(&bytes, 7, 100).unwrap().unwrap();
        assert_eq!((&*packet.payload, packet.length, packet.next_sequence), (&b"abc"[..], 7, next_sequence));
    }

    #[test]
    fn a_payload_of_sixteen_mebibytes_travels_in_parts_with_an_empty_one_at_the_end_where_it_fits_exactly() {
        for (length, parts) in [(PAYLOAD_MAX - 1, 1), (PAYLOAD_MAX, 2), (PAYLOAD_MAX + 1, 2), (2 * PAYLOAD_MAX, 3)] {
            let payload: Vec<u8> = (0..length).map(|i| u8::try_from(i % 251).unwrap()).collect();
            let (bytes, next_sequence) = through(&payload, 254);
            assert_eq!(bytes.len(), length + parts * HEADER);
            assert_eq!(next_sequence, 254_u8.wrapping_add(u8::try_from(parts).unwrap()));
            let packet = next(&bytes, 254, usize::MAX).unwrap().unwrap();
            assert!(packet.payload == payload && packet.next_sequence == next_sequence);
            assert_eq!(next(&bytes[..bytes.len() - 1], 254, usize::MAX), Ok(None));
        }
    }

    #[test]
    fn a_sequence_id_out_of_turn_is_an_error_in_the_first_part_and_in_later_ones() {
        let (bytes, _) = through(b"abc", 3);
        assert_eq!(next(&bytes, 0, 100), Err(PacketError::OutOfTurn { expected: 0, got: 3 }));
        let (mut large, _) = through(&vec![0; PAYLOAD_MAX], 0);
        large[HEADER + PAYLOAD_MAX + 3] = 9;
        assert_eq!(next(&large, 0, usize::MAX), Err(PacketError::OutOfTurn { expected: 1, got: 9 }));
    }

    #[test]
    fn a_packet_beyond_the_limit_is_refused_on_its_header() {
        let (bytes, _) = through(&[0; 101], 0);
        assert_eq!(next(&bytes[..HEADER], 0, 100), Err(PacketError::TooLong { limit: 100 }));
        assert!(next(&bytes, 0, 101).unwrap().is_some());
    }
}
