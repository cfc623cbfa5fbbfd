//! Bounds on a result. Where one is reached, the server's statement is cancelled and what still comes of its result is dropped; the
//! client is told once the server has answered, so that what it is told is true. If the server had already finished, the rest of the
//! pipeline's answers is dropped too, as after any error, and the transaction is made to fail where it still can be.

use crate::{
    event::{Action, ClientReply, Report, ServerMessage, Transaction},
    expect::Expect,
    session::{Mode, Session},
};

/// How much of one result may pass: of one statement, or of one portal however often it is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Rows; COPY counts its data messages, of which the server sends one for each row.
    pub rows: u64,
    /// Bytes as the client would get them.
    pub bytes: u64,
}

impl Default for Caps {
    /// No bounds.
    fn default() -> Caps {
        Caps { rows: u64::MAX, bytes: u64::MAX }
    }
}

/// A row or COPY chunk on its way to the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// Rows that it counts as.
    pub rows: u64,
    /// Its bytes as the client gets them.
    pub bytes: u64,
    /// Fields in it that were masked.
    pub masked_fields: u64,
    /// It is COPY data, whose rows the end of the COPY tells.
    pub copy: bool,
}

/// Which bound was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Rows(u64),
    Bytes(u64),
    /// One row, which has masks.
    Row(u64),
}

/// SQLSTATE of a result that is too large: program_limit_exceeded.
pub(crate) const OVER: &str = "54000";

impl Over {
    /// What the client is told. `ran`: the server had finished before it could be stopped, and what it did may count.
    pub(crate) fn report(self, ran: bool) -> Report {
        let setting = |name: &str| {
            format!("Ask for less: LIMIT, a narrower WHERE, an aggregate. The bound is the setting {name}.")
        };
        let (message, hint) = match self {
            Over::Rows(most) => (format!("the result has more than {most} rows"), setting("limits.rows")),
            Over::Bytes(most) => (format!("the result has more than {most} bytes"), setting("limits.bytes")),
            Over::Row(most) => (
                format!("a row in which columns are masked has more than {most} bytes"),
                "Ask for its large columns apart from those that are masked, or for a part of them: substring()."
                    .to_owned(),
            ),
        };
        let ending = match ran {
            true => {
                "The server had finished by then: what the statement and those sent with it changed counts, unless it is rolled back."
            }
            false => "The server stopped: nothing that the statement changed counts.",
        };
        Report {
            code: OVER,
            message,
            detail: format!("What was sent until then is not the whole result. {ending}"),
            hint,
            position: 0,
        }
    }
}

impl Session {
    /// Sets the bounds of each result that comes from now on.
    pub fn set_caps(&mut self, caps: Caps) {
        self.caps = caps;
    }

    /// Whether results have bounds.
    pub fn is_capped(&self) -> bool {
        self.caps != Caps::default()
    }

    /// Counts a piece of the result that comes now. False if it may not pass any more: then it is dropped, and all that follows it.
    pub fn admit(&mut self, piece: Piece, out: &mut Vec<Action>) -> bool {
        let (rows, bytes) = self.result.unwrap_or_else(|| self.sent_before());
        let sent = (rows.saturating_add(piece.rows), bytes.saturating_add(piece.bytes));
        if sent.0 > self.caps.rows {
            self.cut_off(Over::Rows(self.caps.rows), out);
            return false;
        }
        if sent.1 > self.caps.bytes {
            self.cut_off(Over::Bytes(self.caps.bytes), out);
            return false;
        }
        self.result = Some(sent);
        self.counted.rows += if piece.copy { 0 } else { piece.rows };
        self.counted.bytes += piece.bytes;
        self.counted.masked_fields += piece.masked_fields;
        true
    }

    /// A row that comes now is larger than what can be held to mask it: it is dropped, and its statement fails.
    pub fn row_too_large(&mut self, most: u64, out: &mut Vec<Action>) {
        self.cut_off(Over::Row(most), out);
    }

    /// What earlier executions of the portal that answers now have sent.
    fn sent_before(&self) -> (u64, u64) {
        match self.queue.front() {
            Some(Expect::Execute(e)) => self.open.get(&e.number).map_or((0, 0), |open| open.sent()),
            _ => (0, 0),
        }
    }

    fn cut_off(&mut self, over: Over, out: &mut Vec<Action>) {
        match self.queue.front_mut() {
            Some(Expect::Query(query)) => query.cut = Some(over),
            Some(Expect::Execute(execution)) => execution.cut = Some(over),
            _ => return,
        }
        self.cancel_server(out);
    }

    /// Whether what comes of results now is dropped.
    pub(crate) fn drops_rows(&self) -> bool {
        self.muted
            || match self.queue.front() {
                Some(Expect::Query(query)) => query.cut.is_some(),
                Some(Expect::Execute(execution)) => execution.cut.is_some(),
                _ => false,
            }
    }

    /// The bound that the statement at the head of the queue has reached, once.
    pub(crate) fn take_cut(&mut self) -> Option<Over> {
        match self.queue.front_mut()? {
            Expect::Query(query) => query.cut.take(),
            Expect::Execute(execution) => execution.cut.take(),
            _ => None,
        }
    }

    /// The server finished what was to be cut off: to the client it failed, and so did all that it sent with it.
    pub(crate) fn cut_too_late(&mut self, over: Over, out: &mut Vec<Action>) {
        let ended = self.queue.iter().any(Expect::ends_batch);
        out.push(Action::Tell(ClientReply::Error(over.report(ended))));
        self.muted = true;
        if !ended {
            // The transaction is made to fail before its end.
            self.mode = Mode::Skipping { poison: true };
        }
    }

    /// After the answers that were dropped: true if this one is dropped too, because the transaction is yet to fail.
    pub(crate) fn unmute(&mut self, message: ServerMessage<'_>, now_ns: i64, out: &mut Vec<Action>) -> bool {
        let ServerMessage::Ready(transaction) = message else { return true };
        if transaction == Transaction::Open && self.queue.is_empty() && !self.habits.errors_keep_transactions {
            self.end_batch(true, now_ns, out);
            return true;
        }
        self.muted = false;
        false
    }

    /// The time of the statement that runs is over, and the server has not noticed: it is cancelled.
    pub(crate) fn overdue(&mut self, out: &mut Vec<Action>) {
        if self.runs_something() {
            self.overdue = true;
            self.cancel_server(out);
        }
    }

    /// What the client is told of a statement that took too long.
    pub(crate) fn too_slow() -> ClientReply {
        ClientReply::Error(Report {
            code: "57014",
            message: "canceling statement due to statement timeout".to_owned(),
            ..Report::default()
        })
    }
}
