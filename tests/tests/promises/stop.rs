//! An orderly stop: what runs may finish, who idles is told, and the log is closed.

use std::thread;

use querygate_testkit::{Error, wire};

use crate::stage::{POLICY, Stage, address, code, eventually, rows};

#[test]
fn a_running_statement_finishes_and_an_idle_session_is_told() -> Result<(), Error> {
    let mut stage = Stage::open()?;
    let mut idle = stage.client("agent")?;
    let mut busy = stage.client("dba")?;
    let mut opened = stage.client("agent")?;
    opened.query("BEGIN")?;
    // Busy until the lock is free.
    let mut holder = wire::RawClient::login(&stage.server.admin(&stage.database))?;
    holder.query("BEGIN; LOCK TABLE orders")?;
    busy.send(&wire::query("UPDATE orders SET status = 'late' WHERE id = 1"))?;
    eventually("the wait for the lock", || {
        stage.truth("SELECT count(*) FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")
            == "1"
    });
    let Stage { gateway, .. } = &mut stage;
    let ended = thread::scope(|scope| -> Result<_, Error> {
        let stopping = scope.spawn(|| gateway.stop());
        assert_eq!(code(&idle.read_to_end()?), "57P01");
        assert!(!stopping.is_finished(), "it did not wait for what runs");
        assert_eq!(code(&opened.query("SELECT number FROM done")?), "", "an open transaction goes on");
        opened.query("COMMIT")?;
        assert_eq!(code(&opened.read_to_end()?), "57P01");
        holder.query("ROLLBACK")?;
        assert_eq!(code(&busy.read_until(b'Z')?), "", "what ran was cut off");
        stopping.join().unwrap()
    })?;
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
    assert_eq!(stage.truth("SELECT status FROM orders WHERE id = 1"), "late");
    assert_eq!(stage.statements("'late'")[0]["status"], "ok");
    stage.verify();
    Ok(())
}

#[test]
fn the_time_for_draining_is_bounded() -> Result<(), Error> {
    let mut stage = Stage::with(POLICY, |setup| setup.listen("tls = \"off\"\ndrain = \"1s\""))?;
    let mut busy = stage.client("dba")?;
    busy.send(&wire::query("SELECT pg_sleep(1000)"))?;
    eventually("the statement", || {
        stage.truth(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'",
        ) == "1"
    });
    let ended = stage.gateway.stop()?;
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
    assert_eq!(code(&busy.read_to_end()?), "57P01");
    stage.verify();
    Ok(())
}

#[test]
fn after_a_stop_it_starts_again_and_nothing_of_the_log_is_unsigned() -> Result<(), Error> {
    let mut stage = Stage::open()?;
    assert_eq!(rows(&stage.client("agent")?.query("SELECT id FROM orders WHERE id = 4")?), "4");
    stage.gateway.stop()?;
    assert!(wire::RawClient::connect(address(stage.gateway.address().port())).is_err(), "a stopped gateway listens");
    assert_eq!(stage.statements("WHERE id = 4")[0]["status"], "ok", "the log is readable when nothing runs");
    stage.verify();
    stage.gateway.resume()?;
    assert_eq!(rows(&stage.client("agent")?.query("SELECT id FROM orders WHERE id = 5")?), "5");
    stage.verify();
    Ok(())
}
