//! The server's bytes: rows under the plan of their statement, everything else through the session.

use bytes::{Buf, BytesMut};
use querygate_postgres::{
    backend::{
        self, Message, Status,
        encode::{self, ErrorReport, Severity},
        kind,
    },
    frame::{self, Header},
    sqlstate,
};
use querygate_session::{Column, Judge, Piece, Relay, Rows, ServerMessage, Transaction};
use smallvec::SmallVec;

use crate::{
    driver::{Driver, End},
    duplex::OUT_BYTES_MAX,
    postgres::{
        Postgres,
        own::ANSWER_BYTES_MAX,
        rows::{self, CopyRows},
    },
};

/// A row or COPY chunk that is masked is held whole: a larger one is not shown, and its statement fails.
const MASKED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Rows above this stream where nothing is masked.
const STREAM_BYTES_MIN: usize = 64 * 1024;

/// What ends COPY data in binary (PostgreSQL documentation, "COPY", "File Trailer").
const BINARY_TRAILER: &[u8] = &[0xff, 0xff];
/// A piece of COPY data.
const COPIED: Piece = Piece { rows: 1, bytes: 0, masked_fields: 0, copy: true };

/// What one frame came to.
enum Done {
    /// It is part of a run that goes through as it is.
    Raw(usize),
    /// It was dealt with.
    Taken(usize),
    /// It is not whole, or the client must first take what waits.
    Wait,
}

impl Driver<Postgres> {
    /// Deals with what the server sent; true if anything was taken.
    pub(super) fn server_frames(&mut self) -> bool {
        // Taken out so that frames can be borrowed while the session works.
        let mut input = std::mem::take(&mut self.io.server.input);
        let mut any = self.pass_rest(&mut input) | self.drop_rest(&mut input);
        let mut run = 0;
        while self.end.is_none() && self.wire.pass_server == 0 && self.io.client.output.len() + run < OUT_BYTES_MAX {
            let rest = input.get(run..).unwrap_or_default();
            match self.server_frame(rest, run > 0) {
                Done::Raw(length) => run += length,
                Done::Taken(length) => {
                    input.advance(run + length);
                    run = 0;
                }
                Done::Wait if run > 0 => {
                    self.flush_run(&mut input, std::mem::take(&mut run));
                    any = true;
                    continue;
                }
                Done::Wait => break,
            }
            any = true;
        }
        if run > 0 {
            self.flush_run(&mut input, run);
        }
        self.io.server.input = input;
        any
    }

    /// Gives a run of untouched frames to the client: without a copy where nothing waits before it.
    fn flush_run(&mut self, input: &mut BytesMut, run: usize) {
        let available = run.min(input.len());
        self.wire.pass_server += run - available;
        let bytes = input.split_to(available);
        if self.io.client.output.is_empty() {
            self.io.client.output = bytes;
        } else {
            self.io.client.output.extend_from_slice(&bytes);
        }
    }

    fn pass_rest(&mut self, input: &mut BytesMut) -> bool {
        if self.wire.pass_server == 0 || input.is_empty() {
            return false;
        }
        let passed = self.wire.pass_server.min(input.len());
        let bytes = input.split_to(passed);
        self.io.client.output.extend_from_slice(&bytes);
        self.wire.pass_server -= passed;
        true
    }

    fn drop_rest(&mut self, input: &mut BytesMut) -> bool {
        let dropped = self.wire.drop_server.min(input.len());
        input.advance(dropped);
        self.wire.drop_server -= dropped;
        dropped > 0
    }

    /// One frame at the start of `rest`. A frame that needs work waits until the run before it is flushed.
    fn server_frame(&mut self, rest: &[u8], in_run: bool) -> Done {
        let header = match frame::peek_server(rest) {
            Ok(Some(header)) => header,
            Ok(None) => return Done::Wait,
            Err(error) => return self.bad_server(&error.to_string()),
        };
        match header.kind {
            kind::DATA_ROW => self.row(rest, header, in_run),
            kind::COPY_DATA => self.copy_chunk(rest, header, in_run),
            _ if in_run || rest.len() < header.length => Done::Wait,
            _ => {
                let Some(bytes) = rest.get(..header.length) else { return Done::Wait };
                let body = bytes.get(frame::HEADER..).unwrap_or_default();
                match backend::decode_body(header.kind, body) {
                    Ok(message) => {
                        self.server_message(&message, bytes);
                        Done::Taken(header.length)
                    }
                    Err(error) => self.bad_server(&error.to_string()),
                }
            }
        }
    }

