//! The command line's side of the control socket.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::{Request, Response, body::Incoming, client::conn::http1, header::CONTENT_TYPE};
use hyper_util::rt::TokioIo;
use tokio::{net::UnixStream, time::timeout};

use crate::{
    api::{ApiError, Call, Kind, MAX_ANSWER_BYTES},
    socket_path,
};

/// How much longer than the server's time limit the client waits.
const GRACE: Duration = Duration::from_secs(5);

/// Longest refusal that is read, in bytes.
const MAX_REFUSAL_BYTES: usize = 64 << 10;

/// Why a call brought no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody listens on the control socket.
    #[error("no gateway runs with the data folder {}", data.display())]
    NotRunning {
        /// The data folder.
        data: PathBuf,
    },
    /// The socket belongs to somebody else.
    #[error("this user may not open {}", path.display())]
    NotPermitted {
        /// The socket.
        path: PathBuf,
    },
    /// The gateway refused.
    #[error(transparent)]
    Refused(#[from] ApiError),
    /// The gateway did not answer in time.
    #[error("the gateway did not answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The answer is none that this client understands.
    #[error("the gateway's answer can't be read: {0}")]
    Answer(String),
    /// The connection failed.
    #[error("the connection to the gateway failed: {0}")]
    Connection(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ClientError {
    /// What to do about it.
    pub fn remedy(&self) -> &str {
        match self {
            ClientError::NotRunning { .. } => {
                "start it with `querygate serve`, or name its configuration with --config"
            }
            ClientError::NotPermitted { .. } => "run the command as the user that runs the gateway",
            ClientError::Refused(refusal) => &refusal.remedy,
            ClientError::TimedOut(_) | ClientError::Connection(_) => "look at the gateway's log, then try again",
            ClientError::Answer(_) => "use the command of the same version as the gateway",
        }
    }
}

/// Calls the gateway over its control socket, with one connection for each call.
#[derive(Clone, Debug)]
pub struct ControlClient {
    data: PathBuf,
}

impl ControlClient {
    /// For the gateway that runs with this data folder.
    pub fn new(data: &Path) -> ControlClient {
        ControlClient { data: data.to_owned() }
    }

    /// Calls, and waits for the answer no longer than the call may take.
    ///
    /// # Errors
    /// Nothing runs, the gateway refuses, or no answer comes.
    pub async fn call<C: Call>(&self, call: &C) -> Result<C::Answer, ClientError> {
        let limit = C::TIME_LIMIT + GRACE;
        let answered = timeout(limit, async {
            let response = self.send(C::PATH, serde_json::to_vec(call)).await?;
            let body = collect(response.into_body(), MAX_ANSWER_BYTES).await?;
            serde_json::from_slice(&body).map_err(|error| ClientError::Answer(error.to_string()))
        });
        answered.await.map_err(|_| ClientError::TimedOut(limit))?
    }

    /// Sends one request and returns a response that is no refusal.
    async fn send(&self, path: &str, body: serde_json::Result<Vec<u8>>) -> Result<Response<Incoming>, ClientError> {
        let body = body.map_err(|error| ClientError::Connection(error.into()))?;
        let stream = UnixStream::connect(socket_path(&self.data)).await.map_err(|error| self.not_connected(error))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // It ends by itself when the response was read or dropped.
        tokio::spawn(connection);
        let request = Request::post(path)
            .header("host", "localhost")
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .map_err(|error| ClientError::Connection(error.into()))?;
        let response = sender.send_request(request).await.map_err(broken)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = collect(response.into_body(), MAX_REFUSAL_BYTES).await?;
        match serde_json::from_slice::<ApiError>(&body) {
            Ok(refusal) => Err(ClientError::Refused(ApiError { kind: Kind::of_status(status), ..refusal })),
            Err(_) => Err(ClientError::Answer(format!("HTTP status {status}"))),
        }
    }

    fn not_connected(&self, error: io::Error) -> ClientError {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                ClientError::NotRunning { data: self.data.clone() }
            }
            io::ErrorKind::PermissionDenied => ClientError::NotPermitted { path: socket_path(&self.data) },
            _ => ClientError::Connection(error.into()),
        }
    }
}

fn broken(error: hyper::Error) -> ClientError {
    ClientError::Connection(error.into())
}

async fn collect(body: Incoming, limit: usize) -> Result<Bytes, ClientError> {
    let collected = Limited::new(body, limit).collect().await;
    collected.map(http_body_util::Collected::to_bytes).map_err(ClientError::Connection)
}
