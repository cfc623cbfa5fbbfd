//! `querygate account create|list|rotate|enable|disable`: through the running gateway, or in the data folder when none runs.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use querygate_console::{
    AccountChange,
    api::{CreateAccount, DisableAccount, EnableAccount, ListAccounts, RotateAccount, Secret},
};
use querygate_identity::{Account, Accounts, Credential};
use zeroize::Zeroizing;

use super::{
    Failure,
    output::{self, Table},
    place::Place,
    secret,
};
use crate::{
    config::Config,
    serve::{self, ControlLog, convert},
};

/// Service accounts.
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Make one. A secret that is made for it is printed once, on standard output.
    Create {
        /// Its name: what clients log in as.
        name: String,
        /// Its roles, as policies name them; may be given more than once.
        #[arg(long, required = true)]
        role: Vec<String>,
        /// Its secret.
        #[command(flatten)]
        given: Given,
    },
    /// List all, those of the configuration file included.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Give one another secret; the old one is refused from then on.
    Rotate {
        /// Its name.
        name: String,
        /// Its secret.
        #[command(flatten)]
        given: Given,
    },
    /// Let one log in again.
    Enable {
        /// Its name.
        name: String,
    },
    /// Let one log in no more, and end its sessions.
    Disable {
        /// Its name.
        name: String,
    },
}

/// A secret that is given.
#[derive(Debug, Args)]
pub struct Given {
    /// A file with the secret, or with a verifier as in pg_authid.rolpassword; "-" is standard input. One is made when left out.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

impl Given {
    fn read(&self) -> Result<Option<Secret>, Failure> {
        self.secret_file.as_deref().map(secret::from_file).transpose()
    }
}

/// Runs it.
pub fn account(config: &Path, command: AccountCommand) -> Result<(), Failure> {
    let place = Place::find(config)?;
    match command {
        AccountCommand::Create { name, role, given } => create(config, &place, name, role, given.read()?),
        AccountCommand::List { json } => list(config, &place, json),
        AccountCommand::Rotate { name, given } => rotate(config, &place, name, given.read()?),
        AccountCommand::Enable { name } => {
            if place.call_if_running(&EnableAccount { name: name.clone() })?.is_none() {
                offline(config, &AccountChange::Enable { name: name.clone() }, |accounts| accounts.enable(&name))?;
            }
            output::write(&format!("account {name} may log in\n"))
        }
        AccountCommand::Disable { name } => {
            if place.call_if_running(&DisableAccount { name: name.clone() })?.is_none() {
                offline(config, &AccountChange::Disable { name: name.clone() }, |accounts| accounts.disable(&name))?;
            }
            output::write(&format!("account {name} may log in no more\n"))
        }
    }
}

fn create(
    config: &Path,
    place: &Place,
    name: String,
    roles: Vec<String>,
    given: Option<Secret>,
) -> Result<(), Failure> {
    let call = CreateAccount { name: name.clone(), roles: roles.clone(), secret: given.clone() };
    let made = match place.call_if_running(&call)? {
        Some(made) => made.secret,
        None => {
            let credential = credential(given.as_ref())?;
            let change = AccountChange::Create { name: name.clone(), roles: roles.clone() };
            offline(config, &change, |accounts| accounts.create(&name, roles, credential))?.map(Secret::from)
        }
    };
    tell(made, &format!("account {name} is made"))
}

fn rotate(config: &Path, place: &Place, name: String, given: Option<Secret>) -> Result<(), Failure> {
    let made = match place.call_if_running(&RotateAccount { name: name.clone(), secret: given.clone() })? {
        Some(made) => made.secret,
        None => {
            let credential = credential(given.as_ref())?;
            let change = AccountChange::Rotate { name: name.clone() };
            offline(config, &change, |accounts| accounts.rotate(&name, credential))?.map(Secret::from)
        }
    };
    tell(made, &format!("account {name} has another secret"))
}

/// A made secret alone goes to standard output, so that a script can take it from there.
fn tell(made: Option<Secret>, what: &str) -> Result<(), Failure> {
    match made {
        Some(secret) => {
            eprintln!("{what}; its secret, which is shown only now:");
            output::write(&Zeroizing::new(format!("{}\n", secret.expose())))
        }
        None => output::write(&format!("{what}\n")),
    }
}

fn credential(given: Option<&Secret>) -> Result<Option<Credential>, Failure> {
    let parsed = given.map(|secret| Credential::parse(secret.expose())).transpose();
    parsed.map_err(|e| Failure::wrong(format!("the secret is {e}\ngive the secret itself, or copy the whole verifier")))
}

fn list(config: &Path, place: &Place, json: bool) -> Result<(), Failure> {
    let accounts = match place.call_if_running(&ListAccounts {})? {
        Some(accounts) => accounts,
        None => open(&Config::load(config)?)?.list(),
    };
    if json {
        return output::json(&accounts);
    }
    let mut table = Table::new(&["ACCOUNT", "ROLES", "MAY LOG IN", "DEFINED IN"]);
    for Account { name, roles, enabled, source } in accounts {
        table.row([name, roles.join(", "), if enabled { "yes" } else { "no" }.to_owned(), source.to_string()]);
    }
    output::write(&table.render("no accounts: make one with `querygate account create NAME --role ROLE`"))
}

/// Changes accounts where no gateway runs, once the log says so.
fn offline<T>(
    config: &Path,
    change: &AccountChange,
    make: impl FnOnce(&Accounts) -> Result<T, querygate_identity::Error>,
) -> Result<T, Failure> {
    let config = Config::load(config)?;
    let accounts = open(&config)?;
    let journal = serve::open_journal(&config)?;
    let log = ControlLog::new(&journal).map_err(Failure::wrong)?;
    log.loaded("", &serve::in_words(change)).map_err(Failure::wrong)?;
    let made = make(&accounts);
    if let Err(error) = &made {
        log.loaded("", &format!("that was refused: {error}")).map_err(Failure::wrong)?;
    }
    drop(log);
    journal.close().map_err(|e| Failure::wrong(format!("the access log was not closed in order: {e}")))?;
    Ok(made?)
}

/// The accounts as a gateway that starts now would have them.
pub fn open(config: &Config) -> Result<Accounts, Failure> {
    Ok(Accounts::open(&config.data_dir, convert::accounts(config)?)?)
}

impl From<querygate_identity::Error> for Failure {
    fn from(error: querygate_identity::Error) -> Failure {
        use querygate_identity::Error;
        let words = format!("{error}\n{}", error.remedy());
        match error {
            Error::Exists { .. } | Error::Configured { .. } | Error::Unknown { .. } | Error::Busy { .. } => {
                Failure::No(words)
            }
            _ => Failure::Wrong(words),
        }
    }
}
