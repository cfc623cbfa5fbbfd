//! Protocol 3.0 and 3.2, and the keys by which a statement is cancelled.

use querygate_testkit::{
    Error,
    gateway::Gateway,
    wire::{Frame, RawClient, query, startup_of},
};

use crate::{
    stage::{Stage, code, eventually, rows, secret},
    trust::{SSL_REQUEST, encrypted, trusting},
};

/// Logs in with protocol 3.`minor` and more parameters; returns what was said up to ReadyForQuery.
fn log_in(
    mut client: RawClient,
    minor: u16,
    more: &[(&str, &str)],
) -> Result<(RawClient, Option<Frame>, Vec<u8>), Error> {
    client.send(&startup_of(minor, &[&[("user", "dba"), ("database", "shop")], more].concat()))?;
    let negotiated = match minor > 2 || !more.is_empty() {
        true => Some(client.expect(b'v')?),
        false => None,
    };
    client.scram(&secret("dba"))?;
    let said = client.read_until(b'Z')?;
    let key = said.into_iter().find(|frame| frame.tag == b'K').unwrap().body;
    Ok((client, negotiated, key))
}

fn plain(gateway: &Gateway) -> Result<RawClient, Error> {
    RawClient::connect(gateway.address())
}

/// A cancel request.
fn cancel_packet(key: &[u8]) -> Vec<u8> {
    let length = u32::try_from(8 + key.len()).unwrap().to_be_bytes();
    [&length, &80_877_102_u32.to_be_bytes(), key].concat()
}

/// Waits until the server runs so many statements that hold `text`.
fn wait_until_running(stage: &Stage, text: &str) {
    let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = '{text}'");
    eventually("the statement", || stage.truth(&sql) == "1");
}

#[test]
fn each_version_has_the_keys_that_it_can_carry_and_newer_ones_are_negotiated_down() -> Result<(), Error> {
    let stage = Stage::open()?;
    for (minor, spoken, key_bytes) in [(0, None, 4), (1, None, 4), (2, None, 32), (9999, Some(2), 32)] {
        let (mut client, negotiated, key) = log_in(plain(&stage.gateway)?, minor, &[])?;
        let version = negotiated.map(|frame| u32::from_be_bytes(*frame.body.first_chunk().unwrap()));
        assert_eq!(version, spoken.map(|minor| 3 << 16 | minor), "3.{minor}");
        assert_eq!(key.len(), 4 + key_bytes, "3.{minor}");
        assert_eq!(rows(&client.query("SELECT 7")?), "7");
        client.send(&query("SELECT pg_sleep(1000)"))?;
        wait_until_running(&stage, "SELECT pg_sleep(1000)");
        let mut cancelling = plain(&stage.gateway)?;
        cancelling.send(&cancel_packet(&key))?;
        assert!(cancelling.read_to_end()?.is_empty(), "a cancel request is answered by closing");
        assert_eq!(code(&client.read_until(b'Z')?), "57014");
    }
    Ok(())
}

#[test]
fn options_of_the_protocol_are_declined_by_name_in_the_version_that_was_asked_for() -> Result<(), Error> {
    let stage = Stage::open()?;
    for minor in [0, 2] {
        let options = [("_pq_.test_protocol_negotiation", ""), ("_pq_.other", "on")];
        let (mut client, negotiated, _) = log_in(plain(&stage.gateway)?, minor, &options)?;
        let mut expected = (3_u32 << 16 | u32::from(minor)).to_be_bytes().to_vec();
        expected.extend(2_u32.to_be_bytes());
        expected.extend(b"_pq_.test_protocol_negotiation\0_pq_.other\0");
        assert_eq!(negotiated.unwrap().body, expected);
        assert_eq!(rows(&client.query("SELECT 7")?), "7");
    }
    Ok(())
}

#[test]
fn another_protocol_is_refused_with_what_is_spoken() -> Result<(), Error> {
    let stage = Stage::open()?;
    let mut client = plain(&stage.gateway)?;
    let mut packet = startup_of(0, &[("user", "agent")]);
    packet[5] = 2;
    client.send(&packet)?;
    let said = client.read_to_end()?;
    assert_eq!(code(&said), "0A000");
    assert!(said[0].field(b'M').unwrap().contains("3.0 to 3.2"), "{said:?}");
    Ok(())
}

#[test]
fn a_statement_is_cancelled_in_clear_and_inside_tls_even_where_sessions_must_be_encrypted() -> Result<(), Error> {
    let (stage, identity) = encrypted()?;
    let config = || trusting(&identity.certificate, &["postgresql"]);
    let asked_for = || {
        let mut client = plain(&stage.gateway)?;
        client.send(&SSL_REQUEST)?;
        assert_eq!(client.read_byte()?, b'S');
        client.encrypt(config(), "127.0.0.1")
    };
    let direct = || plain(&stage.gateway)?.encrypt(config(), "127.0.0.1");
    let (mut client, _, key) = log_in(asked_for()?, 2, &[])?;
    let ways: [&dyn Fn() -> Result<RawClient, Error>; 3] = [&|| plain(&stage.gateway), &asked_for, &direct];
    for way in ways {
        client.send(&query("SELECT pg_sleep(1000)"))?;
        wait_until_running(&stage, "SELECT pg_sleep(1000)");
        let mut wrong = key.clone();
        *wrong.last_mut().unwrap() ^= 1;
        for (key, hits) in [(&wrong, false), (&key[..8].to_vec(), false), (&key, true)] {
            let mut cancelling = way()?;
            cancelling.send(&cancel_packet(key))?;
            assert!(cancelling.read_to_end()?.is_empty());
            if !hits {
                wait_until_running(&stage, "SELECT pg_sleep(1000)");
            }
        }
        assert_eq!(code(&client.read_until(b'Z')?), "57014");
    }
    Ok(())
}

#[test]
fn a_cancel_request_that_was_answered_never_hits_what_is_sent_after_the_answer() -> Result<(), Error> {
    let stage = Stage::open()?;
    let (mut client, _, key) = log_in(plain(&stage.gateway)?, 2, &[])?;
    for round in 0..200 {
        client.send(&query("SELECT count(*) FROM generate_series(1, 1000)"))?;
        let mut cancelling = plain(&stage.gateway)?;
        cancelling.send(&cancel_packet(&key))?;
        // Answered: from now on it is over, whether the first statement has ended or not.
        cancelling.read_to_end()?;
        client.send(&query("SELECT 7"))?;
        let first = client.read_until(b'Z')?;
        assert!(matches!(code(&first).as_str(), "" | "57014"), "{first:?}");
        let second = client.read_until(b'Z')?;
        assert_eq!((code(&second).as_str(), rows(&second).as_str()), ("", "7"), "round {round}");
    }
    Ok(())
}
