//! MySQL's part in driving a session.
//!
//! The protocol is a strict exchange: one command, its answer, the next command. The session speaks of preparing, binding, executing and
//! of ends of pipelines, as Postgres does: what has no packet of its own here is answered to it at once ([`Owed`]).

use std::{collections::VecDeque, pin::Pin, time::Instant};

use querygate_mysql::{command::kind, login::Login, packet, value::Type};
use querygate_session::{ClientReply, Habits, Injected, Transaction};
use querygate_sql::mysql::{Kill, is_without_warnings};

use super::{errors, prepared::Statements, settings, upstream};
use crate::{
    driver::{CANCEL_WAIT_MAX, Driver, End, Wire},
    registry::Cancelled,
};

/// What the driver keeps of a MySQL session's bytes.
pub struct Mysql {
    /// Flags that both sides agreed on.
    pub capabilities: u32,
    /// The server's number of its connection.
    pub number: u32,
    /// The sequence id of the next packet to the client.
    pub client_sequence: u8,
    /// The sequence id of the next packet of the server.
    pub server_sequence: u8,
    /// What the server's packets answer.
    pub awaits: Awaits,
    /// How far the command at the head of the client's input has been presented.
    pub stage: Stage,
    /// What the session is still to be told that no packet says.
    pub owed: VecDeque<Owed>,
    /// The transaction's state as the server last reported it.
    pub transaction: Transaction,
    /// Prepared statements.
    pub statements: Statements,
    /// A command that goes to the server in place of the client's.
    pub substitute: Option<Vec<u8>>,
    /// The character set of results that the client asked for where the server was asked for another: it is told what it expects.
    pub asked_charset: Option<&'static str>,
    /// The last statement touched what is masked: its warnings are not shown.
    pub warnings_hidden: bool,
    /// The statement under way shows the warnings of the one before, and leaves them as they are.
    pub shows_warnings: bool,
    /// What is done in place of sending the client's command.
    pub kill: Option<Kill>,
    /// What the client said of itself when it logged in.
    pub login: Login,
    /// What it says of itself to log in as another, when this session has ended.
    pub changes: Option<Login>,
    /// When the session began.
    pub since: Instant,
}

/// What the server's packets answer.
#[derive(Debug, Default)]
pub enum Awaits {
    /// Nothing.
    #[default]
    Nothing,
    /// A command whose answer is one packet.
    One,
    /// The gateway's own question.
    Own(Results),
    /// A text or an execution.
    Results(Results),
    /// A text that is prepared.
    Prepare(Preparing),
    /// COM_FIELD_LIST: definitions of columns.
    Fields,
}

/// Where an answer of results stands.
#[derive(Debug, Default)]
pub struct Results {
    /// What comes next.
    pub next: Next,
    /// Types of the columns of the result that comes now.
    pub types: Vec<Type>,
    /// Where they come from: table and attribute, 0 for none.
    pub origins: Vec<(u32, i16)>,
    /// Rows are in the binary protocol; of which statement.
    pub execution: Option<u32>,
    /// Rows of the result that comes now.
    pub rows: u64,
    /// Rows of the statement's results before it.
    pub shown: u64,
}

/// What comes next of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Next {
    /// Its first packet.
    #[default]
    Head,
    /// So many column definitions.
    Columns(u64),
    /// The end of the column definitions.
    ColumnsEnd,
    /// Rows.
    Rows,
}

/// Where the answer to COM_STMT_PREPARE stands.
#[derive(Debug, Default)]
pub struct Preparing {
    /// The session's name of the statement.
    pub name: String,
    /// Its first packet, once it is there.
    pub prepared: Option<querygate_mysql::statement::Prepared>,
    /// Definitions of parameters that are still to come.
    pub parameters: u16,
    /// Definitions of columns that are still to come.
    pub columns: u16,
    /// The end of one of the lists is to come.
    pub end: bool,
    /// Where the columns come from.
    pub origins: Vec<(u32, i16)>,
    /// The session has asked for the columns.
    pub describe: bool,
}

/// How far a command has been presented to the session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Not at all.
    #[default]
    Fresh,
    /// Its values were bound; it is to be executed.
    Run,
    /// It was dealt with; the session is to be told that nothing follows.
    Close,
}

/// What the session is told that no packet says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owed {
    /// Values were bound.
    Bound,
    /// A statement was dropped.
    Closed,
    /// The columns of a statement, as they came when it was prepared.
    Described(String),
    /// What can't be executed was not.
    Poisoned,
    /// Nothing is under way any more.
    Ready,
    /// The gateway has done what KILL asks for, or the principal has no such connection.
    Killed { connection: u32, found: bool },
}

impl Mysql {
    /// For a session after log-in.
    pub fn new(capabilities: u32, number: u32, login: Login) -> Mysql {
        Mysql {
            capabilities,
            number,
            client_sequence: 1,
            server_sequence: 0,
            awaits: Awaits::Nothing,
            stage: Stage::Fresh,
            owed: VecDeque::new(),
            transaction: Transaction::Idle,
            statements: Statements::default(),
            substitute: None,
            asked_charset: None,
            warnings_hidden: false,
            shows_warnings: false,
            kill: None,
            login,
            changes: None,
            since: Instant::now(),
        }
    }

    /// Whether the server owes nothing.
    pub fn is_quiet(&self) -> bool {
        matches!(self.awaits, Awaits::Nothing)
    }
}

