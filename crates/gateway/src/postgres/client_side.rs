//! The client's bytes: found, decoded, presented to the session in order.

use std::time::Instant;

use bytes::Buf;
use querygate_postgres::{
    Format, Problem,
    frame::{self, Header},
    frontend::{self, Message, kind},
};
use querygate_session::{ClientMessage, Judge, Step, Target};
use querygate_sql::catalog::FIRST_USER_OID;
use smallvec::SmallVec;

use crate::{
    driver::{Driver, End},
    duplex::OUT_BYTES_MAX,
    postgres::{Postgres, replies::is_reserved},
};

/// Bytes of one message other than COPY data: bind values are kept whole until the statement is decided.
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// COPY data above this streams.
const STREAM_BYTES_MIN: usize = 64 * 1024;

impl Driver<Postgres> {
    /// Presents what the client sent; true if anything was taken.
    pub(super) fn client_frames(&mut self) -> bool {
        let mut any = false;
        while self.end.is_none() && self.io.server.output.len() < OUT_BYTES_MAX && self.client_frame() {
            any = true;
        }
        any
    }

    /// Whether a whole message, or the beginning of one that streams, is there.
    pub(super) fn has_client_frame(&self) -> bool {
        match frame::peek_client(&self.io.client.input) {
            Ok(Some(header)) => self.io.client.input.len() >= header.length,
            Ok(None) => false,
            Err(_) => true,
        }
    }

    fn client_frame(&mut self) -> bool {
        if self.skip_or_stream() {
            return true;
        }
        let header = match frame::peek_client(&self.io.client.input) {
            Ok(Some(header)) => header,
            Ok(None) => return false,
            Err(error) => return self.protocol_error(&error.to_string()),
        };
        if let Some(limit) = self.too_long(header) {
            let query = header.kind == kind::QUERY;
            let taken = self.present(ClientMessage::TooLong { limit, query }, 0);
            if taken {
                self.wire.drop_client = header.length;
            }
            return taken;
        }
        if header.kind == kind::COPY_DATA && header.length > STREAM_BYTES_MIN {
            return self.large_copy_data(header);
        }
        if self.io.client.input.len() < header.length {
            return false;
        }
        self.whole_frame(header)
    }

    /// Goes on with a message that is dropped or streamed.
    fn skip_or_stream(&mut self) -> bool {
        let there = self.io.client.input.len();
        if self.wire.drop_client > 0 && there > 0 {
            let dropped = self.wire.drop_client.min(there);
            self.io.client.input.advance(dropped);
            self.wire.drop_client -= dropped;
            return true;
        }
        if self.wire.pass_client > 0 && there > 0 {
            let passed = self.wire.pass_client.min(there);
            let bytes = self.io.client.input.split_to(passed);
            self.io.server.output.extend_from_slice(&bytes);
            self.wire.pass_client -= passed;
            return true;
        }
        false
    }

    fn too_long(&self, header: Header) -> Option<usize> {
        let limit = match header.kind {
            kind::QUERY | kind::PARSE => self.statement_max,
            kind::COPY_DATA => return None,
            _ => MESSAGE_BYTES_MAX,
        };
        // The limit is for the text; a name and parameter types may stand beside it.
        (header.length > limit.saturating_add(1024)).then_some(limit)
    }

    fn large_copy_data(&mut self, header: Header) -> bool {
        let there = self.io.client.input.len().min(header.length);
        let before = self.io.server.output.len();
        if !self.present(ClientMessage::CopyData, there) {
            return false;
        }
        let rest = header.length - there;
        if self.io.server.output.len() > before {
            self.wire.pass_client = rest;
        } else {
            self.wire.drop_client = rest;
        }
        true
    }

    fn whole_frame(&mut self, header: Header) -> bool {
        match header.kind {
            kind::TERMINATE => {
                let reason = "the client ended the session".to_owned();
                self.end = Some(End { status: "disconnected", reason, farewell: None });
                false
            }
            kind::COPY_DATA => self.present(ClientMessage::CopyData, header.length),
            kind::SYNC => self.present(ClientMessage::Sync, header.length),
            kind::FLUSH => self.present(ClientMessage::Flush, header.length),
            kind::FUNCTION_CALL => self
                .present(ClientMessage::Unsupported { what: "the function call protocol", query: true }, header.length),
            _ => self.decoded_frame(header),
        }
    }

