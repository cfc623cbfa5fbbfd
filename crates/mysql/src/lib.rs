//! MySQL's and MariaDB's client/server protocol: finding packets, giving them types, rewriting rows, and the proofs of a log-in.
//!
//! Everything here is sans-IO: bytes in, bytes out. Every decoder uses up exactly one packet, checks each read, and answers what it
//! can't read with an error; nothing that came from a network makes it panic. It must not know sockets, SQL or policy.
//! (MySQL Internals, "Client/Server Protocol"; MariaDB Knowledge Base, "Client/Server Protocol".)
//!
//! ```
//! use bytes::BytesMut;
//! use querygate_mysql::{command::{self, Command}, packet};
//!
//! let bytes = b"\x09\0\0\0\x03SELECT 1";
//! let found = packet::next(bytes, 0, 1024).unwrap().expect("a whole packet");
//! assert_eq!(command::decode(&found.payload), Ok(Command::Query { text: b"SELECT 1" }));
//!
//! let (mut out, mut sequence) = (BytesMut::new(), 0);
//! packet::write(&mut out, &mut sequence, &found.payload);
//! assert_eq!((&out[..], sequence), (&bytes[..], 1));
//! ```

pub mod auth;
pub mod capability;
pub mod column;
pub mod command;
mod error;
pub mod greeting;
pub mod login;
pub mod packet;
mod read;
pub mod response;
pub mod row;
pub mod statement;
pub mod value;
mod write;

pub use error::{Malformed, PacketError, Problem};
