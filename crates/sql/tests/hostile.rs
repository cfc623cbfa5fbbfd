//! Texts made to break the analysis: whatever comes, it answers, in bounded time and on a small stack.

#![allow(clippy::unwrap_used, reason = "a test that can't set up its world has failed")]

use std::time::{Duration, Instant};

use proptest::prelude::*;
use querygate_sql::{
    Limits, analyse,
    catalog::Catalog,
    fingerprint,
    session::Settings,
    statement::{RefusalKind, Statement},
};

/// What a thread of the standard library gets; an event loop's may have no more.
const STACK: usize = 2 << 20;

fn catalog() -> Catalog {
    Catalog::from_json(include_bytes!("data/shop_catalog.json")).unwrap()
}

fn settings() -> Settings {
    Settings { search_path: vec!["public".to_owned()], user: "svc".to_owned(), temporary: vec!["tt".to_owned()] }
}

/// Analyses on a small stack; an overflow would abort the whole test run.
fn on_small_stack(texts: Vec<String>) -> Vec<Vec<Statement>> {
    let work = move || {
        let catalog = catalog();
        texts.iter().map(|text| analyse(text, &catalog, &settings(), &Limits::default())).collect()
    };
    std::thread::Builder::new().stack_size(STACK).spawn(work).unwrap().join().unwrap()
}

fn repeated(head: &str, piece: &str, times: usize, tail: &str) -> String {
    format!("{head}{}{tail}", piece.repeat(times))
}

/// Ways to make a text deep: what begins it, what is repeated, what ends it.
const CHAINS: &[(&str, &str, &str)] = &[
    ("SELECT 1", "+1", ""),
    ("SELECT id FROM customers WHERE id = 1", " OR id = 1", ""),
    ("SELECT id FROM customers WHERE id = 1", " AND id = 1", ""),
    ("SELECT '1'", "::text", ""),
    ("SELECT a", "[1]", " FROM pad"),
    ("SELECT ", "NOT ", "true"),
    ("SELECT ", "- ", "1"),
    ("SELECT ", "@ ", "1"),
    ("SELECT 1", " UNION ALL SELECT 1", ""),
    ("SELECT 'a'", " || 'b'", ""),
    ("SELECT 'a'", " COLLATE \"C\"", ""),
    ("SELECT 1", " IS NOT NULL", ""),
    ("SELECT now()", " AT TIME ZONE 'UTC'", ""),
    ("SELECT 1 FROM pad", " CROSS JOIN pad", ""),
    ("SELECT 1 FROM pad a", " NATURAL JOIN pad", ""),
    ("SELECT ", "CASE WHEN true THEN ", "1"),
    ("SELECT ", "CASE 1 WHEN 1 THEN 2 ELSE ", "1"),
    ("SELECT a", " -> 'b'", " FROM pad"),
    ("SELECT 1", " BETWEEN 1 AND 2", ""),
    ("SELECT 1", " LIKE 'a'", ""),
    ("SELECT a", ".b", " FROM pad"),
    ("SELECT ", "ARRAY[", ""),
    ("SELECT ", "(", ""),
    ("SELECT ", "upper(", ""),
    ("SELECT ", "(SELECT ", "1"),
    ("SELECT * FROM ", "(SELECT * FROM ", "pad"),
    ("SELECT * FROM ", "(", "pad"),
    ("", "EXPLAIN ", "SELECT 1"),
    ("", "PREPARE a AS ", "SELECT 1"),
    ("WITH a AS (SELECT 1)", ", a AS (SELECT 1)", " SELECT 1"),
    ("SELECT id FROM pad WHERE id IN (1", ",1", ")"),
    ("INSERT INTO pad VALUES (1, 'a', 2)", ", (1, 'a', 2)", ""),
    ("SELECT 1", ", 1", ""),
    ("", ";", ""),
    ("", "SELECT 1;", ""),
    ("/*", "/*", ""),
    ("SELECT $$", "$a$", ""),
    ("SELECT 'a'", "\n'a'", ""),
    ("SELECT ", "a", ""),
    ("SELECT ", "\"a\".", "b"),
    ("CREATE INDEX ON pad (", "(", ""),
    ("GRANT SELECT ON pad", ", pad", " TO x"),
    ("COPY pad TO STDOUT (", "header, ", "header)"),
    ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC ", "SELECT 1; ", "END"),
];

#[test]
fn every_way_to_grow_a_text_ends_in_an_answer() {
    let mut texts = Vec::new();
    for (head, piece, tail) in CHAINS {
        for times in [1, 20, 45, 60, 150, 290, 320, 2000, 40_000] {
            texts.push(repeated(head, piece, times, tail));
            // The same, closed where it opens.
            let close = piece
                .chars()
                .filter(|c| *c == '(' || *c == '[')
                .map(|c| if c == '(' { ')' } else { ']' })
                .collect::<String>();
            texts.push(format!("{}{}", repeated(head, piece, times, tail), close.repeat(times)));
        }
    }
    for statements in on_small_stack(texts) {
        assert!(statements.len() <= Limits::default().statements);
    }
}

