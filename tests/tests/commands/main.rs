//! Every command as an operator runs it: the real binary, a real gateway, a real Postgres behind it. What is promised is
//! what comes out and the exit code: 0 done, 1 the answer is no, 2 wrong use or unreadable input.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test says what went wrong by failing"
)]

mod accounts;
mod approvals;
mod check;
mod demo;
mod explain;
mod log;
mod pooler;
mod running;
mod shop;
