//! Who may log in: the service accounts of the configuration file and those made by `querygate account`, as one set that the
//! gateway reads without a lock.
//!
//! An account has a name, roles and one SCRAM verifier; its secret is never stored. An unknown or disabled account gets the same
//! exchange as a known one, so that a log-in tells nobody which names exist. This crate must not know wire protocols, SQL, or
//! what roles may do.
//!
//! ```
//! use querygate_identity::{Accounts, SecretString};
//! let folder = tempfile::tempdir()?;
//! let accounts = Accounts::open(folder.path(), Vec::new())?;
//! let secret = accounts.create("nightly-report", vec!["agent".to_owned()], None)?.expect("a made secret is returned once");
//! assert!(accounts.check_password("nightly-report", &secret).is_some());
//! assert!(accounts.check_password("nightly-report", &SecretString::from("a guess")).is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod accounts;
mod error;
mod files;
mod kept;
mod mock;
mod name;
mod secret;

pub use secrecy::{ExposeSecret, SecretString};

pub use accounts::{Account, Accounts, Configured, Login, MAX_ACCOUNTS, Prepared, Source};
pub use error::Error;
pub use name::{MAX_NAME_BYTES, MAX_ROLES};
pub use secret::{Credential, ITERATIONS, MAX_SECRET_BYTES, MIN_SECRET_BYTES};
