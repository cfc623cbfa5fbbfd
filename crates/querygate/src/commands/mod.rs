//! One file for each command.

mod account;
mod approvals;
mod check;
mod explain;
mod log;
mod output;
mod place;
mod policy;
mod secret;
mod serve;
mod server;
mod session;
mod status;
mod suggest;
mod words;

use std::{fmt::Display, io::IsTerminal};

use querygate_policy::document::Problems;
use querygate_record::Engine;

pub use account::{AccountCommand, account};
pub use approvals::{ApprovalsCommand, approvals};
pub use check::check;
pub use explain::{ExplainArguments, explain};
pub use log::{LogCommand, log};
pub use policy::{PolicyCommand, policy};
pub use serve::serve;
pub use session::{SessionCommand, session};
pub use status::{reload, status};
pub use suggest::{SuggestArguments, suggest};

/// Why a command ends without success.
#[derive(Debug)]
pub enum Failure {
    /// The answer is no: a failed verification, a failed test, a refusal. Exit code 1.
    No(String),
    /// Whoever read the output went away before its end, as `head` does. Exit code 0, and nothing to say.
    ReaderGone,
    /// Wrong use or unreadable input. Exit code 2.
    Wrong(String),
}

impl Failure {
    /// Wrong use or unreadable input.
    pub fn wrong(words: impl Display) -> Failure {
        Failure::Wrong(words.to_string())
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Failure {
        Failure::Wrong(problems.render(std::io::stderr().is_terminal()))
    }
}

fn engine(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => "postgres",
        Engine::Mysql => "mysql",
        Engine::Mariadb => "mariadb",
    }
}
