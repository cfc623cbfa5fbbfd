//! OK, EOF and ERR: how every answer ends (MySQL Internals, "Generic Response Packets").

use bytes::{BufMut, BytesMut};

use crate::{Malformed, Problem, capability::status, read::Reader, write};

/// First byte of OK.
pub const OK: u8 = 0x00;
/// First byte of EOF, and of the OK that ends rows.
pub const EOF: u8 = 0xfe;
/// First byte of ERR.
pub const ERR: u8 = 0xff;
/// First byte of the server's request for a file (LOAD DATA LOCAL).
pub const LOCAL_INFILE: u8 = 0xfb;
/// An EOF packet is shorter than this.
const EOF_LENGTH_MAX: usize = 9;

/// An OK packet, or an EOF packet as one without its first fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Success<'a> {
    /// Rows that were changed.
    pub affected_rows: u64,
    /// The last number that AUTO_INCREMENT gave.
    pub last_insert_id: u64,
    /// Status flags.
    pub status: u16,
    /// How many warnings SHOW WARNINGS has.
    pub warnings: u16,
    /// Words about what was done.
    pub info: &'a [u8],
    /// What changed of the session's state, as the server wrote it; none where nothing did, or is not tracked.
    pub changes: &'a [u8],
}

/// Kinds of changes that are tracked (MySQL Internals, "Session State Information").
pub mod tracked {
    /// The value of a system variable.
    pub const VARIABLE: u8 = 0;
    /// The identifiers of transactions.
    pub const GTIDS: u8 = 3;
}

impl<'a> Success<'a> {
    /// Decodes an OK packet; `tracks` says whether the connection tracks the session's state.
    pub fn decode(payload: &'a [u8], tracks: bool) -> Result<Success<'a>, Malformed> {
        let mut reader = Reader::new("OK", payload);
        match reader.u8("kind")? {
            OK | EOF => {}
            other => return Err(reader.wrong("kind", Problem::BadValue { value: u64::from(other) })),
        }
        let affected_rows = reader.lenenc("affected rows")?;
        let last_insert_id = reader.lenenc("last insert id")?;
        let (status, warnings) = (reader.u16("status")?, reader.u16("warnings")?);
        let (info, changes) = match tracks {
            false => (reader.rest(), &[][..]),
            true => {
                let info = if reader.left() > 0 { reader.lenenc_bytes("info")? } else { &[] };
                let changed = status & status::STATE_CHANGED != 0;
                (info, if changed { reader.lenenc_bytes("session state")? } else { &[] })
            }
        };
        reader.finish()?;
        Ok(Success { affected_rows, last_insert_id, status, warnings, info, changes })
    }

    /// The changes without those of one kind, and with another value of one system variable where that is among them.
    pub fn changes_with(&self, kind: u8, variable: Option<(&[u8], &[u8])>) -> Result<BytesMut, Malformed> {
        let mut reader = Reader::new("session state", self.changes);
        let mut out = BytesMut::new();
        while reader.left() > 0 {
            let found = reader.u8("kind")?;
            let data = reader.lenenc_bytes("data")?;
            if found == kind {
                continue;
            }
            out.put_u8(found);
            match variable.filter(|_| found == tracked::VARIABLE) {
                Some((name, value)) if Reader::new("variable", data).lenenc_bytes("name")? == name => {
                    let mut told = BytesMut::new();
                    write::lenenc_bytes(&mut told, name);
                    write::lenenc_bytes(&mut told, value);
                    write::lenenc_bytes(&mut out, &told);
                }
                _ => write::lenenc_bytes(&mut out, data),
            }
        }
        Ok(out)
    }

    /// Decodes an EOF packet.
    pub fn decode_eof(payload: &[u8]) -> Result<Success<'static>, Malformed> {
        let mut reader = Reader::new("EOF", payload);
        reader.u8("kind")?;
        let (warnings, status) = (reader.u16("warnings")?, reader.u16("status")?);
        reader.finish()?;
        Ok(Success { warnings, status, ..Success::default() })
    }

    /// The payload of an OK packet; `kind` is [`OK`], or [`EOF`] where it ends rows; `tracks` as for [`Success::decode`].
    pub fn encode(&self, kind: u8, tracks: bool) -> BytesMut {
        let mut out = BytesMut::new();
        let changed = tracks && !self.changes.is_empty();
        let flags = self.status & !status::STATE_CHANGED | if changed { status::STATE_CHANGED } else { 0 };
        out.put_u8(kind);
        write::lenenc(&mut out, self.affected_rows);
        write::lenenc(&mut out, self.last_insert_id);
        out.put_u16_le(flags);
        out.put_u16_le(self.warnings);
        match tracks {
            false => out.put_slice(self.info),
            true if changed || !self.info.is_empty() => write::lenenc_bytes(&mut out, self.info),
            true => {}
        }
        if changed {
            write::lenenc_bytes(&mut out, self.changes);
        }
        out
    }

    /// The payload of an EOF packet.
    pub fn encode_eof(&self) -> BytesMut {
        let mut out = BytesMut::new();
        out.put_u8(EOF);
        out.put_u16_le(self.warnings);
        out.put_u16_le(self.status);
        out
    }

    /// Whether another result follows.
    pub fn has_more(&self) -> bool {
        self.status & status::MORE_RESULTS != 0
    }
}

/// An ERR packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The error's number, such as 1064.
    pub code: u16,
    /// Its SQLSTATE, five characters.
    pub sqlstate: String,
    /// Words.
    pub message: String,
}

