//! TLS towards database servers.

use std::{io, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    server::ParsedCertificate,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{TlsError, end_point::end_point, pem, provider};
use crate::config::{ServerTls, Trust};

/// How to encrypt connections to one database's servers.
#[derive(Clone, Debug)]
pub struct Connector(Arc<ClientConfig>);

impl Connector {
    /// Reads what the settings name; none where TLS is off.
    ///
    /// # Errors
    /// Files that can't be read, or a key that does not belong to its certificate.
    pub fn read(tls: &ServerTls) -> Result<Option<Connector>, TlsError> {
        let ServerTls::On { trust, client } = tls else { return Ok(None) };
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|why| TlsError::Unusable { file: "TLS".to_owned(), why: why.to_string() })?;
        let any_name = |authorities| Arc::new(AnyName { authorities, provider: provider() });
        let builder = match trust {
            Trust::Anybody => builder.dangerous().with_custom_certificate_verifier(any_name(None)),
            Trust::Authority { roots } => {
                let authorities = pem::authorities(roots.as_deref())?;
                builder.dangerous().with_custom_certificate_verifier(any_name(Some(authorities)))
            }
            Trust::AuthorityAndName { roots } => builder.with_root_certificates(pem::authorities(roots.as_deref())?),
        };
        let config = match client {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let (chain, key) = pem::certificate_and_key(&own.certificate, &own.key)?;
                builder.with_client_auth_cert(chain, key).map_err(|why| TlsError::unusable(&own.certificate, &why))?
            }
        };
        Ok(Some(Connector(Arc::new(config))))
    }

    /// The client's side of a handshake with the server of this name.
    pub async fn connect(&self, name: ServerName<'static>, socket: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        TlsConnector::from(self.0.clone()).connect(name, socket).await
    }
}

/// What a SCRAM exchange over this connection can be bound to.
pub fn server_end_point(stream: &TlsStream<TcpStream>) -> Option<Vec<u8>> {
    end_point(stream.get_ref().1.peer_certificates()?.first()?)
}

/// Takes certificates whatever name they hold: of these authorities (`tls = "verify-ca"`, as libpq's `sslmode=verify-ca`), or, without any,
/// of anybody (`tls = "require"`, as `sslmode=require`).
#[derive(Debug)]
struct AnyName {
    authorities: Option<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(authorities) = &self.authorities {
            let algorithms = self.provider.signature_verification_algorithms.all;
            let parsed = ParsedCertificate::try_from(certificate)?;
            verify_server_cert_signed_by_trust_anchor(&parsed, authorities, intermediates, now, algorithms)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
