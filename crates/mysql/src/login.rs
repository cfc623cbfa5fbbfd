//! What a client says to a greeting, and the packets of the exchange that follows (MySQL Internals, "Connection Phase Packets").

use bytes::{BufMut, BytesMut};

use crate::{
    Malformed, Problem,
    capability::{self as can},
    read::Reader,
    write,
};

/// Connection attributes that are read, at most; their bytes together are bounded by the packet.
pub const ATTRIBUTES_MAX: usize = 256;

/// The first packet of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum First {
    /// It asks for TLS: the rest comes encrypted.
    Tls {
        /// What it wants to use.
        capabilities: u32,
    },
    /// It logs in.
    Login(Box<Login>),
}

/// HandshakeResponse41.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Login {
    /// What the client wants to use.
    pub capabilities: u32,
    /// The longest packet that it takes, bytes.
    pub packet_max: u32,
    /// The number of the collation that it writes in.
    pub collation: u8,
    /// Who it is.
    pub user: String,
    /// Its proof for the plugin that it names.
    pub proof: Vec<u8>,
    /// The database that it wants.
    pub database: Option<String>,
    /// The plugin that the proof is for; empty where it names none.
    pub plugin: String,
    /// What it says of itself: `_client_name`, `program_name` ...
    pub attributes: Vec<(String, String)>,
}

/// Decodes a client's first packet.
pub fn decode(payload: &[u8]) -> Result<First, Malformed> {
    let mut reader = Reader::new("HandshakeResponse41", payload);
    let capabilities = reader.u32("capabilities")?;
    if capabilities & can::PROTOCOL_41 == 0 {
        return Err(reader.wrong("capabilities", Problem::BadValue { value: u64::from(capabilities) }));
    }
    let packet_max = reader.u32("longest packet")?;
    let collation = reader.u8("collation")?;
    reader.bytes("filler", 23)?;
    if capabilities & can::SSL != 0 && reader.left() == 0 {
        return Ok(First::Tls { capabilities });
    }
    let has = |flag: u32| capabilities & flag != 0;
    let user = text(&mut reader, "user")?;
    let proof = if has(can::PLUGIN_AUTH_LENENC) {
        reader.lenenc_bytes("proof")?
    } else if has(can::SECURE_CONNECTION) {
        let length = reader.u8("proof")?;
        reader.bytes("proof", usize::from(length))?
    } else {
        reader.nul_bytes("proof")?
    };
    let database = if has(can::CONNECT_WITH_DB) { Some(text(&mut reader, "database")?) } else { None };
    let plugin = if has(can::PLUGIN_AUTH) && reader.left() > 0 { text(&mut reader, "plugin")? } else { String::new() };
    let attributes = if has(can::CONNECT_ATTRS) && reader.left() > 0 { attributes(&mut reader)? } else { Vec::new() };
    if has(can::ZSTD) && reader.left() > 0 {
        reader.u8("compression level")?;
    }
    reader.finish()?;
    let database = database.filter(|name| !name.is_empty());
    Ok(First::Login(Box::new(Login {
        capabilities,
        packet_max,
        collation,
        user,
        proof: proof.to_vec(),
        database,
        plugin,
        attributes,
    })))
}

/// Decodes COM_CHANGE_USER: a log-in on a connection that has one. What it does not name is as it was ([MySQL Internals, "COM_CHANGE_USER"]).
///
/// [MySQL Internals, "COM_CHANGE_USER"]: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_change_user.html
pub fn change(payload: &[u8], before: &Login) -> Result<Login, Malformed> {
    let mut reader = Reader::new("COM_CHANGE_USER", payload);
    reader.u8("kind")?;
    let has = |flag: u32| before.capabilities & flag != 0;
    let user = text(&mut reader, "user")?;
    let length = reader.u8("proof")?;
    let proof = reader.bytes("proof", usize::from(length))?.to_vec();
    let database = Some(text(&mut reader, "database")?).filter(|name| !name.is_empty());
    let collation = if reader.left() > 0 { reader.u16("collation")? } else { u16::from(before.collation) };
    let collation = u8::try_from(collation)
        .map_err(|_| reader.wrong("collation", Problem::BadValue { value: u64::from(collation) }))?;
    let plugin = if has(can::PLUGIN_AUTH) && reader.left() > 0 { text(&mut reader, "plugin")? } else { String::new() };
    let attributes = match has(can::CONNECT_ATTRS) && reader.left() > 0 {
        true => attributes(&mut reader)?,
        false => before.attributes.clone(),
    };
    reader.finish()?;
    let Login { capabilities, packet_max, .. } = *before;
    Ok(Login { capabilities, packet_max, collation, user, proof, database, plugin, attributes })
}

