use std::{fmt, sync::Arc};

use zeroize::Zeroizing;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;

/// Letters of a token, five bits each: those of RFC 4648 base 32, in lower case.
const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Letters that name a key in the tokens that it made.
pub(crate) const ID_LETTERS: usize = 4;

/// Letters of a token of 128 bits.
pub(crate) const TOKEN_LETTERS: usize = 26;

/// A named key of the maskers `hash` and `fpe`. Each use has a key of its own, derived from it; none of them is ever shown, and all are wiped
/// when they are dropped.
pub struct MaskKey {
    name: Arc<str>,
    id: String,
    bytes: Zeroizing<[u8; KEY_BYTES]>,
}

impl MaskKey {
    /// A key under its name.
    pub fn new(name: &str, bytes: Zeroizing<[u8; KEY_BYTES]>) -> MaskKey {
        let id = letters(blake3::derive_key("querygate mask key id v1", bytes.as_slice()).as_slice(), ID_LETTERS);
        MaskKey { name: name.into(), id, bytes }
    }

    /// Its name, as policies write it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Four letters that tell the key from others without telling of it; tokens of text begin with them.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The key for one use.
    pub(crate) fn derive(&self, context: &'static str) -> Zeroizing<[u8; KEY_BYTES]> {
        Zeroizing::new(blake3::derive_key(context, self.bytes.as_slice()))
    }
}

/// Equal keys are the same key under the same name.
impl PartialEq for MaskKey {
    fn eq(&self, other: &MaskKey) -> bool {
        self.name == other.name && blake3::hash(self.bytes.as_slice()) == blake3::hash(other.bytes.as_slice())
    }
}

impl Eq for MaskKey {}

impl fmt::Debug for MaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MaskKey").field("name", &self.name).field("id", &self.id).finish_non_exhaustive()
    }
}

/// The keys that policies may name.
#[derive(Clone, Debug, Default)]
pub struct MaskKeys(Vec<Arc<MaskKey>>);

impl MaskKeys {
    /// The key of that name.
    pub fn get(&self, name: &str) -> Option<&Arc<MaskKey>> {
        self.0.iter().find(|key| key.name() == name)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &MaskKey> {
        self.0.iter().map(AsRef::as_ref)
    }
}

impl FromIterator<MaskKey> for MaskKeys {
    fn from_iter<T: IntoIterator<Item = MaskKey>>(keys: T) -> MaskKeys {
        MaskKeys(keys.into_iter().map(Arc::new).collect())
    }
}

/// The first bits of `bytes`, five to a letter.
pub(crate) fn letters(bytes: &[u8], count: usize) -> String {
    let bit = |index: usize| bytes.get(index / 8).map_or(0, |byte| byte >> (7 - index % 8) & 1);
    let letter = |index: usize| {
        let value = (0..5).fold(0, |value, place| value << 1 | bit(index * 5 + place));
        LETTERS.get(usize::from(value)).copied().map_or('a', char::from)
    };
    (0..count).map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_shows_its_name_and_id_alone() {
        let key = MaskKey::new("customers", Zeroizing::new([7; KEY_BYTES]));
        let shown = format!("{key:?} {key:#?}");
        assert!(shown.contains("customers") && shown.contains(key.id()));
        assert!(!shown.contains("7, 7") && !shown.contains("0707"));
        assert_eq!(key.id().len(), ID_LETTERS);
        assert_ne!(key.id(), MaskKey::new("customers", Zeroizing::new([8; KEY_BYTES])).id());
    }

    #[test]
    fn letters_are_those_of_base_32() {
        assert_eq!(letters(b"foobar", 9), "mzxw6ytbo");
        assert_eq!(letters(&[0xff; 32], 26), "7".repeat(26));
    }
}
