//! The console over real sockets.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy knows test functions, but not what they share"
)]

mod control;
mod gateway;
mod metrics;
mod socket;
