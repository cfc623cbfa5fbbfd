use querygate_sql::{Limits, Shape, analyse, session::Settings};

use super::*;
use crate::testing::*;

const MASKED: &str = "[table.\"public.customers\"]\nunlisted = 'clear'\nmask.ssn = 'redact'\nclear_for = ['dba']\n";
const KEY: LiteralKey<'static> = LiteralKey { bytes: &[7; 32], name: "log-1" };

fn facts(text: &str, roles: &[&str]) -> Facts {
    let (bound, principal) = (bound(MASKED), with_roles(roles));
    let view = bound.view(&principal);
    let settings = Settings { search_path: vec!["public".to_owned()], user: "svc".to_owned(), temporary: Vec::new() };
    let statements = analyse(text, &catalog(), &settings, &Limits::default());
    let decisions: Vec<Decision> = statements.iter().map(|s| bound.decide(s, &principal, &view)).collect();
    let shape = Shape::of(text, &catalog(), &Limits::default());
    bound.facts(text, shape.as_ref(), &statements.iter().zip(&decisions).collect::<Vec<_>>(), &view, KEY)
}

fn hashed(value: &str) -> String {
    format!("<hash:log-1:{}>", KEY.hash(value.as_bytes()))
}

#[test]
fn literals_of_masked_columns_are_hashed_whoever_writes_them() {
    let text = "SELECT id FROM customers WHERE ssn = '078-05-1120' AND country = 'DE'";
    for role in ["agent", "dba"] {
        let expected = format!("SELECT id FROM customers WHERE ssn = {} AND country = 'DE'", hashed("078-05-1120"));
        assert_eq!(facts(text, &[role]).text, expected, "{role}");
    }
}

#[test]
fn a_literal_and_a_bind_value_that_are_equal_have_equal_hashes() {
    let literal = facts("SELECT 1 FROM customers WHERE ssn = 'O''Brien'", &["dba"]).text;
    let Value::Hashed { hash, key } = Bound::value(Some(b"O'Brien"), 0, true, KEY) else { panic!("hashed") };
    assert!(literal.ends_with(&format!("<hash:{key}:{hash}>")), "{literal}");
}

#[test]
fn a_literal_of_no_known_column_is_hashed_where_a_masked_one_is_used() {
    let text = facts("SELECT 1 FROM customers WHERE lower(ssn) || 'x' = '078-05-1120x'", &["dba"]).text;
    assert!(!text.contains("078"), "{text}");
}

#[test]
fn literals_of_other_statements_stay() {
    let text = "UPDATE orders SET status = 'paid' WHERE id = 7";
    assert_eq!(facts(text, &["agent"]).text, text);
}

#[test]
fn values_for_a_text_that_was_prepared_before_are_hashed() {
    for role in ["agent", "dba"] {
        let logged = facts("EXECUTE find('078-05-1120')", &[role]).text;
        assert_eq!(logged, format!("EXECUTE find({})", hashed("078-05-1120")), "{role}");
    }
}

#[test]
fn inserted_values_are_hashed_column_by_column() {
    let text =
        "INSERT INTO customers (id, full_name, ssn, created_at) VALUES (900, 'Ann', '078-05-1120', '2026-01-01')";
    let logged = facts(text, &["dba"]).text;
    assert!(logged.contains("'Ann'") && !logged.contains("078"), "{logged}");
}

#[test]
fn passwords_are_left_out() {
    let text = facts("CREATE ROLE x PASSWORD 'hunter2'", &["dba"]).text;
    assert_eq!(text, "CREATE ROLE x PASSWORD <secret>");
}

#[test]
fn every_literal_of_a_text_that_was_not_analysed_is_hashed() {
    let text = facts("FROBNICATE customers WHERE ssn = '078-05-1120'", &["agent"]).text;
    assert!(text.starts_with("FROBNICATE customers WHERE ssn = <hash:log-1:"), "{text}");
}

#[test]
fn a_text_that_cannot_be_cut_into_tokens_is_its_length_and_hash() {
    let text = "SELECT '078-05-1120";
    let logged = facts(text, &["dba"]).text;
    assert!(
        logged.starts_with("<text of 19 bytes")
            && logged.ends_with(&format!("hash:log-1:{}>", KEY.hash(text.as_bytes()))),
        "{logged}"
    );
}

#[test]
fn facts_say_what_was_read_and_what_was_decided() {
    let facts = facts("SELECT id, ssn FROM customers", &["agent"]);
    assert_eq!(facts.reads, ["public.customers.id", "public.customers.ssn"]);
    assert_eq!(
        (facts.tables, facts.masks),
        (vec!["public.customers".to_owned()], vec!["public.customers.ssn=redact".to_owned()])
    );
    assert_eq!(
        (facts.verdict, facts.rule.as_str(), facts.policy.as_str()),
        (Some(Verdict::Allow), "default: read", "v1")
    );
    assert_eq!(facts.effects, [(Effect::Read, vec!["public.customers".to_owned()])]);
}

#[test]
fn statements_of_one_shape_have_one_fingerprint() {
    let shape = |id: &str| facts(&format!("SELECT full_name FROM customers WHERE id = {id}"), &["agent"]).fingerprint;
    assert_eq!(shape("1"), shape("22"));
    assert_ne!(shape("1"), facts("SELECT 1", &["agent"]).fingerprint);
}

#[test]
fn the_strictest_statement_of_a_text_speaks_for_it() {
    let facts = facts("SELECT 1; GRANT SELECT ON customers TO PUBLIC; SELECT 2", &["agent"]);
    assert_eq!((facts.verdict, facts.rule.as_str()), (Some(Verdict::Block), "default: privilege"));
}

#[test]
fn parameters_that_meet_masked_columns_are_hashed() {
    let (bound, principal) = (bound(MASKED), with_roles(&["dba"]));
    let settings = Settings { search_path: vec!["public".to_owned()], user: "svc".to_owned(), temporary: Vec::new() };
    let text = "SELECT 1 FROM customers WHERE country = $1 AND ssn = $2";
    let statements = analyse(text, &catalog(), &settings, &Limits::default());
    assert_eq!(bound.hashed_parameters(&statements[0], &bound.view(&principal)), [false, true]);
}

#[test]
fn bind_values_are_kept_up_to_a_length() {
    assert_eq!(Bound::value(None, 0, true, KEY), Value::Null);
    assert_eq!(Bound::value(Some(b"abc"), 0, false, KEY), Value::Text("abc".to_owned()));
    assert_eq!(Bound::value(Some(&[0, 255]), 1, false, KEY), Value::Binary("00ff".to_owned()));
    let long = vec![b'x'; MAX_VALUE_BYTES + 1];
    assert!(matches!(Bound::value(Some(&long), 0, false, KEY), Value::Long { length: 4097, .. }));
}
