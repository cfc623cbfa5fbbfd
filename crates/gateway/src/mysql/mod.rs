//! The MySQL and MariaDB side: a client's log-in, the gateway's own connection, and the driver that feeds the session.

use std::net::SocketAddr;

use tokio::net::TcpStream;

use crate::shared::{ClientPlace, LoopParts};

/// Serves one client from its first byte to its last.
pub async fn serve(parts: LoopParts, socket: TcpStream, address: SocketAddr) {
    let place = ClientPlace::enter(&parts.shared);
    tracing::warn!(%address, number = place.number, "a MySQL client is turned away");
    drop(socket);
}
