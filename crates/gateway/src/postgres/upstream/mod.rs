//! The gateway's own connections to a database's Postgres servers.
//!
//! A database may have several servers, of which one takes writes. Which one that is, is settled by whoever reads the catalog
//! ([`Upstream::settle`]); sessions connect to that one alone, so that what a session meets is what its decisions were made for.

mod dial;
mod error;
mod greeting;

use std::sync::{
    Arc,
    atomic::{AtomicU16, Ordering},
};

use arc_swap::ArcSwapOption;
use bytes::BytesMut;
use querygate_postgres::{
    auth::{Channel, Password, ServerLogin},
    backend, frame,
    startup::{CancelKey, Startup},
};
use secrecy::ExposeSecret;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

pub use dial::Route;
pub use error::ConnectError;

use self::{
    dial::away,
    greeting::{Greeting, Next},
};
use crate::{
    config::{Address, Database, ServerLogin as Credentials, Servers, Trust},
    stream::Stream,
    tls::{Connector, TlsError},
};

/// Bytes that a server may send before it is ready, at most.
const GREETING_BYTES_MAX: usize = 1024 * 1024;
/// The newest minor version of protocol 3 that the gateway speaks with servers.
const MINOR_MAX: u16 = 2;

/// The setting by which a server reports that it is a standby.
pub const IN_HOT_STANDBY: &str = "in_hot_standby";
/// The setting by which a server reports that transactions are read-only unless they say otherwise.
pub const DEFAULT_READ_ONLY: &str = "default_transaction_read_only";

/// How to reach a database's servers. Clones share what has been learnt.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// The database's settings.
    pub database: Arc<Database>,
    tls: Arc<ArcSwapOption<Connector>>,
    settled: Arc<ArcSwapOption<Route>>,
    /// The newest minor version of protocol 3 that the servers are asked for.
    minor: Arc<AtomicU16>,
}

/// How to cancel what a server runs: by its own key, at the server that gave it.
#[derive(Clone, Debug)]
pub struct ServerKey {
    route: Route,
    key: CancelKey,
}

impl ServerKey {
    /// The number of the server's process.
    pub fn process(&self) -> u32 {
        self.key.process
    }
}

/// A connection that is ready for queries.
#[derive(Debug)]
pub struct Connected {
    /// The socket.
    pub stream: Stream,
    /// What was read beyond the greeting.
    pub rest: BytesMut,
    /// How to cancel what it runs.
    pub key: Option<ServerKey>,
    /// ParameterStatus of the start, in order.
    pub parameters: Vec<(String, String)>,
    /// Which server it is.
    pub route: Route,
}

impl Connected {
    /// What the server reported of a setting at the start.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        parameter(&self.parameters, name)
    }

    /// The server's major version, such as 18; none if it does not say.
    pub fn major_version(&self) -> Option<u32> {
        let text = self.parameter("server_version")?;
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        text.get(..digits)?.parse().ok()
    }
}

fn parameter<'p>(parameters: &'p [(String, String)], name: &str) -> Option<&'p str> {
    parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
}

/// Why a server takes no writes, by what it reports; none if it does (PostgreSQL documentation, "libpq", `target_session_attrs`).
pub fn why_not_writable(in_hot_standby: Option<&str>, default_read_only: Option<&str>) -> Option<&'static str> {
    match (in_hot_standby, default_read_only) {
        (Some("off"), Some("on")) => Some("default_transaction_read_only is on"),
        (Some("off"), _) => None,
        (Some(_), _) => Some("it is a standby"),
        (None, _) => Some(
            "it does not report in_hot_standby, as Postgres 14 and later do: it is older, or a pooler stands before it. \
             Give one address, or servers = \"any\"",
        ),
    }
}

impl Upstream {
    /// A way to a database's servers.
    ///
    /// # Errors
    /// Certificates of the settings that can't be used.
    pub fn new(database: Arc<Database>) -> Result<Upstream, TlsError> {
        let tls = Connector::read(&database.tls)?.map(Arc::new);
        Ok(Upstream {
            database,
            tls: Arc::new(ArcSwapOption::new(tls)),
            settled: Arc::default(),
            minor: Arc::new(AtomicU16::new(MINOR_MAX)),
        })
    }

