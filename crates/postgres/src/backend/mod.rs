//! Messages that a server sends: decoders here, encoders for what the gateway says to a client in [`encode`].

use std::fmt;

use crate::{
    error::{DecodeError, Malformed, Problem},
    format::Format,
    frame::Frame,
    read::Reader,
    startup,
};

pub mod encode;
mod fields;
mod tag;

pub use fields::Fields;
pub use tag::CommandTag;

/// The first byte of each message that a server sends.
pub mod kind {
    /// A request for authentication, its next step, or its success.
    pub const AUTHENTICATION: u8 = b'R';
    /// BackendKeyData.
    pub const BACKEND_KEY_DATA: u8 = b'K';
    /// BindComplete.
    pub const BIND_COMPLETE: u8 = b'2';
    /// CloseComplete.
    pub const CLOSE_COMPLETE: u8 = b'3';
    /// CommandComplete.
    pub const COMMAND_COMPLETE: u8 = b'C';
    /// CopyBothResponse.
    pub const COPY_BOTH_RESPONSE: u8 = b'W';
    /// CopyData.
    pub const COPY_DATA: u8 = b'd';
    /// CopyDone.
    pub const COPY_DONE: u8 = b'c';
    /// CopyInResponse.
    pub const COPY_IN_RESPONSE: u8 = b'G';
    /// CopyOutResponse.
    pub const COPY_OUT_RESPONSE: u8 = b'H';
    /// DataRow.
    pub const DATA_ROW: u8 = b'D';
    /// EmptyQueryResponse.
    pub const EMPTY_QUERY_RESPONSE: u8 = b'I';
    /// ErrorResponse.
    pub const ERROR_RESPONSE: u8 = b'E';
    /// FunctionCallResponse.
    pub const FUNCTION_CALL_RESPONSE: u8 = b'V';
    /// NegotiateProtocolVersion.
    pub const NEGOTIATE_PROTOCOL_VERSION: u8 = b'v';
    /// NoData.
    pub const NO_DATA: u8 = b'n';
    /// NoticeResponse.
    pub const NOTICE_RESPONSE: u8 = b'N';
    /// NotificationResponse.
    pub const NOTIFICATION_RESPONSE: u8 = b'A';
    /// ParameterDescription.
    pub const PARAMETER_DESCRIPTION: u8 = b't';
    /// ParameterStatus.
    pub const PARAMETER_STATUS: u8 = b'S';
    /// ParseComplete.
    pub const PARSE_COMPLETE: u8 = b'1';
    /// PortalSuspended.
    pub const PORTAL_SUSPENDED: u8 = b's';
    /// ReadyForQuery.
    pub const READY_FOR_QUERY: u8 = b'Z';
    /// RowDescription.
    pub const ROW_DESCRIPTION: u8 = b'T';
}

