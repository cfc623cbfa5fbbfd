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
};

/// The answer of one question, at most: a snapshot of a large catalog.
pub const ANSWER_BYTES_MAX: usize = 512 * 1024 * 1024;

/// Settings whose reports are kept for one connection.
const PARAMETERS_MAX: usize = 256;
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
    connection: Connected,
    /// Nobody stands between it and the server's process, as far as is known.
    direct: bool,
}

impl Own {
    /// Connects.
    pub async fn connect(upstream: &Upstream) -> Result<Own, OwnError> {
        let parameters = vec![
            ("application_name".to_owned(), "querygate".to_owned()),
            ("client_encoding".to_owned(), "UTF8".to_owned()),
            ("search_path".to_owned(), "pg_catalog".to_owned()),
        ];
        let connection = upstream.discover(&upstream.database.login, &parameters).await?;
        Ok(Own { connection, direct: false })
    }

    /// Whether a pooler hands one server process to several clients in turns: then settings that the gateway pins are somebody else's a moment
    /// later. Found by what a second connection shares with this one.
    pub async fn shares_its_session(&mut self, upstream: &Upstream) -> Result<bool, OwnError> {
        let mut second = Own::connect(upstream).await?;
        self.direct = self.connection.is_direct().await? && second.connection.is_direct().await?;
        self.connection.shares_with(&mut second.connection).await
    }

    /// Whether nobody stood between this connection and the server's process when that was last looked at.
    pub fn is_direct(&self) -> bool {
        self.direct
    }

    /// Which server it is.
    pub fn route(&self) -> &Route {
        &self.connection.route
    }

    /// Why the server takes no writes any more, by what it last reported; none if it does.
    pub fn why_not_writable(&self) -> Option<&'static str> {
        why_not_writable(self.connection.parameter(IN_HOT_STANDBY), self.connection.parameter(DEFAULT_READ_ONLY))
    }

    /// Asks for one value.
    pub async fn ask(&mut self, text: &str) -> Result<String, OwnError> {
        self.connection.ask(text).await
    }
}

impl Connected {
    /// Whether the server's process answers by itself. It names its number twice: in the connection's cancel key, and when it is asked; whoever
    /// stands between gives keys of its own (PostgreSQL documentation, "Frontend/Backend Protocol", BackendKeyData).
    pub async fn is_direct(&mut self) -> Result<bool, OwnError> {
        let process = self.ask(PROCESS).await?;
        Ok(self.key.as_ref().is_some_and(|key| key.process().to_string() == process))
    }

    /// Whether two connections have server processes in common, or one of them has several.
    pub async fn shares_with(&mut self, other: &mut Connected) -> Result<bool, OwnError> {
        let (mut of_first, mut of_second) = (BTreeSet::new(), BTreeSet::new());
        for _ in 0..POOLER_LOOKS {
            of_first.insert(self.ask(PROCESS).await?);
            of_second.insert(other.ask(PROCESS).await?);
        }
        Ok(of_first.len() > 1 || of_second.len() > 1 || !of_first.is_disjoint(&of_second))
    }

    /// Asks for one value.
    pub async fn ask(&mut self, text: &str) -> Result<String, OwnError> {
        self.tell(text).await?.ok_or_else(|| OwnError::Protocol("no row".to_owned()))
    }

    /// Has one text run, and returns the first field of its last row, if there is one.
    pub async fn tell(&mut self, text: &str) -> Result<Option<String>, OwnError> {
        timeout(CATALOG_WAIT_MAX, self.tell_patiently(text)).await.map_err(|_| OwnError::Slow)?
    }

    async fn tell_patiently(&mut self, text: &str) -> Result<Option<String>, OwnError> {
        let protocol = |e: &dyn std::fmt::Display| OwnError::Protocol(e.to_string());
        let mut packet = BytesMut::new();
        frontend::encode::query(&mut packet, text).map_err(|e| protocol(&e))?;
        self.stream.write_all(&packet).await?;
        self.stream.flush().await?;
        let mut answer = None;
        let mut refused = None;
        loop {
            while let Some(frame) = frame::next_server(&mut self.rest).map_err(|e| protocol(&e))? {
                if frame.kind() == kind::DATA_ROW {
                    answer = first_field(frame.bytes()).map_err(|e| protocol(&e))?;
                    continue;
                }
                match backend::decode(&frame).map_err(|e| protocol(&e))? {
                    Message::ParameterStatus { name, value } => report(&mut self.parameters, name, value),
                    Message::ErrorResponse(fields) => refused = Some(format!("{} {}", fields.code(), fields.message())),
                    Message::ReadyForQuery(_) => return refused.map_or(Ok(answer), |why| Err(OwnError::Refused(why))),
                    _ => {}
                }
            }
            if self.rest.len() > ANSWER_BYTES_MAX {
                return Err(OwnError::Protocol("the answer is too long".to_owned()));
            }
            if self.stream.read_buf(&mut self.rest).await? == 0 {
                return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
            }
        }
    }
}

/// Notes what the server reports of a setting.
fn report(parameters: &mut Vec<(String, String)>, name: &str, value: &str) {
    let several = parameters.len();
    match parameters.iter_mut().find(|(known, _)| known == name) {
        Some((_, known)) => value.clone_into(known),
        // A server reports a dozen of them; what is new beyond the bound is left out.
        None if several < PARAMETERS_MAX => parameters.push((name.to_owned(), value.to_owned())),
        None => {}
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
