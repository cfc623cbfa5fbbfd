//! Prepared statements: the answer to COM_STMT_PREPARE and the values of COM_STMT_EXECUTE (MySQL Internals, "Prepared Statements").

use bytes::{BufMut, BytesMut};

use crate::{
    Malformed, Problem,
    column::kind,
    read::Reader,
    value::{self, Type},
};

/// The first packet of the answer to COM_STMT_PREPARE. As many definitions of parameters, then of columns, follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// The statement's number.
    pub statement: u32,
    /// Its result columns.
    pub columns: u16,
    /// Its parameters.
    pub parameters: u16,
    /// Warnings.
    pub warnings: u16,
}

impl Prepared {
    /// Decodes it.
    pub fn decode(payload: &[u8]) -> Result<Prepared, Malformed> {
        let mut reader = Reader::new("COM_STMT_PREPARE OK", payload);
        let kind = reader.u8("status")?;
        if kind != 0 {
            return Err(reader.wrong("status", Problem::BadValue { value: u64::from(kind) }));
        }
        let prepared = Prepared {
            statement: reader.u32("statement")?,
            columns: reader.u16("columns")?,
            parameters: reader.u16("parameters")?,
            warnings: {
                reader.u8("filler")?;
                reader.u16("warnings")?
            },
        };
        reader.finish()?;
        Ok(prepared)
    }

    /// The payload.
    pub fn encode(&self) -> BytesMut {
        let mut out = BytesMut::new();
        out.put_u8(0);
        out.put_u32_le(self.statement);
        out.put_u16_le(self.columns);
        out.put_u16_le(self.parameters);
        out.put_u8(0);
        out.put_u16_le(self.warnings);
        out
    }
}

/// What a client bound to a statement's parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bound {
    /// Types, kept for executions that don't repeat them.
    pub types: Vec<Type>,
    /// Texts of the values, NULL as none. A value that was sent as long data is empty here.
    pub values: Vec<Option<Vec<u8>>>,
}

/// A parameter's type, without its flag.
const UNSIGNED: u8 = 0x80;

/// Reads the values of COM_STMT_EXECUTE, from the bitmap on. `before` are the types of the execution before, `long` says which parameters
/// were sent as long data.
pub fn execute(payload: &[u8], parameters: usize, before: &[Type], long: &[bool]) -> Result<Bound, Malformed> {
    let mut reader = Reader::new("COM_STMT_EXECUTE", payload);
    if parameters == 0 {
        // Some clients send the mark for new types all the same.
        if reader.peek().is_some_and(|byte| byte <= 1) && reader.left() == 1 {
            reader.rest();
        }
        reader.finish()?;
        return Ok(Bound::default());
    }
    let bitmap = reader.bytes("NULL bitmap", parameters.div_ceil(8))?;
    let types = match reader.u8("types follow")? {
        1 => types(&mut reader, parameters)?,
        0 if before.len() == parameters => before.to_vec(),
        other => return Err(reader.wrong("types follow", Problem::BadValue { value: u64::from(other) })),
    };
    let mut values = Vec::with_capacity(parameters);
    for (index, of) in types.iter().enumerate() {
        let null = bitmap.get(index / 8).is_some_and(|byte| byte & (1 << (index % 8)) != 0);
        if long.get(index).copied().unwrap_or(false) {
            values.push(Some(Vec::new()));
        } else if null || of.kind == kind::NULL {
            values.push(None);
        } else {
            let raw = value::raw(&mut reader, of.kind)?;
            values.push(Some(value::text(*of, raw)?.into_owned()));
        }
    }
    reader.finish()?;
    Ok(Bound { types, values })
}

fn types(reader: &mut Reader<'_>, parameters: usize) -> Result<Vec<Type>, Malformed> {
    let mut types = Vec::with_capacity(parameters);
    for _ in 0..parameters {
        let (kind, flags) = (reader.u8("type")?, reader.u8("type's flags")?);
        if flags & !UNSIGNED != 0 {
            return Err(reader.wrong("type's flags", Problem::BadValue { value: u64::from(flags) }));
        }
        types.push(Type { kind, unsigned: flags & UNSIGNED != 0, decimals: 0 });
    }
    Ok(types)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prepared_statement_is_read() {
        let bytes = b"\0\x05\0\0\0\x02\0\x01\0\0\0\0";
        let prepared = Prepared { statement: 5, columns: 2, parameters: 1, warnings: 0 };
        assert_eq!(Prepared::decode(bytes), Ok(prepared));
        assert_eq!(&prepared.encode()[..], bytes);
        assert!((0..bytes.len()).all(|cut| Prepared::decode(&bytes[..cut]).is_err()));
    }

    #[test]
    fn values_are_read_with_their_types_and_again_without() {
        // 7, NULL, "ab".
        let first = b"\x02\x01\x03\0\xfd\0\xfd\0\x07\0\0\0\x02ab";
        let bound = execute(first, 3, &[], &[]).unwrap();
        assert_eq!(bound.values, [Some(b"7".to_vec()), None, Some(b"ab".to_vec())]);
        let again = execute(b"\0\0\x08\0\0\0\0\x01c", 3, &bound.types, &[]).unwrap();
        assert_eq!(again.values, [Some(b"8".to_vec()), Some(Vec::new()), Some(b"c".to_vec())]);
        assert!(execute(b"\0\0\x08\0\0\0\0\x01c", 3, &[], &[]).is_err(), "no types are known yet");
        let long = execute(b"\x02\x01\x03\0\xfd\0\xfd\0\x07\0\0\0", 3, &[], &[false, false, true]).unwrap();
        assert_eq!(long.values[2], Some(Vec::new()));
    }

    #[test]
    fn surplus_and_missing_bytes_are_errors() {
        let whole = b"\0\x01\x03\0\x07\0\0\0";
        assert!(execute(whole, 1, &[], &[]).is_ok());
        assert!((0..whole.len()).all(|cut| execute(&whole[..cut], 1, &[], &[]).is_err()));
        assert!(execute(&[&whole[..], b"x"].concat(), 1, &[], &[]).is_err());
        assert!(execute(b"x", 0, &[], &[]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..40), parameters in 0_usize..9) {
            let _ = execute(&bytes, parameters, &[], &[]);
            let _ = Prepared::decode(&bytes);
            let _ = crate::column::Column::decode(&bytes);
            let _ = crate::greeting::Greeting::decode(&bytes);
            let _ = crate::login::decode(&bytes);
            let _ = crate::login::step(&bytes);
            let _ = crate::command::decode(&bytes);
            for tracks in [false, true] {
                let _ = crate::response::Success::decode(&bytes, tracks).map(|ok| ok.changes_with(3, Some((b"a", b"b"))));
            }
            let _ = crate::response::head(&bytes);
        }
    }
}
