//! The RocksDB archive: compiled once per version, then linked by every profile of every checkout.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    cache::{self, Cache},
    environment,
    error::Error,
    machine::file_name,
    run,
};

const ARCHIVE: &str = "librocksdb.a";

/// The folder that holds the archive for the workspace's version; builds it when absent.
pub fn archive(cache: &Cache) -> Result<PathBuf, Error> {
    let root = environment::workspace();
    let manifest_path = root.join("Cargo.toml");
    let manifest = fs::read_to_string(&manifest_path).map_err(|source| Error::io("read", &manifest_path, source))?;
    let (dependency, version) = dependency(&manifest).ok_or_else(|| {
        Error::Failed(
            "Cargo.toml has no line `rocksdb = { version = \"=…\" }` under [workspace.dependencies]".to_owned(),
        )
    })?;
    let folder = cache.rocksdb().join(version);
    if folder.join(ARCHIVE).exists() {
        return Ok(folder);
    }
    let _lock = cache.lock("rocksdb")?;
    if !folder.join(ARCHIVE).exists() {
        build(cache, &folder, dependency)?;
    }
    Ok(folder)
}

/// The whole dependency line and the version that it pins.
fn dependency(manifest: &str) -> Option<(&str, &str)> {
    let line = manifest.lines().find(|line| line.starts_with("rocksdb = "))?;
    let version = line.split_once("version = \"=")?.1.split_once('"')?.0;
    Some((line, version))
}

fn build(cache: &Cache, folder: &Path, dependency: &str) -> Result<(), Error> {
    eprintln!("building RocksDB once for this machine (about 12 minutes on 2 cores)");
    let work = beside(folder, "building");
    cache::make_folder(&work.join("src"))?;
    cache::write(&work.join("src/main.rs"), "fn main() {\n    let _ = rocksdb::Options::default();\n}\n")?;
    cache::write(
        &work.join("Cargo.toml"),
        &format!(
            "[package]\nname = \"rocksdb-archive\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
             [dependencies]\n{dependency}\n\n[profile.release]\ndebug = false\n"
        ),
    )?;
    // The workspace's lock file decides which RocksDB the bindings are for.
    let lock = environment::workspace().join("Cargo.lock");
    fs::copy(&lock, work.join("Cargo.lock")).map_err(|source| Error::io("copy", &lock, source))?;
    let mut command = environment::cargo();
    command.current_dir(&work).args(["build", "--release"]).env("CARGO_TARGET_DIR", work.join("target"));
    // RocksDB's checksums are slow without SSE 4.2, which every x86-64 server of the last fifteen years has.
    if cfg!(target_arch = "x86_64") {
        command.env("RUSTFLAGS", "-Ctarget-cpu=x86-64-v2");
    }
    run::quietly(cache, "RocksDB", command.envs(environment::clang()))?;
    let built =
        find(&work).ok_or_else(|| Error::Failed(format!("the build left no {ARCHIVE} in {}", work.display())))?;
    let finished = beside(folder, "new");
    cache::make_folder(&finished)?;
    fs::copy(&built, finished.join(ARCHIVE)).map_err(|source| Error::io("copy", &built, source))?;
    cache::publish(&finished, folder)?;
    cache::remove_folder(&work)
}

/// A folder's sibling: the name holds dots, so an extension can't be added to it.
fn beside(folder: &Path, suffix: &str) -> PathBuf {
    folder.with_file_name(format!("{}.{suffix}", file_name(folder)))
}

fn find(work: &Path) -> Option<PathBuf> {
    let builds = cache::entries(&work.join("target/release/build"));
    let own = builds.into_iter().filter(|path| file_name(path).starts_with("librocksdb-sys-"));
    own.map(|path| path.join("out").join(ARCHIVE)).find(|path| path.exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pinned_line_gives_version_and_features() {
        let line = "rocksdb = { version = \"=0.25.0\", default-features = false, features = [\"lz4\"] }";
        assert_eq!(dependency(&format!("regex = \"1\"\n{line}\nserde = \"1\"\n")), Some((line, "0.25.0")));
        assert_eq!(
            dependency("rocksdb = \"0.25\""),
            None,
            "an open version would let archive and bindings drift apart"
        );
    }

    #[test]
    fn this_workspace_pins_rocksdb() {
        let manifest = fs::read_to_string(environment::workspace().join("Cargo.toml")).unwrap();
        assert!(dependency(&manifest).is_some());
    }
}
