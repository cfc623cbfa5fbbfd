//! The gateway's socket loop with the frames of both sides found, and nothing done with them: what is left of the gateway without analysis,
//! masking and log.

use std::io;

use bytes::BytesMut;
use clap::Parser;
use querygate_benches::{ForwardError, Forwarding};
use querygate_gateway::{
    duplex::{Duplex, OUT_BYTES_MAX, Side},
    stream::Stream,
};
use querygate_postgres::frame::{FrameError, Header, peek_client, peek_server};
use tokio::net::TcpStream;

/// Larger frames stream.
const STREAM_BYTES_MIN: usize = 64 * 1024;
/// A start-up packet's length field, which has no kind before it.
const STARTUP_LENGTH: usize = 4;

fn main() -> Result<(), ForwardError> {
    Forwarding::parse().run(serve)
}

async fn serve(client: TcpStream, server: TcpStream) -> io::Result<()> {
    let side = |stream| Side::new(Stream::Plain(stream), BytesMut::new());
    let mut io = Duplex { client: side(client), server: side(server) };
    while !pass_startup(&mut io) {
        io.progress(true, true).await.map_err(|(_, error)| error)?;
        if io.client.ended {
            return Ok(());
        }
    }
    let (mut client_rest, mut server_rest) = (0, 0);
    loop {
        client_frames(&mut io, &mut client_rest).map_err(io::Error::other)?;
        server_frames(&mut io, &mut server_rest).map_err(io::Error::other)?;
        if io.client.ended || io.server.ended {
            io.flush_server().await?;
            return io.flush_client().await;
        }
        io.progress(true, true).await.map_err(|(_, error)| error)?;
    }
}

/// Passes the first packet once it is whole.
fn pass_startup(io: &mut Duplex) -> bool {
    let Some(head) = io.client.input.first_chunk::<STARTUP_LENGTH>() else { return false };
    let length = usize::try_from(u32::from_be_bytes(*head)).unwrap_or(usize::MAX);
    if io.client.input.len() < length {
        return false;
    }
    let packet = io.client.input.split_to(length);
    io.server.output.extend_from_slice(&packet);
    true
}

/// How many bytes at the start of `input` are whole frames, or the beginning of one that streams; and what is still to come of that.
fn run(
    input: &[u8],
    peek: impl Fn(&[u8]) -> Result<Option<Header>, FrameError>,
    limit: usize,
) -> Result<(usize, usize), FrameError> {
    let mut end = 0;
    while end < limit {
        let Some(header) = peek(input.get(end..).unwrap_or_default())? else { break };
        let there = input.len() - end;
        if there < header.length {
            return if header.length > STREAM_BYTES_MIN {
                Ok((input.len(), header.length - there))
            } else {
                Ok((end, 0))
            };
        }
        end += header.length;
    }
    Ok((end, 0))
}

/// The client's frames, one by one as the gateway must take them.
fn client_frames(io: &mut Duplex, rest: &mut usize) -> Result<(), FrameError> {
    while io.server.output.len() < OUT_BYTES_MAX && !io.client.input.is_empty() {
        let length = if *rest > 0 {
            let passed = (*rest).min(io.client.input.len());
            *rest -= passed;
            passed
        } else {
            let (length, more) = run(&io.client.input, peek_client, 1)?;
            *rest = more;
            length
        };
        if length == 0 {
            break;
        }
        let frame = io.client.input.split_to(length);
        io.server.output.extend_from_slice(&frame);
    }
    Ok(())
}

/// The server's frames, in runs.
fn server_frames(io: &mut Duplex, rest: &mut usize) -> Result<(), FrameError> {
    while io.client.output.len() < OUT_BYTES_MAX && !io.server.input.is_empty() {
        let length = if *rest > 0 {
            let passed = (*rest).min(io.server.input.len());
            *rest -= passed;
            passed
        } else {
            let (length, more) = run(&io.server.input, peek_server, OUT_BYTES_MAX - io.client.output.len())?;
            *rest = more;
            length
        };
        if length == 0 {
            break;
        }
        let bytes = io.server.input.split_to(length);
        if io.client.output.is_empty() {
            io.client.output = bytes;
        } else {
            io.client.output.extend_from_slice(&bytes);
        }
    }
    Ok(())
}
