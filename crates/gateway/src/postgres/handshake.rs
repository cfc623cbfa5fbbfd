//! A client's first steps: encryption, start-up parameters, proof of identity. Nothing of the server is touched here.

use std::{io, net::SocketAddr, sync::Arc};

use bytes::BytesMut;
use querygate_postgres::{
    backend::encode::{self, ErrorReport, Severity},
    frame::{self, Frame},
    frontend,
    scram::server::{ScramError, ServerFirst},
    startup::{FirstPacket, Startup, next_first},
};
use querygate_record::{Engine, Event, Origin, Principal, SessionFacts, SessionId};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    config::{ClientTls, FAREWELL_WAIT_MAX, LOGIN_WAIT_MAX},
    log::now_ns,
    shared::LoopParts,
    stream::Stream,
};

/// A client that has proved who it is.
pub struct Login {
    /// Its socket.
    pub stream: Stream,
    /// What was read and not dealt with.
    pub rest: BytesMut,
    /// Its start-up packet.
    pub startup: Startup,
    /// Who it is.
    pub principal: Arc<Principal>,
    /// Where it comes from.
    pub address: SocketAddr,
    /// The session's id in the log.
    pub session: SessionId,
}

/// How the first steps ended.
pub enum Greeted {
    /// It was a cancel request.
    Cancelled,
    /// A client logged in.
    LoggedIn(Box<Login>),
}

/// Why they did not end well.
#[derive(Debug, thiserror::Error)]
pub enum GreetError {
    /// The client went away or was too slow.
    #[error("{0}")]
    Gone(#[from] io::Error),
    /// The client was refused and told so.
    #[error("refused: {0}")]
    Refused(String),
}

/// The first packets of a connection.
pub async fn greet(parts: &LoopParts, socket: TcpStream, address: SocketAddr) -> Result<Greeted, GreetError> {
    match timeout(LOGIN_WAIT_MAX, greet_patiently(parts, socket, address)).await {
        Ok(result) => result,
        Err(_) => Err(GreetError::Refused("log-in took too long".to_owned())),
    }
}

async fn greet_patiently(parts: &LoopParts, socket: TcpStream, address: SocketAddr) -> Result<Greeted, GreetError> {
    socket.set_nodelay(true)?;
    let mut client = Client { stream: Stream::Plain(socket), buffer: BytesMut::new() };
    loop {
        match client.first_packet().await? {
            FirstPacket::Cancel(key) => {
                parts.shared.registry.cancel(&key);
                return Ok(Greeted::Cancelled);
            }
            FirstPacket::GssEnc => client.write(b"N").await?,
            FirstPacket::Ssl => client = client.encrypt(parts).await?,
            FirstPacket::Startup(startup) => {
                return log_in(parts, client, startup, address).await.map(|login| Greeted::LoggedIn(Box::new(login)));
            }
        }
    }
}

/// Tells a client that there is no room. It is not read: what it sends first is small enough to be ignored.
pub async fn turn_away(mut socket: TcpStream) {
    let mut out = BytesMut::new();
    let message = "too many connections to the gateway";
    encode::error(
        &mut out,
        &ErrorReport { severity: Severity::Fatal, code: "53300", message, ..ErrorReport::default() },
    );
    let farewell = async {
        socket.write_all(&out).await?;
        socket.shutdown().await?;
        // Closing with unread bytes would reset the connection before the client has read the answer.
        let mut ignored = [0_u8; 1024];
        socket.read(&mut ignored).await
    };
    // A client that is gone needs no farewell.
    let _ = timeout(FAREWELL_WAIT_MAX, farewell).await;
}

struct Client {
    stream: Stream,
    buffer: BytesMut,
}

impl Client {
    async fn first_packet(&mut self) -> Result<FirstPacket, GreetError> {
        loop {
            match next_first(&mut self.buffer) {
                Ok(Some(packet)) => return Ok(packet),
                Ok(None) => self.read().await?,
                Err(error) => return Err(self.refuse("08P01", &error.to_string(), None).await),
            }
        }
    }

    async fn encrypt(mut self, parts: &LoopParts) -> Result<Client, GreetError> {
        let tls = parts.shared.tls.load_full();
        let (Some(tls), false) = (tls, self.stream.is_tls()) else {
            self.write(b"N").await?;
            return Ok(self);
        };
        // Bytes that came before the handshake could be someone else's, to be taken for the client's afterwards (CVE-2021-23214).
        if !self.buffer.is_empty() {
            return Err(self.refuse("08P01", "unencrypted data came after the request for TLS", None).await);
        }
        self.write(b"S").await?;
        let Stream::Plain(socket) = self.stream else { return Err(GreetError::Refused("TLS inside TLS".to_owned())) };
        let stream = tokio_rustls::TlsAcceptor::from(tls).accept(socket).await?;
        Ok(Client { stream: Stream::Client(Box::new(stream)), buffer: BytesMut::new() })
    }

