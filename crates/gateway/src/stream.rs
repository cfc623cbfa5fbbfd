//! A connection, encrypted or not.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::tls::server_end_point;

/// Time between two questions whether the other end is there, once it has not answered one.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// Questions without an answer after which a connection counts as broken.
const KEEPALIVE_TRIES: u32 = 6;

/// Has the system ask whether the other end is there when no byte came for `idle`, so that a peer that vanished does not keep its place
/// (TCP keep-alive).
pub fn keep_alive(socket: &TcpStream, idle: Duration) -> io::Result<()> {
    let ask =
        TcpKeepalive::new().with_time(idle).with_interval(KEEPALIVE_INTERVAL.min(idle)).with_retries(KEEPALIVE_TRIES);
    SockRef::from(socket).set_tcp_keepalive(&ask)
}

/// One socket, with or without TLS.
#[derive(Debug)]
pub enum Stream {
    /// In clear.
    Plain(TcpStream),
    /// TLS towards a client.
    Client(Box<tokio_rustls::server::TlsStream<TcpStream>>),
    /// TLS towards a server.
    Server(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

impl Stream {
    /// Whether it is encrypted.
    pub fn is_tls(&self) -> bool {
        !matches!(self, Stream::Plain(_))
    }

    /// What a SCRAM exchange with the server at the other end can be bound to (RFC 5929); none without TLS.
    pub fn server_end_point(&self) -> Option<Vec<u8>> {
        match self {
            Stream::Server(stream) => server_end_point(stream),
            Stream::Plain(_) | Stream::Client(_) => None,
        }
    }

    /// Whether a read is worth a buffer. What TLS holds back is known only by reading.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Stream::Plain(stream) => stream.poll_read_ready(cx),
            Stream::Client(_) | Stream::Server(_) => Poll::Ready(Ok(())),
        }
    }
}

macro_rules! each {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Stream::Plain($stream) => $call,
            Stream::Client($stream) => $call,
            Stream::Server($stream) => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self, s => Pin::new(s).poll_read(cx, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, s => Pin::new(s).poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, s => Pin::new(s).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, s => Pin::new(s).poll_shutdown(cx))
    }
}
