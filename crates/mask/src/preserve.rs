use std::{fmt, sync::Arc};

use aes::Aes256;
use bytes::{BufMut, BytesMut};
use fpe::ff1::{FF1, FlexibleNumeralString};

use crate::{FieldType, Kind, key::MaskKey, text::Fit};

/// What stands for a value that is too short to be encrypted, or not made of ASCII.
const UNFIT: &str = "[redacted]";

/// Fewest digits: NIST SP 800-38G asks for at least a million possible values.
const DIGITS_MIN: usize = 6;

/// Fewest letters and digits of a value with letters, by the same rule.
const LETTERS_MIN: usize = 4;

/// Most letters and digits: encryption takes time that grows with their square.
const CHARACTERS_MAX: usize = 64;

/// Encryptions after which a value with letters is given up on. Only one in (10/62)^4 turns out without a letter and needs another.
const WALKS_MAX: usize = 64;

const DIGITS: u32 = 10;
const LETTERS_AND_DIGITS: u32 = 62;

/// Format-preserving encryption by FF1 (NIST SP 800-38G): digits become other digits, in values with letters the letters and digits become
/// others; length and every other character stay.
#[derive(Clone)]
pub(crate) struct Preserve {
    key: Arc<MaskKey>,
    digits: Arc<FF1<Aes256>>,
    letters: Arc<FF1<Aes256>>,
    fit: Fit,
    unfit: Box<[u8]>,
}

impl Preserve {
    /// None where the type is not text, or has an equality that bytes do not show.
    pub(crate) fn compile(key: &Arc<MaskKey>, field_type: &FieldType) -> Option<Preserve> {
        if field_type.folds || !matches!(field_type.kind, Kind::Bpchar | Kind::Text) {
            return None;
        }
        let cipher = |context, radix| {
            let key = key.derive(context);
            FF1::new(key.as_slice(), radix).ok().map(Arc::new)
        };
        let fit = Fit::new(field_type);
        Some(Preserve {
            key: Arc::clone(key),
            digits: cipher("querygate mask fpe digits v1", DIGITS)?,
            letters: cipher("querygate mask fpe letters v1", LETTERS_AND_DIGITS)?,
            unfit: fit.constant(UNFIT),
            fit,
        })
    }

    /// Appends the encrypted form of a text.
    pub(crate) fn apply(&self, value: &str, out: &mut BytesMut) {
        let start = out.len();
        let content = self.fit.content(value);
        match self.encrypt(content) {
            Some(numerals) => {
                let mut numerals = numerals.into_iter();
                for byte in content.bytes() {
                    let replaced = byte.is_ascii_alphanumeric().then(|| numerals.next().and_then(character)).flatten();
                    out.put_u8(replaced.unwrap_or(byte));
                }
                self.fit.finish(out, start);
            }
            None => out.put_slice(&self.unfit),
        }
    }

    /// The numerals that stand for the letters and digits; none for a value that is not fit to be encrypted.
    fn encrypt(&self, content: &str) -> Option<Vec<u16>> {
        if !content.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return None;
        }
        let numerals: Vec<u16> = content.bytes().filter_map(numeral).take(CHARACTERS_MAX + 1).collect();
        if numerals.len() > CHARACTERS_MAX {
            return None;
        }
        let is_digit = |numeral: &u16| u32::from(*numeral) < DIGITS;
        let once = |cipher: &FF1<Aes256>, numerals: Vec<u16>| {
            cipher.encrypt(&[], &FlexibleNumeralString::from(numerals)).ok().map(Vec::<u16>::from)
        };
        if numerals.iter().all(is_digit) {
            return if numerals.len() < DIGITS_MIN { None } else { once(&self.digits, numerals) };
        }
        if numerals.len() < LETTERS_MIN {
            return None;
        }
        // Values with letters stay among themselves, so that none meets the token of one without: encrypt until there is a letter again.
        let mut walked = numerals;
        for _ in 0..WALKS_MAX {
            walked = once(&self.letters, walked)?;
            if !walked.iter().all(is_digit) {
                return Some(walked);
            }
        }
        None
    }
}

/// Digits, then lower, then upper case.
fn numeral(byte: u8) -> Option<u16> {
    let numeral = match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'z' => byte - b'a' + 10,
        b'A'..=b'Z' => byte - b'A' + 36,
        _ => return None,
    };
    Some(numeral.into())
}

fn character(numeral: u16) -> Option<u8> {
    let numeral = u8::try_from(numeral).ok()?;
    match numeral {
        0..10 => Some(b'0' + numeral),
        10..36 => Some(b'a' + numeral - 10),
        36..62 => Some(b'A' + numeral - 36),
        _ => None,
    }
}

/// Equal ones have the same key and keep to the same limits.
impl PartialEq for Preserve {
    fn eq(&self, other: &Preserve) -> bool {
        self.fit == other.fit && self.key == other.key
    }
}

impl Eq for Preserve {}

impl fmt::Debug for Preserve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Preserve").field("key", &self.key).finish_non_exhaustive()
    }
}
