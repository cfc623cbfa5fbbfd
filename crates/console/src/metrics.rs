use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus::{Encoder, Registry, TEXT_FORMAT, TextEncoder};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    BindError,
    http::{Limits, serve},
};

const LIMITS: Limits = Limits { connections: 32, lifetime: Duration::from_secs(300) };

/// Says whether the gateway can take sessions, or why it can't. Asked at each probe, so it must answer at once.
#[derive(Clone)]
pub struct Readiness(Arc<dyn Fn() -> Result<(), String> + Send + Sync>);

impl Readiness {
    /// From a closure; its words are shown to whoever may reach the metrics' address.
    pub fn new(ready: impl Fn() -> Result<(), String> + Send + Sync + 'static) -> Readiness {
        Readiness(Arc::new(ready))
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Readiness").field(&(self.0)()).finish()
    }
}

/// The server of `listen.metrics`: `/metrics` in Prometheus's text format, `/healthz` (the process is up), `/readyz` (it takes
/// sessions).
#[derive(Debug)]
pub struct MetricsServer {
    listener: TcpListener,
    address: SocketAddr,
}

impl MetricsServer {
    /// Listens on `address`.
    ///
    /// # Errors
    /// The address can't be listened on.
    pub async fn bind(address: SocketAddr) -> Result<MetricsServer, BindError> {
        let refused = |source| BindError::Address { address, source };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(MetricsServer { listener, address })
    }

    /// Where it listens; the port is the real one where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`.
    pub async fn serve(self, registry: Registry, readiness: Readiness, stop: CancellationToken) {
        let router = Router::new()
            .route("/metrics", get(move || async move { exposition(&registry) }))
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(move || async move { ready(&readiness) }));
        serve(self.listener, router, LIMITS, stop).await;
    }
}

fn exposition(registry: &Registry) -> Response {
    let mut text = Vec::new();
    match TextEncoder::new().encode(&registry.gather(), &mut text) {
        Ok(()) => ([(CONTENT_TYPE, TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics can't be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn ready(readiness: &Readiness) -> Response {
    match (readiness.0)() {
        Ok(()) => "ready\n".into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")).into_response(),
    }
}
