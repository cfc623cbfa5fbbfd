//! Encoders for what a gateway says to a client. Those that can fail leave `out` as it was before.

use bytes::{BufMut, BytesMut};

use super::{ColumnDescription, CopyResponse, Status, kind};
use crate::{error::EncodeError, format::Format, startup::CancelKey, write};

/// Longest text in a message of the gateway's own, in bytes; longer ones are cut there.
pub const OWN_TEXT_MAX: usize = 16 * 1024;

/// How bad it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Severity {
    /// For a developer.
    Debug,
    /// The statement failed.
    #[default]
    Error,
    /// The session ends.
    Fatal,
    /// Asked for by the user.
    Info,
    /// For the administrator.
    Log,
    /// Helpful.
    Notice,
    /// Likely a problem.
    Warning,
}

impl Severity {
    /// The word that stands for it.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Debug => "DEBUG",
            Severity::Error => "ERROR",
            Severity::Fatal => "FATAL",
            Severity::Info => "INFO",
            Severity::Log => "LOG",
            Severity::Notice => "NOTICE",
            Severity::Warning => "WARNING",
        }
    }
}

/// An error or notice of the gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErrorReport<'a> {
    /// How bad it is.
    pub severity: Severity,
    /// SQLSTATE.
    pub code: &'a str,
    /// One sentence without a full stop.
    pub message: &'a str,
    /// What else is known.
    pub detail: Option<&'a str>,
    /// What to do.
    pub hint: Option<&'a str>,
    /// Where in the client's text, in characters from 1.
    pub position: Option<u32>,
}

/// ErrorResponse. Texts are cut at [`OWN_TEXT_MAX`] bytes.
pub fn error(out: &mut BytesMut, report: &ErrorReport<'_>) {
    write::bounded(out, kind::ERROR_RESPONSE, |out| fields(out, report));
}

/// NoticeResponse. Texts are cut at [`OWN_TEXT_MAX`] bytes.
pub fn notice(out: &mut BytesMut, report: &ErrorReport<'_>) {
    write::bounded(out, kind::NOTICE_RESPONSE, |out| fields(out, report));
}

fn fields(out: &mut BytesMut, report: &ErrorReport<'_>) {
    use super::Fields;
    let mut field = |letter: u8, text: &str| {
        out.put_u8(letter);
        write::own_text(out, text, OWN_TEXT_MAX);
    };
    field(Fields::SEVERITY_LOCAL, report.severity.name());
    field(Fields::SEVERITY, report.severity.name());
    field(Fields::CODE, report.code);
    field(Fields::MESSAGE, report.message);
    if let Some(detail) = report.detail {
        field(Fields::DETAIL, detail);
    }
    if let Some(hint) = report.hint {
        field(Fields::HINT, hint);
    }
    if let Some(position) = report.position {
        field(Fields::POSITION, &position.to_string());
    }
    out.put_u8(0);
}

/// An ErrorResponse or NoticeResponse (`kind`) of the fields given, letter and text: for a server's report of which some fields are
/// changed or left out.
pub fn report<'f>(
    out: &mut BytesMut,
    kind: u8,
    fields: impl Iterator<Item = (u8, &'f [u8])>,
) -> Result<(), EncodeError> {
    write::frame(out, kind, |out| {
        for (letter, text) in fields {
            if letter == 0 || memchr::memchr(0, text).is_some() {
                return Err(EncodeError::ZeroByte { field: "report" });
            }
            out.put_u8(letter);
            out.put_slice(text);
            out.put_u8(0);
        }
        out.put_u8(0);
        Ok(())
    })
}

/// AuthenticationOk.
pub fn authentication_ok(out: &mut BytesMut) {
    write::bounded(out, kind::AUTHENTICATION, |out| out.put_u32(0));
}

/// AuthenticationCleartextPassword. Only over TLS.
pub fn authentication_cleartext_password(out: &mut BytesMut) {
    write::bounded(out, kind::AUTHENTICATION, |out| out.put_u32(3));
}

/// AuthenticationSASL: offers these mechanisms, best first.
pub fn authentication_sasl(out: &mut BytesMut, mechanisms: &[&str]) {
    write::bounded(out, kind::AUTHENTICATION, |out| {
        out.put_u32(10);
        mechanisms.iter().for_each(|name| write::own_text(out, name, OWN_TEXT_MAX));
        out.put_u8(0);
    });
}

/// AuthenticationSASLContinue.
pub fn authentication_sasl_continue(out: &mut BytesMut, data: &[u8]) {
    write::bounded(out, kind::AUTHENTICATION, |out| {
        out.put_u32(11);
        out.put_slice(data);
    });
}

/// AuthenticationSASLFinal.
pub fn authentication_sasl_final(out: &mut BytesMut, data: &[u8]) {
    write::bounded(out, kind::AUTHENTICATION, |out| {
        out.put_u32(12);
        out.put_slice(data);
    });
}

/// BackendKeyData. The secret has 4 bytes for a client of protocol 3.0.
pub fn backend_key_data(out: &mut BytesMut, key: &CancelKey) {
    write::bounded(out, kind::BACKEND_KEY_DATA, |out| {
        out.put_u32(key.process);
        out.put_slice(&key.secret);
    });
}