impl Failure {
    /// Decodes an ERR packet. Before the log-in there is no SQLSTATE in it: then it is `HY000`.
    pub fn decode(payload: &[u8]) -> Result<Failure, Malformed> {
        let mut reader = Reader::new("ERR", payload);
        let kind = reader.u8("kind")?;
        if kind != ERR {
            return Err(reader.wrong("kind", Problem::BadValue { value: u64::from(kind) }));
        }
        let code = reader.u16("code")?;
        let sqlstate = match reader.peek() {
            Some(b'#') => {
                reader.u8("marker")?;
                String::from_utf8_lossy(reader.bytes("SQLSTATE", 5)?).into_owned()
            }
            _ => "HY000".to_owned(),
        };
        Ok(Failure { code, sqlstate, message: String::from_utf8_lossy(reader.rest()).into_owned() })
    }

    /// The payload.
    pub fn encode(&self) -> BytesMut {
        let mut out = BytesMut::new();
        out.put_u8(ERR);
        out.put_u16_le(self.code);
        out.put_u8(b'#');
        let mut state = [b'0'; 5];
        state.iter_mut().zip(self.sqlstate.bytes()).for_each(|(to, from)| *to = from);
        out.put_slice(&state);
        out.put_slice(self.message.as_bytes());
        out
    }
}

/// What the first packet of an answer to COM_QUERY or COM_STMT_EXECUTE is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// OK.
    Ok,
    /// ERR.
    Err,
    /// The server asks for a file.
    LocalInfile,
    /// So many column definitions follow, then rows.
    Columns(u64),
}

/// Classifies it.
pub fn head(payload: &[u8]) -> Result<Head, Malformed> {
    let mut reader = Reader::new("answer", payload);
    match reader.peek() {
        Some(OK) => Ok(Head::Ok),
        Some(ERR) => Ok(Head::Err),
        Some(LOCAL_INFILE) => Ok(Head::LocalInfile),
        _ => {
            let count = reader.lenenc("number of columns")?;
            reader.finish()?;
            Ok(Head::Columns(count))
        }
    }
}

/// What a packet among rows is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Among {
    /// A row.
    Row,
    /// The end of the rows.
    End,
    /// The end, by an error.
    Err,
}

/// Classifies it; `deprecate_eof` says which form the end has.
pub fn among_rows(payload: &[u8], deprecate_eof: bool) -> Among {
    let longest = if deprecate_eof { crate::packet::PAYLOAD_MAX } else { EOF_LENGTH_MAX };
    match payload.first() {
        Some(&EOF) if payload.len() < longest => Among::End,
        Some(&ERR) => Among::Err,
        _ => Among::Row,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ok_eof_and_err_read_back() {
        let info = b"Rows matched: 1";
        let ok = Success { affected_rows: 300, last_insert_id: 7, status: 2, warnings: 1, info, changes: b"" };
        for tracks in [false, true] {
            assert_eq!(Success::decode(&ok.encode(OK, tracks), tracks), Ok(ok));
            assert_eq!(Success::decode(&ok.encode(EOF, tracks), tracks), Ok(ok));
        }
        let changes = b"\x03\x02ab\x01\x05\x04shop";
        let changed = Success { status: 2 | status::STATE_CHANGED, changes, ..ok };
        assert_eq!(Success::decode(&changed.encode(OK, true), true), Ok(changed));
        assert_eq!(&changed.changes_with(tracked::GTIDS, None).unwrap()[..], b"\x01\x05\x04shop");
        let changes = b"\x00\x06\x01a\x03old\x00\x04\x01b\x01c";
        let changed = Success { changes, ..ok };
        let told = changed.changes_with(tracked::GTIDS, Some((b"a", b""))).unwrap();
        assert_eq!(&told[..], b"\x00\x03\x01a\x00\x00\x04\x01b\x01c");
        let eof = Success { status: 34, warnings: 9, ..Success::default() };
        assert_eq!(Success::decode_eof(&eof.encode_eof()), Ok(eof));
        let err = Failure { code: 1227, sqlstate: "42000".into(), message: "blocked by policy".into() };
        assert_eq!(Failure::decode(&err.encode()), Ok(err));
    }

    #[test]
    fn cut_packets_are_errors() {
        let ok = Success::default().encode(OK, false);
        assert!((0..ok.len()).all(|cut| Success::decode(&ok[..cut], false).is_err()));
        let eof = Success::default().encode_eof();
        assert!((0..eof.len()).all(|cut| Success::decode_eof(&eof[..cut]).is_err()));
        assert!(Failure::decode(b"\xff\x01").is_err() && Failure::decode(b"\xff\x01\x01#420").is_err());
    }

    #[test]
    fn a_row_whose_first_field_is_huge_is_no_end() {
        let mut row = vec![0xfe];
        row.resize(crate::packet::PAYLOAD_MAX + 10, 0);
        assert_eq!(among_rows(&row, true), Among::Row);
        assert_eq!(among_rows(&[0xfe, 0, 0, 2, 0], false), Among::End);
        assert_eq!(among_rows(&[0xfe, 0, 0, 2, 0, 0, 0], true), Among::End);
        assert_eq!(among_rows(&[0xfe; 9], false), Among::Row);
        assert_eq!(among_rows(&[0xff, 1], true), Among::Err);
        assert_eq!(among_rows(&[], true), Among::Row);
    }

    #[test]
    fn the_first_packet_of_an_answer_is_told_apart() {
        assert_eq!(head(&[3]), Ok(Head::Columns(3)));
        assert_eq!(head(&[0, 0, 0, 2, 0, 0, 0]), Ok(Head::Ok));
        assert_eq!(head(b"\xfbfile"), Ok(Head::LocalInfile));
        assert_eq!(head(&[0xff, 1, 2]), Ok(Head::Err));
        assert!(head(&[]).is_err() && head(&[3, 3]).is_err() && head(&[0xfc, 3]).is_err());
    }
}
