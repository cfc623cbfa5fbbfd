//! How fast the log takes entries: `cargo run --release -p querygate-journal --example speed [FOLDER]`. The folder decides which disk is measured.

use std::{error::Error, time::Instant};

use querygate_journal::{Filter, Journal, Keys, Options, Reader, verify};
use querygate_record::{Effect, Entry, Event, Facts, Origin, Outcome, SessionId, Verdict};
use uuid::Uuid;

const ENTRIES: usize = 1_000_000;
const SYNCS: usize = 500;

fn main() -> Result<(), Box<dyn Error>> {
    let parent = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let folder = tempfile::tempdir_in(parent)?;
    let journal = Journal::open(folder.path(), Options::new(Keys::from_bytes(&[1; 32], &[2; 32])))?;
    let mut chain = journal.chain()?;
    let tables = vec!["public.orders".to_owned()];
    let facts = Facts {
        text: "SELECT abalance FROM pgbench_accounts WHERE aid = $1".to_owned(),
        effects: vec![(Effect::Read, tables.clone())],
        tables,
        verdict: Some(Verdict::Allow),
        ..Facts::default()
    };
    let facts = chain.facts(&facts, 0);
    let session = Some(SessionId(Uuid::now_v7()));
    let entry = |statement, event| Entry { time_ns: 1, session, statement, origin: Origin::Client, event };
    let outcome = Outcome { status: "ok".into(), rows: 1, bytes: 40, duration_ns: 90_000, ..Outcome::default() };
    let (begin, end) = (Event::Begin { facts, values: Vec::new() }, Event::End(Box::new(outcome)));

    for size in [1, 10, 100] {
        let mut times = Vec::with_capacity(ENTRIES / size);
        let started = Instant::now();
        for turn in 0..(ENTRIES / size) as u64 {
            let at = Instant::now();
            for n in 0..size as u64 {
                let event = if n % 2 == 0 { begin.clone() } else { end.clone() };
                chain.push(&entry(turn, event));
            }
            chain.flush()?;
            times.push(at.elapsed());
        }
        let rate = ENTRIES as f64 / started.elapsed().as_secs_f64();
        times.sort_unstable();
        let at = |part: f64| times.get((times.len() as f64 * part) as usize).copied().unwrap_or_default();
        println!("{size:>4} entries a flush: {rate:>9.0} entries/s, p50 {:?}, p99 {:?}", at(0.5), at(0.99));
    }

    let mut synced = journal.synced_through();
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let at = Instant::now();
        chain.push(&entry(1, begin.clone()));
        let written = chain.flush()?;
        journal.want_sync(written);
        runtime.block_on(synced.wait_for(|state| state.failed.is_some() || state.through >= written))?;
        times.push(at.elapsed());
    }
    times.sort_unstable();
    println!("flush and sync: p50 {:?}, p99 {:?}", times.get(SYNCS / 2), times.get(SYNCS * 99 / 100));

    drop(chain);
    let key = journal.public_key();
    let started = Instant::now();
    journal.index_now()?;
    println!("index: {:?}", started.elapsed());
    journal.close()?;
    let started = Instant::now();
    let report = verify(folder.path(), &[key], None)?;
    println!("verify: {} entries, {:?}, bad: {:?}", report.entries, started.elapsed(), report.first_bad);
    let started = Instant::now();
    let rows = Reader::open(folder.path())?.search(&Filter::default())?.count();
    println!("search: {rows} rows, {:?}", started.elapsed());
    Ok(())
}
