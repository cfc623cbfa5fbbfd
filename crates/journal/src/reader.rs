use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashSet, VecDeque},
    path::Path,
    sync::Arc,
};

use foldhash::fast::RandomState;
use querygate_record::StatementId;

use crate::{
    Checkpoint, DEFAULT_CACHE_BYTES, Error, Filter, Row,
    chain_id::ChainId,
    index::{Segment, Term, key},
    resolve::Resolver,
    segment,
    store::{Family, Store},
    view::View,
};

/// Looks at a log that is being written, before something bad is believed.
pub(crate) const LOOKS_MAX: u32 = 3;

/// Reads the log: beside the running gateway, inside it, or when nothing runs. It never writes to the log.
#[derive(Clone)]
pub struct Reader {
    pub(crate) store: Arc<Store>,
    /// Whether the database is a copy of the running gateway's state that must be brought up to date.
    beside: bool,
}

impl Reader {
    /// Opens the log in a folder for reading, whether or not a gateway writes to it.
    pub fn open(folder: &Path) -> Result<Reader, Error> {
        let store = Store::open_beside(folder, DEFAULT_CACHE_BYTES)?;
        Ok(Reader { store: Arc::new(store), beside: true })
    }

    pub(crate) fn inside(store: Arc<Store>) -> Reader {
        Reader { store, beside: false }
    }

    pub(crate) fn refresh(&self) -> Result<(), Error> {
        if self.beside { self.store.catch_up() } else { Ok(()) }
    }

    /// Looks at the log as it stands now. Beside a gateway that moves entries from its log file to a table just now, they can be in neither for one look.
    pub(crate) fn look(&self) -> Result<(View, Resolver), Error> {
        let mut attempt = 1;
        loop {
            self.refresh()?;
            match View::take(&self.store) {
                Err(Error::Damaged { .. }) if self.beside && attempt < LOOKS_MAX => attempt += 1,
                looked => return looked,
            }
        }
    }

    /// The rows that a filter wants, by time, as the log stands now. Memory is bounded by the segments that overlap in time, about one for each event
    /// loop, not by the number of rows.
    pub fn search(&self, filter: &Filter) -> Result<Rows, Error> {
        let (view, resolver) = self.look()?;
        let mut waiting = self.candidates(filter, &view)?;
        let newest_first = filter.newest_first;
        waiting.sort_unstable_by_key(|s| if newest_first { !s.max_ns } else { s.min_ns });
        Ok(Rows {
            store: self.store.clone(),
            resolver,
            view,
            filter: filter.clone(),
            waiting: waiting.into(),
            loaded: BinaryHeap::new(),
            failed: false,
        })
    }

    /// Everything that the log says of one statement: usually one row.
    pub fn show(&self, statement: StatementId) -> Result<Vec<Row>, Error> {
        let StatementId { session, number } = statement;
        self.search(&Filter { session: Some(session), statement: Some(number), ..Filter::default() })?.collect()
    }

    /// The last checkpoint, to be kept elsewhere; none when nothing was ever signed.
    pub fn last_checkpoint(&self) -> Result<Option<Checkpoint>, Error> {
        self.refresh()?;
        let last = self.store.last_at(Family::Checkpoints, &u64::MAX.to_be_bytes(), &[])?;
        let decode = |bytes: &[u8]| {
            Checkpoint::decode(bytes).map_err(|e| self.store.damaged(format!("the last checkpoint is {}", e.0)))
        };
        last.map(|(_, bytes)| decode(&bytes)).transpose()
    }

    /// How many entries are written and not indexed: what each search reads besides.
    pub fn unindexed(&self) -> Result<u64, Error> {
        Ok(self.look()?.0.unindexed())
    }

    /// The segments in which wanted rows can be, those that are not sealed yet included.
    fn candidates(&self, filter: &Filter, view: &View) -> Result<Vec<Segment>, Error> {
        let terms = filter.terms();
        let mut found: Option<Vec<Segment>> = None;
        for term in &terms {
            let segments = self.sealed(&key::term(*term), (*term, filter))?;
            found = Some(match found {
                None => segments,
                Some(earlier) => {
                    let both: HashSet<(ChainId, u64), RandomState> =
                        segments.iter().map(|s| (s.chain, s.first)).collect();
                    earlier.into_iter().filter(|s| both.contains(&(s.chain, s.first))).collect()
                }
            });
        }
        let mut found = match found {
            Some(found) => found,
            None => self.sealed_everywhere(filter)?,
        };
        found.retain(|segment| view.is_sealed(segment));
        found.extend(view.unsealed().iter().filter(|segment| filter.overlaps(segment.min_ns, segment.max_ns)).copied());
        Ok(found)
    }

