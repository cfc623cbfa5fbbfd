//! Builds the index, one sealed segment at a time.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use foldhash::fast::RandomState;
use querygate_record::{Digest, SessionId};
use rocksdb::WriteBatch;

use crate::{
    Error,
    batch::Parts,
    chain_id::ChainId,
    codec::{Kind, Malformed, Raw},
    index::{SEGMENT_BYTES, SEGMENT_ENTRIES, Segment, Term, key},
    resolve::Resolver,
    segment::Statement,
    store::{Family, Store, batch_key},
};

/// Builds the index of one database.
#[derive(Default)]
pub(crate) struct Indexer {
    resolver: Resolver,
}

impl Indexer {
    /// Seals what can be sealed of a chain: full segments, and for a chain that cannot grow, the rest. Returns the number of the first entry that is
    /// not indexed.
    pub fn advance(
        &mut self,
        store: &Store,
        chain: ChainId,
        finished: bool,
        stop: impl Fn() -> bool,
    ) -> Result<u64, Error> {
        let mut next = progress(store, chain)?;
        while !stop() {
            let mut segment = Draft::new(chain, next);
            let mut full = false;
            for batch in store.batches(&chain, next)? {
                let (first, value) = batch?;
                segment.add(store, first, &value, &mut self.resolver)?;
                full = segment.entries() >= SEGMENT_ENTRIES || segment.bytes >= SEGMENT_BYTES;
                if full {
                    break;
                }
            }
            if segment.entries() == 0 || !(full || finished) {
                break;
            }
            next = segment.next;
            store.write(segment.seal(store, &mut self.resolver)?, false)?;
        }
        Ok(next)
    }
}

/// The number of a chain's first entry that is not indexed.
pub(crate) fn progress(store: &Store, chain: ChainId) -> Result<u64, Error> {
    let stored = store.get(Family::Index, &key::progress(chain))?;
    Ok(stored.and_then(|bytes| bytes.try_into().ok()).map_or(1, u64::from_be_bytes))
}

/// A segment while its entries are read.
struct Draft {
    chain: ChainId,
    first: u64,
    next: u64,
    bytes: u64,
    times: Option<(i64, i64)>,
    facts: HashSet<Digest, RandomState>,
    /// Sessions with rows here, and the least and greatest number of their statements.
    sessions: HashMap<SessionId, (u64, u64), RandomState>,
    /// Rows without an end so far, oldest first.
    open: HashMap<Statement, VecDeque<u64>, RandomState>,
    /// Where facts and sessions are defined, and entries that belong to rows of earlier segments.
    puts: BTreeMap<Vec<u8>, Vec<u8>>,
    late: Vec<(Statement, u64, bool)>,
}

impl Draft {
    fn new(chain: ChainId, first: u64) -> Draft {
        Draft {
            chain,
            first,
            next: first,
            bytes: 0,
            times: None,
            facts: HashSet::default(),
            sessions: HashMap::default(),
            open: HashMap::default(),
            puts: BTreeMap::new(),
            late: Vec::new(),
        }
    }

    fn entries(&self) -> u64 {
        self.next - self.first
    }

    fn add(&mut self, store: &Store, first: u64, value: &[u8], resolver: &mut Resolver) -> Result<(), Error> {
        if first != self.next {
            return Err(store.damaged(format!("entry {} of chain {} is missing", self.next, self.chain)));
        }
        let (_, parts) = Parts::parse(value).map_err(|e| store.bad_batch(self.chain, first, e))?;
        for part in parts {
            let (_, bytes) = part.map_err(|e| store.bad_batch(self.chain, first, e))?;
            let sequence = self.next;
            self.entry(sequence, bytes, resolver).map_err(|e| store.bad_entry(self.chain, sequence, e))?;
            self.next = sequence.checked_add(1).ok_or_else(|| store.damaged("a chain has an impossible length"))?;
        }
        self.bytes += value.len() as u64;
        Ok(())
    }

