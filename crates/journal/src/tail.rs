use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use foldhash::fast::RandomState;
use querygate_record::{Entry, Event, SessionId, StatementId};

use crate::{
    Error, Reader, Row, RowKind,
    batch::Frames,
    chain_id::ChainId,
    codec::{Content, Raw},
    reader::LOOKS_MAX,
    resolve::Resolver,
    segment::{kind_of, new_row},
};

/// A good time to wait between two calls of [`Tail::poll`].
pub const TAIL_INTERVAL: Duration = Duration::from_millis(200);

/// Statements that a tail follows at a time; when there are more, the longest followed is shown as it stands and forgotten.
const FOLLOWED_MAX: usize = 16_384;

/// Entries, and their bytes, that one poll takes from a chain; the next poll takes the rest.
const TAKEN_MAX: usize = 10_000;
const TAKEN_BYTES_MAX: usize = 4 << 20;

/// Follows the log: each statement as it ends (and when it begins to wait for a reviewer), each other event as it is written.
pub struct Tail {
    reader: Reader,
    resolver: Resolver,
    /// The next entry of each chain.
    next: HashMap<ChainId, u64, RandomState>,
    followed: HashMap<Key, VecDeque<Row>, RandomState>,
    /// How many rows are followed.
    count: usize,
}

/// A statement: its session, or for the gateway's own its chain.
type Key = (Option<SessionId>, Option<ChainId>, u64);

/// An entry as read, before it is joined.
struct Taken {
    row: Row,
    entry: Entry,
}

impl Reader {
    /// Follows the log from now on.
    pub fn tail(&self) -> Result<Tail, Error> {
        let (view, resolver) = self.look()?;
        Ok(Tail { reader: self.clone(), resolver, next: view.ends(), followed: HashMap::default(), count: 0 })
    }
}

impl Tail {
    /// What is new since the last call, by time.
    pub fn poll(&mut self) -> Result<Vec<Row>, Error> {
        self.reader.refresh()?;
        let mut taken = Vec::new();
        for chain in self.reader.store.chains()? {
            let mut attempt = 1;
            while let Err(error) = self.take(chain, &mut taken) {
                // As in `look`; what was taken before the gap stays taken.
                if !matches!(error, Error::Damaged { .. }) || attempt >= LOOKS_MAX {
                    return Err(error);
                }
                attempt += 1;
                self.reader.refresh()?;
            }
        }
        taken.sort_by_key(|taken| taken.entry.time_ns);
        let mut rows = Vec::new();
        for taken in taken {
            self.join(taken, &mut rows)?;
        }
        Ok(rows)
    }

    fn take(&mut self, chain: ChainId, taken: &mut Vec<Taken>) -> Result<(), Error> {
        let store = self.reader.store.clone();
        let next = self.next.entry(chain).or_insert(1);
        let (enough, mut bytes) = (taken.len() + TAKEN_MAX, 0);
        for batch in store.batches(&chain, *next)? {
            let (first, value) = batch?;
            if first != *next {
                return Err(store.damaged(format!("entry {next} of chain {chain} is missing")));
            }
            for frame in Frames::parse(chain, first, &value).map_err(|e| store.bad_batch(chain, first, e))? {
                let frame = frame.map_err(|e| store.bad_batch(chain, first, e))?;
                let malformed = |e| store.bad_entry(chain, frame.sequence, e);
                let raw = Raw::parse(frame.bytes).map_err(malformed)?;
                self.resolver.learn(&raw).map_err(malformed)?;
                if let Content::Entry(entry) = raw.decode().map_err(malformed)? {
                    let kind = kind_of(&entry.event).unwrap_or(RowKind::Statement);
                    let row = new_row(&store, &mut self.resolver, (chain, true), &frame, kind, entry.clone())?;
                    taken.push(Taken { row, entry });
                }
                *next = frame.sequence + 1;
            }
            bytes += value.len();
            if taken.len() >= enough || bytes >= TAKEN_BYTES_MAX {
                break;
            }
        }
        Ok(())
    }

    fn join(&mut self, Taken { row, entry }: Taken, rows: &mut Vec<Row>) -> Result<(), Error> {
        let chain = if entry.session.is_none() { Some(row.chain) } else { None };
        let key = (entry.session, chain, entry.statement);
        match entry.event {
            Event::Begin { .. } => {
                rows.extend(self.make_room());
                self.followed.entry(key).or_default().push_back(row);
                self.count += 1;
            }
            Event::Facts { .. } => {}
            event @ (Event::Execute | Event::End(_) | Event::Held { .. } | Event::Ruled { .. }) => {
                let (ends, held) = (matches!(event, Event::End(_)), matches!(event, Event::Held { .. }));
                match self.followed.get_mut(&key).and_then(VecDeque::front_mut) {
                    Some(followed) => {
                        followed.join(row.sequence, row.hash, row.time_ns, event);
                        rows.extend(held.then(|| followed.clone()));
                    }
                    None if ends => rows.extend(self.begun_before(&key, row.sequence)?),
                    None => {}
                }
                if ends {
                    rows.extend(self.forget(&key));
                }
            }
            _ => rows.push(row),
        }
        Ok(())
    }

    /// A statement that began before the tail did, when it has ended.
    fn begun_before(&self, key: &Key, end: u64) -> Result<Option<Row>, Error> {
        let (Some(session), _, number) = *key else { return Ok(None) };
        let rows = self.reader.show(StatementId { session, number })?;
        Ok(rows.into_iter().find(|row| row.end.is_some_and(|(sequence, ..)| sequence == end)))
    }

    fn forget(&mut self, key: &Key) -> Option<Row> {
        let rows = self.followed.get_mut(key)?;
        let row = rows.pop_front();
        if rows.is_empty() {
            self.followed.remove(key);
        }
        self.count -= usize::from(row.is_some());
        row
    }

    /// The longest followed statement, when there are too many.
    fn make_room(&mut self) -> Option<Row> {
        if self.count < FOLLOWED_MAX {
            return None;
        }
        let began = |rows: &VecDeque<Row>| rows.front().map(|row| row.time_ns);
        let (oldest, _) = self.followed.iter().min_by_key(|(_, rows)| began(rows))?;
        let oldest = *oldest;
        self.forget(&oldest)
    }
}
