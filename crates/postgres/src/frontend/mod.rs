//! Messages that a client sends: borrowed decoders here, encoders in [`encode`].

use std::fmt;

use crate::{
    error::{DecodeError, Malformed, Problem},
    format::Format,
    frame::Frame,
    read::Reader,
};

pub mod encode;
pub mod password;

/// The first byte of each message that a client sends.
pub mod kind {
    /// Password, SASL or GSSAPI response: which one depends on what was asked.
    pub const AUTHENTICATION: u8 = b'p';
    /// Bind.
    pub const BIND: u8 = b'B';
    /// Close.
    pub const CLOSE: u8 = b'C';
    /// CopyData.
    pub const COPY_DATA: u8 = b'd';
    /// CopyDone.
    pub const COPY_DONE: u8 = b'c';
    /// CopyFail.
    pub const COPY_FAIL: u8 = b'f';
    /// Describe.
    pub const DESCRIBE: u8 = b'D';
    /// Execute.
    pub const EXECUTE: u8 = b'E';
    /// Flush.
    pub const FLUSH: u8 = b'H';
    /// FunctionCall.
    pub const FUNCTION_CALL: u8 = b'F';
    /// Parse.
    pub const PARSE: u8 = b'P';
    /// Query.
    pub const QUERY: u8 = b'Q';
    /// Sync.
    pub const SYNC: u8 = b'S';
    /// Terminate.
    pub const TERMINATE: u8 = b'X';
}

/// A message of a client, borrowed from its frame.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message<'a> {
    /// An answer to a request for authentication: see [`password`] for its forms.
    Authentication(Secret<'a>),
    /// Gives a prepared statement its values. It runs code already.
    Bind(Bind<'a>),
    /// Forgets a statement or portal.
    Close(Named<'a>),
    /// Data of a COPY FROM STDIN, cut anywhere.
    CopyData(&'a [u8]),
    /// The data is complete.
    CopyDone,
    /// The COPY is to fail.
    CopyFail {
        /// Why.
        reason: &'a str,
    },
    /// Asks for the columns of a statement or portal.
    Describe(Named<'a>),
    /// Runs a portal.
    Execute {
        /// Its name; empty for the unnamed one.
        portal: &'a str,
        /// Rows after which it pauses; 0 for no limit.
        max_rows: u32,
    },
    /// Asks for what the server has to say so far.
    Flush,
    /// Calls a function by its OID, without a statement.
    FunctionCall {
        /// The function.
        function: u32,
    },
    /// Prepares a statement.
    Parse(Parse<'a>),
    /// Runs one or more statements.
    Query {
        /// Their text.
        text: &'a str,
    },
    /// Ends a pipeline, and the implicit transaction.
    Sync,
    /// Ends the session.
    Terminate,
}

/// Names the message only: texts and values may be secret.
impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Message<'_> {
    /// The message's name in Postgres's documentation.
    pub fn name(&self) -> &'static str {
        match self {
            Message::Authentication(_) => "PasswordMessage",
            Message::Bind(_) => "Bind",
            Message::Close(_) => "Close",
            Message::CopyData(_) => "CopyData",
            Message::CopyDone => "CopyDone",
            Message::CopyFail { .. } => "CopyFail",
            Message::Describe(_) => "Describe",
            Message::Execute { .. } => "Execute",
            Message::Flush => "Flush",
            Message::FunctionCall { .. } => "FunctionCall",
            Message::Parse(_) => "Parse",
            Message::Query { .. } => "Query",
            Message::Sync => "Sync",
            Message::Terminate => "Terminate",
        }
    }
}

/// Bytes that prove an identity: never shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret<'a>(pub &'a [u8]);

impl fmt::Debug for Secret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Prepares a statement.
#[derive(Clone, PartialEq, Eq)]
pub struct Parse<'a> {
    /// Its name; empty for the unnamed one.
    pub name: &'a str,
    /// Its text.
    pub text: &'a str,
    /// Types of the first parameters by OID; 0 leaves one to the server.
    pub types: Vec<u32>,
}

/// Shows no text: it may hold secrets.
impl fmt::Debug for Parse<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parse").field("name", &self.name).field("types", &self.types).finish_non_exhaustive()
    }
}

/// Gives a prepared statement its values.
#[derive(Clone, PartialEq, Eq)]
pub struct Bind<'a> {
    /// The portal to make; empty for the unnamed one.
    pub portal: &'a str,
    /// The statement.
    pub statement: &'a str,
    /// Formats of the values: none (all text), one for all, or one each.
    pub formats: Vec<Format>,
    /// The values.
    pub values: Vec<Option<&'a [u8]>>,
    /// Formats of the result's columns: none (all text), one for all, or one each.
    pub result_formats: Vec<Format>,
}

/// Shows no values.
impl fmt::Debug for Bind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bind = f.debug_struct("Bind");
        bind.field("portal", &self.portal).field("statement", &self.statement).field("values", &self.values.len());
        bind.finish_non_exhaustive()
    }
}

impl Bind<'_> {
    /// The format of a value.
    pub fn format(&self, value: usize) -> Format {
        Format::of(&self.formats, value)
    }

    /// The format of a column of the result.
    pub fn result_format(&self, column: usize) -> Format {
        Format::of(&self.result_formats, column)
    }
}

