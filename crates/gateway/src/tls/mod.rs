//! TLS on both sides (rustls, ring).

mod end_point;
mod pem;
mod towards_clients;
mod towards_servers;

use std::{path::Path, sync::Arc};

use rustls::crypto::{CryptoProvider, ring};

pub use towards_clients::{ALPN, Acceptor};
pub use towards_servers::{Connector, server_end_point};

/// A certificate or key can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file can't be read as PEM.
    #[error("{file}: {what} can't be read: {why}. Give a PEM file")]
    File {
        /// The file.
        file: String,
        /// `certificate`, `key` or `root certificates`.
        what: &'static str,
        /// The reader's words.
        why: String,
    },
    /// rustls does not take it.
    #[error("{file}: this certificate and key can't be used: {why}")]
    Unusable {
        /// The certificate's file.
        file: String,
        /// rustls's words.
        why: String,
    },
}

impl TlsError {
    fn unusable(certificate: &Path, why: &rustls::Error) -> TlsError {
        TlsError::Unusable { file: certificate.display().to_string(), why: why.to_string() }
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
