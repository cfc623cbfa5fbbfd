//! Database drivers of other languages that the tests speak through, with the frameworks on top of them. What is fetched, and
//! with which checksums, stands in `tests/clients/<language>`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    cache::{self, Cache},
    debian, environment,
    error::Error,
    run,
};

/// Java's driver of Postgres: group, artifact, version.
const PGJDBC: [&str; 3] = ["org.postgresql", "postgresql", "42.7.14"];
/// That of MySQL.
const CONNECTOR_J: [&str; 3] = ["com.mysql", "mysql-connector-j", "9.5.0"];
/// That of MariaDB.
const MARIADB_J: [&str; 3] = ["org.mariadb.jdbc", "mariadb-java-client", "3.5.6"];
/// The oldest Go that pgx can be built with (its `go.mod`), as minor version of Go 1.
const GO: u32 = 25;
/// The folder of a `go` in Debian's packages.
const GO_PROGRAMS: &str = "usr/lib/go-1.26/bin";
/// Debian's packages of a `go` that is new enough, for a system without one.
const GO_PACKAGES: [&str; 2] = ["golang-1.26-go", "golang-1.26-src"];

/// Where the drivers are.
#[derive(Clone, Debug)]
pub struct Drivers {
    /// A Python that can import psycopg, asyncpg, SQLAlchemy and Django.
    pub python: PathBuf,
    /// The archive of pgjdbc.
    pub pgjdbc: PathBuf,
    /// The archive of MySQL's Connector/J.
    pub connector_j: PathBuf,
    /// The archive of MariaDB's.
    pub mariadb_j: PathBuf,
    /// The folder from which node loads node-postgres and mysql2.
    pub node_modules: PathBuf,
    /// The `go` that builds programs on pgx and go-sql-driver/mysql.
    pub go: PathBuf,
    /// Where that `go` keeps modules and what it has built.
    pub go_cache: PathBuf,
}

/// Fetches what is missing.
pub fn fetch(cache: &Cache) -> Result<Drivers, Error> {
    let _lock = cache.lock("drivers")?;
    let go_cache = cache.tools().join("go");
    Ok(Drivers {
        python: python(cache)?,
        pgjdbc: archive(cache, PGJDBC)?,
        connector_j: archive(cache, CONNECTOR_J)?,
        mariadb_j: archive(cache, MARIADB_J)?,
        node_modules: node(cache)?,
        go: go(cache, &go_cache)?,
        go_cache,
    })
}

/// What the tests of one language ask for.
fn wanted(language: &str) -> PathBuf {
    environment::workspace().join("tests/clients").join(language)
}

fn python(cache: &Cache) -> Result<PathBuf, Error> {
    let list = wanted("python").join("requirements.txt");
    python_with(cache, "python", &list, "import psycopg, pymysql, mysql.connector")
}

/// The Python that runs the own test suites of Python's drivers.
pub fn suites_python(cache: &Cache) -> Result<PathBuf, Error> {
    let _lock = cache.lock("drivers")?;
    let list = environment::workspace().join("tests/drivers/python/requirements.txt");
    python_with(cache, "suites-python", &list, "import asyncpg, pg8000, psycopg2, pytest, sqlalchemy")
}

/// A Python with the packages of a list, which can then be imported as `probe` does.
fn python_with(cache: &Cache, name: &str, list: &Path, probe: &str) -> Result<PathBuf, Error> {
    let folder = cache.tools().join(name);
    let program = folder.join("bin/python");
    let starts = || run::output(Command::new(&program).args(["-c", probe])).is_some();
    if is_of(&folder, list) && starts() {
        return Ok(program);
    }
    cache::remove_folder(&folder)?;
    run::quietly(cache, "python environment", Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    let mut install = Command::new(&program);
    install.args(["-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:", "--requirement"]);
    run::quietly(cache, "pip install of the drivers", install.arg(list))?;
    made_of(&folder, list)?;
    Ok(program)
}

fn node(cache: &Cache) -> Result<PathBuf, Error> {
    let folder = cache.tools().join("node");
    let list = wanted("node").join("package-lock.json");
    let modules = folder.join("node_modules");
    if is_of(&folder, &list) && modules.join("mysql2").exists() {
        return Ok(modules);
    }
    cache::remove_folder(&folder)?;
    cache::make_folder(&folder)?;
    for name in ["package.json", "package-lock.json"] {
        let from = wanted("node").join(name);
        fs::copy(&from, folder.join(name)).map_err(|source| Error::io("copy", &from, source))?;
    }
    let mut install = Command::new("npm");
    install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&folder);
    run::quietly(cache, "npm install of the drivers", &mut install)?;
    made_of(&folder, &list)?;
    Ok(modules)
}

