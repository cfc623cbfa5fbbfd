//! What tokens under a key promise: equality is kept and nothing else, in every type, format and length.
#![allow(clippy::unwrap_used, reason = "helpers of tests: an error here is a failed test")]

use std::collections::HashMap;

use bytes::BytesMut;
use proptest::prelude::*;
use querygate_mask::{
    ByteaOutput, FieldMask, FieldType, Format, KEY_BYTES, Kind, MaskError, MaskKey, MaskKeys, Masked, Masker, NullRule,
    Rendering,
};
use zeroize::Zeroizing;

const TEXT: u32 = 25;
const VARCHAR: u32 = 1043;
const BPCHAR: u32 = 1042;
const INT4: u32 = 23;
const INT8: u32 = 20;
const NUMERIC: u32 = 1700;
const UUID: u32 = 2950;
const BYTEA: u32 = 17;

fn keys() -> MaskKeys {
    ["k", "other"].into_iter().zip(1u8..).map(|(name, n)| MaskKey::new(name, Zeroizing::new([n; KEY_BYTES]))).collect()
}

fn builtin(oid: u32, typmod: i32) -> FieldType {
    FieldType::postgres(oid, "", typmod, false)
}

fn hash() -> Masker {
    Masker::Hash("k".to_owned())
}

fn fpe() -> Masker {
    Masker::Fpe("k".to_owned())
}

fn compile(masker: &Masker, field_type: &FieldType) -> Result<FieldMask, MaskError> {
    FieldMask::compile_with(masker, NullRule::Keep, field_type, &keys())
}

fn bytes(mask: &FieldMask, value: &[u8], format: Format) -> Vec<u8> {
    let mut out = BytesMut::new();
    assert_eq!(mask.apply(Some(value), format, &Rendering::utc(), &mut out), Ok(Masked::Value));
    out.to_vec()
}

fn text(mask: &FieldMask, value: &str) -> String {
    String::from_utf8(bytes(mask, value.as_bytes(), Format::Text)).unwrap()
}

fn mask(masker: &Masker, oid: u32) -> FieldMask {
    compile(masker, &builtin(oid, -1)).unwrap()
}

#[test]
fn equal_values_have_equal_tokens_whatever_their_bytes() {
    let numeric = mask(&hash(), NUMERIC);
    for (a, b) in [("1.0", "1.00"), ("0", "0.000"), ("100", "100.0"), ("NaN", "NaN"), ("-1.5", "-1.50")] {
        assert_eq!(text(&numeric, a), text(&numeric, b), "{a} = {b}");
    }
    let padded = compile(&hash(), &builtin(BPCHAR, 44)).unwrap();
    assert_eq!(text(&padded, "ab"), text(&padded, "ab   "));
    assert_eq!(text(&padded, "ab").chars().count(), 40);
    let varchar = compile(&hash(), &builtin(VARCHAR, 44)).unwrap();
    assert_eq!(text(&varchar, "ab"), text(&mask(&hash(), TEXT), "ab"), "tokens join across types of text");
    assert_ne!(text(&varchar, "ab"), text(&varchar, "ab "), "which differ in varchar");
    let bytea = mask(&hash(), BYTEA);
    let mut escaped = BytesMut::new();
    let escape = Rendering::utc().with_bytea(ByteaOutput::Escape);
    bytea.apply(Some(br"a\\\377"), Format::Text, &escape, &mut escaped).unwrap();
    assert!(!escaped.starts_with(br"\x"));
    assert_eq!(bytes(&bytea, b"a\\\xff", Format::Binary).len(), 16);
}

#[test]
fn different_values_have_different_tokens() {
    for oid in [INT4, INT8, TEXT, NUMERIC] {
        let mask = mask(&hash(), oid);
        assert!(mask.is_injective());
        let mut seen = HashMap::new();
        for value in (-3_000..3_000i32).chain([i32::MIN, i32::MAX]) {
            assert_eq!(seen.insert(text(&mask, &value.to_string()), value), None, "{oid}");
        }
    }
    let (short, long) = (mask(&hash(), INT4), mask(&hash(), INT8));
    assert_ne!(text(&short, "7"), text(&long, "7"));
    let card = mask(&fpe(), TEXT);
    let mut seen = HashMap::new();
    for value in 0..6_000 {
        assert_eq!(seen.insert(text(&card, &format!("{value:06}")), value), None);
        assert_eq!(seen.insert(text(&card, &format!("{value:06}x")), value), None);
    }
}

