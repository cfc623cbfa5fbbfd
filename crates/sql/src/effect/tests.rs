//! What each kind of statement is said to do.

use querygate_record::{Barrier, CopyDirection, CopyFormat, Named, TransactionChange};

use crate::{
    Limits, analyse,
    query::tests::{one, settings, under},
    session::Settings,
    statement::{ColumnId, EXPLAINED_SIZES, Statement},
    test_catalog::shop,
};

/// Effects as `effect object`, in order.
fn effects(text: &str) -> Vec<String> {
    shown(&one(text), text)
}

fn shown(statement: &Statement, text: &str) -> Vec<String> {
    assert!(statement.unanalysed.is_none(), "{text}: {:?}", statement.unanalysed);
    statement.effects.iter().map(|on| format!("{} {}", on.effect, on.object).trim_end().to_owned()).collect()
}

fn check(cases: &[(&str, &[&str])]) {
    for (text, expected) in cases {
        assert_eq!(effects(text), *expected, "{text}");
    }
}

#[test]
fn transaction_control_is_session_and_says_what_it_changes() {
    use TransactionChange::{Begin, Commit, None, Release, Rollback, RollbackTo, Savepoint};
    for (text, change) in [
        ("BEGIN", Begin),
        ("BEGIN WORK ISOLATION LEVEL REPEATABLE READ READ ONLY", Begin),
        ("START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE, NOT DEFERRABLE", Begin),
        ("COMMIT", Commit),
        ("END TRANSACTION", Commit),
        ("COMMIT AND NO CHAIN", Commit),
        ("ROLLBACK", Rollback),
        ("ABORT WORK", Rollback),
        ("SAVEPOINT a", Savepoint),
        ("RELEASE a", Release),
        ("ROLLBACK TO SAVEPOINT a", RollbackTo),
        ("SET TRANSACTION READ ONLY", None),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED", None),
    ] {
        assert_eq!(one(text).transaction, change, "{text}");
        assert_eq!(effects(text), ["session"], "{text}");
    }
    check(&[("COMMIT PREPARED 'x'", &["server"]), ("ROLLBACK PREPARED 'x'", &["server"])]);
    check(&[("PREPARE TRANSACTION 'x'", &["server"])]);
    assert_eq!(one("PREPARE TRANSACTION 'x'").transaction, Commit);
    assert!(one("BEGIN NONSENSE").unanalysed.is_some());
}

#[test]
fn listed_settings_are_session_and_the_rest_is_refused() {
    check(&[
        ("SET statement_timeout = '5s'", &["session statement_timeout"]),
        ("SET LOCAL work_mem TO '64MB'", &["session work_mem"]),
        ("SET SESSION DateStyle TO ISO, MDY", &["session datestyle"]),
        ("SET TIME ZONE 'UTC'", &["session timezone"]),
        ("SET NAMES 'UTF8'", &["session client_encoding"]),
        ("RESET ALL", &["session all"]),
        ("DISCARD ALL", &["session"]),
        ("SHOW ALL", &["session all"]),
        ("SHOW TRANSACTION ISOLATION LEVEL", &["session transaction_isolation"]),
        ("SET ROLE dba", &["privilege role"]),
        ("SET role TO 'dba'", &["privilege role"]),
        ("SET SESSION AUTHORIZATION dba", &["privilege session_authorization"]),
        ("SET SESSION AUTHORIZATION DEFAULT", &["session session_authorization"]),
        ("SET session_replication_role = replica", &["privilege session_replication_role"]),
        ("ALTER SYSTEM SET work_mem = '1GB'", &["server"]),
    ]);
    for text in [
        "SET backslash_quote = on",
        "SET client_encoding TO LATIN1",
        "SET standard_conforming_strings = off",
        "SET app.user = 'x'",
        "SHOW app.user",
        "SET lo_compat_privileges = on",
    ] {
        assert!(one(text).unanalysed.is_some(), "{text}");
    }
}

