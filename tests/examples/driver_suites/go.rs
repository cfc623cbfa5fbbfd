//! Drivers written in Go: their modules come with their tests.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use querygate_testkit::Target;

use crate::{Suite, copy, in_time, libpq, list, output, program};

/// pgx's packages with tests that speak to a server.
const PGX: [&str; 5] = [".", "./pgconn", "./pgxpool", "./stdlib", "./pgtype"];
/// lib/pq's.
const PQ: [&str; 2] = [".", "./hstore"];

pub fn pgx(folder: &Path) -> Suite {
    let sources = built(folder, "pgx", "github.com/jackc/pgx/v5", &PGX);
    let script = fs::read_to_string(sources.join("testsetup/postgresql_setup.sql")).unwrap();
    let folder = folder.to_owned();
    let passed = move |target: &Target| {
        let Target { host, port, user, password, database } = target;
        let words =
            format!("host={host} port={port} user={user} password={password} dbname={database} sslmode=disable");
        passed(&folder, "pgx", &PGX, |command| {
            command.env("PGX_TEST_DATABASE", &words);
        })
    };
    Suite { driver: "pgx", user: "pgx", database: "pgx", script, passed: Box::new(passed) }
}

pub fn pq(folder: &Path) -> Suite {
    built(folder, "pq", "github.com/lib/pq", &PQ);
    let folder = folder.to_owned();
    let passed = move |target: &Target| passed(&folder, "pq", &PQ, |command| libpq(command, target));
    let script = "CREATE EXTENSION hstore;".to_owned();
    Suite { driver: "lib/pq", user: "pqgo", database: "pqgo", script, passed: Box::new(passed) }
}

/// A copy of a module that can be written to, with its tests built.
fn built(folder: &Path, name: &str, module: &str, packages: &[&str]) -> PathBuf {
    let mut download = Command::new(program("QUERYGATE_GO"));
    let told = output(download.args(["mod", "download", "-json", module]).current_dir(list("go")));
    let from = told.lines().find_map(|line| line.trim().strip_prefix("\"Dir\": \"")?.strip_suffix("\","));
    let sources = folder.join(name);
    copy(Path::new(from.unwrap_or_else(|| panic!("{module} could not be had: {told}"))), &sources);
    for package in packages {
        println!("building the tests of {name} {package}");
        let mut build = Command::new(program("QUERYGATE_GO"));
        let to = test_program(folder, name, package);
        let said = output(build.args(["test", "-c", "-o"]).arg(&to).arg(package).current_dir(&sources));
        assert!(to.exists(), "{said}");
    }
    sources
}

fn test_program(folder: &Path, name: &str, package: &str) -> PathBuf {
    folder.join(format!("{name}{}.test", package.trim_start_matches('.').replace('/', "-")))
}

/// The tests that pass, by their names; those inside others count as those.
fn passed(folder: &Path, name: &str, packages: &[&str], tell: impl Fn(&mut Command)) -> BTreeSet<String> {
    let mut passed = BTreeSet::new();
    for package in packages {
        let mut command = in_time(test_program(folder, name, package));
        command.args(["-test.v", "-test.parallel=2"]).current_dir(folder.join(name).join(package));
        tell(&mut command);
        let said = output(&mut command);
        let names = said.lines().filter_map(|line| line.strip_prefix("--- PASS: ")?.split(' ').next());
        passed.extend(names.map(str::to_owned));
    }
    passed
}
