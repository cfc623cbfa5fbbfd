//! One file for each command.

mod serve;

use std::{fmt::Display, io::IsTerminal};

use querygate_policy::document::Problems;

pub use serve::serve;

/// Why a command ends without success.
#[derive(Debug)]
pub enum Failure {
    /// The answer is no: a failed verification, a failed test, a refusal. Exit code 1.
    No(String),
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
