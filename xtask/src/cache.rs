//! The folder outside the checkout in which everything fetched or built is kept, and how things get into it whole.

use std::{
    env,
    fs::{self, File, TryLockError},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::{error::Error, machine};

/// Where servers go when root's own cache can't be entered by the unprivileged user that a server must run as.
const SHARED_FOLDER: &str = "/var/cache/querygate";

/// The cache folder and its parts.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The folder that the environment names; made when absent.
    pub fn open() -> Result<Self, Error> {
        let root = Self::choose(|name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from))
            .ok_or_else(|| {
                Error::Machine("neither HOME nor QUERYGATE_CACHE is set: set QUERYGATE_CACHE to a folder".to_owned())
            })?;
        let root = std::path::absolute(&root).map_err(|source| Error::io("resolve", &root, source))?;
        make_folder(&root)?;
        Ok(Self { root })
    }

    fn choose(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
        variable("QUERYGATE_CACHE")
            .or_else(|| variable("XDG_CACHE_HOME").map(|base| base.join("querygate")))
            .or_else(|| variable("HOME").map(|home| home.join(".cache/querygate")))
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Cargo's target folder for everything that a chore builds.
    pub fn target(&self) -> PathBuf {
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.root.join("target"), PathBuf::from)
    }

    /// `librocksdb.a` of each version.
    pub fn rocksdb(&self) -> PathBuf {
        self.root.join("rocksdb")
    }

    /// Programs and drivers that only the tests use.
    pub fn tools(&self) -> PathBuf {
        self.root.join("tools")
    }

    /// Logs of what was run quietly.
    pub fn logs(&self) -> PathBuf {
        self.root.join("tmp/logs")
    }

    /// Servers. Postgres refuses to run as root, so for root this must be a folder that others can enter.
    pub fn servers(&self) -> PathBuf {
        if machine::is_root() && !others_can_enter(&self.root) {
            Path::new(SHARED_FOLDER).join("servers")
        } else {
            self.root.join("servers")
        }
    }

    /// Waits until no other run works on `what`; the lock ends with the returned file.
    pub fn lock(&self, what: &str) -> Result<File, Error> {
        let folder = self.root.join("locks");
        make_folder(&folder)?;
        let path = folder.join(what);
        let file = File::create(&path).map_err(|source| Error::io("create", &path, source))?;
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => eprintln!("waiting for another run that prepares {what}"),
            Err(TryLockError::Error(source)) => return Err(Error::io("lock", &path, source)),
        }
        file.lock().map_err(|source| Error::io("lock", &path, source))?;
        Ok(file)
    }
}

/// Makes a folder and its parents.
pub fn make_folder(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(|source| Error::io("create", path, source))
}

/// Removes a folder and all in it, if it is there.
pub fn remove_folder(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path, source)),
        _ => Ok(()),
    }
}

/// Writes a file whole.
pub fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(|source| Error::io("write", path, source))
}

/// Writes a script that can be run.
pub fn write_script(path: &Path, text: &str) -> Result<(), Error> {
    write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
        .map_err(|source| Error::io("make executable", path, source))
}

/// Moves a finished folder to its name in one step, so that nobody ever sees half of it.
pub fn publish(finished: &Path, name: &Path) -> Result<(), Error> {
    remove_folder(name)?;
    fs::rename(finished, name).map_err(|source| Error::io("move into place", name, source))
}

/// The entries of a folder in order of their names; none if it isn't there.
pub fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn others_can_enter(path: &Path) -> bool {
    path.ancestors().all(|folder| fs::metadata(folder).is_ok_and(|found| found.mode() & 0o001 != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(set: &[(&str, &str)]) -> Option<PathBuf> {
        Cache::choose(|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| PathBuf::from(value)))
    }

    #[test]
    fn the_setting_moves_the_cache_and_home_is_the_last_resort() {
        assert_eq!(chosen(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x"), ("QUERYGATE_CACHE", "/q")]), Some("/q".into()));
        assert_eq!(chosen(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]), Some("/x/querygate".into()));
        assert_eq!(chosen(&[("HOME", "/h")]), Some("/h/.cache/querygate".into()));
        assert_eq!(chosen(&[]), None);
    }
}
