//! The RocksDB database: its column families, their keys, and how it is opened. Nothing outside this crate knows RocksDB.

use std::path::{Path, PathBuf};

use querygate_record::Digest;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode, Direction,
    FlushOptions, IteratorMode, LogLevel, ReadOptions, WriteBatch, WriteOptions,
};
use uuid::Uuid;

use crate::{
    Error,
    batch::Frames,
    chain_id::{ChainId, Head},
    codec::Malformed,
};

/// Column families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Chain (16) and number of the first entry (8, big endian) → entries.
    Batches,
    /// Number (8, big endian) → a signed checkpoint.
    Checkpoints,
    /// What can be made anew from the batches: postings, links, progress.
    Index,
    /// Small facts of this database: the probe of a failed disk.
    Meta,
}

impl Family {
    const ALL: [Family; 4] = [Family::Batches, Family::Checkpoints, Family::Index, Family::Meta];

    fn name(self) -> &'static str {
        match self {
            Family::Batches => "batches",
            Family::Checkpoints => "checkpoints",
            Family::Index => "index",
            Family::Meta => "meta",
        }
    }
}

/// Entries in memory before they are laid down as a table, bytes. Large, because each table costs a merge later.
const BATCHES_MEMORY: usize = 64 << 20;
const INDEX_MEMORY: usize = 8 << 20;
const MEMORIES_MAX: i32 = 4;
/// Tables not merged yet before writers are slowed down, and stopped: generous, since writers are event loops, and entries lie in order anyway.
const UNMERGED_SLOW: i32 = 64;
const UNMERGED_MAX: i32 = 128;
/// Bound of all unflushed memory of the database, bytes.
const MEMORY_MAX: usize = 192 << 20;
/// Files of tables held open; the rest are opened on demand.
const OPEN_FILES_MAX: i32 = 512;
/// The write-ahead log is cut off by laying memory down when it passes this size, bytes.
const WAL_BYTES_MAX: u64 = 256 << 20;
const TABLE_BLOCK_BYTES: usize = 32 << 10;
/// RocksDB's own diary: files kept, and when a new one starts, bytes.
const DIARY_FILES: usize = 4;
const DIARY_BYTES: usize = 4 << 20;

/// A key and its value.
pub(crate) type Pair = (Box<[u8]>, Box<[u8]>);

/// The number of a batch's first entry, and its value.
pub(crate) type Batch = (u64, Box<[u8]>);

pub(crate) struct Store {
    db: DB,
    folder: PathBuf,
    /// The folder of a reader beside a running gateway, removed with it.
    _beside: Option<tempfile::TempDir>,
}

impl Store {
    /// Opens for writing; makes the database when there is none. With `accept_loss`, also says what was lost, if anything was.
    pub fn open(folder: &Path, cache_bytes: usize, accept_loss: bool) -> Result<(Store, Option<String>), Error> {
        std::fs::create_dir_all(folder).map_err(Error::away)?;
        // A torn record at the very end is a write that nobody was told of. Anything else that is damaged stops the start: skipping it
        // (point-in-time) would lose entries without a word.
        match Store::open_with(folder, cache_bytes, DBRecoveryMode::TolerateCorruptedTailRecords) {
            Err(Error::Damaged { why, .. }) if accept_loss => {
                let store = Store::open_with(folder, cache_bytes, DBRecoveryMode::PointInTime)?;
                Ok((store, Some(why)))
            }
            opened => Ok((opened?, None)),
        }
    }

    fn open_with(folder: &Path, cache_bytes: usize, recovery: DBRecoveryMode) -> Result<Store, Error> {
        let mut options = database_options();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_track_and_verify_wals_in_manifest(!matches!(recovery, DBRecoveryMode::PointInTime));
        options.set_wal_recovery_mode(recovery);
        options.set_max_open_files(OPEN_FILES_MAX);
        let db = DB::open_cf_descriptors(&options, folder, families(cache_bytes)).map_err(|e| opening(folder, e))?;
        Ok(Store { db, folder: folder.to_owned(), _beside: None })
    }

    /// Opens for reading only, also beside a running gateway, as of now.
    pub fn open_beside(folder: &Path, cache_bytes: usize) -> Result<Store, Error> {
        if !folder.join("CURRENT").exists() {
            return Err(Error::Absent { folder: folder.to_owned(), why: "no database is there".to_owned() });
        }
        let beside = tempfile::Builder::new().prefix("querygate-log-").tempdir().map_err(Error::read)?;
        let mut options = database_options();
        options.set_max_open_files(-1);
        let db = DB::open_cf_descriptors_as_secondary(&options, folder, beside.path(), families(cache_bytes))
            .map_err(|e| opening(folder, e))?;
        let store = Store { db, folder: folder.to_owned(), _beside: Some(beside) };
        store.catch_up()?;
        Ok(store)
    }

    /// Lets a reader see what was written since it was opened.
    pub fn catch_up(&self) -> Result<(), Error> {
        self.db.try_catch_up_with_primary().map_err(Error::read)
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A damage report about this database.
    pub fn damaged(&self, why: impl Into<String>) -> Error {
        Error::Damaged { folder: self.folder.clone(), why: why.into() }
    }

    pub fn family(&self, family: Family) -> Result<&ColumnFamily, Error> {
        self.db.cf_handle(family.name()).ok_or_else(|| self.damaged(format!("the part `{}` is missing", family.name())))
    }

    /// Writes as one; to the operating system, or to the disk with `sync`.
    pub fn write(&self, batch: WriteBatch, sync: bool) -> Result<(), Error> {
        let mut options = WriteOptions::new();
        options.set_sync(sync);
        self.db.write_opt(batch, &options).map_err(Error::away)
    }

    /// Writes one pair to the operating system.
    pub fn put(&self, family: Family, key: &[u8], value: &[u8]) -> Result<(), Error> {
        self.db.put_cf(self.family(family)?, key, value).map_err(Error::away)
    }

    /// Syncs every write that returned before.
    pub fn sync(&self) -> Result<(), Error> {
        self.db.flush_wal(true).map_err(Error::away)
    }

    pub fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.db.get_cf(self.family(family)?, key).map_err(Error::read)
    }

