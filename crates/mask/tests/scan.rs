//! What `scan` finds, what it leaves, and that it stays within its bounds.
#![allow(clippy::unwrap_used, reason = "helpers of tests: an error here is a failed test")]

use std::time::{Duration, Instant};

use bytes::BytesMut;
use proptest::prelude::*;
use querygate_mask::{FieldMask, FieldType, Format, Masker, NullRule, Rendering, detect};

const TEXT: u32 = 25;
const VARCHAR: u32 = 1043;
const JSON: u32 = 114;
const JSONB: u32 = 3802;
/// Of what is found, and of what there is, at least this much.
const PRECISION_MIN: f64 = 0.97;
const RECALL_MIN: f64 = 0.97;

fn scan(oid: u32, typmod: i32, value: &[u8], format: Format) -> Vec<u8> {
    let column = FieldType::postgres(oid, "", typmod, false);
    let mask = FieldMask::compile(&Masker::Scan, NullRule::Keep, &column).unwrap();
    let mut out = BytesMut::new();
    mask.apply(Some(value), format, &Rendering::utc(), &mut out).unwrap();
    out.to_vec()
}

fn scanned(oid: u32, value: &str) -> String {
    String::from_utf8(scan(oid, -1, value.as_bytes(), Format::Text)).unwrap()
}

/// The text of a labelled line, what must be left of it, and the kinds that it holds.
fn labelled(line: &str) -> (String, String, Vec<String>) {
    let (mut text, mut expected, mut kinds) = (String::new(), String::new(), Vec::new());
    for (n, part) in line.split(['«', '»']).enumerate() {
        if n % 2 == 0 {
            text.push_str(part);
            expected.push_str(part);
            continue;
        }
        let (kind, value) = part.split_once(':').unwrap();
        text.push_str(value);
        expected.push_str(&format!("[{kind}]"));
        kinds.push(kind.to_owned());
    }
    (text, expected, kinds)
}

#[test]
fn a_labelled_corpus_is_told_apart_from_what_only_looks_alike() {
    let corpus = include_str!("data/detect.txt");
    let (mut right, mut found, mut there, mut wrong) = (0, 0, 0, Vec::new());
    for line in corpus.lines().filter(|line| !line.starts_with('#')) {
        let (text, expected, kinds) = labelled(line);
        let masked = scanned(TEXT, &text);
        let detected: Vec<String> = detect(&text).iter().map(ToString::to_string).collect();
        there += kinds.len();
        found += detected.len();
        if masked == expected {
            assert_eq!(detected, kinds, "{line}");
            right += kinds.len();
        } else {
            let mut rest = detected;
            right += kinds
                .iter()
                .filter(|kind| rest.iter().position(|d| d == *kind).map(|at| rest.remove(at)).is_some())
                .count();
            wrong.push(format!("{masked}\n    for {expected}"));
        }
    }
    let (precision, recall) = (right as f64 / found as f64, right as f64 / there as f64);
    println!(
        "precision {precision:.3}, recall {recall:.3}, {there} labelled findings; otherwise than labelled:\n{}",
        wrong.join("\n")
    );
    assert!(precision >= PRECISION_MIN && recall >= RECALL_MIN, "{precision} {recall}\n{}", wrong.join("\n"));
}

