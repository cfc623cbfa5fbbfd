use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

use zeroize::Zeroizing;

use crate::Error;

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::File { action, path: path.to_owned(), source }
}

/// Makes a folder that only its owner may enter, unless it exists.
pub(crate) fn make_folder(path: &Path) -> Result<(), Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed("make the folder", path))
}

/// Reads a secret file of at most `limit` bytes; `None` where there is none.
pub(crate) fn read_private(path: &Path, limit: u64) -> Result<Option<Zeroizing<String>>, Error> {
    let file = match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(failed("open", path))?,
    };
    check_private(&file, path)?;
    let mut text = Zeroizing::new(String::new());
    file.take(limit + 1).read_to_string(&mut text).map_err(failed("read", path))?;
    if text.len() as u64 > limit {
        let why = format!("it is longer than {limit} bytes, which no file written by querygate is");
        return Err(Error::Content { path: path.to_owned(), line: None, why, remedy: "restore it from a backup" });
    }
    Ok(Some(text))
}

fn check_private(file: &File, path: &Path) -> Result<(), Error> {
    let mode = file.metadata().map_err(failed("read the permissions of", path))?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let why = format!("others may read or write it (mode {:03o})", mode & 0o777);
    let remedy = "see whether its contents are still yours, then run `chmod 600` on it";
    Err(Error::Content { path: path.to_owned(), line: None, why, remedy })
}

/// Writes a secret file whole or not at all, and so that it is there after a power loss.
pub(crate) fn replace_private(path: &Path, text: &[u8]) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Path::new("."));
    written_beside(folder, text)
        .and_then(|file| file.persist(path).map_err(|e| e.error))
        .and_then(|_| sync_folder(folder))
        .map_err(failed("write", path))
}

/// A temporary file (mode 0600) with these contents, on disk.
fn written_beside(folder: &Path, text: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix(".querygate-").tempfile_in(folder)?;
    file.write_all(text)?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Reads a key of 32 bytes, or makes it where there is none. Of two processes that make it at once, both use the first one's.
pub(crate) fn load_or_make_key(path: &Path) -> Result<Zeroizing<[u8; 32]>, Error> {
    if !fs::exists(path).map_err(failed("look for", path))? {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(key.as_mut())?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let file = written_beside(folder, key.as_ref()).map_err(failed("write a key into", folder))?;
        match file.persist_noclobber(path) {
            Err(e) if e.error.kind() != io::ErrorKind::AlreadyExists => return Err(failed("write", path)(e.error)),
            _ => sync_folder(folder).map_err(failed("write", path))?,
        }
    }
    let file = File::open(path).map_err(failed("open", path))?;
    check_private(&file, path)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(33));
    file.take(33).read_to_end(&mut bytes).map_err(failed("read", path))?;
    let key = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| {
        let why = "it is not a key, which has exactly 32 bytes".to_owned();
        let remedy = "restore it from a backup, or remove it to have a new one made";
        Error::Content { path: path.to_owned(), line: None, why, remedy }
    })?;
    Ok(Zeroizing::new(key))
}

/// A lock against other processes, held while the value lives.
pub(crate) struct Lock(#[expect(dead_code, reason = "closing the file ends the lock")] File);

/// Takes the lock file beside `path`, or says that another process has it.
pub(crate) fn lock(path: &Path) -> Result<Lock, Error> {
    let beside = path.with_extension("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&beside)
        .map_err(failed("open", &beside))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(fs::TryLockError::WouldBlock) => Err(Error::Busy { path: path.to_owned() }),
        Err(fs::TryLockError::Error(e)) => Err(failed("lock", &beside)(e)),
    }
}
