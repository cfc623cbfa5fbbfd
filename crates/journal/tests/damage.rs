//! A write-ahead log that is damaged in its middle is refused, unless the operator accepts the loss; a torn end is what a crash leaves.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::path::PathBuf;

use common::{Log, begin};
use querygate_journal::{Error, Filter, Journal, Options, RowKind};
use querygate_record::SessionId;
use uuid::Uuid;

const STATEMENTS: u64 = 200;

/// A log whose entries are all in its write-ahead log, and that file.
fn written() -> (Log, PathBuf) {
    let log = Log::new();
    let journal = log.open();
    let mut chain = journal.chain().unwrap();
    for number in 1..=STATEMENTS {
        begin(&mut chain, 1, SessionId(Uuid::nil()), number, &format!("SELECT {number}"));
        chain.flush().unwrap();
    }
    drop((chain, journal));
    let files = std::fs::read_dir(log.folder()).unwrap().map(|file| file.unwrap().path());
    let largest = files
        .filter(|path| path.extension().is_some_and(|e| e == "log"))
        .max_by_key(|path| path.metadata().unwrap().len());
    (log, largest.unwrap())
}

fn statements(journal: &Journal) -> u64 {
    journal
        .reader()
        .search(&Filter::default())
        .unwrap()
        .filter(|row| row.as_ref().unwrap().kind == RowKind::Statement)
        .count() as u64
}

#[test]
fn a_torn_end_costs_only_what_was_torn() {
    let (log, file) = written();
    let length = file.metadata().unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(length - 20).unwrap();
    let journal = log.open();
    assert_eq!(statements(&journal), STATEMENTS - 1);
    assert!(journal.warnings().is_empty());
}

#[test]
fn damage_in_the_middle_is_refused_and_a_loss_that_is_accepted_is_an_alarm() {
    let (log, file) = written();
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(&file, bytes).unwrap();
    let refused = Journal::open(log.folder(), Options::new(log.keys()));
    assert!(matches!(refused, Err(Error::Damaged { .. })), "{:?}", refused.err());

    let options = Options { danger_accept_loss: true, ..Options::new(log.keys()) };
    let journal = Journal::open(log.folder(), options).unwrap();
    let left = statements(&journal);
    assert!(left > 10 && left < STATEMENTS, "{left}");
    assert!(!journal.warnings().is_empty());
    journal.chain().unwrap().flush().unwrap();
    let alarms = journal.reader().search(&Filter { kinds: vec![RowKind::Alarm], ..Filter::default() }).unwrap().count();
    assert!(alarms > 0);
    journal.close().unwrap();
    assert_eq!(statements(&log.open()), left);
}
