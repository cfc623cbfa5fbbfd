//! What is Postgres's alone: its lexical rules, its statement kinds, its settings.

pub(crate) mod forms;
pub mod lexer;
pub mod parser;
mod strings;
