//! Both sockets of a session, moved together: read what there is, write once for all that is ready, never let one side's slowness
//! block the other's progress (a client may send a long pipeline without reading).

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, BytesMut};
use tokio::io::AsyncWrite;

use crate::stream::Stream;

/// Room for the first read after a pause, and for those that follow while more is coming.
const READ_BYTES_FIRST: usize = 16 * 1024;
const READ_BYTES: usize = 64 * 1024;
/// A side is not read while more than this waits to be written to the other.
pub const OUT_BYTES_MAX: usize = 256 * 1024;

/// One side: its socket, what was read and not dealt with, what waits to be written.
#[derive(Debug)]
pub struct Side {
    stream: Stream,
    /// Read, not dealt with.
    pub input: BytesMut,
    /// To be written.
    pub output: BytesMut,
    /// The peer has closed its half.
    pub ended: bool,
    needs_flush: bool,
}

impl Side {
    /// Takes a stream and what was already read from it.
    pub fn new(stream: Stream, input: BytesMut) -> Side {
        Side { stream, input, output: BytesMut::new(), ended: false, needs_flush: false }
    }

    /// The stream, and what was read from it and not dealt with.
    pub fn into_parts(self) -> (Stream, BytesMut) {
        (self.stream, self.input)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut progress = false;
        while !self.output.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, &self.output) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(n)) => {
                    self.output.advance(n);
                    self.needs_flush = self.stream.is_tls();
                    progress = true;
                }
                Poll::Ready(Err(e)) => return Err(e),
                Poll::Pending => return Ok(progress),
            }
        }
        if self.output.capacity() > OUT_BYTES_MAX {
            self.output = BytesMut::new();
        }
        if self.needs_flush {
            match Pin::new(&mut self.stream).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.needs_flush = false,
                Poll::Ready(Err(e)) => return Err(e),
                Poll::Pending => {}
            }
        }
        Ok(progress)
    }

    async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| match self.poll_write(cx) {
            Ok(_) if self.output.is_empty() && !self.needs_flush => Poll::Ready(Ok(())),
            Ok(_) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        })
        .await
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        // Buffers are lazy: an idle connection holds none, and looking whether there is something takes none.
        if self.stream.poll_readable(cx)?.is_pending() {
            if self.input.is_empty() {
                self.input = BytesMut::new();
            }
            return Ok(false);
        }
        self.input.reserve(if self.input.is_empty() { READ_BYTES_FIRST } else { READ_BYTES });
        match tokio_util::io::poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.input) {
            Poll::Pending => {
                if self.input.is_empty() {
                    self.input = BytesMut::new();
                }
                Ok(false)
            }
            Poll::Ready(Ok(read)) => {
                self.ended = read == 0;
                Ok(true)
            }
            Poll::Ready(Err(e)) => Err(e),
        }
    }
}

/// Which side failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The client.
    Client,
    /// The server.
    Server,
}

/// Both sides.
#[derive(Debug)]
pub struct Duplex {
    /// The client.
    pub client: Side,
    /// The server.
    pub server: Side,
}

impl Duplex {
    /// Waits until something was read, or until a write made room for what waited for it. `read_client` and `read_server` say which side
    /// may be read.
    pub async fn progress(&mut self, read_client: bool, read_server: bool) -> Result<(), (Which, io::Error)> {
        poll_fn(|cx| self.poll_progress(cx, read_client, read_server)).await
    }

    fn poll_progress(
        &mut self,
        cx: &mut Context<'_>,
        read_client: bool,
        read_server: bool,
    ) -> Poll<Result<(), (Which, io::Error)>> {
        let client = |e| (Which::Client, e);
        let server = |e| (Which::Server, e);
        // A write alone is nothing to wake the caller for, unless something was not dealt with or not read for want of room.
        let told = self.client.poll_write(cx).map_err(client)? && !(read_server && self.server.input.is_empty());
        let sent = self.server.poll_write(cx).map_err(server)? && !(read_client && self.client.input.is_empty());
        let mut progress = told || sent;
        if read_server && self.client.output.len() < OUT_BYTES_MAX {
            progress |= self.server.poll_read(cx).map_err(server)?;
        }
        if read_client && self.server.output.len() < OUT_BYTES_MAX {
            progress |= self.client.poll_read(cx).map_err(client)?;
        }
        if progress { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Writes what waits for the client, for the last words of a session.
    pub async fn flush_client(&mut self) -> io::Result<()> {
        self.client.flush().await
    }

    /// Writes what waits for the server.
    pub async fn flush_server(&mut self) -> io::Result<()> {
        self.server.flush().await
    }
}
