//! Certificates and keys in files.

use std::path::Path;

use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use super::TlsError;

fn unreadable(path: &Path, what: &'static str, why: &dyn std::fmt::Display) -> TlsError {
    TlsError::File { file: path.display().to_string(), what, why: why.to_string() }
}

/// A chain, its owner's certificate first, and the owner's key.
pub fn certificate_and_key(
    certificate: &Path,
    key: &Path,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(|certs| certs.collect())
        .map_err(|e| unreadable(certificate, "certificate", &e))?;
    if chain.is_empty() {
        return Err(unreadable(certificate, "certificate", &"it holds none"));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|e| unreadable(key, "key", &e))?;
    Ok((chain, secret))
}

/// The authorities of a file; without one, those of the system.
pub fn authorities(file: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    let Some(file) = file else {
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(store);
    };
    let failed = |why: &dyn std::fmt::Display| unreadable(file, "root certificates", why);
    for certificate in CertificateDer::pem_file_iter(file).map_err(|e| failed(&e))? {
        store.add(certificate.map_err(|e| failed(&e))?).map_err(|e| failed(&e))?;
    }
    if store.is_empty() {
        return Err(failed(&"it holds none"));
    }
    Ok(store)
}
