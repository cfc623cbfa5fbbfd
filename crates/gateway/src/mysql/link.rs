//! One connection that speaks MySQL's protocol, while it is read and written packet by packet: log-ins, and the gateway's own questions.

use std::io;

use bytes::{Buf, BytesMut};
use querygate_mysql::{
    Malformed, PacketError, packet,
    response::{self, Among, Failure, Head, Success},
    row,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::stream::Stream;

/// One packet of a log-in, at most.
pub const LOGIN_BYTES_MAX: usize = 64 * 1024;
/// The answer to one of the gateway's own questions, at most: the catalog of a large database.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Why a connection can't be used any further.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// It broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// Packets that don't follow one another.
    #[error(transparent)]
    Packet(#[from] PacketError),
    /// A packet that can't be read.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The server refuses a question.
    #[error("error {} ({}): {}", .0.code, .0.sqlstate, .0.message)]
    Refused(Failure),
    /// Something that does not belong there.
    #[error("{0}")]
    Unexpected(&'static str),
}

/// Rows as texts, none for NULL.
pub type Rows = Vec<Vec<Option<String>>>;

/// A connection.
#[derive(Debug)]
pub struct Link {
    /// The socket.
    pub stream: Stream,
    /// What was read and not dealt with.
    pub buffer: BytesMut,
    /// The sequence id of the next packet, read or written.
    pub sequence: u8,
}

impl Link {
    /// A connection on which nothing has been said.
    pub fn new(stream: Stream) -> Link {
        Link { stream, buffer: BytesMut::new(), sequence: 0 }
    }

    /// Reads one packet.
    pub async fn read(&mut self, limit: usize) -> Result<Vec<u8>, LinkError> {
        loop {
            if let Some(packet) = packet::next(&self.buffer, self.sequence, limit)? {
                let (payload, length) = (packet.payload.into_owned(), packet.length);
                self.sequence = packet.next_sequence;
                self.buffer.advance(length);
                return Ok(payload);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }

    /// Reads one packet and not a byte beyond it: what follows may be the beginning of TLS.
    pub async fn read_alone(&mut self, limit: usize) -> Result<Vec<u8>, LinkError> {
        self.read_to(packet::HEADER).await?;
        let [a, b, c, _] = self.buffer.first_chunk::<{ packet::HEADER }>().copied().unwrap_or_default();
        let length = usize::try_from(u32::from_le_bytes([a, b, c, 0])).unwrap_or(usize::MAX);
        if length > limit.min(packet::PAYLOAD_MAX - 1) {
            return Err(PacketError::TooLong { limit }.into());
        }
        self.read_to(packet::HEADER + length).await?;
        self.read(limit).await
    }

    async fn read_to(&mut self, length: usize) -> Result<(), LinkError> {
        while self.buffer.len() < length {
            let missing = u64::try_from(length - self.buffer.len()).unwrap_or(u64::MAX);
            if (&mut self.stream).take(missing).read_buf(&mut self.buffer).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
        Ok(())
    }

    /// Writes one packet.
    pub async fn write(&mut self, payload: &[u8]) -> Result<(), LinkError> {
        let mut out = BytesMut::new();
        packet::write(&mut out, &mut self.sequence, payload);
        self.stream.write_all(&out).await?;
        self.stream.flush().await?;
        Ok(())
    }

    /// Runs one text, on a connection with the classic end-of-rows packets; its rows come back.
    pub async fn query(&mut self, text: &str) -> Result<Rows, LinkError> {
        self.sequence = 0;
        self.write(&[&[querygate_mysql::command::kind::QUERY], text.as_bytes()].concat()).await?;
        let first = self.read(ANSWER_BYTES_MAX).await?;
        let columns = match response::head(&first)? {
            Head::Ok => return Ok(Vec::new()),
            Head::Err => return Err(LinkError::Refused(Failure::decode(&first)?)),
            Head::LocalInfile => return Err(LinkError::Unexpected("the server asks for a file")),
            Head::Columns(count) => usize::try_from(count).unwrap_or(usize::MAX),
        };
        for _ in 0..columns {
            self.read(ANSWER_BYTES_MAX).await?;
        }
        Success::decode_eof(&self.read(ANSWER_BYTES_MAX).await?)?;
        let (mut rows, mut bytes) = (Vec::new(), 0_usize);
        loop {
            let payload = self.read(ANSWER_BYTES_MAX).await?;
            match response::among_rows(&payload, false) {
                Among::End => return Ok(rows),
                Among::Err => return Err(LinkError::Refused(Failure::decode(&payload)?)),
                Among::Row => {
                    bytes += payload.len();
                    if bytes > ANSWER_BYTES_MAX {
                        return Err(PacketError::TooLong { limit: ANSWER_BYTES_MAX }.into());
                    }
                    let fields = row::text_fields(&payload, columns)?;
                    let text = |field: Option<&[u8]>| field.map(|f| String::from_utf8_lossy(f).into_owned());
                    rows.push(fields.into_iter().map(text).collect());
                }
            }
        }
    }
}
