//! The server's packets: rows under the plan of their statement, everything else through the session.

use bytes::Buf;
use querygate_mysql::{
    capability::{self as can, status},
    column::{self, Column},
    packet,
    response::{self, Among, EOF, ERR, Failure, Head, OK, Success},
    row,
    statement::Prepared,
    value::Type,
};
use querygate_session::{Action, Column as Origin, EndReason, Piece, Relay, Rows, ServerMessage, Transaction};

use super::{
    errors,
    prepared::Statement,
    rows,
    wire::{Awaits, Mysql, Next, Owed, Preparing, Results},
};
use crate::{
    driver::{Driver, End},
    duplex::OUT_BYTES_MAX,
};

/// One packet of a server, all its parts together: rows are held whole while they are looked at.
const PACKET_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Columns of one result: as many as a statement may have parameters, which can be shown without a table.
const COLUMNS_MAX: u64 = 65_535;

impl Driver<Mysql> {
    /// Deals with what the server sent; true if anything was taken.
    pub(super) fn server_packets(&mut self) -> bool {
        // Taken out so that packets can be borrowed while the session works.
        let mut input = std::mem::take(&mut self.io.server.input);
        let mut any = false;
        while self.end.is_none() && !input.is_empty() && self.io.client.output.len() < OUT_BYTES_MAX {
            if self.wire.is_quiet() {
                self.server_ends();
                break;
            }
            match packet::next(&input, self.wire.server_sequence, PACKET_BYTES_MAX) {
                Ok(None) => break,
                Ok(Some(found)) => {
                    self.wire.server_sequence = found.next_sequence;
                    self.server_packet(&found.payload);
                    let length = found.length;
                    input.advance(length);
                    any = true;
                }
                Err(error) => self.bad_server(&error.to_string()),
            }
        }
        self.io.server.input = input;
        any
    }

    fn server_packet(&mut self, payload: &[u8]) {
        match std::mem::take(&mut self.wire.awaits) {
            Awaits::Nothing => self.server_ends(),
            Awaits::One => self.tell_client(payload),
            Awaits::Own(results) => self.own(results, payload),
            Awaits::Results(results) => self.result(results, payload),
            Awaits::Prepare(preparing) => self.preparing(preparing, payload),
            Awaits::Fields => self.fields(payload),
        }
    }

    /// Tells the session, and carries out what it makes of it.
    pub(super) fn told(&mut self, message: ServerMessage<'_>) {
        self.session.server(message, &mut self.judge, self.now_ns, &mut self.actions);
        self.act(&[]);
    }

    /// The same, saying what becomes of the packet; none where the session ends.
    fn relay(&mut self, message: ServerMessage<'_>) -> Option<Relay> {
        let relay = self.session.server(message, &mut self.judge, self.now_ns, &mut self.actions);
        let ends = self.actions.iter().any(|a| matches!(a, Action::End(_)));
        self.act(&[]);
        (!ends).then_some(relay)
    }

    /// Tells the session where a statement's columns come from.
    pub(super) fn described(&mut self, origins: &[(u32, i16)]) {
        self.told(ServerMessage::ParameterDescription);
        let columns: Vec<Origin> = origins.iter().map(|origin| from(*origin, false)).collect();
        self.told(if columns.is_empty() { ServerMessage::NoData } else { ServerMessage::Columns(&columns) });
    }

    fn deprecates_eof(&self) -> bool {
        self.wire.capabilities & can::DEPRECATE_EOF != 0
    }

    /// The answer to the gateway's own question: one row.
    fn own(&mut self, mut results: Results, payload: &[u8]) {
        let wrong = "the tracked settings could not be read";
        match results.next {
            Next::Head => match response::head(payload) {
                Ok(Head::Columns(count)) if count <= COLUMNS_MAX => results.next = Next::Columns(count),
                _ => return self.bad_server(wrong),
            },
            Next::Columns(left) => {
                results.origins.push((0, 0));
                results.next = self.after_column(left);
            }
            Next::ColumnsEnd => results.next = Next::Rows,
            Next::Rows => match response::among_rows(payload, self.deprecates_eof()) {
                Among::Row if results.rows == 0 => {
                    results.rows = 1;
                    let Ok(fields) = row::text_fields(payload, results.origins.len()) else {
                        return self.bad_server(wrong);
                    };
                    self.told(ServerMessage::CloseComplete);
                    self.told(ServerMessage::ParseComplete);
                    self.told(ServerMessage::BindComplete);
                    self.told(ServerMessage::Row(&fields));
                }
                Among::End if results.rows == 1 => {
                    self.told(ServerMessage::Complete { rows: 1 });
                    self.told(ServerMessage::CloseComplete);
                    self.told(ServerMessage::CloseComplete);
                    self.told(ServerMessage::Ready(self.wire.transaction));
                    return;
                }
                _ => return self.bad_server(wrong),
            },
        }
        self.wire.awaits = Awaits::Own(results);
    }

