//! The Postgres side: a client's log-in, the gateway's own connection, and the driver that feeds the session.

mod client_side;
mod driver;
mod greeting;
mod handshake;
pub mod own;
mod replies;
mod rows;
mod server_side;
pub mod upstream;

use std::{net::SocketAddr, rc::Rc, sync::Arc};

use tokio::net::TcpStream;

pub use greeting::still_valid;

use crate::{judge::Cache, log::LoopLog, shared::Shared};

/// What a session needs of its event loop.
#[derive(Clone)]
pub struct LoopParts {
    /// Shared by all loops.
    pub shared: Arc<Shared>,
    /// This loop's chain of the log.
    pub log: Rc<LoopLog>,
    /// This loop's judgements.
    pub cache: Cache,
}

/// Serves one client from its first byte to its last.
pub async fn serve(parts: LoopParts, socket: TcpStream, address: SocketAddr) {
    match handshake::greet(&parts, socket, address).await {
        Ok(handshake::Greeted::Cancelled) => {}
        Ok(handshake::Greeted::LoggedIn(login)) => greeting::open(parts, *login).await,
        Err(why) => tracing::debug!(%address, %why, "a client's log-in ended"),
    }
}