    fn row(&mut self, rest: &[u8], header: Header, in_run: bool) -> Done {
        let whole = rest.len() >= header.length;
        match self.session.rows() {
            Rows::Planned(plan, _) if !rows::masks_any(plan) => {
                if !whole && header.length <= STREAM_BYTES_MIN {
                    return Done::Wait;
                }
                match self.admit(Piece { rows: 1, bytes: header.length as u64, ..Piece::default() }) {
                    true => Done::Raw(header.length),
                    false => self.drop_frame(rest, header, in_run),
                }
            }
            Rows::Own if in_run || !whole => {
                if header.length > ANSWER_BYTES_MAX {
                    return self.bad_server("an answer to the gateway's own question that is too long");
                }
                Done::Wait
            }
            Rows::Planned(..) if !in_run && header.length > MASKED_BYTES_MAX => self.too_large(rest, header),
            Rows::Planned(..) if in_run || !whole => Done::Wait,
            Rows::Planned(plan, formats) => {
                let frame = rest.get(..header.length).unwrap_or_default();
                let out = &mut self.io.client.output;
                let before = out.len();
                match rows::mask_row(frame, plan, formats, self.judge.rendering(), out) {
                    Ok(masked) => {
                        // What counts is what the client gets: the length of a secret must not decide.
                        let bytes = (out.len() - before) as u64;
                        if !self.admit(Piece { rows: 1, bytes, masked_fields: masked, copy: false }) {
                            self.io.client.output.truncate(before);
                        }
                        Done::Taken(header.length)
                    }
                    Err(why) => self.unmaskable(&why),
                }
            }
            Rows::Own => self.own_row(rest.get(..header.length).unwrap_or_default()),
            Rows::Dropped => self.drop_frame(rest, header, in_run),
            Rows::Unexpected => self.bad_server("a row that answers nothing"),
        }
    }

    /// Whether a piece of a result may pass.
    fn admit(&mut self, piece: Piece) -> bool {
        let passes = self.session.admit(piece, &mut self.actions);
        if !passes {
            self.act(&[]);
        }
        passes
    }

    /// What would have to be held whole to be masked is not shown, and its statement ends.
    fn too_large(&mut self, rest: &[u8], header: Header) -> Done {
        self.session.row_too_large(MASKED_BYTES_MAX as u64, &mut self.actions);
        self.act(&[]);
        self.drop_frame(rest, header, false)
    }

    /// Drops a message that may not be whole yet.
    fn drop_frame(&mut self, rest: &[u8], header: Header, in_run: bool) -> Done {
        if in_run {
            return Done::Wait;
        }
        let there = header.length.min(rest.len());
        self.wire.drop_server = header.length - there;
        Done::Taken(there)
    }

    fn own_row(&mut self, frame: &[u8]) -> Done {
        let body = frame.get(frame::HEADER..).unwrap_or_default();
        let Some(values) = fields(body) else { return self.bad_server("a row that can't be read") };
        self.session.server(ServerMessage::Row(&values), &mut self.judge, self.now_ns, &mut self.actions);
        self.act(&[]);
        Done::Taken(frame.len())
    }

    fn copy_chunk(&mut self, rest: &[u8], header: Header, in_run: bool) -> Done {
        let whole = rest.len() >= header.length;
        let plan = match self.session.rows() {
            Rows::Planned(plan, _) if rows::masks_any(plan) => plan,
            Rows::Planned(..) if !whole && header.length <= STREAM_BYTES_MIN => return Done::Wait,
            Rows::Planned(..) => {
                let piece = Piece { rows: self.copied_rows(rest, header), bytes: header.length as u64, ..COPIED };
                return match self.admit(piece) {
                    true => Done::Raw(header.length),
                    false => self.drop_frame(rest, header, in_run),
                };
            }
            Rows::Dropped => return self.drop_frame(rest, header, in_run),
            Rows::Own | Rows::Unexpected => return self.bad_server("COPY data that answers nothing"),
        };
        if !in_run && header.length > MASKED_BYTES_MAX {
            return self.too_large(rest, header);
        }
        if in_run || !whole {
            return Done::Wait;
        }
        let data = rest.get(frame::HEADER..header.length).unwrap_or_default();
        let Some(copy_rows) = &mut self.wire.copy_rows else {
            return self.bad_server("a COPY in a format that can't be masked");
        };
        let mut masked_data = BytesMut::new();
        let masked = match copy_rows.mask(data, plan, self.judge.rendering(), &mut masked_data) {
            Ok(masked) => masked,
            Err(why) => return self.unmaskable(&why),
        };
        let bytes = (frame::HEADER + masked_data.len()) as u64;
        let piece = Piece { rows: self.copied_rows(rest, header), bytes, masked_fields: masked, ..COPIED };
        // Of a row that is not whole yet, nothing passes.
        if self.admit(piece)
            && !masked_data.is_empty()
            && let Err(error) = encode::copy_data(&mut self.io.client.output, &masked_data)
        {
            return self.bad_server(&error.to_string());
        }
        Done::Taken(header.length)
    }

