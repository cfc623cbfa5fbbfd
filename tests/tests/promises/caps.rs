//! Rows and bytes of a result, the time of a statement and of an idle transaction: each at its limit, and what is left of the session.

use std::process::Command;

use querygate_testkit::{
    Error, Target,
    wire::{Frame, RawClient, message, query, tags},
};

use crate::stage::{POLICY, Stage, code, eventually, extended, rows, words};

const SOME: &str = "SELECT n FROM generate_series(1, 1000) AS n";
const MANY: &str = "SELECT n FROM generate_series(1, 5000000) AS n";

fn capped(limits: &str) -> Result<Stage, Error> {
    Stage::with(POLICY, |setup| setup.tables(&format!("limits = {{ {limits} }}")))
}

fn count(frames: &[Frame], tag: u8) -> usize {
    frames.iter().filter(|frame| frame.tag == tag).count()
}

/// The transaction's state in the last ReadyForQuery.
fn state(frames: &[Frame]) -> u8 {
    frames.last().filter(|frame| frame.tag == b'Z').map_or(0, |ready| ready.body[0])
}

fn detail(frames: &[Frame]) -> String {
    frames.iter().find(|frame| frame.tag == b'E').and_then(|error| error.field(b'D')).unwrap_or_default()
}

/// Messages of the extended protocol without their Sync.
fn unsynced(sql: &str) -> Vec<u8> {
    let mut messages = extended(sql, &[]);
    messages.truncate(messages.len() - message(b'S', b"").len());
    messages
}

