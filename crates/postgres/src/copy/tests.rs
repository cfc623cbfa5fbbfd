use std::convert::Infallible;

use proptest::prelude::*;

use super::*;

fn codec(options: Options) -> Codec {
    Codec::new(options).unwrap()
}

fn csv_with(change: impl FnOnce(&mut Options)) -> Codec {
    let mut options = Options::csv();
    change(&mut options);
    codec(options)
}

fn fields(codec: &Codec, row: &[u8]) -> Vec<Option<Vec<u8>>> {
    codec.split(row).unwrap().into_iter().map(|field| field.map(Cow::into_owned)).collect()
}

fn joined(codec: &Codec, fields: &[Option<&[u8]>]) -> String {
    let mut out = BytesMut::new();
    codec.join(fields, &mut out);
    String::from_utf8(out.to_vec()).unwrap()
}

fn value(text: &[u8]) -> Option<Vec<u8>> {
    Some(text.to_vec())
}

#[test]
fn text_escapes_read_as_the_documentation_says() {
    let text = codec(Options::text());
    assert_eq!(fields(&text, b"a\t\\N\t\t\\\\N\n"), [value(b"a"), None, value(b""), value(b"\\N")]);
    assert_eq!(fields(&text, b"\\b\\f\\n\\r\\t\\v\\\\\n"), [value(b"\x08\x0c\n\r\t\x0b\\")]);
    assert_eq!(fields(&text, b"\\101\\7x\\1018\\x41\\x4g\\xg\\q\\\t\n"), [value(b"A\x07xA8A\x04gxgq\t")]);
    assert_eq!(fields(&text, b"\n"), [value(b"")]);
}

#[test]
fn text_is_written_as_the_server_writes_it() {
    let text = codec(Options::text());
    let row: [Option<&[u8]>; 3] = [Some(b"\x08\x0c\n\r\t\x0b\\\x01"), None, Some(b"")];
    assert_eq!(joined(&text, &row), "\\b\\f\\n\\r\\t\\v\\\\\u{1}\t\\N\t\n");
    let piped = codec(Options { delimiter: b'|', ..Options::text() });
    assert_eq!(joined(&piped, &[Some(b"a|b"), Some(b"\t")]), "a\\|b|\\t\n");
}

#[test]
fn csv_quotes_read_as_the_documentation_says() {
    let csv = codec(Options::csv());
    assert_eq!(
        fields(&csv, b"a,,\"\",\"x\"\"y,\nz\",b\"c\"d\n"),
        [value(b"a"), None, value(b""), value(b"x\"y,\nz"), value(b"bcd")]
    );
    let odd = csv_with(|o| (o.quote, o.escape, o.null) = (b'\'', b'\\', b"null".to_vec()));
    assert_eq!(
        fields(&odd, b"'it\\'s','a\\\\b','a\\b',null,'null'\n"),
        [value(b"it's"), value(b"a\\b"), value(b"a\\b"), None, value(b"null")]
    );
}

#[test]
fn csv_is_quoted_where_the_server_quotes() {
    let csv = codec(Options::csv());
    let row: [Option<&[u8]>; 7] = [Some(b"plain"), Some(b""), None, Some(b","), Some(b"\""), Some(b"\n"), Some(b"\r")];
    assert_eq!(joined(&csv, &row), "plain,\"\",,\",\",\"\"\"\",\"\n\",\"\r\"\n");
    assert_eq!(joined(&csv, &[Some(b"\\.")]), "\"\\.\"\n");
    assert_eq!(joined(&csv, &[Some(b"\\."), None]), "\\.,\n");
    let forced = csv_with(|o| o.force_quote = ForceQuote::Columns(vec![1]));
    assert_eq!(joined(&forced, &[Some(b"a"), Some(b"b")]), "a,\"b\"\n");
    assert_eq!(joined(&forced, &[Some(b"a"), None]), "a,\n");
    let all = csv_with(|o| o.force_quote = ForceQuote::All);
    assert_eq!(joined(&all, &[Some(b"a"), Some(b"")]), "\"a\",\"\"\n");
    let escaped = csv_with(|o| o.escape = b'\\');
    assert_eq!(joined(&escaped, &[Some(b"\\,\"")]), "\"\\\\,\\\"\"\n");
    assert_eq!(joined(&escaped, &[Some(b"a\\b")]), "a\\b\n");
}

