//! The forms of a client's answer to a request for authentication. Which one it is follows from what was asked.

use crate::{error::DecodeError, read::Reader};

/// The start of a SASL exchange.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SaslInitial<'a> {
    /// The mechanism that the client chose.
    pub mechanism: &'a str,
    /// Its first message; `None` when it leaves the start to the server.
    pub data: Option<&'a [u8]>,
}

impl std::fmt::Debug for SaslInitial<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SaslInitial").field("mechanism", &self.mechanism).finish_non_exhaustive()
    }
}

/// A PasswordMessage: the password, or `md5` and a hash. Not necessarily UTF-8.
pub fn password(body: &[u8]) -> Result<&[u8], DecodeError> {
    let mut reader = Reader::new(body, "PasswordMessage");
    let read = reader.terminated("password").and_then(|password| reader.finish(password));
    read.map_err(DecodeError::Client)
}

/// A SASLInitialResponse.
pub fn sasl_initial(body: &[u8]) -> Result<SaslInitial<'_>, DecodeError> {
    let mut reader = Reader::new(body, "SASLInitialResponse");
    let read = reader.text("mechanism").and_then(|mechanism| {
        let data = reader.value("data")?;
        reader.finish(SaslInitial { mechanism, data })
    });
    read.map_err(DecodeError::Client)
}

/// A SASLResponse: the mechanism's own bytes.
pub fn sasl_response(body: &[u8]) -> &[u8] {
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_read_whole_or_not_at_all() {
        assert_eq!(password(b"s3cret\0"), Ok(&b"s3cret"[..]));
        for bad in [&b"s3cret"[..], b"", b"s3cret\0x"] {
            assert!(password(bad).is_err());
        }
        let whole = b"SCRAM-SHA-256\0\0\0\0\x03n,,";
        assert_eq!(sasl_initial(whole), Ok(SaslInitial { mechanism: "SCRAM-SHA-256", data: Some(b"n,,") }));
        assert_eq!(sasl_initial(b"X\0\xff\xff\xff\xff"), Ok(SaslInitial { mechanism: "X", data: None }));
        for cut in 0..whole.len() {
            assert!(sasl_initial(&whole[..cut]).is_err(), "{cut}");
        }
        assert!(sasl_initial(b"SCRAM-SHA-256\0\0\0\0\x02n,,").is_err());
        assert!(!format!("{:?}", sasl_initial(whole).unwrap()).contains("110"));
    }
}