    /// How connections are encrypted; none where TLS is off.
    pub fn tls(&self) -> Option<Arc<Connector>> {
        self.tls.load_full()
    }

    /// Uses other certificates from the next connection on.
    pub fn set_tls(&self, tls: Option<Connector>) {
        self.tls.store(tls.map(Arc::new));
    }

    /// The server that sessions connect to.
    pub fn settled(&self) -> Option<Arc<Route>> {
        self.settled.load_full()
    }

    /// Makes this the server that sessions connect to; true if it was another one before.
    pub fn settle(&self, route: &Route) -> bool {
        let before = self.settled.swap(Some(Arc::new(route.clone())));
        before.is_some_and(|before| before.socket != route.socket)
    }

    /// A session's connection: to the server that is settled. `parameters` are start-up parameters besides user and database.
    pub async fn connect(
        &self,
        login: &Credentials,
        parameters: &[(String, String)],
    ) -> Result<Connected, ConnectError> {
        let Some(route) = self.settled() else {
            return self.discover(login, parameters).await;
        };
        let connected = self.in_time(&route.address, self.speak(Place::Known(&route), login, parameters)).await?;
        match connected.parameter(IN_HOT_STANDBY) {
            Some("on") if self.database.servers() == Servers::Writable => {
                let address = route.address.to_string();
                Err(ConnectError::NotWritable { address, why: "it is a standby" })
            }
            _ => Ok(connected),
        }
    }

    /// A connection to the first server that will do, in the order of the settings.
    pub async fn discover(
        &self,
        login: &Credentials,
        parameters: &[(String, String)],
    ) -> Result<Connected, ConnectError> {
        let mut errors = Vec::new();
        for address in &self.database.addresses {
            match self.in_time(address, self.speak(Place::Named(address), login, parameters)).await {
                Ok(connected) => match self.unfit(&connected) {
                    None => return Ok(connected),
                    Some(why) => errors.push(ConnectError::NotWritable { address: address.to_string(), why }),
                },
                Err(error) => errors.push(error),
            }
        }
        match errors.len() {
            1 => Err(errors.swap_remove(0)),
            _ => Err(ConnectError::None(errors)),
        }
    }

