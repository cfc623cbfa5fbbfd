//! Texts of several statements, one of which decides what the others mean.

use querygate_testkit::{
    Error,
    wire::{RawClient, message, query, tags},
};

use super::{all, refused, stage};
use crate::stage::{code, extended, rows, words};

#[test]
fn a_text_of_several_statements_may_use_what_it_defines() -> Result<(), Error> {
    let stage = stage()?;
    let parts = [
        "CREATE TABLE made (id int, note text)",
        "INSERT INTO made VALUES (1, 'a;b'), (2, 'c')",
        "ALTER TABLE made ADD COLUMN more int DEFAULT 3",
        "UPDATE made SET more = 4 WHERE id = 2",
        "SELECT id, more FROM made ORDER BY id",
    ];
    let text = parts.join("; ");
    let mut direct = RawClient::login(&stage.server.admin(&stage.database))?;
    let expected = direct.query(&text)?;
    all(&mut direct, &["DROP TABLE made"])?;
    for account in ["dba", "agent"] {
        let mut client = stage.client(account)?;
        for (before, after) in [("", ""), ("BEGIN; ", "; ROLLBACK")] {
            let answer = client.query(&format!("{before}{text}{after}"))?;
            assert_eq!((code(&answer), rows(&answer)), (String::new(), "1 3 2 4".to_owned()), "{}", words(&answer));
            if before.is_empty() {
                assert_eq!(tags(&answer), tags(&expected), "the client sees other messages than of the server");
                all(&mut client, &["DROP TABLE made"])?;
            }
        }
        // What follows is not taken for the replies of that text.
        client.send(&extended("SELECT 1", &[]))?;
        assert_eq!(tags(&client.read_until(b'Z')?), "12TDCZ");
    }
    assert_eq!(stage.statements("UPDATE made").len(), 4, "each of its statements is in the log");
    Ok(())
}

#[test]
fn a_text_of_several_statements_is_kept_whole_or_not_at_all() -> Result<(), Error> {
    let stage = stage()?;
    let mut agent = stage.client("agent")?;
    for last in ["SELECT 1/0 FROM made", "SELECT id FROM nowhere", "SELECT id FROM customers WHERE ssn = 'x'"] {
        let text =
            format!("CREATE TABLE made (id int); INSERT INTO made VALUES (1); {last}; INSERT INTO made VALUES (2)");
        refused(&mut agent, &text)?;
        assert_eq!(stage.truth("SELECT count(*) FROM pg_class WHERE relname = 'made'"), "0", "{last}");
        // The transaction that it begins stays open after a refusal, and what follows in the text does not run.
        refused(&mut agent, &format!("BEGIN; {text}; COMMIT"))?;
        agent.query("ROLLBACK")?;
        assert_eq!(stage.truth("SELECT count(*) FROM pg_class WHERE relname = 'made'"), "0", "{last}");
    }
    Ok(())
}

#[test]
fn a_text_of_several_statements_is_not_judged_by_what_it_changes() -> Result<(), Error> {
    let stage = stage()?;
    let mut agent = stage.client("agent")?;
    all(&mut agent, &["CREATE TABLE notes (id int, ssn text)"])?;
    let text = "ALTER TABLE notes RENAME TO aside; ALTER TABLE customers RENAME TO notes; SELECT count(*) FROM notes WHERE ssn = '900-00-0001'";
    refused(&mut agent, text)?;
    let mut batch = extended("ALTER TABLE notes RENAME TO aside", &[]);
    batch.truncate(batch.len() - message(b'S', b"").len());
    batch.extend(query(text));
    agent.send(&batch)?;
    assert_ne!(code(&agent.read_until(b'Z')?), "");
    Ok(())
}
