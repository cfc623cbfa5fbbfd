//! How connections begin on both sides: encryption, versions, proofs, keys, places, and which server answers. Each test runs the real binary
//! in front of a real Postgres.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test says what went wrong by failing"
)]

mod bound;
mod direct;
mod door;
mod middle;
mod moved;
mod pooled;
mod servers;
#[path = "../promises/stage.rs"]
#[allow(dead_code, reason = "each test program uses what it needs")]
mod stage;
mod trust;
mod versions;