fn psycopg(target: &Target, script: &str) -> String {
    let python = std::env::var_os("QUERYGATE_PYTHON").unwrap_or_else(|| "python3".into());
    let connect = "import os, psycopg\nc = psycopg.connect(os.environ['QG'], autocommit=True)\n";
    let (host, port) = (&target.host, target.port);
    let login = format!(
        "host={host} port={port} user={} password={} dbname={} sslmode=disable",
        target.user, target.password, target.database
    );
    let ran = Command::new(python).args(["-c", &format!("{connect}{script}")]).env("QG", login).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

#[test]
fn a_result_of_as_many_rows_as_allowed_passes_and_one_more_is_cut_off() -> Result<(), Error> {
    let stage = capped("rows = 10")?;
    let mut dba = stage.client("dba")?;
    let all = dba.query("SELECT id FROM orders")?;
    assert_eq!((count(&all, b'D'), code(&all)), (10, String::new()));
    for sql in ["SELECT n FROM generate_series(1, 11) AS n", MANY] {
        for message in [query(sql), extended(sql, &[])] {
            dba.send(&message)?;
            let cut = dba.read_until(b'Z')?;
            assert_eq!((count(&cut, b'D'), code(&cut).as_str(), count(&cut, b'C')), (10, "54000", 0), "{sql}");
            assert_eq!((words(&cut).as_str(), state(&cut)), ("the result has more than 10 rows", b'I'));
        }
    }
    // Each statement of a text has a result of its own.
    let two = dba.query("SELECT id FROM orders; SELECT id FROM orders")?;
    assert_eq!((count(&two, b'D'), code(&two)), (20, String::new()));
    let logged = stage.statements("5000000");
    assert_eq!((&logged[0]["code"], &logged[0]["rows"]), (&"54000".into(), &10.into()), "{}", logged[0]);
    Ok(())
}

#[test]
fn a_portal_that_is_read_in_pieces_is_one_result() -> Result<(), Error> {
    let stage = capped("rows = 10")?;
    let mut dba = stage.client("dba")?;
    let execute = message(b'E', b"\0\0\0\0\x04");
    let bound = unsynced("SELECT n FROM generate_series(1, 100) AS n");
    let bound = &bound[..bound.len() - execute.len()];
    dba.send(&[bound, &execute, &execute, &execute, &execute, &message(b'S', b"")].concat())?;
    let cut = dba.read_until(b'Z')?;
    assert_eq!((count(&cut, b'D'), count(&cut, b's'), code(&cut).as_str()), (10, 2, "54000"), "{}", tags(&cut));
    dba.query("BEGIN")?;
    dba.query("DECLARE c CURSOR FOR SELECT n FROM generate_series(1, 100) AS n")?;
    assert_eq!(count(&dba.query("FETCH 10 FROM c")?, b'D'), 10);
    assert_eq!(code(&dba.query("FETCH 11 FROM c")?), "54000");
    Ok(())
}

#[test]
fn bytes_count_as_the_client_gets_them_whatever_a_mask_hides() -> Result<(), Error> {
    let policy = POLICY.replace("mask.email = \"email\"", "mask.email = \"redact\"");
    let stage = Stage::with(&policy, |setup| setup.tables("limits = { bytes = \"2KiB\" }"))?;
    stage.server.script(&stage.database, "UPDATE customers SET email = repeat('x', 9000) WHERE id = 3")?;
    let mut agent = stage.client("agent")?;
    let passed = agent.query("SELECT id, email FROM customers")?;
    assert_eq!((count(&passed, b'D'), code(&passed)), (20, String::new()));
    let mut dba = stage.client("dba")?;
    let cut = dba.query("SELECT id, email FROM customers ORDER BY id")?;
    assert_eq!((count(&cut, b'D'), code(&cut).as_str()), (2, "54000"));
    // A row is 5 bytes of header, 2 of count, 4 of length, and its value.
    assert_eq!(code(&dba.query("SELECT repeat('x', 2048 - 11)")?), "");
    assert_eq!(code(&dba.query("SELECT repeat('x', 2048 - 10)")?), "54000");
    assert_eq!(code(&dba.query("SELECT repeat('x', 100000000)")?), "54000");
    assert_eq!(code(&dba.query("SELECT 1")?), "");
    Ok(())
}

#[test]
fn a_transaction_fails_with_the_result_that_is_cut_off() -> Result<(), Error> {
    let stage = capped("rows = 10")?;
    let mut dba = stage.client("dba")?;
    for sql in ["SELECT n FROM generate_series(1, 11) AS n", MANY] {
        for message in [query(sql), extended(sql, &[])] {
            dba.query("BEGIN")?;
            dba.query("INSERT INTO orders VALUES (50, 'new')")?;
            dba.send(&message)?;
            let cut = dba.read_until(b'Z')?;
            assert_eq!((code(&cut).as_str(), state(&cut)), ("54000", b'E'), "{sql}");
            assert_eq!(code(&dba.query("SELECT 1")?), "25P02");
            dba.query("COMMIT")?;
            assert_eq!(stage.truth("SELECT count(*) FROM orders WHERE id = 50"), "0");
        }
    }
    Ok(())
}

#[test]
fn nothing_of_a_pipeline_reaches_the_client_after_the_cut_and_it_is_told_what_counts() -> Result<(), Error> {
    let stage = capped("rows = 10")?;
    let mut dba = stage.client("dba")?;
    let insert = |id: u32| unsynced(&format!("INSERT INTO orders VALUES ({id}, 'new')"));
    let sync = message(b'S', b"");
    let short = unsynced("SELECT n FROM generate_series(1, 11) AS n");
    dba.send(&[insert(60), short.clone(), insert(61), sync.clone(), query("SELECT 7")].concat())?;
    let cut = dba.read_until(b'Z')?;
    assert_eq!((count(&cut, b'D'), count(&cut, b'C'), count(&cut, b'E'), state(&cut)), (10, 1, 1, b'I'));
    assert_eq!(rows(&dba.read_until(b'Z')?), "7");
    let counts = stage.truth("SELECT count(*) FROM orders WHERE id IN (60, 61)");
    match counts.as_str() {
        "2" => assert!(detail(&cut).contains("changed counts"), "{}", detail(&cut)),
        "0" => assert!(detail(&cut).contains("nothing that the statement changed counts"), "{}", detail(&cut)),
        other => panic!("{other} of two changes count"),
    }
    // The end of the pipeline comes after the cut: then nothing of it counts.
    dba.send(&[insert(62), short, message(b'H', b"")].concat())?;
    assert_eq!(code(&dba.read_until(b'E')?), "54000");
    dba.send(&[insert(63), sync].concat())?;
    assert_eq!(tags(&dba.read_until(b'Z')?), "Z");
    assert_eq!(stage.truth("SELECT count(*) FROM orders WHERE id IN (62, 63)"), "0");
    Ok(())
}

#[test]
fn a_copy_is_cut_off_like_any_result() -> Result<(), Error> {
    let stage = capped("rows = 10")?;
    let (agent, dba) = (stage.login("agent"), stage.login("dba"));
    for format in ["", "(FORMAT csv, HEADER)", "(FORMAT binary)"] {
        let whole = dba.psql(&["-c", &format!("COPY orders TO STDOUT {format}")], "")?;
        assert_eq!(whole.stderr, "", "{format}");
    }
    for target in [agent, dba] {
        let cut = target.psql(&["-c", "COPY customers TO STDOUT (FORMAT csv, HEADER)"], "")?;
        assert_eq!(cut.stdout.lines().count(), 11, "{}", cut.stdout);
        assert!(cut.stderr.contains("the result has more than 10 rows"), "{}", cut.stderr);
    }
    Ok(())
}

#[test]
fn psql_and_psycopg_go_on_after_a_cut() -> Result<(), Error> {
    let stage = capped("rows = 10, statement_timeout = \"500ms\"")?;
    let dba = stage.login("dba");
    let script =
        format!("{SOME};\nSELECT 'next';\nSET statement_timeout = 0;\nSELECT pg_sleep(1000);\nSELECT 'last';\n");
    let ran = dba.psql(&["-At"], &script)?;
    assert!(ran.stdout.ends_with("next\nSET\nlast\n"), "{}", ran.stdout);
    assert!(
        ran.stderr.contains("more than 10 rows") && ran.stderr.contains("due to statement timeout"),
        "{}",
        ran.stderr
    );
    let script = format!(
        "
for sql in ({SOME:?}, 'SELECT pg_sleep(1000)'):
    try:
        with c.cursor() as cursor:
            cursor.execute(sql)
    except psycopg.Error as error:
        print(error.sqlstate)
with c.transaction(), c.cursor(name='held') as cursor:
    cursor.execute('SELECT n FROM generate_series(1, 100) AS n')
    print(len(cursor.fetchmany(10)))
    try:
        cursor.fetchmany(11)
    except psycopg.Error as error:
        print(error.sqlstate)
        raise psycopg.Rollback
print(c.execute('SELECT count(*) FROM orders').fetchone()[0])
"
    );
    assert_eq!(psycopg(&dba, &script), "54000\n57014\n10\n54000\n10\n");
    Ok(())
}

#[test]
fn a_statement_that_turns_its_timeout_off_is_ended_by_the_gateways_own() -> Result<(), Error> {
    let stage = capped("statement_timeout = \"500ms\"")?;
    let mut dba = stage.client("dba")?;
    dba.query("SET statement_timeout = 0")?;
    for message in [query("SELECT pg_sleep(1000)"), extended("SELECT pg_sleep(1000)", &[])] {
        dba.send(&message)?;
        let ended = dba.read_until(b'Z')?;
        assert_eq!((code(&ended).as_str(), state(&ended)), ("57014", b'I'));
        assert_eq!(words(&ended), "canceling statement due to statement timeout");
    }
    assert_eq!(rows(&dba.query("SELECT 1")?), "1");
    Ok(())
}

#[test]
fn an_idle_transaction_ends_with_25p03_whatever_its_session_set() -> Result<(), Error> {
    let stage = capped("idle_in_transaction = \"300ms\"")?;
    for sets in ["SELECT 1", "SET idle_in_transaction_session_timeout = 0"] {
        let mut dba = stage.client("dba")?;
        dba.query(sets)?;
        // Outside a transaction, and inside one that is used, nothing happens.
        assert!(dba.is_quiet(std::time::Duration::from_millis(1000))?);
        dba.query("BEGIN")?;
        dba.query("INSERT INTO orders VALUES (70, 'new')")?;
        let said = dba.read_to_end()?;
        assert_eq!(code(&said), "25P03", "{sets}");
        eventually("the rollback", || stage.truth("SELECT count(*) FROM orders WHERE id = 70") == "0");
    }
    Ok(())
}

#[test]
fn a_session_in_which_nothing_happens_ends_with_57p05_and_one_that_is_used_does_not() -> Result<(), Error> {
    let stage = capped("idle_session = \"3s\", idle_in_transaction = \"60s\"")?;
    let mut used = stage.client("dba")?;
    let mut idle = stage.client("dba")?;
    let mut inside = stage.client("dba")?;
    inside.query("BEGIN")?;
    for _ in 0..10 {
        assert!(used.is_quiet(std::time::Duration::from_millis(400))?);
        assert_eq!(rows(&used.query("SELECT 1")?), "1");
    }
    let said = idle.read_to_end()?;
    assert_eq!(
        (code(&said).as_str(), words(&said).as_str()),
        ("57P05", "terminating connection due to idle-session timeout")
    );
    assert_eq!(rows(&inside.query("SELECT 2")?), "2");
    Ok(())
}

#[test]
fn the_smallest_limit_counts_and_a_reload_changes_that_of_open_sessions() -> Result<(), Error> {
    let policy = |rows: u32| format!("{POLICY}\n[role.agent]\nlimits = {{ rows = {rows} }}\n");
    let stage = Stage::with(&policy(5), |setup| setup.tables("limits = { rows = 10 }"))?;
    let (mut agent, mut dba): (RawClient, RawClient) = (stage.client("agent")?, stage.client("dba")?);
    let counts = |client: &mut RawClient| client.query("SELECT id FROM customers").map(|frames| count(&frames, b'D'));
    assert_eq!((counts(&mut agent)?, counts(&mut dba)?), (5, 10));
    std::fs::write(stage.gateway.policy("shop"), policy(7)).unwrap();
    stage.gateway.command(&["reload"], "")?.ok()?;
    eventually("the new limit", || counts(&mut agent).is_ok_and(|n| n == 7));
    assert_eq!(counts(&mut dba)?, 10);
    Ok(())
}
