//! What is Postgres's alone: its lexical rules, its statement kinds, its settings.

pub mod lexer;
pub mod parser;
mod strings;
