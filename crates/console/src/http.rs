//! One loop for both servers: bounded connections, bounded times, an orderly stop.

use std::time::Duration;

use axum::{Router, serve::Listener};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
    service::TowerToHyperService,
};
use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

/// How long a client may take to send the head of a request, or stay idle between two.
const HEAD_TIME: Duration = Duration::from_secs(10);

/// Longest head of a request, in bytes.
const MAX_HEAD_BYTES: usize = 16 << 10;

/// How long requests under way may go on after the stop.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// What one server allows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections at once; more wait to be accepted.
    pub(crate) connections: usize,
    /// How long one connection may live, whatever it does: a client that stops reading must go some day.
    pub(crate) lifetime: Duration,
}

/// Serves until `stop`, then lets requests under way end, within a bound.
pub(crate) async fn serve<L: Listener>(mut listener: L, router: Router, limits: Limits, stop: CancellationToken) {
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => (),
            (io, _) = listener.accept(), if connections.len() < limits.connections => {
                connections.spawn(connection(io, router.clone(), limits.lifetime, graceful.watcher()));
            }
        }
    }
    drop(listener);
    if timeout(DRAIN_TIME, graceful.shutdown()).await.is_err() {
        tracing::warn!(connections = connections.len(), "ended connections that did not finish in time");
    }
}

async fn connection<I>(io: I, router: Router, lifetime: Duration, watcher: Watcher)
where
    I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(io), TowerToHyperService::new(router));
    match timeout(lifetime, watcher.watch(connection)).await {
        Ok(Ok(())) => (),
        Ok(Err(error)) => tracing::debug!(%error, "a connection ended early"),
        Err(_) => tracing::debug!("a connection was ended at the end of its time"),
    }
}
