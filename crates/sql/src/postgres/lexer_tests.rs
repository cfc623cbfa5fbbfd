use super::*;

fn tokens(text: &str) -> Result<Vec<(Kind, String)>, Refusal> {
    let mut lexer = Lexer::new(text);
    let mut found = Vec::new();
    while let Some(token) = lexer.next_token()? {
        found.push((token.kind, token.value.into_owned()));
    }
    Ok(found)
}

fn values(text: &str) -> Vec<String> {
    tokens(text).unwrap().into_iter().map(|(_, value)| value).collect()
}

#[test]
fn unquoted_names_fold_ascii_only_and_quoted_names_stay() {
    assert_eq!(values(r#"Customers "SSN" "a""b" ÄÖ"#), ["customers", "SSN", "a\"b", "ÄÖ"]);
}

#[test]
fn long_names_are_cut_as_the_server_cuts_them() {
    let long = "x".repeat(70);
    assert_eq!(values(&long), ["x".repeat(63)]);
    assert_eq!(values(&format!("\"{}é\"", "x".repeat(62))), ["x".repeat(62)]);
}

#[test]
fn unicode_spellings_mean_what_they_spell() {
    assert_eq!(
        tokens(r#"U&"d\0061t\+000061" U&'\0041'"#).unwrap(),
        [(Kind::QuotedName, "data".into()), (Kind::String, "A".into())]
    );
    assert!(tokens(r#"U&"d\00""#).is_err());
}

#[test]
fn a_string_goes_on_after_a_line_break() {
    assert_eq!(values("'a'\n  'b' 'c'"), ["ab", "c"]);
    assert_eq!(values("'a' -- note\n'b'"), ["ab"]);
    assert_eq!(values("E'a\\n'\n'b\\'c'"), ["a\nb'c"]);
}

#[test]
fn a_backslash_is_a_letter_in_a_plain_string_and_an_escape_in_an_e_string() {
    assert_eq!(values(r"'a\' E'\'\x41\101\u0041\q'"), ["a\\", "'AAAq"]);
    assert!(tokens(r"E'\xff'").is_err());
    assert!(tokens(r"E'\000'").is_err());
}

#[test]
fn dollar_quotes_end_at_their_own_tag() {
    assert_eq!(values("$a$x $$ y$a$ $$z$$ f$1"), ["x $$ y", "z", "f$1"]);
    assert!(tokens("$a$ never").is_err());
}

#[test]
fn operators_are_cut_by_signs_and_comments() {
    assert_eq!(values("a=-1"), ["a", "=", "-", "1"]);
    assert_eq!(values("a@-1"), ["a", "@-", "1"]);
    assert_eq!(values("a*/*c*/b+--x\n1"), ["a", "*", "b", "+", "1"]);
    assert_eq!(values("a::b[1:2]..c<=>d"), ["a", "::", "b", "[", "1", ":", "2", "]", "..", "c", "<=>", "d"]);
}

#[test]
fn comments_nest() {
    assert_eq!(values("a /* x /* y */ z */ b -- c\r d"), ["a", "b", "d"]);
    assert!(tokens("a /* x /* y */").is_err());
}

#[test]
fn numbers_stop_where_a_range_begins_and_may_not_run_into_letters() {
    assert_eq!(values("1..10 .5 1.e3 2."), ["1", "..", "10", ".5", "1.e3", "2."]);
    for bad in ["0x10", "1_000", "12abc", "$1a", "1e"] {
        assert!(tokens(bad).is_err(), "{bad}");
    }
}

#[test]
fn what_no_server_reads_is_refused_with_its_place() {
    let refusal = tokens("SELECT é \\ 1").unwrap_err();
    assert_eq!(refusal.position, Some(Position(10)));
    for bad in ["'open", "\"open", "\"\"", "a \u{b} b", "{x}", "$ 1"] {
        assert!(tokens(bad).is_err(), "{bad}");
    }
}

#[test]
fn positions_count_characters_and_ranges_count_bytes() {
    let mut lexer = Lexer::new("é 'ß' x");
    let all: Vec<_> = std::iter::from_fn(|| lexer.next_token().unwrap()).collect();
    assert_eq!(all.iter().map(|t| t.position.0).collect::<Vec<_>>(), [1, 3, 7]);
    assert_eq!(all.iter().map(|t| t.range.clone()).collect::<Vec<_>>(), [0..2, 3..7, 8..9]);
}