    fn entry(&mut self, sequence: u64, bytes: &[u8], resolver: &mut Resolver) -> Result<(), Malformed> {
        let raw = Raw::parse(bytes)?;
        let id = (raw.session, raw.statement);
        match raw.kind {
            Kind::Opening => {}
            Kind::Facts => {
                resolver.learn(&raw)?;
                self.puts.insert(key::facts(self.chain, &raw.facts), sequence.to_be_bytes().into());
            }
            Kind::SessionOpened => {
                resolver.learn(&raw)?;
                if let Some(session) = raw.session {
                    self.puts.insert(key::session(session), batch_key(self.chain, sequence).into());
                }
                self.row(&raw);
            }
            Kind::Begin => {
                self.open.entry(id).or_default().push_back(sequence);
                self.facts.insert(raw.facts);
                self.row(&raw);
            }
            Kind::Prepare => {
                self.facts.insert(raw.facts);
                self.row(&raw);
            }
            Kind::Execute => self.event(id, sequence, false),
            Kind::End => self.event(id, sequence, true),
            Kind::Other if raw.is_hold()? => {
                if let Some(session) = raw.session {
                    self.puts.insert(key::hold(session, raw.statement, self.chain, sequence), Vec::new());
                }
            }
            Kind::Other => self.row(&raw),
        }
        Ok(())
    }

    /// Notes an entry that makes a row.
    fn row(&mut self, raw: &Raw<'_>) {
        let (min, max) = self.times.unwrap_or((raw.time_ns, raw.time_ns));
        self.times = Some((min.min(raw.time_ns), max.max(raw.time_ns)));
        if let Some(session) = raw.session {
            let (min, max) = self.sessions.entry(session).or_insert((raw.statement, raw.statement));
            (*min, *max) = ((*min).min(raw.statement), (*max).max(raw.statement));
        }
    }

    /// Notes an entry that belongs to a row.
    fn event(&mut self, id: Statement, sequence: u64, ends: bool) {
        let Some(rows) = self.open.get_mut(&id).filter(|rows| !rows.is_empty()) else {
            self.late.push((id, sequence, ends));
            return;
        };
        if ends {
            rows.pop_front();
            if rows.is_empty() {
                self.open.remove(&id);
            }
        }
    }

    fn seal(mut self, store: &Store, resolver: &mut Resolver) -> Result<WriteBatch, Error> {
        let family = store.family(Family::Index)?;
        let mut batch = WriteBatch::default();
        let (min_ns, max_ns) = self.times.unwrap_or_default();
        let segment = Segment { chain: self.chain, first: self.first, last: self.next - 1, min_ns, max_ns };
        let value = segment.value();
        if self.times.is_some() {
            batch.put_cf(family, key::segment(self.chain, self.first), value);
        }
        for term in self.terms(store, resolver)? {
            batch.put_cf(family, key::posting(term, self.chain, self.first), value);
        }
        for (session, (min, max)) in &self.sessions {
            let value = [&value[..], &min.to_be_bytes(), &max.to_be_bytes()].concat();
            batch.put_cf(family, key::posting(Term::session(*session), self.chain, self.first), value);
        }
        for ((session, statement), sequence, ends) in std::mem::take(&mut self.late) {
            let open = key::open(self.chain, session, statement);
            let row = store.get(Family::Index, &open)?.and_then(|row| row.try_into().ok()).map(u64::from_be_bytes);
            if let Some(row) = row {
                batch.put_cf(family, key::link(self.chain, row, sequence), b"");
                if ends {
                    batch.delete_cf(family, open);
                }
            }
        }
        for ((session, statement), rows) in &self.open {
            if let Some(row) = rows.front() {
                batch.put_cf(family, key::open(self.chain, *session, *statement), row.to_be_bytes());
            }
        }
        for (key, value) in &self.puts {
            batch.put_cf(family, key, value);
        }
        batch.put_cf(family, key::progress(self.chain), self.next.to_be_bytes());
        Ok(batch)
    }

    fn terms(&self, store: &Store, resolver: &mut Resolver) -> Result<BTreeSet<Term>, Error> {
        let mut terms = BTreeSet::new();
        for digest in &self.facts {
            if let Some(facts) = resolver.facts(store, self.chain, digest)? {
                terms.extend(Term::of_facts(&facts));
            }
        }
        for session in self.sessions.keys() {
            if let Some(facts) = resolver.session(store, *session)? {
                terms.extend(Term::of_session(&facts));
            }
        }
        Ok(terms)
    }
}