#[test]
fn a_tracked_setting_counts_for_what_follows() {
    let barrier = |text: &str| one(text).barrier;
    let path = |values: &[&str], local| Barrier::Constant {
        setting: "search_path".to_owned(),
        values: values.iter().map(ToString::to_string).collect(),
        local,
    };
    assert_eq!(barrier("SET search_path TO staff, \"$user\", public"), path(&["staff", "$user", "public"], false));
    assert_eq!(barrier("SET LOCAL search_path = Staff"), path(&["staff"], true));
    assert_eq!(barrier("RESET search_path"), Barrier::Unknown);
    assert_eq!(barrier("DISCARD ALL"), Barrier::Unknown);
    assert_eq!(barrier("SET search_path TO DEFAULT"), Barrier::Unknown);
    assert_eq!(barrier("SET work_mem = '1MB'"), Barrier::None);
    let all =
        analyse("SET search_path = staff; SELECT segment FROM customers", shop(), &settings(), &Limits::default());
    assert!(all[1].tables.iter().any(|table| &*table.name == "staff.customers"));
}

#[test]
fn undoing_a_setting_is_a_barrier() {
    let last = |text: &str| analyse(text, shop(), &settings(), &Limits::default()).pop().unwrap().barrier;
    assert_eq!(last("BEGIN; SET search_path = staff; ROLLBACK"), Barrier::Unknown);
    assert_eq!(last("BEGIN; SAVEPOINT a; SET datestyle = German; ROLLBACK TO a"), Barrier::Unknown);
    assert_eq!(last("BEGIN; SET LOCAL search_path = staff; COMMIT"), Barrier::Unknown);
    assert_eq!(last("BEGIN; SET search_path = staff; COMMIT"), Barrier::None);
    assert_eq!(last("BEGIN; SELECT 1; ROLLBACK"), Barrier::None);
}

#[test]
fn channels_and_locks_are_session() {
    check(&[
        ("LISTEN jobs", &["session jobs"]),
        ("NOTIFY jobs, 'x'", &["session jobs"]),
        ("UNLISTEN *", &["session *"]),
        ("SELECT pg_advisory_lock(1)", &["session pg_catalog.pg_advisory_lock"]),
    ]);
}

#[test]
fn permanent_objects_are_defined_changed_and_dropped() {
    check(&[
        ("CREATE TABLE t (id int PRIMARY KEY, name text DEFAULT 'x')", &["define public.t"]),
        ("CREATE TABLE IF NOT EXISTS staff.t (LIKE pad)", &["define staff.t"]),
        ("CREATE INDEX CONCURRENTLY i ON pad (num)", &["define public.pad"]),
        ("CREATE UNIQUE INDEX ON pad (txt)", &["define public.pad"]),
        ("CREATE SEQUENCE s START 5", &["define public.s"]),
        ("CREATE SCHEMA s", &["define s"]),
        ("CREATE TYPE t AS ENUM ('a')", &["define public.t"]),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", &["define_code public.f"]),
        (
            "CREATE OR REPLACE PROCEDURE staff.p() LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END",
            &["define_code staff.p"],
        ),
        ("CREATE TRIGGER g AFTER UPDATE OF num ON pad EXECUTE FUNCTION fill_note()", &["define_code public.pad"]),
        (
            "CREATE RULE r AS ON INSERT TO pad DO (DELETE FROM archive; DELETE FROM guesses)",
            &["define_code public.pad"],
        ),
        ("CREATE POLICY p ON customers USING (true)", &["define_code public.customers"]),
        ("CREATE EXTENSION dblink", &["define_code dblink"]),
        ("CREATE OPERATOR +++ (LEFTARG = int, RIGHTARG = int, FUNCTION = richer)", &["define_code"]),
        ("ALTER TABLE pad ADD COLUMN x int", &["define public.pad"]),
        ("ALTER TABLE pad ADD x int, DROP COLUMN num", &["define public.pad", "alter public.pad"]),
        ("ALTER TABLE pad ALTER COLUMN num TYPE text", &["alter public.pad"]),
        ("ALTER TABLE pad ALTER num SET DEFAULT 5", &["define public.pad"]),
        ("ALTER TABLE pad RENAME TO y", &["alter public.pad"]),
        ("ALTER TABLE pad DISABLE TRIGGER ALL", &["alter public.pad"]),
        ("ALTER TABLE pad OWNER TO x", &["privilege public.pad"]),
        ("ALTER FUNCTION order_total(int) RENAME TO z", &["alter public.order_total"]),
        ("DROP TABLE IF EXISTS products, staff.pay CASCADE", &["drop public.products", "drop staff.pay"]),
        ("DROP FUNCTION cust_ssn(int)", &["drop public.cust_ssn"]),
        ("DROP TRIGGER inbox_fill ON inbox", &["drop public.inbox"]),
        ("DROP DATABASE shop", &["drop shop"]),
        ("COMMENT ON COLUMN customers.ssn IS 'x'", &["define public.customers"]),
        ("TRUNCATE orders, ONLY pad", &["truncate public.orders", "truncate public.pad"]),
        ("TRUNCATE customers CASCADE", &["truncate public.customers", "truncate public.orders"]),
    ]);
}

