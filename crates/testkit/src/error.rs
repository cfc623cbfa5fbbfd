use std::{io, path::PathBuf, time::Duration};

/// Why a test's surroundings could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The peer closed the connection while more was expected.
    #[error("the peer closed the connection while {0} was expected")]
    Closed(String),
    /// The environment doesn't name a program that the tests need.
    #[error("{0} is not set: run the tests by `cargo xtask test`, or first `eval \"$(cargo xtask env)\"`")]
    Environment(String),
    /// A program said no; its output follows.
    #[error("{what} failed: {output}")]
    Failed {
        /// What was run.
        what: String,
        /// What it wrote to standard error.
        output: String,
    },
    /// The operating system said no.
    #[error("could not {doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The gateway's binary was not built.
    #[error("{0} is not there: `cargo build --package querygate` makes it, or QUERYGATE_BIN names another")]
    NoBinary(PathBuf),
    /// Postgres answered with an error.
    #[error("postgres: {0}")]
    Postgres(#[from] tokio_postgres::Error),
    /// Nothing came in time.
    #[error("{what} did not happen within {limit:?}{log}")]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long.
        limit: Duration,
        /// What the program had logged by then.
        log: String,
    },
    /// The peer sent something else than expected.
    #[error("unexpected answer: {0}")]
    Unexpected(String),
}

impl Error {
    /// For `map_err` on what the operating system answers.
    pub fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        |source| Self::Io { doing, source }
    }
}
