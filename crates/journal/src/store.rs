//! The log's databases as one: where each chain is, and how batches, checkpoints and index are found. Nothing outside this crate knows RocksDB.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use querygate_record::Digest;
use rocksdb::{ColumnFamily, Direction, IteratorMode, ReadOptions, WriteBatch};
use uuid::Uuid;

use crate::{
    Error,
    batch::Frames,
    chain_id::{ChainId, Head},
    codec::Malformed,
    lane::{Lane, Memory},
};

pub(crate) use crate::lane::Family;

/// A key and its value.
pub(crate) type Pair = (Box<[u8]>, Box<[u8]>);

/// The number of a batch's first entry, and its value.
pub(crate) type Batch = (u64, Box<[u8]>);

/// Most lanes of a log.
pub(crate) const LANES_MAX: usize = 65;

/// All lanes together. The first holds checkpoints, index and whatever is written seldom; each of the others the batches of one event loop, so that
/// loops share no lock and no memory when they write.
pub(crate) struct Store {
    main: Lane,
    /// Lanes 1, 2, ...; a reader opens them when they appear.
    more: Box<[OnceLock<Lane>]>,
    memory: Memory,
    folder: PathBuf,
    /// The folder of a reader beside a running gateway, removed with it.
    beside: Option<tempfile::TempDir>,
}

impl Store {
    /// Opens for writing in at least `lanes` lanes; makes the database when there is none. With `accept_loss`, also says what was lost, if anything was.
    pub fn open(
        folder: &Path,
        lanes: usize,
        cache_bytes: usize,
        accept_loss: bool,
    ) -> Result<(Store, Option<String>), Error> {
        let memory = Memory::new(cache_bytes);
        let (main, mut lost) = Lane::open(folder, &memory, accept_loss)?;
        let store = Store::new(main, memory, folder, None);
        for (number, place) in store.places() {
            let folder = lane_folder(folder, number);
            if number < lanes || folder.exists() {
                let (lane, loss) = Lane::open(&folder, &store.memory, accept_loss)?;
                // Nobody else has the store yet, so the place is empty.
                let _ = place.set(lane);
                lost = lost.or(loss);
            }
        }
        Ok((store, lost))
    }

    /// Opens for reading only, also beside a running gateway, as of now.
    pub fn open_beside(folder: &Path, cache_bytes: usize) -> Result<Store, Error> {
        if !folder.join("CURRENT").exists() {
            return Err(Error::Absent { folder: folder.to_owned(), why: "no database is there".to_owned() });
        }
        let beside = tempfile::Builder::new().prefix("querygate-log-").tempdir().map_err(Error::read)?;
        let memory = Memory::new(cache_bytes);
        let main = Lane::open_beside(folder, &lane_folder(beside.path(), 0), &memory)?;
        let store = Store::new(main, memory, folder, Some(beside));
        store.catch_up()?;
        Ok(store)
    }

    fn new(main: Lane, memory: Memory, folder: &Path, beside: Option<tempfile::TempDir>) -> Store {
        let more = (1..LANES_MAX).map(|_| OnceLock::new()).collect();
        Store { main, more, memory, folder: folder.to_owned(), beside }
    }

    /// Lets a reader see what was written since it was opened. The first lane comes first: what it says of the others is in them.
    pub fn catch_up(&self) -> Result<(), Error> {
        self.main.catch_up()?;
        let Some(beside) = &self.beside else { return Ok(()) };
        for (number, place) in self.places() {
            let folder = lane_folder(&self.folder, number);
            match place.get() {
                Some(lane) => lane.catch_up()?,
                None if folder.join("CURRENT").exists() => {
                    let lane = Lane::open_beside(&folder, &lane_folder(beside.path(), number), &self.memory)?;
                    // Another thread may have opened it just now.
                    let _ = place.set(lane);
                }
                None => {}
            }
        }
        Ok(())
    }

    fn places(&self) -> impl Iterator<Item = (usize, &OnceLock<Lane>)> {
        self.more.iter().enumerate().map(|(index, place)| (index + 1, place))
    }

    fn lanes(&self) -> impl Iterator<Item = &Lane> {
        [&self.main].into_iter().chain(self.more.iter().filter_map(OnceLock::get))
    }

    /// How many lanes can be written to.
    pub fn lane_count(&self) -> usize {
        self.lanes().count()
    }

