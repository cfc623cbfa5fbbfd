//! The own test suites of pgx and asyncpg, run against a server and through the gateway before it, as somebody to whom everything is allowed.
//!
//! A test that passes against the server and not through the gateway is a difference. `tests/drivers/DIFFERENCES.md` explains each that is known; one
//! that it does not name fails the run. Started by `cargo xtask drivers`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a chore of the tests says what went wrong by failing")]

use std::{
    collections::BTreeSet,
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use querygate_testkit::{
    Error, Target,
    gateway::Gateway,
    postgres::{ADMIN, ADMIN_PASSWORD, Server},
};

/// Go's packages with tests that speak to a server.
const PGX: [&str; 5] = [".", "./pgconn", "./pgxpool", "./stdlib", "./pgtype"];
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
/// The longest that the tests of one file or package may take, in seconds.
const SUITE_SECONDS: &str = "900";
/// Everything is allowed to everybody: what differs then is the gateway's own doing.
const POLICY: &str = "\
connect = [\"suite\"]
[[rule]]
name = \"everything\"
match = { effects = [\"read\", \"insert\", \"update\", \"delete\", \"truncate\", \"session\", \"define\", \"define_code\", \"alter\", \"drop\", \"maintain\", \"call\",
  \"privilege\", \"file\", \"program\", \"outbound\", \"server\", \"unanalysed\"] }
action = \"allow\"
";

fn main() -> ExitCode {
    let folder = env::temp_dir().join(format!("querygate-suites-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let outcome = run(&folder);
    // What could not be removed is in the system's folder for such things.
    let _ = fs::remove_dir_all(&folder);
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn run(folder: &Path) -> Result<bool, Error> {
    let (pgx, asyncpg) = (pgx_sources(folder), asyncpg_sources(folder));
    let server = Server::start()?;
    server.script("postgres", "CREATE DATABASE pgx;")?;
    server.psql("pgx", &["--quiet"], &fs::read_to_string(pgx.join("testsetup/postgresql_setup.sql")).unwrap())?;
    let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
    let mut setup = Gateway::setup().account("suite", &["suite"], "suitepw");
    // asyncpg's tests name their database.
    for name in ["pgx", "postgres"] {
        setup = setup.database(name, address, name, ADMIN, ADMIN_PASSWORD);
        setup = setup.policy(name, &format!("database = \"{name}\"\n{POLICY}"));
    }
    let gateway = setup.start()?;
    let mut found = BTreeSet::new();
    for (driver, name) in [("pgx", "pgx"), ("asyncpg", "postgres")] {
        let run = |target: &Target| match driver {
            "pgx" => of_pgx(folder, &pgx, target),
            _ => of_asyncpg(&asyncpg, target),
        };
        let (direct, through) = (run(&server.admin(name)), run(&gateway.login("suite", "suitepw", name)));
        println!("{driver}: {} pass against the server, {} through the gateway", direct.len(), through.len());
        assert!(direct.len() > 100, "{driver} did not run");
        found.extend(direct.difference(&through).map(|test| format!("{driver} {test}")));
    }
    Ok(as_explained(&found))
}

/// Whether each difference is explained.
fn as_explained(found: &BTreeSet<String>) -> bool {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("drivers/DIFFERENCES.md")).unwrap();
    let row = |line: &str| {
        let mut cells = line.strip_prefix('|')?.split('|').map(|cell| cell.trim().trim_matches('`').to_owned());
        Some(format!("{} {}", cells.next()?, cells.next()?))
    };
    let known: BTreeSet<String> =
        text.lines().filter(|line| line.contains("| `Test") || line.contains("| `test_")).filter_map(row).collect();
    for test in found.difference(&known) {
        println!("not explained: {test}");
    }
    for test in known.difference(found) {
        println!("explained, but passes: {test}");
    }
    // Some hang on how fast the machine is.
    found.is_subset(&known)
}

/// What a program writes to both its outputs.
fn output(command: &mut Command) -> String {
    let ran = command.stdin(Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr)
}

fn program(variable: &str) -> Command {
    Command::new(env::var_os(variable).unwrap_or_else(|| panic!("{variable} is not set: run `cargo xtask drivers`")))
}

/// A copy of pgx's module that can be written to, with its tests built.
fn pgx_sources(folder: &Path) -> PathBuf {
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/go");
    let mut list = program("QUERYGATE_GO");
    let from = output(list.args(["list", "-m", "-f", "{{.Dir}}", "github.com/jackc/pgx/v5"]).current_dir(clients));
    let copy = folder.join("pgx");
    output(Command::new("cp").args(["-r", "--no-preserve=mode", from.trim()]).arg(&copy));
    for package in PGX {
        println!("building the tests of pgx {package}");
        let mut build = program("QUERYGATE_GO");
        build.args(["test", "-c", "-o"]).arg(test_program(folder, package)).arg(package).current_dir(&copy);
        let said = output(&mut build);
        assert!(test_program(folder, package).exists(), "{said}");
    }
    copy
}

fn test_program(folder: &Path, package: &str) -> PathBuf {
    folder.join(format!("{}.test", package.trim_start_matches("./").replace('.', "pgx")))
}

/// The tests of pgx that pass, by their names; those inside others count as those.
fn of_pgx(folder: &Path, sources: &Path, target: &Target) -> BTreeSet<String> {
    let Target { host, port, user, password, database } = target;
    let words = format!("host={host} port={port} user={user} password={password} dbname={database} sslmode=disable");
    let mut passed = BTreeSet::new();
    for package in PGX {
        let mut command = Command::new("timeout");
        command.arg(SUITE_SECONDS).arg(test_program(folder, package)).args(["-test.v", "-test.parallel=2"]);
        let said = output(command.env("PGX_TEST_DATABASE", &words).current_dir(sources.join(package)));
        let names = said.lines().filter_map(|line| line.strip_prefix("--- PASS: ")?.split(' ').next());
        passed.extend(names.map(str::to_owned));
    }
    passed
}

/// asyncpg's tests, apart from its package, which is the one that was installed.
fn asyncpg_sources(folder: &Path) -> PathBuf {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("drivers/asyncpg.txt");
    let mut download = program("QUERYGATE_PYTHON");
    download.args([
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--no-binary",
        ":all:",
        "--require-hashes",
        "--requirement",
    ]);
    let said = output(download.arg(list).arg("--dest").arg(folder));
    let archive = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    let archive = archive.into_iter().find(|path| path.to_string_lossy().ends_with(".tar.gz"));
    let archive = archive.unwrap_or_else(|| panic!("asyncpg's sources could not be had: {said}"));
    let tests = folder.join("asyncpg");
    fs::create_dir_all(&tests).unwrap();
    output(
        Command::new("tar")
            .arg("-xzf")
            .arg(archive)
            .args(["--strip-components=1", "--wildcards", "*/tests"])
            .current_dir(&tests),
    );
    tests
}

fn of_asyncpg(tests: &Path, target: &Target) -> BTreeSet<String> {
    let mut passed = BTreeSet::new();
    for name in ASYNCPG {
        let mut command = Command::new("timeout");
        command.arg(SUITE_SECONDS).arg(env::var_os("QUERYGATE_PYTHON").unwrap_or_default());
        command.args(["-m", "unittest", "--verbose", &format!("tests.test_{name}")]).current_dir(tests);
        command.env("PGHOST", &target.host).env("PGPORT", target.port.to_string()).env("PGSSLMODE", "disable");
        command.env("PGUSER", &target.user).env("PGPASSWORD", &target.password).env("PGDATABASE", &target.database);
        passed.extend(passed_of_unittest(&output(&mut command)));
    }
    passed
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
