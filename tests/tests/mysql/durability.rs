//! The gateway is killed at random moments while clients write. Each of their statements leaves its number in a table: the server's own evidence of
//! what it executed.

use std::{
    collections::HashSet,
    env, thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use querygate_testkit::mysql::Flavor;
use serde_json::Value;

use crate::shop::Shop;

const CLIENTS: u64 = 4;
/// Statements of one client, far more than it gets to.
const STATEMENTS: u64 = 20_000;
/// Statements before a kill, at least.
const DONE_MIN: u64 = 50;
const LIMIT: Duration = Duration::from_secs(60);

/// How often the gateway is killed: `cargo xtask test` runs all, and less where it is to be quick.
fn kills() -> u64 {
    if env::var("QUERYGATE_TEST").is_ok_and(|how| how == "whole") { 8 } else { 2 }
}

#[test]
fn mysql_has_executed_nothing_that_the_log_does_not_know_after_kill_9() {
    kill_again_and_again(Flavor::Mysql);
}

#[test]
fn mariadb_has_executed_nothing_that_the_log_does_not_know_after_kill_9() {
    kill_again_and_again(Flavor::Mariadb);
}

fn truth(shop: &Shop, sql: &str) -> Vec<String> {
    let ran = shop.direct().with(&["--skip-column-names"], sql).unwrap().ok().unwrap();
    ran.stdout.lines().map(str::to_owned).collect()
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < deadline, "{what} did not come");
        thread::sleep(Duration::from_millis(10));
    }
}

fn kill_again_and_again(flavor: Flavor) {
    let mut shop = Shop::open(flavor);
    shop.server.script(&shop.database, "CREATE TABLE done (number BIGINT PRIMARY KEY)").unwrap();
    let mut random = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_nanos() as u64);
    for round in 0..kills() {
        let before = truth(&shop, "SELECT COUNT(*) FROM done")[0].parse::<u64>().unwrap();
        let login = shop.dba();
        thread::scope(|scope| {
            for client in 0..CLIENTS {
                let first = (round * CLIENTS + client) * STATEMENTS;
                let statements = (first..first + STATEMENTS).map(|n| format!("INSERT INTO done VALUES ({n});\n"));
                let (login, script) = (login.clone(), statements.collect::<String>());
                // Its connection breaks.
                scope.spawn(move || login.run(&script).unwrap());
            }
            eventually("work", || {
                truth(&shop, "SELECT COUNT(*) FROM done")[0].parse::<u64>().unwrap() >= before + DONE_MIN
            });
            // Numerical Recipes' linear congruential generator: any moment will do.
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            thread::sleep(Duration::from_micros((random >> 33) % 20_000));
            shop.gateway.kill9().unwrap();
        });
        // What the server was still doing for the dead gateway counts, too.
        let others =
            "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()";
        eventually("the end of the server's sessions", || truth(&shop, others) == ["0"]);
        shop.gateway.resume().unwrap();
    }
    let exported = shop.gateway.command(&["log", "export"], "").unwrap().ok().unwrap().stdout;
    let rows: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let number = |row: &Value| {
        let text = row["text"].as_str()?.strip_prefix("INSERT INTO done VALUES (")?;
        text.strip_suffix(')').map(str::to_owned)
    };
    let logged: HashSet<String> = rows.iter().filter_map(number).collect();
    let executed = truth(&shop, "SELECT number FROM done");
    let missing: Vec<&String> = executed.iter().filter(|number| !logged.contains(*number)).collect();
    assert!(missing.is_empty(), "{flavor:?}: the server executed what the log does not know: {missing:?}");
    assert!(executed.len() as u64 >= kills() * DONE_MIN, "there was no work");
}
