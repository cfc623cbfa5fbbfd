//! The gateway's own questions to a server, over a connection of its own: one text, one row, one column.

use bytes::BytesMut;
use querygate_postgres::{
    backend::{self, Message, kind},
    frame, frontend, row,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use crate::{
    config::CATALOG_WAIT_MAX,
    postgres::upstream::{ConnectError, Connected, Upstream},
    stream::Stream,
};

/// The answer of one question, at most: a snapshot of a large catalog.
pub const ANSWER_BYTES_MAX: usize = 512 * 1024 * 1024;

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum OwnError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection broke.
    #[error("the connection to the database server broke: {0}")]
    Io(#[from] std::io::Error),
    /// The server said no.
    #[error("the database server refused the gateway's own question: {0}")]
    Refused(String),
    /// The answer is not one.
    #[error("the database server's answer can't be read: {0}")]
    Protocol(String),
    /// No answer.
    #[error("the database server did not answer in {} s", CATALOG_WAIT_MAX.as_secs())]
    Slow,
}

/// A connection for the gateway's own questions.
#[derive(Debug)]
pub struct Own {
    stream: Stream,
    buffer: BytesMut,
}

impl Own {
    /// Connects.
    pub async fn connect(upstream: &Upstream) -> Result<Own, OwnError> {
        let parameters = vec![
            ("application_name".to_owned(), "querygate".to_owned()),
            ("client_encoding".to_owned(), "UTF8".to_owned()),
            ("search_path".to_owned(), "pg_catalog".to_owned()),
        ];
        let Connected { stream, rest, .. } = upstream.connect(parameters).await?;
        Ok(Own { stream, buffer: rest })
    }

    /// Asks for one value.
    pub async fn ask(&mut self, text: &str) -> Result<String, OwnError> {
        timeout(CATALOG_WAIT_MAX, self.ask_patiently(text)).await.map_err(|_| OwnError::Slow)?
    }

    async fn ask_patiently(&mut self, text: &str) -> Result<String, OwnError> {
        let protocol = |e: &dyn std::fmt::Display| OwnError::Protocol(e.to_string());
        let mut packet = BytesMut::new();
        frontend::encode::query(&mut packet, text).map_err(|e| protocol(&e))?;
        self.stream.write_all(&packet).await?;
        let mut answer = None;
        let mut refused = None;
        loop {
            while let Some(frame) = frame::next_server(&mut self.buffer).map_err(|e| protocol(&e))? {
                if frame.kind() == kind::DATA_ROW {
                    answer = first_field(frame.bytes()).map_err(|e| protocol(&e))?;
                    continue;
                }
                match backend::decode(&frame).map_err(|e| protocol(&e))? {
                    Message::ErrorResponse(fields) => refused = Some(format!("{} {}", fields.code(), fields.message())),
                    Message::ReadyForQuery(_) => {
                        return match (refused, answer) {
                            (Some(why), _) => Err(OwnError::Refused(why)),
                            (None, Some(answer)) => Ok(answer),
                            (None, None) => Err(OwnError::Protocol("no row".to_owned())),
                        };
                    }
                    _ => {}
                }
            }
            if self.buffer.len() > ANSWER_BYTES_MAX {
                return Err(OwnError::Protocol("the answer is too long".to_owned()));
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
            }
        }
    }
}

fn first_field(frame: &[u8]) -> Result<Option<String>, String> {
    let mut first = None;
    let mut scratch = BytesMut::new();
    row::rewrite(frame, &mut scratch, |index, value, _| -> Result<row::Wrote, std::str::Utf8Error> {
        if index == 0
            && let Some(value) = value
        {
            first = Some(std::str::from_utf8(value)?.to_owned());
        }
        Ok(row::Wrote::Keep)
    })
    .map_err(|e| e.to_string())?;
    Ok(first)
}
