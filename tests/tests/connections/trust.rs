//! Certificates of the tests, and who trusts them.

use std::{process::Command, sync::Arc};

use querygate_testkit::{Error, Ran, Target, gateway::Setup, wire::RawClient};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::stage::{POLICY, Stage};

/// SSLRequest: length 8, code 1234.5679 (PostgreSQL documentation, "Message Formats").
pub const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// A certificate and its key, PEM.
pub struct Identity {
    pub certificate: String,
    pub key: String,
}

/// A certificate that nobody but itself vouches for.
pub fn own(name: &str) -> Identity {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    Identity { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() }
}

/// An authority that signs certificates.
pub struct Authority {
    pub certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Authority { certificate, issuer: Issuer::new(params, key) }
    }

    /// A certificate for a server of this name, or a client that is called so.
    pub fn sign(&self, name: &str) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Identity { certificate, key: key.serialize_pem() }
    }
}

/// A client that trusts this certificate and offers these protocols by ALPN.
pub fn trusting(certificate: &str, protocols: &[&str]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// A gateway that shows clients this certificate.
pub fn listening_with(setup: Setup, identity: &Identity) -> Setup {
    let setup = setup.file("server.crt", &identity.certificate).file("server.key", &identity.key);
    setup.listen("tls = { certificate = \"server.crt\", key = \"server.key\" }")
}

/// A gateway with a certificate for 127.0.0.1, which is returned too.
pub fn encrypted() -> Result<(Stage, Identity), Error> {
    let identity = own("127.0.0.1");
    Ok((Stage::with(POLICY, |setup| listening_with(setup, &identity))?, identity))
}

/// A raw client that asked for TLS and got it.
pub fn connect(stage: &Stage, config: Arc<ClientConfig>) -> Result<RawClient, Error> {
    let mut client = RawClient::connect(stage.gateway.address())?;
    client.send(&SSL_REQUEST)?;
    assert_eq!(client.read_byte()?, b'S');
    client.encrypt(config, "127.0.0.1")
}

/// psql with more in its connection string.
pub fn psql(target: &Target, more: &str, sql: &str) -> Ran {
    let mut command = Command::new(std::env::var("QUERYGATE_PSQL").unwrap());
    let Target { host, port, user, password, database } = target;
    command.args(["--no-psqlrc", "-At", "-c", sql, "-d"]);
    command.arg(format!("host={host} port={port} user={user} dbname={database} connect_timeout=20 {more}"));
    let output = command.env("PGPASSWORD", password).env("LC_ALL", "C.UTF-8").output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    Ran { what: format!("psql {more}"), code: output.status.code(), stdout, stderr }
}