#[test]
fn temporary_objects_are_session_and_named() {
    for (text, name) in [
        (
            "CREATE TEMP TABLE t (id serial PRIMARY KEY, d timestamp(3) DEFAULT now(), n numeric(10,2) CHECK (n > 0))",
            "t",
        ),
        ("CREATE TEMPORARY TABLE IF NOT EXISTS t AS SELECT 1 AS a WITH NO DATA", "t"),
        ("CREATE TABLE pg_temp.t (id int)", "t"),
        ("CREATE TEMP SEQUENCE q", "q"),
        ("SELECT 1 INTO TEMP \"Q\"", "Q"),
        ("SELECT 1 INTO pg_temp.q", "q"),
        ("CREATE LOCAL TEMP VIEW v AS SELECT id FROM pad", "v"),
    ] {
        let statement = one(text);
        assert_eq!(statement.temporary, [name], "{text}");
        assert!(statement.opaque.is_empty(), "{text}: {:?}", statement.opaque);
        assert_eq!(
            shown(&statement, text).first().map(String::as_str),
            Some(format!("session pg_temp.{name}").as_str()),
            "{text}"
        );
    }
    assert!(one("CREATE TEMP TABLE t (LIKE tickets)").opaque.is_empty());
    assert_eq!(effects("CREATE TEMP TABLE t () INHERITS (pad)"), ["session pg_temp.t", "define public.pad"]);
    let made = Settings { temporary: vec!["t".to_owned(), "pad".to_owned()], ..settings() };
    for text in ["DROP TABLE t", "ALTER TABLE t ADD x int", "TRUNCATE t", "CREATE INDEX ON t (x)"] {
        assert_eq!(shown(&under(text, &made), text), ["session pg_temp.t"]);
    }
    // The temporary one may be gone by now.
    assert_eq!(shown(&under("DROP TABLE pad", &made), ""), ["drop public.pad"]);
}

#[test]
fn code_in_definitions_is_found() {
    for (text, code) in [
        ("CREATE TEMP TABLE t (id int, s text DEFAULT cust_ssn(3))", "public.cust_ssn"),
        ("CREATE TEMP TABLE t (id big_spender)", "public.known_limit"),
        ("CREATE TEMP TABLE t (id int CHECK (id >>> 3))", "public.richer"),
        ("CREATE TEMP TABLE t (s text DEFAULT pg_read_file('x'))", "pg_catalog.pg_read_file"),
        ("CREATE INDEX ON customers ((customers.tail))", "public.tail"),
        ("CREATE TYPE x AS (limited big_spender)", "public.known_limit"),
        ("CREATE TEMP TABLE t (LIKE tickets INCLUDING DEFAULTS)", "public.cust_ssn"),
        ("CREATE TEMP TABLE t (LIKE ratings INCLUDING ALL)", "public.known_limit"),
    ] {
        let statement = one(text);
        assert!(statement.opaque.iter().any(|opaque| &*opaque.object == code), "{text}: {:?}", statement.opaque);
    }
}

#[test]
fn definitions_use_the_columns_that_they_compute_with() {
    for text in [
        "CREATE INDEX ON customers (lower(email))",
        "CREATE STATISTICS x ON segment, email FROM customers",
        "ALTER TABLE customers ALTER COLUMN notes TYPE text USING email",
        "ALTER TABLE customers ADD CONSTRAINT c CHECK (email <> '')",
        "CREATE TEMP TABLE t AS SELECT email FROM customers",
        "CREATE VIEW v AS SELECT email FROM customers",
        "CREATE INDEX ON customers ((customers IS NULL))",
    ] {
        let email = shop().relation_in("public", "customers").unwrap().column("email").unwrap().id;
        assert!(one(text).uses.iter().any(|used| used.column == email), "{text}");
    }
}

