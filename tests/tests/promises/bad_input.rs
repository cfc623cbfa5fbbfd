//! Input that no honest client sends: at most its own session ends, the others go on, and the log holds.

use std::fs;

use querygate_testkit::{
    Error,
    wire::{self, RawClient, message, startup},
};

use crate::stage::{POLICY, Stage, code, eventually, extended, rows};

/// A session beside the bad one, which must not notice anything.
fn with_witness(bad: impl FnOnce(&Stage) -> Result<(), Error>) -> Result<(), Error> {
    let stage = Stage::open()?;
    let mut witness = stage.client("agent")?;
    witness.query("BEGIN")?;
    bad(&stage)?;
    assert_eq!(rows(&witness.query("SELECT full_name FROM customers WHERE id = 3")?), "Name 3");
    assert_eq!(witness.query("COMMIT")?.last().map(|ready| ready.body.clone()), Some(b"I".to_vec()));
    assert_eq!(rows(&stage.client("agent")?.query("SELECT id FROM orders WHERE id = 1")?), "1");
    stage.verify();
    Ok(())
}

fn ends_with(client: &mut RawClient, bytes: &[u8], wanted: &str) -> Result<(), Error> {
    client.send(bytes)?;
    assert_eq!(code(&client.read_to_end()?), wanted);
    Ok(())
}

/// A message with a length of our own choice.
fn lying(tag: u8, length: u32, body: &[u8]) -> Vec<u8> {
    [&[tag], length.to_be_bytes().as_slice(), body].concat()
}

#[test]
fn malformed_frames_end_their_session_with_a_protocol_violation() -> Result<(), Error> {
    with_witness(|stage| {
        for bytes in [
            lying(b'Q', 3, b""),
            lying(b'Q', 0, b""),
            lying(b'Q', u32::MAX, b"SELECT 1\0"),
            message(b'Q', b"SELECT 1"),
            message(b'Q', b"SELECT 1\0surplus"),
            message(b'B', b"\0\0\0\x09"),
            message(b'P', b"name without end"),
            message(b'E', b"\0"),
            message(b'D', b"X\0"),
            message(b'z', b"no such message"),
            lying(0, 4, b""),
        ] {
            ends_with(&mut stage.client("agent")?, &bytes, "08P01")?;
        }
        Ok(())
    })
}

#[test]
fn a_text_that_is_not_utf_8_fails_alone() -> Result<(), Error> {
    with_witness(|stage| {
        let mut client = stage.client("agent")?;
        client.send(&message(b'Q', b"SELECT '\xff\xfe'\0"))?;
        assert_eq!(code(&client.read_until(b'Z')?), "22021");
        let parse = message(b'P', b"\0SELECT '\xe9'\0\0\0");
        client.send(&[parse, extended("INSERT INTO done VALUES (1)", &[])].concat())?;
        let said = client.read_until(b'Z')?;
        assert_eq!((code(&said).as_str(), said.len()), ("22021", 2), "what follows it in the pipeline is skipped");
        assert_eq!(stage.truth("SELECT count(*) FROM done"), "0");
        assert_eq!(rows(&client.query("SELECT 7")?), "7");
        Ok(())
    })
}

#[test]
fn malformed_first_packets_are_refused() -> Result<(), Error> {
    with_witness(|stage| {
        let open = || RawClient::connect(stage.gateway.address());
        let mut oversized = startup(&[("user", "agent")]);
        oversized[0] = 0x7f;
        ends_with(&mut open()?, &oversized, "08P01")?;
        let mut short = startup(&[]);
        short[3] = 7;
        ends_with(&mut open()?, &short, "08P01")?;
        let mut other = startup(&[("user", "agent")]);
        other[5] = 2;
        ends_with(&mut open()?, &other, "0A000")?;
        ends_with(&mut open()?, &startup(&[("database", "shop")]), "28000")?;
        let mut half = open()?;
        half.send(&startup(&[("user", "agent")])[..9])?;
        half.close_sending()?;
        assert!(half.read_to_end()?.is_empty());
        let mut impatient = open()?;
        impatient.send(&startup(&[("user", "agent"), ("database", "shop")]))?;
        impatient.expect(b'R')?;
        ends_with(&mut impatient, &wire::query("SELECT 1"), "08P01")
    })
}

#[test]
fn a_client_that_never_finishes_its_log_in_is_hung_up_on() -> Result<(), Error> {
    with_witness(|stage| {
        let mut stalled = RawClient::connect(stage.gateway.address())?;
        stalled.send(&startup(&[("user", "agent"), ("database", "shop")])[..20])?;
        // The limit lies beyond the time that one read waits.
        let ended = stalled.read_to_end().or_else(|_| stalled.read_to_end())?;
        assert!(ended.iter().all(|frame| frame.tag == b'E'));
        Ok(())
    })
}

