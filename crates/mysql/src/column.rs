//! Column definitions (MySQL Internals, "Column Definition").

use bytes::{BufMut, BytesMut};

use crate::{Malformed, Problem, read::Reader, write};

/// Numbers of column types.
pub mod kind {
    #![allow(missing_docs, reason = "the types' names say it")]
    pub const DECIMAL: u8 = 0;
    pub const TINY: u8 = 1;
    pub const SHORT: u8 = 2;
    pub const LONG: u8 = 3;
    pub const FLOAT: u8 = 4;
    pub const DOUBLE: u8 = 5;
    pub const NULL: u8 = 6;
    pub const TIMESTAMP: u8 = 7;
    pub const LONGLONG: u8 = 8;
    pub const INT24: u8 = 9;
    pub const DATE: u8 = 10;
    pub const TIME: u8 = 11;
    pub const DATETIME: u8 = 12;
    pub const YEAR: u8 = 13;
    pub const VAR_STRING: u8 = 253;
}

/// The value is unsigned.
pub const UNSIGNED: u16 = 1 << 5;

/// A column definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column<'a> {
    /// The database of its table; empty where it comes from none.
    pub schema: &'a [u8],
    /// Its table's alias.
    pub table: &'a [u8],
    /// Its table's own name.
    pub org_table: &'a [u8],
    /// Its label.
    pub name: &'a [u8],
    /// Its own name in the table.
    pub org_name: &'a [u8],
    /// The number of its collation.
    pub collation: u16,
    /// Its longest value, bytes.
    pub length: u32,
    /// Its type: [`kind`].
    pub kind: u8,
    /// Flags: [`UNSIGNED`] and others.
    pub flags: u16,
    /// Digits after the point.
    pub decimals: u8,
}

/// In place of a length: NULL.
const NULL: u8 = 0xfb;
/// Length of the fields behind the names.
const FIXED: u64 = 0x0c;

impl<'a> Column<'a> {
    /// Decodes one.
    pub fn decode(payload: &'a [u8]) -> Result<Column<'a>, Malformed> {
        let mut reader = Reader::new("column definition", payload);
        let column = Column::read(&mut reader)?;
        reader.finish()?;
        Ok(column)
    }

    /// Decodes one that comes with its default, as in the answer to COM_FIELD_LIST: none for NULL.
    pub fn decode_with_default(payload: &'a [u8]) -> Result<(Column<'a>, Option<&'a [u8]>), Malformed> {
        let mut reader = Reader::new("column definition with its default", payload);
        let column = Column::read(&mut reader)?;
        let default = reader.rest();
        if matches!(default, [] | [NULL]) {
            return Ok((column, None));
        }
        let mut reader = Reader::new("column definition with its default", default);
        let value = reader.lenenc_bytes("default")?;
        reader.finish()?;
        Ok((column, Some(value)))
    }

    fn read(reader: &mut Reader<'a>) -> Result<Column<'a>, Malformed> {
        reader.lenenc_bytes("catalog")?;
        let schema = reader.lenenc_bytes("schema")?;
        let table = reader.lenenc_bytes("table")?;
        let org_table = reader.lenenc_bytes("original table")?;
        let name = reader.lenenc_bytes("name")?;
        let org_name = reader.lenenc_bytes("original name")?;
        let fixed = reader.lenenc("length of fixed fields")?;
        if fixed != FIXED {
            return Err(reader.wrong("length of fixed fields", Problem::BadValue { value: fixed }));
        }
        let column = Column {
            schema,
            table,
            org_table,
            name,
            org_name,
            collation: reader.u16("collation")?,
            length: reader.u32("length")?,
            kind: reader.u8("type")?,
            flags: reader.u16("flags")?,
            decimals: reader.u8("decimals")?,
        };
        reader.bytes("filler", 2)?;
        Ok(column)
    }

    /// The payload.
    pub fn encode(&self) -> BytesMut {
        let mut out = BytesMut::new();
        write::lenenc_bytes(&mut out, b"def");
        for name in [self.schema, self.table, self.org_table, self.name, self.org_name] {
            write::lenenc_bytes(&mut out, name);
        }
        write::lenenc(&mut out, FIXED);
        out.put_u16_le(self.collation);
        out.put_u32_le(self.length);
        out.put_u8(self.kind);
        out.put_u16_le(self.flags);
        out.put_u8(self.decimals);
        out.put_u16_le(0);
        out
    }

    /// The payload with a default.
    pub fn encode_with_default(&self, default: Option<&[u8]>) -> BytesMut {
        let mut out = self.encode();
        match default {
            None => out.put_u8(NULL),
            Some(value) => write::lenenc_bytes(&mut out, value),
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_reads_back_and_every_cut_is_an_error() {
        let column = Column {
            schema: b"shop",
            table: b"c",
            org_table: b"customers",
            name: b"mail",
            org_name: b"email",
            collation: 255,
            length: 400,
            kind: kind::VAR_STRING,
            flags: 1,
            decimals: 0,
        };
        let bytes = column.encode();
        assert_eq!(Column::decode(&bytes), Ok(column));
        for default in [None, Some(&b"new"[..]), Some(b"")] {
            let bytes = column.encode_with_default(default);
            assert_eq!(Column::decode_with_default(&bytes), Ok((column, default)));
            assert!(Column::decode(&bytes).is_err());
        }
        assert!((0..bytes.len()).all(|cut| Column::decode(&bytes[..cut]).is_err()));
        assert!(Column::decode(&[&bytes[..], b"x"].concat()).is_err());
    }
}
