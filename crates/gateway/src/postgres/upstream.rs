//! The gateway's own connection to a Postgres server.

use std::{sync::Arc, time::Duration};

use bytes::BytesMut;
use querygate_postgres::{
    auth::{Channel, LoginError, Password, ServerLogin, Step},
    backend::{self, Authentication, Message},
    frame,
    startup::{self, CancelKey, Startup},
};
use rustls_pki_types::ServerName;
use secrecy::ExposeSecret;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    config::{CONNECT_WAIT_MAX, Database},
    stream::Stream,
};

/// Bytes that a server may send before it is ready, at most.
const GREETING_BYTES_MAX: usize = 1024 * 1024;

/// Why there is no connection to the server. The client sees [`ConnectError::for_client`], the log the whole.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// It can't be reached.
    #[error("the database server {address} can't be reached: {why}")]
    Away {
        /// Its address.
        address: String,
        /// The system's words.
        why: String,
    },
    /// It did not answer in time.
    #[error("the database server {address} did not answer in {} s", CONNECT_WAIT_MAX.as_secs())]
    Slow {
        /// Its address.
        address: String,
    },
    /// It speaks no TLS, or its certificate is not trusted.
    #[error("no TLS with the database server {address}: {why}")]
    Tls {
        /// Its address.
        address: String,
        /// What went wrong.
        why: String,
    },
    /// The log-in failed on our side.
    #[error("the gateway can't log in to the database server: {0}")]
    Login(#[from] LoginError),
    /// The server refused.
    #[error("the database server refused the gateway's connection: {code} {message}")]
    Refused {
        /// SQLSTATE.
        code: String,
        /// Its words.
        message: String,
    },
    /// It does not speak the protocol.
    #[error("the database server {address} sent something unexpected: {why}")]
    Protocol {
        /// Its address.
        address: String,
        /// What.
        why: String,
    },
}

impl ConnectError {
    /// SQLSTATE and words for a client: nothing of the server's address or login.
    pub fn for_client(&self) -> (&'static str, String) {
        match self {
            ConnectError::Refused { code, .. } if code == "53300" => {
                ("53300", "the database server has no connection left for the gateway".to_owned())
            }
            ConnectError::Refused { code, .. } if code.starts_with("57P") => {
                ("08006", "the database server is starting up or shutting down".to_owned())
            }
            ConnectError::Refused { code, .. } => {
                ("08006", format!("the database server refused the gateway's connection ({code})"))
            }
            ConnectError::Login(_) => ("08006", "the gateway can't log in to the database server".to_owned()),
            ConnectError::Tls { .. } => {
                ("08006", "the gateway has no trusted TLS connection to the database server".to_owned())
            }
            ConnectError::Away { .. } => ("08006", "the database server can't be reached".to_owned()),
            ConnectError::Slow { .. } => ("08006", "the database server did not answer in time".to_owned()),
            ConnectError::Protocol { .. } => ("08006", "the database server sent something unexpected".to_owned()),
        }
    }
}

/// How to reach one server.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// The database's settings.
    pub database: Arc<Database>,
    /// TLS, where it is on.
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

/// A connection that is ready for queries.
#[derive(Debug)]
pub struct Connected {
    /// The socket.
    pub stream: Stream,
    /// What was read beyond the greeting.
    pub rest: BytesMut,
    /// How to cancel what it runs.
    pub key: Option<CancelKey>,
    /// ParameterStatus of the start, in order.
    pub parameters: Vec<(String, String)>,
}

impl Upstream {
    /// Connects, encrypts and logs in. `parameters` are start-up parameters besides user and database.
    pub async fn connect(&self, parameters: Vec<(String, String)>) -> Result<Connected, ConnectError> {
        match timeout(CONNECT_WAIT_MAX, self.open(parameters)).await {
            Ok(result) => result,
            Err(_) => Err(ConnectError::Slow { address: self.database.address.clone() }),
        }
    }

    /// Asks the server to cancel what `key` runs; returns once it has taken the request.
    pub async fn cancel(&self, key: &CancelKey, wait: Duration) {
        let attempt = async {
            let mut stream = self.dial().await.ok()?;
            let mut packet = BytesMut::new();
            startup::cancel_request(&mut packet, key).ok()?;
            stream.write_all(&packet).await.ok()?;
            // The server closes after it has signalled the backend.
            let mut end = [0_u8; 1];
            stream.read(&mut end).await.ok()
        };
        if timeout(wait, attempt).await.is_err() {
            tracing::warn!(database = %self.database.name, "the server did not take a cancel request in time");
        }
    }

    fn away(&self, error: &std::io::Error) -> ConnectError {
        ConnectError::Away { address: self.database.address.clone(), why: error.to_string() }
    }

    fn protocol(&self, why: impl ToString) -> ConnectError {
        ConnectError::Protocol { address: self.database.address.clone(), why: why.to_string() }
    }

