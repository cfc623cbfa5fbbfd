//! What a column's mask promises, for each masker, type and format.
#![allow(clippy::unwrap_used, reason = "helpers of tests: an error here is a failed test")]

use bytes::BytesMut;
use proptest::prelude::*;
use querygate_mask::{
    FieldError, FieldMask, FieldType, Format, Kind, MaskError, MaskWarning, Masked, Masker, NullRule, Rendering,
    exercise,
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn compile(masker: Masker, field_type: &FieldType) -> FieldMask {
    FieldMask::compile(&masker, NullRule::Keep, field_type).unwrap()
}

/// The masked field's bytes; none for NULL.
fn apply(mask: &FieldMask, value: Option<&[u8]>, format: Format) -> Option<Vec<u8>> {
    let mut out = BytesMut::new();
    let masked = mask.apply(value, format, &Rendering::utc(), &mut out).unwrap();
    (masked == Masked::Value).then(|| out.to_vec())
}

fn text(mask: &FieldMask, value: &str) -> String {
    String::from_utf8(apply(mask, Some(value.as_bytes()), Format::Text).unwrap()).unwrap()
}

fn builtin(oid: u32, typmod: i32) -> FieldType {
    FieldType::postgres(oid, "", typmod, false)
}

const TEXT: u32 = 25;
const VARCHAR: u32 = 1043;
const BPCHAR: u32 = 1042;
const NUMERIC_12_2: i32 = (12 << 16 | 2) + 4;

#[test]
fn redact_writes_the_bytes_that_postgres_15_writes() {
    for (oid, typmod, text, binary) in [
        (16, -1, "f", "00"),
        (17, -1, "\\x", ""),
        (20, -1, "0", "0000000000000000"),
        (21, -1, "0", "0000"),
        (23, -1, "0", "00000000"),
        (25, -1, "[redacted]", "5b72656461637465645d"),
        (26, -1, "0", "00000000"),
        (114, -1, "null", "6e756c6c"),
        (142, -1, "<redacted/>", "3c72656461637465642f3e"),
        (650, -1, "0.0.0.0/32", "0220010400000000"),
        (700, -1, "0", "00000000"),
        (701, -1, "0", "0000000000000000"),
        (790, -1, "$0.00", "0000000000000000"),
        (869, -1, "0.0.0.0", "0220000400000000"),
        (1042, 7, "[re", "5b7265"),
        (1042, 16, "[redacted]  ", "5b72656461637465645d2020"),
        (1043, 9, "[reda", "5b72656461"),
        (1082, -1, "1970-01-01", "ffffd533"),
        (1083, -1, "00:00:00", "0000000000000000"),
        (1114, -1, "1970-01-01 00:00:00", "fffca2fec4c82000"),
        (1184, -1, "1970-01-01 00:00:00+00", "fffca2fec4c82000"),
        (1186, -1, "00:00:00", "00000000000000000000000000000000"),
        (1700, -1, "0", "0000000000000000"),
        (1700, NUMERIC_12_2, "0.00", "0000000000000002"),
        (2950, -1, "00000000-0000-0000-0000-000000000000", "00000000000000000000000000000000"),
        (3802, -1, "null", "016e756c6c"),
        (1009, -1, "{}", "000000000000000000000019"),
    ] {
        let mask = compile(Masker::Redact, &builtin(oid, typmod));
        for value in [None, Some(&b"\xff secret"[..])] {
            assert_eq!(apply(&mask, value, Format::Text).as_deref(), Some(text.as_bytes()), "{oid}");
            assert_eq!(apply(&mask, value, Format::Binary).map(|bytes| hex(&bytes)).as_deref(), Some(binary), "{oid}");
        }
        assert!(mask.constant() && !mask.keeps_null() && !mask.yields_null());
    }
}

#[test]
fn instants_are_written_in_the_zone_of_the_session() {
    let mask = compile(Masker::Redact, &builtin(1184, -1));
    let year = compile(Masker::Year, &builtin(1184, -1));
    for (zone, constant, truncated) in [
        ("America/New_York", "1969-12-31 19:00:00-05", "2023-12-31 19:00:00-05"),
        ("asia/kolkata", "1970-01-01 05:30:00+05:30", "2024-01-01 05:30:00+05:30"),
        ("<+03>-03", "1970-01-01 03:00:00+03", "2024-01-01 03:00:00+03"),
        ("Africa/Monrovia", "1969-12-31 23:15:30-00:44:30", "2024-01-01 00:00:00+00"),
    ] {
        let rendering = Rendering::in_zone(zone).unwrap();
        let mut out = BytesMut::new();
        mask.apply(Some(b"x"), Format::Text, &rendering, &mut out).unwrap();
        assert_eq!(out, constant);
        out.clear();
        year.apply(Some(b"2024-07-15 23:30:00.25-11"), Format::Text, &rendering, &mut out).unwrap();
        assert_eq!(out, truncated);
    }
    assert!(Rendering::in_zone("Europe/Atlantis").is_err());
}

#[test]
fn only_dates_instants_and_intervals_depend_on_the_styles_of_the_session() {
    for (oid, styled) in
        [(17, false), (1082, true), (1114, true), (1184, true), (1186, true), (1182, true), (25, false), (23, false)]
    {
        assert_eq!(compile(Masker::Redact, &builtin(oid, -1)).is_styled(), styled, "{oid}");
    }
    assert!(!compile(Masker::Null, &builtin(1082, -1)).is_styled());
}

#[test]
fn dates_truncate_in_every_era_and_stay_within_the_type() {
    for (oid, value, year, month) in [
        (1082, "2024-02-29", "2024-01-01", "2024-02-01"),
        (1082, "0044-03-15 BC", "0044-01-01 BC", "0044-03-01 BC"),
        (1082, "0001-12-31 BC", "0001-01-01 BC", "0001-12-01 BC"),
        (1082, "5874897-12-31", "5874897-01-01", "5874897-12-01"),
        (1082, "4714-12-25 BC", "4714-11-24 BC", "4714-12-01 BC"),
        (1082, "infinity", "infinity", "infinity"),
        (1114, "-infinity", "-infinity", "-infinity"),
        (1114, "4714-11-24 01:00:00 BC", "4714-11-24 00:00:00 BC", "4714-11-24 00:00:00 BC"),
        (1114, "294276-12-31 23:59:59.999999", "294276-01-01 00:00:00", "294276-12-01 00:00:00"),
        (1184, "2024-01-01 00:30:00+01", "2023-01-01 00:00:00+00", "2023-12-01 00:00:00+00"),
        (1184, "0044-03-15 12:00:00+00:19:32 BC", "0044-01-01 00:00:00+00 BC", "0044-03-01 00:00:00+00 BC"),
    ] {
        assert_eq!(text(&compile(Masker::Year, &builtin(oid, -1)), value), year);
        assert_eq!(text(&compile(Masker::Month, &builtin(oid, -1)), value), month);
    }
}

#[test]
fn text_keeps_to_its_length() {
    let email = |oid, length: i32| compile(Masker::Email, &builtin(oid, length + 4));
    assert_eq!(text(&email(VARCHAR, 20), "jane@example.com"), "j***@e***.com");
    assert_eq!(text(&email(VARCHAR, 8), "a@b.com"), "a***@b**");
    assert_eq!(text(&email(BPCHAR, 20), "jane@example.com    "), "j***@e***.com       ");
    assert_eq!(text(&email(BPCHAR, 8), "a@b.com "), "a***@b**");
    assert_eq!(text(&compile(Masker::KeepLast(2), &builtin(BPCHAR, 10)), "日本語   "), "*本語   ");
    assert_eq!(text(&compile(Masker::Fixed("häßlich".into()), &builtin(VARCHAR, 7)), "x"), "häß");
    assert_eq!(text(&compile(Masker::Fixed("ab".into()), &builtin(BPCHAR, 8)), "x"), "ab  ");
}

#[test]
fn maskers_apply_to_each_element_of_an_array() {
    let texts = builtin(1009, -1);
    assert_eq!(text(&compile(Masker::Email, &texts), r#"{a@b.com,"c d@e.org",NULL}"#), "{a***@b***.com,***,NULL}");
    assert_eq!(text(&compile(Masker::KeepFirst(1), &texts), "[0:1]={\"a b\",\"\"}"), "[0:1]={a**,\"\"}");
    assert_eq!(text(&compile(Masker::KeepLast(2), &texts), r#"{"a\"b\\"}"#), r#"{"**b\\"}"#);
    assert_eq!(text(&compile(Masker::Round(100), &builtin(1007, -1)), "{{1,50},{NULL,-151}}"), "{{0,100},{NULL,-200}}");
    let hidden = FieldMask::compile(&Masker::KeepFirst(1), NullRule::Hide, &texts).unwrap();
    assert_eq!(text(&hidden, "{ab,NULL}"), "{a*,[redacted]}");
    assert_eq!(apply(&hidden, None, Format::Text).as_deref(), Some(&b"{}"[..]));

    // {1,NULL} of int4 hides its NULL, and the flag that tells of it.
    let binary = [1, 1, 23, 2, 1, 4, 149, u32::MAX].map(u32::to_be_bytes).concat();
    let hidden = FieldMask::compile(&Masker::Round(100), NullRule::Hide, &builtin(1007, -1)).unwrap();
    let expected = [1, 0, 23, 2, 1, 4, 100, 4, 0].map(u32::to_be_bytes).concat();
    assert_eq!(apply(&hidden, Some(&binary), Format::Binary), Some(expected));
    let kept = compile(Masker::Round(100), &builtin(1007, -1));
    let expected = [1, 1, 23, 2, 1, 4, 100, u32::MAX].map(u32::to_be_bytes).concat();
    assert_eq!(apply(&kept, Some(&binary), Format::Binary), Some(expected));
}

#[test]
fn null_stays_null_only_where_the_rule_says_so() {
    let column = builtin(TEXT, -1);
    let keep = compile(Masker::Email, &column);
    assert!(keep.keeps_null() && !keep.constant() && !keep.yields_null());
    assert_eq!(apply(&keep, None, Format::Text), None);
    let hide = FieldMask::compile(&Masker::Email, NullRule::Hide, &column).unwrap();
    assert!(!hide.keeps_null());
    assert_eq!(apply(&hide, None, Format::Binary).as_deref(), Some(&b"[redacted]"[..]));
    let null = compile(Masker::Null, &column);
    assert!(null.keeps_null() && null.yields_null() && null.constant() && null.warning().is_none());
    assert_eq!(apply(&null, Some(b"secret"), Format::Text), None);
    let null = compile(Masker::Null, &FieldType { not_null: true, ..column });
    assert_eq!(null.warning(), Some(MaskWarning::NullInNotNull));
}

#[test]
fn types_of_the_catalog_have_constants_too() {
    let mood = FieldType::new(Kind::Enum { first_label: "calm".into() }, 16_400);
    assert_eq!(text(&compile(Masker::Redact, &mood), "sad"), "calm");
    assert_eq!(text(&compile(Masker::Fixed("calm".into()), &mood), "sad"), "calm");
    assert!(FieldMask::compile(&Masker::Fixed("glad".into()), NullRule::Keep, &mood).is_err());
    assert_eq!(text(&compile(Masker::Redact, &mood.array_of(16_399)), "{sad}"), "{}");

    let nick = FieldType::new(Kind::Domain(Box::new(builtin(TEXT, -1))), 16_401);
    assert!(compile(Masker::Redact, &nick).yields_null());
    assert_eq!(text(&compile(Masker::KeepFirst(1), &nick), "abc"), "a**");
    assert_eq!(text(&compile(Masker::Fixed("x".into()), &nick), "abc"), "x");
    let hidden = FieldMask::compile(&Masker::KeepFirst(1), NullRule::Hide, &nick).unwrap();
    assert_eq!(apply(&hidden, None, Format::Text).as_deref(), Some(&b"[redacted]"[..]));
    let nicks = nick.array_of(16_402);
    assert_eq!(text(&compile(Masker::KeepFirst(1), &nicks), "{abc,NULL}"), "{a**,NULL}");
    let hidden = FieldMask::compile(&Masker::KeepFirst(1), NullRule::Hide, &nicks).unwrap();
    assert_eq!(text(&hidden, "{abc,NULL}"), "{a**,[redacted]}");

    for kind in [Kind::Composite, Kind::Range, Kind::Other] {
        let column = FieldType { not_null: true, ..FieldType::new(kind, 16_403) };
        let mask = compile(Masker::Redact, &column);
        assert!(mask.yields_null() && mask.warning().is_some());
        assert!(FieldMask::compile(&Masker::Fixed("x".into()), NullRule::Keep, &column).is_err());
    }
}

#[test]
fn a_masker_on_the_wrong_type_is_refused_with_what_would_pass() {
    let error =
        |masker, column: FieldType| FieldMask::compile(&masker, NullRule::Keep, &column).unwrap_err().to_string();
    assert_eq!(
        error(Masker::Email, builtin(23, -1)),
        "masker email cannot apply to type integer; maskers that can: redact, null, fixed, round, hash"
    );
    assert_eq!(
        error(Masker::Round(10), builtin(1015, 24)),
        "masker round cannot apply to type character varying(20)[]; maskers that can: redact, null, fixed, email, keep_first, keep_last, hash, fpe, scan"
    );
    assert_eq!(
        error(Masker::Year, builtin(3802, -1)),
        "masker year cannot apply to type jsonb; maskers that can: redact, null, fixed, scan"
    );
    assert_eq!(
        error(Masker::Fixed("12x".into()), builtin(1700, NUMERIC_12_2)),
        "fixed value \"12x\" cannot stand for type numeric(12,2): write a number within the column's precision, without an exponent"
    );
    assert_eq!(
        error(Masker::Fixed("<a/>".into()), builtin(142, -1)),
        "masker fixed cannot apply to type xml; maskers that can: redact, null"
    );
    for column in [builtin(23, -1), builtin(1007, -1), builtin(1700, -1), builtin(701, -1)] {
        assert!(error(Masker::Round(0), column).ends_with("use a step of at least 1"));
    }
    let hundreds = builtin(1700, (5 << 16 | 0x7fe) + 4);
    assert!(error(Masker::Round(30), hundreds.clone()).ends_with("use a multiple of 1e2, the unit of the column"));
    assert_eq!(text(&compile(Masker::Round(300), &hundreds), "400"), "300");
    let wide = FieldMask::compile(&Masker::Round(u64::MAX), NullRule::Keep, &builtin(700, -1));
    assert!(matches!(wide, Err(MaskError::BadStep { .. })));
}

#[test]
fn what_does_not_read_as_its_type_is_never_passed_on() {
    for (oid, masker, value, format) in [
        (23, Masker::Round(10), &b"12a"[..], Format::Text),
        (23, Masker::Round(10), b"9999999999", Format::Text),
        (23, Masker::Round(10), b"\0\0\0", Format::Binary),
        (TEXT, Masker::Email, b"caf\xe9@x.com", Format::Text),
        (TEXT, Masker::KeepFirst(1), b"\xff", Format::Binary),
        (1082, Masker::Year, b"2023-02-29", Format::Text),
        (1082, Masker::Year, b"01.02.2023", Format::Text),
        (1082, Masker::Year, b"\x7f\xff\xff\xfe", Format::Binary),
        (1114, Masker::Year, b"2023-01-01 00:00:00+00", Format::Text),
        (1184, Masker::Year, b"2023-01-01 00:00:00", Format::Text),
        (1184, Masker::Year, b"2023-01-01 00:00:00 CET", Format::Text),
        (1700, Masker::Round(1), b"1e5", Format::Text),
        (701, Masker::Round(1), b"inf", Format::Text),
        (1007, Masker::Round(1), b"{1,x}", Format::Text),
        (1009, Masker::Email, b"{a", Format::Text),
    ] {
        let mask = compile(masker, &builtin(oid, -1));
        let mut out = BytesMut::from("before");
        let error = mask.apply(Some(value), format, &Rendering::utc(), &mut out).unwrap_err();
        assert!(matches!(error, FieldError::Malformed { .. }));
        assert!(!error.to_string().contains(&*String::from_utf8_lossy(value)));
        assert_eq!(out, "before");
    }
}

/// A value of one type in text form, and the maskers that its type can carry.
fn values() -> impl Strategy<Value = (u32, i32, String)> {
    let date = (1..4714u32, 1..13u32, 1..29u32, "( BC)?");
    let moment = ("[01][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{0,5}[1-9])?", date.clone());
    prop_oneof![
        "-?[1-9][0-9]{0,3}".prop_map(|v| (21, -1, v)),
        "-?[1-9][0-9]{0,8}".prop_map(|v| (23, -1, v)),
        "-?[1-9][0-9]{0,17}".prop_map(|v| (20, -1, v)),
        "-?[1-9][0-9]{0,40}(\\.[0-9]{1,30})?".prop_map(|v| (1700, -1, v)),
        "-?[1-9][0-9]{0,9}\\.[0-9]{2}".prop_map(|v| (1700, NUMERIC_12_2, v)),
        "-?[1-9](\\.[0-9]{1,8})?e-?[0-9]".prop_map(|v| (700, -1, v)),
        "-?[1-9](\\.[0-9]{1,16})?e-?[12]?[0-9]".prop_map(|v| (701, -1, v)),
        "\\PC{0,20}".prop_map(|v| (TEXT, -1, v)),
        "[a-z]{1,3}@[a-z]{1,3}\\.[a-z]{2}".prop_map(|v| (VARCHAR, 16, v)),
        "[a-z ]{0,6}".prop_map(|v| (BPCHAR, 12, v)),
        "\\{[a-z]{1,3}(,([a-z@.]{1,6}|NULL)){0,3}\\}".prop_map(|v| (1009, -1, v)),
        "\\{-?[1-9](,([1-9][0-9]{1,6}|NULL)){0,3}\\}".prop_map(|v| (1007, -1, v)),
        date.prop_map(|(y, m, d, era)| (1082, -1, format!("{y:04}-{m:02}-{d:02}{era}"))),
        (moment, any::<bool>()).prop_map(|((time, (y, m, d, era)), zoned)| {
            let (oid, offset) = if zoned { (1184, "+00") } else { (1114, "") };
            (oid, -1, format!("{y:04}-{m:02}-{d:02} {time}{offset}{era}"))
        }),
    ]
}

fn maskers() -> impl Strategy<Value = Masker> {
    prop_oneof![
        Just(Masker::Email),
        (0..5u32).prop_map(Masker::KeepFirst),
        (0..5u32).prop_map(Masker::KeepLast),
        Just(Masker::Month),
        Just(Masker::Year),
        (1..100_000u64).prop_map(Masker::Round),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4_000) })]

    #[test]
    fn text_and_binary_stay_the_same_value_and_masking_twice_is_masking_once((oid, typmod, value) in values(), masker in maskers()) {
        let column = builtin(oid, typmod);
        let Ok(mask) = FieldMask::compile(&masker, NullRule::Keep, &column) else { return Ok(()) };
        // A fixed value has both forms, so it turns the text form into the binary one.
        let forms = |text: &str| {
            let fixed = compile(Masker::Fixed(text.to_owned()), &column);
            (apply(&fixed, None, Format::Text).unwrap(), apply(&fixed, None, Format::Binary).unwrap())
        };
        let (text, binary) = forms(&value);
        let masked_text = apply(&mask, Some(&text), Format::Text).unwrap();
        let masked_binary = apply(&mask, Some(&binary), Format::Binary).unwrap();
        let (same_text, same_binary) = forms(std::str::from_utf8(&masked_text).unwrap());
        prop_assert_eq!(hex(&same_text), hex(&masked_text));
        prop_assert_eq!(hex(&same_binary), hex(&masked_binary));
        prop_assert_eq!(apply(&mask, Some(&masked_text), Format::Text).unwrap(), masked_text);
        prop_assert_eq!(apply(&mask, Some(&masked_binary), Format::Binary).unwrap(), masked_binary);
    }

    #[test]
    fn no_bytes_make_a_mask_panic_or_leave_something_behind(
        head in proptest::array::uniform3(0u8..), value in prop_oneof![
            proptest::collection::vec(0u8.., 0..40), "[-0-9.:+ eNBCa-z{},\"\\\\@]{0,30}".prop_map(String::into_bytes),
        ]
    ) {
        prop_assert_eq!(exercise(&[&head[..], &value].concat()), Ok(()));
    }
}
