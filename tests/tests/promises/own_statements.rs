//! What the gateway itself sends to a server is in the log, begin and end.

use querygate_testkit::{Error, wire::message};

use crate::stage::{Stage, code, extended};

#[test]
fn each_of_the_gateways_own_statements_in_a_session_has_an_end() -> Result<(), Error> {
    let stage = Stage::open()?;
    let mut agent = stage.client("agent")?;
    agent.query("SELECT id FROM customers WHERE id = 1")?;
    agent.query("COPY customers (id, email) TO STDOUT")?;
    // A refusal in a pipeline that has executed something makes the server fail it.
    let mut pipeline = extended("INSERT INTO orders VALUES (77, 'x')", &[]);
    pipeline.truncate(pipeline.len() - message(b'S', b"").len());
    pipeline.extend(extended("GRANT ALL ON orders TO PUBLIC", &[]));
    agent.send(&pipeline)?;
    assert_eq!(code(&agent.read_until(b'Z')?), "42501");
    assert_eq!(stage.truth("SELECT count(*) FROM orders WHERE id = 77"), "0");
    let log = stage.log();
    for (what, status) in [
        ("read the tracked settings back", "ok"),
        ("describe the columns of a COPY", "ok"),
        ("fail the implicit transaction", "error"),
    ] {
        let rows: Vec<_> = log.iter().filter(|row| row["text"] == what).collect();
        assert!(!rows.is_empty(), "{what} is not in the log");
        for row in rows {
            assert_eq!((&row["origin"], &row["status"]), (&"gateway".into(), &status.into()), "{row}");
        }
    }
    Ok(())
}
