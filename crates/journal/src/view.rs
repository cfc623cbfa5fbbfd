//! The log as it stands at one moment: which chains can still grow, and what is written but not indexed yet.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use uuid::Uuid;

use crate::{
    Error,
    batch::Parts,
    chain_id::ChainId,
    codec::{Content, Kind, Malformed, Raw},
    index::Segment,
    indexer,
    resolve::{Resolver, with_entry},
    run,
    segment::{Later, Statement},
    store::Store,
};

/// Entries that one look at the log reads because they are not indexed yet. The index is behind by far less than this unless it is being made anew.
pub const UNINDEXED_MAX: u64 = 500_000;

/// The same in bytes.
pub const UNINDEXED_BYTES_MAX: usize = 256 << 20;

pub(crate) struct View {
    /// The run that still writes, if any does.
    live: Option<Uuid>,
    /// The rest of each chain after its last sealed segment.
    tails: Vec<Segment>,
    sealed: HashMap<ChainId, u64, RandomState>,
    later: Later,
    open: HashMap<ChainId, bool, RandomState>,
    unindexed: u64,
    unindexed_bytes: usize,
}

impl View {
    /// Looks at the log now. What is not indexed yet is taught to the resolver.
    pub fn take(store: &Store) -> Result<(View, Resolver), Error> {
        let live = if run::is_live(store.folder()) { run::latest(store)? } else { None };
        let mut view = View {
            live,
            tails: Vec::new(),
            sealed: HashMap::default(),
            later: Later::default(),
            open: HashMap::default(),
            unindexed: 0,
            unindexed_bytes: 0,
        };
        let mut resolver = Resolver::default();
        for chain in store.chains()? {
            let first = indexer::progress(store, chain)?;
            view.sealed.insert(chain, first);
            let tail = view.read_tail(store, chain, first, &mut resolver)?;
            view.tails.extend(tail);
        }
        Ok((view, resolver))
    }

    /// The segments that are not sealed, one for each chain that has such entries.
    pub fn unsealed(&self) -> &[Segment] {
        &self.tails
    }

    /// Each chain with the number of its next entry.
    pub fn ends(&self) -> HashMap<ChainId, u64, RandomState> {
        let mut ends = self.sealed.clone();
        ends.extend(self.tails.iter().map(|tail| (tail.chain, tail.last + 1)));
        ends
    }

    /// How many entries they have.
    pub fn unindexed(&self) -> u64 {
        self.unindexed
    }

    /// Entries of the unsealed segments that belong to rows of sealed ones.
    pub fn later(&self) -> &Later {
        &self.later
    }

    /// Whether a segment of the index was already sealed when this view was taken.
    pub fn is_sealed(&self, segment: &Segment) -> bool {
        self.sealed.get(&segment.chain).is_some_and(|next| segment.last < *next)
    }

    /// Whether a chain can still grow.
    pub fn is_open(&mut self, store: &Store, chain: ChainId) -> Result<bool, Error> {
        let Some(live) = self.live else { return Ok(false) };
        if let Some(open) = self.open.get(&chain) {
            return Ok(*open);
        }
        let opening = with_entry(store, chain, 1, |_, raw| raw.decode())?;
        let open = matches!(opening, Some(Content::Opening(opening)) if opening.run == live);
        self.open.insert(chain, open);
        Ok(open)
    }

    fn read_tail(
        &mut self,
        store: &Store,
        chain: ChainId,
        first: u64,
        resolver: &mut Resolver,
    ) -> Result<Option<Segment>, Error> {
        let mut tail = TailReader { chain, next: first, times: None, running: HashMap::default() };
        for batch in store.batches(&chain, first)? {
            let (at, value) = batch?;
            if at != tail.next {
                return Err(store.damaged(format!("entry {} of chain {chain} is missing", tail.next)));
            }
            let (_, parts) = Parts::parse(&value).map_err(|e| store.bad_batch(chain, at, e))?;
            for part in parts {
                let sequence = tail.next;
                let (_, bytes) = part.map_err(|e| store.bad_batch(chain, at, e))?;
                tail.read(bytes, resolver, &mut self.later).map_err(|e| store.bad_entry(chain, sequence, e))?;
                self.unindexed += 1;
            }
            self.unindexed_bytes += value.len();
            if self.unindexed > UNINDEXED_MAX || self.unindexed_bytes > UNINDEXED_BYTES_MAX {
                let why = "the log's index is behind; ask again when the gateway has run for a while and caught up";
                return Err(Error::TooMuch(why.to_owned()));
            }
        }
        let (min_ns, max_ns) = tail.times.unwrap_or_default();
        Ok((tail.next > first).then_some(Segment { chain, first, last: tail.next - 1, min_ns, max_ns }))
    }
}

struct TailReader {
    chain: ChainId,
    next: u64,
    times: Option<(i64, i64)>,
    running: HashMap<Statement, u64, RandomState>,
}

impl TailReader {
    fn read(&mut self, bytes: &[u8], resolver: &mut Resolver, later: &mut Later) -> Result<(), Malformed> {
        let raw = Raw::parse(bytes)?;
        resolver.keep(&raw)?;
        let id = (raw.session, raw.statement);
        let sequence = self.next;
        self.next = sequence.checked_add(1).ok_or(Malformed("numbered past the end"))?;
        let belongs = match raw.kind {
            Kind::Opening | Kind::Facts => return Ok(()),
            Kind::Execute | Kind::End => true,
            Kind::Other if raw.is_hold()? => {
                later.holds.entry(id).or_default().push((self.chain, sequence));
                return Ok(());
            }
            Kind::Other => false,
            Kind::Begin | Kind::Prepare | Kind::SessionOpened => false,
        };
        if !belongs {
            let (min, max) = self.times.unwrap_or((raw.time_ns, raw.time_ns));
            self.times = Some((min.min(raw.time_ns), max.max(raw.time_ns)));
        }
        match (raw.kind, self.running.get_mut(&id)) {
            (Kind::Begin, _) => *self.running.entry(id).or_default() += 1,
            (Kind::End, Some(running)) if *running > 0 => *running -= 1,
            (_, Some(running)) if belongs && *running > 0 => {}
            _ if belongs => later.events.entry((self.chain, id.0, id.1)).or_default().push(sequence),
            _ => {}
        }
        Ok(())
    }
}
