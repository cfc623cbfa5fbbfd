//! A client's first steps: encryption, protocol version, proof of identity. Nothing of the server is touched here.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use bytes::BytesMut;
use querygate_postgres::{
    backend::encode,
    startup::{FirstPacket, Startup},
};
use querygate_record::{Engine, Event, Origin, Principal, SessionFacts, SessionId};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

use super::{
    client::{Client, GreetError},
    prove::{Unproved, prove},
};
use crate::{
    config::{ClientTls, LOGIN_WAIT_MAX},
    door::Pending,
    log::now_ns,
    shared::LoopParts,
    stream::{Stream, keep_alive},
};

/// The newest minor version of protocol 3 that the gateway speaks with clients: 3.2 has longer keys for cancellation.
const MINOR_MAX: u16 = 2;

const WHEN_FULL: &str = "Try again when others have ended; the gateway's administrator sets listen.connections.";
const CROWDED: &str = "too many connections from your address are logging in at once";
const WHEN_CROWDED: &str = "Open fewer at a time; the gateway's administrator sets listen.logins_per_address.";

/// A client that has proved who it is.
pub struct Login {
    /// Its socket.
    pub stream: Stream,
    /// What was read and not dealt with.
    pub rest: BytesMut,
    /// Its start-up packet.
    pub startup: Startup,
    /// The minor version of protocol 3 that was agreed on.
    pub minor: u16,
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

/// The first packets of a connection. `full`: the gateway has no room for another session; then only a cancel request is served.
pub async fn greet(
    parts: &LoopParts,
    socket: TcpStream,
    address: SocketAddr,
    full: bool,
) -> Result<Greeted, GreetError> {
    let Some(pending) = parts.shared.door.enter(address.ip()) else {
        return Err(GreetError::Refused("far too many connections of one address are logging in".to_owned()));
    };
    let steps = async {
        let (mut client, opening) = open(parts, socket).await?;
        match opening {
            Opening::Cancelled => Ok(Greeted::Cancelled),
            Opening::Session(_) if full => {
                Err(client.refuse("53300", "too many connections to the gateway", Some(WHEN_FULL)).await)
            }
            Opening::Session(_) if pending.crowded => Err(client.refuse("53300", CROWDED, Some(WHEN_CROWDED)).await),
            Opening::Session(startup) => {
                let login = log_in(parts, client, startup, address, &pending).await?;
                Ok(Greeted::LoggedIn(Box::new(login)))
            }
        }
    };
    match timeout(LOGIN_WAIT_MAX, steps).await {
        Ok(result) => result,
        Err(_) => Err(GreetError::Refused("log-in took too long".to_owned())),
    }
}

/// What a connection is opened for.
enum Opening {
    Cancelled,
    Session(Startup),
}

/// Encryption, as often as Postgres lets a client ask for it (each kind once), then the packet that says what the connection is for.
async fn open(parts: &LoopParts, socket: TcpStream) -> Result<(Client, Opening), GreetError> {
    socket.set_nodelay(true)?;
    keep_alive(&socket, parts.shared.config.keepalive)?;
    let mut client = Client::new(socket);
    if client.begins_with_tls().await? {
        client = encrypt_directly(parts, client).await?;
    }
    let (mut asked_tls, mut asked_gss) = (client.stream.is_tls(), false);
    loop {
        match client.first_packet().await? {
            FirstPacket::Cancel(key) => {
                parts.shared.registry.cancel(&key);
                client.close().await;
                return Ok((client, Opening::Cancelled));
            }
            FirstPacket::GssEnc if !asked_gss => {
                asked_gss = true;
                client.write(b"N").await?;
            }
            FirstPacket::Ssl if !asked_tls => {
                asked_tls = true;
                client = encrypt(parts, client).await?;
            }
            FirstPacket::GssEnc | FirstPacket::Ssl => {
                return Err(client.refuse("08P01", "encryption was negotiated already", None).await);
            }
            FirstPacket::Startup(startup) => return Ok((client, Opening::Session(startup))),
        }
    }
}

/// TLS without asking (`sslnegotiation=direct`): both sides must say by ALPN that Postgres's protocol follows, so that nobody can turn a
/// client of another protocol here (PostgreSQL documentation, "SSL Session Encryption").
async fn encrypt_directly(parts: &LoopParts, client: Client) -> Result<Client, GreetError> {
    let Some(acceptor) = parts.shared.tls.load_full() else {
        return Err(GreetError::Refused("a TLS handshake, but TLS is off here".to_owned()));
    };
    let mut client = client.encrypt(&acceptor).await?;
    if client.agreed_on_protocol() {
        return Ok(client);
    }
    let words = "a direct TLS connection must negotiate the protocol \"postgresql\" by ALPN";
    Err(client.refuse("08P01", words, Some("Use sslnegotiation=postgres, or a driver that sends ALPN.")).await)
}

/// The answer to SSLRequest.
async fn encrypt(parts: &LoopParts, mut client: Client) -> Result<Client, GreetError> {
    let Some(acceptor) = parts.shared.tls.load_full() else {
        client.write(b"N").await?;
        return Ok(client);
    };
    if client.buffer.is_empty() {
        client.write(b"S").await?;
    }
    client.encrypt(&acceptor).await
}

async fn log_in(
    parts: &LoopParts,
    mut client: Client,
    startup: Startup,
    address: SocketAddr,
    pending: &Pending,
) -> Result<Login, GreetError> {
    let minor = negotiate(&mut client, &startup).await?;
    if let ClientTls::On { plain_allowed: false, .. } = parts.shared.config.tls
        && !client.stream.is_tls()
    {
        let hint = Some("Connect with sslmode=require or stricter.");
        return Err(client.refuse("28000", "connections without TLS are not allowed here", hint).await);
    }
    let Some(name) = startup.parameter("user").filter(|user| !user.is_empty()).map(str::to_owned) else {
        let hint = Some("Give the name of your account on the gateway.");
        return Err(client.refuse("28000", "no user name in the start-up packet", hint).await);
    };
    let session = SessionId(uuid::Uuid::now_v7());
    let refused = Attempt { parts, startup: &startup, name: &name, address, session, tls: client.stream.is_tls() };
    let Some(turn) = pending.turn(&name, Instant::now()) else {
        refused.log("too many failed log-ins before this one");
        let words = format!("too many log-ins for user \"{name}\" from your address have failed");
        return Err(client.refuse("53300", &words, Some("Put the password right, then wait a minute.")).await);
    };
    // Without a look at the client: one that goes away and comes again is not served sooner.
    sleep(turn).await;
    let login = parts.shared.accounts.lookup(&name);
    let proved = prove(&mut client, &login.verifier).await;
    match (proved, login.principal) {
        (Ok(last), Some(principal)) => {
            pending.succeeded(&name);
            let mut out = BytesMut::new();
            encode::authentication_sasl_final(&mut out, &last);
            encode::authentication_ok(&mut out);
            client.write(&out).await?;
            let (stream, rest) = (client.stream, client.buffer);
            Ok(Login { stream, rest, startup, minor, principal: Arc::new(principal), address, session })
        }
        (Err(Unproved::Gone(gone)), _) => Err(gone),
        (Err(Unproved::Scram(error)), _) if error.sqlstate() != "28P01" => {
            refused.log(&error.to_string());
            Err(client.refuse(error.sqlstate(), &error.to_string(), None).await)
        }
        // One answer for a wrong password, an unknown account and a disabled one.
        _ => {
            pending.failed(&name, Instant::now());
            refused.log("authentication failed");
            let words = format!("password authentication failed for user \"{name}\"");
            Err(client.refuse("28P01", &words, None).await)
        }
    }
}

/// The protocol's version and options (PostgreSQL documentation, "Start-up", NegotiateProtocolVersion): whatever is newer than the
/// gateway is negotiated down, and no option is known.
async fn negotiate(client: &mut Client, startup: &Startup) -> Result<u16, GreetError> {
    if startup.major != 3 {
        let words = format!(
            "unsupported frontend protocol {}.{}: the gateway speaks 3.0 to 3.{MINOR_MAX}",
            startup.major, startup.minor
        );
        return Err(client.refuse("0A000", &words, Some("Use a driver that speaks protocol 3.")).await);
    }
    let minor = startup.minor.min(MINOR_MAX);
    let options = startup.parameters.iter().map(|(name, _)| name.as_str()).filter(|name| name.starts_with("_pq_."));
    let options: Vec<&str> = options.collect();
    if startup.minor > MINOR_MAX || !options.is_empty() {
        let mut out = BytesMut::new();
        encode::negotiate_protocol_version(&mut out, minor, &options);
        client.write(&out).await?;
    }
    Ok(minor)
}

/// An attempt to log in.
struct Attempt<'a> {
    parts: &'a LoopParts,
    startup: &'a Startup,
    name: &'a str,
    address: SocketAddr,
    session: SessionId,
    tls: bool,
}

impl Attempt<'_> {
    /// Puts into the log that it was refused.
    fn log(&self, why: &str) {
        self.parts.shared.metrics.refused_logins.inc();
        let facts = SessionFacts {
            principal: Principal::local(self.name, []),
            client: self.address.to_string(),
            application: self.startup.parameter("application_name").unwrap_or_default().to_owned(),
            database: self.startup.parameter("database").unwrap_or(self.name).to_owned(),
            engine: Engine::Postgres,
            tls: self.tls,
            refused: Some(why.to_owned()),
        };
        let event = Event::SessionOpened(Box::new(facts));
        self.parts.log.push(Some(self.session), 0, Origin::Client, event, now_ns());
    }
}
