//! `querygate suggest` on the demo's schema and on three that are written from memory of well-known open-source applications, with a list of what
//! is personal in each beside it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says what went wrong by failing")]

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use querygate_testkit::{
    Error,
    gateway::Gateway,
    postgres::{ADMIN, ADMIN_PASSWORD, Server},
};
use serde_json::Value;

const SCHEMAS: [&str; 5] = ["shop", "forum", "crm", "webshop", "clinic"];
/// Of the labelled columns so many must be found.
const FOUND_MIN: f64 = 0.95;
/// Of the proposals so many must be for a labelled column, of the labelled kind.
const RIGHT_MIN: f64 = 0.90;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("suggest")
}

fn sql(schema: &str) -> String {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/querygate/src/demo/shop.sql");
    fs::read_to_string(if schema == "shop" { demo } else { folder().join(format!("{schema}.sql")) }).unwrap()
}

/// `table.column` to kind.
fn labels(schema: &str) -> BTreeMap<String, String> {
    let text = fs::read_to_string(folder().join(format!("{schema}.labels"))).unwrap();
    text.lines().map(|line| line.split_once(' ').unwrap()).map(|(c, k)| (c.to_owned(), k.to_owned())).collect()
}

fn start() -> Result<(Server, Gateway), Error> {
    let server = Server::start()?;
    let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
    let mut setup = Gateway::setup();
    for schema in SCHEMAS {
        server.script("postgres", &format!("CREATE DATABASE {schema} TEMPLATE template0;"))?;
        server.script(schema, &sql(schema))?;
        setup = setup.database(schema, address, schema, ADMIN, ADMIN_PASSWORD);
        setup = setup.policy(schema, &format!("database = \"{schema}\"\nconnect = [\"dba\"]\nreviewers = [\"dba\"]\n"));
    }
    Ok((server, setup.start()?))
}

#[test]
fn what_is_personal_is_found_and_little_else_is_proposed() -> Result<(), Error> {
    let (_server, gateway) = start()?;
    let (mut labelled, mut found, mut proposed, mut right) = (0, 0, 0, 0);
    for schema in SCHEMAS {
        let answer = gateway.command(&["suggest", "--database", schema, "--json"], "")?.ok()?.stdout;
        let report: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(report["not_sampled"].as_array().map(Vec::len), Some(0), "{report}");
        let labels = labels(schema);
        let mut missed = labels.clone();
        let mut wrong = Vec::new();
        for proposal in report["proposals"].as_array().unwrap() {
            let text = |key: &str| proposal[key].as_str().unwrap().to_owned();
            let column = format!("{}.{}", text("table").split_once('.').unwrap().1, text("column"));
            missed.remove(&column);
            match labels.get(&column) {
                Some(kind) if *kind == text("kind") => right += 1,
                label => wrong.push(format!("{column} {} for {label:?}", text("kind"))),
            }
            proposed += 1;
        }
        labelled += labels.len();
        found += labels.len() - missed.len();
        println!("{schema}: {} labelled, missed {:?}, wrong {wrong:#?}", labels.len(), missed.keys());
    }
    let share = |of: usize, all: usize| of as f64 / all as f64;
    let (found, right) = (share(found, labelled), share(right, proposed));
    println!("found {found:.3} of {labelled} labelled columns; right are {right:.3} of {proposed} proposals");
    assert!(found >= FOUND_MIN && right >= RIGHT_MIN, "found {found:.3}, right {right:.3}");
    Ok(())
}

#[test]
fn the_proposed_policy_is_one_that_check_accepts_and_shows_no_value() -> Result<(), Error> {
    let (_server, gateway) = start()?;
    for schema in SCHEMAS {
        let file = gateway.folder().join(format!("{schema}-proposed.toml"));
        let path = file.to_str().unwrap();
        let shown = gateway.command(&["suggest", "--database", schema, "--policy", path], "")?.ok()?.stdout;
        let again = gateway.command(&["suggest", "--database", schema, "--policy", path], "")?;
        assert_eq!(again.code, Some(2), "an existing file is left alone: {}", again.stdout);
        let printed = gateway.command(&["suggest", "--database", schema, "--policy", "-"], "")?.ok()?.stdout;
        let policy = fs::read_to_string(&file).unwrap();
        assert_eq!(policy, printed);
        fs::write(gateway.policy(schema), &policy).unwrap();
        let json = gateway.command(&["suggest", "--database", schema, "--json"], "")?.ok()?.stdout;
        for secret in ["example.com", "4111", "DE89", "900-12", "555-26", "9018", "Jane"] {
            for text in [&shown, &policy, &json, &gateway.log()] {
                assert!(!text.contains(secret), "{schema} shows {secret}");
            }
        }
    }
    let checked = gateway.command(&["check"], "")?;
    assert_eq!(checked.code, Some(0), "{}{}", checked.stdout, checked.stderr);
    gateway.reload()?;
    let explained =
        ["explain", "--database", "crm", "--as", "role:agent", "SELECT first_name, phone_home FROM contacts"];
    let explained = gateway.command(&explained, "")?.ok()?.stdout;
    assert!(explained.contains("redact") && explained.contains("keep_last = 4"), "{explained}");
    Ok(())
}

#[test]
fn a_table_that_cannot_be_read_is_named_and_the_others_are_looked_at() -> Result<(), Error> {
    let server = Server::start()?;
    server.script("postgres", "CREATE DATABASE odd TEMPLATE template0;")?;
    server.script(
        "odd",
        r#"CREATE ROLE weak LOGIN PASSWORD 'weakpw';
           CREATE TABLE open ("we""ird NAME" text, "é" text, x int); GRANT SELECT ON open TO weak;
           INSERT INTO open SELECT 'u' || n || '@example.com', 'none', n FROM generate_series(1, 9) n;
           COMMENT ON COLUMN open."é" IS 'first name';
           CREATE TABLE closed (email text, anything text); INSERT INTO closed VALUES ('a@b.com', 'c@d.com');
           CREATE TABLE parted (id int, email text) PARTITION BY RANGE (id);
           CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (9);"#,
    )?;
    let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
    let gateway = Gateway::setup().database("odd", address, "odd", "weak", "weakpw").start()?;
    let answer = gateway.command(&["suggest", "--database", "odd", "--json"], "")?.ok()?.stdout;
    let report: Value = serde_json::from_str(&answer).unwrap();
    let refused = |table: &str| serde_json::json!({ "table": table, "reason": "42501" });
    assert_eq!(report["not_sampled"], serde_json::json!([refused("public.closed"), refused("public.parted")]));
    let columns: Vec<_> =
        report["proposals"].as_array().unwrap().iter().map(|p| (&p["table"], &p["column"], &p["reason"])).collect();
    let expected = serde_json::json!([
        ["public.closed", "email", "name"],
        ["public.open", "we\"ird NAME", "values"],
        ["public.open", "é", "comment"],
        ["public.parted", "email", "name"]
    ]);
    assert_eq!(serde_json::to_value(columns).unwrap(), expected);
    let policy = gateway.command(&["suggest", "--database", "odd", "--rows", "0", "--policy", "-"], "")?.ok()?.stdout;
    assert!(policy.contains("mask.\"é\" = \"redact\"") && !policy.contains("ird NAME\" = "), "{policy}");
    let unknown = gateway.command(&["suggest", "--database", "nix"], "")?;
    assert_eq!(unknown.code, Some(1));
    Ok(())
}
