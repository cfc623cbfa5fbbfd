//! What goes in and what comes out.

use std::sync::Arc;

use querygate_record::{Event, HoldId, Outcome, Value};

use crate::judgement::{HoldRequest, Judgement, Question, Ruling};

/// A statement or a portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A prepared statement.
    Statement,
    /// A bound portal.
    Portal,
}

/// One message of the client, its bytes kept by the driver.
#[derive(Clone, Copy, Debug)]
pub enum ClientMessage<'a> {
    /// A text to run at once.
    Query {
        /// The text.
        text: &'a str,
    },
    /// A text to prepare.
    Parse {
        /// The statement's name; empty for the unnamed one.
        name: &'a str,
        /// The text.
        text: &'a str,
    },
    /// Values for a prepared statement.
    Bind {
        /// The portal to make; empty for the unnamed one.
        portal: &'a str,
        /// The prepared statement.
        statement: &'a str,
        /// Format codes of the values, as the protocol has them.
        formats: &'a [i16],
        /// The values.
        values: &'a [Option<&'a [u8]>],
        /// Format codes of the result columns, as the protocol has them.
        result_formats: &'a [i16],
    },
    /// Asks for columns.
    Describe(Target, &'a str),
    /// Runs a portal.
    Execute {
        /// The portal.
        portal: &'a str,
    },
    /// Drops a statement or a portal.
    Close(Target, &'a str),
    /// Asks for the replies so far.
    Flush,
    /// Ends a pipeline.
    Sync,
    /// COPY data.
    CopyData,
    /// End of COPY data.
    CopyDone,
    /// The client gives up a COPY.
    CopyFail,
    /// A text longer than the limit; its bytes are gone.
    TooLong {
        /// The limit, bytes.
        limit: usize,
        /// It came with Query (else with Parse or Bind).
        query: bool,
    },
    /// A text that is not UTF-8, which is all that passes.
    NotText {
        /// It came with Query (else with Parse).
        query: bool,
    },
    /// A message that the gateway refuses by name.
    Unsupported {
        /// Its name.
        what: &'static str,
        /// The client waits for ReadyForQuery (else it sends Sync).
        query: bool,
    },
}

/// Whether a client message was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It was dealt with: drop its bytes.
    Taken,
    /// Not now: present it again after the next event. Nothing behind it may pass.
    Later,
}

/// The transaction's state as the server reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transaction {
    /// None is open.
    #[default]
    Idle,
    /// One is open.
    Open,
    /// One is open and failed.
    Failed,
}

/// One column of a result as the server describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// OID of the table that it comes from, 0 if from none.
    pub table: u32,
    /// Attribute number there, 0 if none.
    pub attribute: i16,
    /// OID of its type.
    pub type_oid: u32,
    /// Its format code: 0 text, 1 binary.
    pub format: i16,
}

/// Format codes of a result's columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Formats {
    /// All are text.
    #[default]
    Text,
    /// All are binary.
    Binary,
    /// One each.
    Each(Arc<[i16]>),
}

impl Formats {
    /// Reads format codes as Bind has them: none, one for all, or one each.
    pub fn new(codes: &[i16]) -> Formats {
        match codes {
            [] => Formats::Text,
            codes if codes.iter().all(|c| *c == 0) => Formats::Text,
            codes if codes.iter().all(|c| *c == 1) => Formats::Binary,
            codes => Formats::Each(codes.into()),
        }
    }

    /// Whether a column is binary.
    pub fn is_binary(&self, column: usize) -> bool {
        match self {
            Formats::Text => false,
            Formats::Binary => true,
            Formats::Each(codes) => codes.get(column).is_some_and(|c| *c == 1),
        }
    }
}

/// One message of the server other than rows.
#[derive(Clone, Copy, Debug)]
pub enum ServerMessage<'a> {
    /// A Parse succeeded.
    ParseComplete,
    /// A Bind succeeded.
    BindComplete,
    /// A Close succeeded.
    CloseComplete,
    /// Types of a statement's parameters.
    ParameterDescription,
    /// A statement without result columns.
    NoData,
    /// Result columns.
    Columns(&'a [Column]),
    /// A row; only while [`crate::Session::wants_row`].
    Row(&'a [Option<&'a [u8]>]),
    /// A statement ended well.
    Complete {
        /// Rows changed or sent, as its tag says.
        rows: u64,
    },
    /// An empty text.
    Empty,
    /// A portal gave as many rows as asked for.
    Suspended,
    /// COPY: the server wants data.
    CopyIn,
    /// COPY: the server sends data.
    CopyOut,
    /// The end of COPY data.
    CopyDone,
    /// An error.
    Failed {
        /// Its SQLSTATE.
        code: &'a str,
    },
    /// The end of a query or pipeline.
    Ready(Transaction),
}

