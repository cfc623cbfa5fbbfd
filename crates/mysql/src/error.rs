//! What can be wrong with a packet. The texts never quote a packet's contents, so they may be logged and shown.

use thiserror::Error;

/// Which field of which packet is wrong, and how. Whose fault it is, the caller knows: it knows who sent it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{packet}, {field}: {problem}")]
pub struct Malformed {
    /// The packet's name in the protocol's documentation.
    pub packet: &'static str,
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
        value: u64,
    },
    /// The packet ends before the field does.
    #[error("the packet ends early")]
    EndsEarly,
    /// Text without its terminating NUL.
    #[error("the terminating zero byte is missing")]
    NoTerminator,
    /// Text that is not UTF-8.
    #[error("not valid UTF-8")]
    NotUtf8,
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
    /// A value that does not fit the column's type.
    #[error("the value does not fit the type")]
    Unfit,
}

/// A stream of packets that can't be followed any further.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PacketError {
    /// A sequence id out of turn: the two sides no longer speak of the same exchange.
    #[error("packet {got} came where packet {expected} was due")]
    OutOfTurn {
        /// The sequence id that was due.
        expected: u8,
        /// The one that came.
        got: u8,
    },
    /// A packet, all its parts together, beyond the caller's limit.
    #[error("a packet of more than {limit} bytes")]
    TooLong {
        /// The limit, bytes.
        limit: usize,
    },
}
