//! A log-in that is bound to the gateway's certificate, so that nobody in the middle of TLS can pass it on.

use std::fs;

use querygate_testkit::{
    Error,
    wire::{ChannelBinding, RawClient, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, startup},
};
use sha2::{Digest, Sha256};

use crate::{
    stage::{Stage, eventually, rows, secret},
    trust::{connect, encrypted, listening_with, own, psql, trusting},
};

/// What became of a log-in: the words of the refusal, or the answer to a question.
fn log_in(mut client: RawClient, mechanism: &str, binding: ChannelBinding) -> Result<String, Error> {
    client.send(&startup(&[("user", "agent"), ("database", "shop")]))?;
    match client.prove(mechanism, &secret("agent"), binding) {
        Ok(()) => {
            client.read_until(b'Z')?;
            Ok(rows(&client.query("SELECT 7")?))
        }
        Err(Error::Unexpected(words)) => Ok(words),
        Err(other) => Err(other),
    }
}

#[test]
fn a_proof_for_another_certificate_and_a_removed_offer_are_refused() -> Result<(), Error> {
    let (stage, identity) = encrypted()?;
    let open = || connect(&stage, trusting(&identity.certificate, &["postgresql"]));
    let client = open()?;
    let right = Sha256::digest(client.certificate().unwrap()).to_vec();
    let bound = log_in(client, SCRAM_SHA_256_PLUS, ChannelBinding::tls_server_end_point(right))?;
    assert_eq!(bound, "7");
    let other = ChannelBinding::tls_server_end_point(vec![0; 32]);
    let refused = log_in(open()?, SCRAM_SHA_256_PLUS, other)?;
    assert!(refused.contains("channel binding check failed"), "{refused}");
    // `y`: the client could bind, and saw no offer; but there was one.
    let stripped = log_in(open()?, SCRAM_SHA_256, ChannelBinding::unrequested())?;
    assert!(stripped.contains("did not see the offer"), "{stripped}");
    // `n`: the client can't bind.
    assert_eq!(log_in(open()?, SCRAM_SHA_256, ChannelBinding::unsupported())?, "7");
    Ok(())
}

#[test]
fn without_tls_nothing_is_offered_and_a_client_that_could_bind_says_so_truthfully() -> Result<(), Error> {
    let stage = Stage::open()?;
    let open = || RawClient::connect(stage.gateway.address());
    assert_eq!(log_in(open()?, SCRAM_SHA_256, ChannelBinding::unrequested())?, "7");
    let none = log_in(open()?, SCRAM_SHA_256_PLUS, ChannelBinding::tls_server_end_point(vec![0; 32]))?;
    assert!(none.contains("no SCRAM-SHA-256-PLUS among the mechanisms"), "{none}");
    Ok(())
}

#[test]
fn certificates_are_exchanged_while_sessions_go_on_and_a_bad_one_changes_nothing() -> Result<(), Error> {
    let first = own("127.0.0.1");
    let stage = Stage::with(crate::stage::POLICY, |setup| listening_with(setup, &first))?;
    let mut open = connect(&stage, trusting(&first.certificate, &[]))?;
    open.send(&startup(&[("user", "agent"), ("database", "shop")]))?;
    open.scram(&secret("agent"))?;
    open.read_until(b'Z')?;

    let folder = stage.gateway.folder();
    let second = own("127.0.0.1");
    // A certificate without its key: refused as a whole, and the old one goes on.
    fs::write(folder.join("server.crt"), &second.certificate).unwrap();
    let refused = stage.gateway.command(&["reload"], "")?;
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("server.crt"), "{refused:?}");
    connect(&stage, trusting(&first.certificate, &[]))?;

    fs::write(folder.join("server.key"), &second.key).unwrap();
    stage.gateway.command(&["reload"], "")?.ok()?;
    eventually("the other certificate", || connect(&stage, trusting(&second.certificate, &[])).is_ok());
    assert!(connect(&stage, trusting(&first.certificate, &[])).is_err());
    let authority = folder.join("server.crt").display().to_string();
    let more = format!("sslmode=verify-full sslrootcert={authority} channel_binding=require");
    assert_eq!(psql(&stage.login("agent"), &more, "SELECT 7").ok()?.stdout, "7\n");
    assert_eq!(rows(&open.query("SELECT 7")?), "7");
    Ok(())
}