#[test]
fn rights_files_programs_and_servers_are_told_apart() {
    check(&[
        ("GRANT SELECT ON customers, TABLE pad TO x", &["privilege"]),
        ("GRANT SELECT ON customers, pad TO x", &["privilege public.customers", "privilege public.pad"]),
        ("GRANT dba TO agent", &["privilege"]),
        ("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM x", &["privilege"]),
        ("CREATE ROLE x LOGIN PASSWORD 'p'", &["privilege x"]),
        ("ALTER USER x PASSWORD 'p'", &["privilege x"]),
        ("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO x", &["privilege"]),
        ("COPY pad TO '/tmp/x'", &["file", "read public.pad"]),
        ("COPY pad FROM PROGRAM 'cat'", &["program", "insert public.pad"]),
        ("LOAD 'x'", &["program"]),
        ("CHECKPOINT", &["server"]),
        ("CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (password 'x')", &["outbound s"]),
        ("CREATE SUBSCRIPTION s CONNECTION 'host=x' PUBLICATION p", &["outbound s"]),
        ("IMPORT FOREIGN SCHEMA x FROM SERVER s INTO public", &["outbound", "define"]),
        ("VACUUM FULL ANALYZE customers (email), pad", &["maintain public.customers", "maintain public.pad"]),
        ("ANALYZE", &["maintain"]),
        ("REFRESH MATERIALIZED VIEW mv_customers", &["maintain public.mv_customers"]),
        ("LOCK TABLE ONLY pad IN SHARE MODE", &["maintain public.pad"]),
        ("DO $$ BEGIN END $$", &["call"]),
        ("CALL purge_archive()", &["call public.purge_archive"]),
    ]);
}

#[test]
fn secrets_of_statements_are_marked() {
    for text in [
        "CREATE ROLE x PASSWORD 'p'",
        "ALTER ROLE x ENCRYPTED PASSWORD 'p'",
        "CREATE USER MAPPING FOR x SERVER s OPTIONS (user 'u', password 'p')",
        "CREATE SUBSCRIPTION s CONNECTION 'host=x' PUBLICATION p",
        "CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (sslkey 'x')",
    ] {
        assert!(one(text).literals.iter().all(|literal| literal.secret), "{text}");
    }
    assert!(one("SELECT 'x'").literals.iter().all(|literal| !literal.secret));
}

#[test]
fn names_that_sql_keeps_are_told() {
    for (text, named) in [
        ("PREPARE p (int) AS SELECT ssn FROM customers WHERE id = $1", Named::Prepare("p".into())),
        ("EXECUTE p(1)", Named::Execute("p".into())),
        ("DEALLOCATE PREPARE p", Named::Deallocate(Some("p".into()))),
        ("DEALLOCATE ALL", Named::Deallocate(None)),
        ("DECLARE c NO SCROLL CURSOR WITH HOLD FOR SELECT ssn FROM customers", Named::Declare("c".into())),
        ("FETCH FORWARD 10 IN \"C\"", Named::Fetch("C".into())),
        ("MOVE ALL c", Named::Fetch("c".into())),
        ("CLOSE ALL", Named::Close(None)),
    ] {
        let statement = one(text);
        assert!(statement.unanalysed.is_none(), "{text}");
        assert_eq!(statement.named, Some(named), "{text}");
    }
    assert_eq!(one("PREPARE p AS SELECT ssn FROM customers").outputs.unwrap().len(), 1);
    assert!(one("PREPARE p (pg_catalog.oid, text[]) AS SELECT $1, $2").unanalysed.is_none());
    assert!(one("CALL tell(cid => 3)").unanalysed.is_none());
    assert!(one("PREPARE p (cust_ref) AS SELECT $1::text").unanalysed.is_some());
    assert!(!one("EXECUTE p((SELECT ssn FROM customers LIMIT 1))").uses.is_empty());
}

#[test]
fn explain_shows_what_the_planner_knows_and_analyze_runs() {
    let plain = one("EXPLAIN (COSTS off) UPDATE customers SET notes = 'x' WHERE id = 1");
    assert!(plain.writes.is_empty() && plain.opaque.is_empty());
    assert!(plain.uses.iter().any(|used| &*used.construct == "EXPLAIN"));
    let runs = one("EXPLAIN ANALYZE DELETE FROM pad");
    assert_eq!(shown(&runs, ""), ["delete public.pad"]);
    assert!(!runs.effects[0].bounded && !runs.opaque.is_empty());
    assert!(one("EXPLAIN (ANALYZE off) DELETE FROM pad").opaque.is_empty());
    assert!(one("EXPLAIN SELECT cust_ssn(3)").effects.iter().any(|on| on.effect.name() == "call"));
    assert!(one("EXPLAIN EXECUTE p").unanalysed.is_some());
}