    /// A packet of the answer to COM_FIELD_LIST.
    fn fields(&mut self, payload: &[u8]) {
        match response::among_rows(payload, self.deprecates_eof()) {
            Among::Row if Column::decode_with_default(payload).is_ok() => {
                self.tell_client(payload);
                self.wire.awaits = Awaits::Fields;
            }
            Among::Row => self.bad_server("something else among a table's columns"),
            Among::End => self.ended_well(Results { next: Next::Rows, ..Results::default() }, payload),
            Among::Err => self.failed(payload),
        }
    }

    /// What comes behind one of so many column definitions.
    fn after_column(&self, left: u64) -> Next {
        match left.saturating_sub(1) {
            0 if self.deprecates_eof() => Next::Rows,
            0 => Next::ColumnsEnd,
            left => Next::Columns(left),
        }
    }

    fn result(&mut self, mut results: Results, payload: &[u8]) {
        match results.next {
            Next::Head => match response::head(payload) {
                Ok(Head::Ok) => return self.ended_well(results, payload),
                Ok(Head::Err) => return self.failed(payload),
                Ok(Head::LocalInfile) => return self.bad_server("it asks for a file, which nobody offered"),
                Ok(Head::Columns(count)) if (1..=COLUMNS_MAX).contains(&count) => {
                    results.next = Next::Columns(count);
                    (results.types, results.origins, results.rows) = (Vec::new(), Vec::new(), 0);
                }
                Ok(Head::Columns(_)) => return self.bad_server("a result of an impossible number of columns"),
                Err(error) => return self.bad_server(&error.to_string()),
            },
            Next::Columns(left) => {
                let Ok(column) = Column::decode(payload) else {
                    return self.bad_server("a column definition that can't be read");
                };
                results.types.push(type_of(&column));
                results.origins.push(self.origin(&column));
                results.next = self.after_column(left);
                if left == 1 && !self.columns_known(&results) {
                    return;
                }
            }
            Next::ColumnsEnd => {
                results.next = Next::Rows;
                // Where a cursor stays on the server, no rows follow.
                if Success::decode_eof(payload).is_ok_and(|end| end.status & status::CURSOR_EXISTS != 0) {
                    return self.ended_well(results, payload);
                }
            }
            Next::Rows => match response::among_rows(payload, self.deprecates_eof()) {
                Among::Row => {
                    if !self.row(&mut results, payload) {
                        return;
                    }
                    self.wire.awaits = Awaits::Results(results);
                    return;
                }
                Among::End => return self.ended_well(results, payload),
                Among::Err => return self.failed(payload),
            },
        }
        if !self.drops() {
            self.tell_client(payload);
        }
        self.wire.awaits = Awaits::Results(results);
    }

    /// All columns of a result are there: they are compared with the plan before any row is looked at. False if that ends the session.
    fn columns_known(&mut self, results: &Results) -> bool {
        let columns: Vec<Origin> = results.origins.iter().map(|o| from(*o, results.execution.is_some())).collect();
        match results.execution {
            None => self.relay(ServerMessage::Columns(&columns)).is_some(),
            Some(statement) => {
                if self.session.shows_several_results() {
                    return self.relay(ServerMessage::Columns(&columns)).is_some();
                }
                let same = self.wire.statements.get(statement).is_some_and(|s| s.origins == results.origins);
                if !same && self.is_masked() {
                    let detail = "the columns of a prepared statement are not those that were checked".to_owned();
                    self.end_for(EndReason::CrossCheck { detail });
                    return false;
                }
                true
            }
        }
    }

    /// A row under its statement's plan. False if it ends the session.
    fn row(&mut self, results: &mut Results, payload: &[u8]) -> bool {
        let plan = match self.session.rows() {
            Rows::Planned(plan, _) => plan.clone(),
            Rows::Dropped => return true,
            _ => {
                self.bad_server("a row that answers nothing");
                return false;
            }
        };
        results.rows += 1;
        if plan.masked.is_empty() {
            self.admit(payload, 0);
            return true;
        }
        let binary = results.execution.is_some();
        match rows::mask_row(payload, &plan, &results.types, binary, self.judge.rendering()) {
            Ok((masked, fields)) => {
                self.admit(&masked, fields);
                true
            }
            Err(why) => {
                self.alarm("mask", &why);
                let words = "a value could not be masked; the session is ended and an alarm was raised".to_owned();
                let reason = format!("mask: {why}");
                self.end = Some(End { status: "ended", reason, farewell: Some(("XX000", words)) });
                false
            }
        }
    }

