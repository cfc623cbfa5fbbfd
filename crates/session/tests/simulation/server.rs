//! A small model of a Postgres backend: transactions, pipelines, names, portals, COPY. With `gated` it also refuses what the judge of
//! the simulation refuses, by itself: then it is what a client must see through the gateway.

use std::collections::{BTreeMap, VecDeque};

use querygate_session::Transaction;

#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    Query(String),
    Parse { name: String, text: String },
    Bind { portal: String, statement: String },
    Describe { portal: bool, name: String },
    Execute { portal: String, max: usize },
    Close { portal: bool, name: String },
    Flush,
    Sync,
    CopyData,
    CopyDone,
    CopyFail,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    ParseComplete,
    BindComplete,
    CloseComplete,
    ParameterDescription,
    NoData,
    Columns(u32),
    Row { table: u32, setting: u32 },
    CopyChunk(u32),
    Complete(u64),
    Empty,
    Suspended,
    CopyIn,
    CopyOut,
    CopyDone,
    Error(String),
    Ready(Transaction),
}

#[derive(Clone, Debug)]
struct Portal {
    text: String,
    /// What stood behind the name of an EXECUTE when it was bound.
    inner: Option<(String, u64)>,
    left: Option<usize>,
    done: bool,
}

/// Text `<id>[!|?] <statement>[;<statement>]`: `!` is refused by the judge, `?` needs approval.
pub struct Text<'a> {
    pub id: u64,
    pub mark: char,
    pub parts: Vec<&'a str>,
}

pub fn read(text: &str) -> Text<'_> {
    let (head, body) = text.split_once(' ').unwrap();
    let digits = head.trim_end_matches(['!', '?']);
    let mark = head.chars().last().filter(|c| !c.is_ascii_digit()).unwrap_or(' ');
    Text { id: digits.parse().unwrap(), mark, parts: body.split(';').collect() }
}

/// The code of a request that is not approved.
pub fn ruling(id: u64) -> Option<&'static str> {
    [None, Some("42501"), Some("57014")][(id % 3) as usize]
}

/// What gives a text its meaning: the setting, the catalog.
pub type Meaning = (u32, u32);

enum Ran {
    Done,
    Copy,
}

#[derive(Default)]
pub struct Server {
    gated: bool,
    pub transaction: Transaction,
    pub setting: u32,
    kept_setting: u32,
    /// What the transaction sees defined, and what everybody does.
    catalog: u32,
    pub kept_catalog: u32,
    pending: Vec<u64>,
    pub committed: Vec<u64>,
    executed: bool,
    skipping: bool,
    statements: BTreeMap<String, (String, u64)>,
    portals: BTreeMap<String, Portal>,
    /// A COPY reads; the statements of its text that follow it.
    copy: Option<Option<VecDeque<String>>>,
    pub out: Vec<Reply>,
    /// How much of `out` is on its way.
    pub flushed: usize,
    /// Texts that ran code, with the setting and the catalog that gave them their meaning; none in a failed transaction, where nothing runs.
    pub ran: Vec<(String, Option<Meaning>)>,
    made: u64,
}

impl Server {
    /// One that refuses by itself.
    pub fn gated() -> Server {
        Server { gated: true, ..Server::default() }
    }

    pub fn take(&mut self, message: &Message) {
        if let Some(copy) = self.copy.take() {
            return self.copying(copy, message);
        }
        if self.skipping {
            if *message == Message::Sync {
                self.sync();
            }
            return;
        }
        let result = match message {
            Message::Query(text) => return self.query(text),
            Message::Parse { name, text } => self.parse(name, text),
            Message::Bind { portal, statement } => self.bind(portal, statement),
            Message::Describe { portal, name } => self.describe(*portal, name),
            Message::Execute { portal, max } => self.execute(portal, *max),
            Message::Close { portal, name } => {
                if *portal {
                    self.portals.remove(name);
                } else {
                    self.statements.remove(name);
                }
                self.out.push(Reply::CloseComplete);
                Ok(())
            }
            Message::Flush => {
                self.flushed = self.out.len();
                Ok(())
            }
            Message::Sync => return self.sync(),
            Message::CopyData | Message::CopyDone | Message::CopyFail => Ok(()),
        };
        if let Err(code) = result {
            self.skipping = true;
            if let Some(code) = code.strip_prefix("gate ") { self.refuse(code) } else { self.fail(&code) }
        }
    }

