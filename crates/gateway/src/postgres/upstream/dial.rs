//! A socket to one server, encrypted as the settings say.

use std::{io, net::SocketAddr, time::Duration};

use bytes::BytesMut;
use querygate_postgres::startup::{self, CancelKey};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, lookup_host},
    time::timeout,
};

use super::{ConnectError, ServerKey, Upstream};
use crate::{
    config::Address,
    registry::Cancelled,
    stream::{Stream, keep_alive},
    tls::Connector,
};

/// Addresses that a host's name may have; more are not tried.
const ADDRESSES_MAX: usize = 16;

/// One server: what it is called, and which of that name's addresses it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// As the settings name it; its certificate is checked against the host.
    pub address: Address,
    /// Where it is.
    pub socket: SocketAddr,
}

impl Upstream {
    /// Asks the server to cancel what `key` runs. The server closes the connection after it has signalled the session's process, so the
    /// end of the connection says that nothing later can be hit.
    pub async fn cancel(&self, key: &ServerKey, wait: Duration) -> Cancelled {
        let mut sent = false;
        let attempt = async {
            let mut stream = self.dial_to(&key.route.address, key.route.socket).await.ok()?;
            let mut packet = BytesMut::new();
            startup::cancel_request(&mut packet, &key.key).ok()?;
            sent = true;
            stream.write_all(&packet).await.ok()?;
            stream.flush().await.ok()?;
            let mut end = [0_u8; 1];
            stream.read(&mut end).await.ok()
        };
        let ended = timeout(wait, attempt).await.is_ok();
        if !ended {
            tracing::warn!(database = %self.database.name, "the server did not take a cancel request in time");
        }
        if ended || !sent { Cancelled::Settled } else { Cancelled::Unknown }
    }

    /// Connects to the first of a name's addresses that answers.
    pub(super) async fn dial(&self, address: &Address) -> Result<(Stream, Route), ConnectError> {
        let found = lookup_host((address.host.as_str(), address.port)).await.map_err(|e| away(address, &e))?;
        let mut last = away(address, &io::Error::from(io::ErrorKind::NotFound));
        for socket in found.take(ADDRESSES_MAX) {
            match self.dial_to(address, socket).await {
                Ok(stream) => return Ok((stream, Route { address: address.clone(), socket })),
                Err(error @ ConnectError::Away { .. }) => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    pub(super) async fn dial_to(&self, address: &Address, socket: SocketAddr) -> Result<Stream, ConnectError> {
        let stream = TcpStream::connect(socket).await.map_err(|e| away(address, &e))?;
        stream.set_nodelay(true).map_err(|e| away(address, &e))?;
        keep_alive(&stream, self.database.keepalive).map_err(|e| away(address, &e))?;
        match self.tls.load_full() {
            Some(tls) => encrypt(address, stream, &tls).await,
            None => Ok(Stream::Plain(stream)),
        }
    }
}

async fn encrypt(address: &Address, mut socket: TcpStream, tls: &Connector) -> Result<Stream, ConnectError> {
    let failed = |why: String| ConnectError::Tls { address: address.to_string(), why };
    let mut request = BytesMut::new();
    startup::ssl_request(&mut request);
    socket.write_all(&request).await.map_err(|e| away(address, &e))?;
    match socket.read_u8().await.map_err(|e| away(address, &e))? {
        b'S' => {}
        b'N' => {
            let why = "the server does not offer it; turn ssl on there, or set tls = \"off\" for this database";
            return Err(failed(why.to_owned()));
        }
        _ => return Err(failed("the server's answer to the request is neither yes nor no".to_owned())),
    }
    let name = ServerName::try_from(address.host.clone()).map_err(|e| failed(e.to_string()))?;
    let stream = tls.connect(name, socket).await.map_err(|e| failed(e.to_string()))?;
    Ok(Stream::Server(Box::new(stream)))
}

pub(super) fn away(address: &Address, error: &io::Error) -> ConnectError {
    ConnectError::Away { address: address.to_string(), why: error.to_string() }
}

impl ServerKey {
    pub(super) fn new(route: Route, key: CancelKey) -> ServerKey {
        ServerKey { route, key }
    }
}
