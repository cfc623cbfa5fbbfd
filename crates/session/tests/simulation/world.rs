//! One interleaving: the client's script, the session with a driver that keeps the contract of its actions, the log, the server.

use std::collections::{BTreeMap, VecDeque};

use querygate_record::HoldId;
use querygate_session::{
    Action, Caps, ClientMessage, ClientReply, Column, Control, Habits, Injected, Log, Piece, Question, Relay, Rows,
    Ruling, ServerMessage, Session, Step, Target,
};

use crate::{
    judge::{Scripted, is_control, stamp},
    script::Random,
    server::{Message, Reply, Server, read, ruling},
};

/// Steps of one run: far more than any script needs.
const STEPS_MAX: usize = 20_000;

#[derive(Default)]
pub struct World {
    session: Session,
    judge: Scripted,
    pub server: Server,
    inbox: VecDeque<Message>,
    /// On the way to the server: how many entries must be appended before it may arrive, and the message.
    to_server: VecDeque<(usize, Message)>,
    relayed: usize,
    /// What the client got.
    pub got: Vec<Reply>,
    logged: Vec<(u64, Log)>,
    appended: usize,
    runs: BTreeMap<String, usize>,
    checked: usize,
    ruling: Option<Ruling>,
    cancelling: bool,
    waits: bool,
    pub trace: Vec<String>,
}

impl World {
    pub fn new(script: Vec<Message>, masked: bool, rows_max: Option<u64>) -> World {
        let mut session = Session::new(Habits::default());
        session.set_caps(Caps { rows: rows_max.unwrap_or(u64::MAX), ..Caps::default() });
        let judge = Scripted { masked, setting: 77, ..Scripted::default() };
        World { session, judge, inbox: script.into(), ..World::default() }
    }

    /// No result is larger than it may be, and after the error that says so nothing comes but the end of the pipeline.
    pub fn is_capped(&self, rows_max: u64) {
        let mut rows = 0;
        for (at, reply) in self.got.iter().enumerate() {
            match reply {
                Reply::Row { .. } | Reply::CopyChunk(_) => rows += 1,
                Reply::Error(code) if code == "54000" => {
                    let next = self.got.get(at + 1);
                    assert!(matches!(next, None | Some(Reply::Ready(_))), "after the cut comes {next:?}");
                }
                _ => rows = 0,
            }
            assert!(rows <= rows_max, "{rows} rows of one result");
        }
    }

    /// Runs to the end. `stop`: the step at which a side goes away; `cancels`: the client cancels now and then.
    pub fn run(&mut self, random: &mut Random, stop: Option<usize>, cancels: bool) {
        for step in 0..STEPS_MAX {
            let gone = stop == Some(step);
            if gone || !self.step(random, cancels) {
                self.control(Control::Gone { status: "lost" });
                self.ends_once();
                assert!(gone || self.inbox.is_empty(), "the session waits for nothing: {:?}", self.inbox);
                return;
            }
        }
        panic!("no end in sight");
    }

    fn step(&mut self, random: &mut Random, cancels: bool) -> bool {
        let start = random.below(6);
        (0..6).any(|turn| match (start + turn) % 6 {
            0 => self.client_turn(random),
            1 => self.server_turn(random),
            2 => self.reply_turn(),
            3 => self.append_turn(random),
            4 => self.ruling_turn(),
            _ => self.cancel_turn(random, cancels),
        })
    }

    fn client_turn(&mut self, random: &mut Random) -> bool {
        if self.waits {
            return false;
        }
        let Some(message) = self.inbox.front().cloned() else { return false };
        if std::mem::take(&mut self.judge.unseen) {
            self.judge.catalog = self.server.kept_catalog;
        }
        if random.one_in(10) {
            self.judge.not_now = 1;
        }
        let mut out = Vec::new();
        let asked = self.judge.not_now;
        let step = self.session.client(as_client(&message), &mut self.judge, 0, &mut out);
        // A catalog that is being loaded is an event of its own: the message is presented again.
        self.waits = step == Step::Later && asked == self.judge.not_now;
        self.judge.not_now = 0;
        self.trace.push(format!("client {message:?} -> {step:?}"));
        if step == Step::Taken {
            self.inbox.pop_front();
        }
        self.act(out, Some(message));
        true
    }

    fn server_turn(&mut self, random: &mut Random) -> bool {
        if random.one_in(4) && self.server.flushed < self.server.out.len() {
            self.server.flushed += 1;
            return true;
        }
        let Some((_, message)) = self.to_server.pop_front_if(|(needed, _)| *needed <= self.appended) else {
            return false;
        };
        self.trace.push(format!("server takes {message:?}"));
        self.server.take(&message);
        self.runs_are_logged();
        true
    }