    /// Decodes the message at the head of the input and presents it.
    fn decoded_frame(&mut self, header: Header) -> bool {
        let Some(bytes) = self.io.client.input.get(..header.length) else { return false };
        let body = bytes.get(frame::HEADER..).unwrap_or_default();
        let message = match frontend::decode_body(header.kind, body) {
            Ok(message) => message,
            Err(error) => {
                // As the server does, which may go on with what follows such a text.
                let not_utf8 = matches!(error.malformed().problem, Problem::NotUtf8 { .. });
                if not_utf8 && matches!(header.kind, kind::QUERY | kind::PARSE) {
                    let query = header.kind == kind::QUERY;
                    return self.present(ClientMessage::NotText { query }, header.length);
                }
                let words = error.to_string();
                return self.protocol_error(&words);
            }
        };
        let reserved = ClientMessage::Unsupported { what: "a name that begins with _querygate", query: false };
        let codes = |formats: &[Format]| -> SmallVec<[i16; 8]> {
            formats.iter().map(|f| i16::from(*f == Format::Binary)).collect()
        };
        let (formats, result_formats);
        let message = match &message {
            Message::Query { text } => ClientMessage::Query { text },
            Message::Parse(p) if is_reserved(p.name) => reserved,
            // Analysis takes parameters for values of built-in types; another type brings its own functions and casts.
            Message::Parse(p) if self.judge.is_masked() && p.types.iter().any(|t| *t >= FIRST_USER_OID) => {
                ClientMessage::Unsupported { what: "a parameter of a type that is not built in", query: false }
            }
            Message::Parse(p) => ClientMessage::Parse { name: p.name, text: p.text },
            Message::Bind(b) if is_reserved(b.portal) || is_reserved(b.statement) => reserved,
            Message::Bind(b) => {
                formats = codes(&b.formats);
                result_formats = codes(&b.result_formats);
                ClientMessage::Bind {
                    portal: b.portal,
                    statement: b.statement,
                    formats: &formats,
                    values: &b.values,
                    result_formats: &result_formats,
                }
            }
            Message::Describe(n) | Message::Close(n) if is_reserved(n.name) => reserved,
            Message::Describe(n) => ClientMessage::Describe(target(n.target), n.name),
            Message::Close(n) => ClientMessage::Close(target(n.target), n.name),
            Message::Execute { portal, .. } if is_reserved(portal) => reserved,
            Message::Execute { portal, .. } => ClientMessage::Execute { portal },
            Message::CopyDone => ClientMessage::CopyDone,
            Message::CopyFail { .. } => ClientMessage::CopyFail,
            _ => return self.protocol_error("a message that does not belong here"),
        };
        self.waits_since.get_or_insert_with(Instant::now);
        let step = self.session.client(message, &mut self.judge, self.now_ns, &mut self.actions);
        self.step_done(step, header.length)
    }

    fn present(&mut self, message: ClientMessage<'_>, length: usize) -> bool {
        let step = self.session.client(message, &mut self.judge, self.now_ns, &mut self.actions);
        self.step_done(step, length)
    }

    fn step_done(&mut self, step: Step, length: usize) -> bool {
        self.blocked = step == Step::Later;
        if step == Step::Later {
            self.act(&[]);
            return false;
        }
        // Taken out so that the frame can be borrowed while it is acted on.
        let mut input = std::mem::take(&mut self.io.client.input);
        self.act(input.get(..length).unwrap_or_default());
        input.advance(length.min(input.len()));
        if !self.wire.instead.is_empty() {
            let mut instead = std::mem::take(&mut self.wire.instead);
            instead.unsplit(input);
            input = instead;
        }
        self.io.client.input = input;
        true
    }

    fn protocol_error(&mut self, words: &str) -> bool {
        let reason = format!("protocol violation by the client: {words}");
        self.end = Some(End { status: "ended", reason, farewell: Some(("08P01", words.to_owned())) });
        false
    }
}

fn target(target: frontend::Target) -> Target {
    match target {
        frontend::Target::Statement => Target::Statement,
        frontend::Target::Portal => Target::Portal,
    }
}
