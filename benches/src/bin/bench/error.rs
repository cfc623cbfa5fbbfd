use std::{io, path::PathBuf};

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system said no.
    #[error("could not {doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A result can't be written down.
    #[error("the results can't be written: {0}")]
    Json(#[from] serde_json::Error),
    /// A program said no.
    #[error("{what} failed:\n{output}")]
    Program {
        /// Which.
        what: String,
        /// Its words.
        output: String,
    },
    /// A server or the gateway did not start.
    #[error(transparent)]
    Testkit(#[from] querygate_testkit::Error),
    /// The environment names no such program.
    #[error("{0} is not set: run the measurements by `cargo xtask bench`")]
    Unnamed(&'static str),
    /// Not built.
    #[error("{0} is not there: `cargo xtask bench` builds it")]
    Unbuilt(PathBuf),
    /// A measurement without anything measured.
    #[error("{0} gave nothing to measure")]
    Empty(String),
}

impl Error {
    /// For `map_err` on what the operating system answers.
    pub fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
        let doing = doing.into();
        |source| Error::Io { doing, source }
    }
}
