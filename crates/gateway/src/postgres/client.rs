//! A client that has not logged in yet: its socket, and what it is told.

use std::{io, sync::Arc};

use bytes::BytesMut;
use querygate_postgres::{
    backend::encode::{self, ErrorReport, Severity},
    frame::{self, Frame},
    startup::{FirstPacket, next_first},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    config::FAREWELL_WAIT_MAX,
    stream::Stream,
    tls::{ALPN, Acceptor},
};

/// Why a client's first steps did not end well.
#[derive(Debug, thiserror::Error)]
pub enum GreetError {
    /// The client went away or was too slow.
    #[error("{0}")]
    Gone(#[from] io::Error),
    /// The client was refused and told so.
    #[error("refused: {0}")]
    Refused(String),
}

/// The first byte of a TLS handshake (RFC 8446, section 5.1), which can't begin a packet of Postgres's protocol.
const TLS_HANDSHAKE: u8 = 0x16;

/// Bytes of a client that is not let in that are read and dropped, at most.
const IGNORED_BYTES_MAX: usize = 64 * 1024;

/// A client that has not logged in yet.
pub struct Client {
    /// Its socket.
    pub stream: Stream,
    /// What was read and not dealt with.
    pub buffer: BytesMut,
    /// What its log-in can be bound to: set by TLS with a certificate that allows it.
    pub end_point: Option<Arc<[u8]>>,
}

impl Client {
    /// A client that has said nothing yet.
    pub fn new(socket: TcpStream) -> Client {
        Client { stream: Stream::Plain(socket), buffer: BytesMut::new(), end_point: None }
    }

    /// Whether it opens with a TLS handshake at once (`sslnegotiation=direct`). Nothing is read.
    pub async fn begins_with_tls(&self) -> Result<bool, GreetError> {
        let Stream::Plain(socket) = &self.stream else { return Ok(false) };
        let mut first = [0];
        let there = socket.peek(&mut first).await?;
        Ok(there == 1 && first == [TLS_HANDSHAKE])
    }

    /// The next packet without a kind.
    pub async fn first_packet(&mut self) -> Result<FirstPacket, GreetError> {
        loop {
            match next_first(&mut self.buffer) {
                Ok(Some(packet)) => return Ok(packet),
                Ok(None) => self.read().await?,
                Err(error) => return Err(self.refuse("08P01", &error.to_string(), None).await),
            }
        }
    }

    /// The gateway's side of a TLS handshake. Bytes that came before it could be someone else's, to be taken for the client's afterwards
    /// (CVE-2021-23214): there may be none.
    pub async fn encrypt(mut self, acceptor: &Acceptor) -> Result<Client, GreetError> {
        if !self.buffer.is_empty() {
            let words = "unencrypted data came after the request for TLS: someone may be in between";
            return Err(self.refuse("08P01", words, Some("Send nothing between SSLRequest and its answer.")).await);
        }
        let Stream::Plain(socket) = self.stream else { return Err(GreetError::Refused("TLS inside TLS".to_owned())) };
        let stream = acceptor.accept(socket).await?;
        let end_point = acceptor.end_point.clone();
        Ok(Client { stream: Stream::Client(Box::new(stream)), buffer: BytesMut::new(), end_point })
    }

    /// Whether the handshake agreed that Postgres's protocol follows.
    pub fn agreed_on_protocol(&self) -> bool {
        matches!(&self.stream, Stream::Client(stream) if stream.get_ref().1.alpn_protocol() == Some(ALPN))
    }

    async fn read(&mut self) -> Result<(), GreetError> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(())
    }

    /// Sends bytes as they are.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), GreetError> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await?;
        Ok(())
    }

    /// The next message of a log-in.
    pub async fn frame(&mut self) -> Result<Frame, GreetError> {
        loop {
            match frame::next(&mut self.buffer, frame::limit::LOGIN) {
                Ok(Some(frame)) => return Ok(frame),
                Ok(None) => self.read().await?,
                Err(error) => return Err(self.refuse("08P01", &error.to_string(), None).await),
            }
        }
    }

    /// Tells the client why it is not let in; its connection is over.
    pub async fn refuse(&mut self, code: &str, message: &str, hint: Option<&str>) -> GreetError {
        let mut out = BytesMut::new();
        let report = ErrorReport { severity: Severity::Fatal, code, message, hint, ..ErrorReport::default() };
        encode::error(&mut out, &report);
        if let Err(gone) = self.write(&out).await {
            return gone;
        }
        self.close().await;
        GreetError::Refused(message.to_owned())
    }

    /// Closes in order: a peer that waits for the end sees one. What it still sends is read and dropped, since closing on unread bytes
    /// would take our last words from it.
    pub async fn close(&mut self) {
        let farewell = async {
            self.stream.shutdown().await?;
            let (mut ignored, mut dropped) = ([0; 1024], 0);
            while dropped < IGNORED_BYTES_MAX {
                match self.stream.read(&mut ignored).await? {
                    0 => break,
                    read => dropped += read,
                }
            }
            io::Result::Ok(())
        };
        // A client that is gone needs no farewell.
        let _ = timeout(FAREWELL_WAIT_MAX, farewell).await;
    }
}
