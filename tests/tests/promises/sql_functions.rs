//! A function in SQL whose body does nothing but read is judged by what it reads, as if the statement that calls it did.

use querygate_testkit::{
    Error,
    wire::{RawClient, message},
};

use crate::stage::{POLICY, Stage, code, rows, words};

const RULES: &str = "
[functions]
trust = [\"public.trusted\"]

[[rule]]
name   = \"definitions\"
match  = { effects = [\"define\", \"define_code\", \"alter\", \"drop\"] }
action = \"allow\"

[[rule]]
name   = \"user code\"
match  = { effects = [\"call\"] }
action = \"block\"

[[rule]]
name   = \"the till\"
match  = { tables = [\"public.till\"] }
action = \"block\"
";

/// The beginning of every secret.
const SECRET: &str = "900-00-";

/// Functions that read nothing but what everybody may see.
const CLEAR: &str = "\
CREATE TABLE till (amount int); INSERT INTO till VALUES (5);
CREATE FUNCTION counted(wanted text) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM public.orders WHERE status = wanted';
CREATE FUNCTION counted_here(text) RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM orders WHERE status = $1';
CREATE FUNCTION own_path(text) RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS 'SELECT count(*) FROM orders WHERE status = $1';
CREATE FUNCTION parsed(wanted text) RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM orders WHERE status = wanted; END;
CREATE FUNCTION returned(a int, b int DEFAULT 2) RETURNS int LANGUAGE sql RETURN a + b;
CREATE FUNCTION listed(above int) RETURNS SETOF orders LANGUAGE sql AS 'SELECT * FROM public.orders WHERE id > above';
CREATE FUNCTION named(above int) RETURNS TABLE (id int, name text) LANGUAGE sql AS 'SELECT c.id, c.full_name FROM public.customers c WHERE c.id > above';
CREATE FUNCTION nested(text) RETURNS bigint LANGUAGE sql AS 'SELECT public.counted($1) + public.parsed($1)';
CREATE FUNCTION several() RETURNS int LANGUAGE sql AS 'SELECT 1; SELECT id FROM public.orders ORDER BY id LIMIT 1;';
CREATE FUNCTION takings() RETURNS bigint LANGUAGE sql AS 'SELECT sum(amount) FROM public.till';
CREATE FUNCTION trusted() RETURNS text LANGUAGE sql AS 'SELECT ssn FROM public.customers WHERE id = 3';
CREATE VIEW over_own AS SELECT own_path('open') AS n;
";

/// Functions that read what is masked, each in its own way.
const LEAKY: &str = "\
CREATE FUNCTION shown(int) RETURNS text LANGUAGE sql AS 'SELECT ssn FROM public.customers WHERE id = $1';
CREATE FUNCTION asked(text) RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM public.customers WHERE ssn LIKE $1';
CREATE FUNCTION ordered() RETURNS int LANGUAGE sql AS 'SELECT id FROM public.customers ORDER BY ssn DESC LIMIT 1';
CREATE FUNCTION definer(int) RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = public AS 'SELECT ssn FROM customers WHERE id = $1';
CREATE FUNCTION atomic(who int) RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT ssn FROM customers WHERE id = who; END;
CREATE FUNCTION returning_it() RETURNS text LANGUAGE sql RETURN (SELECT ssn FROM customers WHERE id = 1);
CREATE FUNCTION whole(int) RETURNS SETOF customers LANGUAGE sql AS 'SELECT * FROM public.customers WHERE id > $1';
CREATE FUNCTION row_of(int) RETURNS text LANGUAGE sql AS 'SELECT c::text FROM public.customers c WHERE id = $1';
CREATE FUNCTION twice(int) RETURNS text LANGUAGE sql AS 'SELECT ''x''; SELECT public.shown($1)';
CREATE FUNCTION picked(numeric) RETURNS text LANGUAGE sql AS $$SELECT 'clear'$$;
CREATE FUNCTION picked(int) RETURNS text LANGUAGE sql AS 'SELECT public.shown($1)';
CREATE FUNCTION by_default(a int, b text DEFAULT shown(1)) RETURNS text LANGUAGE sql AS 'SELECT b';
CREATE FUNCTION writes(int) RETURNS int LANGUAGE sql AS 'DELETE FROM public.orders WHERE id = $1 RETURNING id';
CREATE FUNCTION cte_writes(int) RETURNS int LANGUAGE sql AS 'WITH gone AS (DELETE FROM public.orders WHERE id = $1 RETURNING id) SELECT id FROM gone';
CREATE FUNCTION other_language(int) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT ssn FROM public.customers WHERE id = $1); END';
CREATE FUNCTION calls_other(int) RETURNS text LANGUAGE sql AS 'SELECT public.other_language($1)';
CREATE FUNCTION by_text() RETURNS xml LANGUAGE sql AS $$SELECT query_to_xml('SELECT ssn FROM public.customers', true, true, '')$$;
CREATE FUNCTION styled(int) RETURNS text LANGUAGE sql SET datestyle = 'German' AS 'SELECT born::text FROM public.customers WHERE id = $1';
CREATE TABLE notes (text text); INSERT INTO notes VALUES ('plain');
CREATE FUNCTION here() RETURNS text LANGUAGE sql AS 'SELECT max(text) FROM notes';
CREATE SCHEMA elsewhere; CREATE VIEW elsewhere.notes AS SELECT ssn AS text FROM public.customers;
CREATE VIEW over_here AS SELECT here() AS a;
CREATE VIEW over_shown AS SELECT id, shown(id) AS a FROM orders;
CREATE FUNCTION definer_here() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM orders';
CREATE FUNCTION endless(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE OR REPLACE FUNCTION endless(int) RETURNS int LANGUAGE sql AS 'SELECT public.endless($1) + public.endless($1 + 1)';
";

fn stage() -> Result<Stage, Error> {
    let policy = format!("{POLICY}\n{RULES}");
    let stage = Stage::with(&policy, |setup| setup.tables("catalog_refresh = \"1h\""))?;
    stage.server.script(&stage.database, &format!("{CLEAR}{LEAKY}"))?;
    // A definition through the gateway makes it look.
    let mut dba = stage.client("dba")?;
    for text in ["CREATE TABLE look (id int)", "DROP TABLE look"] {
        assert_eq!(code(&dba.query(text)?), "");
    }
    Ok(stage)
}

fn shows(client: &mut RawClient, text: &str) -> Result<String, Error> {
    let answer = client.query(text)?;
    assert_eq!(code(&answer), "", "{text}: {}", words(&answer));
    Ok(rows(&answer))
}

fn refused(client: &mut RawClient, text: &str) -> Result<String, Error> {
    let answer = client.query(text)?;
    assert!(!rows(&answer).contains(SECRET), "{text} shows {}", rows(&answer));
    assert!(!code(&answer).is_empty(), "{text} passed: {}", rows(&answer));
    Ok(words(&answer))
}

#[test]
fn a_function_that_only_reads_what_is_clear_may_be_called_by_anybody() -> Result<(), Error> {
    let stage = stage()?;
    for account in ["agent", "dba"] {
        let mut client = stage.client(account)?;
        for (text, expected) in [
            ("SELECT counted('open')", "10"),
            ("SELECT counted(wanted => 'open')", "10"),
            ("SELECT counted_here('open')", "10"),
            ("SELECT own_path('open'), parsed('open')", "10 10"),
            ("SELECT returned(1), returned(1, 5)", "3 6"),
            ("SELECT id FROM listed(9)", "10"),
            ("SELECT name FROM named(19)", "Name 20"),
            ("SELECT nested('open')", "20"),
            ("SELECT several()", "1"),
            ("SELECT n FROM over_own", "10"),
            ("SELECT id FROM orders WHERE id = returned(2, 3)", "5"),
            ("SELECT count(*) FROM generate_series(1, 200) n WHERE counted('open') > n AND counted('x') = 0", "9"),
        ] {
            assert_eq!(shows(&mut client, text)?, expected, "{account}: {text}");
        }
    }
    let logged = stage.statements("SELECT nested('open')");
    assert!(logged.iter().all(|row| row["tables"].to_string().contains("public.orders")), "{logged:?}");
    Ok(())
}

#[test]
fn what_a_function_reads_is_judged_as_if_the_statement_read_it() -> Result<(), Error> {
    let stage = stage()?;
    let mut agent = stage.client("agent")?;
    for text in [
        "SELECT shown(1)",
        "SELECT asked('900-00-0001')",
        "SELECT id FROM orders WHERE shown(id) = '900-00-0001'",
        "SELECT ordered()",
        "SELECT definer(1)",
        "SELECT atomic(1)",
        "SELECT returning_it()",
        "SELECT ssn FROM whole(1)",
        "SELECT id FROM whole(1)",
        "SELECT (whole(1)).ssn",
        "SELECT row_of(1)",
        "SELECT twice(1)",
        "SELECT picked(1)",
        "SELECT by_default(1)",
        "SELECT by_default(a => 1)",
        "SELECT writes(1)",
        "SELECT cte_writes(1)",
        "SELECT other_language(1)",
        "SELECT calls_other(1)",
        "SELECT by_text()",
        "SELECT styled(1)",
        "SELECT endless(1)",
        "SELECT definer_here()",
        "SELECT a FROM over_shown",
        "SELECT a FROM over_here",
        "SELECT takings()",
        "EXPLAIN SELECT counted('open')",
    ] {
        refused(&mut agent, text)?;
    }
    assert_eq!(shows(&mut agent, "SELECT picked(1.5)")?, "clear");
    assert_eq!(shows(&mut agent, "SELECT by_default(1, 'b')")?, "b");
    let mut dba = stage.client("dba")?;
    assert_eq!(shows(&mut dba, "SELECT shown(1), asked('900-00-000%')")?, "900-00-0001 9");
    for text in ["SELECT takings()", "SELECT writes(1)", "SELECT cte_writes(1)", "SELECT other_language(1)"] {
        refused(&mut dba, text)?;
    }
    assert_eq!(stage.truth("SELECT count(*) FROM orders"), "10");
    Ok(())
}

#[test]
fn a_function_that_policy_trusts_is_trusted_whatever_its_body_does() -> Result<(), Error> {
    let stage = stage()?;
    assert_eq!(shows(&mut stage.client("agent")?, "SELECT trusted()")?, "900-00-0003");
    Ok(())
}

#[test]
fn names_in_a_body_mean_what_the_callers_path_makes_of_them() -> Result<(), Error> {
    let stage = stage()?;
    let mut agent = stage.client("agent")?;
    assert_eq!(shows(&mut agent, "SELECT here()")?, "plain");
    shows(&mut agent, "SET search_path = elsewhere, public")?;
    refused(&mut agent, "SELECT here()")?;
    refused(&mut agent, "SELECT set_config('search_path', 'elsewhere, public', false), here()")?;
    shows(&mut agent, "SET search_path = public")?;
    refused(&mut agent, "SELECT set_config('search_path', 'elsewhere, public', false), here()")?;
    // A cursor looks the names up when it is read.
    shows(&mut agent, "BEGIN")?;
    shows(&mut agent, "DECLARE c CURSOR FOR SELECT here()")?;
    shows(&mut agent, "SET LOCAL search_path = elsewhere, public")?;
    refused(&mut agent, "FETCH c")?;
    shows(&mut agent, "ROLLBACK")?;
    Ok(())
}

#[test]
fn a_function_that_is_replaced_is_judged_by_its_new_body() -> Result<(), Error> {
    const REPLACE: &str = "CREATE OR REPLACE FUNCTION counted_here(text) RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM customers WHERE ssn LIKE $1'";
    const CALL: &str = "SELECT counted_here('900-00-000%')";
    let stage = stage()?;
    let (mut agent, mut dba) = (stage.client("agent")?, stage.client("dba")?);
    assert_eq!(shows(&mut agent, CALL)?, "0");
    // In one text, in the transaction, and behind what was prepared, declared or bound before.
    refused(&mut agent, &format!("{REPLACE}; {CALL}"))?;
    shows(&mut agent, "BEGIN")?;
    shows(&mut agent, &format!("PREPARE p AS {CALL}"))?;
    shows(&mut agent, &format!("DECLARE c CURSOR FOR {CALL}"))?;
    let parse = message(b'P', format!("\0{CALL}\0\0\0").as_bytes());
    let bind = message(b'B', b"later\0\0\0\0\0\0\0\0");
    agent.send(&[parse, bind, message(b'S', b"")].concat())?;
    assert_eq!(code(&agent.read_until(b'Z')?), "");
    shows(&mut agent, REPLACE)?;
    for text in [CALL, "EXECUTE p", "FETCH c"] {
        refused(&mut agent, text)?;
    }
    agent.send(&[message(b'E', b"later\0\0\0\0\0"), message(b'S', b"")].concat())?;
    let answer = agent.read_until(b'Z')?;
    assert!(!code(&answer).is_empty(), "the bound call gave {}", rows(&answer));
    shows(&mut agent, "ROLLBACK")?;
    assert_eq!(shows(&mut agent, CALL)?, "0");
    // By another session, and committed.
    shows(&mut dba, REPLACE)?;
    refused(&mut agent, CALL)?;
    Ok(())
}

#[test]
fn each_definition_of_a_transaction_counts_though_the_one_before_was_of_the_same_object() -> Result<(), Error> {
    let stage = stage()?;
    let mut agent = stage.client("agent")?;
    let replace = |body: &str| format!("CREATE OR REPLACE FUNCTION here() RETURNS text LANGUAGE sql AS '{body}'");
    shows(&mut agent, "BEGIN")?;
    shows(&mut agent, &replace("SELECT max(text) FROM public.notes"))?;
    assert_eq!(shows(&mut agent, "SELECT here()")?, "plain");
    shows(&mut agent, &replace("SELECT max(ssn) FROM public.customers"))?;
    refused(&mut agent, "SELECT here()")?;
    // The same after a savepoint, for a table, and for a view.
    shows(&mut agent, "SAVEPOINT s")?;
    shows(&mut agent, &replace("SELECT max(text) FROM public.notes"))?;
    assert_eq!(shows(&mut agent, "SELECT here()")?, "plain");
    shows(&mut agent, "ROLLBACK TO SAVEPOINT s")?;
    refused(&mut agent, "SELECT here()")?;
    shows(&mut agent, "ALTER TABLE notes RENAME TO one")?;
    assert_eq!(shows(&mut agent, "SELECT count(*) FROM one")?, "1");
    shows(&mut agent, "ALTER TABLE one RENAME TO two")?;
    assert_eq!(shows(&mut agent, "SELECT count(*) FROM two")?, "1");
    refused(&mut agent, "SELECT count(*) FROM one")?;
    shows(&mut agent, "ROLLBACK")?;
    Ok(())
}
