//! The gateway is killed at random moments while clients write. Each of their statements leaves its number in a table: the server's own
//! evidence of what it executed.

use std::{
    collections::HashSet,
    env,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use querygate_testkit::{Error, Target, wire::RawClient};

use crate::stage::{POLICY, Stage, eventually, extended, secret};

const CLIENTS: u64 = 6;
/// Statements that are answered before a kill, at most.
const ANSWERED_MAX: u64 = 150;

/// How often the gateway is killed: `cargo xtask test` runs all, and less where it is to be quick.
fn kills(whole: u64, quick: u64) -> u64 {
    if env::var("QUERYGATE_TEST").is_ok_and(|how| how == "whole") { whole } else { quick }
}

#[test]
fn balanced_no_statement_that_ran_is_missing_after_kill_9() -> Result<(), Error> {
    kill_again_and_again("balanced", kills(20, 2))
}

#[test]
fn strict_no_statement_that_ran_is_missing_after_kill_9() -> Result<(), Error> {
    kill_again_and_again("strict", kills(15, 1))
}

#[test]
fn process_no_statement_that_ran_is_missing_after_kill_9() -> Result<(), Error> {
    kill_again_and_again("process", kills(15, 2))
}

fn kill_again_and_again(durability: &str, times: u64) -> Result<(), Error> {
    let log = format!("[log]\ndurability = \"{durability}\"");
    let mut stage = Stage::with(POLICY, |setup| setup.tables(&log))?;
    let mut random = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_nanos() as u64);
    for round in 0..times {
        let answered = AtomicU64::new(0);
        // Numerical Recipes' linear congruential generator: any moment will do.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let after = 20 + (random >> 33) % ANSWERED_MAX;
        let target = stage.gateway.login("agent", &secret("agent"), "shop");
        thread::scope(|scope| -> Result<(), Error> {
            for worker in 0..CLIENTS {
                let (answered, target) = (&answered, &target);
                let first = (round * CLIENTS + worker) * 1_000_000;
                scope.spawn(move || write_until_it_ends(target, first, answered));
            }
            eventually("work", || answered.load(Ordering::Relaxed) >= after);
            thread::sleep(Duration::from_micros((random >> 20) % 5_000));
            stage.gateway.kill9()
        })?;
        // What the server was still doing for the dead gateway counts, too.
        eventually("the end of the server's sessions", || {
            stage.truth(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
            ) == "0"
        });
        stage.gateway.resume()?;
    }
    let logged: HashSet<String> = stage.log().iter().filter_map(number).collect();
    let executed = stage.truth("SELECT number FROM done");
    let missing: Vec<&str> = executed.lines().filter(|number| !logged.contains(*number)).collect();
    assert!(missing.is_empty(), "{durability}: the server executed what the log does not know: {missing:?}");
    assert!(executed.lines().count() as u64 >= times * 20, "there was no work");
    let unknown = stage.statements("INSERT INTO done").iter().filter(|row| row["status"] == "outcome unknown").count();
    assert!(unknown > 0, "{durability}: no kill came between a statement's begin and its end, so nothing was tested");
    stage.verify();
    Ok(())
}

/// Every other client binds its numbers, the others write them into the text.
fn write_until_it_ends(target: &Target, first: u64, answered: &AtomicU64) {
    let Ok(mut client) = RawClient::login(target) else { return };
    for number in first.. {
        let value = number.to_string();
        let bytes = if first.is_multiple_of(2_000_000) {
            extended("INSERT INTO done VALUES ($1)", &[value.as_bytes()])
        } else {
            querygate_testkit::wire::query(&format!("INSERT INTO done VALUES ({value})"))
        };
        if client.send(&bytes).is_err() || client.read_until(b'Z').is_err() {
            return;
        }
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// The number that a statement of the log was to write.
fn number(row: &serde_json::Value) -> Option<String> {
    let text = row["text"].as_str()?;
    let value = text.strip_prefix("INSERT INTO done VALUES (")?.strip_suffix(')')?;
    if value == "$1" { row["values"][0].as_str().map(str::to_owned) } else { Some(value.to_owned()) }
}