    /// All that ran was logged before, each Bind included, and analysed under the settings of now.
    fn runs_are_logged(&mut self) {
        for (text, meaning) in &self.server.ran[self.checked..] {
            let runs = self.runs.entry(text.clone()).or_default();
            *runs += 1;
            let begins = self.logged[..self.appended].iter().filter_map(|(_, entry)| match entry {
                Log::Begin(judgement, _) if *judgement.text == **text => Some(judgement.stamp),
                _ => None,
            });
            let stamps: Vec<u128> = begins.collect();
            assert!(stamps.len() >= *runs, "{text} ran and is not in the log");
            let current = meaning.is_none_or(|meaning| stamps.contains(&stamp(meaning)));
            assert!(current || is_control(text), "{text} was analysed under another setting or catalog");
            assert!(read(text).mark != '!', "{text} ran though it is refused");
        }
        self.checked = self.server.ran.len();
    }

    fn reply_turn(&mut self) -> bool {
        if self.relayed >= self.server.flushed {
            return false;
        }
        let reply = self.server.out[self.relayed].clone();
        self.relayed += 1;
        self.waits = false;
        let before = format!("reply {reply:?}");
        let mut out = Vec::new();
        let relay = self.relay(&reply, &mut out);
        self.trace.push(format!("{before} -> {relay:?}"));
        if relay != Relay::Swallow {
            self.got.push(reply);
        }
        self.act(out, None);
        true
    }

    fn relay(&mut self, reply: &Reply, out: &mut Vec<Action>) -> Relay {
        let columns = |table| [1, 2].map(|attribute| Column { table, attribute, type_oid: 25, format: 0 });
        let described;
        let message = match reply {
            Reply::Row { .. } | Reply::CopyChunk(_) => return self.row(reply, out),
            Reply::ParseComplete => ServerMessage::ParseComplete,
            Reply::BindComplete => ServerMessage::BindComplete,
            Reply::CloseComplete => ServerMessage::CloseComplete,
            Reply::ParameterDescription => ServerMessage::ParameterDescription,
            Reply::NoData => ServerMessage::NoData,
            Reply::Columns(table) => {
                described = columns(*table);
                ServerMessage::Columns(&described)
            }
            Reply::Complete(rows) => ServerMessage::Complete { rows: *rows },
            Reply::Empty => ServerMessage::Empty,
            Reply::Suspended => ServerMessage::Suspended,
            Reply::CopyIn => ServerMessage::CopyIn,
            Reply::CopyOut => ServerMessage::CopyOut,
            Reply::CopyDone => ServerMessage::CopyDone,
            Reply::Error(code) => ServerMessage::Failed { code },
            Reply::Ready(transaction) => ServerMessage::Ready(*transaction),
        };
        self.session.server(message, &mut self.judge, 0, out)
    }

    fn row(&mut self, reply: &Reply, out: &mut Vec<Action>) -> Relay {
        let table = match reply {
            Reply::Row { table, .. } | Reply::CopyChunk(table) => *table,
            _ => unreachable!(),
        };
        match (self.session.rows(), reply) {
            (Rows::Own, Reply::Row { table: 0, setting }) => {
                let value = setting.to_string();
                let row = [Some(value.as_bytes())];
                self.session.server(ServerMessage::Row(&row), &mut self.judge, 0, out)
            }
            (Rows::Planned(plan, _), _) if table != 0 => {
                let masked = plan.fields.get(1).is_some_and(Option::is_some);
                assert_eq!(masked, table == 1 && self.judge.masked, "a row under another statement's plan");
                let copy = matches!(reply, Reply::CopyChunk(_));
                let piece = Piece { rows: 1, bytes: 1, masked_fields: u64::from(masked), copy };
                if self.session.admit(piece, out) { Relay::Pass } else { Relay::Swallow }
            }
            (Rows::Dropped, _) => Relay::Swallow,
            (rows, _) => panic!("{reply:?} under {rows:?}"),
        }
    }

    fn append_turn(&mut self, random: &mut Random) -> bool {
        if self.appended == self.logged.len() {
            return false;
        }
        let rest = (self.logged.len() - self.appended) as u64;
        self.appended += 1 + random.below(rest) as usize;
        true
    }

    fn ruling_turn(&mut self) -> bool {
        let Some(ruling) = self.ruling.take() else { return false };
        self.control(Control::Decided(ruling));
        true
    }

    fn cancel_turn(&mut self, random: &mut Random, cancels: bool) -> bool {
        if std::mem::take(&mut self.cancelling) {
            self.control(Control::CancelDone);
            return true;
        }
        if cancels && random.one_in(5) && !self.inbox.is_empty() {
            self.control(Control::Cancel);
            return true;
        }
        false
    }

    fn control(&mut self, control: Control) {
        self.trace.push(format!("control {control:?}"));
        self.waits = false;
        let mut out = Vec::new();
        self.session.control(control, 0, &mut out);
        self.act(out, None);
    }

