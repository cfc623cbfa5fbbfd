//! A client that logs in over TLS and reads packets, and that takes any certificate: everything is on the loopback interface.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use bytes::BytesMut;
use querygate_mysql::{
    auth,
    capability::{self as can},
    greeting::Greeting,
    login::{self, Step},
    packet,
};
use querygate_testkit::mysql::Login;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use crate::error::Error;

/// How long the next bytes may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
/// Bytes of a packet of the log-in.
const LOGIN_MAX: usize = 64 * 1024;
/// `utf8mb4_general_ci`.
const COLLATION: u8 = 45;
const WANTED: u32 = can::LONG_PASSWORD
    | can::LONG_FLAG
    | can::CONNECT_WITH_DB
    | can::PROTOCOL_41
    | can::TRANSACTIONS
    | can::SECURE_CONNECTION
    | can::PLUGIN_AUTH
    | can::PLUGIN_AUTH_LENENC
    | can::SSL;

/// A connection that is ready for commands.
pub type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Connects and logs in.
pub fn connect(to: &Login) -> Result<Stream, Error> {
    let mut socket = TcpStream::connect(("127.0.0.1", to.port)).map_err(Error::io("connect"))?;
    socket.set_read_timeout(Some(ANSWER_LIMIT)).map_err(Error::io("set a time limit"))?;
    let (mut buffer, mut sequence) = (BytesMut::new(), 0);
    let greeting = read(&mut socket, &mut buffer, &mut sequence)?;
    let greeting = Greeting::decode(&greeting).map_err(wrong)?;
    write(&mut socket, &mut sequence, &login::tls_request(WANTED, u32::MAX >> 8, COLLATION))?;
    let name = ServerName::try_from("localhost").map_err(|error| wrong(error.to_string()))?;
    let session = ClientConnection::new(Arc::new(config()?), name).map_err(|error| wrong(error.to_string()))?;
    let mut stream = StreamOwned::new(session, socket);
    let login = login::Login {
        capabilities: WANTED,
        packet_max: u32::MAX >> 8,
        collation: COLLATION,
        user: to.user.clone(),
        proof: proof(&greeting.plugin, to, &greeting.nonce),
        database: Some(to.database.clone()),
        plugin: greeting.plugin,
        attributes: Vec::new(),
    };
    write(&mut stream, &mut sequence, &login.encode())?;
    loop {
        let answer = read(&mut stream, &mut buffer, &mut sequence)?;
        match login::step(&answer).map_err(wrong)? {
            Step::Done => return Ok(stream),
            Step::Refused(failure) => return Err(wrong(failure.message)),
            Step::Switch { plugin, data } => write(&mut stream, &mut sequence, &proof(&plugin, to, &data))?,
            Step::More(data) if data == [auth::FULL] => {
                write(&mut stream, &mut sequence, &[to.password.as_bytes(), &[0]].concat())?;
            }
            Step::More(_) => {}
        }
    }
}

fn proof(plugin: &str, to: &Login, nonce: &[u8]) -> Vec<u8> {
    match plugin {
        auth::NATIVE => auth::native_proof(to.password.as_bytes(), nonce),
        _ => auth::caching_sha2_proof(to.password.as_bytes(), nonce),
    }
}

fn read(from: &mut impl Read, buffer: &mut BytesMut, sequence: &mut u8) -> Result<Vec<u8>, Error> {
    loop {
        let found = packet::next(buffer, *sequence, LOGIN_MAX).map_err(wrong)?;
        if let Some(found) = found {
            let (payload, used) = (found.payload.to_vec(), found.length);
            *sequence = found.next_sequence;
            let _ = buffer.split_to(used);
            return Ok(payload);
        }
        let mut bytes = [0; 4096];
        let count = from.read(&mut bytes).map_err(Error::io("read"))?;
        if count == 0 {
            return Err(Error::Empty("a log-in that was cut off".to_owned()));
        }
        buffer.extend_from_slice(bytes.get(..count).unwrap_or_default());
    }
}

fn write(to: &mut impl Write, sequence: &mut u8, payload: &[u8]) -> Result<(), Error> {
    let mut out = BytesMut::new();
    packet::write(&mut out, sequence, payload);
    to.write_all(&out).and_then(|()| to.flush()).map_err(Error::io("send"))
}

fn wrong(error: impl ToString) -> Error {
    Error::Program { what: "a log-in".to_owned(), output: error.to_string() }
}

fn config() -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| wrong(error.to_string()))?;
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider))).with_no_client_auth())
}

/// Looks at no certificate.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