    /// The lane of a chain; none when it is missing.
    fn lane(&self, chain: ChainId) -> Option<&Lane> {
        match chain.lane() {
            0 => Some(&self.main),
            number => self.more.get(number - 1).and_then(OnceLock::get),
        }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A damage report about this database.
    pub fn damaged(&self, why: impl Into<String>) -> Error {
        Error::Damaged { folder: self.folder.clone(), why: why.into() }
    }

    /// A part of the first lane, for [`Store::write`].
    pub fn family(&self, family: Family) -> Result<&ColumnFamily, Error> {
        self.main.family(family)
    }

    /// Writes to the first lane as one; to the operating system, or to the disk with `sync`.
    pub fn write(&self, batch: WriteBatch, sync: bool) -> Result<(), Error> {
        self.main.write(batch, sync)
    }

    /// Writes one pair of the first lane to the operating system.
    pub fn put(&self, family: Family, key: &[u8], value: &[u8]) -> Result<(), Error> {
        self.main.put(family, key, value)
    }

    /// Writes batches of a chain to the operating system, as one.
    pub fn append<'a>(&self, chain: ChainId, mut batches: impl Iterator<Item = (u64, &'a [u8])>) -> Result<(), Error> {
        let missing = || self.damaged(format!("the part lane-{} is missing", chain.lane()));
        let lane = self.lane(chain).ok_or_else(missing)?;
        let Some((first, bytes)) = batches.next() else { return Ok(()) };
        let Some(second) = batches.next() else { return lane.put(Family::Batches, &batch_key(chain, first), bytes) };
        let mut all = WriteBatch::default();
        for (first, bytes) in [(first, bytes), second].into_iter().chain(batches) {
            all.put_cf(lane.family(Family::Batches)?, batch_key(chain, first), bytes);
        }
        lane.write(all, false)
    }

    /// Syncs every write that returned before, of all lanes: the disk takes those that wait together.
    pub fn sync(&self) -> Result<(), Error> {
        std::thread::scope(|scope| {
            let dirty = self.lanes().filter(|lane| lane.is_dirty());
            let spawn = |lane| std::thread::Builder::new().spawn_scoped(scope, move || Lane::sync(lane));
            // A thread that can't be had is no loss: below, each lane is seen to.
            let others: Vec<_> = dirty.skip(1).filter_map(|lane| spawn(lane).ok()).collect();
            let mut synced = self.lanes().try_for_each(Lane::sync);
            for other in others {
                synced = synced.and(other.join().unwrap_or_else(|_| Err(Error::away("a sync was broken off"))));
            }
            synced
        })
    }

    /// Whether writes of all lanes reach the disk again.
    pub fn probe(&self) -> Result<(), Error> {
        self.lanes().try_for_each(Lane::probe)
    }

    pub fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.main.db.get_cf(self.family(family)?, key).map_err(Error::read)
    }

    /// Pairs of the first lane from `from` on, upwards, while the key starts with `prefix`.
    pub fn scan<'a>(
        &'a self,
        family: Family,
        from: &[u8],
        prefix: &'a [u8],
    ) -> Result<impl Iterator<Item = Result<Pair, Error>> + use<'a>, Error> {
        scan(&self.main, family, from, prefix)
    }

    /// The last pair of the first lane whose key is at most `key` and starts with `prefix`.
    pub fn last_at(&self, family: Family, key: &[u8], prefix: &[u8]) -> Result<Option<Pair>, Error> {
        last_at(&self.main, family, key, prefix)
    }

    /// Every chain, oldest first.
    pub fn chains(&self) -> Result<Vec<ChainId>, Error> {
        let mut chains = Vec::new();
        for lane in self.lanes() {
            let mut from = [0; 24];
            while let Some((key, _)) = first_at(lane, Family::Batches, &from)? {
                let place = read_batch_key(&key).filter(|(_, first)| *first < u64::MAX);
                let (chain, _) = place.ok_or_else(|| self.damaged("a batch has an impossible key"))?;
                if !self.lane(chain).is_some_and(|its| std::ptr::eq(its, lane)) {
                    return Err(self.damaged(format!("chain {chain} is not where it was written")));
                }
                chains.push(chain);
                from = batch_key(chain, u64::MAX);
            }
        }
        chains.sort_unstable();
        Ok(chains)
    }

    /// The last entry of a chain, as its last batch has it.
    pub fn head(&self, chain: ChainId) -> Result<Option<Head>, Error> {
        let mut last = None;
        if let Some((first, value)) = self.batch_at(chain, u64::MAX)? {
            for frame in Frames::parse(chain, first, &value).map_err(|e| self.bad_batch(chain, first, e))? {
                let frame = frame.map_err(|e| self.bad_batch(chain, first, e))?;
                last = Some(Head { chain, sequence: frame.sequence, hash: frame.hash });
            }
        }
        Ok(last)
    }

    /// The batch that should hold an entry, with the number of its first one.
    pub fn batch_at(&self, chain: ChainId, sequence: u64) -> Result<Option<Batch>, Error> {
        let Some(lane) = self.lane(chain) else { return Ok(None) };
        let pair = last_at(lane, Family::Batches, &batch_key(chain, sequence), chain.0.as_bytes())?;
        let Some((key, value)) = pair else { return Ok(None) };
        let (_, first) = read_batch_key(&key).ok_or_else(|| self.damaged("a batch has an impossible key"))?;
        Ok(Some((first, value)))
    }

    /// The batches of a chain that begin at `first` or later.
    pub fn batches<'a>(
        &'a self,
        chain: &'a ChainId,
        first: u64,
    ) -> Result<impl Iterator<Item = Result<Batch, Error>> + use<'a>, Error> {
        let pairs =
            self.lane(*chain).map(|lane| scan(lane, Family::Batches, &batch_key(*chain, first), chain.0.as_bytes()));
        Ok(pairs.transpose()?.into_iter().flatten().map(move |pair| {
            let (key, value) = pair?;
            let (_, first) = read_batch_key(&key).ok_or_else(|| self.damaged("a batch has an impossible key"))?;
            Ok((first, value))
        }))
    }

    /// A damage report about one batch.
    pub fn bad_batch(&self, chain: ChainId, first: u64, why: Malformed) -> Error {
        self.damaged(format!("the batch from entry {first} of chain {chain} is {}", why.0))
    }

    /// A damage report about one entry.
    pub fn bad_entry(&self, chain: ChainId, sequence: u64, why: Malformed) -> Error {
        self.damaged(format!("entry {sequence} of chain {chain} is {}", why.0))
    }
}