/// A message of a server, borrowed from its frame.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message<'a> {
    /// A step of the log-in.
    Authentication(Authentication<'a>),
    /// How to cancel this session's statements.
    BackendKeyData(startup::CancelKey),
    /// Answers Bind.
    BindComplete,
    /// Answers Close.
    CloseComplete,
    /// A statement is done.
    CommandComplete(CommandTag<'a>),
    /// Replication begins.
    CopyBothResponse(CopyResponse),
    /// One row of a COPY TO STDOUT.
    CopyData(&'a [u8]),
    /// The COPY's data is complete.
    CopyDone,
    /// COPY FROM STDIN begins: the client sends data.
    CopyInResponse(CopyResponse),
    /// COPY TO STDOUT begins.
    CopyOutResponse(CopyResponse),
    /// A row. Its fields are left as they are: see [`row`](crate::row).
    DataRow(&'a [u8]),
    /// Answers an empty text in place of CommandComplete.
    EmptyQueryResponse,
    /// A statement, or the connection, failed.
    ErrorResponse(Fields<'a>),
    /// A function's result.
    FunctionCallResponse(Option<&'a [u8]>),
    /// The server speaks only this minor version, and none of these options.
    NegotiateProtocolVersion(Negotiation<'a>),
    /// Answers Describe: no rows will come.
    NoData,
    /// A warning or a message for the user.
    NoticeResponse(Fields<'a>),
    /// Another session's NOTIFY.
    NotificationResponse(Notification<'a>),
    /// Types of a statement's parameters by OID.
    ParameterDescription(Vec<u32>),
    /// A setting's value, at the start or when it changed.
    ParameterStatus {
        /// The setting.
        name: &'a str,
        /// Its value.
        value: &'a str,
    },
    /// Answers Parse.
    ParseComplete,
    /// A portal reached its row limit.
    PortalSuspended,
    /// The server waits for the next statement.
    ReadyForQuery(Status),
    /// The columns of the rows to come.
    RowDescription(Vec<ColumnDescription>),
}

/// Names the message only: what it carries may be secret.
impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Message<'_> {
    /// The message's name in Postgres's documentation.
    pub fn name(&self) -> &'static str {
        match self {
            Message::Authentication(_) => "Authentication",
            Message::BackendKeyData(_) => "BackendKeyData",
            Message::BindComplete => "BindComplete",
            Message::CloseComplete => "CloseComplete",
            Message::CommandComplete(_) => "CommandComplete",
            Message::CopyBothResponse(_) => "CopyBothResponse",
            Message::CopyData(_) => "CopyData",
            Message::CopyDone => "CopyDone",
            Message::CopyInResponse(_) => "CopyInResponse",
            Message::CopyOutResponse(_) => "CopyOutResponse",
            Message::DataRow(_) => "DataRow",
            Message::EmptyQueryResponse => "EmptyQueryResponse",
            Message::ErrorResponse(_) => "ErrorResponse",
            Message::FunctionCallResponse(_) => "FunctionCallResponse",
            Message::NegotiateProtocolVersion(_) => "NegotiateProtocolVersion",
            Message::NoData => "NoData",
            Message::NoticeResponse(_) => "NoticeResponse",
            Message::NotificationResponse(_) => "NotificationResponse",
            Message::ParameterDescription(_) => "ParameterDescription",
            Message::ParameterStatus { .. } => "ParameterStatus",
            Message::ParseComplete => "ParseComplete",
            Message::PortalSuspended => "PortalSuspended",
            Message::ReadyForQuery(_) => "ReadyForQuery",
            Message::RowDescription(_) => "RowDescription",
        }
    }
}

/// A step of the log-in as the server asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Authentication<'a> {
    /// The password, as it is.
    CleartextPassword,
    /// A hash of the password, the user's name and this salt.
    Md5Password {
        /// The salt.
        salt: [u8; 4],
    },
    /// Logged in.
    Ok,
    /// A SASL exchange by one of these mechanisms.
    Sasl {
        /// In the server's order of preference.
        mechanisms: Vec<&'a str>,
    },
    /// The exchange goes on.
    SaslContinue(&'a [u8]),
    /// The exchange is done, with the server's proof.
    SaslFinal(&'a [u8]),
    /// A method that this crate does not speak (GSSAPI, SSPI, Kerberos, SCM).
    Unsupported {
        /// Its code.
        code: u32,
    },
}

/// The transaction state between statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// In a transaction that failed and must be rolled back.
    Failed,
    /// In no transaction.
    Idle,
    /// In a transaction.
    InTransaction,
}

impl Status {
    /// The byte that stands for it.
    pub fn letter(self) -> u8 {
        match self {
            Status::Failed => b'E',
            Status::Idle => b'I',
            Status::InTransaction => b'T',
        }
    }
}

/// How a COPY's data is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyResponse {
    /// Of the whole: text (also CSV) or binary.
    pub format: Format,
    /// Of each column.
    pub columns: Vec<Format>,
}

/// One column of a result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnDescription {
    /// Its name in the result.
    pub name: String,
    /// OID of the table or view that it comes from; 0 when it is computed.
    pub table: u32,
    /// Its attribute number there; 0 when it is computed, negative for a system column.
    pub attribute: i16,
    /// OID of its type.
    pub type_oid: u32,
    /// Bytes of its type (`pg_type.typlen`); negative when they vary.
    pub size: i16,
    /// Its type modifier; -1 for none.
    pub modifier: i32,
    /// How its values are written. Not known yet, and so text, when a statement (not a portal) is described.
    pub format: Format,
}

/// A message from another session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Notification<'a> {
    /// The sender's process number.
    pub process: u32,
    /// The channel.
    pub channel: &'a str,
    /// What it says; may hold data.
    pub payload: &'a str,
}

/// Shows no payload.
impl fmt::Debug for Notification<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut notification = f.debug_struct("Notification");
        notification.field("process", &self.process).field("channel", &self.channel).finish_non_exhaustive()
    }
}

/// What of the asked protocol the server does not speak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiation<'a> {
    /// The newest minor version that the server speaks.
    pub minor: u16,
    /// Options that it does not know.
    pub options: Vec<&'a str>,
}