    /// Pairs from `from` on, upwards, while the key starts with `prefix`.
    pub fn scan<'a>(
        &'a self,
        family: Family,
        from: &[u8],
        prefix: &'a [u8],
    ) -> Result<impl Iterator<Item = Result<Pair, Error>> + use<'a>, Error> {
        let mut options = ReadOptions::default();
        options.set_total_order_seek(true);
        let iterator =
            self.db.iterator_cf_opt(self.family(family)?, options, IteratorMode::From(from, Direction::Forward));
        Ok(iterator
            .map(|pair| pair.map_err(Error::read))
            .take_while(move |pair| pair.as_ref().map_or(true, |(key, _)| key.starts_with(prefix))))
    }

    /// The last pair whose key is at most `key` and starts with `prefix`.
    pub fn last_at(&self, family: Family, key: &[u8], prefix: &[u8]) -> Result<Option<Pair>, Error> {
        let mut iterator = self.db.iterator_cf(self.family(family)?, IteratorMode::From(key, Direction::Reverse));
        let pair = iterator.next().transpose().map_err(Error::read)?;
        Ok(pair.filter(|(key, _)| key.starts_with(prefix)))
    }

    /// The first pair at or after `key`.
    pub fn first_at(&self, family: Family, key: &[u8]) -> Result<Option<Pair>, Error> {
        let mut iterator = self.db.iterator_cf(self.family(family)?, IteratorMode::From(key, Direction::Forward));
        iterator.next().transpose().map_err(Error::read)
    }

    /// Every chain, oldest first.
    pub fn chains(&self) -> Result<Vec<ChainId>, Error> {
        let mut chains = Vec::new();
        let mut from = [0; 24];
        while let Some((key, _)) = self.first_at(Family::Batches, &from)? {
            let place = read_batch_key(&key).filter(|(_, first)| *first < u64::MAX);
            let (chain, _) = place.ok_or_else(|| self.damaged("a batch has an impossible key"))?;
            chains.push(chain);
            from = batch_key(chain, u64::MAX);
        }
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
        let pair = self.last_at(Family::Batches, &batch_key(chain, sequence), chain.0.as_bytes())?;
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
        let pairs = self.scan(Family::Batches, &batch_key(*chain, first), chain.0.as_bytes())?;
        Ok(pairs.map(move |pair| {
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

fn database_options() -> rocksdb::Options {
    let mut options = rocksdb::Options::default();
    options.set_db_write_buffer_size(MEMORY_MAX);
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_max_background_jobs(2);
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(DIARY_FILES);
    options.set_max_log_file_size(DIARY_BYTES);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    // A crash must not leave a checkpoint laid down without the batches that it signs.
    options.set_atomic_flush(true);
    options
}

fn families(cache_bytes: usize) -> Vec<ColumnFamilyDescriptor> {
    let cache = Cache::new_lru_cache(cache_bytes);
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&cache);
    table.set_block_size(TABLE_BLOCK_BYTES);
    table.set_cache_index_and_filter_blocks(true);
    let describe = |family: Family| {
        let mut options = rocksdb::Options::default();
        options.set_block_based_table_factory(&table);
        options.set_compression_type(DBCompressionType::Lz4);
        options.set_bottommost_compression_type(DBCompressionType::Zstd);
        options.set_max_write_buffer_number(MEMORIES_MAX);
        options.set_level_zero_slowdown_writes_trigger(UNMERGED_SLOW);
        options.set_level_zero_stop_writes_trigger(UNMERGED_MAX);
        options.set_soft_pending_compaction_bytes_limit(0);
        options.set_hard_pending_compaction_bytes_limit(0);
        options.set_write_buffer_size(if family == Family::Batches { BATCHES_MEMORY } else { INDEX_MEMORY });
        ColumnFamilyDescriptor::new(family.name(), options)
    };
    let default = ColumnFamilyDescriptor::new("default", rocksdb::Options::default());
    Family::ALL.into_iter().map(describe).chain([default]).collect()
}

fn opening(folder: &Path, error: rocksdb::Error) -> Error {
    let text = error.to_string();
    match error.kind() {
        rocksdb::ErrorKind::Corruption => Error::Damaged { folder: folder.to_owned(), why: text },
        rocksdb::ErrorKind::IOError if text.contains("lock") => Error::InUse { folder: folder.to_owned() },
        _ => Error::away(text),
    }
}

impl Store {
    /// Whether writes reach the disk again. After a failed sync the system may have dropped pages of the write-ahead log and call it clean, so what is in
    /// memory is laid down as tables: whatever the log file lost is then on disk all the same.
    pub fn probe(&self) -> Result<(), Error> {
        let mut batch = WriteBatch::default();
        batch.put_cf(self.family(Family::Meta)?, b"probe", b"");
        self.write(batch, true)?;
        let families = Family::ALL.into_iter().map(|family| self.family(family)).collect::<Result<Vec<_>, _>>()?;
        self.db.flush_cfs_opt(&families, &FlushOptions::default()).map_err(Error::away)
    }
}
