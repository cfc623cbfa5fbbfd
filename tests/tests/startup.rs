//! How a session begins: versions, encryption requests, start-up parameters.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use querygate_testkit::{
    Error,
    wire::{Frame, RawClient, startup, tags},
};

mod shop;

use shop::{Shop, messages::rows};

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
const GSSENC_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 48];

/// Logs in with more parameters and returns what was said up to ReadyForQuery or the refusal.
fn begin(shop: &Shop, more: &[(&str, &str)]) -> Result<(RawClient, Vec<Frame>), Error> {
    let mut client = RawClient::connect(shop.gateway.address())?;
    client.send(&startup(&[&[("user", "agent"), ("database", "shop")], more].concat()))?;
    client.scram("agentpw")?;
    let first = client.read()?;
    let mut all = vec![first];
    while !matches!(all.last().map(|f| f.tag), Some(b'Z' | b'E')) {
        all.push(client.read()?);
    }
    Ok((client, all))
}

#[test]
fn encryption_that_is_off_is_declined_and_the_session_begins() -> Result<(), Error> {
    let shop = Shop::shared()?;
    let mut client = RawClient::connect(shop.gateway.address())?;
    client.send(&GSSENC_REQUEST)?;
    assert_eq!(client.read_byte()?, b'N');
    client.send(&SSL_REQUEST)?;
    assert_eq!(client.read_byte()?, b'N');
    client.dribble(&startup(&[("user", "agent"), ("database", "shop")]))?;
    client.scram("agentpw")?;
    client.read_until(b'Z')?;
    assert_eq!(rows(&client.query("SELECT 1")?), "1");
    Ok(())
}

#[test]
fn a_newer_version_and_unknown_options_are_negotiated_down() -> Result<(), Error> {
    let shop = Shop::shared()?;
    let mut client = RawClient::connect(shop.gateway.address())?;
    let mut packet = startup(&[("user", "agent"), ("database", "shop"), ("_pq_.new", "1")]);
    *packet.get_mut(7).unwrap() = 2;
    client.send(&packet)?;
    let negotiated = client.expect(b'v')?;
    assert!(negotiated.body.ends_with(b"\0\0\0\x01_pq_.new\0"), "{negotiated:?}");
    client.scram("agentpw")?;
    client.read_until(b'Z')?;
    assert_eq!(rows(&client.query("SELECT 1")?), "1");
    Ok(())
}

#[test]
fn a_parameter_that_changes_the_meaning_of_a_session_is_refused_by_name() -> Result<(), Error> {
    let shop = Shop::shared()?;
    let refused: [&[(&str, &str)]; 7] = [
        &[("replication", "database")],
        &[("role", "postgres")],
        &[("session_replication_role", "replica")],
        &[("client_encoding", "SQL_ASCII"), ("local_preload_libraries", "x")],
        &[("options", "-c role=postgres")],
        &[("no_such_parameter", "x")],
        &[("standard_conforming_strings", "off")],
    ];
    for parameters in refused {
        let (mut client, said) = begin(&shop, parameters)?;
        let (name, value) = parameters.last().unwrap();
        let name = if *name == "options" { value.trim_start_matches("-c ").split('=').next().unwrap() } else { name };
        let message = said.last().unwrap().field(b'M').unwrap_or_default();
        assert!(message.contains(name), "{parameters:?}: {message} {}", tags(&said));
        assert_eq!(said.last().unwrap().field(b'S').as_deref(), Some("FATAL"));
        assert!(client.read_to_end()?.is_empty());
    }
    Ok(())
}

#[test]
fn allowed_parameters_reach_the_server_and_the_principal_is_told_its_own_name() -> Result<(), Error> {
    let shop = Shop::shared()?;
    let parameters = [
        ("application_name", "report"),
        ("options", "-c statement_timeout=7s --search_path=other"),
        ("client_encoding", "UTF8"),
        ("extra_float_digits", "2"),
    ];
    let (mut client, said) = begin(&shop, &parameters)?;
    let told: Vec<String> =
        said.iter().filter(|f| f.tag == b'S').map(|f| String::from_utf8_lossy(&f.body).replace('\0', "=")).collect();
    for expected in
        ["session_authorization=agent=", "is_superuser=off=", "application_name=report=", "client_encoding=UTF8="]
    {
        assert!(told.iter().any(|t| t == expected), "{expected} is not among {told:?}");
    }
    let shown =
        client.query("SHOW statement_timeout; SHOW search_path; SHOW application_name; SHOW extra_float_digits")?;
    assert_eq!(rows(&shown), "7s other agent/report 2");
    let shown = client.query("SELECT label FROM items")?;
    assert_eq!(rows(&shown), "of the other schema");
    Ok(())
}