/// Decodes a server's message. Its body must be used up exactly.
///
/// ```
/// use bytes::Bytes;
/// use querygate_postgres::{backend::{self, Message, Status}, frame::Frame};
/// let frame = Frame::new(Bytes::from_static(b"Z\0\0\0\x05I")).unwrap();
/// assert_eq!(backend::decode(&frame), Ok(Message::ReadyForQuery(Status::Idle)));
/// ```
pub fn decode(frame: &Frame) -> Result<Message<'_>, DecodeError> {
    decode_body(frame.kind(), frame.body())
}

/// [`decode`] for a kind and a body that were found otherwise.
pub fn decode_body(kind: u8, body: &[u8]) -> Result<Message<'_>, DecodeError> {
    message(kind, body).map_err(DecodeError::Server)
}

fn message(kind: u8, body: &[u8]) -> Result<Message<'_>, Malformed> {
    let empty = |name, message| Reader::new(body, name).finish(message);
    match kind {
        kind::AUTHENTICATION => authentication(Reader::new(body, "Authentication")).map(Message::Authentication),
        kind::BACKEND_KEY_DATA => backend_key_data(Reader::new(body, "BackendKeyData")),
        kind::BIND_COMPLETE => empty("BindComplete", Message::BindComplete),
        kind::CLOSE_COMPLETE => empty("CloseComplete", Message::CloseComplete),
        kind::COMMAND_COMPLETE => {
            let mut reader = Reader::new(body, "CommandComplete");
            let tag = CommandTag::new(reader.text("tag")?);
            reader.finish(Message::CommandComplete(tag))
        }
        kind::COPY_BOTH_RESPONSE => copy(Reader::new(body, "CopyBothResponse")).map(Message::CopyBothResponse),
        kind::COPY_DATA => Ok(Message::CopyData(body)),
        kind::COPY_DONE => empty("CopyDone", Message::CopyDone),
        kind::COPY_IN_RESPONSE => copy(Reader::new(body, "CopyInResponse")).map(Message::CopyInResponse),
        kind::COPY_OUT_RESPONSE => copy(Reader::new(body, "CopyOutResponse")).map(Message::CopyOutResponse),
        kind::DATA_ROW => data_row(Reader::new(body, "DataRow"), body),
        kind::EMPTY_QUERY_RESPONSE => empty("EmptyQueryResponse", Message::EmptyQueryResponse),
        kind::ERROR_RESPONSE => Fields::read(Reader::new(body, "ErrorResponse")).map(Message::ErrorResponse),
        kind::FUNCTION_CALL_RESPONSE => {
            let mut reader = Reader::new(body, "FunctionCallResponse");
            let value = reader.value("value")?;
            reader.finish(Message::FunctionCallResponse(value))
        }
        kind::NEGOTIATE_PROTOCOL_VERSION => negotiation(Reader::new(body, "NegotiateProtocolVersion")),
        kind::NO_DATA => empty("NoData", Message::NoData),
        kind::NOTICE_RESPONSE => Fields::read(Reader::new(body, "NoticeResponse")).map(Message::NoticeResponse),
        kind::NOTIFICATION_RESPONSE => notification(Reader::new(body, "NotificationResponse")),
        kind::PARAMETER_DESCRIPTION => {
            let mut reader = Reader::new(body, "ParameterDescription");
            let types = reader.list("types", 4, |r| r.u32("types"))?;
            reader.finish(Message::ParameterDescription(types))
        }
        kind::PARAMETER_STATUS => {
            let mut reader = Reader::new(body, "ParameterStatus");
            let (name, value) = (reader.text("name")?, reader.text("value")?);
            reader.finish(Message::ParameterStatus { name, value })
        }
        kind::PARSE_COMPLETE => empty("ParseComplete", Message::ParseComplete),
        kind::PORTAL_SUSPENDED => empty("PortalSuspended", Message::PortalSuspended),
        kind::READY_FOR_QUERY => ready(Reader::new(body, "ReadyForQuery")),
        kind::ROW_DESCRIPTION => {
            let mut reader = Reader::new(body, "RowDescription");
            let columns = reader.list("columns", COLUMN_BYTES_MIN, column)?;
            reader.finish(Message::RowDescription(columns))
        }
        kind => Err(Reader::new(body, "unknown message").error("kind", Problem::UnknownKind { kind })),
    }
}