/// A `go` that is new enough; the modules that the tests want are in its cache afterwards, and built.
fn go(cache: &Cache, go_cache: &Path) -> Result<PathBuf, Error> {
    let program = match on_path("go").filter(|program| is_new_enough(program)) {
        Some(program) => program,
        None => go_of_debian(cache)?,
    };
    let list = wanted("go").join("go.sum");
    if !is_of(go_cache, &list) {
        cache::make_folder(go_cache)?;
        let mut build = Command::new(&program);
        build.args(["build", "./..."]).current_dir(wanted("go"));
        build.envs(environment::of_go(go_cache));
        run::quietly(cache, "go build of the drivers", &mut build)?;
        made_of(go_cache, &list)?;
    }
    Ok(program)
}

fn go_of_debian(cache: &Cache) -> Result<PathBuf, Error> {
    let folder = cache.tools().join("go-programs");
    let program = folder.join(GO_PROGRAMS).join("go");
    if is_new_enough(&program) {
        return Ok(program);
    }
    if !debian::has_unstable() {
        let text = format!("the tests of pgx want Go 1.{GO} or newer: install it, then run this again");
        return Err(Error::Machine(text));
    }
    let tree = cache.tools().join("go-programs.new");
    cache::remove_folder(&tree)?;
    cache::make_folder(&tree)?;
    debian::unpack(cache, debian::UNSTABLE, &GO_PACKAGES, &tree)?;
    cache::publish(&tree, &folder)?;
    if is_new_enough(&program) {
        Ok(program)
    } else {
        Err(Error::Failed(format!("{} was unpacked but does not start", program.display())))
    }
}

/// Where the system has that program.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.exists())
}

fn is_new_enough(go: &Path) -> bool {
    let told = run::output(Command::new(go).args(["env", "GOVERSION"]).env("GOTOOLCHAIN", "local"));
    told.and_then(|text| minor_version(&text)).is_some_and(|minor| minor >= GO)
}

/// 26 of `go1.26.8`.
fn minor_version(text: &str) -> Option<u32> {
    text.trim().strip_prefix("go1.")?.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn archive(cache: &Cache, [group, artifact, version]: [&str; 3]) -> Result<PathBuf, Error> {
    let folder = cache.tools().join("java");
    let archive = folder.join(format!("{artifact}-{version}.jar"));
    if archive.exists() {
        return Ok(archive);
    }
    cache::make_folder(&folder)?;
    let mut command = Command::new("mvn");
    command.args(["--batch-mode", "dependency:copy", "-Dmdep.useBaseVersion=true"]);
    command
        .arg(format!("-Dartifact={group}:{artifact}:{version}"))
        .arg(format!("-DoutputDirectory={}", folder.display()));
    run::quietly(cache, &format!("maven {artifact}"), command.current_dir(&folder))?;
    if archive.exists() { Ok(archive) } else { Err(Error::Failed(format!("maven left no {}", archive.display()))) }
}

/// Whether a folder was made of exactly this list.
fn is_of(folder: &Path, list: &Path) -> bool {
    let read = |path: &Path| fs::read(path).ok();
    read(list).is_some_and(|wanted| read(&folder.join("made-of")) == Some(wanted))
}

fn made_of(folder: &Path, list: &Path) -> Result<(), Error> {
    let copied = fs::copy(list, folder.join("made-of"));
    copied.map(drop).map_err(|source| Error::io("copy", list, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_go_is_read_whatever_follows_it() {
        assert_eq!(minor_version("go1.26.8\n"), Some(26));
        assert_eq!(minor_version("go1.25rc1"), Some(25));
        assert_eq!(minor_version("devel go1.27"), None);
    }
}