pub(crate) fn batch_key(chain: ChainId, first: u64) -> [u8; 24] {
    let mut key = [0; 24];
    let parts = [&chain.0.as_bytes()[..], &first.to_be_bytes()];
    key.iter_mut().zip(parts.into_iter().flatten()).for_each(|(to, from)| *to = *from);
    key
}

pub(crate) fn read_batch_key(key: &[u8]) -> Option<(ChainId, u64)> {
    let (chain, first) = key.split_first_chunk::<16>()?;
    Some((ChainId(Uuid::from_bytes(*chain)), u64::from_be_bytes(first.try_into().ok()?)))
}

/// The hash before a chain's first entry.
pub(crate) const GENESIS: Digest = Digest([0; 32]);

fn lane_folder(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("lane-{number}"))
}

fn scan<'a>(
    lane: &'a Lane,
    family: Family,
    from: &[u8],
    prefix: &'a [u8],
) -> Result<impl Iterator<Item = Result<Pair, Error>> + use<'a>, Error> {
    let mut options = ReadOptions::default();
    options.set_total_order_seek(true);
    let iterator = lane.db.iterator_cf_opt(lane.family(family)?, options, IteratorMode::From(from, Direction::Forward));
    Ok(iterator
        .map(|pair| pair.map_err(Error::read))
        .take_while(move |pair| pair.as_ref().map_or(true, |(key, _)| key.starts_with(prefix))))
}

fn last_at(lane: &Lane, family: Family, key: &[u8], prefix: &[u8]) -> Result<Option<Pair>, Error> {
    let mut iterator = lane.db.iterator_cf(lane.family(family)?, IteratorMode::From(key, Direction::Reverse));
    let pair = iterator.next().transpose().map_err(Error::read)?;
    Ok(pair.filter(|(key, _)| key.starts_with(prefix)))
}

/// The first pair at or after `key`.
fn first_at(lane: &Lane, family: Family, key: &[u8]) -> Result<Option<Pair>, Error> {
    let mut iterator = lane.db.iterator_cf(lane.family(family)?, IteratorMode::From(key, Direction::Forward));
    iterator.next().transpose().map_err(Error::read)
}
