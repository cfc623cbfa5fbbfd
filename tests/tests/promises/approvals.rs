//! Statements that wait for a reviewer, and every way in which their wait ends.

use std::thread;

use querygate_testkit::{Error, wire};

use crate::stage::{POLICY, Stage, ask, code, extended, words};

const BULK: &str = "UPDATE orders SET status = 'sold'";

fn sold(stage: &Stage) -> String {
    stage.truth("SELECT count(*) FROM orders WHERE status = 'sold'")
}

#[test]
fn an_approval_lets_exactly_that_statement_with_exactly_those_values_run_once() -> Result<(), Error> {
    let stage = Stage::open()?;
    let mut agent = stage.client("agent")?;
    let marked = |value: &str| extended("UPDATE orders SET status = $1", &[value.as_bytes()]);
    let first = ask(&mut agent, &marked("first"))?;
    let shown = stage.gateway.command(&["approvals", "show", &first, "--json"], "")?.ok()?.stdout;
    assert!(shown.contains("first"), "a reviewer sees the values: {shown}");
    stage.decide("approve", &first, "boss").ok()?;
    assert_eq!(code(&agent.read_until(b'Z')?), "");
    assert_eq!(stage.truth("SELECT DISTINCT status FROM orders"), "first");
    // The same statement and another value: each is asked about anew.
    for value in ["first", "second"] {
        let next = ask(&mut agent, &marked(value))?;
        assert_ne!(next, first);
        stage.decide("deny", &next, "boss").ok()?;
        let denied = agent.read_until(b'Z')?;
        assert_eq!(code(&denied), "42501");
        assert!(words(&denied).contains("so be it"), "{}", words(&denied));
    }
    assert_eq!(stage.truth("SELECT DISTINCT status FROM orders"), "first");
    Ok(())
}

#[test]
fn the_notice_says_who_may_decide_and_how() -> Result<(), Error> {
    let stage = Stage::open()?;
    let mut agent = stage.client("agent")?;
    agent.send(&wire::query(BULK))?;
    let notice = agent.read_until(b'N')?.pop().unwrap();
    assert_eq!(notice.field(b'S').as_deref(), Some("NOTICE"));
    let id = notice.field(b'M').unwrap().strip_prefix("waiting for approval: request ").unwrap().to_owned();
    let hint = notice.field(b'H').unwrap();
    assert!(hint.contains("reviewer") && hint.contains("querygate approvals approve"), "{hint}");
    stage.decide("deny", &id, "boss").ok()?;
    agent.read_until(b'Z').map(drop)
}

#[test]
fn nobody_reviews_for_himself_or_without_the_role() -> Result<(), Error> {
    let stage = Stage::open()?;
    let mut agent = stage.client("agent")?;
    let id = ask(&mut agent, &wire::query(BULK))?;
    for account in ["agent", "dba", "other"] {
        assert_eq!(stage.decide("approve", &id, account).code, Some(1), "{account}");
    }
    assert_eq!(sold(&stage), "0");
    stage.decide("approve", &id, "chief").ok()?;
    assert_eq!(code(&agent.read_until(b'Z')?), "");
    assert_eq!(sold(&stage), "10");
    Ok(())
}

#[test]
fn a_reviewer_does_not_approve_what_he_asked_for_himself() -> Result<(), Error> {
    let policy = POLICY.replace("connect = [", "connect = [\"reviewer\", ");
    let stage = Stage::with(&policy, |setup| setup)?;
    let mut boss = stage.client("boss")?;
    let id = ask(&mut boss, &wire::query(BULK))?;
    assert_eq!(stage.decide("approve", &id, "boss").code, Some(1));
    assert_eq!(sold(&stage), "0");
    stage.decide("approve", &id, "chief").ok()?;
    assert_eq!(code(&boss.read_until(b'Z')?), "");
    Ok(())
}

#[test]
fn of_two_reviewers_at_once_one_decides() -> Result<(), Error> {
    let stage = Stage::open()?;
    let mut agent = stage.client("agent")?;
    let id = ask(&mut agent, &wire::query(BULK))?;
    let (yes, no) = thread::scope(|scope| {
        let yes = scope.spawn(|| stage.decide("approve", &id, "boss"));
        let no = scope.spawn(|| stage.decide("deny", &id, "chief"));
        (yes.join().unwrap(), no.join().unwrap())
    });
    let ran = code(&agent.read_until(b'Z')?).is_empty();
    assert_eq!((yes.code == Some(0), no.code == Some(0)), (ran, !ran), "{yes:?} {no:?}");
    assert_eq!(sold(&stage), if ran { "10" } else { "0" });
    Ok(())
}

