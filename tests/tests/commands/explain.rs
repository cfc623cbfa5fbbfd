use querygate_testkit::Error;

use crate::shop::{Shop, assert_refused, json};

const QUESTIONS: [(&str, &str); 4] = [
    ("agent", "SELECT full_name, email AS mail FROM customers"),
    ("role:agent", "SELECT id FROM customers WHERE ssn = '1'"),
    ("role:agent", "DELETE FROM orders"),
    ("dba", "CREATE TABLE copy AS SELECT * FROM customers; COMMIT"),
];

#[test]
fn it_tells_verdict_rule_reason_effects_and_masks() -> Result<(), Error> {
    let shop = Shop::open()?;
    let ask = |who: &str, sql: &str| {
        shop.json(&["explain", "--database", "shop", "--as", who, "--json", sql])["statements"][0].clone()
    };
    let masked = ask(QUESTIONS[0].0, QUESTIONS[0].1);
    assert_eq!(masked["verdict"], "allow");
    assert_eq!(masked["columns"][0]["mask"], serde_json::Value::Null);
    assert_eq!((&masked["columns"][1]["name"], &masked["columns"][1]["mask"]), (&"mail".into(), &"email".into()));
    assert_eq!(masked["columns"][1]["from"][0], "public.customers.email");
    assert_eq!(masked["columns"][1]["shows_nulls"], true);
    let refused = ask(QUESTIONS[1].0, QUESTIONS[1].1);
    assert_eq!((&refused["verdict"], &refused["rule"]), (&"block".into(), &"mask: public.customers.ssn".into()));
    assert!(refused["position"].as_u64().is_some() && refused["hint"] != "", "{refused}");
    let held = ask(QUESTIONS[2].0, QUESTIONS[2].1);
    assert_eq!((&held["verdict"], &held["rule"]), (&"approve".into(), &"bulk changes need a reviewer".into()));
    assert_eq!(held["reviewers"][0], "reviewer");
    let shown = shop.run(&["explain", "--database", "shop", "--as", "agent", QUESTIONS[0].1]);
    assert!(
        shown.stdout.contains("public.customers.email") && shown.stdout.contains("shows which values are NULL"),
        "{shown:?}"
    );
    let log = shop.run(&["log", "search", "--text", "customers"]);
    assert!(log.stdout.is_empty(), "explaining ran something: {log:?}");
    Ok(())
}

#[test]
fn it_says_the_same_when_no_gateway_runs() -> Result<(), Error> {
    let mut shop = Shop::open()?;
    let ask = |shop: &Shop| {
        let one =
            |(who, sql): (&str, &str)| json(&shop.run(&["explain", "--database", "shop", "--as", who, "--json", sql]));
        QUESTIONS.map(one)
    };
    let running = ask(&shop);
    shop.gateway.stop()?;
    assert_eq!(ask(&shop), running);
    Ok(())
}

#[test]
fn what_it_can_not_explain_it_names_running_or_not() -> Result<(), Error> {
    let mut shop = Shop::open()?;
    for _ in 0..2 {
        let ask = |database: &str, who: &str| shop.run(&["explain", "--database", database, "--as", who, "SELECT 1"]);
        assert_refused(&ask("nowhere", "agent"), 1, &["nowhere"]);
        assert_refused(&ask("shop", "stranger"), 1, &["stranger", "role:NAME"]);
        shop.gateway.stop()?;
    }
    Ok(())
}
