//! The two forms in which a value travels.

use crate::{
    error::{Malformed, Problem},
    read::Reader,
};

/// How a value is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// As the type's output function writes it.
    #[default]
    Text,
    /// As the type's send function writes it.
    Binary,
}

impl Format {
    /// The code that stands for it: 0 or 1.
    pub fn code(self) -> i16 {
        match self {
            Format::Text => 0,
            Format::Binary => 1,
        }
    }

    /// The format that a code stands for.
    pub fn from_code(code: i16) -> Option<Format> {
        match code {
            0 => Some(Format::Text),
            1 => Some(Format::Binary),
            _ => None,
        }
    }

    /// The format of item `index` under Bind's rule: no formats mean text for all, one stands for all, else each has its own.
    pub fn of(formats: &[Format], index: usize) -> Format {
        match formats {
            [] => Format::Text,
            [all] => *all,
            each => each.get(index).copied().unwrap_or_default(),
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Format, Malformed> {
        let code = reader.i16(field)?;
        Format::from_code(code).ok_or_else(|| reader.error(field, Problem::BadValue { value: code.into() }))
    }
}