fn text(reader: &mut Reader<'_>, field: &'static str) -> Result<String, Malformed> {
    let bytes = reader.nul_bytes(field)?;
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| reader.wrong(field, Problem::NotUtf8))
}

fn attributes(reader: &mut Reader<'_>) -> Result<Vec<(String, String)>, Malformed> {
    let bytes = reader.lenenc_bytes("attributes")?;
    let mut inner = Reader::new("HandshakeResponse41", bytes);
    let mut found = Vec::new();
    while inner.left() > 0 {
        if found.len() >= ATTRIBUTES_MAX {
            let problem = Problem::TooMany { count: found.len() + 1, limit: ATTRIBUTES_MAX };
            return Err(inner.wrong("attributes", problem));
        }
        let name = inner.lenenc_bytes("attribute's name")?;
        let value = inner.lenenc_bytes("attribute's value")?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        found.push((text(name), text(value)));
    }
    Ok(found)
}

/// The payload that asks a server for TLS.
pub fn tls_request(capabilities: u32, packet_max: u32, collation: u8) -> BytesMut {
    let mut out = BytesMut::new();
    out.put_u32_le(capabilities);
    out.put_u32_le(packet_max);
    out.put_u8(collation);
    out.put_bytes(0, 23);
    out
}

impl Login {
    /// The payload. The flags decide which fields it has; [`can::PLUGIN_AUTH_LENENC`] must be among them.
    pub fn encode(&self) -> BytesMut {
        let mut out = tls_request(self.capabilities, self.packet_max, self.collation);
        let has = |flag: u32| self.capabilities & flag != 0;
        write::nul_bytes(&mut out, self.user.as_bytes());
        write::lenenc_bytes(&mut out, &self.proof);
        if has(can::CONNECT_WITH_DB) {
            write::nul_bytes(&mut out, self.database.as_deref().unwrap_or_default().as_bytes());
        }
        if has(can::PLUGIN_AUTH) {
            write::nul_bytes(&mut out, self.plugin.as_bytes());
        }
        if has(can::CONNECT_ATTRS) {
            let mut inner = BytesMut::new();
            for (name, value) in &self.attributes {
                write::lenenc_bytes(&mut inner, name.as_bytes());
                write::lenenc_bytes(&mut inner, value.as_bytes());
            }
            write::lenenc_bytes(&mut out, &inner);
        }
        out
    }

    /// What the client says of itself under a name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// A packet of a server during the log-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The log-in is done.
    Done,
    /// Another plugin, with a nonce of its own.
    Switch {
        /// The plugin.
        plugin: String,
        /// Its data.
        data: Vec<u8>,
    },
    /// More for the plugin.
    More(Vec<u8>),
    /// Refused.
    Refused(crate::response::Failure),
}

/// Decodes a server's packet after the log-in was sent.
pub fn step(payload: &[u8]) -> Result<Step, Malformed> {
    let mut reader = Reader::new("log-in exchange", payload);
    match reader.u8("kind")? {
        0x00 => {
            reader.rest();
            Ok(Step::Done)
        }
        0x01 => Ok(Step::More(reader.rest().to_vec())),
        0xfe => {
            let plugin = reader.nul_bytes("plugin")?;
            let plugin = reader.text("plugin", plugin)?.to_owned();
            let data = reader.rest();
            Ok(Step::Switch { plugin, data: data.strip_suffix(&[0]).unwrap_or(data).to_vec() })
        }
        0xff => crate::response::Failure::decode(payload).map(Step::Refused),
        other => Err(reader.wrong("kind", Problem::BadValue { value: u64::from(other) })),
    }
}

