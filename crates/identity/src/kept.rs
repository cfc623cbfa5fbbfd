use std::path::{Path, PathBuf};

use querygate_record::ScramVerifier;
use serde::{Deserialize, Serialize};

use crate::{
    Error, MAX_ACCOUNTS, files,
    name::{check_name, check_roles},
    secret::Credential,
};

/// The file's name in the data folder.
const FILE: &str = "accounts.toml";

/// Longest file that is read: [`MAX_ACCOUNTS`] accounts with names and roles at their bounds are less.
const MAX_FILE_BYTES: u64 = 64 << 20;

const REMEDY: &str = "put it right by hand, or restore the file from a backup";

const HEADER: &str = "# Written by querygate. Use `querygate account create|rotate|disable|enable` to change it.\n\n";

/// The accounts that the gateway keeps itself, as their file holds them.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    #[serde(default, rename = "account")]
    pub(crate) accounts: Vec<KeptAccount>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeptAccount {
    pub(crate) name: String,
    pub(crate) roles: Vec<String>,
    pub(crate) enabled: bool,
    #[serde(with = "verifier_text")]
    pub(crate) verifier: ScramVerifier,
}

/// Where they are kept.
pub(crate) fn path(data: &Path) -> PathBuf {
    data.join(FILE)
}

impl Kept {
    /// Reads the file; no file is no accounts.
    pub(crate) fn read(path: &Path) -> Result<Kept, Error> {
        let Some(text) = files::read_private(path, MAX_FILE_BYTES)? else { return Ok(Kept::default()) };
        // The error's own rendering quotes the line, which may hold a verifier: take only its message and place.
        let mut kept: Kept = toml::from_str(&text).map_err(|e| Error::Content {
            path: path.to_owned(),
            line: e.span().and_then(|s| text.get(..s.start)).map(|before| before.matches('\n').count() + 1),
            why: e.message().to_owned(),
            remedy: REMEDY,
        })?;
        if kept.accounts.len() > MAX_ACCOUNTS {
            return Err(Error::TooMany { what: "accounts", limit: MAX_ACCOUNTS });
        }
        for account in &mut kept.accounts {
            account.check().map_err(|e| Error::Content {
                path: path.to_owned(),
                line: None,
                why: e.to_string(),
                remedy: REMEDY,
            })?;
        }
        Ok(kept)
    }

    /// Replaces the file.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Error> {
        let text = toml::to_string(self).map_err(|e| Error::Content {
            path: path.to_owned(),
            line: None,
            why: format!("can't be written: {e}"),
            remedy: "nothing was changed",
        })?;
        files::replace_private(path, format!("{HEADER}{text}").as_bytes())
    }
}

impl KeptAccount {
    fn check(&mut self) -> Result<(), Error> {
        check_name("account name", &self.name)?;
        self.roles = check_roles(std::mem::take(&mut self.roles))?;
        Credential::Verifier(self.verifier.clone()).into_verifier(&self.name, &[0; _]).map(drop)
    }
}

mod verifier_text {
    use querygate_record::ScramVerifier;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(verifier: &ScramVerifier, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(verifier)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<ScramVerifier, D::Error> {
        // Not the type's own message for a wrong type: it would quote the value.
        let text = String::deserialize(from).map_err(|_| D::Error::custom("`verifier` must be a string"))?;
        text.parse().map_err(D::Error::custom)
    }
}