#[test]
fn tokens_depend_on_the_key_and_those_of_text_name_it() {
    let others = Masker::Hash("other".to_owned());
    for oid in [INT4, INT8, TEXT, NUMERIC] {
        assert_ne!(text(&mask(&hash(), oid), "123456"), text(&mask(&others, oid), "123456"), "{oid}");
    }
    let id = |name: &str| keys().get(name).unwrap().id().to_owned();
    assert!(text(&mask(&hash(), TEXT), "x").starts_with(&format!("{}-", id("k"))));
    assert!(text(&mask(&others, TEXT), "x").starts_with(&format!("{}-", id("other"))));
    assert_ne!(id("k"), id("other"));
    assert_ne!(mask(&hash(), TEXT), mask(&others, TEXT));
}

#[test]
fn tokens_stay_the_same_from_version_to_version() {
    assert_eq!(text(&mask(&hash(), TEXT), "jane@example.com"), TOKENS[0]);
    assert_eq!(text(&mask(&hash(), INT4), "1"), TOKENS[1]);
    assert_eq!(text(&mask(&hash(), INT8), "1"), TOKENS[2]);
    assert_eq!(text(&mask(&hash(), NUMERIC), "1"), TOKENS[3]);
    assert_eq!(text(&mask(&hash(), UUID), "00000000-0000-0000-0000-000000000001"), TOKENS[4]);
    assert_eq!(text(&mask(&hash(), BYTEA), "\\x01"), TOKENS[5]);
    assert_eq!(text(&mask(&fpe(), TEXT), "4111-1111-1111-1111"), TOKENS[6]);
    assert_eq!(text(&mask(&fpe(), TEXT), "DE89 3704 0044"), TOKENS[7]);
}

const TOKENS: [&str; 8] = [
    "rd23-ilf6ryk53zyfr3duoh3rjhpgnw",
    "383545401",
    "9087728297209300692",
    "261336091249136746376866050166912848878",
    "13a7a2ec-5541-372f-1dea-c4f43e51ce85",
    "\\x0e4f695d7ffd1cfe2fe30fcd41b43f8c",
    "8916-4279-9391-0662",
    "dUN0 g5Gm Cym7",
];

#[test]
fn what_is_too_short_or_too_odd_to_be_encrypted_does_not_show() {
    let mask = mask(&fpe(), TEXT);
    for value in ["", "12345", "1-2-3-4-5", "abc", "a1b", "+--", "12345é", "123456\n", "٣٣٣٣٣٣"] {
        assert_eq!(text(&mask, value), "[redacted]", "{value}");
    }
    assert_eq!(text(&mask, &"7".repeat(65)), "[redacted]");
    assert!(!mask.is_injective(), "those all look alike");
    let short = compile(&fpe(), &builtin(BPCHAR, 8)).unwrap();
    assert_eq!(text(&short, "12  "), "[red");
}

#[test]
fn types_that_cannot_carry_tokens_are_refused() {
    let citext = FieldType::postgres(50_000, "citext", -1, false);
    let folding = builtin(TEXT, -1).folding();
    for (masker, refused) in [
        (hash(), vec![16, 21, 26, 114, 142, 700, 701, 790, 1082, 1114, 1184, 1186, 3802, 3904, 869]),
        (fpe(), vec![16, 17, 20, 21, 23, 114, 700, 1082, 1184, 1700, 2950, 3802]),
    ] {
        for oid in refused {
            let error = compile(&masker, &builtin(oid, -1)).unwrap_err();
            assert!(matches!(error, MaskError::Unsuitable { .. }), "{oid} {error}");
        }
        for field_type in [citext.clone(), folding.clone(), folding.clone().array_of(1009), builtin(NUMERIC, 786_438)] {
            assert!(matches!(compile(&masker, &field_type), Err(MaskError::Unsuitable { .. })), "{field_type}");
        }
        for oid in [TEXT, INT4, INT8, UUID, BYTEA, NUMERIC] {
            let error = compile(&masker, &builtin(oid, -1).folding()).unwrap_err().to_string();
            assert!(!error.contains(", hash") && !error.contains(", fpe"), "{error}");
        }
        let gone = FieldMask::compile(&masker, NullRule::Keep, &builtin(TEXT, -1)).unwrap_err();
        assert!(gone.to_string().ends_with("add a [[key]] of that name"), "{gone}");
    }
    let error = compile(&hash(), &builtin(VARCHAR, 24)).unwrap_err().to_string();
    let expected =
        "a token of masker hash has 31 characters, more than type character varying(20) holds; use fpe, or redact";
    assert_eq!(error, expected);
    assert!(compile(&hash(), &builtin(VARCHAR, 35)).is_ok());
}

