//! The client's packets: found, decoded, presented to the session in order.

use std::time::Instant;

use bytes::Buf;
use querygate_mysql::{
    capability::{self as can, status},
    command::{self, Command, kind},
    login, packet,
    response::{OK, Success},
};
use querygate_session::{Action, ClientMessage, ClientReply, Judge, Report, ServerMessage, Step, Target, Transaction};
use querygate_sql::mysql::{RESET_CONNECTION, is_empty, kill};

use super::{
    errors,
    wire::{Awaits, Mysql, Owed, Stage},
};
use crate::{
    driver::{Driver, End, Wire},
    duplex::OUT_BYTES_MAX,
};

/// Bytes of one command: values are kept whole until the statement is decided.
const COMMAND_BYTES_MAX: usize = 64 * 1024 * 1024;

impl Driver<Mysql> {
    /// Presents what the client sent; true if anything was taken.
    pub(super) fn client_packets(&mut self) -> bool {
        let mut any = false;
        while self.end.is_none() && self.takes_more() && self.client_packet() {
            any = true;
        }
        any
    }

    /// Whether there is room for another command. That nothing follows one that was sent is told at once, however large it was: its answer may
    /// come before the last of it has left.
    fn takes_more(&self) -> bool {
        self.wire.stage == Stage::Close || self.io.server.output.len() < OUT_BYTES_MAX
    }

    /// Whether a whole command is there.
    pub(super) fn has_client_packet(&self) -> bool {
        !matches!(packet::next(&self.io.client.input, 0, COMMAND_BYTES_MAX), Ok(None))
    }

    fn client_packet(&mut self) -> bool {
        self.settle();
        if self.end.is_some() {
            return false;
        }
        if self.wire.stage == Stage::Close {
            return self.close_pipeline();
        }
        if !self.wire.is_quiet() {
            return false;
        }
        // Taken out so that the packet can be borrowed while it is acted on.
        let input = std::mem::take(&mut self.io.client.input);
        let found = packet::next(&input, 0, COMMAND_BYTES_MAX)
            .map(|found| found.map(|packet| (packet.payload.into_owned(), packet.length, packet.next_sequence)));
        self.io.client.input = input;
        match found {
            Ok(Some((payload, length, next_sequence))) => {
                self.wire.client_sequence = next_sequence;
                let taken = self.command(&payload);
                self.blocked = !taken;
                if taken && self.wire.stage != Stage::Run {
                    self.io.client.input.advance(length);
                }
                taken
            }
            Ok(None) => false,
            Err(error) => self.protocol_error(&error.to_string()),
        }
    }

    /// Tells the session what no packet says.
    pub(super) fn settle(&mut self) {
        while self.end.is_none()
            && let Some(owed) = self.wire.owed.pop_front()
        {
            match owed {
                Owed::Bound => self.told(ServerMessage::BindComplete),
                Owed::Closed => self.told(ServerMessage::CloseComplete),
                Owed::Poisoned => self.told(ServerMessage::Failed { code: "34000" }),
                Owed::Ready => self.told(ServerMessage::Ready(self.wire.transaction)),
                Owed::Killed { connection, found } => self.killed(connection, found),
                Owed::Described(name) => {
                    let origins = self.wire.statements.named(&name).map(|s| s.origins.clone()).unwrap_or_default();
                    self.described(&origins);
                }
            }
        }
    }

    /// Tells the session that nothing follows what it was presented.
    fn close_pipeline(&mut self) -> bool {
        let step = self.offer(ClientMessage::Sync);
        self.blocked = step == Step::Later;
        let forwarded = self.forwards();
        self.act(&[]);
        if step == Step::Later {
            return false;
        }
        self.wire.stage = Stage::Fresh;
        if forwarded && self.wire.is_quiet() {
            self.wire.owed.push_back(Owed::Ready);
        }
        self.settle();
        true
    }

    fn offer(&mut self, message: ClientMessage<'_>) -> Step {
        self.session.client(message, &mut self.judge, self.now_ns, &mut self.actions)
    }

    /// Whether what was just offered goes to the server.
    fn forwards(&self) -> bool {
        self.actions.iter().any(|a| matches!(a, Action::Forward | Action::ForwardText(_)))
    }