    /// As how many rows COPY data counts: names of columns and the end of binary data are none.
    fn copied_rows(&mut self, rest: &[u8], header: Header) -> u64 {
        let names = std::mem::take(&mut self.wire.copy_names);
        u64::from(!names && rest.get(frame::HEADER..header.length) != Some(BINARY_TRAILER))
    }

    fn server_message(&mut self, message: &Message<'_>, bytes: &[u8]) {
        let columns: SmallVec<[Column; 16]>;
        let event = match message {
            Message::ParseComplete => ServerMessage::ParseComplete,
            Message::BindComplete => ServerMessage::BindComplete,
            Message::CloseComplete => ServerMessage::CloseComplete,
            Message::ParameterDescription(_) => ServerMessage::ParameterDescription,
            Message::NoData => ServerMessage::NoData,
            Message::RowDescription(described) => {
                columns = described.iter().map(column).collect();
                ServerMessage::Columns(&columns)
            }
            Message::CommandComplete(tag) => ServerMessage::Complete { rows: tag.rows().unwrap_or(0) },
            Message::EmptyQueryResponse => ServerMessage::Empty,
            Message::PortalSuspended => ServerMessage::Suspended,
            Message::CopyInResponse(_) => ServerMessage::CopyIn,
            Message::CopyOutResponse(_) => {
                self.copy_begins();
                ServerMessage::CopyOut
            }
            Message::CopyDone => {
                let rows = self.wire.copy_rows.take().filter(|_| !matches!(self.session.rows(), Rows::Dropped));
                if let Some(Err(why)) = rows.map(|rows| rows.finish()) {
                    self.unmaskable(&why);
                    return;
                }
                ServerMessage::CopyDone
            }
            Message::ReadyForQuery(status) => ServerMessage::Ready(transaction(*status)),
            Message::ErrorResponse(fields) if fields.ends_connection() => return self.server_ends(fields),
            Message::ErrorResponse(fields) => {
                let code = fields.code();
                let relay = self.session.server(
                    ServerMessage::Failed { code },
                    &mut self.judge,
                    self.now_ns,
                    &mut self.actions,
                );
                return self.relay(relay, bytes, Some(fields));
            }
            Message::NoticeResponse(fields) => {
                let relay = self.session.diagnostics(self.judge.is_masked());
                return self.relay_notice(relay, bytes, fields);
            }
            Message::ParameterStatus { name, value } => return self.parameter(name, value, bytes),
            Message::NotificationResponse(notification) => return self.notification(notification, bytes),
            _ => {
                self.bad_server("a message that does not belong into a session");
                return;
            }
        };
        let relay = self.session.server(event, &mut self.judge, self.now_ns, &mut self.actions);
        self.relay(relay, bytes, None);
    }

    /// Lets a message through, or not, and carries out what the session made of it.
    fn relay(&mut self, relay: Relay, bytes: &[u8], error: Option<&backend::Fields<'_>>) {
        match (relay, error) {
            (Relay::Swallow, _) => {}
            (Relay::Canonical, Some(fields)) => {
                let code = sqlstate::documented(fields.code());
                let report = ErrorReport {
                    severity: Severity::Error,
                    code,
                    message: sqlstate::canonical(code),
                    ..ErrorReport::default()
                };
                encode::error(&mut self.io.client.output, &report);
            }
            _ if self.ends_session() || self.is_left_out(bytes) => {}
            _ => self.io.client.output.extend_from_slice(bytes),
        }
        self.act(&[]);
    }

    /// Whether a message is none that the client expects, because it sent the statements as one text.
    fn is_left_out(&mut self, bytes: &[u8]) -> bool {
        let kind = bytes.first().copied().unwrap_or_default();
        let prepares = matches!(kind, kind::PARSE_COMPLETE | kind::BIND_COMPLETE | kind::NO_DATA);
        let left_out = self.wire.plain_replies && prepares;
        self.wire.plain_replies &= kind != kind::READY_FOR_QUERY;
        left_out
    }

    /// Whether the message that was just judged ends the session: then it must not pass.
    fn ends_session(&self) -> bool {
        self.actions.iter().any(|a| matches!(a, querygate_session::Action::End(_)))
    }

