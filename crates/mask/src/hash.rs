use std::{fmt, sync::Arc};

use aes::{
    Aes256, Block,
    cipher::{BlockCipherEncrypt as _, KeyInit as _},
};
use bytes::{BufMut, BytesMut};
use fpe::ff1::{BinaryNumeralString, FF1};
use zeroize::Zeroizing;

use crate::{
    FieldType, Format, Kind, Rendering, bytea,
    key::{self, ID_LETTERS, KEY_BYTES, MaskKey, TOKEN_LETTERS},
    numeric::{Numeric, NumericField},
    text::Fit,
};

/// Characters of a token of text: the key's id, a hyphen, 128 bits and two more.
pub(crate) const TEXT_TOKEN_LENGTH: usize = ID_LETTERS + 1 + TOKEN_LETTERS;

/// Bytes of a token of `bytea` and of `numeric`.
const TOKEN_BYTES: usize = 16;

/// Replaces values by tokens under a key. Equal values have equal tokens, and different values different ones: tokens of integers and UUIDs are
/// a permutation of the type's own values, those of text, `bytea` and `numeric` are 128 bits of a keyed hash.
#[derive(Clone)]
pub(crate) struct Hash {
    key: Arc<MaskKey>,
    form: Form,
}

#[derive(Clone)]
enum Form {
    /// BLAKE3 over the bytes.
    Bytea(Zeroizing<[u8; KEY_BYTES]>),
    /// FF1 (NIST SP 800-38G) over the bits.
    Integer { bytes: usize, permutation: Arc<FF1<Aes256>> },
    /// BLAKE3 over the shortest text of the number.
    Numeric(Zeroizing<[u8; KEY_BYTES]>),
    /// BLAKE3 over the characters that count.
    Text(Zeroizing<[u8; KEY_BYTES]>, Fit),
    /// AES-256 of the one block that a UUID is.
    Uuid(Arc<Aes256>),
}

impl Hash {
    /// None where the type cannot carry tokens: it has too few values, no equality, or one that bytes do not show.
    pub(crate) fn compile(key: &Arc<MaskKey>, field_type: &FieldType) -> Option<Hash> {
        if field_type.folds {
            return None;
        }
        let form = match &field_type.kind {
            Kind::Bytea => Form::Bytea(key.derive("querygate mask hash bytea v1")),
            Kind::Int4 => Form::integer(4, &key.derive("querygate mask hash int4 v1"))?,
            Kind::Int8 => Form::integer(8, &key.derive("querygate mask hash int8 v1"))?,
            Kind::Numeric if field_type.numeric.is_none() => {
                Form::Numeric(key.derive("querygate mask hash numeric v1"))
            }
            Kind::Bpchar | Kind::Text => Form::Text(key.derive("querygate mask hash text v1"), Fit::new(field_type)),
            Kind::Uuid => {
                let key = key.derive("querygate mask hash uuid v1");
                Form::Uuid(Arc::new(Aes256::new_from_slice(key.as_slice()).ok()?))
            }
            _ => return None,
        };
        Some(Hash { key: Arc::clone(key), form })
    }

