//! `status`, `reload`, `session`: commands for the gateway that runs.

use std::fs;

use querygate_testkit::Error;

use crate::shop::{POLICY, Shop, assert_refused};

#[test]
fn status_says_whether_it_is_ready_and_what_it_serves() -> Result<(), Error> {
    let shop = Shop::open()?;
    let status = shop.json(&["status", "--json"]);
    assert_eq!(status["not_ready"], serde_json::Value::Null);
    assert_eq!((&status["databases"][0]["name"], &status["sessions"]), (&"shop".into(), &0.into()));
    assert!(shop.run(&["status"]).stdout.contains("shop"));
    Ok(())
}

#[test]
fn commands_for_a_running_gateway_say_that_none_runs_and_how_to_start_it() -> Result<(), Error> {
    let mut shop = Shop::open()?;
    shop.gateway.stop()?;
    let ruling = ["approvals", "deny", "h-1", "--because", "no", "--account", "boss", "--secret-file", "boss.scram"];
    for command in [&["status"][..], &["reload"], &["session", "list"], &["approvals", "list"], &ruling] {
        assert_refused(&shop.run(command), 2, &["no gateway runs", "querygate serve"]);
    }
    Ok(())
}

#[test]
fn reload_takes_all_or_nothing() -> Result<(), Error> {
    let shop = Shop::open()?;
    let before = shop.json(&["status", "--json"])["policy"].clone();
    assert!(!shop.query("agent", "SELECT email FROM customers WHERE id = 1")?.ok()?.stdout.contains("example"));
    fs::write(shop.gateway.policy("shop"), format!("{POLICY}\nnonsense = 1\n")).unwrap();
    assert_refused(&shop.run(&["reload"]), 2, &["nonsense", "everything stays as it was"]);
    assert_eq!(shop.json(&["status", "--json"])["policy"], before);
    fs::write(shop.gateway.policy("shop"), POLICY.replace("mask.email       = \"email\"", "mask.email = \"redact\""))
        .unwrap();
    let reloaded = shop.json(&["reload", "--json"]);
    assert_ne!(reloaded["policy"], before);
    assert_eq!(reloaded["changes"][0], "policies");
    assert_eq!(shop.query("agent", "SELECT email FROM customers WHERE id = 1")?.ok()?.stdout, "[redacted]\n");
    Ok(())
}

#[tokio::test]
async fn an_open_session_is_listed_and_can_be_ended() -> Result<(), Error> {
    let shop = Shop::open()?;
    let client = shop.login("agent").connect().await?;
    client.batch_execute("BEGIN").await?;
    let sessions = shop.json(&["session", "list", "--json"]);
    assert_eq!(sessions.as_array().unwrap().len(), 1, "{sessions}");
    let session = &sessions[0];
    assert_eq!((&session["principal"]["subject"], &session["database"]), (&"agent".into(), &"shop".into()));
    assert_eq!(session["state"], "idle in transaction");
    let id = session["id"].as_str().unwrap();
    assert!(shop.run(&["session", "list"]).stdout.contains(id));
    assert_eq!(shop.run(&["session", "kill", id]).code, Some(0));
    assert!(client.batch_execute("SELECT 1").await.is_err(), "the session goes on");
    assert_refused(&shop.run(&["session", "kill", id]), 1, &["no session", "session list"]);
    assert_refused(&shop.run(&["session", "kill", "not-an-id"]), 2, &["not-an-id"]);
    Ok(())
}
