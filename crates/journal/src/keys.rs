use std::{
    fmt, fs,
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{
    SigningKey, VerifyingKey,
    pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, spki::der::pem::LineEnding},
};
use zeroize::Zeroizing;

use crate::Error;

/// The log's own secrets: the Ed25519 key that signs checkpoints, and the key under which literals of masked columns are hashed.
/// Each has an id, which signatures and hashes carry.
pub struct Keys {
    pub(crate) signing: SigningKey,
    public: PublicKey,
    literal: Zeroizing<[u8; 32]>,
    literal_id: String,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("signing", &self.public.id()).field("literal", &self.literal_id).finish()
    }
}

/// The public half of a signing key: what an auditor needs to verify checkpoints.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(pub(crate) VerifyingKey);

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id())
    }
}

impl PublicKey {
    /// The key's id: the first 8 bytes of its BLAKE3 hash, in hex.
    pub fn id(&self) -> String {
        key_id("signing", self.0.as_bytes())
    }

    /// The key as PEM (SubjectPublicKeyInfo, RFC 8410), which `openssl pkey -pubin` reads.
    pub fn to_pem(&self) -> String {
        self.0.to_public_key_pem(LineEnding::LF).unwrap_or_default()
    }

    /// Reads a key from PEM.
    pub fn from_pem(text: &str) -> Option<PublicKey> {
        VerifyingKey::from_public_key_pem(text).ok().map(PublicKey)
    }
}

const SIGNING_FILE: &str = "log-signing.pem";
const LITERAL_FILE: &str = "log-literal.key";
/// No key file is longer than this; a longer one is not a key.
const KEY_FILE_BYTES_MAX: u64 = 4096;

impl Keys {
    /// Keys from bytes that the caller keeps (a vault, the configuration).
    pub fn from_bytes(signing: &[u8; 32], literal: &[u8; 32]) -> Keys {
        let signing = SigningKey::from_bytes(signing);
        let public = PublicKey(signing.verifying_key());
        Keys { signing, public, literal: Zeroizing::new(*literal), literal_id: key_id("literal", literal) }
    }

    /// Reads the keys from a folder, and makes those that are absent: `log-signing.pem` (PKCS #8), `log-literal.key` (base64). The folder has mode
    /// 0700 and the files 0600; a file that others may read is an error. The public key is laid beside them as `log-signing-<id>.pub.pem`, one for
    /// each signing key that was ever used.
    pub fn load_or_create(folder: &Path) -> Result<Keys, Error> {
        fs::create_dir_all(folder).map_err(|e| bad(folder, format!("cannot make the folder: {e}")))?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
            .map_err(|e| bad(folder, format!("cannot set mode 0700: {e}")))?;
        let signing = load_signing(&folder.join(SIGNING_FILE))?;
        let literal = load_literal(&folder.join(LITERAL_FILE))?;
        let keys = Keys::from_bytes(signing.as_bytes(), &literal);
        let public = folder.join(format!("log-signing-{}.pub.pem", keys.public.id()));
        if !public.exists() {
            create(&public, keys.public.to_pem().as_bytes())?;
        }
        Ok(keys)
    }

    /// These keys with one or both replaced by bytes that the caller keeps.
    pub fn with(self, signing: Option<&[u8; 32]>, literal: Option<&[u8; 32]>) -> Keys {
        Keys::from_bytes(signing.unwrap_or(self.signing.as_bytes()), literal.unwrap_or(&self.literal))
    }

    /// The key under which literals are hashed, and its id.
    pub fn literal(&self) -> (&[u8; 32], &str) {
        (&self.literal, &self.literal_id)
    }

    /// The key that verifies this journal's checkpoints.
    pub fn public_key(&self) -> PublicKey {
        self.public
    }
}

/// Every public key that a folder of keys holds: the present one and those of earlier signing keys.
pub fn public_keys(folder: &Path) -> Result<Vec<PublicKey>, Error> {
    let read = fs::read_dir(folder).map_err(|e| bad(folder, e.to_string()))?;
    let mut keys = Vec::new();
    for entry in read {
        let path = entry.map_err(|e| bad(folder, e.to_string()))?.path();
        if path.to_string_lossy().ends_with(".pub.pem") {
            let text = read_bounded(&path)?;
            let key = str::from_utf8(&text).ok().and_then(PublicKey::from_pem);
            keys.push(key.ok_or_else(|| bad(&path, "not an Ed25519 public key in PEM".to_owned()))?);
        }
    }
    Ok(keys)
}

fn key_id(purpose: &str, key: &[u8; 32]) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("querygate 2026-11 key id");
    hasher.update(purpose.as_bytes()).update(key);
    hasher.finalize().as_bytes().iter().take(8).map(|b| format!("{b:02x}")).collect()
}

fn load_signing(path: &Path) -> Result<SigningKey, Error> {
    if let Some(text) = read_private(path)? {
        let key = str::from_utf8(&text).ok().and_then(|text| SigningKey::from_pkcs8_pem(text).ok());
        return key.ok_or_else(|| bad(path, "not an Ed25519 private key in PEM (PKCS #8)".to_owned()));
    }
    let key = SigningKey::from_bytes(&rand::random());
    let text = key.to_pkcs8_pem(LineEnding::LF).map_err(|e| bad(path, e.to_string()))?;
    create(path, text.as_bytes())?;
    Ok(key)
}

fn load_literal(path: &Path) -> Result<Zeroizing<[u8; 32]>, Error> {
    if let Some(text) = read_private(path)? {
        let decoded = STANDARD.decode(text.trim_ascii()).map(Zeroizing::new).ok();
        let key = decoded.and_then(|bytes| <[u8; 32]>::try_from(&bytes[..]).ok());
        return key.map(Zeroizing::new).ok_or_else(|| bad(path, "not 32 bytes in base64".to_owned()));
    }
    let key = Zeroizing::new(rand::random::<[u8; 32]>());
    create(path, Zeroizing::new(STANDARD.encode(*key) + "\n").as_bytes())?;
    Ok(key)
}

fn read_private(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
    let mode = match fs::metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(bad(path, e.to_string())),
        Ok(meta) => meta.permissions().mode(),
    };
    if mode & 0o077 != 0 {
        return Err(bad(path, format!("others may read it (mode {:o}); run chmod 600", mode & 0o777)));
    }
    read_bounded(path).map(Some)
}

fn read_bounded(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let length = fs::metadata(path).map_err(|e| bad(path, e.to_string()))?.len();
    if length > KEY_FILE_BYTES_MAX {
        return Err(bad(path, format!("longer than {KEY_FILE_BYTES_MAX} bytes")));
    }
    fs::read(path).map(Zeroizing::new).map_err(|e| bad(path, e.to_string()))
}

/// Writes a file that appears whole or not at all and is readable by its owner only. An existing one is never replaced.
fn create(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let write = || -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let draft = folder.join(format!(".{:016x}.new", rand::random::<u64>()));
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        let placed = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::hard_link(&draft, path));
        fs::remove_file(&draft)?;
        placed?;
        fs::File::open(folder)?.sync_all()
    };
    write().map_err(|e| bad(path, format!("cannot be written: {e}")))
}

fn bad(path: &Path, why: String) -> Error {
    Error::Key { path: PathBuf::from(path), why }
}
