//! Which run of the gateway is the present one, and whether it still runs: what has no end in an older run has none at all.

use std::{fs, path::Path};

use uuid::Uuid;

use crate::{
    Error,
    store::{Family, Store},
};

const LOCK_FILE: &str = "writer.lock";
const RUN_KEY: &[u8] = b"run";

/// Held by the process that writes; the system lets go of it when the process ends, however it ends. Two writers are kept apart by RocksDB's own lock;
/// this one can be looked at by readers.
pub(crate) struct Mark(#[expect(dead_code, reason = "held, not read")] fs::File);

impl Mark {
    /// Starts a run.
    pub fn set(store: &Store) -> Result<(Mark, Uuid), Error> {
        let path = store.folder().join(LOCK_FILE);
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(Error::away)?;
        // Only a reader that looks just now can be in the way, for a moment.
        file.lock().map_err(Error::away)?;
        let run = Uuid::now_v7();
        store.put(Family::Meta, RUN_KEY, run.as_bytes())?;
        Ok((Mark(file), run))
    }
}

/// Whether some process has the log in `folder` open for writing.
pub(crate) fn is_live(folder: &Path) -> bool {
    let Ok(file) = fs::File::open(folder.join(LOCK_FILE)) else { return false };
    matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock))
}

/// The present run, or the last one.
pub(crate) fn latest(store: &Store) -> Result<Option<Uuid>, Error> {
    let bytes = store.get(Family::Meta, RUN_KEY)?;
    Ok(bytes.and_then(|bytes| Uuid::from_slice(&bytes).ok()))
}
