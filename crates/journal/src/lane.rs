//! One RocksDB database of the log: how it is opened, written and synced.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use parking_lot::Mutex;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode,
    FlushOptions, LogLevel, WriteBatch, WriteBufferManager, WriteOptions,
};

use crate::Error;

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
/// Bound of all unflushed memory of the log, bytes.
const MEMORY_MAX: usize = 192 << 20;
/// Files of tables held open; the rest are opened on demand.
const OPEN_FILES_MAX: i32 = 512;
/// The write-ahead log is cut off by laying memory down when it passes this size, bytes.
const WAL_BYTES_MAX: u64 = 256 << 20;
/// Levels of tables, each ten times the one before: RocksDB's own default.
const LEVELS: usize = 7;
const TABLE_BLOCK_BYTES: usize = 32 << 10;
/// RocksDB's own diary: files kept, and when a new one starts, bytes.
const DIARY_FILES: usize = 4;
const DIARY_BYTES: usize = 4 << 20;

/// What all lanes of a log share.
pub(crate) struct Memory {
    cache: Cache,
    unflushed: WriteBufferManager,
}

impl Memory {
    /// Room for what was read, bytes; that for what is to be laid down is bounded by [`MEMORY_MAX`].
    pub fn new(cache_bytes: usize) -> Memory {
        Memory {
            cache: Cache::new_lru_cache(cache_bytes),
            unflushed: WriteBufferManager::new_write_buffer_manager(MEMORY_MAX, false),
        }
    }
}

/// A database with its own write-ahead log: what one writer does in it holds no other up. Aligned, so that lanes share no line of the processors' caches.
#[repr(align(128))]
pub(crate) struct Lane {
    pub db: DB,
    /// How everything is written that need not be on disk when the call returns.
    unsynced: WriteOptions,
    /// Whether something was written since it was last synced.
    dirty: AtomicBool,
    /// Held while it is synced: who finds nothing to sync must not be told so before another's sync is done.
    syncing: Mutex<()>,
}

impl Lane {
    /// Opens for writing; makes the database when there is none. With `accept_loss`, also says what was lost, if anything was.
    pub fn open(folder: &Path, memory: &Memory, accept_loss: bool) -> Result<(Lane, Option<String>), Error> {
        std::fs::create_dir_all(folder).map_err(Error::away)?;
        // A torn record at the very end is a write that nobody was told of. Anything else that is damaged stops the start: skipping it
        // (point-in-time) would lose entries without a word.
        match Lane::open_with(folder, memory, DBRecoveryMode::TolerateCorruptedTailRecords) {
            Err(Error::Damaged { why, .. }) if accept_loss => {
                Ok((Lane::open_with(folder, memory, DBRecoveryMode::PointInTime)?, Some(why)))
            }
            opened => Ok((opened?, None)),
        }
    }

    fn open_with(folder: &Path, memory: &Memory, recovery: DBRecoveryMode) -> Result<Lane, Error> {
        let mut options = database_options(memory);
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_track_and_verify_wals_in_manifest(!matches!(recovery, DBRecoveryMode::PointInTime));
        options.set_wal_recovery_mode(recovery);
        options.set_max_open_files(OPEN_FILES_MAX);
        let db = DB::open_cf_descriptors(&options, folder, families(memory)).map_err(|e| opening(folder, e))?;
        Ok(Lane::new(db))
    }

    /// Opens for reading only, also beside a running gateway, as of now; `beside` is a folder for the reader's own notes.
    pub fn open_beside(folder: &Path, beside: &Path, memory: &Memory) -> Result<Lane, Error> {
        let mut options = database_options(memory);
        options.set_max_open_files(-1);
        let db = DB::open_cf_descriptors_as_secondary(&options, folder, beside, families(memory))
            .map_err(|e| opening(folder, e))?;
        let lane = Lane::new(db);
        lane.catch_up()?;
        Ok(lane)
    }

    fn new(db: DB) -> Lane {
        Lane { db, unsynced: WriteOptions::new(), dirty: AtomicBool::new(false), syncing: Mutex::new(()) }
    }

    /// Lets a reader see what was written since it was opened.
    pub fn catch_up(&self) -> Result<(), Error> {
        self.db.try_catch_up_with_primary().map_err(Error::read)
    }

    pub fn family(&self, family: Family) -> Result<&ColumnFamily, Error> {
        let missing = || Error::Damaged {
            folder: self.db.path().to_owned(),
            why: format!("the part `{}` is missing", family.name()),
        };
        self.db.cf_handle(family.name()).ok_or_else(missing)
    }

    /// Writes as one; to the operating system, or to the disk with `sync`.
    pub fn write(&self, batch: WriteBatch, sync: bool) -> Result<(), Error> {
        let mut options = WriteOptions::new();
        options.set_sync(sync);
        self.db.write_opt(batch, &options).map_err(Error::away)?;
        self.dirty.fetch_or(!sync, Ordering::Release);
        Ok(())
    }

    /// Writes one pair to the operating system.
    pub fn put(&self, family: Family, key: &[u8], value: &[u8]) -> Result<(), Error> {
        self.db.put_cf_opt(self.family(family)?, key, value, &self.unsynced).map_err(Error::away)?;
        self.dirty.store(true, Ordering::Release);
        Ok(())
    }

    /// Whether something may have to be synced.
    pub fn is_dirty(&self) -> bool {
        self.dirty.load(Ordering::Acquire)
    }

    /// Syncs every write that returned before, if there was any.
    pub fn sync(&self) -> Result<(), Error> {
        let _alone = self.syncing.lock();
        if !self.dirty.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        self.db.flush_wal(true).map_err(|error| {
            self.dirty.store(true, Ordering::Release);
            Error::away(error)
        })
    }

    /// Whether writes reach the disk again. After a failed sync the system may have dropped pages of the write-ahead log and call it clean, so what
    /// is in memory is laid down as tables: whatever the log file lost is then on disk all the same.
    pub fn probe(&self) -> Result<(), Error> {
        let mut batch = WriteBatch::default();
        batch.put_cf(self.family(Family::Meta)?, b"probe", b"");
        self.write(batch, true)?;
        let families = Family::ALL.into_iter().map(|family| self.family(family)).collect::<Result<Vec<_>, _>>()?;
        self.db.flush_cfs_opt(&families, &FlushOptions::default()).map_err(Error::away)
    }
}

fn database_options(memory: &Memory) -> rocksdb::Options {
    let mut options = rocksdb::Options::default();
    options.set_write_buffer_manager(&memory.unflushed);
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_max_background_jobs(2);
    // Writers are a few event loops with one small write each: what lets many threads write side by side only costs.
    options.set_allow_concurrent_memtable_write(false);
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(DIARY_FILES);
    options.set_max_log_file_size(DIARY_BYTES);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    // A crash must not leave a checkpoint laid down without the batches that it signs.
    options.set_atomic_flush(true);
    options
}

fn families(memory: &Memory) -> Vec<ColumnFamilyDescriptor> {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&memory.cache);
    table.set_block_size(TABLE_BLOCK_BYTES);
    table.set_cache_index_and_filter_blocks(true);
    let describe = |family: Family| {
        let mut options = rocksdb::Options::default();
        options.set_block_based_table_factory(&table);
        // What is laid down first is merged again soon: not worth compressing.
        let mut compressions = [DBCompressionType::Lz4; LEVELS];
        if let Some(first) = compressions.first_mut() {
            *first = DBCompressionType::None;
        }
        options.set_num_levels(LEVELS as i32);
        options.set_compression_per_level(&compressions);
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
