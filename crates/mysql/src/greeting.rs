//! The server's greeting, HandshakeV10 (MySQL Internals, "Connection Phase").

use bytes::{BufMut, BytesMut};

use crate::{Malformed, Problem, capability, read::Reader, write};

/// Bytes of the nonce that each side mixes into its proof.
pub const NONCE: usize = 20;
const FIRST_PART: usize = 8;

/// A greeting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// The server's version, such as `9.7.4`.
    pub version: String,
    /// The connection's number, for KILL.
    pub connection: u32,
    /// The nonce for the log-in's proof.
    pub nonce: [u8; NONCE],
    /// What the server can do.
    pub capabilities: u32,
    /// The default collation's number, its low byte.
    pub collation: u8,
    /// Status flags.
    pub status: u16,
    /// The log-in plugin that the nonce is for.
    pub plugin: String,
}

impl Greeting {
    /// Decodes a server's greeting.
    pub fn decode(payload: &[u8]) -> Result<Greeting, Malformed> {
        let mut reader = Reader::new("HandshakeV10", payload);
        let protocol = reader.u8("protocol version")?;
        if protocol != 10 {
            return Err(reader.wrong("protocol version", Problem::BadValue { value: u64::from(protocol) }));
        }
        let version = reader.nul_bytes("server version")?;
        let version = reader.text("server version", version)?.to_owned();
        let connection = reader.u32("connection id")?;
        let first = reader.bytes("nonce, first part", FIRST_PART)?;
        reader.u8("filler")?;
        let low = reader.u16("capabilities")?;
        let collation = reader.u8("collation")?;
        let status = reader.u16("status")?;
        let capabilities = u32::from(low) | u32::from(reader.u16("capabilities")?) << 16;
        let length = usize::from(reader.u8("nonce length")?);
        reader.bytes("reserved", 10)?;
        let second = reader.bytes("nonce, second part", length.saturating_sub(FIRST_PART).max(13))?;
        let second = second.strip_suffix(&[0]).unwrap_or(second);
        let joined = [first, second].concat();
        let Ok(nonce) = joined.try_into() else {
            return Err(reader.wrong("nonce length", Problem::BadValue { value: length as u64 }));
        };
        let plugin = match capabilities & capability::PLUGIN_AUTH {
            0 => "",
            _ => {
                let name = reader.nul_bytes("plugin")?;
                reader.text("plugin", name)?
            }
        };
        let plugin = plugin.to_owned();
        reader.finish()?;
        Ok(Greeting { version, connection, nonce, capabilities, collation, status, plugin })
    }

    /// The payload.
    pub fn encode(&self) -> BytesMut {
        let mut out = BytesMut::new();
        let [low_0, low_1, high_0, high_1] = self.capabilities.to_le_bytes();
        let (first, second) = self.nonce.split_at(FIRST_PART);
        out.put_u8(10);
        write::nul_bytes(&mut out, self.version.as_bytes());
        out.put_u32_le(self.connection);
        out.put_slice(first);
        out.put_u8(0);
        out.put_slice(&[low_0, low_1]);
        out.put_u8(self.collation);
        out.put_u16_le(self.status);
        out.put_slice(&[high_0, high_1]);
        out.put_u8(21);
        out.put_bytes(0, 10);
        out.put_slice(second);
        out.put_u8(0);
        write::nul_bytes(&mut out, self.plugin.as_bytes());
        out
    }
}

/// A new nonce from random bytes: none of its bytes is zero or `$`, which old clients stop at.
pub fn nonce(random: [u8; NONCE]) -> [u8; NONCE] {
    random.map(|byte| match byte & 0x7f {
        0 | b'$' => b'Q',
        byte => byte,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Greeting {
        Greeting {
            version: "9.7.4".into(),
            connection: 77,
            nonce: nonce([0x80; NONCE]),
            capabilities: capability::PLUGIN_AUTH | capability::PROTOCOL_41 | capability::SECURE_CONNECTION,
            collation: 45,
            status: 2,
            plugin: "caching_sha2_password".into(),
        }
    }

    #[test]
    fn a_greeting_reads_back_and_every_cut_is_an_error() {
        let bytes = sample().encode();
        assert_eq!(Greeting::decode(&bytes), Ok(sample()));
        for cut in 0..bytes.len() {
            assert!(Greeting::decode(&bytes[..cut]).is_err(), "{cut}");
        }
        assert!(Greeting::decode(&[&bytes[..], b"x"].concat()).is_err());
    }

    #[test]
    fn a_nonce_has_no_zero_byte() {
        assert!(nonce([0; NONCE]).iter().all(|b| *b != 0 && *b != b'$'));
    }
}
