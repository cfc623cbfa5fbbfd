use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use querygate_identity::Credential;
use querygate_policy::document::{Table, Value};
use secrecy::{ExposeSecret as _, SecretBox, SecretString};
use zeroize::Zeroizing;

use super::{Context, secret};

/// The longest name of an account, key or database; what Postgres's clients can say (`NAMEDATALEN` - 1).
const MAX_NAME_BYTES: usize = 63;

/// A service account of the file.
#[derive(Debug)]
pub struct Account {
    /// What it logs in as.
    pub name: String,
    /// Its roles, as policies name them.
    pub roles: Vec<String>,
    /// What it is checked against.
    pub credential: Credential,
}

/// A named key of 32 bytes.
pub struct Key {
    /// Its name, which is written beside whatever was made with it.
    pub name: String,
    /// The key.
    pub value: SecretBox<[u8; 32]>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("name", &self.name).finish_non_exhaustive()
    }
}

pub(super) fn read_accounts(top: &mut Table<'_>, context: &Context<'_>) -> Vec<Account> {
    let mut accounts: Vec<Account> = Vec::new();
    for mut table in top.tables("account") {
        let name = table.required("name", "\"reporting-agent\"");
        let name = name.and_then(|v| new_name(&v, accounts.iter().map(|a| a.name.as_str())));
        let roles = table.required("roles", "[\"agent\"]").and_then(|v| v.strings()).unwrap_or_default();
        let value = table.required("secret", "{ file = \"agent.scram\" }");
        let credential = value.and_then(|v| credential(&v, &secret::read(&v, context)?));
        table.finish();
        let roles = roles.into_iter().map(|r| r.value).collect();
        accounts.extend(name.zip(credential).map(|(name, credential)| Account { name, roles, credential }));
    }
    accounts
}

pub(super) fn read_keys(top: &mut Table<'_>, context: &Context<'_>) -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::new();
    for mut table in top.tables("key") {
        let name = table.required("name", "\"customers-2026\"");
        let name = name.and_then(|v| new_name(&v, keys.iter().map(|k| k.name.as_str())));
        let value = table.required("value", "{ env = \"QG_CUSTOMERS_KEY\" }");
        let value = value.and_then(|v| key_bytes(&v, &secret::read(&v, context)?));
        table.finish();
        keys.extend(name.zip(value).map(|(name, value)| Key { name, value }));
    }
    keys
}

/// A name that nothing else of its kind has yet.
pub(super) fn new_name<'n>(value: &Value<'_>, mut taken: impl Iterator<Item = &'n str>) -> Option<String> {
    let name = value.string()?.value;
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.contains('\0') {
        value.error(format!("{name:?} can't be a name"), format!("1 to {MAX_NAME_BYTES} bytes"));
        return None;
    }
    if taken.any(|t| t == name) {
        value.error(format!("{name:?} is there twice"), "give each a name of its own");
        return None;
    }
    Some(name)
}

/// A verifier if the secret looks like one, else a password.
fn credential(value: &Value<'_>, secret: &SecretString) -> Option<Credential> {
    match Credential::parse(secret.expose_secret()) {
        Ok(credential) => Some(credential),
        Err(error) => {
            value.error(
                error.to_string(),
                "let `querygate account create` write it, or copy all of pg_authid.rolpassword",
            );
            None
        }
    }
}

/// 32 bytes, base64.
pub(super) fn key_bytes(value: &Value<'_>, secret: &SecretString) -> Option<SecretBox<[u8; 32]>> {
    let bytes = STANDARD.decode(secret.expose_secret().trim()).ok().map(Zeroizing::new);
    let key: Option<[u8; 32]> = bytes.and_then(|b| b.as_slice().try_into().ok());
    if key.is_none() {
        value.error(format!("`{}` is not 32 bytes in base64", value.path()), "make one with: openssl rand -base64 32");
    }
    key.map(|k| SecretBox::new(Box::new(k)))
}
