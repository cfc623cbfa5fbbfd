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

use std::{
    net::SocketAddr,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
};

use tokio::net::TcpStream;

pub use greeting::still_valid;
pub use rows::{codec as copy_codec, masks_any};

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
    let limit = parts.shared.config.connections_max;
    let place = Client::enter(&parts.shared);
    if place.number > limit {
        tracing::warn!(%address, limit, "a client is turned away: too many connections");
        return handshake::turn_away(socket).await;
    }
    match handshake::greet(&parts, socket, address).await {
        Ok(handshake::Greeted::Cancelled) => {}
        Ok(handshake::Greeted::LoggedIn(login)) => greeting::open(parts, *login).await,
        Err(why) => tracing::debug!(%address, %why, "a client's log-in ended"),
    }
}

/// A client's place among all open sockets, given back on drop.
struct Client {
    shared: Arc<Shared>,
    number: usize,
}

impl Client {
    fn enter(shared: &Arc<Shared>) -> Client {
        let number = shared.clients.fetch_add(1, Ordering::AcqRel) + 1;
        Client { shared: shared.clone(), number }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.shared.clients.fetch_sub(1, Ordering::AcqRel);
    }
}
