use std::{
    collections::HashMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use parking_lot::{Mutex, MutexGuard};
use querygate_record::{Principal, ScramVerifier};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::{
    Credential, Error, MAX_SECRET_BYTES, files,
    kept::{self, Kept, KeptAccount},
    mock::Mock,
    name::{check_name, check_roles},
    secret::{make_secret, matches},
};

/// Most accounts, of both kinds together.
pub const MAX_ACCOUNTS: usize = 10_000;

/// An account of the configuration file.
#[derive(Clone, Debug)]
pub struct Configured {
    /// Its name.
    pub name: String,
    /// Its roles.
    pub roles: Vec<String>,
    /// What it is checked against.
    pub credential: Credential,
}

/// Where an account is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// In the configuration file.
    Configured,
    /// In the data folder, by `querygate account create`.
    Kept,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Source::Configured => "the configuration file",
            Source::Kept => "accounts.toml in the data folder",
        })
    }
}

/// What may be shown of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its roles.
    pub roles: Vec<String>,
    /// Whether it may log in.
    pub enabled: bool,
    /// Where it is defined.
    pub source: Source,
}

/// What a log-in exchange needs to know of a name.
#[derive(Clone, Debug)]
pub struct Login {
    /// What the client must prove; for an unknown or disabled account one that nobody can.
    pub verifier: ScramVerifier,
    /// Who it is once proved; none for an unknown or disabled account. Look at it only after the proof was checked.
    pub principal: Option<Principal>,
}

/// All service accounts. Readers take no lock; a change makes a new set and swaps it in whole.
pub struct Accounts {
    path: PathBuf,
    mock: Mock,
    current: ArcSwap<Set>,
    writer: Mutex<Vec<Configured>>,
    changes: watch::Sender<u64>,
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts").field("count", &self.current.load().len()).finish_non_exhaustive()
    }
}

type Set = HashMap<String, Known>;

struct Known {
    roles: Vec<String>,
    enabled: bool,
    source: Source,
    verifier: ScramVerifier,
}

/// Accounts that passed every check and are not in use yet; dropping it changes nothing. Other changes wait while it lives.
pub struct Prepared<'a> {
    accounts: &'a Accounts,
    writer: MutexGuard<'a, Vec<Configured>>,
    configured: Vec<Configured>,
    set: Set,
}

impl fmt::Debug for Prepared<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("count", &self.set.len()).finish_non_exhaustive()
    }
}

impl Prepared<'_> {
    /// Puts them in use.
    pub fn install(mut self) {
        *self.writer = self.configured;
        self.accounts.swap(self.set);
    }
}

impl Accounts {
    /// Reads the kept accounts from the folder `data` (made if absent) and joins them with those of the configuration.
    ///
    /// # Errors
    /// An unreadable or foreign-readable file, a bad name, role or secret, or a name that is defined twice.
    pub fn open(data: &Path, configured: Vec<Configured>) -> Result<Accounts, Error> {
        files::make_folder(data)?;
        let (path, mock) = (kept::path(data), Mock::open(data)?);
        let set = build(&mock, &configured, &Kept::read(&path)?)?;
        let (changes, _) = watch::channel(0);
        Ok(Accounts { path, mock, current: ArcSwap::from_pointee(set), writer: Mutex::new(configured), changes })
    }