    /// Lets a row pass while the result is within its bounds.
    fn admit(&mut self, row: &[u8], masked_fields: u64) {
        let piece = Piece { rows: 1, bytes: row.len() as u64, masked_fields, copy: false };
        if self.session.admit(piece, &mut self.actions) {
            self.tell_client(row);
        } else {
            self.act(&[]);
        }
    }

    /// Whether nothing of the result that comes now is for the client any more.
    fn drops(&self) -> bool {
        matches!(self.session.rows(), Rows::Dropped)
    }

    /// One statement of the answer ended well.
    fn ended_well(&mut self, results: Results, payload: &[u8]) {
        let of_rows = results.next == Next::Rows;
        let classic = of_rows && !self.deprecates_eof();
        let tracks = self.wire.capabilities & can::SESSION_TRACK != 0;
        let decoded = if classic { Success::decode_eof(payload) } else { Success::decode(payload, tracks) };
        let success = match decoded {
            Ok(success) => success,
            Err(error) => return self.bad_server(&error.to_string()),
        };
        self.wire.transaction = transaction(success.status);
        // Warnings may show values: those of a statement that touches masked columns are not even counted.
        let hidden = self.session.diagnostics(self.is_masked()) == Relay::Canonical;
        self.note_warnings(hidden, self.session.is_on_tables());
        let asked = self.wire.asked_charset.take().map(|set| (b"character_set_results".as_slice(), set.as_bytes()));
        let Ok(changes) = success.changes_with(response::tracked::GTIDS, asked) else {
            return self.bad_server("a change of the session's state that can't be read");
        };
        let told = Success { warnings: if hidden { 0 } else { success.warnings }, changes: &changes, ..success };
        let packet = match (classic, of_rows) {
            (true, _) => told.encode_eof(),
            (false, true) => told.encode(EOF, tracks),
            (false, false) => told.encode(OK, tracks),
        };
        if let Some(statement) = results.execution {
            let open = success.status & (status::CURSOR_EXISTS | status::LAST_ROW_SENT) == status::CURSOR_EXISTS;
            self.wire.statements.keep_cursor(statement, open.then(|| results.types.clone()));
        }
        if success.has_more() && self.session.shows_several_results() {
            // One of several results of one statement.
            if !self.drops() {
                self.tell_client(&packet);
            }
            let (execution, shown) = (results.execution, results.shown + results.rows);
            self.wire.awaits = Awaits::Results(Results { execution, shown, ..Results::default() });
            return;
        }
        let rows = match (of_rows, results.shown) {
            (true, shown) => shown + results.rows,
            (false, 0) => success.affected_rows,
            (false, shown) => shown,
        };
        match self.relay(ServerMessage::Complete { rows }) {
            None => return,
            Some(Relay::Swallow) => {}
            Some(_) => self.tell_client(&packet),
        }
        if success.has_more() {
            let next = Results { execution: results.execution, ..Results::default() };
            self.wire.awaits = Awaits::Results(next);
        } else {
            self.told(ServerMessage::Ready(self.wire.transaction));
        }
    }

    /// Notes whether the warnings that the server has now may be shown. A statement that uses no table and has no warnings of its own leaves those of
    /// the one before (MySQL manual, "SHOW WARNINGS Statement"): `replaces` says that it certainly did not.
    fn note_warnings(&mut self, hidden: bool, replaces: bool) {
        if !self.wire.shows_warnings && (hidden || replaces) {
            self.wire.warnings_hidden = hidden;
        }
    }

    /// A statement failed; whatever was to follow it does not come.
    fn failed(&mut self, payload: &[u8]) {
        let failure = match Failure::decode(payload) {
            Ok(failure) => failure,
            Err(error) => return self.bad_server(&error.to_string()),
        };
        let hidden = self.session.diagnostics(self.is_masked()) == Relay::Canonical;
        self.note_warnings(hidden, self.session.is_on_tables());
        // The server has rolled back what was open, and says so by the error alone.
        if matches!(failure.code, 1213 | 1614) {
            self.wire.transaction = Transaction::Idle;
        }
        match self.relay(ServerMessage::Failed { code: &failure.code.to_string() }) {
            None => return,
            Some(Relay::Canonical) => {
                let packet = errors::canonical(&failure).encode();
                self.tell_client(&packet);
            }
            Some(Relay::Swallow) => {}
            Some(_) => self.tell_client(payload),
        }
        self.told(ServerMessage::Ready(self.wire.transaction));
    }

