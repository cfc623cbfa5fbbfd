use querygate_sql::{Limits, analyse, session::Settings};

use super::*;
use crate::testing::*;

const POLICY: &str = "[table.\"public.customers\"]\nunlisted = 'clear'\nmask.ssn = 'redact'\nclear_for = ['dba']\n";
const KEY: LiteralKey<'static> = LiteralKey { bytes: &[7; 32], name: "log-1" };

/// A text judged for a role.
struct Judged<'t> {
    shape: Shape<'t>,
    decisions: Vec<Decision>,
    facts: Facts,
    pattern: Option<Pattern>,
}

fn judged<'t>(text: &'t str, role: &str) -> Judged<'t> {
    let (bound, principal) = (bound(POLICY), with_roles(&[role]));
    let view = bound.view(&principal);
    let settings = Settings { search_path: vec!["public".to_owned()], user: "svc".to_owned(), temporary: Vec::new() };
    let statements = analyse(text, &catalog(), &settings, &Limits::default());
    let decisions: Vec<Decision> = statements.iter().map(|s| bound.decide(s, &principal, &view)).collect();
    let parts: Vec<_> = statements.iter().zip(&decisions).collect();
    let shape = Shape::of(text, &catalog(), &Limits::default()).unwrap();
    let facts = bound.facts(text, Some(&shape), &parts, &view, KEY);
    let pattern = bound.pattern(&shape, &parts, &view);
    Judged { shape, decisions, facts, pattern }
}

/// What a decision means, without its places in the text.
fn meaning(decision: &Decision) -> String {
    let Decision { verdict, rule, reason, masks, durable, changes, trusted, .. } = decision;
    format!("{verdict:?} {rule} {reason} {:?} {} {durable} {changes} {trusted:?}", masks.fields, masks.canonical_errors)
}

const TEXTS: &[&str] = &[
    "SELECT id, ssn FROM customers WHERE id = N",
    "SELECT id FROM customers WHERE ssn = S",
    "SELECT id, full_name FROM customers WHERE (country = S OR id < N) AND full_name LIKE S ORDER BY 2 LIMIT 10",
    "SELECT o.id FROM orders o JOIN customers c ON c.id = o.customer_id AND c.id = N WHERE o.status IN (S, S, 'z')",
    "SELECT count(*) FROM orders WHERE total BETWEEN N AND N AND status <> S",
    "SELECT id FROM orders WHERE customer_id = (SELECT id FROM customers WHERE email = S AND id = N)",
    "SELECT x.id FROM (SELECT id, ssn FROM customers WHERE id = N) AS x WHERE x.id >= N",
    "UPDATE orders SET status = S, total = N WHERE id = N",
    "UPDATE customers SET ssn = S, full_name = S WHERE id = N",
    "INSERT INTO orders (id, customer_id, status, placed_at) VALUES (N, N, S, '2026-01-01'), (N, 1, S, now())",
    "INSERT INTO customers (id, full_name, ssn, created_at) VALUES (N, S, S, '2026-01-01')",
    "DELETE FROM order_items WHERE order_id = N AND product_id = N",
    "WITH big AS (SELECT id FROM orders WHERE total > N) SELECT big.id, c.ssn FROM big, customers c WHERE c.id = N",
    "SELECT id FROM orders WHERE id = N UNION SELECT id FROM products WHERE price < N",
];
const NUMBERS: &[&str] =
    &["1", "0", "42", "2147483647", "2147483648", "9223372036854775808", "1.5", ".5", "1e3", "007"];
const STRINGS: &[&str] =
    &["'x'", "''", "'it''s'", "'; DROP TABLE orders; --'", "'é%'", "'2026-01-01'", "E'x'", "'password'", "'1'", "NULL"];

/// The text with its marks replaced, each by another of the values.
fn filled(text: &str, mut pick: usize) -> String {
    let mut next = |values: &[&str]| {
        pick = pick.wrapping_mul(31).wrapping_add(17);
        values[pick / 7 % values.len()].to_owned()
    };
    let words = text.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let fill = |word: &str| match word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()) {
        "N" => word.replacen('N', &next(NUMBERS), 1),
        "S" => word.replacen('S', &next(STRINGS), 1),
        _ => word.to_owned(),
    };
    words.map(fill).collect()
}

#[test]
fn texts_of_one_shape_are_judged_alike() {
    let mut shared = 0;
    for text in TEXTS {
        for role in ["agent", "dba"] {
            let texts: Vec<String> = (0..60).map(|pick| filled(text, pick)).collect();
            let all: Vec<(&String, Judged<'_>)> = texts.iter().map(|text| (text, judged(text, role))).collect();
            for (one, a) in &all {
                for (other, b) in all.iter().filter(|(other, b)| other != one && b.shape.key == a.shape.key) {
                    let Some(pattern) = a.pattern.as_ref().filter(|_| a.shape.key.is_some()) else { continue };
                    shared += 1;
                    assert_eq!(
                        pattern.facts(&a.facts, other, &b.shape, KEY).as_ref(),
                        Some(&b.facts),
                        "{one}\n{other}"
                    );
                    let same = |decisions: &[Decision]| decisions.iter().map(meaning).collect::<Vec<_>>();
                    assert_eq!(same(&a.decisions), same(&b.decisions), "{one}\n{other}");
                }
            }
        }
    }
    assert!(shared > 1000, "only {shared} texts shared a judgement");
}

#[test]
fn values_of_masked_columns_are_hashed_in_the_facts_of_each() {
    let one = judged("UPDATE customers SET ssn = '078-05-1120' WHERE id = 1", "dba");
    let other = "UPDATE customers SET ssn = '219-09-9999' WHERE id = 2";
    let shape = Shape::of(other, &catalog(), &Limits::default()).unwrap();
    let text = one.pattern.unwrap().facts(&one.facts, other, &shape, KEY).unwrap().text;
    assert_eq!(text, format!("UPDATE customers SET ssn = <hash:log-1:{}> WHERE id = 2", KEY.hash(b"219-09-9999")));
}

#[test]
fn what_is_refused_held_or_changes_the_session_is_known_of_its_own_text_alone() {
    for text in [
        "SELECT id FROM customers WHERE ssn = '078-05-1120'",
        "DELETE FROM orders WHERE status = 'paid'",
        "SELECT 1; SET search_path = 'x'; SELECT id FROM orders WHERE id = 1",
        "PREPARE x AS SELECT id FROM orders WHERE id = 1",
        "COPY (SELECT id FROM orders WHERE id = 1) TO STDOUT",
    ] {
        assert!(judged(text, "agent").pattern.is_none(), "{text}");
    }
}
