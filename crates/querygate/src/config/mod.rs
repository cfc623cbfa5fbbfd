//! `querygate.toml`: what the gateway listens on, which databases stand behind it, and who may log in.
//!
//! Reading checks everything that can be checked without opening a socket, and reports all problems at once. Relative paths are relative to the
//! file's folder. Secrets never stand in the file itself: they come from the environment or from files.

mod account;
mod address;
mod database;
mod listen;
mod log;
mod secret;
mod server_tls;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use querygate_mask::MaskKey;
use querygate_policy::{
    DatabaseName, PolicySet,
    document::{Problems, Reader, Source, Table, Value},
};
use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

pub use account::{Account, Key};
pub use address::Address;
pub use database::{DEFAULT_CONNECTIONS, DEFAULT_STATEMENT_BYTES, Database, RoleLogin, Servers};
pub use listen::{Listen, ListenTls};
pub use log::{Durability, Log};
pub use server_tls::{ServerTls, Trust};

/// A sample with every setting and its default, commented.
pub const SAMPLE: &str = include_str!("sample.toml");

/// The whole configuration.
#[derive(Debug)]
pub struct Config {
    /// The file that it was read from.
    pub path: PathBuf,
    /// Where the gateway keeps what it makes: log, keys, accounts, control socket.
    pub data_dir: PathBuf,
    /// The folder of policy files.
    pub policies: PathBuf,
    /// What it listens on.
    pub listen: Listen,
    /// How the log is kept.
    pub log: Log,
    /// The databases, by the names that clients ask for.
    pub databases: Vec<Database>,
    /// Service accounts of the file; those made by `querygate account create` live in `data_dir`.
    pub accounts: Vec<Account>,
    /// Keys for the log and for maskers that need one.
    pub keys: Vec<Key>,
    /// What an operator should look at.
    pub warnings: Problems,
}

impl Config {
    /// Reads a file; secrets from the environment come from that of this process.
    pub fn load(path: &Path) -> Result<Config, Problems> {
        Config::load_with(path, &|name| std::env::var(name).ok())
    }

    /// The same with another environment.
    pub fn load_with(path: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<Config, Problems> {
        match Source::open(path) {
            Ok(source) => Config::read(source, path, environment),
            Err(problem) => {
                let mut problems = Problems::default();
                problems.push(problem);
                Err(problems)
            }
        }
    }

    fn read(source: Source, path: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<Config, Problems> {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let context = Context { folder, environment };
        let reader = Reader::new(Arc::new(source));
        let config = reader.read(|top| read(top, path, &context));
        let problems = reader.problems();
        match config {
            Some(config) if !problems.has_errors() => Ok(Config { warnings: problems, ..config }),
            _ => Err(problems),
        }
    }

    /// What the policies are read for.
    pub fn database_names(&self) -> Vec<DatabaseName> {
        self.databases.iter().map(|d| DatabaseName { name: d.name.clone(), engine: d.engine }).collect()
    }

    /// The policies of the configured folder.
    pub fn policy_set(&self) -> Result<PolicySet, Problems> {
        self.policies_of(&self.policies)
    }

    /// The policies of another folder.
    pub fn policies_of(&self, folder: &Path) -> Result<PolicySet, Problems> {
        let key = |key: &Key| MaskKey::new(&key.name, Zeroizing::new(*key.value.expose_secret()));
        PolicySet::load(folder, &self.database_names(), &Arc::new(self.keys.iter().map(key).collect()))
    }

    /// A database by the name that clients ask for.
    pub fn database(&self, name: &str) -> Option<&Database> {
        self.databases.iter().find(|d| d.name == name)
    }
}

/// What reading needs besides the file.
struct Context<'a> {
    folder: &'a Path,
    environment: &'a dyn Fn(&str) -> Option<String>,
}

impl Context<'_> {
    fn path(&self, written: &str) -> PathBuf {
        self.folder.join(written)
    }

    /// The path of a file that can be read.
    fn readable(&self, value: &Value<'_>) -> Option<PathBuf> {
        let path = self.path(&value.string()?);
        if let Err(error) = std::fs::File::open(&path) {
            value.error(
                format!("{} can't be read: {error}", path.display()),
                "check the path (relative to this file) and its permissions",
            );
        }
        Some(path)
    }
}

fn read(mut top: Table<'_>, path: &Path, context: &Context<'_>) -> Option<Config> {
    let data_dir = top.required("data_dir", "\"/var/lib/querygate\"").and_then(|v| v.string());
    let policies = top.string("policies").map_or_else(|| "policies".to_owned(), |p| p.value);
    let listen = top.required("listen", "{ postgres = \"127.0.0.1:6432\" }").and_then(|v| v.table());
    let listen = listen.and_then(|t| listen::read(t, context));
    let log = top.table("log").map(|t| log::read(t, context)).unwrap_or_default();
    let databases = database::read_all(&mut top, context);
    let accounts = account::read_accounts(&mut top, context);
    let keys = account::read_keys(&mut top, context);
    if let Some(value) = top.value("oidc") {
        value.error("log-in by OIDC tokens is not built in this version", "take [oidc] out, and use service accounts");
    }
    top.finish();
    Some(Config {
        path: path.to_owned(),
        data_dir: context.path(&data_dir?),
        policies: context.path(&policies),
        listen: listen?,
        log,
        databases,
        accounts,
        keys,
        warnings: Problems::default(),
    })
}

#[cfg(test)]
mod tests;
