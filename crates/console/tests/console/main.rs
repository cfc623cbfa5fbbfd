//! The console over real sockets.

mod control;
mod gateway;
mod metrics;
mod socket;
