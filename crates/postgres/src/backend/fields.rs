use std::{borrow::Cow, fmt};

use crate::{
    error::{Malformed, Problem},
    read::Reader,
};

/// Most fields in one error or notice. The protocol knows eighteen.
const FIELDS_MAX: usize = 64;

/// The fields of an error or notice. Their texts come in the server's own encoding until the log-in is over, so they are bytes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fields<'a> {
    fields: Vec<(u8, &'a [u8])>,
}

/// Shows the SQLSTATE only: texts may quote data.
impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fields").field("code", &self.code()).finish_non_exhaustive()
    }
}

impl<'a> Fields<'a> {
    /// Severity in the user's language.
    pub const SEVERITY_LOCAL: u8 = b'S';
    /// Severity, not translated.
    pub const SEVERITY: u8 = b'V';
    /// SQLSTATE.
    pub const CODE: u8 = b'C';
    /// The message.
    pub const MESSAGE: u8 = b'M';
    /// Detail.
    pub const DETAIL: u8 = b'D';
    /// Hint.
    pub const HINT: u8 = b'H';
    /// Where in the client's text, in characters from 1.
    pub const POSITION: u8 = b'P';
    /// Where in a text that the server itself made.
    pub const INTERNAL_POSITION: u8 = b'p';
    /// That text.
    pub const INTERNAL_QUERY: u8 = b'q';
    /// Where it happened: a call stack.
    pub const CONTEXT: u8 = b'W';
    /// Schema.
    pub const SCHEMA: u8 = b's';
    /// Table.
    pub const TABLE: u8 = b't';
    /// Column.
    pub const COLUMN: u8 = b'c';
    /// Data type.
    pub const DATA_TYPE: u8 = b'd';
    /// Constraint.
    pub const CONSTRAINT: u8 = b'n';
    /// File of the server's source.
    pub const FILE: u8 = b'F';
    /// Line there.
    pub const LINE: u8 = b'L';
    /// Routine there.
    pub const ROUTINE: u8 = b'R';

    pub(super) fn read(mut reader: Reader<'a>) -> Result<Fields<'a>, Malformed> {
        let mut fields = Vec::new();
        loop {
            let letter = reader.u8("field letter")?;
            if letter == 0 {
                return reader.finish(Fields { fields });
            }
            if fields.len() == FIELDS_MAX {
                return Err(reader.error("fields", Problem::TooMany { count: FIELDS_MAX + 1, limit: FIELDS_MAX }));
            }
            fields.push((letter, reader.terminated("field")?));
        }
    }

    /// A field by its letter, as it came.
    pub fn bytes(&self, letter: u8) -> Option<&'a [u8]> {
        self.fields.iter().find(|(l, _)| *l == letter).map(|(_, bytes)| *bytes)
    }

    /// A field by its letter; what is not UTF-8 is replaced.
    pub fn get(&self, letter: u8) -> Option<Cow<'a, str>> {
        self.bytes(letter).map(String::from_utf8_lossy)
    }

    /// The SQLSTATE; `XX000` (internal error) when the server gave none or no proper one.
    pub fn code(&self) -> &'a str {
        self.bytes(Self::CODE)
            .filter(|code| code.len() == 5 && code.iter().all(u8::is_ascii_alphanumeric))
            .and_then(|code| std::str::from_utf8(code).ok())
            .unwrap_or("XX000")
    }

    /// The severity, not translated where the server says so (since 9.6): `ERROR`, `FATAL`, `PANIC`, `WARNING`, `NOTICE`, `DEBUG`, `INFO`, `LOG`.
    pub fn severity(&self) -> Cow<'a, str> {
        self.get(Self::SEVERITY).or_else(|| self.get(Self::SEVERITY_LOCAL)).unwrap_or(Cow::Borrowed("ERROR"))
    }

    /// Whether the server closes the connection after it.
    pub fn ends_connection(&self) -> bool {
        matches!(&*self.severity(), "FATAL" | "PANIC")
    }

    /// The message.
    pub fn message(&self) -> Cow<'a, str> {
        self.get(Self::MESSAGE).unwrap_or_default()
    }

    /// Where in the client's text, in characters from 1.
    pub fn position(&self) -> Option<u32> {
        self.get(Self::POSITION)?.parse().ok()
    }

    /// All fields in the order sent.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &'a [u8])> {
        self.fields.iter().copied()
    }
}
