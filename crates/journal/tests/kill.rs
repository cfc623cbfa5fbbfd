//! What was acknowledged survives `kill -9`, and the chains verify afterwards.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
};

use common::{Log, begin, end};
use querygate_journal::{Filter, Journal, Keys, Options, Reader, RowKind, verify};
use querygate_record::SessionId;
use rand::RngExt;
use uuid::Uuid;

const FOLDER: &str = "QUERYGATE_TEST_LOG";
const ROUNDS: usize = 5;

/// The victim: two chains in two threads; prints each statement that is acknowledged.
#[test]
#[ignore = "run by the test below in a process of its own"]
fn victim() {
    let folder = std::env::var(FOLDER).expect("started by the other test");
    let journal =
        Journal::open(folder.as_ref(), Options { loops: 2, ..Options::new(Keys::from_bytes(&[7; 32], &[8; 32])) })
            .unwrap();
    std::thread::scope(|scope| {
        for number in 0..2 {
            let journal = &journal;
            scope.spawn(move || {
                let mut chain = journal.chain_of_loop(number).unwrap();
                let session = SessionId(Uuid::now_v7());
                for number in 1.. {
                    begin(&mut chain, number as i64, session, number, &format!("SELECT {}", number % 50));
                    chain.flush().unwrap();
                    writeln!(std::io::stdout(), "ack {} {number}", session.0).unwrap();
                    chain.push(&end(number as i64, session, number, "ok", 1));
                }
            });
        }
    });
}

#[test]
fn nothing_acknowledged_is_missing_after_kill_9() {
    let log = Log::new();
    let mut acknowledged = Vec::new();
    let mut unknown = 0;
    for round in 1..=ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "victim", "--ignored", "--nocapture"])
            .env(FOLDER, log.folder())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut take = |line: String| {
            let words: Vec<_> = line.split(' ').collect();
            // A line may be cut off by the kill, or stand behind the test harness's own words.
            if let [.., "ack", session, number] = words[..]
                && let (Ok(session), Ok(number)) = (session.parse::<Uuid>(), number.parse::<u64>())
            {
                acknowledged.push((session, number));
            }
        };
        let wanted = rand::rng().random_range(50..3_000);
        lines.by_ref().take(wanted).for_each(&mut take);
        child.kill().unwrap();
        child.wait().unwrap();
        lines.for_each(&mut take);

        let report = verify(log.folder(), &[log.keys().public_key()], None).unwrap();
        assert_eq!(report.first_bad, None, "round {round}");
        let rows: Vec<_> =
            Reader::open(log.folder()).unwrap().search(&Filter::default()).unwrap().map(Result::unwrap).collect();
        let found: std::collections::HashSet<_> =
            rows.iter().filter(|r| r.kind == RowKind::Statement).map(|r| (r.session.unwrap().0, r.statement)).collect();
        let missing: Vec<_> = acknowledged.iter().filter(|ack| !found.contains(*ack)).collect();
        assert!(missing.is_empty(), "round {round}: {missing:?}");
        unknown += rows.iter().filter(|r| r.status() == querygate_journal::OUTCOME_UNKNOWN).count();
    }
    assert!(acknowledged.len() > 50 * ROUNDS, "{}", acknowledged.len());
    assert!(unknown > 0, "a kill left a begin without an end");
    let journal = log.open();
    assert!(journal.warnings().is_empty(), "{:?}", journal.warnings());
    journal.close().unwrap();
    let report = verify(log.folder(), &[log.keys().public_key()], None).unwrap();
    assert_eq!((report.first_bad, report.unsigned), (None, 0));
}
