//! tokio-postgres, whose crate comes with its tests. They name a port and a user without a password; both are put right in a copy.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use querygate_testkit::{Target, proxy::Proxy};
use serde_json::Value;

use crate::{PASSWORD, Suite, copy, in_time, output};

/// The files of the tests that connect.
const TESTS: [&str; 5] = ["main.rs", "binary_copy.rs", "parse.rs", "runtime.rs", "types/mod.rs"];
/// The port that they name, and their user.
const PORT: &str = "5433";
const USER: &str = "user=postgres";

pub fn tokio_postgres(folder: &Path) -> Suite {
    let sources = folder.join("tokio-postgres");
    copy(&package("tokio-postgres"), &sources);
    // One way for both runs, since the port is in the program; nobody listens behind it yet.
    let way = Proxy::to("127.0.0.1:1".parse().unwrap()).unwrap();
    for name in TESTS {
        let path = sources.join("tests/test").join(name);
        let text = fs::read_to_string(&path).unwrap();
        let text = text.replace(PORT, &way.address().port().to_string());
        fs::write(&path, text.replace(USER, &format!("{USER} password={PASSWORD}"))).unwrap();
    }
    let tests = built(&sources);
    let passed = move |target: &Target| {
        way.redirect(format!("{}:{}", target.host, target.port).parse().unwrap());
        let said = output(in_time(&tests).arg("--test-threads=2"));
        let names = said.lines().filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... ok"));
        names.map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let script = "CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE EXTENSION ltree;".to_owned();
    let (driver, user, database) = ("tokio-postgres", "postgres", "postgres");
    Suite { driver, user, database, script, passed: Box::new(passed) }
}

/// The folder of a package that this workspace uses.
fn package(name: &str) -> PathBuf {
    let mut metadata = Command::new(env!("CARGO"));
    metadata.args(["metadata", "--format-version", "1", "--locked"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let told: Value = serde_json::from_slice(&metadata.output().unwrap().stdout).unwrap();
    let found = told["packages"].as_array().unwrap().iter().find(|package| package["name"] == name).unwrap();
    Path::new(found["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned()
}

/// The program of its tests.
fn built(sources: &Path) -> PathBuf {
    println!("building the tests of tokio-postgres");
    let mut build = Command::new(env!("CARGO"));
    build.args(["test", "--locked", "--no-run", "--test", "test", "--message-format", "json"]).current_dir(sources);
    // What it builds is no part of this workspace, and takes minutes: it is kept.
    let kept = env::var_os("QUERYGATE_CACHE").map_or_else(env::temp_dir, PathBuf::from);
    let said = output(build.env("CARGO_TARGET_DIR", kept.join("suites")));
    let messages = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut executables = messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from));
    executables.next_back().unwrap_or_else(|| panic!("{said}"))
}