    fn fail(&mut self, code: &str) {
        self.out.push(Reply::Error(code.to_owned()));
        self.flushed = self.out.len();
        self.abort();
        if self.transaction == Transaction::Open {
            self.transaction = Transaction::Failed;
        }
    }

    /// A refusal aborts an implicit transaction and leaves an explicit one alone.
    fn refuse(&mut self, code: &str) {
        self.out.push(Reply::Error(code.to_owned()));
        if self.transaction == Transaction::Idle && self.executed {
            self.abort();
        }
    }

    fn abort(&mut self) {
        self.pending.clear();
        self.setting = self.kept_setting;
        self.catalog = self.kept_catalog;
        if self.transaction != Transaction::Idle {
            // They fail, and keep their names until the transaction ends.
            self.portals.values_mut().for_each(|p| p.done = true);
        } else {
            self.portals.clear();
        }
    }

    fn commit(&mut self) {
        self.committed.append(&mut self.pending);
        self.portals.clear();
        self.kept_setting = self.setting;
        self.kept_catalog = self.catalog;
    }

    fn sync(&mut self) {
        self.skipping = false;
        self.ready();
    }

    fn ready(&mut self) {
        self.executed = false;
        if self.transaction == Transaction::Idle {
            self.commit();
        }
        self.out.push(Reply::Ready(self.transaction));
        self.flushed = self.out.len();
    }

    fn gate(&self, refused: Option<&str>) -> Result<(), String> {
        match refused {
            Some(code) if self.gated => Err(format!("gate {code}")),
            _ => Ok(()),
        }
    }

