use std::{io, path::PathBuf};

/// Why something could not be done with accounts; [`Error::remedy`] says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller asked for a name that exists.
    #[error("there is an account {name:?} already")]
    Exists {
        /// The name.
        name: String,
    },
    /// The caller wants to change an account that the configuration file defines.
    #[error("account {name:?} is defined in the configuration file")]
    Configured {
        /// The name.
        name: String,
    },
    /// The same name twice: in the configuration file, or there and among the kept accounts.
    #[error("account {name:?} is defined twice ({first} and {second})")]
    Twice {
        /// The name.
        name: String,
        /// Where it was first seen.
        first: String,
        /// Where it was seen again.
        second: String,
    },
    /// No account of this name.
    #[error("there is no account {name:?}")]
    Unknown {
        /// The name.
        name: String,
    },
    /// A name that can't be used for an account or a role.
    #[error("{what} {name:?} can't be used: it {why}")]
    Name {
        /// `account name` or `role`.
        what: &'static str,
        /// The name, cut to a printable length.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A secret or verifier that can't be used.
    #[error("the secret of account {name:?} can't be used: {why}")]
    Secret {
        /// The account.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// More than the gateway keeps.
    #[error("that would make more than {limit} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
    /// Another process changes the accounts at this moment.
    #[error("another process is changing {}", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// A file or folder can't be read or written.
    #[error("can't {action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file is readable, but not what it should be.
    #[error("{}{}: {why}", path.display(), line.map(|n| format!(":{n}")).unwrap_or_default())]
    Content {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: Option<usize>,
        /// What is wrong with it.
        why: String,
        /// What would put it right.
        remedy: &'static str,
    },
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

impl Error {
    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Error::Exists { .. } => "choose another name, or give it a new secret with `querygate account rotate`",
            Error::Configured { .. } => "change it there, then run `querygate reload`",
            Error::Twice { .. } => "remove one of them",
            Error::Unknown { .. } => "`querygate account list` shows all",
            Error::Name { .. } => {
                "use 1 to 63 ASCII letters, digits, `_`, `-`, `.` or `@`, beginning with a letter or digit"
            }
            Error::Secret { .. } => "give another secret, or none to have one made",
            Error::TooMany { .. } => "remove some first",
            Error::Busy { .. } => "try again",
            Error::File { .. } => {
                "let the user that runs the gateway own the data folder, and look at the space on its disk"
            }
            Error::Content { remedy, .. } => remedy,
            Error::Random(_) => "look at the operating system: nothing secret can be made without",
        }
    }
}
