//! TLS on both sides (rustls, ring).

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject};

use crate::config::ServerTls;

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

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// TLS towards clients, and the certificate's own bytes (DER) for channel binding.
pub fn server_config(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let failed = |path: &Path, what, why: String| TlsError::File { file: path.display().to_string(), what, why };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(|certs| certs.collect())
        .map_err(|e| failed(certificate, "certificate", e.to_string()))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|e| failed(key, "key", e.to_string()))?;
    let unusable =
        |why: rustls::Error| TlsError::Unusable { file: certificate.display().to_string(), why: why.to_string() };
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(Arc::new(config))
}

/// TLS towards a server; none where it is off.
pub fn client_config(tls: &ServerTls) -> Result<Option<Arc<ClientConfig>>, TlsError> {
    let unusable =
        |why: rustls::Error| TlsError::Unusable { file: "root certificates".to_owned(), why: why.to_string() };
    let builder =
        ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().map_err(unusable)?;
    let config = match tls {
        ServerTls::Off => return Ok(None),
        ServerTls::Require => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider())))
            .with_no_client_auth(),
        ServerTls::VerifyFull { roots } => {
            builder.with_root_certificates(read_roots(roots.as_deref())?).with_no_client_auth()
        }
    };
    Ok(Some(Arc::new(config)))
}

fn read_roots(file: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    let Some(file) = file else {
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(store);
    };
    let failed = |why: String| TlsError::File { file: file.display().to_string(), what: "root certificates", why };
    let certificates = CertificateDer::pem_file_iter(file).map_err(|e| failed(e.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|e| failed(e.to_string()))?;
        store.add(certificate).map_err(|e| failed(e.to_string()))?;
    }
    Ok(store)
}

/// The meaning of `tls = "require"`, as libpq's `sslmode=require`: encrypted, whoever it is.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
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
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
