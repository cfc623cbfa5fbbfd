//! What the gateway itself says to a client or a server.

use bytes::BytesMut;
use querygate_postgres::{
    EncodeError,
    backend::{
        Status,
        encode::{self, ErrorReport, Severity},
    },
    frontend::{self, Message, Parse, Target},
};
use querygate_session::{ClientReply, Injected, Report, Transaction};

use crate::{inside, settings};

/// Names of the gateway's own statements and portals on the server.
const OWN: &str = "_querygate";
/// A portal that never exists.
const NO_PORTAL: &str = "_querygate_none";

/// Whether a client's statement or portal name is one that the gateway keeps for itself.
pub fn is_reserved(name: &str) -> bool {
    name.starts_with(OWN)
}

/// Tells the client.
pub fn tell(out: &mut BytesMut, reply: &ClientReply) {
    match reply {
        ClientReply::Error(report) => encode::error(out, &full(report, Severity::Error)),
        ClientReply::Notice(report) => encode::notice(out, &full(report, Severity::Notice)),
        ClientReply::Ready(transaction) => encode::ready_for_query(out, status(*transaction)),
    }
}

fn full(report: &Report, severity: Severity) -> ErrorReport<'_> {
    let some = |text: &'_ str| -> bool { !text.is_empty() };
    ErrorReport {
        severity,
        code: report.code,
        message: &report.message,
        detail: some(&report.detail).then_some(report.detail.as_str()),
        hint: some(&report.hint).then_some(report.hint.as_str()),
        position: (report.position > 0).then_some(report.position),
    }
}

fn status(transaction: Transaction) -> Status {
    match transaction {
        Transaction::Idle => Status::Idle,
        Transaction::Open => Status::InTransaction,
        Transaction::Failed => Status::Failed,
    }
}

/// The last words to a client.
pub fn fatal(out: &mut BytesMut, code: &str, message: &str) {
    encode::error(out, &ErrorReport { severity: Severity::Fatal, code, message, ..ErrorReport::default() });
}

/// Leaves the server politely, unless it is gone.
pub fn terminate(out: &mut BytesMut, end: &str) {
    out.clear();
    if end != "lost" {
        frontend::encode::terminate(out);
    }
}

/// A message of the gateway's own to the server. None of them can be too long: their texts are constants or were already received.
pub fn inject(out: &mut BytesMut, message: &Injected) {
    use frontend::encode as e;
    let written = match message {
        Injected::DescribeStatement(name) => e::describe(out, Target::Statement, name),
        Injected::Flush => {
            e::flush(out);
            Ok(())
        }
        Injected::Sync => {
            e::sync(out);
            Ok(())
        }
        Injected::Poison => e::execute(out, NO_PORTAL, 0),
        Injected::ReadSettings => own_statement(out, settings::READ),
        Injected::AskCatalog(question) => {
            inside::statements(*question).iter().try_for_each(|text| own_statement(out, text))
        }
        Injected::Probe(text) => own_parse(out, text)
            .and_then(|()| e::describe(out, Target::Statement, OWN))
            .and_then(|()| e::close(out, Target::Statement, OWN)),
    };
    if let Err(error) = written {
        tracing::error!(%error, "a message of the gateway's own can't be written");
    }
}

/// Prepares it, in place of what a statement before it has left, should that have failed.
fn own_parse(out: &mut BytesMut, text: &str) -> Result<(), EncodeError> {
    frontend::encode::close(out, Target::Statement, OWN)?;
    frontend::encode::parse(out, &Parse { name: OWN, text, types: Vec::new() })
}

/// A statement that gives rows, from Parse to Close.
fn own_statement(out: &mut BytesMut, text: &str) -> Result<(), EncodeError> {
    use frontend::encode as e;
    own_parse(out, text)
        .and_then(|()| e::bind(out, &own_bind()))
        .and_then(|()| e::execute(out, OWN, 0))
        .and_then(|()| e::close(out, Target::Portal, OWN))
        .and_then(|()| e::close(out, Target::Statement, OWN))
}

fn own_bind() -> frontend::Bind<'static> {
    frontend::Bind { portal: OWN, statement: OWN, formats: Vec::new(), values: Vec::new(), result_formats: Vec::new() }
}

/// The messages that run statements one by one and together.
pub fn apart(out: &mut BytesMut, texts: &[Box<str>]) {
    use frontend::encode as e;
    let bind = frontend::Bind {
        portal: "",
        statement: "",
        formats: Vec::new(),
        values: Vec::new(),
        result_formats: Vec::new(),
    };
    for text in texts {
        let written = e::parse(out, &Parse { name: "", text, types: Vec::new() })
            .and_then(|()| e::bind(out, &bind))
            .and_then(|()| e::describe(out, Target::Portal, ""))
            .and_then(|()| e::execute(out, "", 0));
        if let Err(error) = written {
            tracing::error!(%error, "a statement of a text can't be written");
        }
    }
    e::sync(out);
}

/// Forwards a Query or Parse with another text.
pub fn forward_text(out: &mut BytesMut, frame: &[u8], text: &str) {
    let kind = frame.first().copied().unwrap_or_default();
    let body = frame.get(querygate_postgres::frame::HEADER..).unwrap_or_default();
    let written = match frontend::decode_body(kind, body) {
        Ok(Message::Query { .. }) => frontend::encode::query(out, text),
        Ok(Message::Parse(parse)) => frontend::encode::parse(out, &Parse { text, ..parse }),
        _ => Ok(()),
    };
    if let Err(error) = written {
        tracing::error!(%error, "a rewritten statement can't be written");
    }
}
