//! The Postgres side: a client's log-in, the gateway's own connection, and the driver that feeds the session.

mod client;
mod client_side;
mod greeting;
mod handshake;
pub mod own;
mod prove;
pub mod reach;
mod replies;
mod rows;
mod server_side;
pub mod upstream;
mod wire;

use std::net::SocketAddr;

use tokio::net::TcpStream;

pub use greeting::still_valid;
pub use rows::{codec as copy_codec, masks_any};
pub use wire::Postgres;

use crate::shared::{ClientPlace, LoopParts};

/// Connections beyond the limit that are still greeted, to be told why they are turned away, or to cancel what another one runs.
const TURNED_AWAY_MAX: usize = 64;

/// Serves one client from its first byte to its last.
pub async fn serve(parts: LoopParts, socket: TcpStream, address: SocketAddr) {
    let limit = parts.shared.config.connections_max;
    let place = ClientPlace::enter(&parts.shared);
    if place.number > limit {
        tracing::warn!(%address, limit, "a client is turned away: too many connections");
    }
    if place.number > limit.saturating_add(TURNED_AWAY_MAX) {
        return;
    }
    match handshake::greet(&parts, socket, address, place.number > limit).await {
        Ok(handshake::Greeted::Cancelled) => {}
        Ok(handshake::Greeted::LoggedIn(login)) => greeting::open(parts, *login).await,
        Err(why) => tracing::debug!(%address, %why, "a client's log-in ended"),
    }
}
