//! The worlds on Postgres.

use std::{fs, net::SocketAddr};

use querygate_testkit::{
    Error,
    gateway::Gateway,
    postgres::{self, ADMIN, ADMIN_PASSWORD, Server},
};
use serde_json::Value;

use crate::{AGENT, SECRET, WORLDS, assert_floor, assert_no_leak, assert_real, folder, python, summary};

/// Sessions that try to tell the worlds apart.
const ATTACKS: [&str; 2] = ["pg-attacks.jsonl", "more-attacks.jsonl"];
/// Sessions that must work.
const HARMLESS: [&str; 2] = ["pg-benign.jsonl", "more-benign.jsonl"];
/// How the gateway logs in to the server: as a superuser who owns everything, or as one who owns nothing.
const LOGINS: [(&str, &str); 2] = [("svc", "svcpw"), ("plain", "plainpw")];

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

fn gateway(server: &Server, (user, password): (&str, &str)) -> Result<Gateway, Error> {
    let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
    let policy = fs::read_to_string(folder().join("agent.toml")).unwrap();
    let mut setup = Gateway::setup().account(AGENT, &["agent"], SECRET);
    for world in WORLDS {
        setup = setup.database(world, address, world, user, password);
        setup = setup.policy(world, &format!("database = \"{world}\"\n{policy}"));
    }
    setup.start()
}

/// Runs the cases of a file and returns the runner's summary.
fn run(server: &Server, gateway: Option<&Gateway>, cases: &str, mode: &[&str]) -> Value {
    let file = server.folder().join(format!("summary-{cases}{}.json", mode.concat()));
    let admin = format!("{ADMIN}:{ADMIN_PASSWORD}@127.0.0.1:{}", server.port());
    let mut command = python("run_pg.py");
    command.args(["--admin-a", &format!("{admin}/shop_a"), "--admin-b", &format!("{admin}/shop_b")]).args(mode);
    if let Some(gateway) = gateway {
        let address = gateway.address();
        command.args(["--a", &format!("{address}/shop_a"), "--b", &format!("{address}/shop_b")]);
        command.args(["--user", AGENT, "--password", SECRET]);
    }
    summary(command, cases, &file, || gateway.map(Gateway::log).unwrap_or_default())
}

fn without_leak(version: u32, login: (&str, &str)) -> Result<(), Error> {
    let server = worlds(version)?;
    let gateway = gateway(&server, login)?;
    for cases in ATTACKS {
        let summary = run(&server, Some(&gateway), cases, &[]);
        assert_no_leak(&summary, &format!("Postgres {version}, gateway logged in as {}", login.0));
    }
    Ok(())
}

#[test]
fn the_attacks_are_real_without_the_gateway() -> Result<(), Error> {
    for version in postgres::versions() {
        let server = worlds(version)?;
        for cases in ATTACKS {
            assert_real(&run(&server, None, cases, &["--verify-direct"]), &format!("Postgres {version}"));
        }
    }
    Ok(())
}

#[test]
fn no_attack_tells_the_worlds_apart_behind_a_superusers_login() -> Result<(), Error> {
    postgres::versions().into_iter().try_for_each(|version| without_leak(version, LOGINS[0]))
}

#[test]
fn no_attack_tells_the_worlds_apart_behind_a_weak_login() -> Result<(), Error> {
    postgres::versions().into_iter().try_for_each(|version| without_leak(version, LOGINS[1]))
}

#[test]
fn harmless_sessions_pass_at_least_as_often_as_they_did() -> Result<(), Error> {
    for version in postgres::versions() {
        let server = worlds(version)?;
        let gateway = gateway(&server, LOGINS[0])?;
        let summaries = HARMLESS.map(|cases| run(&server, Some(&gateway), cases, &["--benign"]));
        assert_floor(&summaries, &version.to_string());
    }
    Ok(())
}