    fn unfit(&self, connected: &Connected) -> Option<&'static str> {
        let reported = |name| connected.parameter(name);
        match self.database.servers() {
            Servers::Any => None,
            Servers::Writable => why_not_writable(reported(IN_HOT_STANDBY), reported(DEFAULT_READ_ONLY)),
        }
    }

    async fn in_time<T>(
        &self,
        address: &Address,
        work: impl Future<Output = Result<T, ConnectError>>,
    ) -> Result<T, ConnectError> {
        let wait = self.database.connect_timeout;
        match timeout(wait, work).await {
            Ok(result) => result,
            Err(_) => Err(ConnectError::Slow { address: address.to_string(), wait }),
        }
    }

    /// Connects, encrypts and logs in, in the newest version of the protocol that the server understands. Servers answer a version that
    /// is too new by a negotiation, but some poolers by an error or by closing: those are asked again for 3.0.
    async fn speak(
        &self,
        place: Place<'_>,
        login: &Credentials,
        parameters: &[(String, String)],
    ) -> Result<Connected, ConnectError> {
        let minor = self.minor.load(Ordering::Relaxed);
        let (result, understood) = self.open(place, login, parameters, minor).await;
        let foreign = match &result {
            Err(ConnectError::Refused { code, .. }) => matches!(code.as_str(), "08P01" | "0A000"),
            Err(ConnectError::Protocol { .. } | ConnectError::Away { .. }) => true,
            _ => false,
        };
        if understood != Some(false) || !foreign || minor == 0 {
            return result;
        }
        let (again, understood) = self.open(place, login, parameters, 0).await;
        match understood {
            Some(true) => self.minor.store(0, Ordering::Relaxed),
            Some(false) => {}
            None => return result,
        }
        again
    }

    /// The second value says whether the server understood the start-up packet; none if it was not reached.
    async fn open(
        &self,
        place: Place<'_>,
        login: &Credentials,
        parameters: &[(String, String)],
        minor: u16,
    ) -> (Result<Connected, ConnectError>, Option<bool>) {
        let dialled = match place {
            Place::Known(route) => {
                self.dial_to(&route.address, route.socket).await.map(|stream| (stream, route.clone()))
            }
            Place::Named(address) => self.dial(address).await,
        };
        let (stream, route) = match dialled {
            Ok(dialled) => dialled,
            Err(error) => return (Err(error), None),
        };
        let mut greeting = Greeting::new(self.login(login, &stream), minor);
        let result = self.greet(stream, route, &mut greeting, self.hello(login, parameters, minor)).await;
        (result, Some(greeting.understood))
    }

    fn login(&self, login: &Credentials, stream: &Stream) -> ServerLogin {
        let channel = match &self.database.tls {
            crate::config::ServerTls::On { trust, .. } if stream.is_tls() => {
                Channel::Tls { end_point: stream.server_end_point(), trusted: *trust != Trust::Anybody }
            }
            _ => Channel::Plain,
        };
        let password = login.password.as_ref().map(|p| Password::new(p.expose_secret().to_owned()));
        ServerLogin::new(&login.user, password, channel)
    }

    fn hello(&self, login: &Credentials, parameters: &[(String, String)], minor: u16) -> Startup {
        let mut all =
            vec![("user".to_owned(), login.user.clone()), ("database".to_owned(), self.database.database.clone())];
        all.extend(parameters.iter().cloned());
        Startup { major: 3, minor, parameters: all }
    }

    async fn greet(
        &self,
        mut stream: Stream,
        route: Route,
        greeting: &mut Greeting,
        hello: Startup,
    ) -> Result<Connected, ConnectError> {
        let protocol =
            |why: &dyn ToString| ConnectError::Protocol { address: route.address.to_string(), why: why.to_string() };
        let gone = |e: std::io::Error| away(&route.address, &e);
        let mut packet = BytesMut::new();
        hello.encode(&mut packet).map_err(|e| protocol(&e))?;
        stream.write_all(&packet).await.map_err(gone)?;
        stream.flush().await.map_err(gone)?;
        let mut buffer = BytesMut::new();
        loop {
            while let Some(frame) = frame::next_server(&mut buffer).map_err(|e| protocol(&e))? {
                let message = backend::decode(&frame).map_err(|e| protocol(&e))?;
                match greeting.on(message).map_err(|e| e.unwrap_or_else(|| protocol(&"a message out of its turn")))? {
                    Next::Read => {}
                    Next::Send(bytes) => {
                        stream.write_all(&bytes).await.map_err(gone)?;
                        stream.flush().await.map_err(gone)?;
                    }
                    Next::Ready => {
                        let key = greeting.key.take().map(|key| ServerKey::new(route.clone(), key));
                        let parameters = std::mem::take(&mut greeting.parameters);
                        return Ok(Connected { stream, rest: buffer, key, parameters, route });
                    }
                }
            }
            if buffer.len() > GREETING_BYTES_MAX {
                return Err(protocol(&"a greeting without end"));
            }
            if stream.read_buf(&mut buffer).await.map_err(gone)? == 0 {
                return Err(protocol(&"it closed the connection"));
            }
        }
    }
}

/// Where to connect to.
#[derive(Clone, Copy)]
enum Place<'a> {
    /// One server.
    Known(&'a Route),
    /// The first server of a name that answers.
    Named(&'a Address),
}

#[cfg(test)]
mod tests {
    use super::why_not_writable;

    #[test]
    fn a_server_is_written_to_only_if_it_says_that_it_takes_writes() {
        assert_eq!(why_not_writable(Some("off"), Some("off")), None);
        assert_eq!(why_not_writable(Some("off"), None), None);
        assert_eq!(why_not_writable(Some("on"), Some("off")), Some("it is a standby"));
        assert!(why_not_writable(Some("off"), Some("on")).is_some());
        assert!(why_not_writable(None, None).is_some_and(|why| why.contains("pooler")));
    }
}
