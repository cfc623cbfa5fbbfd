use crate::{Malformed, Problem};

/// Reads one packet from front to back; every read is checked.
pub(crate) struct Reader<'a> {
    packet: &'static str,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(packet: &'static str, payload: &'a [u8]) -> Reader<'a> {
        Reader { packet, rest: payload }
    }

    pub fn wrong(&self, field: &'static str, problem: Problem) -> Malformed {
        Malformed { packet: self.packet, field, problem }
    }

    pub fn left(&self) -> usize {
        self.rest.len()
    }

    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub fn bytes(&mut self, field: &'static str, count: usize) -> Result<&'a [u8], Malformed> {
        match self.rest.split_at_checked(count) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(self.wrong(field, Problem::EndsEarly)),
        }
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Malformed> {
        match self.rest.split_first_chunk::<N>() {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(*taken)
            }
            None => Err(self.wrong(field, Problem::EndsEarly)),
        }
    }

    pub fn u8(&mut self, field: &'static str) -> Result<u8, Malformed> {
        self.array::<1>(field).map(|[byte]| byte)
    }

    pub fn u16(&mut self, field: &'static str) -> Result<u16, Malformed> {
        self.array(field).map(u16::from_le_bytes)
    }

    pub fn u32(&mut self, field: &'static str) -> Result<u32, Malformed> {
        self.array(field).map(u32::from_le_bytes)
    }

    pub fn u64(&mut self, field: &'static str) -> Result<u64, Malformed> {
        self.array(field).map(u64::from_le_bytes)
    }

    /// A length-encoded integer. `0xfb` (NULL in a row) and `0xff` begin none.
    pub fn lenenc(&mut self, field: &'static str) -> Result<u64, Malformed> {
        match self.u8(field)? {
            byte @ 0..=0xfa => Ok(u64::from(byte)),
            0xfc => self.u16(field).map(u64::from),
            0xfd => self.array::<3>(field).map(|[a, b, c]| u64::from(u32::from_le_bytes([a, b, c, 0]))),
            0xfe => self.u64(field),
            other => Err(self.wrong(field, Problem::BadValue { value: u64::from(other) })),
        }
    }

    /// A length-encoded string.
    pub fn lenenc_bytes(&mut self, field: &'static str) -> Result<&'a [u8], Malformed> {
        let length = self.lenenc(field)?;
        let length = usize::try_from(length).map_err(|_| self.wrong(field, Problem::EndsEarly))?;
        self.bytes(field, length)
    }

    /// A string up to its zero byte, which is used up too.
    pub fn nul_bytes(&mut self, field: &'static str) -> Result<&'a [u8], Malformed> {
        let Some(end) = self.rest.iter().position(|byte| *byte == 0) else {
            return Err(self.wrong(field, Problem::NoTerminator));
        };
        let taken = self.bytes(field, end)?;
        self.u8(field)?;
        Ok(taken)
    }

    pub fn text(&self, field: &'static str, bytes: &'a [u8]) -> Result<&'a str, Malformed> {
        std::str::from_utf8(bytes).map_err(|_| self.wrong(field, Problem::NotUtf8))
    }

    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    pub fn finish(self) -> Result<(), Malformed> {
        match self.rest.len() {
            0 => Ok(()),
            bytes => Err(self.wrong("end", Problem::Surplus { bytes })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_encoded_integers_are_read_in_every_width() {
        for (bytes, value) in [
            (&[0xfa][..], 0xfa),
            (&[0xfc, 0xfb, 0x00], 0xfb),
            (&[0xfd, 0, 0, 1], 0x1_0000),
            (&[0xfe, 0, 0, 0, 1, 0, 0, 0, 0], 0x100_0000),
        ] {
            let mut reader = Reader::new("test", bytes);
            assert_eq!(reader.lenenc("x"), Ok(value));
            reader.finish().unwrap();
        }
        for bytes in [&[0xfb][..], &[0xff], &[0xfc, 1], &[0xfd, 1, 2], &[0xfe, 1], &[]] {
            assert!(Reader::new("test", bytes).lenenc("x").is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_length_beyond_the_packet_is_an_error() {
        let huge = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        assert!(Reader::new("test", &huge).lenenc_bytes("x").is_err());
        assert!(Reader::new("test", b"abc").nul_bytes("x").is_err());
    }
}
