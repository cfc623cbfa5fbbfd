use bytes::{BufMut, BytesMut};
use serde::{Deserialize, Serialize};

/// Bits above which a `bit(n)` becomes NULL in place of n zeros: the constant is written once per row.
const BITS_MAX: u32 = 1 << 16;

/// Types whose values are masked as a whole, by a constant or by NULL: no masker reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Whole {
    /// `bit(n)`.
    Bit,
    /// `box`.
    Box,
    /// `"char"`: one byte.
    Char,
    /// `circle`.
    Circle,
    /// `jsonpath`.
    Jsonpath,
    /// `line`.
    Line,
    /// `lseg`.
    Lseg,
    /// `macaddr`.
    Macaddr,
    /// `macaddr8`.
    Macaddr8,
    /// `path`.
    Path,
    /// `pg_lsn`.
    PgLsn,
    /// `point`.
    Point,
    /// `polygon`.
    Polygon,
    /// `time with time zone`.
    Timetz,
    /// `tsquery`.
    Tsquery,
    /// `tsvector`.
    Tsvector,
    /// `bit varying(n)`.
    Varbit,
}

impl Whole {
    /// The type behind a built-in OID (src/include/catalog/pg_type.dat).
    pub(crate) fn by_oid(oid: u32) -> Option<Whole> {
        Some(match oid {
            18 => Whole::Char,
            600 => Whole::Point,
            601 => Whole::Lseg,
            602 => Whole::Path,
            603 => Whole::Box,
            604 => Whole::Polygon,
            628 => Whole::Line,
            718 => Whole::Circle,
            774 => Whole::Macaddr8,
            829 => Whole::Macaddr,
            1266 => Whole::Timetz,
            1560 => Whole::Bit,
            1562 => Whole::Varbit,
            3220 => Whole::PgLsn,
            3614 => Whole::Tsvector,
            3615 => Whole::Tsquery,
            4072 => Whole::Jsonpath,
            _ => return None,
        })
    }

    /// Whether it is a place or a shape.
    pub fn is_geometric(self) -> bool {
        matches!(
            self,
            Whole::Box | Whole::Circle | Whole::Line | Whole::Lseg | Whole::Path | Whole::Point | Whole::Polygon
        )
    }

    /// The type's name, as a DBA would write it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Whole::Bit => "bit",
            Whole::Box => "box",
            Whole::Char => "\"char\"",
            Whole::Circle => "circle",
            Whole::Jsonpath => "jsonpath",
            Whole::Line => "line",
            Whole::Lseg => "lseg",
            Whole::Macaddr => "macaddr",
            Whole::Macaddr8 => "macaddr8",
            Whole::Path => "path",
            Whole::PgLsn => "pg_lsn",
            Whole::Point => "point",
            Whole::Polygon => "polygon",
            Whole::Timetz => "time with time zone",
            Whole::Tsquery => "tsquery",
            Whole::Tsvector => "tsvector",
            Whole::Varbit => "bit varying",
        }
    }

    /// The constant that hides every value: its text and its binary form. None where it would be too long.
    pub(crate) fn constant(self, length: Option<u32>) -> Option<(Vec<u8>, Vec<u8>)> {
        let zeros = |text: &str, bytes: usize| (text.as_bytes().to_vec(), vec![0; bytes]);
        Some(match self {
            Whole::Bit => {
                let bits = length.unwrap_or(1);
                if bits > BITS_MAX {
                    return None;
                }
                bit_string(&"0".repeat(usize::try_from(bits).ok()?))?
            }
            Whole::Box => zeros("(0,0),(0,0)", 32),
            Whole::Char => (b"[".to_vec(), b"[".to_vec()),
            Whole::Circle => zeros("<(0,0),0>", 24),
            // A version byte stands before the text of the binary form.
            Whole::Jsonpath => (b"$".to_vec(), b"\x01$".to_vec()),
            Whole::Line => (b"{1,0,0}".to_vec(), [1.0f64, 0.0, 0.0].map(f64::to_be_bytes).concat()),
            Whole::Lseg => zeros("[(0,0),(0,0)]", 32),
            Whole::Macaddr => zeros("00:00:00:00:00:00", 6),
            Whole::Macaddr8 => zeros("00:00:00:00:00:00:00:00", 8),
            // Closed, of one point.
            Whole::Path => (b"((0,0))".to_vec(), [&[1, 0, 0, 0, 1][..], &[0; 16]].concat()),
            Whole::PgLsn => zeros("0/0", 8),
            Whole::Point => zeros("(0,0)", 16),
            Whole::Polygon => (b"((0,0))".to_vec(), [&[0, 0, 0, 1][..], &[0; 16]].concat()),
            Whole::Timetz => zeros("00:00:00+00", 12),
            // No lexemes, no operators, no bits: the count alone.
            Whole::Tsquery | Whole::Tsvector | Whole::Varbit => zeros("", 4),
        })
    }

    /// Whether `fixed` can stand for its values.
    pub(crate) fn takes_fixed(self) -> bool {
        matches!(self, Whole::Bit | Whole::Char | Whole::Macaddr | Whole::Macaddr8 | Whole::Varbit)
    }

    /// How a fixed value is written.
    pub(crate) fn form(self) -> &'static str {
        match self {
            Whole::Bit => "write as many digits 0 and 1 as the column has bits",
            Whole::Varbit => "write digits 0 and 1, no more than the column has bits",
            Whole::Char => "write one ASCII character",
            _ => "write pairs of hexadecimal digits with colons between them",
        }
    }

    /// The two forms of a given value.
    pub(crate) fn fixed(self, given: &str, length: Option<u32>) -> Option<(Vec<u8>, Vec<u8>)> {
        let bits = u32::try_from(given.len()).ok()?;
        match self {
            Whole::Bit if bits == length.unwrap_or(1) => bit_string(given),
            Whole::Varbit if bits <= length.unwrap_or(BITS_MAX) => bit_string(given),
            Whole::Char if matches!(given.as_bytes(), [1..=127]) => Some((given.into(), given.into())),
            Whole::Macaddr => address(given, 6),
            Whole::Macaddr8 => address(given, 8),
            _ => None,
        }
    }
}

/// `varbit_send`: the number of bits, then the bits from the left, padded with zeros.
fn bit_string(text: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut binary = BytesMut::new();
    binary.put_u32(u32::try_from(text.len()).ok()?);
    for bits in text.as_bytes().chunks(8) {
        let mut byte = 0;
        for (place, bit) in bits.iter().enumerate() {
            match bit {
                b'1' => byte |= 0x80 >> place,
                b'0' => (),
                _ => return None,
            }
        }
        binary.put_u8(byte);
    }
    Some((text.into(), binary.to_vec()))
}

/// Pairs of hexadecimal digits with colons between them.
fn address(text: &str, bytes: usize) -> Option<(Vec<u8>, Vec<u8>)> {
    let pair = |part: &str| match part.as_bytes() {
        [a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => u8::from_str_radix(part, 16).ok(),
        _ => None,
    };
    let binary = text.split(':').map(pair).collect::<Option<Vec<u8>>>().filter(|all| all.len() == bytes)?;
    Some((text.to_ascii_lowercase().into(), binary))
}
