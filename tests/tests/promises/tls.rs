//! Encryption on both sides.

use std::fs;

use querygate_testkit::{
    Error, Ran, Target,
    gateway::Gateway,
    postgres::{ADMIN, ADMIN_PASSWORD, Server},
    wire::{RawClient, startup},
};

use crate::stage::{POLICY, Stage, accounts, code, secret};

/// SSLRequest: length 8, code 1234.5679 (PostgreSQL documentation, "Message Formats").
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// psql with its own idea of encryption.
fn psql(target: &Target, mode: &str, authorities: &str) -> Ran {
    let mut command = target.psql_command().unwrap();
    command.env("PGSSLMODE", mode).env("PGSSLROOTCERT", authorities).args([
        "-At",
        "-c",
        "SELECT id FROM orders WHERE id = 1",
    ]);
    let output = command.output().unwrap();
    Ran {
        what: "psql".to_owned(),
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn certificate(name: &str) -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

#[test]
fn with_a_certificate_clients_are_encrypted_or_refused() -> Result<(), Error> {
    let (certificate, key) = certificate("127.0.0.1");
    let stage = Stage::with(POLICY, |setup| {
        let setup = setup.file("server.crt", &certificate).file("server.key", &key);
        setup.listen("tls = { certificate = \"server.crt\", key = \"server.key\" }")
    })?;
    let authorities = stage.gateway.folder().join("server.crt").display().to_string();
    let agent = stage.login("agent");
    assert_eq!(psql(&agent, "verify-full", &authorities).ok()?.stdout, "1\n");
    let plain = psql(&agent, "disable", &authorities);
    assert!(plain.stderr.contains("without TLS"), "{plain:?}");
    let row = stage.log().into_iter().find(|row| row["subject"] == "agent").unwrap();
    assert_eq!(row["tls"], true);
    Ok(())
}

#[test]
fn a_certificate_of_its_own_making_encrypts_and_stays_the_same() -> Result<(), Error> {
    let mut stage = Stage::with(POLICY, |setup| setup.listen("tls = \"self-signed\""))?;
    assert_eq!(psql(&stage.login("agent"), "require", "").ok()?.stdout, "1\n");
    let made = || -> Vec<_> {
        let mut found = Vec::new();
        for entry in walk(&stage.gateway.data()) {
            let text = fs::read_to_string(&entry).unwrap_or_default();
            if text.contains("BEGIN CERTIFICATE") {
                found.push(text);
            }
        }
        found
    };
    let before = made();
    assert!(!before.is_empty());
    stage.gateway.stop()?;
    stage.gateway.resume()?;
    let after = walk(&stage.gateway.data())
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok())
        .any(|text| text == before[0]);
    assert!(after, "a new certificate would look like an attack to who has stored the old one");
    Ok(())
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            found.extend(walk(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

#[test]
fn what_is_sent_before_the_handshake_is_never_taken_for_the_clients() -> Result<(), Error> {
    let stage = Stage::with(POLICY, |setup| setup.listen("tls = \"self-signed\""))?;
    let mut honest = RawClient::connect(stage.gateway.address())?;
    honest.send(&SSL_REQUEST)?;
    assert_eq!(honest.read_byte()?, b'S');
    let mut attacked = RawClient::connect(stage.gateway.address())?;
    let injected = [SSL_REQUEST.as_slice(), &startup(&[("user", "agent"), ("database", "shop")])].concat();
    attacked.send(&injected)?;
    let said = attacked.read_to_end()?;
    assert_eq!(code(&said), "08P01");
    Ok(())
}

#[test]
fn without_tls_the_gateway_says_no_and_goes_on_in_clear() -> Result<(), Error> {
    let stage = Stage::open()?;
    let mut client = RawClient::connect(stage.gateway.address())?;
    client.send(&SSL_REQUEST)?;
    assert_eq!(client.read_byte()?, b'N');
    client.send(&startup(&[("user", "agent"), ("database", "shop")]))?;
    client.expect(b'R')?;
    assert_eq!(psql(&stage.login("agent"), "prefer", "").ok()?.stdout, "1\n");
    assert_ne!(psql(&stage.login("agent"), "require", "").code, Some(0));
    Ok(())
}

/// A gateway that reaches its server with these words about TLS.
fn reached(server: &Server, tls: &str, authorities: &str) -> Result<Gateway, Error> {
    let database = format!(
        "[[database]]\nname = \"shop\"\nengine = \"postgres\"\naddress = \"127.0.0.1:{}\"\ndatabase = \"postgres\"\nuser = \"{ADMIN}\"\n\
         password = {{ env = \"SERVER_PASSWORD\" }}\ntls = {tls}\n",
        server.port()
    );
    let setup = Gateway::setup().tables(&database).environment("SERVER_PASSWORD", ADMIN_PASSWORD);
    accounts(setup.file("authorities.crt", authorities).policy("shop", POLICY)).start()
}

#[test]
fn the_way_to_the_server_is_encrypted_and_its_certificate_checked_as_configured() -> Result<(), Error> {
    let (certificate, key) = certificate("127.0.0.1");
    let (other, _) = self::certificate("127.0.0.1");
    let server = Server::setup()
        .setting("ssl", "on")
        .file("server.crt", &certificate)
        .file("server.key", &key)
        .access("hostnossl all all 127.0.0.1/32 reject")
        .start()?;
    let verified = "{ mode = \"verify-full\", authorities = \"authorities.crt\" }";
    for tls in ["\"require\"", verified] {
        let gateway = reached(&server, tls, &certificate)?;
        let shown = gateway.login("dba", &secret("dba"), "shop").psql(&["-At", "-c", "SELECT 7"], "")?.ok()?;
        assert_eq!(shown.stdout, "7\n", "{tls}");
    }
    // Neither starts to serve: the catalog can't be read over a connection that is not trusted.
    for (tls, authorities) in [(verified, &other), ("\"off\"", &certificate)] {
        assert!(never_ready(&server, tls, authorities)?, "{tls}");
    }
    Ok(())
}

/// Whether a gateway that is configured like this says, instead of being ready, that it has no connection that it may use.
fn never_ready(server: &Server, tls: &str, authorities: &str) -> Result<bool, Error> {
    let mut gateway = reached(server, "\"require\"", authorities)?;
    gateway.stop()?;
    let file = gateway.folder().join("querygate.toml");
    let text = fs::read_to_string(&file).unwrap().replace("tls = \"require\"", &format!("tls = {tls}"));
    fs::write(&file, text).unwrap();
    let checked = gateway.command(&["check"], "")?;
    Ok(checked.code != Some(0) && (checked.stdout + &checked.stderr).contains("shop"))
}
