//! Policies and accounts change under running sessions: all of it or nothing.

use std::fs;

use querygate_testkit::{Error, wire};

use crate::stage::{POLICY, Stage, code, eventually, rows, words};

fn put(stage: &Stage, policy: &str) {
    fs::write(stage.gateway.policy("shop"), policy).unwrap();
}

#[test]
fn a_reload_drops_no_session_and_the_next_statement_is_judged_by_the_new_policy() -> Result<(), Error> {
    let stage = Stage::open()?;
    let mut agent = stage.client("agent")?;
    agent.query("BEGIN")?;
    agent.query("INSERT INTO done VALUES (1)")?;
    assert_eq!(rows(&agent.query("SELECT ssn FROM customers WHERE id = 1")?), "*******0001");
    put(&stage, &POLICY.replace("mask.ssn = { keep_last = 4 }", "mask.ssn = { fixed = \"gone\" }"));
    stage.gateway.command(&["reload"], "")?.ok()?;
    assert_eq!(rows(&agent.query("SELECT ssn FROM customers WHERE id = 1")?), "gone");
    assert_eq!(code(&agent.query("COMMIT")?), "");
    assert_eq!(stage.truth("SELECT count(*) FROM done"), "1");
    let loads =
        stage.log().into_iter().filter(|row| row["kind"] == "loaded" || !row["event"]["loaded"].is_null()).count();
    assert!(loads >= 2, "the log has the start and the reload");
    Ok(())
}

#[test]
fn what_was_prepared_under_the_old_policy_is_judged_anew_when_it_is_bound() -> Result<(), Error> {
    let stage = Stage::open()?;
    let mut agent = stage.client("agent")?;
    let parse = wire::message(b'P', b"kept\0SELECT ssn FROM customers WHERE id = 1\0\0\0");
    let run =
        [wire::message(b'B', b"\0kept\0\0\0\0\0\0\0"), wire::message(b'E', b"\0\0\0\0\0"), wire::message(b'S', b"")]
            .concat();
    agent.send(&[parse, run.clone()].concat())?;
    assert_eq!(rows(&agent.read_until(b'Z')?), "*******0001");
    put(&stage, &POLICY.replace("mask.ssn = { keep_last = 4 }", "mask.ssn = \"redact\""));
    stage.gateway.command(&["reload"], "")?.ok()?;
    agent.send(&run)?;
    let answer = agent.read_until(b'Z')?;
    assert!(!rows(&answer).contains("0001"), "{} {}", rows(&answer), words(&answer));
    Ok(())
}

#[test]
fn a_broken_policy_changes_nothing_and_says_where() -> Result<(), Error> {
    let stage = Stage::open()?;
    let mut agent = stage.client("agent")?;
    for broken in ["mask.ssn = \"redacted\"", "mask.ssn = ", "msk.ssn = \"redact\""] {
        put(&stage, &POLICY.replace("mask.ssn = { keep_last = 4 }", broken));
        let refused = stage.gateway.command(&["reload"], "")?;
        assert_ne!(refused.code, Some(0));
        assert!(refused.stderr.contains("shop.toml"), "{}", refused.stderr);
        assert_eq!(rows(&agent.query("SELECT ssn FROM customers WHERE id = 1")?), "*******0001");
        assert_eq!(rows(&stage.client("agent")?.query("SELECT ssn FROM customers WHERE id = 2")?), "*******0002");
    }
    // A change that is sound beside one that is not does not count either.
    put(&stage, &POLICY.replace("mask.ssn = { keep_last = 4 }", "mask.ssn = \"redact\""));
    let configuration = stage.gateway.folder().join("querygate.toml");
    let kept = fs::read_to_string(&configuration).unwrap();
    fs::write(&configuration, format!("{kept}\nno_such_table = 1\n")).unwrap();
    assert_ne!(stage.gateway.command(&["reload"], "")?.code, Some(0));
    assert_eq!(rows(&agent.query("SELECT ssn FROM customers WHERE id = 1")?), "*******0001");
    fs::write(&configuration, kept).unwrap();
    stage.gateway.command(&["reload"], "")?.ok()?;
    assert_ne!(rows(&agent.query("SELECT ssn FROM customers WHERE id = 1")?), "*******0001");
    Ok(())
}

#[test]
fn who_may_not_open_the_database_any_more_is_ended_and_nobody_else() -> Result<(), Error> {
    let stage = Stage::open()?;
    let mut agent = stage.client("agent")?;
    let mut dba = stage.client("dba")?;
    put(&stage, &POLICY.replace("connect = [\"agent\", \"dba\"]", "connect = [\"dba\"]"));
    stage.gateway.command(&["reload"], "")?.ok()?;
    assert_eq!(code(&agent.read_to_end()?), "57P01");
    assert!(stage.client("agent").is_err());
    assert_eq!(rows(&dba.query("SELECT id FROM orders WHERE id = 1")?), "1");
    Ok(())
}

#[test]
fn sighup_reloads_as_the_command_does() -> Result<(), Error> {
    let stage = Stage::open()?;
    let mut agent = stage.client("agent")?;
    put(&stage, &POLICY.replace("mask.ssn = { keep_last = 4 }", "mask.ssn = { fixed = \"gone\" }"));
    stage.gateway.reload()?;
    eventually("the reload", || {
        agent.query("SELECT ssn FROM customers WHERE id = 1").is_ok_and(|answer| rows(&answer) == "gone")
    });
    Ok(())
}
