//! What can be wrong with a message, and whose doing it is.

use thiserror::Error;

/// A message that does not mean anything. Its text never quotes the message's contents, so it may be logged and shown.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The client's fault: answer with SQLSTATE 08P01 and end the connection.
    #[error("the client sent a malformed message: {0}")]
    Client(Malformed),
    /// The server's fault: end both connections; the client is told 08P01 without details.
    #[error("the server sent a malformed message: {0}")]
    Server(Malformed),
}

impl DecodeError {
    /// What is wrong, without whose fault it is.
    pub fn malformed(&self) -> Malformed {
        match self {
            DecodeError::Client(malformed) | DecodeError::Server(malformed) => *malformed,
        }
    }
}

/// Which field of which message is wrong, and how.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{message}, {field}: {problem}")]
pub struct Malformed {
    /// The message's name in Postgres's documentation.
    pub message: &'static str,
    /// The field.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// A number that this field can't have.
    #[error("{value} is not a possible value")]
    BadValue {
        /// The number.
        value: i64,
    },
    /// The same name was given twice.
    #[error("given twice")]
    Duplicate,
    /// The message ends before the field does.
    #[error("the message ends early")]
    EndsEarly,
    /// Text without its terminating NUL.
    #[error("the terminating zero byte is missing")]
    NoTerminator,
    /// Text that is not UTF-8.
    #[error("not valid UTF-8 at byte {at}")]
    NotUtf8 {
        /// Valid bytes before it.
        at: usize,
    },
    /// Bytes that belong to no field.
    #[error("{bytes} surplus bytes")]
    Surplus {
        /// How many.
        bytes: usize,
    },
    /// More than the limit.
    #[error("{count} is more than the limit of {limit}")]
    TooMany {
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// No such message.
    #[error("unknown kind {kind:#04x}")]
    UnknownKind {
        /// The first byte of the frame.
        kind: u8,
    },
}

/// A message that can't be put into a frame. Ours: the caller passed what no message can carry.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// A text with a zero byte in it: it would end there.
    #[error("{field} contains a zero byte, which no message can carry")]
    ZeroByte {
        /// The field.
        field: &'static str,
    },
    /// More items than a count of two bytes can say.
    #[error("{count} {field} are more than a message can carry")]
    TooMany {
        /// The field.
        field: &'static str,
        /// How many there are.
        count: usize,
    },
    /// A frame or value longer than its length field can say.
    #[error("{field} is too long for a message")]
    TooLong {
        /// The field.
        field: &'static str,
    },
}
