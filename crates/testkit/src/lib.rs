//! Tools of the tests: real servers, the real gateway, scripted peers, and a network that fails on demand.
//!
//! Nothing here imitates a database: [`postgres::Server`] is a real Postgres in a folder of its own, and
//! [`gateway::Gateway`] is the real binary. Both end with the value that holds them, and with the test process however
//! that ends. Must not know: the inside of any crate under test; it meets the gateway as a client and an operator do.
//!
//! `cargo xtask test` sets the environment that names the programs; for plain cargo, `eval "$(cargo xtask env)"` does.
//!
//! ```no_run
//! use querygate_testkit::{gateway::Gateway, postgres::Server};
//!
//! # fn main() -> Result<(), querygate_testkit::Error> {
//! let server = Server::start()?;
//! server.psql("postgres", &["-c", "CREATE DATABASE shop"], "")?.ok()?;
//! let gateway = Gateway::in_front_of(&server, "shop")
//!     .policy("shop", "database = \"shop\"\nconnect = [\"agent\"]\n")
//!     .account("reporting-agent", &["agent"], "a secret")
//!     .start()?;
//! let shown = gateway.login("reporting-agent", "a secret", "shop").psql(&["-c", "SELECT 1"], "")?;
//! assert!(shown.ok()?.stdout.contains('1'));
//! # Ok(())
//! # }
//! ```

mod error;
mod lifeline;
mod target;

pub mod gateway;
pub mod mysql;
pub mod pooler;
pub mod postgres;
pub mod proxy;
pub mod wire;

pub use error::Error;
pub use target::{Ran, Target};