#[test]
fn depth_of_every_kind_adds_up_within_the_limit() {
    let nests = [
        ("(SELECT * FROM ", ") x"),
        ("(SELECT id FROM pad WHERE id IN ", ")"),
        ("upper(", ")"),
        ("(SELECT CASE WHEN true THEN ", " END)"),
    ];
    let mut texts = Vec::new();
    for (open, close) in nests {
        for (head, piece, tail) in CHAINS {
            for (levels, times) in
                [(10, 250), (20, 200), (20, 60), (30, 160), (30, 40), (40, 100), (40, 20), (48, 80), (48, 10)]
            {
                let inner = repeated(head.trim_start_matches("SELECT "), piece, times, tail);
                texts.push(format!("SELECT * FROM {}{inner}{}", open.repeat(levels), close.repeat(levels)));
                texts.push(format!("SELECT {}(SELECT {inner}){}", open.repeat(levels), close.repeat(levels)));
            }
        }
    }
    on_small_stack(texts);
}

#[test]
fn oversized_texts_are_refused_within_milliseconds() {
    let catalog = catalog();
    for text in [
        repeated("SELECT 1", "+1", 33_000, ""),
        "(".repeat(100_000),
        "a".repeat(10 << 20),
        ";".repeat(10 << 20),
        ";".repeat(1_000_000),
        "SELECT 1;".repeat(110_000),
        repeated("SELECT 1", " UNION SELECT 1", 60_000, ""),
    ] {
        // The fastest of a few: what else the machine does is not the text's doing.
        let took = (0..5).map(|_| {
            let start = Instant::now();
            let _ = analyse(&text, &catalog, &settings(), &Limits::default());
            start.elapsed()
        });
        let fastest = took.min().unwrap();
        assert!(fastest < Duration::from_millis(500), "{fastest:?}");
        let statements = analyse(&text, &catalog, &settings(), &Limits::default());
        let refusal = statements[0].unanalysed.as_ref().unwrap();
        assert_eq!(refusal.kind, RefusalKind::TooComplex, "{}", refusal.construct);
    }
}

#[test]
fn every_statement_is_judged_even_beside_a_broken_one() {
    let catalog = catalog();
    for text in ["DELETE FROM pad; FOO", "FOO; DELETE FROM pad", "DELETE FROM pad; SELECT (", "DELETE FROM pad; '"] {
        let statements = analyse(text, &catalog, &settings(), &Limits::default());
        assert_eq!(statements.len(), 1, "{text}");
        assert!(statements[0].unanalysed.is_some() && statements[0].range == (0..text.len()), "{text}");
    }
}

#[test]
fn a_refusal_never_quotes_a_literal() {
    let catalog = catalog();
    for text in [
        "SELECT 'hunter2' 'hunter2'",
        "SELECT 1 WHERE 'hunter2' hunter 'hunter2'",
        "COPY pad TO STDOUT (FORMAT 'hunter2')",
        "SET TIME ZONE INTERVAL 'hunter2'",
        "CREATE ROLE 'hunter2'",
        "INSERT INTO pad VALUES ('hunter2' 'hunter2')",
        "SET client_encoding = 'hunter2'",
    ] {
        for statement in analyse(text, &catalog, &settings(), &Limits::default()) {
            let refusal = format!("{:?}", statement.unanalysed);
            assert!(!refusal.contains("hunter2"), "{refusal}");
        }
    }
}

fn word() -> impl Strategy<Value = &'static str> {
    let words = "select from where insert into values update set delete merge using on when matched then with recursive as union all except \
                 intersect group by order having limit offset distinct case else end cast exists in any not null is like between and or table \
                 create alter drop temp view index function trigger copy to stdout stdin csv header explain analyze prepare execute declare cursor \
                 for fetch begin commit rollback set reset show grant revoke truncate vacuum do call customers pad ssn id email c tt pg_class upper \
                 count lateral natural join left full cross inner returning conflict nothing excluded row array interval date int text big_spender \
                 cust_ssn $1 $2 1 0 1.5 'x' E'\\n' $$a$$ \"SSN\" U&\"d\\0061\" ( ) [ ] , . ; :: : := => = <> < > + - * / || @@@ >>> -> ->> #> @> & | ! ~ ?";
    prop::sample::select(words.split_whitespace().collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn token_soup_gets_an_answer(words in prop::collection::vec(word(), 0..40), start in prop::sample::select(vec!["", "SELECT ", "SELECT * FROM customers ", "UPDATE pad SET ", "INSERT INTO pad "])) {
        thread_local!(static CATALOG: Catalog = catalog());
        let text = format!("{start}{}", words.join(" "));
        CATALOG.with(|catalog| {
            for statement in analyse(&text, catalog, &settings(), &Limits::default()) {
                prop_assert!(statement.range.end <= text.len());
                prop_assert!(statement.literals.iter().all(|literal| text.get(literal.range.clone()).is_some()));
                let understood = statement.unanalysed.is_none();
                prop_assert!(understood || statement.effects.iter().any(|on| on.effect.name() == "unanalysed"));
            }
            Ok(())
        })?;
        let _ = fingerprint(&text);
    }

    #[test]
    fn character_soup_gets_an_answer(text in "\\PC{0,80}|[ -~\\n\\t'\"$\\\\]{0,200}") {
        thread_local!(static CATALOG: Catalog = catalog());
        CATALOG.with(|catalog| analyse(&text, catalog, &settings(), &Limits::default()));
        let _ = fingerprint(&text);
    }
}