    /// Presents one command; true if it was taken.
    fn command(&mut self, payload: &[u8]) -> bool {
        let command = match command::decode(payload) {
            Ok(command) => command,
            Err(error) => return self.protocol_error(&error.to_string()),
        };
        self.waits_since.get_or_insert_with(Instant::now);
        match command {
            Command::Query { text } => self.query(text, payload),
            Command::ProcessKill { connection } => self.query(format!("KILL {connection}").as_bytes(), payload),
            Command::InitDb { database } => self.init_db(database, payload),
            Command::StatementPrepare { text } => self.prepare(text, payload),
            Command::StatementExecute { statement, values, .. } => self.run_statement(statement, values, payload),
            Command::StatementClose { statement } => self.close_statement(statement, payload),
            Command::StatementReset { statement } => {
                self.wire.statements.forget_long(statement);
                self.wire.statements.keep_cursor(statement, None);
                self.pass(payload)
            }
            Command::StatementLongData { statement, parameter, data } => {
                match self.wire.statements.keep_long(statement, parameter, data) {
                    true => true,
                    false => self.ended("54000", "the long data of this session's statements is too much"),
                }
            }
            Command::Ping | Command::SetOption { .. } => self.pass(payload),
            Command::Quit => {
                let reason = "the client ended the session".to_owned();
                self.end = Some(End { status: "disconnected", reason, farewell: None });
                false
            }
            Command::ChangeUser => self.change_user(payload),
            Command::FieldList { table, .. } => self.field_list(table, payload),
            Command::ResetConnection => self.query(RESET_CONNECTION.as_bytes(), payload),
            Command::Statistics => self.statistics(),
            Command::StatementFetch { statement, .. } => self.fetch_rows(statement, payload),
            Command::Other { kind } => self.unsupported(command::name(kind)),
        }
    }

    fn query(&mut self, text: &[u8], payload: &[u8]) -> bool {
        let step = match self.readable(text) {
            Ok(text) if is_empty(text) => return self.nothing(payload),
            Ok(text) => {
                self.wire.kill = kill(text);
                self.offer(ClientMessage::Query { text })
            }
            Err(Some(limit)) => self.offer(ClientMessage::TooLong { limit, query: true }),
            Err(None) => return self.not_utf8(),
        };
        self.act(if step == Step::Taken { payload } else { &[] });
        self.wire.kill = None;
        step == Step::Taken
    }

    /// Answers KILL, which the gateway carries out itself.
    fn killed(&mut self, connection: u32, found: bool) {
        if found {
            let done = Success { status: status_of(self.wire.transaction), ..Success::default() };
            self.told(ServerMessage::Complete { rows: 0 });
            let packet = done.encode(OK, self.wire.capabilities & can::SESSION_TRACK != 0);
            self.tell_client(&packet);
        } else {
            let failure = errors::no_connection(connection);
            self.told(ServerMessage::Failed { code: &failure.code.to_string() });
            self.tell_client(&failure.encode());
        }
        self.told(ServerMessage::Ready(self.wire.transaction));
    }