    fn sealed_everywhere(&self, filter: &Filter) -> Result<Vec<Segment>, Error> {
        let mut segments = Vec::new();
        for pair in self.store.scan(Family::Index, key::SEGMENTS, key::SEGMENTS)? {
            let (key, value) = pair?;
            let segment = self.segment(&key, &value)?;
            if filter.overlaps(segment.min_ns, segment.max_ns) {
                segments.push(segment);
            }
        }
        Ok(segments)
    }

    fn sealed(&self, prefix: &[u8], (term, filter): (Term, &Filter)) -> Result<Vec<Segment>, Error> {
        let of_session = filter.session.map(Term::session) == Some(term);
        let statement = filter.statement.filter(|_| of_session);
        let mut segments = Vec::new();
        for pair in self.store.scan(Family::Index, prefix, prefix)? {
            let (key, value) = pair?;
            let segment = self.segment(&key, &value)?;
            let holds = statement
                .is_none_or(|number| statements(&value).is_none_or(|(min, max)| (min..=max).contains(&number)));
            if holds && filter.overlaps(segment.min_ns, segment.max_ns) {
                segments.push(segment);
            }
        }
        Ok(segments)
    }

    fn segment(&self, key: &[u8], value: &[u8]) -> Result<Segment, Error> {
        Segment::read(key, value)
            .ok_or_else(|| self.store.damaged("the index has a malformed segment; it can be made anew"))
    }
}

/// The numbers of a session's statements in a segment.
fn statements(value: &[u8]) -> Option<(u64, u64)> {
    let (_, range) = value.split_at_checked(24)?;
    let (min, max) = range.split_first_chunk()?;
    Some((u64::from_be_bytes(*min), u64::from_be_bytes(*max.first_chunk()?)))
}

/// The rows of a search, one after another. After an error nothing more comes.
pub struct Rows {
    store: Arc<Store>,
    resolver: Resolver,
    view: View,
    filter: Filter,
    /// Segments not read yet, by time.
    waiting: VecDeque<Segment>,
    loaded: BinaryHeap<Reverse<Loaded>>,
    failed: bool,
}

/// A segment that was read; ordered by the row that comes next.
struct Loaded {
    order: (i64, ChainId, u64),
    rows: VecDeque<Row>,
}

impl Rows {
    fn order(&self, row: &Row) -> (i64, ChainId, u64) {
        let at = if self.filter.newest_first { (!row.time_ns, !row.sequence) } else { (row.time_ns, row.sequence) };
        (at.0, row.chain, at.1)
    }

    /// Whether a segment can hold a row that comes before every row at hand.
    fn comes_next(&self, segment: &Segment) -> bool {
        let earliest = if self.filter.newest_first { !segment.max_ns } else { segment.min_ns };
        self.loaded.peek().is_none_or(|Reverse(loaded)| earliest <= loaded.order.0)
    }

    fn load(&mut self, segment: &Segment) -> Result<(), Error> {
        let open = self.view.is_open(&self.store, segment.chain)?;
        let mut rows = segment::load(&self.store, &mut self.resolver, segment, open, self.view.later())?;
        rows.retain(|row| self.filter.matches(row));
        rows.sort_by_key(|row| self.order(row));
        self.keep(rows.into());
        Ok(())
    }

    fn keep(&mut self, rows: VecDeque<Row>) {
        if let Some(first) = rows.front() {
            self.loaded.push(Reverse(Loaded { order: self.order(first), rows }));
        }
    }

    fn advance(&mut self) -> Result<Option<Row>, Error> {
        while let Some(segment) = self.waiting.front().copied() {
            if !self.comes_next(&segment) {
                break;
            }
            self.waiting.pop_front();
            self.load(&segment)?;
        }
        let Some(Reverse(mut loaded)) = self.loaded.pop() else { return Ok(None) };
        let row = loaded.rows.pop_front();
        self.keep(loaded.rows);
        Ok(row)
    }
}

impl Iterator for Rows {
    type Item = Result<Row, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let row = self.advance();
        self.failed = row.is_err();
        row.transpose()
    }
}

impl PartialEq for Loaded {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Loaded {}

impl PartialOrd for Loaded {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Loaded {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order.cmp(&other.order)
    }
}