/// What becomes of a server message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relay {
    /// It goes to the client as it is.
    Pass,
    /// It answers the gateway's own message.
    Swallow,
    /// An error or notice: the client gets the canonical text of its code.
    Canonical,
}

/// What happens beside the two streams.
#[derive(Clone, Debug)]
pub enum Control {
    /// A reviewer ruled, or the time ran out.
    Decided(Ruling),
    /// The request got its id.
    Asked(HoldId),
    /// The client asked to cancel what runs.
    Cancel,
    /// What runs has run for longer than it may.
    Overdue,
    /// The server has been told to cancel.
    CancelDone,
    /// A side is gone, or the gateway stops: what is open ends.
    Gone {
        /// Why, for the log.
        status: &'static str,
    },
}

/// What the driver must do, in order.
#[derive(Clone, Debug)]
pub enum Action {
    /// Put an entry into the log. Nothing forwarded or injected after it may reach the server before the entry is appended,
    /// and, where `durable` says so, synced.
    Log {
        /// The statement's number; 0 for none.
        number: u64,
        /// The entry.
        entry: Log,
        /// It must be on disk.
        durable: bool,
    },
    /// Send the client's message on to the server.
    Forward,
    /// Send it with another text.
    ForwardText(Arc<str>),
    /// Present these texts in place of the client's message, each prepared, bound, described and executed, and one Sync after the last. The client
    /// gets of the replies what it would of a text of several statements.
    Apart(Arc<[Box<str>]>),
    /// Send a message of the gateway's own.
    Inject(Injected),
    /// Tell the client.
    Tell(ClientReply),
    /// Ask reviewers.
    Ask(Box<HoldRequest>),
    /// Take a request back.
    Withdraw(HoldId, &'static str),
    /// Cancel what the server runs.
    CancelServer,
    /// End the session.
    End(EndReason),
}

/// An entry that the driver completes with session, time and digests.
#[derive(Clone, Debug)]
pub enum Log {
    /// A text is prepared.
    Prepare(Arc<Judgement>),
    /// A statement is about to be sent, or was refused.
    Begin(Arc<Judgement>, Vec<Value>),
    /// A portal is executed.
    Execute,
    /// A statement ended.
    End(Box<Outcome>),
    /// The gateway's own statement.
    Own(&'static str),
    /// The end of one of those.
    OwnEnd(Box<Outcome>),
    /// Anything else.
    Other(Event),
}

/// Messages of the gateway's own to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Injected {
    /// Describe a prepared statement.
    DescribeStatement(String),
    /// Ask for the replies so far.
    Flush,
    /// End the pipeline.
    Sync,
    /// Run a portal that can't exist, so that the server fails the implicit transaction.
    Poison,
    /// Read the tracked settings back.
    ReadSettings,
    /// Ask for the catalog as the open transaction sees it.
    AskCatalog(Question),
    /// Prepare and describe a query without running it: the columns of a COPY.
    Probe(Arc<str>),
}

/// What the client is told by the gateway itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientReply {
    /// An error that leaves the session open.
    Error(Report),
    /// A notice.
    Notice(Report),
    /// Ready for the next query.
    Ready(Transaction),
}

/// The parts of an error or notice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// SQLSTATE.
    pub code: &'static str,
    /// What happened.
    pub message: String,
    /// More of it.
    pub detail: String,
    /// What would pass.
    pub hint: String,
    /// Character in the text, from 1; 0 for none.
    pub position: u32,
}

/// Why a session ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The server names a masked column where the plan has no mask.
    CrossCheck {
        /// What it named, without data.
        detail: String,
    },
    /// A setting by which texts are read, or values written, is one that the gateway does not follow.
    Settings,
    /// The server sent what nobody asked for.
    Unexpected {
        /// What came.
        detail: String,
    },
}
