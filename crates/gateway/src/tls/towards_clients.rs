//! TLS towards clients.

use std::{io, path::Path, sync::Arc};

use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{TlsError, end_point::end_point, pem};

/// The protocol's name in TLS (PostgreSQL documentation, "SSL Session Encryption").
pub const ALPN: &[u8] = b"postgresql";

/// A certificate and key to greet clients with.
#[derive(Debug)]
pub struct Acceptor {
    config: Arc<ServerConfig>,
    /// What SCRAM exchanges with clients are bound to; none where the certificate allows none.
    pub end_point: Option<Arc<[u8]>>,
}

impl Acceptor {
    /// Reads both from PEM files.
    ///
    /// # Errors
    /// A file that can't be read, or a key that does not belong to the certificate.
    pub fn read(certificate: &Path, key: &Path) -> Result<Acceptor, TlsError> {
        let (chain, secret) = pem::certificate_and_key(certificate, key)?;
        let end_point = chain.first().and_then(|own| end_point(own)).map(Arc::from);
        let mut config = ServerConfig::builder_with_provider(super::provider())
            .with_safe_default_protocol_versions()
            .map_err(|why| TlsError::unusable(certificate, &why))?
            .with_no_client_auth()
            .with_single_cert(chain, secret)
            .map_err(|why| TlsError::unusable(certificate, &why))?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Acceptor { config: Arc::new(config), end_point })
    }

    /// The server's side of a handshake.
    pub async fn accept(&self, socket: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        TlsAcceptor::from(self.config.clone()).accept(socket).await
    }
}