    /// Checks a new configuration and the kept accounts as they are on disk now, for a reload that is all or nothing.
    ///
    /// # Errors
    /// As [`Accounts::open`]; the accounts in use stay as they are.
    pub fn prepare(&self, configured: Vec<Configured>) -> Result<Prepared<'_>, Error> {
        let writer = self.writer.lock();
        let set = build(&self.mock, &configured, &Kept::read(&self.path)?)?;
        Ok(Prepared { accounts: self, writer, configured, set })
    }

    /// [`Accounts::prepare`] and [`Prepared::install`] in one.
    ///
    /// # Errors
    /// As [`Accounts::prepare`].
    pub fn reload(&self, configured: Vec<Configured>) -> Result<(), Error> {
        self.prepare(configured).map(Prepared::install)
    }

    /// What a log-in as `name` is checked against. Does the same work whether the account exists or not.
    pub fn lookup(&self, name: &str) -> Login {
        let mut verifier = self.mock.verifier(name);
        let current = self.current.load();
        let Some(known) = current.get(name) else { return Login { verifier, principal: None } };
        verifier.salt.clone_from(&known.verifier.salt);
        if !known.enabled {
            return Login { verifier, principal: None };
        }
        Login { verifier: known.verifier.clone(), principal: Some(Principal::local(name, known.roles.iter().cloned())) }
    }

    /// Who gave this name and secret, if they are right and the account is enabled. Takes as long for a name that doesn't exist.
    ///
    /// Hashes the secret [`crate::ITERATIONS`] times, milliseconds of one core: don't call it where an event loop runs.
    pub fn check_password(&self, name: &str, secret: &SecretString) -> Option<Principal> {
        let secret = secret.expose_secret();
        if secret.len() > MAX_SECRET_BYTES {
            return None;
        }
        let login = self.lookup(name);
        let right: bool = matches(secret, &login.verifier).into();
        login.principal.filter(|_| right)
    }

    /// The principal of an enabled account as it is now, for looking again at a session that is already open.
    pub fn principal(&self, name: &str) -> Option<Principal> {
        let current = self.current.load();
        current.get(name).filter(|known| known.enabled).map(|known| Principal::local(name, known.roles.iter().cloned()))
    }

    /// Changes whenever the accounts do, so that open sessions can be looked at again.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// All accounts, by name.
    pub fn list(&self) -> Vec<Account> {
        let show = |(name, known): (&String, &Known)| Account {
            name: name.clone(),
            roles: known.roles.clone(),
            enabled: known.enabled,
            source: known.source,
        };
        let mut list: Vec<Account> = self.current.load().iter().map(show).collect();
        list.sort_by(|a, b| a.name.cmp(&b.name));
        list
    }

    /// Makes an account. Without a credential it makes a secret and returns it: the only time that it can be seen.
    ///
    /// # Errors
    /// The name exists or can't be used, or the accounts can't be written.
    pub fn create(
        &self,
        name: &str,
        roles: Vec<String>,
        credential: Option<Credential>,
    ) -> Result<Option<SecretString>, Error> {
        check_name("account name", name)?;
        let roles = check_roles(roles)?;
        let (verifier, made) = self.verifier(name, credential)?;
        self.change(|kept| {
            if kept.accounts.iter().any(|a| a.name == name) {
                return Err(Error::Exists { name: name.to_owned() });
            }
            kept.accounts.push(KeptAccount { name: name.to_owned(), roles, enabled: true, verifier });
            Ok(())
        })?;
        Ok(made)
    }

    /// Replaces an account's secret, as [`Accounts::create`] made the first one.
    ///
    /// # Errors
    /// No such account, it belongs to the configuration file, or the accounts can't be written.
    pub fn rotate(&self, name: &str, credential: Option<Credential>) -> Result<Option<SecretString>, Error> {
        let (verifier, made) = self.verifier(name, credential)?;
        self.change_one(name, |account| account.verifier = verifier)?;
        Ok(made)
    }

    /// Refuses log-ins of an account from now on. Sessions that are open are ended by whoever watches [`Accounts::changes`].
    ///
    /// # Errors
    /// As [`Accounts::rotate`].
    pub fn disable(&self, name: &str) -> Result<(), Error> {
        self.change_one(name, |account| account.enabled = false)
    }

    /// Allows log-ins of an account again.
    ///
    /// # Errors
    /// As [`Accounts::rotate`].
    pub fn enable(&self, name: &str) -> Result<(), Error> {
        self.change_one(name, |account| account.enabled = true)
    }

    fn verifier(
        &self,
        name: &str,
        credential: Option<Credential>,
    ) -> Result<(ScramVerifier, Option<SecretString>), Error> {
        let (credential, made) = match credential {
            Some(given) => (given, None),
            None => {
                let secret = make_secret()?;
                (Credential::Secret(secret.clone()), Some(secret))
            }
        };
        Ok((credential.into_verifier(name, &self.mock.salt(name))?, made))
    }

    fn change_one(&self, name: &str, change: impl FnOnce(&mut KeptAccount)) -> Result<(), Error> {
        self.change(|kept| match kept.accounts.iter_mut().find(|a| a.name == name) {
            Some(account) => {
                change(account);
                Ok(())
            }
            None => Err(Error::Unknown { name: name.to_owned() }),
        })
        .map_err(|error| match error {
            Error::Unknown { name } if self.current.load().contains_key(&name) => Error::Configured { name },
            other => other,
        })
    }

    /// Reads the file anew under a lock against other processes, changes it, writes it, then uses it.
    fn change(&self, change: impl FnOnce(&mut Kept) -> Result<(), Error>) -> Result<(), Error> {
        let configured = self.writer.lock();
        let _lock = files::lock(&self.path)?;
        let mut kept = Kept::read(&self.path)?;
        change(&mut kept)?;
        let set = build(&self.mock, &configured, &kept)?;
        kept.write(&self.path)?;
        self.swap(set);
        Ok(())
    }

    fn swap(&self, set: Set) {
        self.current.store(Arc::new(set));
        self.changes.send_modify(|version| *version += 1);
    }
}

/// Joins both kinds of accounts into one set, or names what is wrong with them.
fn build(mock: &Mock, configured: &[Configured], kept: &Kept) -> Result<Set, Error> {
    if configured.len() + kept.accounts.len() > MAX_ACCOUNTS {
        return Err(Error::TooMany { what: "accounts", limit: MAX_ACCOUNTS });
    }
    let mut set = Set::new();
    for account in configured {
        check_name("account name", &account.name)?;
        let roles = check_roles(account.roles.clone())?;
        let verifier = account.credential.clone().into_verifier(&account.name, &mock.salt(&account.name))?;
        add(&mut set, &account.name, Known { roles, enabled: true, source: Source::Configured, verifier })?;
    }
    for account in &kept.accounts {
        let (roles, verifier) = (account.roles.clone(), account.verifier.clone());
        add(&mut set, &account.name, Known { roles, enabled: account.enabled, source: Source::Kept, verifier })?;
    }
    Ok(set)
}

fn add(set: &mut Set, name: &str, known: Known) -> Result<(), Error> {
    let second = known.source.to_string();
    match set.insert(name.to_owned(), known) {
        None => Ok(()),
        Some(first) => Err(Error::Twice { name: name.to_owned(), first: first.source.to_string(), second }),
    }
}

#[cfg(test)]
mod tests;