    /// The answer to COM_STMT_PREPARE: definitions alone, passed on as they come; the session hears of it at its end.
    fn preparing(&mut self, mut preparing: Preparing, payload: &[u8]) {
        match preparing.prepared {
            None if payload.first() == Some(&ERR) => return self.failed(payload),
            None => match Prepared::decode(payload) {
                Ok(prepared) => {
                    (preparing.parameters, preparing.columns) = (prepared.parameters, prepared.columns);
                    preparing.prepared = Some(prepared);
                    let told = Prepared { warnings: if self.is_masked() { 0 } else { prepared.warnings }, ..prepared };
                    let packet = told.encode();
                    self.tell_client(&packet);
                }
                Err(error) => return self.bad_server(&error.to_string()),
            },
            Some(_) if std::mem::take(&mut preparing.end) => self.tell_client(payload),
            Some(_) => {
                let Ok(column) = Column::decode(payload) else {
                    return self.bad_server("a definition that can't be read");
                };
                if preparing.parameters > 0 {
                    preparing.parameters -= 1;
                    preparing.end = preparing.parameters == 0 && !self.deprecates_eof();
                } else {
                    let origin = self.origin(&column);
                    preparing.origins.push(origin);
                    preparing.columns = preparing.columns.saturating_sub(1);
                    preparing.end = preparing.columns == 0 && !self.deprecates_eof();
                }
                self.tell_client(payload);
            }
        }
        if preparing.parameters > 0 || preparing.columns > 0 || preparing.end {
            self.wire.awaits = Awaits::Prepare(preparing);
            return;
        }
        self.prepared(preparing);
    }

    fn prepared(&mut self, preparing: Preparing) {
        let Some(prepared) = preparing.prepared else { return };
        let statement = Statement {
            name: preparing.name,
            parameters: usize::from(prepared.parameters),
            origins: preparing.origins.clone(),
            ..Statement::default()
        };
        self.wire.statements.insert(prepared.statement, statement);
        self.told(ServerMessage::ParseComplete);
        if preparing.describe {
            self.described(&preparing.origins);
        }
        self.wire.owed.push_back(Owed::Ready);
        self.settle();
    }

    /// The table's column that the server names, by the catalog's numbers; zeros where it is none.
    fn origin(&self, column: &Column<'_>) -> (u32, i16) {
        let world = self.database.world.load();
        let Some(world) = world.as_ref() else { return (0, 0) };
        let catalog = world.bound.catalog();
        let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
        if !text(column.schema).eq_ignore_ascii_case(catalog.database()) {
            return (0, 0);
        }
        let table = text(column.org_table);
        let relation = catalog.relation_in("", table).or_else(|| catalog.relation_in("", &table.to_lowercase()));
        let name = text(column.org_name);
        let found = relation.and_then(|r| r.columns.iter().find(|c| c.name.eq_ignore_ascii_case(name)));
        found.map_or((0, 0), |c| (c.id.table, c.id.attribute))
    }

    /// The server speaks though nothing was asked: it closes the connection. Its words may hold anything.
    fn server_ends(&mut self) {
        let words = "the connection to the database server was lost".to_owned();
        self.end = Some(End { status: "lost", reason: words.clone(), farewell: Some(("08006", words)) });
    }

    pub(super) fn bad_server(&mut self, why: &str) {
        tracing::error!(session = %self.id, why, "the server sent something unexpected");
        self.alarm("protocol", why);
        let words = "the database server sent something unexpected; the session is ended".to_owned();
        self.end = Some(End { status: "ended", reason: format!("protocol: {why}"), farewell: Some(("08006", words)) });
    }
}

fn from((table, attribute): (u32, i16), binary: bool) -> Origin {
    Origin { table, attribute, type_oid: 0, format: i16::from(binary) }
}

fn type_of(column: &Column<'_>) -> Type {
    Type { kind: column.kind, unsigned: column.flags & column::UNSIGNED != 0, decimals: column.decimals }
}

fn transaction(flags: u16) -> Transaction {
    if flags & status::IN_TRANSACTION != 0 { Transaction::Open } else { Transaction::Idle }
}
