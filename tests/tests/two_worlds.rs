//! Invariant 5, non-interference: two databases that differ only in what is masked look the same through the gateway.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test says what went wrong by failing"
)]

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use querygate_testkit::{
    Error,
    gateway::Gateway,
    postgres::{self, ADMIN, ADMIN_PASSWORD, Server},
};
use serde_json::Value;

const AGENT: &str = "agent";
const SECRET: &str = "two-worlds-secret";
/// Sessions that try to tell the worlds apart.
const ATTACKS: [&str; 2] = ["pg-attacks.jsonl", "more-attacks.jsonl"];
/// Sessions that must work.
const HARMLESS: [&str; 2] = ["pg-benign.jsonl", "more-benign.jsonl"];
/// Other secrets than the examples have, so that nothing can be made to fit them.
const SALT: &str = "querygate-tests";
/// How the gateway logs in to the server: as a superuser who owns everything, or as one who owns nothing.
const LOGINS: [(&str, &str); 2] = [("svc", "svcpw"), ("plain", "plainpw")];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("two_worlds")
}

/// A server with both worlds, its settings as the cases expect them.
fn worlds(version: u32) -> Result<Server, Error> {
    let server = Server::setup()
        .version(version)
        .setting("lock_timeout", "4000")
        .setting("statement_timeout", "8000")
        .setting("track_activity_query_size", "4096")
        .setting("shared_preload_libraries", "pg_stat_statements")
        .start()?;
    let admin = format!("{ADMIN}:{ADMIN_PASSWORD}@127.0.0.1:{}", server.port());
    let made = python("pg_worlds.py").args(["--admin", &admin]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    Ok(server)
}

fn python(script: &str) -> Command {
    let mut command = Command::new(std::env::var_os("QUERYGATE_PYTHON").unwrap_or_else(|| "python3".into()));
    command.arg(folder().join(script)).env("QG_WORLD_SALT", SALT).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

fn gateway(server: &Server, (user, password): (&str, &str)) -> Result<Gateway, Error> {
    let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
    let policy = fs::read_to_string(folder().join("agent.toml")).unwrap();
    let mut setup = Gateway::setup().account(AGENT, &["agent"], SECRET);
    for world in ["shop_a", "shop_b"] {
        setup = setup.database(world, address, world, user, password);
        setup = setup.policy(world, &format!("database = \"{world}\"\n{policy}"));
    }
    setup.start()
}

/// Runs the cases of a file and returns the runner's summary.
fn run(server: &Server, gateway: Option<&Gateway>, cases: &str, mode: &[&str]) -> Value {
    let summary = server.folder().join(format!("summary-{cases}{}.json", mode.concat()));
    let admin = format!("{ADMIN}:{ADMIN_PASSWORD}@127.0.0.1:{}", server.port());
    let mut command = python("run_pg.py");
    command.args(["--admin-a", &format!("{admin}/shop_a"), "--admin-b", &format!("{admin}/shop_b")]).args(mode);
    command.arg("--cases").arg(folder().join(cases)).arg("--summary").arg(&summary);
    if let Some(gateway) = gateway {
        let address = gateway.address();
        command.args(["--a", &format!("{address}/shop_a"), "--b", &format!("{address}/shop_b")]);
        command.args(["--user", AGENT, "--password", SECRET]);
    }
    let ran = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    let log = gateway.map(Gateway::log).unwrap_or_default();
    println!("{stdout}");
    let text =
        fs::read_to_string(&summary).unwrap_or_else(|_| panic!("the runner stopped:\n{stdout}\n{stderr}\n{log}"));
    serde_json::from_str(&text).unwrap()
}

fn count(summary: &Value, result: &str) -> u64 {
    summary["totals"][result].as_u64().unwrap_or(0)
}

/// The cases with one of these results, with what the runner says of them.
fn named(summary: &Value, results: &[&str]) -> Vec<String> {
    let bad = summary["bad"].as_array().into_iter().flatten();
    let chosen = bad.filter(|case| results.iter().any(|result| case["result"] == *result));
    chosen.map(|case| format!("{} {} {}", case["id"], case["result"], case["why"])).collect()
}

fn assert_no_leak(version: u32, login: (&str, &str)) -> Result<(), Error> {
    let server = worlds(version)?;
    let gateway = gateway(&server, login)?;
    for cases in ATTACKS {
        let summary = run(&server, Some(&gateway), cases, &[]);
        assert!(count(&summary, "denied") + count(&summary, "masked") > 0, "no attack was run: {summary}");
        let wrong = named(&summary, &["leak", "unstable", "hang", "invalid"]);
        assert!(wrong.is_empty(), "Postgres {version}, gateway logged in as {}:\n{}", login.0, wrong.join("\n"));
    }
    Ok(())
}

#[test]
fn the_attacks_are_real_without_the_gateway() -> Result<(), Error> {
    for version in postgres::versions() {
        let server = worlds(version)?;
        for cases in ATTACKS {
            let summary = run(&server, None, cases, &["--verify-direct"]);
            assert!(count(&summary, "valid") > 0, "no attack was run: {summary}");
            let wrong = named(&summary, &["invalid", "unstable", "hang"]);
            assert!(wrong.is_empty(), "Postgres {version}:\n{}", wrong.join("\n"));
        }
    }
    Ok(())
}

#[test]
fn no_attack_tells_the_worlds_apart_behind_a_superusers_login() -> Result<(), Error> {
    postgres::versions().into_iter().try_for_each(|version| assert_no_leak(version, LOGINS[0]))
}

#[test]
fn no_attack_tells_the_worlds_apart_behind_a_weak_login() -> Result<(), Error> {
    postgres::versions().into_iter().try_for_each(|version| assert_no_leak(version, LOGINS[1]))
}

#[test]
fn harmless_sessions_pass_at_least_as_often_as_they_did() -> Result<(), Error> {
    let text = fs::read_to_string(folder().join("floor.toml")).unwrap();
    let floor: toml::Table = toml::from_str(&text).unwrap();
    for version in postgres::versions() {
        let server = worlds(version)?;
        let gateway = gateway(&server, LOGINS[0])?;
        let (mut passed, mut refused) = (0, Vec::new());
        for cases in HARMLESS {
            let summary = run(&server, Some(&gateway), cases, &["--benign"]);
            let wrong = named(&summary, &["wrong", "invalid"]);
            assert!(wrong.is_empty(), "Postgres {version}:\n{}", wrong.join("\n"));
            passed += count(&summary, "pass");
            refused.extend(named(&summary, &["refused"]));
        }
        let least = floor["pass"].get(version.to_string()).and_then(toml::Value::as_integer).unwrap_or(0);
        println!("Postgres {version}: {passed} harmless sessions pass, the floor is {least}");
        assert!(
            i64::try_from(passed).unwrap() >= least,
            "Postgres {version}: only {passed} harmless sessions pass, and {least} did before. Refused:\n{}",
            refused.join("\n")
        );
    }
    Ok(())
}