#[test]
fn explain_shows_the_sizes_of_whole_tables_unless_costs_are_off() {
    let sizes = |text: &str| {
        let columns = one(text).uses.into_iter().filter(|used| &*used.construct == EXPLAINED_SIZES);
        columns.map(|used| used.column).collect::<Vec<_>>()
    };
    let customers: Vec<ColumnId> =
        shop().relation_in("public", "customers").unwrap().columns.iter().map(|column| column.id).collect();
    for shows in [
        "EXPLAIN SELECT id FROM customers",
        "EXPLAIN VERBOSE SELECT id FROM customers",
        "EXPLAIN (COSTS) SELECT id FROM customers",
        "EXPLAIN (COSTS OFF, COSTS ON) SELECT id FROM customers",
        "EXPLAIN (COSTS 'no') SELECT id FROM customers",
        "EXPLAIN (COSTS OFF, BUFFERS) SELECT id FROM customers",
        "EXPLAIN (COSTS OFF, MEMORY ON) SELECT id FROM customers",
        "EXPLAIN (COSTS OFF, what_comes_next) SELECT id FROM customers",
        "EXPLAIN SELECT 1 FROM products WHERE EXISTS (SELECT FROM customers)",
        "EXPLAIN INSERT INTO customers (id) VALUES (1)",
    ] {
        assert!(customers.iter().all(|column| sizes(shows).contains(column)), "{shows}");
    }
    for shape in [
        "EXPLAIN (COSTS OFF) SELECT id FROM customers",
        "EXPLAIN (COSTS off, FORMAT json, VERBOSE, BUFFERS OFF) SELECT id FROM customers",
        "EXPLAIN (COSTS 'off') SELECT id FROM customers",
        "EXPLAIN (COSTS 0) UPDATE customers SET notes = 'x' WHERE id = 1",
    ] {
        assert!(sizes(shape).is_empty(), "{shape}");
    }
    assert!(sizes("EXPLAIN SELECT 1").is_empty());
}

#[test]
fn copy_says_its_way_its_form_and_its_columns() {
    let out = one("COPY employees TO STDOUT (FORMAT csv, HEADER, NULL 'x', DELIMITER E'\\t', FORCE_QUOTE *)");
    let labels: Vec<_> = out.outputs.iter().flatten().map(|output| output.name.to_string()).collect();
    assert_eq!(labels, ["id", "name", "title", "manager_id", "salary", "hired_on"], "the generated column is left out");
    let copy = out.copy.unwrap();
    assert_eq!(copy.direction, CopyDirection::ToStdout);
    assert_eq!(
        copy.format,
        CopyFormat::Csv {
            delimiter: b'\t',
            null: "x".into(),
            header: true,
            quote: b'"',
            escape: b'"',
            force_quote: vec![true; 6],
        }
    );
    let query = one("COPY (SELECT ssn FROM customers) TO STDOUT WITH CSV QUOTE AS '''' HEADER");
    assert_eq!(query.copy_query.as_deref(), Some("SELECT ssn FROM customers"));
    assert_eq!(query.outputs.unwrap().len(), 1);
    let into = one("COPY pad (id, txt) FROM STDIN BINARY");
    assert_eq!(into.copy.unwrap().format, CopyFormat::Binary);
    assert_eq!(into.writes.len(), 2);
    assert!(one("COPY pad TO STDOUT (ENCODING 'LATIN1')").unanalysed.is_some());
    assert!(one("COPY inbox FROM STDIN").opaque.iter().any(|opaque| &*opaque.object == "public.fill_note"));
}

#[test]
fn what_is_no_statement_is_refused() {
    for text in [
        "FOO",
        "SELECT 1 FROM",
        "CREATE",
        "ALTER TABLE pad",
        "KILL 3",
        "USE x",
        "PRAGMA x",
        "INSERT IGNORE INTO pad VALUES (1)",
    ] {
        let all = analyse(text, shop(), &settings(), &Limits::default());
        assert!(all[0].unanalysed.is_some(), "{text}");
        assert_eq!(all[0].effects[0].effect.name(), "unanalysed");
    }
}