#[test]
fn a_half_sent_message_costs_nobody_else_anything() -> Result<(), Error> {
    with_witness(|stage| {
        let mut half = stage.client("agent")?;
        half.send(&wire::query("INSERT INTO done VALUES (1)")[..20])?;
        assert_eq!(rows(&stage.client("agent")?.query("SELECT id FROM orders WHERE id = 2")?), "2");
        half.close_sending()?;
        half.read_to_end()?;
        assert_eq!(stage.truth("SELECT count(*) FROM done"), "0");
        assert!(stage.statements("INSERT INTO done").is_empty());
        Ok(())
    })
}

#[test]
fn texts_that_would_grow_beyond_every_bound_are_refused_and_their_session_goes_on() -> Result<(), Error> {
    with_witness(|stage| {
        let mut agent = stage.client("agent")?;
        let parentheses = format!("SELECT {}1{}", "(".repeat(100_000), ")".repeat(100_000));
        let chain = format!("SELECT 1{}", "+1".repeat(33_000));
        let long = format!("SELECT '{}'", "x".repeat(10 << 20));
        let lists = format!("SELECT {}1", "ARRAY[".repeat(30_000));
        for (text, wanted) in [(&parentheses, "54000"), (&chain, "54000"), (&lists, "54000"), (&long, "54000")] {
            let start = &text[..12];
            assert_eq!(code(&agent.query(text)?), wanted, "{start}...");
            agent.send(&extended(text, &[]))?;
            assert_eq!(code(&agent.read_until(b'Z')?), wanted, "{start}... in the extended protocol");
        }
        assert_eq!(rows(&agent.query("SELECT id FROM orders WHERE id = 2")?), "2");
        Ok(())
    })
}

#[test]
fn a_huge_value_passes_up_to_the_limit_of_messages() -> Result<(), Error> {
    with_witness(|stage| {
        let mut agent = stage.client("agent")?;
        let huge = vec![b'x'; 20 << 20];
        agent.send(&extended("INSERT INTO orders VALUES (99, $1)", &[&huge]))?;
        assert_eq!(code(&agent.read_until(b'Z')?), "");
        assert_eq!(stage.truth("SELECT length(status) FROM orders WHERE id = 99"), (20 << 20).to_string());
        let row = &stage.statements("INSERT INTO orders")[0];
        assert_eq!(row["values"][0]["length"], 20 << 20, "the log keeps its length, not the value: {row}");
        Ok(())
    })
}

#[test]
fn many_parameters_and_statements_stay_within_bounds() -> Result<(), Error> {
    with_witness(|stage| {
        let mut agent = stage.client("agent")?;
        let mut flood = Vec::new();
        for _ in 0..2_000 {
            flood.extend(extended("SELECT id FROM orders WHERE id = $1", &[b"1"]));
        }
        agent.send(&flood)?;
        for _ in 0..2_000 {
            assert_eq!(code(&agent.read_until(b'Z')?), "");
        }
        Ok(())
    })
}

#[test]
fn a_client_that_does_not_read_a_big_result_costs_little_memory() -> Result<(), Error> {
    with_witness(|stage| {
        let memory = || {
            let status = fs::read_to_string(format!("/proc/{}/status", stage.gateway.process().unwrap())).unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap().trim().to_owned();
            line.trim_end_matches(" kB").parse::<u64>().unwrap()
        };
        let mut stalled = stage.client("dba")?;
        let before = memory();
        stalled.send(&wire::query("SELECT repeat('x', 10000) FROM generate_series(1, 100000)"))?;
        eventually("the server's wait for the client", || {
            stage.truth("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'ClientWrite'") == "1"
        });
        let grown = memory().saturating_sub(before);
        assert!(grown < 64 << 10, "a client that does not read took {grown} KiB");
        Ok(())
    })
}

#[test]
fn a_folder_of_policies_that_is_gone_stops_the_start_by_name() -> Result<(), Error> {
    let mut stage = Stage::open()?;
    stage.gateway.stop()?;
    let folder = stage.gateway.folder().join("policies");
    let kept = fs::read_to_string(stage.gateway.policy("shop")).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    let refused = stage.gateway.resume().unwrap_err().to_string();
    assert!(refused.contains("policies"), "{refused}");
    fs::create_dir(&folder).unwrap();
    fs::write(stage.gateway.policy("shop"), kept).unwrap();
    stage.gateway.resume()?;
    stage.client("agent").map(drop)
}

#[test]
fn a_bad_certificate_or_key_stops_the_start_by_name() -> Result<(), Error> {
    for (certificate, key, wanted) in [("not PEM", "not PEM either", "server."), ("", "", "server.")] {
        let started = Stage::with(POLICY, |setup| {
            let setup = setup.file("server.crt", certificate).file("server.key", key);
            setup.listen("tls = { certificate = \"server.crt\", key = \"server.key\" }")
        });
        let Err(refused) = started else { panic!("it started with a bad certificate") };
        assert!(refused.to_string().contains(wanted), "{refused}");
    }
    let started = Stage::with(POLICY, |setup| {
        setup.file("server.crt", "x").listen("tls = { certificate = \"server.crt\", key = \"absent.key\" }")
    });
    let Err(refused) = started else { panic!("it started without a key") };
    assert!(refused.to_string().contains("absent.key"), "{refused}");
    Ok(())
}