    /// A text that can be judged; else the limit that it exceeds, or none where it is not UTF-8.
    fn readable<'t>(&self, text: &'t [u8]) -> Result<&'t str, Option<usize>> {
        if text.len() > self.statement_max {
            return Err(Some(self.statement_max));
        }
        std::str::from_utf8(text).map_err(|_| None)
    }

    /// USE by another way: only the session's own database, under the gateway's name for it or the server's.
    fn init_db(&mut self, database: &[u8], payload: &[u8]) -> bool {
        let settings = self.database.settings.clone();
        if database != settings.name.as_bytes() && database != settings.database.as_bytes() {
            let message = format!("Unknown database '{}'", String::from_utf8_lossy(database));
            return self.answer(Report { code: "3D000", message, ..Report::default() });
        }
        let text = format!("USE `{}`", settings.database.replace('`', "``"));
        let step = self.offer(ClientMessage::Query { text: &text });
        self.wire.substitute = Some([&[kind::QUERY], text.as_bytes()].concat());
        self.act(if step == Step::Taken { payload } else { &[] });
        self.wire.substitute = None;
        step == Step::Taken
    }

    /// What a table's columns are: judged as the statement that asks for the same.
    fn field_list(&mut self, table: &[u8], payload: &[u8]) -> bool {
        let Ok(table) = std::str::from_utf8(table) else { return self.not_utf8() };
        let text = format!("SHOW COLUMNS FROM `{}`", table.replace('`', "``"));
        let step = self.offer(ClientMessage::Query { text: &text });
        self.act(if step == Step::Taken { payload } else { &[] });
        step == Step::Taken
    }

    /// A line of numbers, of which the session's own are told: those of the server tell of everybody.
    fn statistics(&mut self) -> bool {
        if !self.session.is_quiet() {
            return false;
        }
        let (_, statements) = self.session.activity();
        let seconds = self.wire.since.elapsed().as_secs();
        let line = format!("Uptime: {seconds}  Threads: 1  Questions: {statements}");
        self.tell_client(line.as_bytes());
        true
    }

    /// Ends this session; the connection goes on with another when the client has proved who it is then.
    fn change_user(&mut self, payload: &[u8]) -> bool {
        if !self.session.is_quiet() {
            return false;
        }
        match login::change(payload, &self.wire.login) {
            Ok(login) => self.wire.changes = Some(login),
            Err(error) => return self.protocol_error(&error.to_string()),
        }
        let reason = "the client logs in as another user".to_owned();
        self.end = Some(End { status: "ended", reason, farewell: None });
        true
    }

    fn prepare(&mut self, text: &[u8], payload: &[u8]) -> bool {
        let step = match self.readable(text) {
            Ok(text) if is_empty(text) => return self.answer(errors::empty()),
            Ok(text) => {
                let name = self.wire.statements.next_name();
                self.offer(ClientMessage::Parse { name: &name, text })
            }
            Err(Some(limit)) => self.offer(ClientMessage::TooLong { limit, query: false }),
            Err(None) => return self.not_utf8(),
        };
        self.act(if step == Step::Taken { payload } else { &[] });
        if step == Step::Later {
            return false;
        }
        self.wire.stage = Stage::Close;
        true
    }

    /// Binds the values, then executes: two steps of the session for one packet, which goes to the server when both are taken.
    fn run_statement(&mut self, statement: u32, values: &[u8], payload: &[u8]) -> bool {
        if self.wire.stage == Stage::Run {
            return self.run_bound(payload);
        }
        let bound = match self.wire.statements.bound(statement, values) {
            Ok(bound) => bound,
            Err(error) => return self.protocol_error(&error.to_string()),
        };
        let values: Vec<Option<&[u8]>> = bound.values.iter().map(Option::as_deref).collect();
        self.bind(statement, &values)
    }

    /// Rows of a cursor: for the session another execution of its statement, under the policy of now, which has its own entries in the log.
    fn fetch_rows(&mut self, statement: u32, payload: &[u8]) -> bool {
        if self.wire.stage == Stage::Run {
            return self.run_bound(payload);
        }
        match self.wire.statements.get(statement) {
            Some(found) if found.cursor.is_some() => self.bind(statement, &[]),
            _ if !self.session.is_quiet() => false,
            _ => {
                self.tell_client(&errors::no_cursor(statement).encode());
                true
            }
        }
    }

    fn run_bound(&mut self, payload: &[u8]) -> bool {
        let step = self.offer(ClientMessage::Execute { portal: "" });
        self.act(if step == Step::Taken { payload } else { &[] });
        if step == Step::Taken {
            self.wire.stage = Stage::Close;
        }
        step == Step::Taken
    }

    fn bind(&mut self, statement: u32, values: &[Option<&[u8]>]) -> bool {
        let name = self.wire.statements.get(statement).map_or_else(|| "none".to_owned(), |s| s.name.clone());
        let message = ClientMessage::Bind { portal: "", statement: &name, formats: &[], values, result_formats: &[] };
        let step = self.offer(message);
        let forwarded = self.forwards();
        // The packet itself is sent when it is executed.
        self.act(&[]);
        if step == Step::Later {
            return false;
        }
        if forwarded {
            self.wire.owed.push_back(Owed::Bound);
            self.wire.stage = Stage::Run;
        } else {
            self.wire.statements.forget_long(statement);
            self.wire.stage = Stage::Close;
        }
        self.settle();
        true
    }

    fn close_statement(&mut self, statement: u32, payload: &[u8]) -> bool {
        let Some(name) = self.wire.statements.get(statement).map(|s| s.name.clone()) else { return true };
        let step = self.offer(ClientMessage::Close(Target::Statement, &name));
        self.act(if step == Step::Taken { payload } else { &[] });
        if step == Step::Later {
            return false;
        }
        self.wire.statements.remove(statement);
        self.wire.owed.push_back(Owed::Closed);
        self.wire.stage = Stage::Close;
        true
    }

    /// Lets a command through that runs nothing and shows nothing.
    fn pass(&mut self, payload: &[u8]) -> bool {
        if !self.session.is_quiet() {
            return false;
        }
        <Mysql as Wire>::forward(self, payload, None);
        true
    }

    /// A text without a statement: the server says whether that is an error.
    fn nothing(&mut self, payload: &[u8]) -> bool {
        let taken = self.pass(payload);
        if taken {
            self.wire.awaits = Awaits::One;
        }
        taken
    }

    fn unsupported(&mut self, what: &'static str) -> bool {
        let step = self.offer(ClientMessage::Unsupported { what, query: true });
        self.act(&[]);
        step == Step::Taken
    }

    fn not_utf8(&mut self) -> bool {
        let message = "the text is not valid utf8mb4: connect with that character set".to_owned();
        self.answer(Report { code: "22021", message, ..Report::default() })
    }

    /// Answers a command that the session need not know of.
    fn answer(&mut self, report: Report) -> bool {
        <Mysql as Wire>::tell(self, &ClientReply::Error(report));
        true
    }

    fn ended(&mut self, code: &'static str, words: &str) -> bool {
        self.end = Some(End { status: "ended", reason: words.to_owned(), farewell: Some((code, words.to_owned())) });
        false
    }

    pub(super) fn protocol_error(&mut self, words: &str) -> bool {
        let reason = format!("protocol violation by the client: {words}");
        self.end = Some(End { status: "ended", reason, farewell: Some(("08P01", words.to_owned())) });
        false
    }

    /// Whether columns are masked from the client.
    pub(super) fn is_masked(&self) -> bool {
        self.judge.is_masked()
    }
}

fn status_of(transaction: Transaction) -> u16 {
    match transaction {
        Transaction::Idle => status::AUTOCOMMIT,
        _ => status::IN_TRANSACTION,
    }
}
