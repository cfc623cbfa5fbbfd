use std::{thread, time::Instant};

use querygate_testkit::{Error, Ran};
use serde_json::Value;

use crate::shop::{ACCOUNTS, Shop, assert_refused};

/// How long a statement may take to begin to wait, on a machine busy with other tests.
const HOLD_LIMIT: std::time::Duration = std::time::Duration::from_secs(60);

/// Runs a statement that waits, and meanwhile what a reviewer does with its request; returns what psql said in the end.
fn held(shop: &Shop, account: &str, sql: &str, review: impl FnOnce(&str)) -> Result<Ran, Error> {
    thread::scope(|scope| {
        let waiting = scope.spawn(|| shop.query(account, sql));
        let since = Instant::now();
        loop {
            if let Some(request) = shop.json(&["approvals", "list", "--json"]).as_array().unwrap().first() {
                review(request["id"].as_str().unwrap());
                break;
            }
            assert!(!waiting.is_finished() && since.elapsed() < HOLD_LIMIT, "the statement does not wait");
        }
        waiting.join().unwrap()
    })
}

/// Decides as an account of [`ACCOUNTS`], its secret on standard input.
fn decide(shop: &Shop, decision: &str, id: &str, account: &str, because: &str) -> Ran {
    let secret = ACCOUNTS.iter().find(|(name, _, _)| *name == account).map_or("", |(_, _, secret)| secret);
    let arguments = ["approvals", decision, id, "--because", because, "--account", account, "--secret-file", "-"];
    shop.gateway.command(&arguments, secret).unwrap()
}

#[test]
fn another_one_with_the_role_approves_and_the_statement_runs_where_it_waited() -> Result<(), Error> {
    let shop = Shop::open()?;
    let ran = held(&shop, "agent", "UPDATE orders SET status = 'open' RETURNING 'ran'", |id| {
        let shown = shop.json(&["approvals", "show", id, "--json"]);
        assert_eq!(shown["request"]["rule"], "bulk changes need a reviewer");
        assert_eq!(shown["request"]["principal"]["subject"], "agent");
        let words = shop.run(&["approvals", "show", id]).stdout;
        assert!(words.contains("UPDATE orders SET") && words.contains("public.orders"), "{words}");
        assert!(shop.run(&["approvals", "list"]).stdout.contains(id));
        assert!(shop.json(&["approvals", "list", "--subject", "dba", "--json"]).as_array().unwrap().is_empty());
        let approved = decide(&shop, "approve", id, "reviewer", "agreed with the shop");
        assert_eq!((approved.code, approved.stdout), (Some(0), format!("{id} is approved by reviewer\n")));
        assert_refused(&decide(&shop, "deny", id, "boss", "too late"), 1, &["approved already"]);
    })?;
    assert!(ran.ok()?.stdout.starts_with("ran\n"));
    assert_eq!(shop.query("agent", "SELECT count(*) FROM orders WHERE status = 'open'")?.ok()?.stdout, "600\n");
    let logged = &shop.json_lines(&["log", "search", "--verdict", "approve", "--json"])[0];
    let hold = &logged["hold"];
    assert_eq!((&hold["ruling"], &hold["reviewer"]["subject"]), (&"approved".into(), &"reviewer".into()));
    assert_eq!((&hold["because"], &logged["status"]), (&"agreed with the shop".into(), &"ok".into()));
    Ok(())
}

#[test]
fn a_denial_reaches_whoever_waits_with_its_reason() -> Result<(), Error> {
    let shop = Shop::open()?;
    let ran = held(&shop, "agent", "DELETE FROM order_items", |id| {
        assert_eq!(decide(&shop, "deny", id, "boss", "name the orders").code, Some(0));
    })?;
    assert_ne!(ran.code, Some(0));
    assert!(ran.stderr.contains("name the orders"), "{ran:?}");
    assert_eq!(shop.query("agent", "SELECT count(*) FROM order_items")?.ok()?.stdout, "1200\n");
    Ok(())
}

#[test]
fn nobody_decides_without_right_secret_role_reason_and_distance() -> Result<(), Error> {
    let shop = Shop::open()?;
    let ran = held(&shop, "agent", "DROP TABLE order_items", |id| {
        assert_refused(&decide(&shop, "approve", id, "agent", "mine"), 1, &["agent", "another reviewer"]);
        assert_refused(&decide(&shop, "approve", id, "dba", "no role"), 1, &["dba", "reviewer"]);
        assert_refused(&decide(&shop, "approve", id, "stranger", "who"), 2, &["empty"]);
        assert_refused(&decide(&shop, "approve", id, "boss", ""), 2, &[]);
        let arguments = ["approvals", "approve", id, "--because", "x", "--account", "boss", "--secret-file", "-"];
        let wrong = shop.gateway.command(&arguments, "not the secret").unwrap();
        assert_refused(&wrong, 1, &["the account or its secret is wrong"]);
        assert_refused(&decide(&shop, "approve", "h-none", "boss", "x"), 1, &["h-none"]);
        assert_refused(&shop.run(&["approvals", "show", "h-none"]), 1, &["h-none", "approvals list"]);
        let unasked = shop.run(&["approvals", "approve", id, "--because", "x", "--account", "boss"]);
        assert_refused(&unasked, 2, &["--secret-file"]);
        let list: Value = shop.json(&["approvals", "list", "--json"]);
        assert_eq!(list[0]["id"].as_str(), Some(id), "a refused decision ended the wait: {list}");
        assert_eq!(decide(&shop, "deny", id, "boss", "enough").code, Some(0));
    })?;
    assert_ne!(ran.code, Some(0));
    assert_eq!(shop.query("agent", "SELECT count(*) FROM order_items")?.ok()?.stdout, "1200\n");
    Ok(())
}

#[test]
fn the_account_may_come_from_the_environment() -> Result<(), Error> {
    let shop = Shop::with(|setup| setup.environment("QUERYGATE_ACCOUNT", "boss"))?;
    held(&shop, "agent", "DELETE FROM order_items", |id| {
        let arguments = ["approvals", "deny", id, "--because", "no", "--secret-file", "-"];
        let denied = shop.gateway.command(&arguments, "boss-secret").unwrap();
        assert_eq!(denied.stdout, format!("{id} is denied by boss\n"), "{denied:?}");
    })?;
    Ok(())
}