/// The payload that asks a client for another plugin's proof.
pub fn switch(plugin: &str, nonce: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    out.put_u8(0xfe);
    write::nul_bytes(&mut out, plugin.as_bytes());
    out.put_slice(nonce);
    out.put_u8(0);
    out
}

/// The payload that tells a client's plugin more.
pub fn more(data: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    out.put_u8(0x01);
    out.put_slice(data);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(extra: u32) -> Login {
        let flags = can::PROTOCOL_41 | can::PLUGIN_AUTH | can::PLUGIN_AUTH_LENENC | can::CONNECT_ATTRS | extra;
        Login {
            capabilities: flags,
            packet_max: 1 << 24,
            collation: 45,
            user: "agent".into(),
            proof: vec![1; 32],
            database: (extra & can::CONNECT_WITH_DB != 0).then(|| "shop".into()),
            plugin: "caching_sha2_password".into(),
            attributes: vec![("_client_name".into(), "libmysql".into())],
        }
    }

    #[test]
    fn a_login_reads_back_and_a_cut_one_is_an_error_or_lacks_its_last_fields() {
        let login = sample(can::CONNECT_WITH_DB);
        let bytes = login.encode();
        assert_eq!(decode(&bytes), Ok(First::Login(Box::new(login.clone()))));
        for cut in 0..bytes.len() {
            if let Ok(found) = decode(&bytes[..cut]) {
                assert_ne!(found, First::Login(Box::new(login.clone())), "{cut}");
            }
        }
        assert!(decode(&[&bytes[..], b"x"].concat()).is_err());
    }

    #[test]
    fn a_request_for_tls_is_the_login_s_head_alone() {
        let request = tls_request(can::PROTOCOL_41 | can::SSL, 1 << 24, 45);
        assert_eq!(decode(&request), Ok(First::Tls { capabilities: can::PROTOCOL_41 | can::SSL }));
        assert!(decode(&tls_request(can::SSL, 0, 0)).is_err(), "the protocol before 4.1");
    }

    #[test]
    fn the_steps_of_an_exchange_read_back() {
        assert_eq!(step(&more(&[4])), Ok(Step::More(vec![4])));
        let switched = Step::Switch { plugin: "p".into(), data: b"nonce".to_vec() };
        assert_eq!(step(&switch("p", b"nonce")), Ok(switched));
        assert_eq!(step(&[0, 0, 0, 2, 0, 0, 0]), Ok(Step::Done));
        assert!(step(&[]).is_err() && step(&[7]).is_err());
    }

    #[test]
    fn a_change_of_the_user_names_what_changes() {
        let before = sample(can::CONNECT_WITH_DB);
        let short = b"\x11other\0\x02ab\0";
        let changed = change(short, &before).unwrap();
        let expected = Login {
            user: "other".into(),
            proof: b"ab".to_vec(),
            database: None,
            plugin: String::new(),
            ..before.clone()
        };
        assert_eq!(changed, expected);
        let whole = b"\x11other\0\0shop\0\x21\0plug\0\x04\x01k\x01v";
        let changed = change(whole, &before).unwrap();
        assert_eq!((changed.database.as_deref(), changed.collation, &*changed.plugin), (Some("shop"), 33, "plug"));
        assert_eq!(changed.attributes, [("k".to_owned(), "v".to_owned())]);
        for wrong in [&b"\x11other"[..], b"\x11other\0\x05ab\0", b"\x11o\0\0shop\0\xff\xffplug\0\0", b"\x11\xff\0\0\0"]
        {
            assert!(change(wrong, &before).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn attributes_without_end_are_refused() {
        let many = vec![(String::new(), String::new()); ATTRIBUTES_MAX + 1];
        assert!(decode(&Login { attributes: many, ..sample(0) }.encode()).is_err());
    }
}