#[test]
fn the_key_never_shows_in_what_a_mask_says_of_itself() {
    let mask = mask(&hash(), TEXT);
    assert_eq!(mask.masker().to_string(), "{ hash = \"k\" }");
    let shown = format!("{mask:?}");
    assert!(!shown.contains("1, 1, 1") && !shown.contains("0101"), "{shown}");
}

#[test]
fn elements_of_arrays_have_the_tokens_of_values() {
    let texts = builtin(1009, -1);
    let token = text(&mask(&hash(), TEXT), "a");
    assert_eq!(text(&compile(&hash(), &texts).unwrap(), "{a,NULL,a}"), format!("{{{token},NULL,{token}}}"));
    let domain = FieldType::new(Kind::Domain(Box::new(builtin(INT4, -1))), 16_401);
    assert_eq!(text(&compile(&hash(), &domain).unwrap(), "7"), text(&mask(&hash(), INT4), "7"));
}

proptest! {
    #[test]
    fn integers_read_the_same_in_both_formats(value: i64) {
        let long = mask(&hash(), INT8);
        let token: i64 = text(&long, &value.to_string()).parse().unwrap();
        prop_assert_eq!(bytes(&long, &value.to_be_bytes(), Format::Binary), token.to_be_bytes());
        let (short, value) = (mask(&hash(), INT4), value as i32);
        let token: i32 = text(&short, &value.to_string()).parse().unwrap();
        prop_assert_eq!(bytes(&short, &value.to_be_bytes(), Format::Binary), token.to_be_bytes());
    }

    #[test]
    fn uuids_read_the_same_in_both_formats(value: [u8; 16]) {
        let mask = mask(&hash(), UUID);
        let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
        let token = text(&mask, &hex);
        prop_assert_eq!(token.len(), 36);
        let binary: String = bytes(&mask, &value, Format::Binary).iter().map(|byte| format!("{byte:02x}")).collect();
        prop_assert_eq!(token.replace('-', ""), binary);
    }

    #[test]
    fn encrypted_text_keeps_its_length_its_separators_and_digits(value in "[0-9]{1,3}([ ./-]?[0-9]{1,4}){3,6}") {
        let mask = mask(&fpe(), TEXT);
        let token = text(&mask, &value);
        if value.bytes().filter(u8::is_ascii_digit).count() >= 6 {
            prop_assert_eq!(token.len(), value.len());
            for (a, b) in value.bytes().zip(token.bytes()) {
                let kept = if a.is_ascii_digit() { b.is_ascii_digit() } else { a == b };
                prop_assert!(kept);
            }
        } else {
            prop_assert_eq!(token, "[redacted]");
        }
    }

    #[test]
    fn encrypted_text_with_letters_keeps_its_shape_and_its_letters_apart(value in "[A-Za-z0-9]{1,9}[ -][A-Za-z]{4,9}") {
        let token = text(&mask(&fpe(), TEXT), &value);
        prop_assert_eq!(token.len(), value.len());
        prop_assert!(token.bytes().any(|byte| byte.is_ascii_alphabetic()));
        for (a, b) in value.bytes().zip(token.bytes()) {
            prop_assert_eq!(a.is_ascii_alphanumeric(), b.is_ascii_alphanumeric());
        }
    }
}
