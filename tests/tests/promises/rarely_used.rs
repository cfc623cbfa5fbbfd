//! Transactions that one session prepares and another ends, and large objects by their functions: what few programs use passes like everything
//! else, or is refused by name.

use querygate_testkit::{Error, wire::Frame};

use crate::stage::{POLICY, Stage, code, eventually, rows, words};

const RULE: &str = "
[[rule]]
name   = \"the DBA ends what was prepared\"
roles  = [\"dba\"]
match  = { effects = [\"server\", \"alter\", \"define\"] }
action = \"allow\"
";

/// The state of the transaction as the last ReadyForQuery tells it.
fn state(frames: &[Frame]) -> char {
    let ready = frames.iter().rev().find(|frame| frame.tag == b'Z');
    ready.and_then(|ready| ready.body.first()).map_or('?', |state| char::from(*state))
}

#[test]
fn a_transaction_is_prepared_and_ended_only_where_a_rule_says_so() -> Result<(), Error> {
    let stage = Stage::with(&format!("{POLICY}{RULE}"), |setup| setup)?;
    let mut agent = stage.client("agent")?;
    agent.query("BEGIN; INSERT INTO done VALUES (1)")?;
    let refused = agent.query("PREPARE TRANSACTION 'of_the_agent'")?;
    assert_eq!((code(&refused).as_str(), state(&refused)), ("42501", 'T'), "{}", words(&refused));
    assert!(words(&refused).contains("PREPARE TRANSACTION"), "{}", words(&refused));
    assert_eq!(state(&agent.query("COMMIT")?), 'I');

    let mut dba = stage.client("dba")?;
    dba.query("BEGIN; INSERT INTO done VALUES (2)")?;
    let prepared = dba.query("PREPARE TRANSACTION 'kept'")?;
    assert_eq!((code(&prepared).as_str(), state(&prepared)), ("", 'I'));
    dba.query("BEGIN; INSERT INTO done VALUES (3)")?;
    assert_eq!(state(&dba.query("PREPARE TRANSACTION 'given_up'")?), 'I');
    assert_eq!(stage.truth("SELECT string_agg(number::text, ',') FROM done"), "1");
    let mut other = stage.client("dba")?;
    assert_eq!(code(&other.query("COMMIT PREPARED 'kept'")?), "");
    assert_eq!(code(&other.query("ROLLBACK PREPARED 'given_up'")?), "");
    assert_eq!(stage.truth("SELECT string_agg(number::text, ',' ORDER BY number) FROM done"), "1,2");
    assert_eq!(code(&agent.query("COMMIT PREPARED 'kept'")?), "42501");
    for text in ["PREPARE TRANSACTION 'kept'", "COMMIT PREPARED 'kept'", "ROLLBACK PREPARED 'given_up'"] {
        assert!(!stage.statements(text).is_empty(), "{text} is not in the log");
    }
    Ok(())
}

#[test]
fn what_a_prepared_transaction_renamed_shows_nothing_in_clear() -> Result<(), Error> {
    let stage = Stage::with(&format!("{POLICY}{RULE}"), |setup| setup)?;
    let mut dba = stage.client("dba")?;
    for text in ["BEGIN", "ALTER TABLE customers RENAME COLUMN ssn TO number", "PREPARE TRANSACTION 'renamed'"] {
        assert_eq!(code(&dba.query(text)?), "", "{text}");
    }
    assert_eq!(code(&stage.client("dba")?.query("COMMIT PREPARED 'renamed'")?), "");
    // A policy that names a column which is gone lets nobody with masks read its table.
    eventually("the refusal of a table that its policy no longer fits", || {
        let answer = stage.client("agent").and_then(|mut agent| agent.query("SELECT * FROM customers"));
        let answer = answer.unwrap_or_default();
        assert!(!rows(&answer).contains("900-00-"), "{}", rows(&answer));
        code(&answer) == "42501"
    });
    Ok(())
}

#[test]
fn large_objects_are_for_roles_without_masks() -> Result<(), Error> {
    // What changes one is a call of a function that the gateway can't see into: by default it waits for a reviewer.
    let rule = "[[rule]]\nname = 'large objects'\nmatch = { effects = ['call'], functions = ['pg_catalog.lo*'] }\naction = 'allow'\n";
    let stage = Stage::with(&format!("{POLICY}{rule}"), |setup| setup)?;
    let mut dba = stage.client("dba")?;
    let id = rows(&dba.query("SELECT lo_from_bytea(0, 'hello')")?);
    dba.query("BEGIN")?;
    let open = rows(&dba.query(&format!("SELECT lo_open({id}, 393216)"))?);
    assert_eq!(rows(&dba.query(&format!("SELECT lowrite({open}, 'J')"))?), "1");
    assert_eq!(rows(&dba.query(&format!("SELECT lo_lseek({open}, 0, 0), loread({open}, 10)"))?), "0 \\x4a656c6c6f");
    dba.query("COMMIT")?;
    assert_eq!(rows(&dba.query(&format!("SELECT convert_from(lo_get({id}), 'UTF8')"))?), "Jello");
    let mut agent = stage.client("agent")?;
    for text in [
        format!("SELECT lo_get({id})"),
        format!("SELECT lo_open({id}, 262144)"),
        "SELECT lo_from_bytea(0, 'mine')".to_owned(),
        "SELECT data FROM pg_largeobject".to_owned(),
    ] {
        let refused = agent.query(&text)?;
        assert_eq!((code(&refused).as_str(), rows(&refused).as_str()), ("0A000", ""), "{text}");
    }
    for text in ["SELECT lo_import('/etc/hostname')", "SELECT lo_export(1, '/tmp/out')"] {
        assert_eq!(code(&dba.query(text)?), "42501", "{text}");
    }
    assert_eq!(rows(&dba.query(&format!("SELECT lo_unlink({id})"))?), "1");
    Ok(())
}
