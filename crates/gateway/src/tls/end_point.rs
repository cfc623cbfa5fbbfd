//! What a SCRAM exchange is bound to: `tls-server-end-point` (RFC 5929, section 4).

use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use x509_parser::{prelude::parse_x509_certificate, signature_algorithm::RsaSsaPssParams};

/// The hash of a server's certificate (DER) by the hash function of its signature, SHA-256 in place of MD5 and SHA-1. None where the
/// signature names no hash function (Ed25519) or one that is not known here: then nothing can be bound to it, as in Postgres.
pub fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let (_, parsed) = parse_x509_certificate(certificate).ok()?;
    let algorithm = &parsed.signature_algorithm;
    let signature = algorithm.algorithm.to_id_string();
    let hash = match (signature.as_str(), &algorithm.parameters) {
        (RSASSA_PSS, Some(parameters)) => {
            RsaSsaPssParams::try_from(parameters).ok()?.hash_algorithm_oid().to_id_string()
        }
        _ => signature,
    };
    hash_by(&hash, certificate)
}

/// RSASSA-PSS (RFC 4055): its parameters name the hash.
const RSASSA_PSS: &str = "1.2.840.113549.1.1.10";

/// Object identifiers of signatures with a hash (RFC 3279, RFC 4055, RFC 5758), and of the hashes themselves.
fn hash_by(identifier: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    match identifier {
        // MD5 and SHA-1, with RSA, DSA and ECDSA.
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.10040.4.3"
        | "1.2.840.10045.4.1"
        | "1.3.14.3.2.26"
        | "1.2.840.113549.2.5" => Some(Sha256::digest(bytes).to_vec()),
        "1.2.840.113549.1.1.14" | "1.2.840.10045.4.3.1" | "2.16.840.1.101.3.4.2.4" => {
            Some(Sha224::digest(bytes).to_vec())
        }
        "1.2.840.113549.1.1.11" | "1.2.840.10045.4.3.2" | "2.16.840.1.101.3.4.2.1" => {
            Some(Sha256::digest(bytes).to_vec())
        }
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" | "2.16.840.1.101.3.4.2.2" => {
            Some(Sha384::digest(bytes).to_vec())
        }
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" | "2.16.840.1.101.3.4.2.3" => {
            Some(Sha512::digest(bytes).to_vec())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};

    use super::*;

    fn certificate(algorithm: &'static rcgen::SignatureAlgorithm) -> Vec<u8> {
        let key = KeyPair::generate_for(algorithm).unwrap();
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_hash_is_that_of_the_certificates_signature() {
        let der = certificate(&PKCS_ECDSA_P256_SHA256);
        assert_eq!(end_point(&der), Some(Sha256::digest(&der).to_vec()));
        let der = certificate(&PKCS_ECDSA_P384_SHA384);
        assert_eq!(end_point(&der), Some(Sha384::digest(&der).to_vec()));
    }

    #[test]
    fn weak_hashes_are_replaced_by_sha_256() {
        for weak in ["1.2.840.113549.1.1.4", "1.2.840.113549.1.1.5", "1.2.840.10045.4.1"] {
            assert_eq!(hash_by(weak, b"x"), Some(Sha256::digest(b"x").to_vec()));
        }
    }

    #[test]
    fn nothing_is_bound_to_a_signature_without_a_hash_or_to_nonsense() {
        assert_eq!(end_point(&certificate(&PKCS_ED25519)), None);
        assert_eq!(end_point(b""), None);
        assert_eq!(end_point(b"\x30\x03\x02\x01\x01"), None);
    }
}