    fn names(&self, text: &Text<'_>) -> Option<&'static str> {
        text.parts.iter().find_map(|part| {
            let words: Vec<&str> = part.split(' ').collect();
            match words[..] {
                ["execute", name] if !self.statements.contains_key(name) => Some("26000"),
                ["prepare", name, ..] if self.statements.contains_key(name) => Some("42P05"),
                _ => None,
            }
        })
    }

    fn hold(&self, text: &Text<'_>) -> Option<&'static str> {
        let by_name =
            text.parts.iter().filter_map(|p| p.strip_prefix("execute ")).filter_map(|n| self.statements.get(n));
        // Each run of what needs approval needs it.
        let mark = if by_name.into_iter().any(|s| read(&s.0).mark == '?') { '?' } else { text.mark };
        match mark {
            '?' if self.transaction != Transaction::Idle || self.executed => Some("42501"),
            '?' => ruling(text.id),
            _ => None,
        }
    }

    fn meaning(&self) -> Option<Meaning> {
        (self.transaction != Transaction::Failed).then_some((self.setting, self.catalog))
    }

    fn query(&mut self, text: &str) {
        let read = read(text);
        let blocked = (read.mark == '!').then_some("42501");
        let refused = self.names(&read).or(blocked).or_else(|| self.hold(&read));
        if let Some(code) = refused.filter(|_| self.gated) {
            self.refuse(code);
            return self.ready();
        }
        self.ran.push((text.to_owned(), self.meaning()));
        self.run_parts(read.parts.iter().map(|p| (*p).to_owned()).collect(), read.mark);
    }

    fn run_parts(&mut self, mut parts: VecDeque<String>, mark: char) {
        while let Some(part) = parts.pop_front() {
            match self.run(&part, mark, true) {
                Ok(Ran::Done) => {}
                Ok(Ran::Copy) => {
                    self.copy = Some(Some(parts));
                    return;
                }
                Err(code) => {
                    self.fail(&code);
                    break;
                }
            }
        }
        self.ready();
    }

    fn usable(&self, part: &str) -> Result<(), String> {
        if self.transaction == Transaction::Failed && !matches!(part, "commit" | "rollback") {
            return Err("25P02".to_owned());
        }
        Ok(())
    }

    fn run(&mut self, part: &str, mark: char, simple: bool) -> Result<Ran, String> {
        self.usable(part)?;
        let words: Vec<&str> = part.split(' ').collect();
        let mut rows = 0;
        match words[..] {
            [kind @ ("read" | "secret"), count] => {
                let table = table(kind);
                if simple {
                    self.out.push(Reply::Columns(table));
                }
                rows = count.parse().unwrap();
                for _ in 0..rows {
                    self.out.push(Reply::Row { table, setting: 0 });
                }
            }
            ["settings"] => self.out.push(Reply::Row { table: 0, setting: self.setting }),
            ["catalog"] => self.out.push(Reply::Row { table: 0, setting: self.catalog }),
            ["define", value] => self.catalog = value.parse().unwrap(),
            ["write", key] => self.pending.push(key.parse().unwrap()),
            ["set", value] => self.setting = value.parse().unwrap(),
            ["begin"] => self.transaction = Transaction::Open,
            ["commit" | "rollback"] => {
                let keeps = part == "commit" && self.transaction != Transaction::Failed;
                self.transaction = Transaction::Idle;
                if keeps {
                    self.commit()
                } else {
                    self.abort()
                }
                self.executed = false;
            }
            ["copyin"] => {
                self.out.push(Reply::CopyIn);
                self.flushed = self.out.len();
                return Ok(Ran::Copy);
            }
            ["copyout"] => self.out.extend([Reply::CopyOut, Reply::CopyChunk(2), Reply::CopyDone]),
            ["prepare", name, kind, count] => {
                if self.statements.contains_key(name) {
                    return Err("42P05".to_owned());
                }
                self.made += 1;
                self.statements
                    .insert(name.to_owned(), (format!("0{} {kind} {count}", mark.to_string().trim()), self.made));
            }
            ["execute", name] => {
                let Some((text, _)) = self.statements.get(name).cloned() else { return Err("26000".to_owned()) };
                return self.run(read(&text).parts[0], mark, simple);
            }
            ["deallocate", name] => {
                if self.statements.remove(name).is_none() {
                    return Err("26000".to_owned());
                }
            }
            ["fail"] => return Err("22012".to_owned()),
            [""] => {
                self.out.push(Reply::Empty);
                return Ok(Ran::Done);
            }
            _ => unreachable!("{part}"),
        }
        self.out.push(Reply::Complete(rows));
        Ok(Ran::Done)
    }

    fn parse(&mut self, name: &str, text: &str) -> Result<(), String> {
        let read = read(text);
        let duplicate = (!name.is_empty() && self.statements.contains_key(name)).then_some("42P05");
        self.gate(self.names(&read).or(duplicate).or((read.mark == '!').then_some("42501")))?;
        if name.is_empty() {
            self.statements.remove(name);
        }
        self.usable(read.parts[0])?;
        if let Some(code) = duplicate {
            return Err(code.to_owned());
        }
        self.made += 1;
        self.statements.insert(name.to_owned(), (text.to_owned(), self.made));
        self.out.push(Reply::ParseComplete);
        Ok(())
    }

    fn bind(&mut self, portal: &str, statement: &str) -> Result<(), String> {
        let Some((text, _)) = self.statements.get(statement).cloned() else {
            self.gate(Some("26000"))?;
            return Err("26000".to_owned());
        };
        let read = read(&text);
        let duplicate = (!portal.is_empty() && self.portals.contains_key(portal)).then_some("42P03");
        self.gate(self.names(&read).filter(|code| *code == "26000").or(duplicate).or_else(|| self.hold(&read)))?;
        if !matches!(read.parts[0], "settings" | "catalog") {
            self.ran.push((text.clone(), self.meaning()));
        }
        self.executed = true;
        self.usable(read.parts[0])?;
        if let Some(code) = duplicate {
            return Err(code.to_owned());
        }
        let words: Vec<&str> = read.parts[0].split(' ').collect();
        let inner = words.get(1).filter(|_| words[0] == "execute").and_then(|n| self.statements.get(*n)).cloned();
        let left = words.get(1).filter(|_| table(words[0]) > 0).map(|n| n.parse().unwrap());
        self.portals.insert(portal.to_owned(), Portal { text, inner, left, done: false });
        self.out.push(Reply::BindComplete);
        Ok(())
    }

    fn describe(&mut self, portal: bool, name: &str) -> Result<(), String> {
        let text = if portal {
            self.portals.get(name).map(|p| p.text.clone()).ok_or("34000")?
        } else {
            self.statements.get(name).map(|s| s.0.clone()).ok_or("26000")?
        };
        let mut table_of = table(read(&text).parts[0].split(' ').next().unwrap());
        if let Some(name) = read(&text).parts[0].strip_prefix("execute ") {
            table_of = self.statements.get(name).map_or(0, |s| table(read(&s.0).parts[0].split(' ').next().unwrap()));
        }
        if table_of > 0 {
            self.usable("")?;
        }
        if !portal {
            self.out.push(Reply::ParameterDescription);
        }
        self.out.push(if table_of > 0 { Reply::Columns(table_of) } else { Reply::NoData });
        Ok(())
    }

    fn execute(&mut self, name: &str, max: usize) -> Result<(), String> {
        let Some(portal) = self.portals.get(name).cloned() else {
            self.gate(Some("34000"))?;
            return Err("34000".to_owned());
        };
        let text = read(&portal.text);
        self.gate(self.names(&text).filter(|code| *code == "42P05"))?;
        if portal.inner.is_some() {
            let now = self.statements.get(text.parts[0].split(' ').nth(1).unwrap());
            self.gate(if now.is_none() { Some("26000") } else { None })?;
            self.gate(if now == portal.inner.as_ref() { None } else { Some("0A000") })?;
        }
        self.executed = true;
        self.usable(text.parts[0])?;
        let Some(left) = portal.left else {
            if portal.done {
                return Err("55000".to_owned());
            }
            self.portals.get_mut(name).unwrap().done = true;
            if let Ran::Copy = self.run(text.parts[0], text.mark, false)? {
                self.copy = Some(None);
            }
            return Ok(());
        };
        let count = if max == 0 { left } else { max.min(left) };
        let table = table(text.parts[0].split(' ').next().unwrap());
        for _ in 0..count {
            self.out.push(Reply::Row { table, setting: 0 });
        }
        self.portals.get_mut(name).unwrap().left = Some(left - count);
        self.out.push(if max > 0 && count == max { Reply::Suspended } else { Reply::Complete(count as u64) });
        Ok(())
    }

    fn copying(&mut self, copy: Option<VecDeque<String>>, message: &Message) {
        let code = match message {
            Message::CopyData | Message::Flush | Message::Sync => {
                self.copy = Some(copy);
                return;
            }
            Message::CopyDone => {
                self.out.push(Reply::Complete(1));
                if let Some(rest) = copy {
                    self.run_parts(rest, ' ');
                }
                return;
            }
            Message::CopyFail => "57014",
            _ => "08P01",
        };
        self.fail(code);
        if copy.is_some() { self.ready() } else { self.skipping = true }
    }
}

/// The table that a statement reads: 1 has masks.
pub fn table(kind: &str) -> u32 {
    match kind {
        "secret" => 1,
        "read" => 2,
        _ => 0,
    }
}
