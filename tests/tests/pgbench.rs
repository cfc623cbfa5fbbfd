//! pgbench in its three modes: no error, and every transaction in the log.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use querygate_testkit::Error;

mod shop;

use shop::Shop;

const CLIENTS: usize = 4;
const TRANSACTIONS: usize = 25;

#[test]
fn pgbench_runs_in_every_mode_and_every_statement_is_in_the_log() -> Result<(), Error> {
    let shop = Shop::shared()?;
    shop.dba().pgbench(&["-i", "-s", "1", "--quiet"])?.ok()?;
    assert_eq!(shop.truth("SELECT count(*), count(DISTINCT aid) FROM pgbench_accounts"), "100000|100000\n");
    let (clients, transactions) = (CLIENTS.to_string(), TRANSACTIONS.to_string());
    for (mode, target) in [("simple", shop.agent()), ("extended", shop.dba()), ("prepared", shop.agent())] {
        let ran = target.pgbench(&["-n", "-M", mode, "-c", &clients, "-j", "2", "-t", &transactions])?.ok()?;
        let all = format!("{}/{}", CLIENTS * TRANSACTIONS, CLIENTS * TRANSACTIONS);
        assert!(ran.stdout.contains(&format!("processed: {all}")), "{mode}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains("failed transactions: 0"), "{mode}: {}", ran.stdout);
        assert_eq!(ran.stderr.lines().filter(|line| line.contains("error")).count(), 0, "{mode}: {}", ran.stderr);
    }
    let done = 3 * CLIENTS * TRANSACTIONS;
    assert_eq!(shop.truth("SELECT count(*) FROM pgbench_history"), format!("{done}\n"));
    for text in [
        "UPDATE pgbench_accounts",
        "SELECT abalance",
        "UPDATE pgbench_tellers",
        "UPDATE pgbench_branches",
        "INSERT INTO pgbench_history",
    ] {
        let entries = shop.logged(text);
        assert_eq!(entries.len(), done, "{text}");
        assert!(entries.iter().all(|e| e["status"] == "ok" && e["rows"] == 1), "{text}");
    }
    assert_eq!(shop.logged("END;").len(), done);
    Ok(())
}
