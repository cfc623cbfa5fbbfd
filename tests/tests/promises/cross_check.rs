//! The second net: where analysis has a wrong picture of the database, the server's own description of the result stops the leak.

use querygate_testkit::{Error, wire};

use crate::stage::{POLICY, Stage, code, eventually, extended, rows, words};

/// After the gateway has read the catalog, two columns exchange their names behind its back: what it takes for the clear one is the masked one.
fn deceived() -> Result<Stage, Error> {
    let stage = Stage::with(POLICY, |setup| setup.tables("catalog_refresh = \"1h\""))?;
    let mut agent = stage.client("agent")?;
    assert_eq!(rows(&agent.query("SELECT full_name, ssn FROM customers WHERE id = 1")?), "Name 1 *******0001");
    stage.server.script(
        &stage.database,
        "ALTER TABLE customers RENAME ssn TO swapped; ALTER TABLE customers RENAME full_name TO ssn; \
         ALTER TABLE customers RENAME swapped TO full_name;",
    )?;
    Ok(stage)
}

fn caught(stage: &Stage, bytes: &[u8]) -> Result<(), Error> {
    let mut agent = stage.client("agent")?;
    let alarms = stage.metric("querygate_alarms_total");
    agent.send(bytes)?;
    let answer = agent.read_to_end()?;
    assert!(!wire::tags(&answer).contains(['T', 'D', 'd']), "something of the result passed: {}", wire::tags(&answer));
    assert!(answer.iter().all(|frame| !frame.body.windows(7).any(|part| part == b"900-00-")));
    assert_eq!(code(&answer), "XX000");
    assert!(words(&answer).contains("alarm"), "{}", words(&answer));
    assert!(stage.metric("querygate_alarms_total") > alarms);
    let raised = stage.log().into_iter().any(|row| row["event"]["alarm"] == "cross_check");
    assert!(raised, "no alarm is in the log: {:?}", stage.log().last());
    stage.verify();
    Ok(())
}

#[test]
fn a_wrong_plan_ends_the_session_before_a_row_passes() -> Result<(), Error> {
    let stage = deceived()?;
    caught(&stage, &wire::query("SELECT full_name FROM customers"))
}

#[test]
fn a_wrong_plan_ends_the_session_in_the_extended_protocol_too() -> Result<(), Error> {
    let stage = deceived()?;
    caught(&stage, &extended("SELECT full_name FROM customers WHERE id = $1", &[b"1"]))
}

#[test]
fn a_wrong_plan_ends_the_session_of_a_copy() -> Result<(), Error> {
    let stage = deceived()?;
    caught(&stage, &wire::query("COPY customers (full_name) TO STDOUT"))
}

#[test]
fn a_masked_column_that_is_renamed_is_never_shown_in_clear_and_an_alarm_says_so() -> Result<(), Error> {
    let stage = Stage::with(POLICY, |setup| setup.tables("catalog_refresh = \"100ms\""))?;
    let mut agent = stage.client("agent")?;
    assert_eq!(rows(&agent.query("SELECT ssn FROM customers WHERE id = 1")?), "*******0001");
    stage.server.script(&stage.database, "ALTER TABLE customers RENAME ssn TO number")?;
    eventually("the catalog's refresh", || {
        let answer = agent.query("SELECT number FROM customers WHERE id = 1").unwrap();
        assert!(!rows(&answer).contains("900-00-"), "the mask belongs to the column, not to its name");
        stage.log().iter().any(|row| row["event"]["alarm"] == "policy_binding")
    });
    let answer = agent.query("SELECT number FROM customers WHERE id = 1")?;
    assert!(!rows(&answer).contains("900-00-"));
    Ok(())
}
