//! Why a chore stopped, who can put it right, and the exit code that says so.

use std::{fmt, io, path::Path};

/// Why a chore stopped.
#[derive(Debug)]
pub enum Error {
    /// A check or a started program answered "no"; its own output says why.
    Failed(String),
    /// Something on this machine stands in the way; the text says what to run or change.
    Machine(String),
    /// The command line was wrong.
    Usage(String),
}

impl Error {
    /// An operating-system error, with what was being done to which path.
    pub fn io(doing: &str, path: &Path, source: io::Error) -> Self {
        Self::Machine(format!("could not {doing} {}: {source}", path.display()))
    }

    /// 1 where a check failed, 2 where the machine or the caller has something to put right.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Machine(_) | Self::Usage(_) => 2,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(text) | Self::Machine(text) | Self::Usage(text) => f.write_str(text),
        }
    }
}
