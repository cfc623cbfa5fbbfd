//! What monitoring sees.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use prometheus::{IntCounter, Registry};
use querygate_console::{BindError, MetricsServer, Readiness};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;

async fn get(server: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn metrics_health_and_readiness_are_served_until_the_stop() {
    let registry = Registry::new();
    let statements = IntCounter::new("querygate_statements_total", "Statements.").unwrap();
    registry.register(Box::new(statements.clone())).unwrap();
    let ready = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&ready);
    let readiness =
        Readiness::new(move || if seen.load(Ordering::SeqCst) { Ok(()) } else { Err("loading".to_owned()) });
    let server = MetricsServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let (address, stop) = (server.address(), CancellationToken::new());
    let served = tokio::spawn(server.serve(registry, readiness, stop.clone()));

    statements.inc_by(42);
    let metrics = get(address, "/metrics").await;
    assert!(metrics.starts_with("HTTP/1.1 200") && metrics.contains("querygate_statements_total 42"), "{metrics}");
    assert!(metrics.contains("text/plain; version=0.0.4"), "{metrics}");
    assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 200"));
    let not_ready = get(address, "/readyz").await;
    assert!(not_ready.starts_with("HTTP/1.1 503") && not_ready.ends_with("not ready: loading\n"), "{not_ready}");
    ready.store(true, Ordering::SeqCst);
    assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 200"));
    assert!(get(address, "/").await.starts_with("HTTP/1.1 404"));

    stop.cancel();
    served.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let first = MetricsServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let error = MetricsServer::bind(first.address()).await.unwrap_err();
    assert!(matches!(error, BindError::Address { address, .. } if address == first.address()), "{error}");
}