fn star(_: usize, _: Option<&[u8]>, out: &mut BytesMut) -> Result<Wrote, Infallible> {
    out.extend_from_slice(b"*,\t\\");
    Ok(Wrote::Value)
}

#[test]
fn rewriting_leaves_the_other_fields_bytes_alone() {
    let mut out = BytesMut::from(&b"before"[..]);
    // Needless quotes and octal escapes, which no server writes, stay.
    assert_eq!(codec(Options::csv()).rewrite_columns(b"\"a\",b,\"\",c\n", 4, &[1, 3], &mut out, star), Ok(2));
    assert_eq!(&out[..], b"before\"a\",\"*,\t\\\",\"\",\"*,\t\\\"\n");
    out.clear();
    assert_eq!(codec(Options::text()).rewrite_columns(b"\\101\tb\tc\n", 3, &[1], &mut out, star), Ok(1));
    assert_eq!(&out[..], b"\\101\t*,\\t\\\\\tc\n");
}

#[test]
fn the_function_sees_the_value_and_may_keep_it_or_make_it_null() {
    let mut seen = Vec::new();
    let mut out = BytesMut::new();
    let mut codec = csv_with(|o| o.null = b"NULL".to_vec());
    let replaced =
        codec.rewrite_columns(b"\"a\"\"b\",NULL,\"NULL\"\n", 3, &[0, 1, 2], &mut out, |column, value, out| {
            seen.push(value.map(<[u8]>::to_vec));
            out.extend_from_slice(b"stray");
            Ok::<_, Infallible>(if column == 1 { Wrote::Keep } else { Wrote::Null })
        });
    assert_eq!(replaced, Ok(2));
    assert_eq!(seen, [value(b"a\"b"), None, value(b"NULL")]);
    assert_eq!(&out[..], b"NULL,NULL,NULL\n");
}

#[test]
fn a_row_that_is_not_exactly_one_row_of_so_many_fields_is_refused_whole() {
    for options in [Options::text(), Options::csv()] {
        let delimiter = char::from(options.delimiter);
        let mut codec = codec(options);
        let mut out = BytesMut::from(&b"before"[..]);
        for bad in ["", "a", "a|b", "a|b|c\n", "a\n", "a|b\nx|y\n", "a|b\n\n"] {
            let row = bad.replace('|', &delimiter.to_string());
            assert!(codec.rewrite_columns(row.as_bytes(), 2, &[0], &mut out, star).is_err(), "{row:?}");
        }
        let row = format!("a{delimiter}b\n");
        let failed = codec.rewrite_columns(row.as_bytes(), 2, &[0, 1], &mut out, |column, _, _| match column {
            0 => Ok(Wrote::Value),
            _ => Err("no"),
        });
        assert_eq!(failed, Err(RowError::Field("no")));
        assert_eq!(codec.rewrite_columns(row.as_bytes(), 2, &[1, 0], &mut out, star), Err(RowError::NotAscending));
        let none = Err(RowError::NoSuchColumn { column: 2, fields: 2 });
        assert_eq!(codec.rewrite_columns(row.as_bytes(), 2, &[2], &mut out, star), none);
        assert_eq!(&out[..], b"before");
    }
    for open in [&b"\"a\n"[..], b"\"a\"\"\n", b"a\\\n"] {
        let codec = codec(if open[0] == b'a' { Options::text() } else { Options::csv() });
        assert!(codec.split(open).is_err());
    }
}

#[test]
fn a_value_that_looks_like_null_can_not_be_singled_out_by_the_null_option() {
    let ambiguous = |null: &[u8]| {
        let mut codec = codec(Options { null: null.to_vec(), ..Options::text() });
        let refused =
            codec.rewrite_columns(b"a\n", 1, &[0], &mut BytesMut::new(), star) == Err(RowError::AmbiguousNull);
        assert_eq!(refused, codec.has_ambiguous_null());
        assert!(codec.rewrite_columns(b"a\n", 1, &[], &mut BytesMut::new(), star).is_ok());
        refused
    };
    for null in ["", "jane@example.com", "\\\\", "\\t"] {
        assert!(ambiguous(null.as_bytes()), "{null}");
    }
    for null in ["\\N", "\\", "\\x41", "a\\"] {
        assert!(!ambiguous(null.as_bytes()), "{null}");
    }
    assert!(!codec(Options::csv()).has_ambiguous_null());
}

