use std::{path::PathBuf, sync::Arc};

/// Why the log could not do what was asked. Every text is for the operator; none carries data of a database or a key.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The storage refused a write or a sync. Nothing of the failed write counts as logged; traffic must stop until writes succeed again. After a full disk
    /// they do by themselves, within seconds of space being freed; other failures may need a restart.
    #[error(
        "the log cannot be written: {0}; free at least 256 MiB on the disk of data_dir if it is full, else check the disk and restart"
    )]
    Away(Arc<str>),
    /// The journal was closed; nothing more is written.
    #[error("the log is closed")]
    Closed,
    /// One entry is larger than the limit. It was not written.
    #[error("a log entry of {bytes} bytes is over the limit of {limit} bytes and was not written")]
    EntryTooLarge {
        /// Its encoded size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The stored bytes are not what the gateway wrote.
    #[error("the log in {folder} is damaged: {why}; run `querygate log verify`")]
    Damaged {
        /// The log's folder.
        folder: PathBuf,
        /// What was found.
        why: String,
    },
    /// Another process has the log open for writing.
    #[error("the log in {folder} is in use by another process")]
    InUse {
        /// The log's folder.
        folder: PathBuf,
    },
    /// There is no log there.
    #[error("there is no log in {folder}: {why}")]
    Absent {
        /// The folder that was asked for.
        folder: PathBuf,
        /// What was found.
        why: String,
    },
    /// A key file cannot be read, is malformed or may be read by others.
    #[error("key file {path}: {why}")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong and how to put it right.
        why: String,
    },
    /// A read failed.
    #[error("the log cannot be read: {0}")]
    Read(Arc<str>),
    /// A question asks for more than the log can hold in memory while it answers.
    #[error("{0}")]
    TooMuch(String),
}

impl Error {
    pub(crate) fn away(cause: impl ToString) -> Error {
        Error::Away(cause.to_string().into())
    }

    pub(crate) fn read(cause: impl ToString) -> Error {
        Error::Read(cause.to_string().into())
    }
}
