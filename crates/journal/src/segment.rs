//! Reads a run of entries as rows, each joined with what later entries say of it.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;
use querygate_record::{Event, SessionId, Verdict};

use crate::{
    Error, Row, RowKind,
    batch::{Frame, Frames},
    chain_id::ChainId,
    codec::{Content, Kind, Raw},
    index::{Segment, key},
    resolve::{Resolver, with_entry},
    store::{Family, Store, read_batch_key},
};

/// A statement within a chain.
pub(crate) type Statement = (Option<SessionId>, u64);

/// Entries that are not indexed yet and belong to rows of other segments.
#[derive(Default)]
pub(crate) struct Later {
    /// Of the same chain: executions and ends.
    pub events: HashMap<(ChainId, Option<SessionId>, u64), Vec<u64>, RandomState>,
    /// Of any chain: waits for a reviewer and their ends.
    pub holds: HashMap<Statement, Vec<(ChainId, u64)>, RandomState>,
}

/// Reads one segment; `open` says whether its chain can still grow.
pub(crate) fn load(
    store: &Store,
    resolver: &mut Resolver,
    segment: &Segment,
    open: bool,
    later: &Later,
) -> Result<Vec<Row>, Error> {
    let mut rows = Rows { store, resolver, chain: segment.chain, open, rows: Vec::new(), running: HashMap::default() };
    let mut next = segment.first;
    for batch in store.batches(&segment.chain, segment.first)? {
        let (first, value) = batch?;
        if first > segment.last {
            break;
        }
        if first != next {
            break;
        }
        for frame in
            Frames::parse(segment.chain, first, &value).map_err(|e| store.bad_batch(segment.chain, first, e))?
        {
            let frame = frame.map_err(|e| store.bad_batch(segment.chain, first, e))?;
            next = frame.sequence + 1;
            rows.add(&frame)?;
        }
    }
    if next <= segment.last {
        return Err(store.damaged(format!("entry {next} of chain {} is missing", segment.chain)));
    }
    rows.join_later(later)?;
    rows.join_holds(later)?;
    Ok(rows.rows)
}

/// Rows while their entries are read.
pub(crate) struct Rows<'a> {
    store: &'a Store,
    resolver: &'a mut Resolver,
    chain: ChainId,
    open: bool,
    rows: Vec<Row>,
    running: HashMap<Statement, VecDeque<usize>, RandomState>,
}