#[test]
fn options_that_would_make_fields_ambiguous_are_refused() {
    let refused = |options: Options| Codec::new(options).is_err();
    assert!(refused(Options { delimiter: b'x', ..Options::text() }));
    assert!(refused(Options { delimiter: b'\n', ..Options::text() }));
    assert!(refused(Options { null: b"a\tb".to_vec(), ..Options::text() }));
    assert!(refused(Options { quote: b',', ..Options::csv() }));
    assert!(refused(Options { escape: b'\n', ..Options::csv() }));
    assert!(refused(Options { null: b"\"".to_vec(), ..Options::csv() }));
}

fn any_options() -> impl Strategy<Value = Options> {
    let syntax = prop_oneof![Just(Options::text()), Just(Options::csv())];
    let bytes = |choices: &'static [u8]| proptest::sample::select(choices);
    let null = prop_oneof![Just(b"".to_vec()), Just(b"\\N".to_vec()), Just(b"n".to_vec())];
    (syntax, bytes(b"\t,|;"), null, bytes(b"\"'"), bytes(b"\"\\'"), any::<bool>()).prop_map(
        |(options, delimiter, null, quote, escape, all)| Options {
            delimiter,
            null,
            quote,
            escape,
            force_quote: if all { ForceQuote::All } else { ForceQuote::None },
            ..options
        },
    )
}

fn any_value() -> impl Strategy<Value = Option<Vec<u8>>> {
    let byte = proptest::sample::select(&b"a\"'\\,|;\t\n\r\x08.nN"[..]);
    proptest::option::of(proptest::collection::vec(byte, 0..8))
}

proptest! {
    #[test]
    fn what_is_joined_splits_into_the_same(options in any_options(), row in proptest::collection::vec(any_value(), 1..5)) {
        let codec = codec(options.clone());
        let borrowed: Vec<_> = row.iter().map(Option::as_deref).collect();
        let mut out = BytesMut::new();
        codec.join(&borrowed, &mut out);
        // In text a value that is written like NULL reads as NULL: so it is in the server too.
        let expected: Vec<_> = row
            .iter()
            .map(|field| match field {
                Some(value) if codec.has_ambiguous_null() && *value == options.null => None,
                other => other.clone(),
            })
            .collect();
        prop_assert_eq!(fields(&codec, &out), expected);
    }

    #[test]
    fn rewriting_agrees_with_joining_anew(options in any_options(), row in proptest::collection::vec(any_value(), 1..5), mask in any::<u8>()) {
        let mut codec = codec(options);
        prop_assume!(!codec.has_ambiguous_null());
        let borrowed: Vec<_> = row.iter().map(Option::as_deref).collect();
        let masked: Vec<usize> = (0..row.len()).filter(|n| mask >> n & 1 == 1).collect();
        let (mut source, mut expected, mut out) = (BytesMut::new(), BytesMut::new(), BytesMut::new());
        codec.join(&borrowed, &mut source);
        let star_value = &b"*,\t\\"[..];
        let starred: Vec<_> =
            borrowed.iter().enumerate().map(|(n, v)| if masked.contains(&n) { Some(star_value) } else { *v }).collect();
        codec.join(&starred, &mut expected);
        prop_assert_eq!(codec.rewrite_columns(&source, row.len(), &masked, &mut out, star), Ok(masked.len()));
        prop_assert_eq!(out, expected);
    }

    #[test]
    fn no_bytes_make_it_panic(options in any_options(), row in proptest::collection::vec(any::<u8>(), 0..60), tail in "[\"\\\\a,\n]{0,20}") {
        let mut codec = codec(options);
        let mut out = BytesMut::new();
        for row in [&row[..], tail.as_bytes()] {
            let _ = codec.split(row);
            let _ = codec.rewrite_columns(row, 2, &[1], &mut out, star);
        }
    }
}
