//! What is counted, and when the gateway says that it is ready.

use querygate_testkit::{Error, wire};

use crate::stage::{Stage, ask, eventually};

#[test]
fn counters_move_with_what_happens() -> Result<(), Error> {
    let stage = Stage::open()?;
    let allowed = "querygate_statements_total{effect=\"read\",verdict=\"allow\"}";
    let blocked = "querygate_statements_total{effect=\"privilege\",verdict=\"block\"}";
    assert_eq!(stage.metric("querygate_sessions"), 0.0);
    let mut agent = stage.client("agent")?;
    assert_eq!(stage.metric("querygate_sessions"), 1.0);
    agent.query("SELECT email, ssn FROM customers WHERE id < 4")?;
    agent.query("GRANT ALL ON customers TO PUBLIC")?;
    assert_eq!(stage.metric(allowed), 1.0);
    assert_eq!(stage.metric(blocked), 1.0);
    eventually("the count of masked fields", || stage.metric("querygate_masked_fields_total") == 6.0);
    assert!(stage.metric("querygate_added_seconds_count") >= 2.0);
    assert!(stage.gateway.login("agent", "wrong", "shop").psql(&["-c", "SELECT 1"], "")?.code != Some(0));
    assert_eq!(stage.metric("querygate_refused_logins_total"), 1.0);
    let id = ask(&mut agent, &wire::query("DELETE FROM orders"))?;
    assert_eq!(stage.metric("querygate_held_statements"), 1.0);
    stage.decide("deny", &id, "boss").ok()?;
    agent.read_until(b'Z')?;
    assert_eq!(stage.metric("querygate_held_statements"), 0.0);
    drop(agent);
    eventually("the session's end", || stage.metric("querygate_sessions") == 0.0);
    Ok(())
}

#[test]
fn no_label_holds_data_or_a_name() -> Result<(), Error> {
    let stage = Stage::open()?;
    let mut agent = stage.client("agent")?;
    agent.query("SELECT ssn FROM customers WHERE id = 1")?;
    agent.query("SELECT full_name FROM customers WHERE full_name = 'Name 1'")?;
    let page = stage.gateway.page("/metrics")?.1;
    for name in ["customers", "Name 1", "900-00", "agent"] {
        assert!(!page.contains(name), "{name} is on the page");
    }
    Ok(())
}

#[test]
fn health_and_readiness_are_told_apart() -> Result<(), Error> {
    let stage = Stage::open()?;
    assert_eq!(stage.gateway.page("/healthz")?.0, 200);
    assert_eq!(stage.gateway.page("/readyz")?.0, 200);
    assert_eq!(stage.gateway.page("/nothing")?.0, 404);
    Ok(())
}
