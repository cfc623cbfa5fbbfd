//! Event loops write to databases of their own; whoever reads, verifies or opens the log again sees one log.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::collections::BTreeSet;

use common::{Log, begin, end};
use querygate_journal::{Filter, Journal, Reader, verify};
use querygate_record::SessionId;
use uuid::Uuid;

/// Runs two statements on each loop's chain; returns the sessions, one for each loop.
fn work(journal: &Journal, loops: usize) -> BTreeSet<SessionId> {
    let run = |number| {
        let mut chain = journal.chain_of_loop(number).unwrap();
        let session = SessionId(Uuid::now_v7());
        for statement in 1..=2 {
            begin(&mut chain, 1, session, statement, "SELECT 1");
            chain.push(&end(2, session, statement, "ok", 1));
        }
        chain.flush().unwrap();
        session
    };
    (0..loops).map(run).collect()
}

fn sessions(reader: &Reader) -> BTreeSet<SessionId> {
    let rows = reader.search(&Filter::default()).unwrap();
    rows.filter_map(|row| row.unwrap().session).collect()
}

fn databases(log: &Log) -> usize {
    let lanes = std::fs::read_dir(log.folder()).unwrap();
    lanes.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("lane-")).count()
}

#[test]
fn each_loop_has_a_database_and_all_of_them_are_one_log() {
    let log = Log::new();
    let journal = log.open_for(3);
    let written = work(&journal, 3);
    assert_eq!(databases(&log), 3);
    assert_eq!(sessions(&journal.reader()), written);
    assert_eq!(sessions(&Reader::open(log.folder()).unwrap()), written, "beside the one that writes");
    journal.index_now().unwrap();
    let kept = journal.checkpoint().unwrap();
    journal.close().unwrap();
    let report = verify(log.folder(), &[log.keys().public_key()], Some(&kept)).unwrap();
    assert!(report.first_bad.is_none(), "{report:?}");
    assert!(report.entries >= 3 * 4, "{report:?}");
}

#[test]
fn a_log_opened_for_fewer_or_more_loops_keeps_what_it_has() {
    let log = Log::new();
    let mut written = BTreeSet::new();
    for loops in [2, 0, 4] {
        let journal = log.open_for(loops);
        written.extend(work(&journal, loops.max(1)));
        assert_eq!(sessions(&journal.reader()), written, "opened for {loops}");
        journal.close().unwrap();
    }
    assert_eq!(sessions(&Reader::open(log.folder()).unwrap()), written);
}

#[test]
fn a_reader_sees_databases_that_appear_after_it_was_opened() {
    let log = Log::new();
    log.open_for(0).close().unwrap();
    let reader = Reader::open(log.folder()).unwrap();
    let journal = log.open_for(2);
    let written = work(&journal, 2);
    assert_eq!(sessions(&reader), written);
}

#[test]
fn a_database_that_is_taken_away_is_noticed() {
    let log = Log::new();
    let journal = log.open_for(2);
    work(&journal, 2);
    let kept = journal.checkpoint().unwrap();
    journal.close().unwrap();
    std::fs::remove_dir_all(log.folder().join("lane-2")).unwrap();
    let report = verify(log.folder(), &[log.keys().public_key()], Some(&kept)).unwrap();
    assert!(report.first_bad.is_some(), "{report:?}");
}