    /// Appends a value's token; None where the value does not read as its type.
    pub(crate) fn apply(&self, value: &[u8], format: Format, rendering: &Rendering, out: &mut BytesMut) -> Option<()> {
        match (&self.form, format) {
            (Form::Text(key, fit), _) => {
                let start = out.len();
                let content = fit.content(std::str::from_utf8(value).ok()?);
                let token = blake3::keyed_hash(key, content.as_bytes());
                out.put_slice(self.key.id().as_bytes());
                out.put_u8(b'-');
                out.put_slice(key::letters(token.as_bytes(), TOKEN_LETTERS).as_bytes());
                fit.finish(out, start);
            }
            (Form::Bytea(key), Format::Binary) => out.put_slice(&short(key, value)),
            (Form::Bytea(key), Format::Text) => {
                let value = bytea::parse(std::str::from_utf8(value).ok()?)?;
                bytea::write(&short(key, &value), rendering.bytea(), out);
            }
            (Form::Integer { bytes: 4, permutation }, Format::Binary) => {
                let value = i32::from_be_bytes(value.try_into().ok()?);
                out.put_i32(i32::from_be_bytes(permute(permutation, value.to_be_bytes())?));
            }
            (Form::Integer { bytes: 4, permutation }, Format::Text) => {
                let value: i32 = number(value)?;
                put_text(i32::from_be_bytes(permute(permutation, value.to_be_bytes())?), out);
            }
            (Form::Integer { permutation, .. }, Format::Binary) => {
                let value = i64::from_be_bytes(value.try_into().ok()?);
                out.put_i64(i64::from_be_bytes(permute(permutation, value.to_be_bytes())?));
            }
            (Form::Integer { permutation, .. }, Format::Text) => {
                let value: i64 = number(value)?;
                put_text(i64::from_be_bytes(permute(permutation, value.to_be_bytes())?), out);
            }
            (Form::Numeric(key), _) => {
                let shortest = match format {
                    Format::Binary => NumericField::decode(value)?.shortest(value),
                    Format::Text => NumericField::parse(std::str::from_utf8(value).ok()?)?.shortest(value),
                };
                let token = u128::from_be_bytes(short(key, &shortest));
                match format {
                    Format::Binary => Numeric::parse(&token.to_string())?.write_binary(out),
                    Format::Text => put_text(token, out),
                }
            }
            (Form::Uuid(cipher), Format::Binary) => out.put_slice(&encrypt(cipher, value.try_into().ok()?)),
            (Form::Uuid(cipher), Format::Text) => {
                let hex = std::str::from_utf8(value).ok()?.replace('-', "");
                let token = encrypt(cipher, bytea::hex_bytes(&hex)?.try_into().ok()?);
                put_text(uuid(u128::from_be_bytes(token)), out);
            }
        }
        Some(())
    }
}

impl Form {
    fn integer(bytes: usize, key: &[u8; KEY_BYTES]) -> Option<Form> {
        Some(Form::Integer { bytes, permutation: Arc::new(FF1::new(key, 2).ok()?) })
    }
}

fn short(key: &[u8; KEY_BYTES], value: &[u8]) -> [u8; TOKEN_BYTES] {
    blake3::keyed_hash(key, value).as_bytes().first_chunk().copied().unwrap_or_default()
}

fn permute<const N: usize>(permutation: &FF1<Aes256>, value: [u8; N]) -> Option<[u8; N]> {
    let permuted = permutation.encrypt(&[], &BinaryNumeralString::from_bytes_le(&value)).ok()?;
    permuted.to_bytes_le().try_into().ok()
}

fn encrypt(cipher: &Aes256, value: [u8; TOKEN_BYTES]) -> [u8; TOKEN_BYTES] {
    let mut block = Block::from(value);
    cipher.encrypt_block(&mut block);
    block.into()
}

fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn put_text(value: impl fmt::Display, out: &mut BytesMut) {
    let _ = fmt::Write::write_fmt(out, format_args!("{value}"));
}

fn uuid(value: u128) -> impl fmt::Display {
    let part = |shift: u32, digits: usize| format!("{:0digits$x}", value >> shift & ((1 << (digits * 4)) - 1));
    [part(96, 8), part(80, 4), part(64, 4), part(48, 4), part(0, 12)].join("-")
}

/// Equal hashes have the same key and make the same of every value.
impl PartialEq for Hash {
    fn eq(&self, other: &Hash) -> bool {
        let forms = match (&self.form, &other.form) {
            (Form::Text(_, a), Form::Text(_, b)) => a == b,
            (Form::Integer { bytes: a, .. }, Form::Integer { bytes: b, .. }) => a == b,
            (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
        };
        forms && self.key == other.key
    }
}

impl Eq for Hash {}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hash").field("key", &self.key).finish_non_exhaustive()
    }
}