    async fn read(&mut self) -> Result<(), GreetError> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(())
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), GreetError> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await?;
        Ok(())
    }

    async fn frame(&mut self) -> Result<Frame, GreetError> {
        loop {
            match frame::next(&mut self.buffer, frame::limit::LOGIN) {
                Ok(Some(frame)) => return Ok(frame),
                Ok(None) => self.read().await?,
                Err(error) => return Err(self.refuse("08P01", &error.to_string(), None).await),
            }
        }
    }

    async fn refuse(&mut self, code: &str, message: &str, hint: Option<&str>) -> GreetError {
        let mut out = BytesMut::new();
        encode::error(
            &mut out,
            &ErrorReport { severity: Severity::Fatal, code, message, hint, ..ErrorReport::default() },
        );
        match self.write(&out).await {
            Ok(()) => GreetError::Refused(message.to_owned()),
            Err(gone) => gone,
        }
    }
}

async fn log_in(
    parts: &LoopParts,
    mut client: Client,
    startup: Startup,
    address: SocketAddr,
) -> Result<Login, GreetError> {
    if startup.major != 3 {
        let words =
            format!("unsupported frontend protocol {}.{}: the gateway speaks 3.0", startup.major, startup.minor);
        return Err(client.refuse("0A000", &words, None).await);
    }
    let options: Vec<&str> =
        startup.parameters.iter().map(|(n, _)| n.as_str()).filter(|n| n.starts_with("_pq_.")).collect();
    if startup.minor > 0 || !options.is_empty() {
        let mut out = BytesMut::new();
        encode::negotiate_protocol_version(&mut out, 0, &options);
        client.write(&out).await?;
    }
    if let ClientTls::On { plain_allowed: false, .. } = parts.shared.config.tls
        && !client.stream.is_tls()
    {
        let hint = Some("Connect with sslmode=require or stricter.");
        return Err(client.refuse("28000", "connections without TLS are not allowed here", hint).await);
    }
    let Some(name) = startup.parameter("user").map(str::to_owned) else {
        return Err(client.refuse("28000", "no user name in the start-up packet", None).await);
    };
    let session = SessionId(uuid::Uuid::now_v7());
    let login = parts.shared.accounts.lookup(&name);
    let proved = prove(&mut client, &login.verifier).await;
    match (proved, login.principal) {
        (Ok(last), Some(principal)) => {
            let mut out = BytesMut::new();
            encode::authentication_sasl_final(&mut out, &last);
            encode::authentication_ok(&mut out);
            client.write(&out).await?;
            Ok(Login {
                stream: client.stream,
                rest: client.buffer,
                startup,
                principal: Arc::new(principal),
                address,
                session,
            })
        }
        (Err(Unproved::Gone(gone)), _) => Err(gone),
        (Err(Unproved::Scram(error)), _) if error.sqlstate() != "28P01" => {
            log_refusal(parts, &startup, &name, address, (session, client.stream.is_tls()), "malformed exchange");
            Err(client.refuse(error.sqlstate(), &error.to_string(), None).await)
        }
        // One answer for a wrong password, an unknown account and a disabled one.
        _ => {
            log_refusal(parts, &startup, &name, address, (session, client.stream.is_tls()), "authentication failed");
            let words = format!("password authentication failed for user \"{name}\"");
            Err(client.refuse("28P01", &words, None).await)
        }
    }
}

enum Unproved {
    Gone(GreetError),
    Scram(ScramError),
}

/// SCRAM-SHA-256 (RFC 5802; PostgreSQL documentation, "SASL Authentication").
async fn prove(client: &mut Client, verifier: &querygate_record::ScramVerifier) -> Result<Vec<u8>, Unproved> {
    let gone = |e: GreetError| Unproved::Gone(e);
    let exchange = ServerFirst::new(None);
    let mut out = BytesMut::new();
    encode::authentication_sasl(&mut out, exchange.mechanisms());
    client.write(&out).await.map_err(gone)?;
    let frame = client.frame().await.map_err(gone)?;
    let malformed = |what| Unproved::Scram(ScramError::Malformed { what });
    if frame.kind() != frontend::kind::AUTHENTICATION {
        return Err(malformed("an answer to the log-in was expected"));
    }
    let first = frontend::password::sasl_initial(frame.body()).map_err(|_| malformed("the first message"))?;
    let data = first.data.ok_or_else(|| malformed("the first message is empty"))?;
    let (answer, exchange) = exchange.client_first(first.mechanism, data, verifier).map_err(Unproved::Scram)?;
    let mut out = BytesMut::new();
    encode::authentication_sasl_continue(&mut out, &answer);
    client.write(&out).await.map_err(gone)?;
    let frame = client.frame().await.map_err(gone)?;
    if frame.kind() != frontend::kind::AUTHENTICATION {
        return Err(malformed("an answer to the log-in was expected"));
    }
    exchange.client_final(frontend::password::sasl_response(frame.body())).map_err(Unproved::Scram)
}

fn log_refusal(
    parts: &LoopParts,
    startup: &Startup,
    name: &str,
    address: SocketAddr,
    (session, tls): (SessionId, bool),
    why: &str,
) {
    parts.shared.metrics.refused_logins.inc();
    let facts = SessionFacts {
        principal: Principal::local(name, []),
        client: address.to_string(),
        application: startup.parameter("application_name").unwrap_or_default().to_owned(),
        database: startup.parameter("database").unwrap_or(name).to_owned(),
        engine: Engine::Postgres,
        tls,
        refused: Some(why.to_owned()),
    };
    parts.log.push(Some(session), 0, Origin::Client, Event::SessionOpened(Box::new(facts)), now_ns());
}