impl Rows<'_> {
    fn add(&mut self, frame: &Frame<'_>) -> Result<(), Error> {
        let malformed = |e| self.store.bad_entry(self.chain, frame.sequence, e);
        let raw = Raw::parse(frame.bytes).map_err(malformed)?;
        self.resolver.learn(&raw).map_err(malformed)?;
        if matches!(raw.kind, Kind::Opening | Kind::Facts) {
            return Ok(());
        }
        let Content::Entry(entry) = raw.decode().map_err(malformed)? else { return Ok(()) };
        let id = (entry.session, entry.statement);
        let Some(kind) = kind_of(&entry.event) else {
            self.join(id, frame, entry.time_ns, entry.event);
            return Ok(());
        };
        if kind == RowKind::Statement {
            self.running.entry(id).or_default().push_back(self.rows.len());
        }
        let row = new_row(self.store, self.resolver, (self.chain, self.open), frame, kind, entry)?;
        self.rows.push(row);
        Ok(())
    }

    fn join(&mut self, id: Statement, frame: &Frame<'_>, time_ns: i64, event: Event) {
        let ends = matches!(event, Event::End(_));
        if !ends && !matches!(event, Event::Execute) {
            return;
        }
        let Some(running) = self.running.get_mut(&id) else { return };
        if let Some(row) = running.front().and_then(|at| self.rows.get_mut(*at)) {
            row.join(frame.sequence, frame.hash, time_ns, event);
        }
        if ends {
            running.pop_front();
        }
    }

    /// Adds what entries after this segment say of its rows.
    fn join_later(&mut self, later: &Later) -> Result<(), Error> {
        let rows = self.running.values().flatten().filter_map(|at| Some((*at, self.rows.get(*at)?)));
        let mut wanted = Vec::new();
        for (at, row) in rows {
            let prefix = key::links(self.chain, row.sequence);
            for pair in self.store.scan(Family::Index, &prefix, &prefix)? {
                let (link, _) = pair?;
                wanted.extend(link.last_chunk().map(|sequence| (self.chain, u64::from_be_bytes(*sequence), at)));
            }
            if let Some(events) = later.events.get(&(self.chain, row.session, row.statement)) {
                wanted
                    .extend(events.iter().filter(|event| **event > row.sequence).map(|event| (self.chain, *event, at)));
            }
        }
        self.join_all(wanted)
    }

    /// Adds the waits for a reviewer, wherever they were written.
    fn join_holds(&mut self, later: &Later) -> Result<(), Error> {
        let may_be_held = |row: &Row| match &row.facts {
            Some(facts) => facts.verdict == Some(Verdict::Approve),
            None => true,
        };
        let mut wanted = Vec::new();
        for (at, row) in
            self.rows.iter().enumerate().filter(|(_, row)| row.kind == RowKind::Statement && may_be_held(row))
        {
            let Some(session) = row.session else { continue };
            let prefix = key::holds(session, row.statement);
            for pair in self.store.scan(Family::Index, &prefix, &prefix)? {
                let (key, _) = pair?;
                let place = key.last_chunk::<24>().and_then(|place| read_batch_key(place));
                wanted.extend(place.map(|(chain, sequence)| (chain, sequence, at)));
            }
            let new = later.holds.get(&(row.session, row.statement)).into_iter().flatten();
            wanted.extend(new.map(|(chain, sequence)| (*chain, *sequence, at)));
        }
        self.join_all(wanted)
    }

    /// Reads entries and adds each to its row, in the order in which they were written.
    fn join_all(&mut self, mut wanted: Vec<(ChainId, u64, usize)>) -> Result<(), Error> {
        wanted.sort_unstable();
        wanted.dedup();
        for (chain, sequence, at) in wanted {
            let found =
                with_entry(self.store, chain, sequence, |frame, raw| Ok((frame.hash, raw.time_ns, raw.decode()?)))?;
            if let (Some((hash, time_ns, Content::Entry(entry))), Some(row)) = (found, self.rows.get_mut(at)) {
                row.join(sequence, hash, time_ns, entry.event);
            }
        }
        Ok(())
    }
}

/// The kind of row that an entry makes; none if it belongs to a row.
pub(crate) fn kind_of(event: &Event) -> Option<RowKind> {
    Some(match event {
        Event::Begin { .. } => RowKind::Statement,
        Event::Prepare { .. } => RowKind::Prepare,
        Event::SessionOpened(_) => RowKind::SessionOpened,
        Event::SessionClosed { .. } => RowKind::SessionClosed,
        Event::Alarm { .. } => RowKind::Alarm,
        Event::Loaded { .. } => RowKind::Loaded,
        Event::Execute | Event::End(_) | Event::Held { .. } | Event::Ruled { .. } | Event::Facts { .. } => return None,
    })
}

/// The row that an entry makes.
pub(crate) fn new_row(
    store: &Store,
    resolver: &mut Resolver,
    (chain, open): (ChainId, bool),
    frame: &Frame<'_>,
    kind: RowKind,
    entry: querygate_record::Entry,
) -> Result<Row, Error> {
    let session_facts = match entry.session {
        Some(session) => resolver.session(store, session)?,
        None => None,
    };
    let facts = match &entry.event {
        Event::Begin { facts, .. } | Event::Prepare { facts } => resolver.facts(store, chain, facts)?,
        _ => None,
    };
    let (values, event) = match entry.event {
        Event::Begin { values, .. } => (values, None),
        Event::Prepare { .. } => (Vec::new(), None),
        event => (Vec::new(), Some(event)),
    };
    Ok(Row {
        kind,
        chain,
        sequence: frame.sequence,
        previous: frame.previous,
        hash: frame.hash,
        time_ns: entry.time_ns,
        origin: entry.origin,
        session: entry.session,
        statement: entry.statement,
        session_facts,
        facts,
        values,
        executions: 0,
        hold: None,
        outcome: None,
        end: None,
        open,
        event,
    })
}
