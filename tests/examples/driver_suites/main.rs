//! The own test suites of drivers, run against a server and through the gateway before it, as somebody to whom everything is allowed.
//!
//! A test that passes against the server and not through the gateway is a difference. `tests/drivers/DIFFERENCES.md` explains each that is known; one
//! that it does not name fails the run. Started by `cargo xtask drivers`, which passes on the names of the drivers to run; none: all.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a chore of the tests says what went wrong by failing"
)]

mod go;
mod python;
mod rust;

use std::{
    collections::BTreeSet,
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use querygate_testkit::{Error, Target, gateway::Gateway, postgres::Server};

/// The longest that the tests of one file or package may take, in seconds.
const SUITE_SECONDS: &str = "900";
/// The password of every suite's account and role.
const PASSWORD: &str = "suitepw";
/// A suite of which fewer tests pass against the server itself has not run.
const PASSED_MIN: usize = 50;
/// Everything is allowed to everybody: what differs then is the gateway's own doing.
const POLICY: &str = "\
connect = [\"suite\"]
[[rule]]
name = \"everything\"
match = { effects = [\"read\", \"insert\", \"update\", \"delete\", \"truncate\", \"session\", \"define\", \"define_code\", \"alter\", \"drop\", \"maintain\", \"call\",
  \"privilege\", \"file\", \"program\", \"outbound\", \"server\", \"unanalysed\"] }
action = \"allow\"
";

/// Runs a driver's tests against a target and names those that pass.
type Passed = Box<dyn Fn(&Target) -> BTreeSet<String>>;
/// Fetches and builds a driver's tests in a folder.
type Make = fn(&Path) -> Suite;

/// The tests of one driver, ready to be run.
struct Suite {
    driver: &'static str,
    /// The account, which is also the name of the role at the server.
    user: &'static str,
    /// The database, which nobody else uses.
    database: &'static str,
    /// What must be there before.
    script: String,
    /// The names of the tests that pass.
    passed: Passed,
}

/// How each suite is fetched and built, by the driver's name.
const SUITES: [(&str, Make); 7] = [
    ("asyncpg", python::asyncpg),
    ("lib/pq", go::pq),
    ("pg8000", python::pg8000),
    ("pgx", go::pgx),
    ("psycopg2", python::psycopg2),
    ("SQLAlchemy", python::sqlalchemy),
    ("tokio-postgres", rust::tokio_postgres),
];

fn main() -> ExitCode {
    let wanted: Vec<String> = env::args().skip(1).collect();
    if let Some(unknown) = wanted.iter().find(|name| SUITES.iter().all(|(driver, _)| driver != name)) {
        eprintln!("there is no suite `{unknown}`; there are {:?}", SUITES.map(|(driver, _)| driver));
        return ExitCode::from(2);
    }
    let folder = env::temp_dir().join(format!("querygate-suites-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let outcome = run(&folder, |driver| wanted.is_empty() || wanted.iter().any(|name| name == driver));
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

fn run(folder: &Path, is_wanted: impl Fn(&str) -> bool) -> Result<bool, Error> {
    let wanted = SUITES.iter().filter(|(driver, _)| is_wanted(driver));
    let suites: Vec<Suite> = wanted.map(|(_, make)| make(folder)).collect();
    let mut found = BTreeSet::new();
    for Suite { driver, user, database, script, passed } in &suites {
        // Roles and databases of one suite are nothing to another.
        let server = Server::start()?;
        server.script("postgres", &format!("CREATE ROLE {user} SUPERUSER LOGIN PASSWORD '{PASSWORD}';"))?;
        if *database != "postgres" {
            server.script("postgres", &format!("CREATE DATABASE {database} OWNER {user};"))?;
        }
        server.script(database, script)?;
        let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
        let setup = Gateway::setup().account(user, &["suite"], PASSWORD);
        let setup = setup.database(database, address, database, user, PASSWORD);
        let gateway = setup.policy(database, &format!("database = \"{database}\"\n{POLICY}")).start()?;
        let direct = passed(&server.login(user, PASSWORD, database));
        let through = passed(&gateway.login(user, PASSWORD, database));
        println!("{driver}: {} pass against the server, {} through the gateway", direct.len(), through.len());
        assert!(direct.len() > PASSED_MIN, "{driver} did not run");
        found.extend(direct.difference(&through).map(|test| format!("{driver} {test}")));
    }
    Ok(as_explained(&found, is_wanted))
}

/// Whether each difference is explained.
fn as_explained(found: &BTreeSet<String>, is_wanted: impl Fn(&str) -> bool) -> bool {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("drivers/DIFFERENCES.md")).unwrap();
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| ")?.split(" | ").map(|cell| cell.trim().trim_matches('`').to_owned());
        let driver = cells.next().filter(|driver| is_wanted(driver))?;
        Some(format!("{driver} {}", cells.next()?))
    };
    let known: Vec<String> = text.lines().skip_while(|line| !line.starts_with("|---")).filter_map(row).collect();
    let strange: Vec<_> = found.iter().filter(|test| known.iter().all(|pattern| !matches(pattern, test))).collect();
    strange.iter().for_each(|test| println!("not explained: {test}"));
    for pattern in known.iter().filter(|pattern| found.iter().all(|test| !matches(pattern, test))) {
        // Some hang on how fast the machine is.
        println!("explained, but passes: {pattern}");
    }
    strange.is_empty()
}

/// Whether a name is one that a pattern means, in which `*` stands for anything.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == name };
    let Some(rest) = name.strip_prefix(before) else { return false };
    (0..=rest.len()).any(|at| rest.get(at..).is_some_and(|rest| matches(after, rest)))
}

/// What a program writes to both its outputs.
fn output(command: &mut Command) -> String {
    let ran = command.stdin(Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr)
}

/// The same of a program that may not take for ever.
fn in_time(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("timeout");
    command.arg(SUITE_SECONDS).arg(program);
    command
}

fn program(variable: &str) -> PathBuf {
    let found = env::var_os(variable).unwrap_or_else(|| panic!("{variable} is not set: run `cargo xtask drivers`"));
    PathBuf::from(found)
}

/// Where the list of what suites need of a language is.
fn list(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("drivers").join(language)
}

/// A copy that can be written to.
fn copy(from: &Path, to: &Path) {
    let said = output(Command::new("cp").args(["-r", "--no-preserve=mode"]).arg(from).arg(to));
    assert!(to.exists(), "{said}");
}

/// libpq's variables, by which most drivers find their server.
fn libpq(command: &mut Command, target: &Target) {
    command.env("PGHOST", &target.host).env("PGPORT", target.port.to_string()).env("PGSSLMODE", "disable");
    command.env("PGUSER", &target.user).env("PGPASSWORD", &target.password).env("PGDATABASE", &target.database);
}