#[test]
fn a_wait_that_nobody_ends_expires() -> Result<(), Error> {
    let policy = format!("expires = \"1s\"\n{POLICY}");
    let stage = Stage::with(&policy, |setup| setup)?;
    let mut agent = stage.client("agent")?;
    let id = ask(&mut agent, &wire::query(BULK))?;
    let expired = agent.read_until(b'Z')?;
    assert_eq!((code(&expired), words(&expired)), ("57014".to_owned(), "approval timed out".to_owned()));
    assert_eq!(stage.decide("approve", &id, "boss").code, Some(1), "an approval came too late and counted");
    assert_eq!(sold(&stage), "0");
    assert_eq!(stage.statements(BULK)[0]["hold"]["ruling"], "expired");
    assert_eq!(wire::tags(&agent.query("SELECT id FROM orders WHERE id = 1")?), "TDCZ", "the session goes on");
    Ok(())
}

#[test]
fn a_client_that_goes_away_takes_its_request_back() -> Result<(), Error> {
    let stage = Stage::open()?;
    let mut agent = stage.client("agent")?;
    let id = ask(&mut agent, &wire::query(BULK))?;
    drop(agent);
    crate::stage::eventually("the request's end", || {
        stage.gateway.command(&["approvals", "list", "--json"], "").is_ok_and(|ran| ran.stdout.trim() == "[]")
    });
    assert_eq!(stage.decide("approve", &id, "boss").code, Some(1));
    assert_eq!(sold(&stage), "0");
    assert_eq!(stage.statements(BULK)[0]["hold"]["ruling"], "disconnected");
    Ok(())
}

#[test]
fn a_request_does_not_survive_the_gateway_and_the_log_says_so() -> Result<(), Error> {
    let mut stage = Stage::open()?;
    let mut agent = stage.client("agent")?;
    let id = ask(&mut agent, &wire::query(BULK))?;
    stage.gateway.kill9()?;
    assert!(agent.read_to_end()?.is_empty());
    stage.gateway.resume()?;
    assert_eq!(stage.decide("approve", &id, "boss").code, Some(1));
    let row = &stage.statements(BULK)[0];
    assert_eq!(row["hold"]["id"], id.as_str());
    assert_ne!(row["status"], "held", "nobody waits any more: {row}");
    assert_ne!(row["hold"]["ruling"], "approved");
    assert_eq!(sold(&stage), "0");
    Ok(())
}

#[test]
fn inside_a_transaction_nothing_waits_unless_the_policy_allows_it() -> Result<(), Error> {
    let stage = Stage::open()?;
    let mut agent = stage.client("agent")?;
    agent.query("BEGIN")?;
    agent.query("INSERT INTO done VALUES (1)")?;
    let refused = agent.query(BULK)?;
    assert_eq!(code(&refused), "42501");
    assert_eq!(refused.last().unwrap().body, b"T", "the transaction stays open and usable");
    agent.query("COMMIT")?;
    assert_eq!((stage.truth("SELECT count(*) FROM done"), sold(&stage)), ("1".to_owned(), "0".to_owned()));

    let policy = format!("hold_in_transaction = \"50s\"\n{POLICY}");
    let stage = Stage::with(&policy, |setup| setup)?;
    let mut agent = stage.client("agent")?;
    agent.query("BEGIN")?;
    agent.query("INSERT INTO done VALUES (1)")?;
    let id = ask(&mut agent, &wire::query(BULK))?;
    stage.decide("approve", &id, "boss").ok()?;
    agent.read_until(b'Z')?;
    assert_eq!(sold(&stage), "0", "not committed yet");
    agent.query("COMMIT")?;
    assert_eq!(sold(&stage), "10");
    Ok(())
}

#[test]
fn what_waits_is_judged_anew_when_policies_change() -> Result<(), Error> {
    let stage = Stage::open()?;
    let mut agent = stage.client("agent")?;
    let id = ask(&mut agent, &wire::query(BULK))?;
    let block = format!(
        "{POLICY}\n[[rule]]\nname = \"frozen\"\nroles = [\"agent\"]\nmatch = {{ effects = [\"update\"] }}\naction = \"block\"\nreason = \"orders are frozen\"\n"
    );
    std::fs::write(stage.gateway.policy("shop"), block).unwrap();
    stage.gateway.command(&["reload"], "")?.ok()?;
    // Whether the request ended already or an approval of it comes: the new policy decides.
    stage.decide("approve", &id, "boss");
    let refused = agent.read_until(b'Z')?;
    assert_eq!(code(&refused), "42501");
    assert!(words(&refused).contains("orders are frozen"), "{}", words(&refused));
    assert_eq!(sold(&stage), "0");
    Ok(())
}
