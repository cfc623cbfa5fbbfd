//! Postgres's wire protocol, version 3: finding frames, giving their messages types, rewriting rows, and the exchanges of a log-in.
//!
//! Everything here is sans-IO: bytes in, bytes out. Every decoder uses up exactly one frame, checks each read, and answers what it can't
//! read with an error that says who erred; nothing that came from a network makes it panic. It must not know sockets, SQL or policy.
//!
//! ```
//! use bytes::BytesMut;
//! use querygate_postgres::{frame, frontend::{self, Message}};
//!
//! let mut buffer = BytesMut::from(&b"Q\0\0\0\x0dSELECT 1\0S\0\0"[..]);
//! let frame = frame::next_client(&mut buffer).unwrap().expect("a whole frame");
//! assert_eq!(frontend::decode(&frame), Ok(Message::Query { text: "SELECT 1" }));
//! assert_eq!(frame::next_client(&mut buffer), Ok(None)); // Sync is not whole yet.
//! ```

pub mod auth;
pub mod backend;
pub mod copy;
mod error;
#[cfg(test)]
mod fixtures;
mod format;
pub mod frame;
pub mod frontend;
mod read;
pub mod row;
pub mod scram;
pub mod sqlstate;
pub mod startup;
mod write;

pub use error::{DecodeError, EncodeError, Malformed, Problem};
pub use format::Format;
