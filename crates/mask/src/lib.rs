//! The maskers: what replaces the values of a column for those who may not read them, on the bytes of one field, in text and
//! in binary format.
//!
//! Must not know SQL, the framing of the wire, or policy files: it is given a masker, a type and a field's bytes.
//!
//! ```
//! use bytes::BytesMut;
//! use querygate_mask::{FieldMask, FieldType, Format, Masked, Masker, NullRule, Rendering};
//!
//! let column = FieldType::postgres(25, "text", -1, false);
//! let mask = FieldMask::compile(&Masker::Redact, NullRule::Keep, &column).unwrap();
//! let mut out = BytesMut::new();
//! let masked = mask.apply(Some(b"078-05-1120"), Format::Text, &Rendering::utc(), &mut out).unwrap();
//! assert_eq!((masked, &out[..]), (Masked::Value, &b"[redacted]"[..]));
//! ```

mod array;
mod builtin;
mod bytea;
mod constant;
mod cursor;
mod datetime;
mod detect;
mod error;
mod exercise;
mod field;
mod float;
mod hash;
mod integer;
mod interval;
mod json;
mod key;
mod masker;
mod network;
mod numeric;
mod preserve;
mod rendering;
mod scan;
mod text;
mod transform;
mod types;
mod whole;

pub use detect::{Detected, detect, detect_whole};
pub use error::{FieldError, MaskError, MaskWarning};
pub use exercise::exercise;
pub use field::{FieldMask, Masked};
pub use key::{KEY_BYTES, MaskKey, MaskKeys};
pub use masker::{Masker, NullRule};
pub use rendering::{ByteaOutput, Format, Rendering, UnknownZone};
pub use types::{FieldType, Kind};
pub use whole::Whole;
