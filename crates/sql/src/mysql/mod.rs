//! What is MySQL's and MariaDB's alone: their lexical rules, name resolution, statements.
//!
//! The rules of this reading: it holds under `utf8mb4` and a `sql_mode` that changes no grammar, which the gateway pins; a construct that
//! the two servers or their versions read in two ways is refused; every column that is named anywhere but as a plain result column counts
//! as used.

mod call;
mod comments;
mod compound;
mod created;
mod define;
mod delete_joined;
mod expression;
mod forms;
mod from;
mod functions;
mod kill;
mod lexer;
mod order;
mod parser;
mod prepared;
mod query;
mod reading;
mod scope;
mod set;
mod show;
mod statement;
#[cfg(test)]
mod tests;
mod write;

pub use call::CALL;
pub use kill::{Kill, kill};
pub use lexer::{Lexer, is_empty};
pub use set::{PINNED_MODES, reads_alike};
pub use show::is_without_warnings;
pub use statement::{RESET_CONNECTION, analyse};
