//! What the tests with real clients share: one server and one gateway in front of `tests/clients/shop.sql`, for as long as a test needs them.

#![allow(dead_code, reason = "each test file uses what it needs")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by failing")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use querygate_testkit::{
    Error, Target,
    gateway::Gateway,
    postgres::{self, Server},
};
use serde_json::Value;

pub mod messages;

/// The name of the database on both sides.
const DATABASE: &str = "shop";

static OPEN: Mutex<Weak<Shop>> = Mutex::new(Weak::new());

/// A server with the shop, and a gateway in front of it.
#[derive(Debug)]
pub struct Shop {
    pub gateway: Gateway,
    pub server: Server,
}

impl Shop {
    /// The one that the tests of this file share; it goes with the last of them.
    pub fn shared() -> Result<Arc<Shop>, Error> {
        let mut open = OPEN.lock();
        if let Some(shop) = open.upgrade() {
            return Ok(shop);
        }
        let shop = Arc::new(Shop::of_version(postgres::versions().into_iter().max())?);
        *open = Arc::downgrade(&shop);
        Ok(shop)
    }

    /// One of its own, on a certain version of the server.
    pub fn of_version(version: Option<u32>) -> Result<Shop, Error> {
        let setup = version.map_or_else(Server::setup, |version| Server::setup().version(version));
        let server = setup.start()?;
        server.script("postgres", "CREATE DATABASE shop TEMPLATE template0;")?;
        server.script(DATABASE, &fs::read_to_string(folder().join("shop.sql")).unwrap())?;
        let gateway = Gateway::in_front_of(&server, DATABASE)
            .policy(DATABASE, &policy())
            .account("agent", &["agent"], "agentpw")
            .account("dba", &["dba"], "dbapw")
            .start()?;
        Ok(Shop { gateway, server })
    }

    /// Through the gateway, as somebody from whom much is masked.
    pub fn agent(&self) -> Target {
        self.gateway.login("agent", "agentpw", DATABASE)
    }

    /// Through the gateway, as somebody who sees all.
    pub fn dba(&self) -> Target {
        self.gateway.login("dba", "dbapw", DATABASE)
    }

    /// Past the gateway.
    pub fn direct(&self) -> Target {
        self.server.admin(DATABASE)
    }

    /// What a query gives past the gateway, unaligned.
    pub fn truth(&self, sql: &str) -> String {
        self.server.psql(DATABASE, &["-Atc", sql], "").unwrap().ok().unwrap().stdout
    }

    /// The log's entries of clients' statements that hold `text`.
    pub fn logged(&self, text: &str) -> Vec<Value> {
        let shown = self.gateway.command(&["log", "search", "--json", "--limit", "0", "--text", text], "").unwrap();
        let lines = shown.ok().unwrap().stdout;
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// The policy of the shop.
pub fn policy() -> String {
    format!("database = \"{DATABASE}\"\n{}", fs::read_to_string(folder().join("shop.toml")).unwrap())
}

/// Where the scripts of the clients are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

/// A program that the environment names.
pub fn program(variable: &str) -> String {
    env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: run `eval \"$(cargo xtask env)\"`"))
}

/// libpq's words for a target.
pub fn connection_string(target: &Target) -> String {
    let Target { host, port, user, password, database } = target;
    format!("host={host} port={port} user={user} password={password} dbname={database}")
}

/// Runs a program that keeps promises and prints those that it broke.
pub fn assert_kept(command: &mut Command) {
    let ran = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    println!("{stdout}");
    assert!(
        ran.status.success() && stdout.contains("ok "),
        "{command:?} ended with {}\n{stdout}\n{stderr}",
        ran.status
    );
}