    fn relay_notice(&mut self, relay: Relay, bytes: &[u8], fields: &backend::Fields<'_>) {
        if relay != Relay::Canonical {
            self.io.client.output.extend_from_slice(bytes);
            return;
        }
        let code = sqlstate::documented(fields.code());
        let severity = if fields.severity() == "WARNING" { Severity::Warning } else { Severity::Notice };
        let report = ErrorReport { severity, code, message: sqlstate::canonical(code), ..ErrorReport::default() };
        encode::notice(&mut self.io.client.output, &report);
    }

    /// ParameterStatus speaks of the gateway's login: to the client it speaks of the client.
    fn parameter(&mut self, name: &str, value: &str, bytes: &[u8]) {
        match client_value(name, value, &self.principal.identity.subject) {
            Some(value) => encode::parameter_status(&mut self.io.client.output, name, &value),
            None => self.io.client.output.extend_from_slice(bytes),
        }
    }

    /// A payload of another session may say what that session sees; one's own was analysed when it was sent.
    fn notification(&mut self, notification: &backend::Notification<'_>, bytes: &[u8]) {
        let own = self.wire.server_key.as_ref().is_some_and(|key| key.process() == notification.process);
        if own || !self.judge.is_masked() {
            self.io.client.output.extend_from_slice(bytes);
            return;
        }
        let emptied = backend::Notification { payload: "", ..*notification };
        if let Err(error) = encode::notification_response(&mut self.io.client.output, &emptied) {
            self.bad_server(&error.to_string());
        }
    }

    fn copy_begins(&mut self) {
        let Some(copy) = self.session.copy() else { return };
        let masked = matches!(self.session.rows(), Rows::Planned(plan, _) if rows::masks_any(plan));
        self.wire.copy_names = rows::begins_with_names(copy);
        self.wire.copy_rows = if masked { CopyRows::new(copy) } else { None };
    }

    /// The server closes the connection: its own words may hold anything.
    fn server_ends(&mut self, fields: &backend::Fields<'_>) {
        let code: &'static str = sqlstate::documented(fields.code());
        let words = sqlstate::canonical(code).to_owned();
        self.end = Some(End {
            status: "lost",
            reason: format!("the server ended the connection: {code}"),
            farewell: Some((code, words)),
        });
    }

    fn bad_server(&mut self, why: &str) -> Done {
        tracing::error!(session = %self.id, why, "the server sent something unexpected");
        self.alarm("protocol", why);
        let words = "the database server sent something unexpected; the session is ended".to_owned();
        self.end = Some(End { status: "ended", reason: format!("protocol: {why}"), farewell: Some(("08P01", words)) });
        Done::Wait
    }

    fn unmaskable(&mut self, why: &str) -> Done {
        self.alarm("mask", why);
        let words = "a value could not be masked; the session is ended and an alarm was raised".to_owned();
        self.end = Some(End { status: "ended", reason: format!("mask: {why}"), farewell: Some(("XX000", words)) });
        Done::Wait
    }
}

/// What the client is told of a parameter in place of the server's value.
pub fn client_value(name: &str, value: &str, subject: &str) -> Option<String> {
    match name {
        "session_authorization" => Some(subject.to_owned()),
        "is_superuser" => Some("off".to_owned()),
        "application_name" => {
            let own = value.strip_prefix(subject).and_then(|rest| rest.strip_prefix('/'));
            Some(own.unwrap_or(value).to_owned())
        }
        _ => None,
    }
}

fn column(described: &backend::ColumnDescription) -> Column {
    Column {
        table: described.table,
        attribute: described.attribute,
        type_oid: described.type_oid,
        format: i16::from(described.format == querygate_postgres::Format::Binary),
    }
}

fn transaction(status: Status) -> Transaction {
    match status {
        Status::Idle => Transaction::Idle,
        Status::InTransaction => Transaction::Open,
        Status::Failed => Transaction::Failed,
    }
}

/// The fields of a DataRow's body.
fn fields(body: &[u8]) -> Option<SmallVec<[Option<&[u8]>; 16]>> {
    let (count, mut rest) = body.split_first_chunk::<2>()?;
    let mut values = SmallVec::new();
    for _ in 0..u16::from_be_bytes(*count) {
        let (length, after) = rest.split_first_chunk::<4>()?;
        match usize::try_from(i32::from_be_bytes(*length)) {
            Ok(length) => {
                values.push(Some(after.get(..length)?));
                rest = after.get(length..)?;
            }
            Err(_) => {
                values.push(None);
                rest = after;
            }
        }
    }
    Some(values)
}
