//! Placeholder.
pub mod session;
pub mod statement;
