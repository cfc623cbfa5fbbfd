use std::path::Path;

use querygate_record::ScramVerifier;
use zeroize::Zeroizing;

use crate::{
    Error, files,
    secret::{ITERATIONS, SALT_BYTES, hmac_sha256},
};

/// The key's file, in the folder `keys` of the data folder.
const FILE: &str = "mock-salt";

/// What the gateway shows of accounts that it doesn't have: always the same for the same name, as a real account would be.
///
/// Accounts made here take their salts from it too. So a name's salt stays what it was when the account is made, rotated or
/// disabled, and watching it tells nothing.
pub(crate) struct Mock {
    key: Zeroizing<[u8; 32]>,
}

impl Mock {
    /// Reads the key, or makes it at the first start.
    pub(crate) fn open(data: &Path) -> Result<Mock, Error> {
        let folder = data.join("keys");
        files::make_folder(&folder)?;
        Ok(Mock { key: files::load_or_make_key(&folder.join(FILE))? })
    }

    /// The salt of `name`.
    pub(crate) fn salt(&self, name: &str) -> [u8; SALT_BYTES] {
        let digest = hmac_sha256(self.key.as_ref(), &[b"salt\0", name.as_bytes()]);
        let mut salt = [0; SALT_BYTES];
        salt.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        salt
    }

    /// A verifier that no secret fits: its keys are not derived from one.
    pub(crate) fn verifier(&self, name: &str) -> ScramVerifier {
        ScramVerifier {
            iterations: ITERATIONS,
            salt: self.salt(name).to_vec(),
            stored_key: hmac_sha256(self.key.as_ref(), &[b"stored\0", name.as_bytes()]),
            server_key: hmac_sha256(self.key.as_ref(), &[b"server\0", name.as_bytes()]),
        }
    }
}
