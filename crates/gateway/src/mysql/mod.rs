//! The MySQL and MariaDB side: a client's log-in, the gateway's own connection, and the driver that feeds the session.

mod client_side;
mod errors;
mod handshake;
mod link;
mod open;
mod prepared;
mod rows;
mod server_side;
pub mod settings;
pub mod upstream;
mod wire;

use std::net::SocketAddr;

use tokio::net::TcpStream;

pub use handshake::Digests;

use crate::shared::{ClientPlace, LoopParts};

/// Serves one client from its first byte to its last.
pub async fn serve(parts: LoopParts, socket: TcpStream, address: SocketAddr) {
    let limit = parts.shared.config.connections_max;
    let place = ClientPlace::enter(&parts.shared);
    if place.number > limit {
        tracing::warn!(%address, limit, "a client is turned away: too many connections");
        let mut link = link::Link::new(crate::stream::Stream::Plain(socket));
        // The client is told, or gone.
        let _ = handshake::refuse(&mut link, "53300", "too many connections to the gateway").await;
        return;
    }
    match handshake::greet(&parts, socket, address).await {
        Ok(client) => open::open(parts, client).await,
        Err(why) => tracing::debug!(%address, %why, "a client's log-in ended"),
    }
}
