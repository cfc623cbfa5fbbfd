//! MySQL and MariaDB, with the servers and the command lines of both.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test says what went wrong by failing"
)]

mod comments;
mod drivers;
mod dump;
mod durability;
mod routines;
mod shop;
mod text;