/// What Describe and Close speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named<'a> {
    /// Which namespace.
    pub target: Target,
    /// The name there; empty for the unnamed one.
    pub name: &'a str,
}

/// The two namespaces of the extended protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// Bound statements.
    Portal,
    /// Prepared statements.
    Statement,
}

impl Target {
    /// The byte that stands for it.
    pub fn letter(self) -> u8 {
        match self {
            Target::Portal => b'P',
            Target::Statement => b'S',
        }
    }
}

/// Decodes a client's message. Its body must be used up exactly, and every name and text must be UTF-8.
///
/// ```
/// use bytes::Bytes;
/// use querygate_postgres::{frame::Frame, frontend::{self, Message}};
/// let frame = Frame::new(Bytes::from_static(b"Q\0\0\0\x0dSELECT 1\0")).unwrap();
/// assert_eq!(frontend::decode(&frame), Ok(Message::Query { text: "SELECT 1" }));
/// ```
pub fn decode(frame: &Frame) -> Result<Message<'_>, DecodeError> {
    decode_body(frame.kind(), frame.body())
}

/// [`decode`] for a kind and a body that were found otherwise.
pub fn decode_body(kind: u8, body: &[u8]) -> Result<Message<'_>, DecodeError> {
    message(kind, body).map_err(DecodeError::Client)
}

fn message(kind: u8, body: &[u8]) -> Result<Message<'_>, Malformed> {
    match kind {
        kind::AUTHENTICATION => Ok(Message::Authentication(Secret(body))),
        kind::BIND => bind(Reader::new(body, "Bind")).map(Message::Bind),
        kind::CLOSE => named(Reader::new(body, "Close")).map(Message::Close),
        kind::COPY_DATA => Ok(Message::CopyData(body)),
        kind::COPY_DONE => Reader::new(body, "CopyDone").finish(Message::CopyDone),
        kind::COPY_FAIL => {
            let mut reader = Reader::new(body, "CopyFail");
            let reason = reader.text("reason")?;
            reader.finish(Message::CopyFail { reason })
        }
        kind::DESCRIBE => named(Reader::new(body, "Describe")).map(Message::Describe),
        kind::EXECUTE => execute(Reader::new(body, "Execute")),
        kind::FLUSH => Reader::new(body, "Flush").finish(Message::Flush),
        kind::FUNCTION_CALL => function_call(Reader::new(body, "FunctionCall")),
        kind::PARSE => parse(Reader::new(body, "Parse")).map(Message::Parse),
        kind::QUERY => {
            let mut reader = Reader::new(body, "Query");
            let text = reader.text("text")?;
            reader.finish(Message::Query { text })
        }
        kind::SYNC => Reader::new(body, "Sync").finish(Message::Sync),
        kind::TERMINATE => Reader::new(body, "Terminate").finish(Message::Terminate),
        kind => Err(Reader::new(body, "unknown message").error("kind", Problem::UnknownKind { kind })),
    }
}

fn parse(mut reader: Reader<'_>) -> Result<Parse<'_>, Malformed> {
    let (name, text) = (reader.text("statement name")?, reader.text("text")?);
    let types = reader.list("parameter types", 4, |r| r.u32("parameter types"))?;
    reader.finish(Parse { name, text, types })
}

fn bind(mut reader: Reader<'_>) -> Result<Bind<'_>, Malformed> {
    let (portal, statement) = (reader.text("portal name")?, reader.text("statement name")?);
    let formats = reader.list("value formats", 2, |r| Format::read(r, "value formats"))?;
    let values = reader.list("values", 4, |r| r.value("values"))?;
    if formats.len() > 1 && formats.len() != values.len() {
        let problem = Problem::TooMany { count: formats.len(), limit: values.len() };
        return Err(reader.error("value formats", problem));
    }
    let result_formats = reader.list("result formats", 2, |r| Format::read(r, "result formats"))?;
    reader.finish(Bind { portal, statement, formats, values, result_formats })
}

fn named(mut reader: Reader<'_>) -> Result<Named<'_>, Malformed> {
    let target = match reader.u8("target")? {
        b'P' => Target::Portal,
        b'S' => Target::Statement,
        other => return Err(reader.error("target", Problem::BadValue { value: other.into() })),
    };
    let name = reader.text("name")?;
    reader.finish(Named { target, name })
}

fn execute(mut reader: Reader<'_>) -> Result<Message<'_>, Malformed> {
    let portal = reader.text("portal name")?;
    // The server takes any number that is not positive as "no limit".
    let max_rows = u32::try_from(reader.i32("row limit")?).unwrap_or(0);
    reader.finish(Message::Execute { portal, max_rows })
}

fn function_call(mut reader: Reader<'_>) -> Result<Message<'_>, Malformed> {
    let function = reader.u32("function")?;
    reader.list("argument formats", 2, |r| Format::read(r, "argument formats"))?;
    reader.list("arguments", 4, |r| r.value("arguments"))?;
    Format::read(&mut reader, "result format")?;
    reader.finish(Message::FunctionCall { function })
}

#[cfg(test)]
mod tests;