    fn act(&mut self, actions: Vec<Action>, message: Option<Message>) {
        for action in actions {
            match action {
                Action::Log { number, entry, .. } => {
                    self.trace.push(format!("  log {number} {}", short(&entry)));
                    self.logged.push((number, entry));
                }
                Action::Forward => self.send(message.clone().expect("a message to forward")),
                Action::Apart(_) => unreachable!("nothing is taken apart"),
                Action::ForwardText(_) => unreachable!("nothing is rewritten"),
                Action::Inject(injected) => own(injected).into_iter().for_each(|m| self.send(m)),
                Action::Tell(reply) => self.tell(reply),
                Action::Ask(request) => {
                    let id = read(&request.judgement.text).id;
                    let (by, because) = (String::new(), String::new());
                    self.ruling = Some(match ruling(id) {
                        None => Ruling::Approved { by, because },
                        Some("42501") => Ruling::Denied { by, because },
                        Some(_) => Ruling::Expired,
                    });
                    self.control(Control::Asked(HoldId("r".to_owned())));
                }
                Action::Withdraw(..) => self.ruling = None,
                Action::CancelServer => self.cancelling = true,
                Action::End(reason) => panic!("the session ends: {reason:?}"),
            }
        }
    }

    fn send(&mut self, message: Message) {
        self.trace.push(format!("  send {message:?}"));
        self.to_server.push_back((self.logged.len(), message));
    }

    fn tell(&mut self, reply: ClientReply) {
        self.trace.push(format!("  tell {reply:?}"));
        match reply {
            ClientReply::Error(report) => self.got.push(Reply::Error(report.code.to_owned())),
            ClientReply::Notice(_) => {}
            ClientReply::Ready(transaction) => self.got.push(Reply::Ready(transaction)),
        }
    }

    fn ends_once(&self) {
        let mut open = BTreeMap::new();
        for (number, entry) in
            self.logged.iter().filter(|(number, entry)| *number > 0 || matches!(entry, Log::Own(_) | Log::OwnEnd(_)))
        {
            match entry {
                Log::Begin(..) | Log::Own(_) => {
                    assert!(open.insert(*number, true).is_none(), "{number} begins twice");
                }
                Log::End(_) | Log::OwnEnd(_) => {
                    assert_eq!(open.insert(*number, false), Some(true), "{number} ends twice")
                }
                _ => {}
            }
        }
        assert!(open.values().all(|open| !open), "no end: {open:?}");
    }
}

fn short(entry: &Log) -> String {
    match entry {
        Log::Begin(judgement, _) => format!("begin {}", judgement.text),
        Log::Prepare(judgement) => format!("prepare {}", judgement.text),
        Log::End(outcome) | Log::OwnEnd(outcome) => format!("end {} {}", outcome.status, outcome.code),
        other => format!("{other:?}"),
    }
}

fn own(injected: Injected) -> Vec<Message> {
    let own = || "_own".to_owned();
    let statement = |text: &str| {
        vec![
            Message::Close { portal: false, name: own() },
            Message::Parse { name: own(), text: text.to_owned() },
            Message::Bind { portal: own(), statement: own() },
            Message::Execute { portal: own(), max: 0 },
            Message::Close { portal: true, name: own() },
            Message::Close { portal: false, name: own() },
        ]
    };
    match injected {
        Injected::DescribeStatement(name) => vec![Message::Describe { portal: false, name }],
        Injected::Flush => vec![Message::Flush],
        Injected::Sync => vec![Message::Sync],
        Injected::Poison => vec![Message::Execute { portal: "_none".to_owned(), max: 0 }],
        Injected::ReadSettings => statement("0 settings"),
        Injected::AskCatalog(_) => (0..Question::STATEMENTS).flat_map(|_| statement("0 catalog")).collect(),
        Injected::Probe(_) => unreachable!("no COPY is probed"),
    }
}

fn as_client(message: &Message) -> ClientMessage<'_> {
    let target = |portal: bool| if portal { Target::Portal } else { Target::Statement };
    match message {
        Message::Query(text) => ClientMessage::Query { text },
        Message::Parse { name, text } => ClientMessage::Parse { name, text },
        Message::Bind { portal, statement } => {
            ClientMessage::Bind { portal, statement, formats: &[], values: &[], result_formats: &[] }
        }
        Message::Describe { portal, name } => ClientMessage::Describe(target(*portal), name),
        Message::Execute { portal, .. } => ClientMessage::Execute { portal },
        Message::Close { portal, name } => ClientMessage::Close(target(*portal), name),
        Message::Flush => ClientMessage::Flush,
        Message::Sync => ClientMessage::Sync,
        Message::CopyData => ClientMessage::CopyData,
        Message::CopyDone => ClientMessage::CopyDone,
        Message::CopyFail => ClientMessage::CopyFail,
    }
}