impl Driver<Mysql> {
    /// Puts a packet before the client.
    pub(super) fn tell_client(&mut self, payload: &[u8]) {
        packet::write(&mut self.io.client.output, &mut self.wire.client_sequence, payload);
    }

    /// Puts a command before the server.
    pub(super) fn tell_server(&mut self, payload: &[u8]) {
        let mut sequence = 0;
        packet::write(&mut self.io.server.output, &mut sequence, payload);
        self.wire.server_sequence = sequence;
    }
}

/// How the server itself tells of a session whose results come in each column's own character set: for NULL the name is empty.
fn asked_charset(frame: &[u8]) -> &'static str {
    let binary = frame.to_ascii_lowercase().windows(6).any(|word| word == b"binary");
    if binary { "binary" } else { "" }
}

/// The judge asks nothing of the kind for MySQL.
fn impossible(driver: &mut Driver<Mysql>) {
    let words = "the gateway asked itself something that MySQL can't answer; the session is ended".to_owned();
    driver.end = Some(End { status: "ended", reason: words.clone(), farewell: Some(("XX000", words)) });
}

impl Wire for Mysql {
    const HABITS: Habits = Habits { errors_keep_transactions: true, prepare_replaces: true };

    fn client_frames(driver: &mut Driver<Mysql>) -> bool {
        driver.client_packets()
    }

    fn server_frames(driver: &mut Driver<Mysql>) -> bool {
        driver.server_packets()
    }

    fn has_client_frame(driver: &Driver<Mysql>) -> bool {
        driver.has_client_packet()
    }

    fn forward(driver: &mut Driver<Mysql>, frame: &[u8], text: Option<&str>) {
        if let Some(Kill { connection, query }) = driver.wire.kill.take() {
            let found = driver.shared.registry.kill(connection, query, &driver.principal);
            driver.wire.owed.push_back(Owed::Killed { connection, found });
            return;
        }
        let Some((kind, _)) = frame.split_first() else { return };
        let substitute = driver.wire.substitute.take();
        driver.wire.shows_warnings = text.is_some_and(is_without_warnings);
        let text = text.filter(|_| !driver.wire.shows_warnings || driver.wire.warnings_hidden || *kind != kind::QUERY);
        driver.wire.asked_charset = text.map(|_| asked_charset(frame));
        let rewritten = text.map(|text| [&[*kind], text.as_bytes()].concat());
        let payload = rewritten.as_deref().or(substitute.as_deref()).unwrap_or(frame);
        driver.wire.awaits = match *kind {
            kind::STMT_PREPARE => {
                let name = driver.wire.statements.last_name();
                Awaits::Prepare(Preparing { name, ..Preparing::default() })
            }
            kind::STMT_EXECUTE => return driver.execute(frame),
            kind::STMT_FETCH => return driver.fetch(frame),
            kind::STMT_CLOSE => Awaits::Nothing,
            kind::FIELD_LIST => Awaits::Fields,
            kind::QUERY | kind::INIT_DB => Awaits::Results(Results::default()),
            kind::RESET_CONNECTION => {
                driver.wire.statements.clear();
                Awaits::Results(Results::default())
            }
            _ => Awaits::One,
        };
        driver.tell_server(payload);
    }

    fn present_apart(driver: &mut Driver<Mysql>, _: &[Box<str>]) {
        impossible(driver);
    }

    fn inject(driver: &mut Driver<Mysql>, message: &Injected) {
        match message {
            Injected::ReadSettings => {
                driver.wire.awaits = Awaits::Own(Results::default());
                driver.tell_server(&[&[kind::QUERY], settings::READ.as_bytes()].concat());
            }
            Injected::DescribeStatement(name) => match &mut driver.wire.awaits {
                Awaits::Prepare(preparing) => preparing.describe = true,
                _ => driver.wire.owed.push_back(Owed::Described(name.clone())),
            },
            // The answer that is under way ends the pipeline.
            Injected::Sync if !driver.wire.is_quiet() => {}
            Injected::Sync => driver.wire.owed.push_back(Owed::Ready),
            Injected::Flush => {}
            Injected::Poison => driver.wire.owed.push_back(Owed::Poisoned),
            Injected::AskCatalog(_) | Injected::Probe(_) => impossible(driver),
        }
    }

    fn tell(driver: &mut Driver<Mysql>, reply: &ClientReply) {
        match reply {
            ClientReply::Error(report) => {
                let packet = errors::failure(report).encode();
                driver.tell_client(&packet);
            }
            // A statement waits in silence here, and the end of an answer says by itself that the next command may come.
            ClientReply::Notice(_) | ClientReply::Ready(_) => {}
        }
    }

    fn farewell(driver: &mut Driver<Mysql>, code: &'static str, words: &str) {
        if driver.wire.is_quiet() && !driver.blocked {
            // The client reads it as the answer to its next command.
            driver.wire.client_sequence = 1;
        }
        let packet = errors::coded(code, words).encode();
        driver.tell_client(&packet);
    }

    fn leave(driver: &mut Driver<Mysql>, status: &str) {
        driver.io.server.output.clear();
        if status != "lost" {
            driver.tell_server(&[kind::QUIT]);
        }
    }

    fn cancel(driver: &Driver<Mysql>) -> Option<Pin<Box<dyn Future<Output = Cancelled>>>> {
        let (upstream, number) = (driver.database.upstream.clone(), driver.wire.number);
        Some(Box::pin(async move { upstream::cancel(&upstream, number, CANCEL_WAIT_MAX).await }))
    }
}
