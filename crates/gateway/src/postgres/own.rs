//! The gateway's own questions to a server, over a connection of its own: one text, one row, one column.

use std::collections::BTreeSet;

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
    postgres::upstream::{
        ConnectError, Connected, DEFAULT_READ_ONLY, IN_HOT_STANDBY, Route, Upstream, why_not_writable,
    },
    stream::Stream,
};

/// The answer of one question, at most: a snapshot of a large catalog.
pub const ANSWER_BYTES_MAX: usize = 512 * 1024 * 1024;

/// How often two connections are compared to find a pooler.
const POOLER_LOOKS: usize = 3;
const PROCESS: &str = "SELECT pg_catalog.pg_backend_pid()::pg_catalog.text";

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
    route: Route,
    reported: Reported,
}

/// What a server last reported of whether it takes writes.
#[derive(Debug)]
struct Reported {
    in_hot_standby: Option<String>,
    default_read_only: Option<String>,
}

impl Reported {
    fn of(connected: &Connected) -> Reported {
        let value = |name| connected.parameter(name).map(str::to_owned);
        Reported { in_hot_standby: value(IN_HOT_STANDBY), default_read_only: value(DEFAULT_READ_ONLY) }
    }

    fn take(&mut self, name: &str, value: &str) {
        match name {
            IN_HOT_STANDBY => self.in_hot_standby = Some(value.to_owned()),
            DEFAULT_READ_ONLY => self.default_read_only = Some(value.to_owned()),
            _ => {}
        }
    }
}

impl Own {
    /// Connects.
    pub async fn connect(upstream: &Upstream) -> Result<Own, OwnError> {
        let parameters = vec![
            ("application_name".to_owned(), "querygate".to_owned()),
            ("client_encoding".to_owned(), "UTF8".to_owned()),
            ("search_path".to_owned(), "pg_catalog".to_owned()),
        ];
        let connected = upstream.discover(&upstream.database.login, &parameters).await?;
        let reported = Reported::of(&connected);
        let Connected { stream, rest, route, .. } = connected;
        Ok(Own { stream, buffer: rest, route, reported })
    }

    /// Whether a pooler hands one server process to several clients in turns: then settings that the gateway pins are somebody else's a moment
    /// later. Found by what a second connection shares with this one.
    pub async fn shares_its_session(&mut self, upstream: &Upstream) -> Result<bool, OwnError> {
        let mut second = Own::connect(upstream).await?;
        let (mut of_first, mut of_second) = (BTreeSet::new(), BTreeSet::new());
        for _ in 0..POOLER_LOOKS {
            of_first.insert(self.ask(PROCESS).await?);
            of_second.insert(second.ask(PROCESS).await?);
        }
        Ok(of_first.len() > 1 || of_second.len() > 1 || !of_first.is_disjoint(&of_second))
    }

    /// Which server it is.
    pub fn route(&self) -> &Route {
        &self.route
    }

    /// Why the server takes no writes any more, by what it last reported; none if it does.
    pub fn why_not_writable(&self) -> Option<&'static str> {
        why_not_writable(self.reported.in_hot_standby.as_deref(), self.reported.default_read_only.as_deref())
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
                    Message::ParameterStatus { name, value } => self.reported.take(name, value),
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