/// NegotiateProtocolVersion: the newest minor version spoken, and the options that are not known.
pub fn negotiate_protocol_version(out: &mut BytesMut, minor: u16, options: &[&str]) {
    write::bounded(out, kind::NEGOTIATE_PROTOCOL_VERSION, |out| {
        // Postgres sends the whole version, though its documentation speaks of the minor one alone.
        out.put_u32((3 << 16) | u32::from(minor));
        out.put_u32(u32::try_from(options.len()).unwrap_or(u32::MAX));
        options.iter().for_each(|name| write::own_text(out, name, OWN_TEXT_MAX));
    });
}

/// BindComplete.
pub fn bind_complete(out: &mut BytesMut) {
    write::empty(out, kind::BIND_COMPLETE);
}

/// CloseComplete.
pub fn close_complete(out: &mut BytesMut) {
    write::empty(out, kind::CLOSE_COMPLETE);
}

/// CommandComplete.
pub fn command_complete(out: &mut BytesMut, tag: &str) {
    write::bounded(out, kind::COMMAND_COMPLETE, |out| write::own_text(out, tag, OWN_TEXT_MAX));
}

/// CopyData.
pub fn copy_data(out: &mut BytesMut, data: &[u8]) -> Result<(), EncodeError> {
    write::frame(out, kind::COPY_DATA, |out| {
        out.put_slice(data);
        Ok(())
    })
}

/// CopyDone.
pub fn copy_done(out: &mut BytesMut) {
    write::empty(out, kind::COPY_DONE);
}

/// CopyOutResponse.
pub fn copy_out_response(out: &mut BytesMut, response: &CopyResponse) -> Result<(), EncodeError> {
    copy_response(out, kind::COPY_OUT_RESPONSE, response)
}

/// CopyInResponse.
pub fn copy_in_response(out: &mut BytesMut, response: &CopyResponse) -> Result<(), EncodeError> {
    copy_response(out, kind::COPY_IN_RESPONSE, response)
}

fn copy_response(out: &mut BytesMut, kind: u8, response: &CopyResponse) -> Result<(), EncodeError> {
    write::frame(out, kind, |out| {
        out.put_u8(u8::from(response.format == Format::Binary));
        write::count(out, response.columns.len(), "columns")?;
        response.columns.iter().for_each(|format| out.put_i16(format.code()));
        Ok(())
    })
}

/// DataRow.
pub fn data_row<'v>(
    out: &mut BytesMut,
    values: impl ExactSizeIterator<Item = Option<&'v [u8]>>,
) -> Result<(), EncodeError> {
    write::frame(out, kind::DATA_ROW, |out| {
        write::count(out, values.len(), "fields")?;
        for value in values {
            write::value(out, value, "field")?;
        }
        Ok(())
    })
}

/// EmptyQueryResponse.
pub fn empty_query_response(out: &mut BytesMut) {
    write::empty(out, kind::EMPTY_QUERY_RESPONSE);
}

/// NoData.
pub fn no_data(out: &mut BytesMut) {
    write::empty(out, kind::NO_DATA);
}

/// NotificationResponse.
pub fn notification_response(out: &mut BytesMut, notification: &super::Notification<'_>) -> Result<(), EncodeError> {
    write::frame(out, kind::NOTIFICATION_RESPONSE, |out| {
        out.put_u32(notification.process);
        write::text(out, notification.channel, "channel")?;
        write::text(out, notification.payload, "payload")
    })
}

/// ParameterDescription.
pub fn parameter_description(out: &mut BytesMut, types: &[u32]) -> Result<(), EncodeError> {
    write::frame(out, kind::PARAMETER_DESCRIPTION, |out| {
        write::count(out, types.len(), "types")?;
        types.iter().for_each(|oid| out.put_u32(*oid));
        Ok(())
    })
}

/// ParameterStatus. Both texts are cut at [`OWN_TEXT_MAX`] bytes.
pub fn parameter_status(out: &mut BytesMut, name: &str, value: &str) {
    write::bounded(out, kind::PARAMETER_STATUS, |out| {
        write::own_text(out, name, OWN_TEXT_MAX);
        write::own_text(out, value, OWN_TEXT_MAX);
    });
}

/// ParseComplete.
pub fn parse_complete(out: &mut BytesMut) {
    write::empty(out, kind::PARSE_COMPLETE);
}

/// PortalSuspended.
pub fn portal_suspended(out: &mut BytesMut) {
    write::empty(out, kind::PORTAL_SUSPENDED);
}

/// ReadyForQuery.
pub fn ready_for_query(out: &mut BytesMut, status: Status) {
    write::bounded(out, kind::READY_FOR_QUERY, |out| out.put_u8(status.letter()));
}

/// RowDescription.
pub fn row_description(out: &mut BytesMut, columns: &[ColumnDescription]) -> Result<(), EncodeError> {
    write::frame(out, kind::ROW_DESCRIPTION, |out| {
        write::count(out, columns.len(), "columns")?;
        for column in columns {
            write::text(out, &column.name, "column name")?;
            out.put_u32(column.table);
            out.put_i16(column.attribute);
            out.put_u32(column.type_oid);
            out.put_i16(column.size);
            out.put_i32(column.modifier);
            out.put_i16(column.format.code());
        }
        Ok(())
    })
}
