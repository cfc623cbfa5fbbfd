//! Drivers written for Python: their source archives hold their tests, which are run on the packages that were installed.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use querygate_testkit::Target;

use crate::{Suite, in_time, libpq, list, output, program};

const PYTHON: &str = "QUERYGATE_SUITES_PYTHON";
/// asyncpg's tests but for those that start servers of their own or read its sources.
const ASYNCPG: [&str; 18] = [
    "adversity",
    "cache_invalidation",
    "cancellation",
    "codecs",
    "copy",
    "cursor",
    "exceptions",
    "execute",
    "introspection",
    "listeners",
    "logging",
    "pool",
    "prepare",
    "record",
    "timeout",
    "transaction",
    "types",
    "utils",
];
/// SQLAlchemy's tests of this dialect, and those that every dialect must pass.
const SQLALCHEMY: [&str; 2] = ["test/dialect/postgresql", "test/dialect/test_suite.py"];

pub fn asyncpg(folder: &Path) -> Suite {
    let tests = sources(folder, "asyncpg", "*/tests");
    let passed = move |target: &Target| {
        let mut passed = BTreeSet::new();
        for name in ASYNCPG {
            let mut command = in_time(program(PYTHON));
            command.args(["-m", "unittest", "--verbose", &format!("tests.test_{name}")]).current_dir(&tests);
            libpq(&mut command, target);
            passed.extend(passed_of_unittest(&output(&mut command)));
        }
        passed
    };
    // Its tests name their database.
    let (user, database, script) = ("asyncpg", "postgres", String::new());
    Suite { driver: "asyncpg", user, database, script, passed: Box::new(passed) }
}

pub fn pg8000(folder: &Path) -> Suite {
    let tests = sources(folder, "pg8000", "*/test");
    // Its tests name their user, and the database has that name.
    let passed = move |target: &Target| passed_of_pytest(&tests, &["test"], target);
    let (user, database) = ("postgres", "postgres");
    let script = "CREATE EXTENSION hstore;".to_owned();
    Suite { driver: "pg8000", user, database, script, passed: Box::new(passed) }
}

pub fn psycopg2(folder: &Path) -> Suite {
    let tests = sources(folder, "psycopg2", "*/tests");
    let passed = move |target: &Target| passed_of_pytest(&tests, &["tests"], target);
    let script = "CREATE EXTENSION hstore;".to_owned();
    let (user, database) = ("psycopg2", "psycopg2_test");
    Suite { driver: "psycopg2", user, database, script, passed: Box::new(passed) }
}

pub fn sqlalchemy(folder: &Path) -> Suite {
    let tests = sources(folder, "sqlalchemy", "*");
    let passed = move |target: &Target| {
        let Target { host, port, user, password, database } = target;
        let address = format!("postgresql+psycopg://{user}:{password}@{host}:{port}/{database}");
        let words = [&["--backend-only", "--maxfail=100000", "--dburi", &address][..], &SQLALCHEMY].concat();
        passed_of_pytest(&tests, &words, target)
    };
    let script =
        "CREATE SCHEMA test_schema; CREATE SCHEMA test_schema_2; CREATE EXTENSION hstore; CREATE EXTENSION citext;";
    let (user, database) = ("sqlalchemy", "sqlalchemy");
    Suite { driver: "SQLAlchemy", user, database, script: script.to_owned(), passed: Box::new(passed) }
}

/// Unpacks what matches of a driver's source archive.
fn sources(folder: &Path, name: &str, wanted: &str) -> PathBuf {
    let all = fs::read_to_string(list("python").join("sources.txt")).unwrap();
    let line = all.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}=="))).unwrap();
    let (one, archives) = (folder.join(format!("{name}.txt")), folder.join(format!("{name}.archive")));
    fs::write(&one, line).unwrap();
    let mut download = Command::new(program(PYTHON));
    download.args(["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--require-hashes"]);
    let said = output(download.arg("--requirement").arg(&one).arg("--dest").arg(&archives));
    let archive = fs::read_dir(&archives).ok().and_then(|mut entries| entries.next());
    let archive = archive.unwrap_or_else(|| panic!("the sources of {name} could not be had: {said}")).unwrap().path();
    let to = folder.join(name);
    fs::create_dir_all(&to).unwrap();
    let mut unpack = Command::new("tar");
    unpack.arg("-xzf").arg(archive).args(["--strip-components=1", "--wildcards", wanted]).current_dir(&to);
    output(&mut unpack);
    to
}

fn passed_of_pytest(tests: &Path, words: &[&str], target: &Target) -> BTreeSet<String> {
    let mut command = in_time(program(PYTHON));
    command.args(["-m", "pytest", "-v", "--tb=no", "-p", "no:cacheprovider", "-o", "console_output_style=classic"]);
    command.args(words).current_dir(tests).env("PYTHONUNBUFFERED", "1");
    command.env("PSYCOPG2_TESTDB", &target.database);
    libpq(&mut command, target);
    let said = output(&mut command);
    said.lines().filter_map(|line| line.trim_end().strip_suffix(" PASSED")).map(str::to_owned).collect()
}

/// `name (place)`, perhaps a line of documentation, then ` ... ok`, perhaps after what the test itself wrote.
fn passed_of_unittest(said: &str) -> Vec<String> {
    let mut passed = Vec::new();
    let mut under_way = None;
    for line in said.lines() {
        if line.starts_with("test_") && line.contains(" (") {
            under_way = line.split(' ').next().map(str::to_owned);
        }
        if line.ends_with("ok") && (line.ends_with("... ok") || line == "ok") {
            passed.extend(under_way.take());
        }
    }
    passed
}