#[test]
fn json_keeps_its_form_and_loses_what_its_strings_names_and_numbers_hold() {
    for (given, kept) in [
        (
            r#"{ "to" : "jane@example.com", "n": [1, 2.5e3, -0.0, null, true] }"#,
            r#"{ "to" : "[email]", "n": [1, 2.5e3, -0.0, null, true] }"#,
        ),
        (r#"{"card":4111111111111111}"#, r#"{"card":"[card]"}"#),
        (r#"["a\u0040b.com", "say \"x@y.org\" \\ now"]"#, r#"["[email]", "say \"[email]\" \\ now"]"#),
        (r#"{"jane@example.com": {"x": "078-05-1120"}}"#, r#"{"[email]": {"x": "[ssn]"}}"#),
        (r#""x\u0000y@z.com""#, r#""[secret]""#),
        ("  7  ", "  7  "),
    ] {
        assert_eq!(scanned(JSON, given), kept);
    }
    assert_eq!(scanned(JSONB, r#"{"a": 1, "jane@example.com": 2}"#), r#"{"a": 1, "[email]": 2}"#);
    assert_eq!(scanned(JSONB, r#"{"abcdefgh": 1, "jane@example.com": 2}"#), r#"{"[email]": 2, "abcdefgh": 1}"#);
    let binary = scan(JSONB, -1, b"\x01[\"a@b.com\", 1]", Format::Binary);
    assert_eq!(binary, b"\x01[\"[email]\", 1]");
}

#[test]
fn a_value_in_a_short_column_and_a_value_too_long_to_be_searched_keep_to_the_type() {
    assert_eq!(scan(VARCHAR, 12, b"a@b.io!", Format::Text), b"[email]!");
    assert_eq!(scan(VARCHAR, 10, b"a@b.io!", Format::Text), b"[email");
    let long = "x".repeat((1 << 20) + 1);
    assert_eq!(scanned(TEXT, &long), "[redacted]");
    assert_eq!(scanned(JSON, &format!("\"{long}\"")), "null");
    assert_eq!(scanned(TEXT, &long[1..]), long[1..]);
}

#[test]
fn hostile_text_takes_time_in_proportion_to_its_length() {
    let size = 1 << 20;
    for unit in [
        "1",
        "1 ",
        "1-",
        "4111 ",
        "4111 1111 1111 1112 ",
        "a@",
        "a.",
        "a@a.",
        "@",
        "AKIA",
        "sk-",
        "ghp_",
        "eyJ",
        "DE12",
        "DE12 3456 ",
        "+1 ",
        "+1(2)",
        "-----BEGIN PRIVATE KEY-----",
        "password=",
        "bearer ",
        "eyJaaaaaaaaa.",
        "12-34-5678",
        "000-00-0000",
        "\"",
        "é",
        "0 0",
    ] {
        let text = unit.repeat(size / unit.len());
        let start = Instant::now();
        scanned(TEXT, &text);
        // A quadratic one would take hours.
        assert!(start.elapsed() < Duration::from_secs(20), "{unit:?} took {:?}", start.elapsed());
    }
}

fn luhn(digits: &str) -> String {
    let sum = |digits: &str| {
        digits.bytes().rev().enumerate().fold(0, |sum, (place, digit)| {
            let digit = u32::from(digit - b'0');
            sum + if place % 2 == 1 { digit * 2 / 10 + digit * 2 % 10 } else { digit }
        })
    };
    let check = (10 - sum(&format!("{digits}0")) % 10) % 10;
    format!("{digits}{check}")
}

proptest! {
    #[test]
    fn no_card_that_stands_alone_shows(digits in "[3-6][0-9]{14}", before in "[a-z,.(]{0,9} ", after in "[ ,.!)][a-z ]{0,9}", gap in "[ -]?") {
        let card = luhn(&digits);
        let groups: Vec<&str> = [0..4, 4..8, 8..12, 12..16].map(|range| &card[range]).to_vec();
        let written = groups.join(&gap);
        let masked = scanned(TEXT, &format!("{before}{written}{after}"));
        prop_assert_eq!(masked, format!("{before}[card]{after}"));
    }

    #[test]
    fn no_card_with_a_wrong_digit_is_taken_for_one(digits in "4[0-9]{14}", wrong in 1u32..10) {
        let card = luhn(&digits);
        let check = card[15..].parse::<u32>().unwrap();
        let spoilt = format!("{digits}{}", (check + wrong) % 10);
        prop_assert_eq!(scanned(TEXT, &spoilt), spoilt);
    }

    #[test]
    fn no_address_shows(local in "[a-z0-9]{1,9}([._+-][a-z0-9]{1,5}){0,2}", domain in "[a-z0-9]{1,9}(-[a-z]{1,4})?\\.(com|org|co\\.uk|museum)") {
        prop_assert_eq!(scanned(TEXT, &format!("<{local}@{domain}>")), "<[email]>");
    }

    #[test]
    fn json_stays_json(value in "\\PC{0,20}", number: i64, name in "\\PC{0,9}") {
        let given = serde_json::json!({ "to": format!("{value} a@b.com"), name: [number, 1.5] }).to_string();
        let masked: serde_json::Value = serde_json::from_str(&scanned(JSON, &given)).unwrap();
        prop_assert!(masked["to"].as_str().unwrap().ends_with("[email]"));
        let masked: serde_json::Value = serde_json::from_str(&scanned(JSONB, &given)).unwrap();
        prop_assert!(masked["to"].as_str().unwrap().ends_with("[email]"));
    }

    #[test]
    fn text_without_digits_signs_or_prefixes_is_left_alone(value in "[a-zà-ü ,.!?]{0,80}") {
        prop_assert_eq!(scanned(TEXT, &value), value);
    }
}
