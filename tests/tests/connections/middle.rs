//! Somebody in the middle of TLS between the gateway and its server.

use std::{net::SocketAddr, sync::Arc, thread};

use querygate_testkit::{Error, postgres::ADMIN, wire::RawClient};
use rustls::{
    ClientConfig, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::{
    servers::{before, check, encrypted},
    stage::{accounts, rows, secret},
    trust::{Authority, Identity, SSL_REQUEST, trusting},
};

/// Ends TLS with its own certificate and begins it again towards the server, passing on what it can read then.
fn stand_between(server: u16, own: &Identity, servers: Arc<ClientConfig>) -> SocketAddr {
    let chain = vec![CertificateDer::from_pem_slice(own.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(relay(socket, server, config.clone(), servers.clone()));
            }
        });
    });
    address
}

async fn relay(mut client: TcpStream, server: u16, own: Arc<ServerConfig>, servers: Arc<ClientConfig>) -> Option<()> {
    let mut request = [0; 8];
    client.read_exact(&mut request).await.ok()?;
    client.write_all(b"S").await.ok()?;
    let mut client = TlsAcceptor::from(own).accept(client).await.ok()?;
    let mut socket = TcpStream::connect(("127.0.0.1", server)).await.ok()?;
    socket.write_all(&SSL_REQUEST).await.ok()?;
    socket.read_u8().await.ok()?;
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut server = TlsConnector::from(servers).connect(name, socket).await.ok()?;
    copy_bidirectional(&mut client, &mut server).await.ok().map(drop)
}

#[test]
fn a_password_is_proved_to_nobody_in_the_middle_even_where_certificates_are_not_checked() -> Result<(), Error> {
    let authority = Authority::new();
    let server = encrypted(&authority.sign("127.0.0.1"), &authority.certificate, "")?;
    let lines = "password = { env = \"SERVER_PASSWORD\" }\ntls = \"require\"";
    let straight = accounts(before(server.port(), ADMIN, lines)).start()?;
    let mut client = RawClient::login(&straight.login("dba", &secret("dba"), "shop"))?;
    assert_eq!(rows(&client.query("SELECT 7")?), "7");

    // Even a certificate of the right authority for the right name does not help: it is another certificate.
    let between = stand_between(server.port(), &authority.sign("127.0.0.1"), trusting(&authority.certificate, &[]));
    let full = "password = { env = \"SERVER_PASSWORD\" }\ntls = { authorities = \"authority.crt\" }";
    for lines in [lines, full] {
        let setup = before(between.port(), ADMIN, lines).file("authority.crt", &authority.certificate);
        let said = check(setup)?;
        assert!(said.contains("channel binding check failed"), "{said}");
    }
    Ok(())
}
