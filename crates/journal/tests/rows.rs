//! What is written comes back as rows, each joined with all that is known of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use common::{Log, begin, end, entry, facts, session_facts};
use querygate_journal::{Filter, Journal, OUTCOME_UNKNOWN, Options, RUNNING, Reader, Row, RowKind};
use querygate_record::{Effect, Event, HoldId, Principal, SessionId, StatementId, Value, Verdict};
use uuid::Uuid;

fn rows(reader: &Reader, filter: &Filter) -> Vec<Row> {
    reader.search(filter).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_statement_is_one_row_with_its_session_facts_hold_and_outcome() {
    let log = Log::new();
    let journal = log.open();
    let mut chain = journal.chain().unwrap();
    let session = SessionId(Uuid::now_v7());
    chain.push(&entry(10, session, 0, Event::SessionOpened(Box::new(session_facts("agent-7", "shop")))));
    let id = chain.facts(&facts("DROP TABLE orders", Effect::Drop, &["public.orders"], Verdict::Approve), 11);
    chain.push(&entry(12, session, 1, Event::Begin { facts: id, values: vec![Value::Text("x".into()), Value::Null] }));
    // Requests and rulings are the control side's, which has a chain of its own.
    let mut control = journal.chain().unwrap();
    let hold = HoldId("h-1".into());
    control.push(&entry(
        13,
        session,
        1,
        Event::Held { hold: hold.clone(), reviewers: vec!["dba".into()], expires_ns: 99 },
    ));
    let reviewer = Some(Principal::local("dora", ["dba".to_owned()]));
    control.push(&entry(
        14,
        session,
        1,
        Event::Ruled {
            hold: hold.clone(),
            ruling: "approved".into(),
            reviewer: reviewer.clone(),
            because: "ok".into(),
        },
    ));
    chain.push(&entry(15, session, 1, Event::Execute));
    chain.push(&end(16, session, 1, "ok", 3));
    chain.flush().unwrap();
    control.flush().unwrap();
    check_held(&journal.reader(), session, &hold, &reviewer);
    drop((chain, control));
    journal.close().unwrap();
    let again = log.open();
    again.index_now().unwrap();
    check_held(&again.reader(), session, &hold, &reviewer);
}

fn check_held(reader: &Reader, session: SessionId, hold: &HoldId, reviewer: &Option<Principal>) {
    let found = reader.show(StatementId { session, number: 1 }).unwrap();
    let [row] = &found[..] else { panic!("{found:?}") };
    assert_eq!((row.kind, row.time_ns, row.status(), row.executions), (RowKind::Statement, 12, "ok", 1));
    assert_eq!(row.facts.as_ref().unwrap().text, "DROP TABLE orders");
    assert_eq!(row.principal().unwrap().identity.subject, "agent-7");
    assert_eq!(row.values, [Value::Text("x".into()), Value::Null]);
    let held = row.hold.as_ref().unwrap();
    assert_eq!((&held.id, &held.reviewers[..], held.expires_ns), (hold, &["dba".to_owned()][..], 99));
    let ruling = held.ruling.as_ref().unwrap();
    assert_eq!((&ruling.ruling[..], &ruling.reviewer, &ruling.because[..]), ("approved", reviewer, "ok"));
    assert_eq!((row.outcome.as_ref().unwrap().rows, row.end.unwrap().2), (3, 16));
}

#[test]
fn a_statement_without_an_end_runs_while_the_gateway_does_and_is_unknown_afterwards() {
    let log = Log::new();
    let journal = log.open();
    let mut chain = journal.chain().unwrap();
    let session = SessionId(Uuid::now_v7());
    begin(&mut chain, 1, session, 1, "SELECT 1");
    chain.flush().unwrap();
    let all = Filter::default();
    assert_eq!(rows(&journal.reader(), &all)[0].status(), RUNNING);
    assert_eq!(rows(&Reader::open(log.folder()).unwrap(), &all)[0].status(), RUNNING);
    drop(chain);
    journal.close().unwrap();
    assert_eq!(rows(&Reader::open(log.folder()).unwrap(), &all)[0].status(), OUTCOME_UNKNOWN);
    let again = log.open();
    assert_eq!(rows(&again.reader(), &all)[0].status(), OUTCOME_UNKNOWN);
}

/// Writes enough statements for several sealed segments on two chains, with a statement that ends much later than it began.
fn write_much(journal: &Journal) -> Vec<SessionId> {
    let mut sessions = Vec::new();
    let mut chains = [journal.chain().unwrap(), journal.chain().unwrap()];
    for (at, chain) in chains.iter_mut().enumerate() {
        let session = SessionId(Uuid::now_v7());
        sessions.push(session);
        let (subject, database) = if at == 0 { ("ada", "shop") } else { ("bob", "stock") };
        chain.push(&entry(at as i64, session, 0, Event::SessionOpened(Box::new(session_facts(subject, database)))));
    }
    begin(&mut chains[0], 5, sessions[0], 1_000_000, "SELECT pg_sleep(100)");
    for number in 1..=4_000_u64 {
        for (at, chain) in chains.iter_mut().enumerate() {
            let time = 10 * number as i64 + at as i64;
            let rare = number == 3_000 && at == 1;
            let (effect, table) = if rare { (Effect::Delete, "public.stock") } else { (Effect::Read, "public.orders") };
            let id =
                chain.facts(&facts(&format!("Q{} from {table}", number % 7), effect, &[table], Verdict::Allow), time);
            chain.push(&entry(time, sessions[at], number, Event::Begin { facts: id, values: Vec::new() }));
            chain.push(&end(time + 5, sessions[at], number, "ok", number));
            if number % 10 == 0 {
                chain.flush().unwrap();
            }
        }
    }
    chains[0].push(&end(50_000, sessions[0], 1_000_000, "ok", 1));
    for chain in &mut chains {
        chain.flush().unwrap();
    }
    sessions
}

fn check_much(reader: &Reader, sessions: &[SessionId]) {
    let all = rows(reader, &Filter::default());
    assert_eq!(all.iter().filter(|r| r.kind == RowKind::Statement).count(), 8_001);
    assert!(all.iter().all(|r| r.session_facts.is_some() && (r.kind != RowKind::Statement || r.status() == "ok")));
    assert!(all.is_sorted_by_key(|r| r.time_ns));
    let newest = Filter { newest_first: true, ..Filter::default() };
    assert_eq!(
        rows(reader, &newest).iter().map(|r| r.time_ns).collect::<Vec<_>>(),
        all.iter().rev().map(|r| r.time_ns).collect::<Vec<_>>()
    );

    let of = |filter: Filter| rows(reader, &filter).len();
    assert_eq!(of(Filter { subject: Some("ada".into()), ..Filter::default() }), 4_002);
    assert_eq!(of(Filter { database: Some("stock".into()), ..Filter::default() }), 4_001);
    assert_eq!(of(Filter { table: Some("orders".into()), ..Filter::default() }), 8_000, "the sleep reads orders too");
    assert_eq!(of(Filter { effect: Some(Effect::Delete), ..Filter::default() }), 1);
    assert_eq!(of(Filter { effect: Some(Effect::Delete), subject: Some("ada".into()), ..Filter::default() }), 0);
    assert_eq!(
        of(Filter { column: Some("orders.id".into()), subject: Some("ada".into()), ..Filter::default() }),
        4_001
    );
    assert_eq!(of(Filter { since_ns: Some(10_000), until_ns: Some(10_100), ..Filter::default() }), 20);
    assert_eq!(of(Filter { text: Some("pg_SLEEP".into()), ..Filter::default() }), 1);
    assert_eq!(of(Filter { verdict: Some(Verdict::Block), ..Filter::default() }), 0);
    assert_eq!(of(Filter { masked: Some(true), ..Filter::default() }), 0);
    let shown = reader.show(StatementId { session: sessions[1], number: 3_000 }).unwrap();
    assert_eq!(shown.iter().map(|r| r.time_ns).collect::<Vec<_>>(), [30_001]);
    let slept = reader.show(StatementId { session: sessions[0], number: 1_000_000 }).unwrap();
    assert_eq!((slept[0].status(), slept[0].end.unwrap().2), ("ok", 50_000));
}

#[test]
fn searches_find_the_same_before_and_after_indexing_beside_and_inside_and_after_the_index_is_lost() {
    let log = Log::new();
    let journal = log.open();
    let sessions = write_much(&journal);
    check_much(&journal.reader(), &sessions);
    check_much(&Reader::open(log.folder()).unwrap(), &sessions);
    journal.index_now().unwrap();
    assert!(journal.reader().unindexed().unwrap() < 4_200, "full segments were sealed");
    check_much(&journal.reader(), &sessions);
    check_much(&Reader::open(log.folder()).unwrap(), &sessions);
    journal.close().unwrap();
    let again = log.open();
    again.index_now().unwrap();
    assert_eq!(again.reader().unindexed().unwrap(), 0);
    check_much(&again.reader(), &sessions);
    again.close().unwrap();

    log.wipe("index");
    check_much(&Reader::open(log.folder()).unwrap(), &sessions);
    let again = Journal::open(log.folder(), Options::new(log.keys())).unwrap();
    again.index_now().unwrap();
    assert_eq!(again.reader().unindexed().unwrap(), 0);
    check_much(&again.reader(), &sessions);
}

#[test]
fn a_reader_beside_the_gateway_sees_what_is_written_after_it_was_opened() {
    let log = Log::new();
    let journal = log.open();
    let mut chain = journal.chain().unwrap();
    let reader = Reader::open(log.folder()).unwrap();
    let session = SessionId(Uuid::now_v7());
    for number in 1..=5 {
        begin(&mut chain, number as i64, session, number, "SELECT 1");
        chain.flush().unwrap();
        assert_eq!(rows(&reader, &Filter::default()).len() as u64, number);
    }
}

#[test]
fn a_tail_shows_each_statement_as_it_ends_also_those_begun_before() {
    let log = Log::new();
    let journal = log.open();
    let (mut chain, mut control) = (journal.chain().unwrap(), journal.chain().unwrap());
    let session = SessionId(Uuid::now_v7());
    chain.push(&entry(1, session, 0, Event::SessionOpened(Box::new(session_facts("ada", "shop")))));
    begin(&mut chain, 2, session, 1, "SELECT 1");
    chain.flush().unwrap();
    for reader in [journal.reader(), Reader::open(log.folder()).unwrap()] {
        let mut tail = reader.tail().unwrap();
        assert!(tail.poll().unwrap().is_empty());
        begin(&mut chain, 3, session, 2, "SELECT 2");
        begin(&mut chain, 4, session, 3, "DROP TABLE t");
        chain.flush().unwrap();
        assert!(tail.poll().unwrap().is_empty(), "nothing ended yet");
        let held = Event::Held { hold: HoldId("h".into()), reviewers: vec![], expires_ns: 9 };
        control.push(&entry(5, session, 3, held));
        control.flush().unwrap();
        chain.push(&end(6, session, 2, "ok", 1));
        chain.push(&end(7, session, 1, "ok", 1));
        chain.push(&entry(8, session, 0, Event::SessionClosed { reason: "bye".into() }));
        chain.push(&end(9, session, 3, "denied", 0));
        chain.flush().unwrap();
        let seen = tail.poll().unwrap();
        let seen: Vec<_> =
            seen.iter().map(|r| (r.statement, r.status(), r.principal().unwrap().identity.subject.as_str())).collect();
        assert_eq!(
            seen,
            [(3, "held", "ada"), (2, "ok", "ada"), (1, "ok", "ada"), (0, "", "ada"), (3, "denied", "ada")]
        );
        begin(&mut chain, 10, session, 1, "SELECT 1");
        chain.flush().unwrap();
    }
}
