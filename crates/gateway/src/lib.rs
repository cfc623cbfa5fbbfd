//! Listeners, both sockets of each session, and every wait: the part of Querygate that touches the network.
//!
//! One driver per engine decodes the client's and the server's messages, feeds them to [`querygate_session::Session`] and carries out
//! its actions. Each event loop is a thread of its own with its own listener, its own chain of the log and its own cache of
//! judgements: sessions share no lock on a statement's way. It must not know the console or the command line.
//!
//! ```
//! use querygate_gateway::config::ServerTls;
//! assert_eq!(ServerTls::Off, ServerTls::Off);
//! ```

mod catalog;
pub mod config;
mod door;
mod driver;
pub mod duplex;
mod end;
mod gateway;
mod inside;
mod judge;
mod log;
mod metrics;
mod mysql;
mod parts;
mod places;
mod postgres;
mod refusals;
pub mod registry;
mod remembered;
mod settings;
mod shared;
pub mod stream;
mod timers;
mod tls;
mod world;

pub use gateway::{Certificates, Gateway, Parts, StartError};
pub use metrics::Metrics;
pub use mysql::upstream::Own as OwnMysql;
pub use postgres::{
    own::{Own, OwnError},
    reach::{POOLED, POOLED_REMEDY},
    upstream::{ConnectError, Upstream},
};
pub use registry::{Live, Registry, SessionInfo};
pub use shared::Shared;
pub use tls::TlsError;
pub use world::{DatabaseState, World};
