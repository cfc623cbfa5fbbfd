use bytes::{BufMut, BytesMut};

/// Appends a length-encoded integer.
pub(crate) fn lenenc(out: &mut BytesMut, value: u64) {
    match value {
        0..=0xfa => out.put_u8(value.to_le_bytes()[0]),
        0xfb..=0xffff => {
            out.put_u8(0xfc);
            out.put_uint_le(value, 2);
        }
        0x1_0000..=0xff_ffff => {
            out.put_u8(0xfd);
            out.put_uint_le(value, 3);
        }
        _ => {
            out.put_u8(0xfe);
            out.put_u64_le(value);
        }
    }
}

/// Appends a length-encoded string.
pub(crate) fn lenenc_bytes(out: &mut BytesMut, bytes: &[u8]) {
    lenenc(out, bytes.len() as u64);
    out.put_slice(bytes);
}

/// Appends a string and its zero byte; what stands behind a zero byte of its own is left out.
pub(crate) fn nul_bytes(out: &mut BytesMut, bytes: &[u8]) {
    out.put_slice(bytes.split(|byte| *byte == 0).next().unwrap_or_default());
    out.put_u8(0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::Reader;

    proptest::proptest! {
        #[test]
        fn what_is_written_reads_back(value: u64, bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
            let mut out = BytesMut::new();
            lenenc(&mut out, value);
            lenenc_bytes(&mut out, &bytes);
            let mut reader = Reader::new("test", &out);
            assert_eq!(reader.lenenc("number"), Ok(value));
            assert_eq!(reader.lenenc_bytes("bytes"), Ok(&bytes[..]));
            reader.finish().unwrap();
        }
    }
}
