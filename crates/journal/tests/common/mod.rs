//! A log in a folder of its own, and entries as the gateway makes them.
#![allow(dead_code, reason = "each test file uses a part")]

use std::path::{Path, PathBuf};

use querygate_journal::{Chain, Journal, Keys, Options};
use querygate_record::{
    Digest, Effect, Engine, Entry, Event, Facts, Origin, Outcome, Principal, SessionFacts, SessionId, Verdict,
};
use rocksdb::DB;

pub struct Log {
    _folder: tempfile::TempDir,
    log: PathBuf,
}

impl Log {
    pub fn new() -> Log {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        Log { _folder: folder, log }
    }

    pub fn folder(&self) -> &Path {
        &self.log
    }

    /// The same keys for every opening.
    pub fn keys(&self) -> Keys {
        Keys::from_bytes(&[7; 32], &[8; 32])
    }

    pub fn open(&self) -> Journal {
        self.open_for(2)
    }

    /// Opens it for so many event loops.
    pub fn open_for(&self, loops: usize) -> Journal {
        Journal::open(&self.log, Options { loops, ..Options::new(self.keys()) }).unwrap()
    }

    /// The database itself, as someone who tampers with it opens it.
    pub fn raw(&self) -> DB {
        let mut options = rocksdb::Options::default();
        options.set_atomic_flush(true);
        DB::open_cf(&options, &self.log, ["default", "batches", "checkpoints", "index", "meta"]).unwrap()
    }

    /// Empties a part of the database.
    pub fn wipe(&self, part: &str) {
        let db = self.raw();
        let family = db.cf_handle(part).unwrap();
        let keys: Vec<_> = db.iterator_cf(family, rocksdb::IteratorMode::Start).map(|pair| pair.unwrap().0).collect();
        keys.iter().for_each(|key| db.delete_cf(family, key).unwrap());
    }
}

pub fn entry(time_ns: i64, session: SessionId, statement: u64, event: Event) -> Entry {
    Entry { time_ns, session: Some(session), statement, origin: Origin::Client, event }
}

pub fn facts(text: &str, effect: Effect, tables: &[&str], verdict: Verdict) -> Facts {
    let tables: Vec<String> = tables.iter().map(|t| (*t).to_owned()).collect();
    Facts {
        text: text.to_owned(),
        fingerprint: "f".to_owned(),
        effects: vec![(effect, tables.clone())],
        reads: tables.iter().map(|t| format!("{t}.id")).collect(),
        tables,
        verdict: Some(verdict),
        ..Facts::default()
    }
}

pub fn begin(chain: &mut Chain, time_ns: i64, session: SessionId, statement: u64, text: &str) -> Digest {
    let id = chain.facts(&facts(text, Effect::Read, &["public.orders"], Verdict::Allow), time_ns);
    chain.push(&entry(time_ns, session, statement, Event::Begin { facts: id, values: Vec::new() }));
    id
}

pub fn end(time_ns: i64, session: SessionId, statement: u64, status: &str, rows: u64) -> Entry {
    let outcome = Outcome { status: status.to_owned().into(), rows, ..Outcome::default() };
    entry(time_ns, session, statement, Event::End(Box::new(outcome)))
}

pub fn session_facts(subject: &str, database: &str) -> SessionFacts {
    SessionFacts {
        principal: Principal::local(subject, ["agent".to_owned()]),
        client: "127.0.0.1:5000".to_owned(),
        application: "psql".to_owned(),
        database: database.to_owned(),
        engine: Engine::Postgres,
        tls: true,
        refused: None,
    }
}
