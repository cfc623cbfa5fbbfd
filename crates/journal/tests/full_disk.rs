//! A disk that takes no more stops the log with a clear error, loses nothing that was acknowledged, and is tried again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::process::Command;

use common::{Log, begin};
use querygate_journal::{Error, Filter, Journal, Keys, Options, Reader, verify};
use querygate_record::SessionId;
use uuid::Uuid;

const FOLDER: &str = "QUERYGATE_TEST_LOG";

/// Writes until it cannot, and says how far it came.
fn write_until_full(journal: &Journal) -> (u64, Error) {
    let mut chain = journal.chain().unwrap();
    let session = SessionId(Uuid::nil());
    let mut number = 0;
    loop {
        number += 1;
        begin(&mut chain, number as i64, session, number, &format!("SELECT {number}{}", "x".repeat(2_000)));
        if let Err(error) = chain.flush() {
            // Every later write fails at once, and says the same.
            assert!(matches!(chain.flush(), Err(Error::Away(_))));
            assert!(matches!(journal.check(), Err(Error::Away(_))));
            assert!(journal.synced_through().borrow().failed.is_some());
            return (number - 1, error);
        }
    }
}

#[test]
#[ignore = "run by the test below in a process of its own, with a limit on the size of its files"]
fn writer() {
    let folder = std::env::var(FOLDER).expect("started by the other test");
    let journal = Journal::open(folder.as_ref(), Options::new(Keys::from_bytes(&[7; 32], &[8; 32]))).unwrap();
    let (written, error) = write_until_full(&journal);
    assert!(matches!(error, Error::Away(_)), "{error}");
    println!("\nwritten {written}");
}

#[test]
fn a_write_that_the_system_refuses_is_an_error_and_what_was_acknowledged_stays() {
    let log = Log::new();
    let script = "trap '' XFSZ; ulimit -f 4096; exec \"$0\" --exact writer --ignored --nocapture";
    let out = Command::new("bash")
        .args(["-c", script, std::env::current_exe().unwrap().to_str().unwrap()])
        .env(FOLDER, log.folder())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{text}{}", String::from_utf8_lossy(&out.stderr));
    let written: u64 = text.lines().find_map(|l| l.strip_prefix("written ")).unwrap().parse().unwrap();
    assert!(written > 100, "{written}");

    let journal = log.open();
    let rows =
        journal.reader().search(&Filter::default()).unwrap().map(Result::unwrap).filter(|r| r.statement > 0).count()
            as u64;
    assert!(rows >= written, "{rows} of {written}");
    journal.close().unwrap();
    assert_eq!(verify(log.folder(), &[log.keys().public_key()], None).unwrap().first_bad, None);
}

#[test]
#[ignore = "run by the test below in a name space of its own, on a small disk"]
fn small_disk() {
    let folder = std::path::PathBuf::from(std::env::var(FOLDER).expect("started by the other test"));
    let ballast = folder.join("ballast");
    std::fs::write(&ballast, vec![1; 300 << 20]).unwrap();
    let log = folder.join("log");
    let keys = || Keys::from_bytes(&[7; 32], &[8; 32]);
    let journal = Journal::open(&log, Options::new(keys())).unwrap();
    let mut synced = journal.synced_through();
    let (written, error) = write_until_full(&journal);
    assert!(matches!(&error, Error::Away(why) if why.contains("space")), "{error}");

    // Somebody frees space: the log is tried again and goes on by itself.
    std::fs::remove_file(&ballast).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let recovered = runtime.block_on(async {
        let again = synced.wait_for(|state| state.failed.is_none());
        tokio::time::timeout(std::time::Duration::from_secs(60), again).await.map(drop)
    });
    recovered.expect("the log did not come back");
    let mut chain = journal.chain().unwrap();
    begin(&mut chain, 1, SessionId(Uuid::max()), 1, "SELECT 'after'");
    chain.flush().unwrap();
    drop(chain);
    journal.close().unwrap();
    let reader = Reader::open(&log).unwrap();
    let rows: Vec<_> = reader.search(&Filter::default()).unwrap().map(Result::unwrap).collect();
    let before = rows.iter().filter(|r| r.session == Some(SessionId(Uuid::nil()))).count() as u64;
    assert!(before >= written, "{before} of {written}");
    assert!(rows.iter().any(|r| r.session == Some(SessionId(Uuid::max()))));
    assert_eq!(verify(&log, &[keys().public_key()], None).unwrap().first_bad, None);
    println!("\nrecovered");
}

/// A small disk is a file system in memory, mounted in a name space of its own: no rights are needed where the system lets users have such.
#[test]
fn a_full_disk_stops_the_log_until_there_is_space_again() {
    let folder = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=320m none \"$1\" && exec \"$0\" --exact small_disk --ignored --nocapture";
    let out = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "bash", "-c", script])
        .args([std::env::current_exe().unwrap().as_path(), folder.path()])
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let (text, errors) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success() && text.contains("recovered"), "{text}{errors}");
}
