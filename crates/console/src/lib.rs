//! The gateway's HTTP interface: a control socket for the command line, and metrics and health for monitoring.
//!
//! Every request and answer is a type of [`api`], used by the server ([`ControlServer`]) and the client ([`ControlClient`]) alike.
//! What only the running gateway knows comes through [`Control`], which the binary implements. This crate must not know wire
//! protocols, and reaches no database.
//!
//! The control socket proves that its caller may administer the gateway, for only the owner of the data folder can open it. It
//! does not prove who that is: whoever acts as somebody gives that account's name and secret, checked as a log-in is.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! use querygate_console::{ControlClient, ControlServer, api::ListSessions, client::ClientError};
//!
//! let data = tempfile::tempdir()?;
//! let client = ControlClient::new(data.path());
//! assert!(matches!(client.call(&ListSessions {}).await, Err(ClientError::NotRunning { .. })));
//! let server = ControlServer::bind(data.path())?; // and then `server.serve(services, stop)`
//! assert!(ControlServer::bind(data.path()).is_err(), "one gateway for each data folder");
//! # drop(server);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod api;
mod attempts;
pub mod client;
mod control;
mod handlers;
mod http;
mod metrics;
mod printable;
mod router;
mod socket;

pub use client::ControlClient;
pub use control::{AccountChange, Control, Services};
pub use metrics::{MetricsServer, Readiness};
pub use printable::printable;
pub use socket::{ControlServer, socket_path};

use std::{io, net::SocketAddr, path::PathBuf};

/// Why a server of this crate can't listen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Another gateway uses this data folder.
    #[error("another gateway runs with the data folder {}", data.display())]
    AlreadyRunning {
        /// The data folder.
        data: PathBuf,
    },
    /// Something that is no socket lies where the socket would be.
    #[error("{} is not a socket", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The operating system allows only short paths for sockets.
    #[error("the path {} is longer than the {limit} bytes that a socket may have", path.display())]
    LongPath {
        /// The path.
        path: PathBuf,
        /// The bound.
        limit: usize,
    },
    /// A file or socket in the data folder can't be made.
    #[error("can't {action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file, folder or socket.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The address can't be listened on.
    #[error("can't listen on {address}: {source}")]
    Address {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
}

impl BindError {
    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            BindError::AlreadyRunning { .. } => "stop that one first, or give this one another `data_dir`",
            BindError::NotASocket { .. } => "move that file away, or give the gateway another `data_dir`",
            BindError::LongPath { .. } => "give the gateway a `data_dir` with a shorter path",
            BindError::File { .. } => "let the user that runs the gateway own the data folder",
            BindError::Address { .. } => "choose an address of this machine and a port that is free",
        }
    }
}