/// An empty name's terminator, and 18 bytes of numbers.
const COLUMN_BYTES_MIN: usize = 19;

fn column(reader: &mut Reader<'_>) -> Result<ColumnDescription, Malformed> {
    Ok(ColumnDescription {
        name: reader.text("column name")?.to_owned(),
        table: reader.u32("table")?,
        attribute: reader.i16("attribute")?,
        type_oid: reader.u32("type")?,
        size: reader.i16("type size")?,
        modifier: reader.i32("type modifier")?,
        format: Format::read(reader, "column format")?,
    })
}

fn authentication(mut reader: Reader<'_>) -> Result<Authentication<'_>, Malformed> {
    let step = match reader.u32("method")? {
        0 => Authentication::Ok,
        3 => Authentication::CleartextPassword,
        5 => {
            let [a, b, c, d] = reader.u32("salt")?.to_be_bytes();
            Authentication::Md5Password { salt: [a, b, c, d] }
        }
        10 => Authentication::Sasl { mechanisms: mechanisms(&mut reader)? },
        11 => Authentication::SaslContinue(reader.remaining()),
        12 => Authentication::SaslFinal(reader.remaining()),
        code => {
            reader.remaining();
            Authentication::Unsupported { code }
        }
    };
    reader.finish(step)
}

/// Most SASL mechanisms in one offer. Postgres knows three.
const MECHANISMS_MAX: usize = 16;

fn mechanisms<'a>(reader: &mut Reader<'a>) -> Result<Vec<&'a str>, Malformed> {
    let mut mechanisms = Vec::new();
    loop {
        match reader.text("mechanism")? {
            "" => return Ok(mechanisms),
            _ if mechanisms.len() == MECHANISMS_MAX => {
                let problem = Problem::TooMany { count: MECHANISMS_MAX + 1, limit: MECHANISMS_MAX };
                return Err(reader.error("mechanisms", problem));
            }
            name => mechanisms.push(name),
        }
    }
}

fn backend_key_data(mut reader: Reader<'_>) -> Result<Message<'_>, Malformed> {
    let process = reader.u32("process")?;
    let secret = reader.remaining();
    startup::check_secret(&reader, secret)?;
    reader.finish(Message::BackendKeyData(startup::CancelKey { process, secret: secret.to_vec() }))
}

fn copy(mut reader: Reader<'_>) -> Result<CopyResponse, Malformed> {
    let format = match reader.u8("format")? {
        0 => Format::Text,
        1 => Format::Binary,
        other => return Err(reader.error("format", Problem::BadValue { value: other.into() })),
    };
    let columns = reader.list("column formats", 2, |r| Format::read(r, "column formats"))?;
    reader.finish(CopyResponse { format, columns })
}

fn data_row<'a>(mut reader: Reader<'a>, body: &'a [u8]) -> Result<Message<'a>, Malformed> {
    let count = reader.u16("field count")?;
    for _ in 0..count {
        reader.value("field")?;
    }
    reader.finish(Message::DataRow(body))
}

fn negotiation(mut reader: Reader<'_>) -> Result<Message<'_>, Malformed> {
    let version = reader.u32("minor version")?;
    // Postgres sends the whole version; some poolers send the minor one alone, as its documentation says.
    let minor = (version & 0xffff) as u16;
    let count = usize::try_from(reader.u32("option count")?).unwrap_or(usize::MAX);
    if count > startup::PARAMETERS_MAX {
        return Err(reader.error("options", Problem::TooMany { count, limit: startup::PARAMETERS_MAX }));
    }
    let mut options = Vec::with_capacity(count);
    for _ in 0..count {
        options.push(reader.text("option")?);
    }
    reader.finish(Message::NegotiateProtocolVersion(Negotiation { minor, options }))
}

fn notification(mut reader: Reader<'_>) -> Result<Message<'_>, Malformed> {
    let process = reader.u32("process")?;
    let (channel, payload) = (reader.text("channel")?, reader.text("payload")?);
    reader.finish(Message::NotificationResponse(Notification { process, channel, payload }))
}

fn ready(mut reader: Reader<'_>) -> Result<Message<'_>, Malformed> {
    let status = match reader.u8("status")? {
        b'E' => Status::Failed,
        b'I' => Status::Idle,
        b'T' => Status::InTransaction,
        other => return Err(reader.error("status", Problem::BadValue { value: other.into() })),
    };
    reader.finish(Message::ReadyForQuery(status))
}

#[cfg(test)]
mod tests;