    async fn dial(&self) -> Result<Stream, ConnectError> {
        let socket = TcpStream::connect(&self.database.address).await.map_err(|e| self.away(&e))?;
        socket.set_nodelay(true).map_err(|e| self.away(&e))?;
        let Some(tls) = &self.tls else { return Ok(Stream::Plain(socket)) };
        self.encrypt(socket, tls.clone()).await
    }

    async fn encrypt(&self, mut socket: TcpStream, tls: Arc<rustls::ClientConfig>) -> Result<Stream, ConnectError> {
        let failed = |why: String| ConnectError::Tls { address: self.database.address.clone(), why };
        let mut request = BytesMut::new();
        startup::ssl_request(&mut request);
        socket.write_all(&request).await.map_err(|e| self.away(&e))?;
        let answer = socket.read_u8().await.map_err(|e| self.away(&e))?;
        if answer != b'S' {
            return Err(failed(
                "the server does not offer it; turn ssl on there, or set tls = \"off\" for this database".to_owned(),
            ));
        }
        let host = self.database.address.rsplit_once(':').map_or(self.database.address.as_str(), |(host, _)| host);
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(|e| failed(e.to_string()))?;
        let stream =
            tokio_rustls::TlsConnector::from(tls).connect(name, socket).await.map_err(|e| failed(e.to_string()))?;
        Ok(Stream::Server(Box::new(stream)))
    }

    async fn open(&self, parameters: Vec<(String, String)>) -> Result<Connected, ConnectError> {
        let mut stream = self.dial().await?;
        let mut all = vec![
            ("user".to_owned(), self.database.user.clone()),
            ("database".to_owned(), self.database.database.clone()),
        ];
        all.extend(parameters);
        let mut packet = BytesMut::new();
        let hello = Startup { major: 3, minor: 0, parameters: all };
        hello.encode(&mut packet).map_err(|e| self.protocol(e))?;
        stream.write_all(&packet).await.map_err(|e| self.away(&e))?;
        let channel = if stream.is_tls() { Channel::Tls { end_point: None } } else { Channel::Plain };
        let password = self.database.password.as_ref().map(|p| Password::new(p.expose_secret().to_owned()));
        let mut greeting = Greeting {
            login: Some(ServerLogin::new(&self.database.user, password, channel)),
            key: None,
            parameters: Vec::new(),
        };
        let mut buffer = BytesMut::new();
        loop {
            while let Some(frame) = frame::next_server(&mut buffer).map_err(|e| self.protocol(e))? {
                let message = backend::decode(&frame).map_err(|e| self.protocol(e))?;
                match greeting
                    .on(message)
                    .map_err(|e| e.unwrap_or_else(|| self.protocol("a message out of its turn")))?
                {
                    Next::Read => {}
                    Next::Send(bytes) => stream.write_all(&bytes).await.map_err(|e| self.away(&e))?,
                    Next::Ready => {
                        return Ok(Connected {
                            stream,
                            rest: buffer,
                            key: greeting.key,
                            parameters: greeting.parameters,
                        });
                    }
                }
            }
            if buffer.len() > GREETING_BYTES_MAX {
                return Err(self.protocol("a greeting without end"));
            }
            if stream.read_buf(&mut buffer).await.map_err(|e| self.away(&e))? == 0 {
                return Err(self.protocol("it closed the connection"));
            }
        }
    }
}

/// What has been learnt of a server that greets.
struct Greeting {
    login: Option<ServerLogin>,
    key: Option<CancelKey>,
    parameters: Vec<(String, String)>,
}

enum Next {
    Read,
    Send(Vec<u8>),
    Ready,
}

impl Greeting {
    /// Takes a message; the error is none for one that does not belong here.
    fn on(&mut self, message: Message<'_>) -> Result<Next, Option<ConnectError>> {
        match message {
            Message::Authentication(step) => self.authenticate(&step).map_err(Some),
            Message::BackendKeyData(key) if self.login.is_none() => {
                self.key = Some(key);
                Ok(Next::Read)
            }
            Message::ParameterStatus { name, value } if self.login.is_none() => {
                self.parameters.push((name.to_owned(), value.to_owned()));
                Ok(Next::Read)
            }
            Message::NoticeResponse(_) | Message::NegotiateProtocolVersion(_) => Ok(Next::Read),
            Message::ErrorResponse(fields) => Err(Some(ConnectError::Refused {
                code: fields.code().to_owned(),
                message: fields.message().into_owned(),
            })),
            Message::ReadyForQuery(_) if self.login.is_none() => Ok(Next::Ready),
            _ => Err(None),
        }
    }

    fn authenticate(&mut self, step: &Authentication<'_>) -> Result<Next, ConnectError> {
        let login = self.login.take().ok_or(LoginError::Unexpected)?;
        match login.on(step)? {
            Step::Done => Ok(Next::Read),
            Step::Send(login, bytes) => {
                self.login = Some(login);
                Ok(Next::Send(bytes.to_vec()))
            }
            Step::Wait(login) => {
                self.login = Some(login);
                Ok(Next::Read)
            }
        }
    }
}
