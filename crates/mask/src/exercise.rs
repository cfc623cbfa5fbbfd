use bytes::BytesMut;

use zeroize::Zeroizing;

use crate::{FieldMask, FieldType, Format, KEY_BYTES, MaskKey, MaskKeys, Masked, Masker, NullRule, Rendering};

/// A key's name.
const KEY: &str = "key";

/// OID and typmod of the types that the fuzzer draws from.
const TYPES: &[(u32, i32)] = &[
    (16, -1),
    (17, -1),
    (20, -1),
    (21, -1),
    (23, -1),
    (25, -1),
    (700, -1),
    (701, -1),
    (1042, 9),
    (1043, 12),
    (1082, -1),
    (1114, -1),
    (1184, -1),
    (1700, -1),
    (1700, (12 << 16 | 2) + 4),
    (1007, -1),
    (1009, -1),
    (1014, -1),
    (1022, -1),
    (1115, -1),
    (1182, -1),
    (1185, -1),
    (1231, -1),
    (3802, -1),
    (2950, -1),
];

/// For fuzzers: takes type, masker and format from the first three bytes and masks the rest as one field. Nothing may panic;
/// an error says which promise was broken.
pub fn exercise(input: &[u8]) -> Result<(), &'static str> {
    let Some((&[type_choice, masker_choice, flags], value)) = input.split_first_chunk::<3>() else { return Ok(()) };
    let Some((oid, typmod)) = TYPES.get(usize::from(type_choice) % TYPES.len()) else { return Ok(()) };
    let field_type = FieldType::postgres(*oid, "", *typmod, false);
    let amount = masker_choice / 11;
    let masker = match masker_choice % 11 {
        0 => Masker::Email,
        1 => Masker::KeepFirst(amount.into()),
        2 => Masker::KeepLast(amount.into()),
        3 => Masker::Month,
        4 => Masker::Year,
        5 => Masker::Round(u64::from(amount) * 25),
        6 => Masker::Hash(KEY.to_owned()),
        7 => Masker::Fpe(KEY.to_owned()),
        8 => Masker::Scan,
        9 => Masker::Fixed(String::from_utf8_lossy(value).into_owned()),
        _ => Masker::Redact,
    };
    let format = if flags & 1 == 0 { Format::Text } else { Format::Binary };
    let nulls = if flags & 2 == 0 { NullRule::Keep } else { NullRule::Hide };
    let keys: MaskKeys = [MaskKey::new(KEY, Zeroizing::new([7; KEY_BYTES]))].into_iter().collect();
    let Ok(mask) = FieldMask::compile_with(&masker, nulls, &field_type, &keys) else { return Ok(()) };

    let rendering = Rendering::utc();
    let mut once = BytesMut::from("before");
    match mask.apply(Some(value), format, &rendering, &mut once) {
        Err(_) => return if once == "before" { Ok(()) } else { Err("a refused field left bytes behind") },
        Ok(Masked::Null) => return Err("a value became NULL"),
        Ok(Masked::Value) => (),
    }
    let masked = once.split_off(b"before".len());
    // What was cut to the type's length is no longer what the masker wrote.
    let length_max = field_type.length.and_then(|length| usize::try_from(length).ok());
    let was_cut = length_max.is_some_and(|length| masker == Masker::Email || value.len() > length);
    let mut twice = BytesMut::new();
    match mask.apply(Some(&masked), format, &rendering, &mut twice) {
        Err(_) => Err("a masked value does not read as its type"),
        // The constant that hides a NULL inside an array is itself masked the second time.
        // Tokens of tokens are others.
        Ok(_) if masked == twice || was_cut || nulls == NullRule::Hide || masker.key().is_some() => Ok(()),
        // What stands alone once its neighbour is a marker may be found the second time.
        Ok(_) if masker == Masker::Scan => Ok(()),
        Ok(_) => Err("masking twice is not masking once"),
    }
}
