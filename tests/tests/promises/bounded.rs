//! `bounded_by`: a table's own word for what a change of it must compare, in place of its keys.

use querygate_testkit::Error;

use crate::stage::{POLICY, Stage, ask, words};

const BY_STATUS: &str = "[table.\"public.orders\"]\nunlisted = \"clear\"\nbounded_by = [\"status\"]\n";

#[test]
fn a_change_is_bounded_by_the_columns_that_the_policy_names() -> Result<(), Error> {
    let stage = Stage::with(&format!("{POLICY}{BY_STATUS}"), |setup| setup)?;
    let agent = stage.login("agent");
    let run = |sql: &str| agent.psql(&["--no-align", "-c", sql], "");
    assert_eq!(run("UPDATE orders SET status = 'sold' WHERE status IN ('open', 'new')")?.ok()?.stdout, "UPDATE 10\n");
    let prepared = ["-c", "PREPARE s AS DELETE FROM orders WHERE status = $1", "-c", "EXECUTE s('none')"];
    assert_eq!(agent.psql(&prepared, "")?.ok()?.stdout, "PREPARE\nDELETE 0\n");

    // A key doesn't bound it any more: the statement waits, and the request says why.
    let mut client = stage.client("agent")?;
    let id = ask(&mut client, &querygate_testkit::wire::query("DELETE FROM orders WHERE id = 1"))?;
    stage.decide("deny", &id, "boss").ok()?;
    client.read_until(b'Z')?;
    let held = &stage.statements("DELETE FROM orders WHERE id")[0];
    assert_eq!(held["reason"], "DELETE is not bounded by status on public.orders");

    // Inside a transaction nothing waits, and psql shows what would pass.
    let refused = agent.psql(&[], "BEGIN;\nUPDATE orders SET id = 99 WHERE id = 1 OR status = 'sold';\nROLLBACK;\n")?;
    assert!(refused.stderr.contains("UPDATE is not bounded by status on public.orders"), "{}", refused.stderr);
    assert_eq!(stage.truth("SELECT count(*), min(status), max(status), max(id) FROM orders"), "10|sold|sold|10");
    Ok(())
}

#[test]
fn a_bound_that_the_table_does_not_have_is_named_and_bounds_nothing() -> Result<(), Error> {
    let stage = Stage::with(&format!("{POLICY}{}", BY_STATUS.replace("[\"status\"]", "[\"state\"]")), |setup| setup)?;
    let mut agent = stage.client("agent")?;
    agent.query("BEGIN")?;
    let refused = agent.query("DELETE FROM orders WHERE id = 1 AND status = 'open'")?;
    assert!(words(&refused).contains("not bounded by state on public.orders"), "{}", words(&refused));
    let check = stage.gateway.command(&["check"], "")?;
    assert!(format!("{}{}", check.stdout, check.stderr).contains("`bounded_by` names column \"state\""), "{check:?}");
    Ok(())
}
