//! The control socket against killed gateways, second gateways, and clients that misbehave.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    sync::atomic::Ordering,
};

use querygate_console::{
    BindError, ControlServer,
    api::{GetStatus, Kind, ListSessions, MAX_REQUEST_BYTES, Reload},
    client::ClientError,
    socket_path,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::Instant,
};

use crate::gateway::Gateway;

async fn connect(gateway: &Gateway) -> UnixStream {
    UnixStream::connect(socket_path(gateway.path())).await.unwrap()
}

/// Sends bytes and returns everything that comes until the gateway closes.
async fn exchange(gateway: &Gateway, bytes: &[u8]) -> String {
    let mut stream = connect(gateway).await;
    // The gateway may refuse before it has read everything.
    let _early = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _reset = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn post(path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

#[tokio::test]
async fn only_the_owner_can_open_the_socket() {
    let gateway = Gateway::start();
    let found = fs::metadata(socket_path(gateway.path())).unwrap();
    assert_eq!(found.permissions().mode() & 0o777, 0o600);
    assert_eq!(found.uid(), fs::metadata(gateway.path()).unwrap().uid());
}

#[tokio::test]
async fn a_second_gateway_is_refused_and_the_first_serves_on() {
    let gateway = Gateway::start();
    let error = ControlServer::bind(gateway.path()).unwrap_err();
    assert!(matches!(error, BindError::AlreadyRunning { .. }), "{error}");
    gateway.client.call(&GetStatus {}).await.unwrap();
}

#[tokio::test]
async fn what_a_killed_gateway_left_is_replaced() {
    let data = TempDir::new().unwrap();
    drop(std::os::unix::net::UnixListener::bind(socket_path(data.path())).unwrap());
    assert!(socket_path(data.path()).exists());
    drop(ControlServer::bind(data.path()).unwrap());
    assert!(!socket_path(data.path()).exists(), "an orderly end leaves nothing");
}

#[tokio::test]
async fn a_file_in_the_sockets_place_is_not_removed() {
    let data = TempDir::new().unwrap();
    fs::write(socket_path(data.path()), "precious").unwrap();
    assert!(matches!(ControlServer::bind(data.path()), Err(BindError::NotASocket { .. })));
    assert_eq!(fs::read_to_string(socket_path(data.path())).unwrap(), "precious");
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_is_named() {
    let data = TempDir::new().unwrap();
    let deep = data.path().join("d".repeat(100));
    fs::create_dir(&deep).unwrap();
    assert!(matches!(ControlServer::bind(&deep), Err(BindError::LongPath { limit: 107, .. })));
    let longest = data.path().join("d".repeat(107 - "/control.sock".len() - data.path().as_os_str().len() - 1));
    fs::create_dir(&longest).unwrap();
    ControlServer::bind(&longest).unwrap();
}

#[tokio::test]
async fn without_a_gateway_the_client_says_so() {
    let data = TempDir::new().unwrap();
    let client = querygate_console::ControlClient::new(data.path());
    let error = client.call(&GetStatus {}).await.unwrap_err();
    assert!(matches!(error, ClientError::NotRunning { .. }) && error.remedy().contains("querygate serve"));
    drop(std::os::unix::net::UnixListener::bind(socket_path(data.path())).unwrap());
    let error = client.call(&GetStatus {}).await.unwrap_err();
    assert!(matches!(error, ClientError::NotRunning { .. }), "also where one was killed: {error}");
}

#[tokio::test]
async fn requests_that_make_no_sense_get_a_refusal_and_the_gateway_serves_on() {
    let gateway = Gateway::start();
    for (request, status) in [
        (post("/v1/sessions/list", "{"), "400"),
        (post("/v1/sessions/list", "{\"surplus\": 1}"), "400"),
        (post("/v1/sessions/list", &"[".repeat(100_000)), "400"),
        (post("/v1/no/such/call", "{}"), "404"),
        (b"GET /v1/status HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_vec(), "405"),
    ] {
        let answer = exchange(&gateway, &request).await;
        let shown = answer.get(..200.min(answer.len())).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{shown}");
        assert!(answer.contains("\"error\"") && answer.contains("\"remedy\""), "{shown}");
    }
    let large = exchange(&gateway, &post("/v1/status", &" ".repeat(MAX_REQUEST_BYTES + 1))).await;
    assert!(large.starts_with("HTTP/1.1 400") && large.contains("a request may have 4194304 bytes"), "{large}");
    exchange(&gateway, b"\0\xff\r\n\r\n").await;
    let long = exchange(&gateway, format!("POST /{} HTTP/1.1\r\n\r\n", "x".repeat(100_000)).as_bytes()).await;
    assert!(long.starts_with("HTTP/1.1 4"), "{long}");
    gateway.client.call(&ListSessions {}).await.unwrap();
}

// Time stands still in these tests until nothing else is left to do.

#[tokio::test(start_paused = true)]
async fn a_client_that_stalls_is_let_go() {
    let gateway = Gateway::start();
    let start = Instant::now();
    assert_eq!(exchange(&gateway, b"POST /v1/status HTTP/1.1\r\nhos").await, "");
    assert_eq!(start.elapsed().as_secs(), 10);
    let stalled = exchange(&gateway, b"POST /v1/status HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n{").await;
    assert!(stalled.starts_with("HTTP/1.1 400") && stalled.contains("did not come in time"), "{stalled}");
}

#[tokio::test(start_paused = true)]
async fn idle_clients_give_way_to_those_that_ask() {
    let gateway = Gateway::start();
    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(connect(&gateway).await);
    }
    let start = Instant::now();
    let status = exchange(&gateway, &post("/v1/status", "{}")).await;
    assert!(status.starts_with("HTTP/1.1 200"), "{status}");
    assert_eq!(start.elapsed().as_secs(), 10, "it had to wait for its turn");
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_is_stuck_is_named_within_the_time_of_the_call() {
    let gateway = Gateway::start();
    gateway.script.stuck.store(true, Ordering::SeqCst);
    match gateway.client.call(&GetStatus {}).await {
        Err(ClientError::Refused(refusal)) => assert_eq!(refusal.kind, Kind::Unavailable),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_stop_lets_a_call_under_way_end_and_takes_no_new_ones() {
    let gateway = Gateway::start();
    let client = gateway.client.clone();
    let call = tokio::spawn(async move { client.call(&Reload {}).await });
    gateway.script.reloading.notified().await;
    gateway.stop.cancel();
    gateway.script.reloaded.notify_one();
    assert_eq!(call.await.unwrap().unwrap().policy, "p2");
    gateway.server.await.unwrap();
    let error = gateway.client.call(&GetStatus {}).await.unwrap_err();
    assert!(matches!(error, ClientError::NotRunning { .. }), "{error}");
    assert!(!socket_path(gateway.data.path()).exists());
    ControlServer::bind(gateway.data.path()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_a_call_no_longer_than_its_bound() {
    let gateway = Gateway::start();
    let client = gateway.client.clone();
    let call = tokio::spawn(async move { client.call(&Reload {}).await });
    gateway.script.reloading.notified().await;
    gateway.stop.cancel();
    let start = Instant::now();
    gateway.server.await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 5);
    assert!(call.await.unwrap().is_err());
}
