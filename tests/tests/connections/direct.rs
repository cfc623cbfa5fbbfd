//! TLS from the first byte, and what comes too early or too often.

use querygate_testkit::{
    Error,
    wire::{RawClient, startup},
};

use crate::{
    stage::{Stage, code, rows, secret},
    trust::{SSL_REQUEST, connect, encrypted, psql, trusting},
};

const GSSENC_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 48];

#[test]
fn psql_connects_directly_by_tls_with_its_newest_protocol_and_binds_its_proof() -> Result<(), Error> {
    let (stage, _) = encrypted()?;
    let authority = stage.gateway.folder().join("server.crt").display().to_string();
    for how in ["direct", "postgres"] {
        let more = format!(
            "sslmode=verify-full sslrootcert={authority} sslnegotiation={how} channel_binding=require \
             min_protocol_version=3.2 max_protocol_version=3.2"
        );
        assert_eq!(psql(&stage.login("agent"), &more, "SELECT 7").ok()?.stdout, "7\n", "{how}");
    }
    Ok(())
}

#[test]
fn direct_tls_without_the_protocols_name_is_refused_inside_tls() -> Result<(), Error> {
    let (stage, identity) = encrypted()?;
    let open = |protocols: &[&str]| {
        RawClient::connect(stage.gateway.address())?.encrypt(trusting(&identity.certificate, protocols), "127.0.0.1")
    };
    assert_eq!(code(&open(&[])?.read_to_end()?), "08P01");
    assert!(open(&["http/1.1"]).is_err(), "a client of another protocol gets no session at all");
    let mut client = open(&["postgresql"])?;
    client.send(&startup(&[("user", "agent"), ("database", "shop")]))?;
    client.scram(&secret("agent"))?;
    client.read_until(b'Z')?;
    assert_eq!(rows(&client.query("SELECT 7")?), "7");
    Ok(())
}

#[test]
fn encryption_is_negotiated_once() -> Result<(), Error> {
    let (stage, identity) = encrypted()?;
    let mut client = connect(&stage, trusting(&identity.certificate, &[]))?;
    client.send(&SSL_REQUEST)?;
    assert_eq!(code(&client.read_to_end()?), "08P01", "TLS inside TLS");

    let plain = Stage::open()?;
    for request in [SSL_REQUEST, GSSENC_REQUEST] {
        let mut client = RawClient::connect(plain.gateway.address())?;
        client.send(&request)?;
        assert_eq!(client.read_byte()?, b'N');
        client.send(&request)?;
        assert_eq!(code(&client.read_to_end()?), "08P01");
    }
    Ok(())
}

#[test]
fn gssapi_is_declined_and_tls_follows() -> Result<(), Error> {
    let (stage, identity) = encrypted()?;
    let mut client = RawClient::connect(stage.gateway.address())?;
    client.send(&GSSENC_REQUEST)?;
    assert_eq!(client.read_byte()?, b'N');
    client.send(&SSL_REQUEST)?;
    assert_eq!(client.read_byte()?, b'S');
    let mut client = client.encrypt(trusting(&identity.certificate, &[]), "127.0.0.1")?;
    client.send(&startup(&[("user", "agent"), ("database", "shop")]))?;
    client.scram(&secret("agent"))?;
    client.read_until(b'Z').map(drop)
}

#[test]
fn a_tls_handshake_where_tls_is_off_gets_no_answer() -> Result<(), Error> {
    let stage = Stage::open()?;
    let mut client = RawClient::connect(stage.gateway.address())?;
    client.send(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03")?;
    assert!(client.read_to_end()?.is_empty());
    Ok(())
}
