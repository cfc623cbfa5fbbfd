//! Many chains at once, syncing, closing, and the files of the keys.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::os::unix::fs::PermissionsExt;

use common::{Log, begin, end, entry};
use querygate_journal::{ENTRY_BYTES_MAX, Error, Filter, Journal, Keys, Options, public_keys, verify};
use querygate_record::{Event, SessionId, Value};
use uuid::Uuid;

#[test]
fn chains_of_many_threads_do_not_mix_and_verify_while_they_grow() {
    let log = Log::new();
    let journal = log.open();
    let keys = [journal.public_key()];
    std::thread::scope(|scope| {
        for thread in 0..6_u128 {
            let journal = journal.clone();
            scope.spawn(move || {
                let mut chain = journal.chain_of_loop(thread as usize).unwrap();
                for number in 1..=500 {
                    let session = SessionId(Uuid::from_u128(thread + 1));
                    begin(&mut chain, number as i64, session, number, &format!("SELECT {}", number % 20));
                    chain.push(&end(number as i64, session, number, "ok", 1));
                    let written = chain.flush().unwrap();
                    if number % 100 == 0 {
                        journal.want_sync(written);
                        journal.checkpoint().unwrap();
                    }
                }
            });
        }
        for _ in 0..10 {
            assert_eq!(verify(log.folder(), &keys, None).unwrap().first_bad, None);
            assert_eq!(journal.reader().verify(&keys, None).unwrap().first_bad, None);
        }
    });
    let rows: Vec<_> = journal.reader().search(&Filter::default()).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 3_000);
    for thread in 0..6 {
        let numbers: Vec<_> = rows
            .iter()
            .filter(|r| r.session == Some(SessionId(Uuid::from_u128(thread + 1))))
            .map(|r| r.statement)
            .collect();
        assert!(numbers.iter().copied().eq(1..=500));
    }
}

#[test]
fn a_sync_covers_every_write_before_it() {
    let log = Log::new();
    let journal = log.open();
    let mut synced = journal.synced_through();
    let mut chain = journal.chain().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for asked in [true, false] {
        begin(&mut chain, 1, SessionId(Uuid::nil()), 1, "COMMIT");
        let written = chain.flush().unwrap();
        if asked {
            journal.want_sync(written);
        }
        // Without being asked it comes within the interval.
        let wait = async {
            tokio::time::timeout(std::time::Duration::from_secs(30), synced.wait_for(|s| s.through >= written))
                .await
                .map(drop)
        };
        runtime.block_on(wait).unwrap();
        assert!(synced.borrow().failed.is_none());
    }
}

#[test]
fn only_one_process_writes() {
    let log = Log::new();
    let _journal = log.open();
    let second = Journal::open(log.folder(), Options::new(log.keys()));
    assert!(matches!(second, Err(Error::InUse { .. })), "{:?}", second.err());
}

#[test]
fn after_closing_every_write_fails_and_nothing_is_unsigned() {
    let log = Log::new();
    let journal = log.open();
    let mut chain = journal.chain().unwrap();
    begin(&mut chain, 1, SessionId(Uuid::nil()), 1, "SELECT 1");
    chain.flush().unwrap();
    journal.clone().close().unwrap();
    begin(&mut chain, 2, SessionId(Uuid::nil()), 2, "SELECT 2");
    assert!(matches!(chain.flush(), Err(Error::Closed)));
    assert!(matches!(journal.chain(), Err(Error::Closed)));
    let report = journal.reader().verify(&[journal.public_key()], None).unwrap();
    assert_eq!((report.first_bad, report.unsigned, report.entries), (None, 0, 3));
}

#[test]
fn an_entry_over_the_limit_fails_the_flush_and_only_that_one() {
    let log = Log::new();
    let journal = log.open();
    let mut chain = journal.chain().unwrap();
    let session = SessionId(Uuid::nil());
    let facts = begin(&mut chain, 1, session, 1, "SELECT 1");
    chain.flush().unwrap();
    let values = vec![Value::Text("x".repeat(ENTRY_BYTES_MAX + 1))];
    chain.push(&entry(2, session, 2, Event::Begin { facts, values }));
    assert!(chain.pending() > 0, "the caller must not take it for flushed");
    assert!(matches!(chain.flush(), Err(Error::EntryTooLarge { .. })));
    let values = vec![Value::Text("x".repeat(ENTRY_BYTES_MAX / 2))];
    chain.push(&entry(3, session, 3, Event::Begin { facts, values }));
    chain.push(&end(4, session, 3, "ok", 0));
    chain.flush().unwrap();
    let numbers: Vec<_> = journal.reader().search(&Filter::default()).unwrap().map(|r| r.unwrap().statement).collect();
    assert_eq!(numbers, [1, 3]);
    assert_eq!(journal.reader().verify(&[journal.public_key()], None).unwrap().first_bad, None);
}

#[test]
fn keys_are_made_once_for_their_owner_only_and_old_public_keys_still_verify() {
    let folder = tempfile::tempdir().unwrap();
    let (keys, log) = (folder.path().join("keys"), folder.path().join("log"));
    let first = Keys::load_or_create(&keys).unwrap();
    let again = Keys::load_or_create(&keys).unwrap();
    assert_eq!((first.literal(), first.public_key()), (again.literal(), again.public_key()));
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&keys), 0o700);
    for file in std::fs::read_dir(&keys).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
    let journal = Journal::open(&log, Options::new(first)).unwrap();
    drop(journal.chain().unwrap());
    journal.close().unwrap();

    std::fs::remove_file(keys.join("log-signing.pem")).unwrap();
    let second = Keys::load_or_create(&keys).unwrap();
    assert_ne!(second.public_key(), again.public_key());
    let journal = Journal::open(&log, Options::new(second)).unwrap();
    drop(journal.chain().unwrap());
    journal.close().unwrap();
    let known = public_keys(&keys).unwrap();
    assert_eq!(known.len(), 2);
    assert_eq!(verify(&log, &known, None).unwrap().first_bad, None);
    assert!(verify(&log, &known[..1], None).unwrap().first_bad.is_some());

    std::fs::set_permissions(keys.join("log-literal.key"), std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(Keys::load_or_create(&keys), Err(Error::Key { .. })));
}
