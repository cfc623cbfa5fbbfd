//! What was logged leaves the gateway under its documented names, while entries are still being written.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]
#![recursion_limit = "512"]

use querygate_journal::{Chain, Filter, Journal, Keys, Options, Reader};
use querygate_record::{
    Effect, Engine, Entry, Event, Facts, HoldId, Origin, Outcome, Principal, SessionFacts, SessionId, Subject, Value,
    Verdict,
};
use serde_json::json;
use uuid::Uuid;

fn push(chain: &mut Chain, time_ns: i64, session: SessionId, statement: u64, event: Event) {
    chain.push(&Entry { time_ns, session: Some(session), statement, origin: Origin::Client, event });
}

fn open(folder: &std::path::Path) -> Journal {
    Journal::open(folder, Options::new(Keys::from_bytes(&[7; 32], &[8; 32]))).unwrap()
}

/// One session with one held and approved statement.
fn write(chain: &mut Chain) -> SessionId {
    let session = SessionId(Uuid::from_u128(1));
    let mut principal = Principal::local("agent-7", ["agent".to_owned()]);
    principal.on_behalf_of.push(Subject { issuer: "https://idp".into(), subject: "ann".into() });
    let opened = SessionFacts {
        principal,
        client: "10.0.0.9:4242".into(),
        application: "=cmd()".into(),
        database: "shop".into(),
        engine: Engine::Postgres,
        tls: true,
        refused: None,
    };
    push(chain, 1, session, 0, Event::SessionOpened(Box::new(opened)));
    let facts = Facts {
        text: "DELETE FROM orders WHERE note = $1,\n$2".into(),
        fingerprint: "ab12".into(),
        effects: vec![(Effect::Delete, vec!["public.orders".into()])],
        reads: vec!["public.orders.note".into()],
        writes: vec![],
        tables: vec!["public.orders".into()],
        verdict: Some(Verdict::Approve),
        rule: "bulk".into(),
        reason: "changes every row".into(),
        policy: "v1".into(),
        masks: vec!["note=redact".into()],
        observed: false,
    };
    let id = chain.facts(&facts, 2);
    let values = vec![Value::Text("a\"b".into()), Value::Null, Value::Hashed { hash: "00ff".into(), key: "k1".into() }];
    push(chain, 1_700_000_000_000_000_003, session, 1, Event::Begin { facts: id, values });
    let hold = HoldId("h-9".into());
    push(chain, 4, session, 1, Event::Held { hold: hold.clone(), reviewers: vec!["dba".into()], expires_ns: 5 });
    let reviewer = Some(Principal::local("dora", []));
    push(chain, 6, session, 1, Event::Ruled { hold, ruling: "approved".into(), reviewer, because: "ticket 12".into() });
    let outcome =
        Outcome { status: "ok".into(), rows: 3, bytes: 10, duration_ns: 99, masked_fields: 3, ..Outcome::default() };
    push(chain, 7, session, 1, Event::End(Box::new(outcome)));
    chain.flush().unwrap();
    session
}

#[test]
fn every_field_of_a_statement_is_in_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    let mut chain = journal.chain().unwrap();
    let session = write(&mut chain);
    let mut out = Vec::new();
    // Beside the gateway that still writes.
    let filter = Filter { session: Some(session), statement: Some(1), ..Filter::default() };
    let lines =
        querygate_export::jsonl(Reader::open(folder.path()).unwrap().search(&filter).unwrap(), &mut out).unwrap();
    assert_eq!(lines, 1);
    let mut line: serde_json::Value = serde_json::from_slice(&out).unwrap();
    for changing in ["chain", "hash", "previous", "end_hash"] {
        assert!(!line[changing].as_str().unwrap().is_empty());
        line[changing].take();
    }
    assert_eq!(
        line,
        json!({
            "kind": "statement", "time": "2023-11-14T22:13:20.000000003Z", "chain": null, "sequence": 4,
            "session": "00000000-0000-0000-0000-000000000001", "statement": 1, "origin": "client",
            "subject": "agent-7", "issuer": "local", "roles": ["agent"], "on_behalf_of": [{ "issuer": "https://idp", "subject": "ann" }],
            "client": "10.0.0.9:4242", "application": "=cmd()", "database": "shop", "engine": "postgres", "tls": true,
            "text": "DELETE FROM orders WHERE note = $1,\n$2", "values": ["a\"b", null, { "hash": "00ff", "key": "k1" }], "fingerprint": "ab12",
            "effects": [{ "effect": "delete", "objects": ["public.orders"] }], "tables": ["public.orders"],
            "columns_read": ["public.orders.note"], "columns_written": [],
            "verdict": "approve", "rule": "bulk", "reason": "changes every row", "policy": "v1", "observed": false, "masks": ["note=redact"],
            "hold": {
                "id": "h-9", "time": "1970-01-01T00:00:00.000000004Z", "reviewers": ["dba"], "expires": "1970-01-01T00:00:00.000000005Z",
                "ruling": "approved", "ruled": "1970-01-01T00:00:00.000000006Z", "reviewer": { "issuer": "local", "subject": "dora" },
                "because": "ticket 12",
            },
            "executions": 0, "status": "ok", "code": null, "detail": null, "position": null, "rows": 3, "bytes": 10, "duration_ns": 99,
            "masked_fields": 3, "ended": "1970-01-01T00:00:00.000000007Z", "end_sequence": 7, "end_hash": null, "previous": null, "hash": null,
            "event": null,
        })
    );
}

#[test]
fn csv_has_the_columns_of_jsonl_and_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    write(&mut journal.chain().unwrap());
    let (mut json, mut text) = (Vec::new(), Vec::new());
    let rows = || journal.reader().search(&Filter::default()).unwrap();
    assert_eq!(querygate_export::jsonl(rows(), &mut json).unwrap(), 2);
    assert_eq!(querygate_export::csv(rows(), &mut text).unwrap(), 2);
    let mut reader = csv::Reader::from_reader(&text[..]);
    let heading: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let first = json.split(|b| *b == b'\n').next().unwrap();
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(first).unwrap();
    let mut names: Vec<String> = object.keys().cloned().collect();
    let mut sorted = heading.clone();
    names.sort();
    sorted.sort();
    assert_eq!(sorted, names, "no field of a line is left out");
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let cell =
        |row: usize, name: &str| records[row].get(heading.iter().position(|h| h == name).unwrap()).unwrap().to_owned();
    assert_eq!(cell(1, "text"), "DELETE FROM orders WHERE note = $1,\n$2");
    assert_eq!(cell(1, "application"), "'=cmd()");
    assert_eq!(cell(1, "values"), r#"["a\"b",null,{"hash":"00ff","key":"k1"}]"#);
    assert_eq!((cell(0, "kind"), cell(0, "rows")), ("session_opened".to_owned(), String::new()));
}

/// An output that fails after so many bytes.
struct Full(usize);

impl std::io::Write for Full {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_output_that_fails_stops_the_export() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    write(&mut journal.chain().unwrap());
    let rows = || journal.reader().search(&Filter::default()).unwrap();
    assert!(matches!(querygate_export::jsonl(rows(), &mut Full(1_500)), Err(querygate_export::Error::Write(_))));
    assert!(matches!(querygate_export::csv(rows(), &mut Full(10)), Err(querygate_export::Error::Write(_))));
}
