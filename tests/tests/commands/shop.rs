//! The sample shop behind a gateway with the sample policy.

use std::net::SocketAddr;

use querygate_testkit::{
    Error, Ran, Target,
    gateway::{Gateway, Setup},
    postgres::{ADMIN, ADMIN_PASSWORD, Server},
};
use serde_json::Value;

const TABLES: &str = include_str!("../../../crates/querygate/src/demo/shop.sql");
pub const POLICY: &str = include_str!("../../../policies/shop.toml");
pub const POLICY_TESTS: &str = include_str!("../../../policies/shop.test.toml");

/// The accounts of the configuration file, each with its one role and its secret.
pub const ACCOUNTS: [(&str, &str, &str); 4] = [
    ("agent", "agent", "agent-secret"),
    ("dba", "dba", "dba-secret"),
    ("reviewer", "reviewer", "reviewer-secret"),
    ("boss", "reviewer", "boss-secret"),
];

/// A gateway before a server with the shop. The gateway ends first.
pub struct Shop {
    pub gateway: Gateway,
    pub server: Server,
}

impl Shop {
    pub fn open() -> Result<Shop, Error> {
        Shop::with(|setup| setup)
    }

    /// The same with more in its configuration.
    pub fn with(more: impl FnOnce(Setup) -> Setup) -> Result<Shop, Error> {
        let server = Server::start()?;
        let database = server.create_database("shop", TABLES)?;
        let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
        let mut setup = Gateway::setup().database("shop", address, &database, ADMIN, ADMIN_PASSWORD);
        setup = setup.policy("shop", POLICY).policy("shop.test", POLICY_TESTS);
        for (name, role, secret) in ACCOUNTS {
            setup = setup.account(name, &[role], secret);
        }
        Ok(Shop { gateway: more(setup).start()?, server })
    }

    /// One of [`ACCOUNTS`] as a client of the gateway.
    pub fn login(&self, account: &str) -> Target {
        let (_, _, secret) = ACCOUNTS.iter().find(|(name, _, _)| *name == account).unwrap();
        self.gateway.login(account, secret, "shop")
    }

    /// A statement of an account, through the real psql.
    pub fn query(&self, account: &str, sql: &str) -> Result<Ran, Error> {
        self.login(account).psql(&["-At", "-c", sql], "")
    }

    /// A command without input.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.gateway.command(arguments, "").unwrap()
    }

    /// A command that must say yes; its output as JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        json(&self.run(arguments))
    }

    /// A command that must say yes; each line of its output as JSON.
    pub fn json_lines(&self, arguments: &[&str]) -> Vec<Value> {
        let ran = self.run(arguments);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
    }
}

/// The output of a command that said yes.
pub fn json(ran: &Ran) -> Value {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {ran:?}"))
}

/// The command ended with this code, and said each of these words to standard error.
pub fn assert_refused(ran: &Ran, code: i32, words: &[&str]) {
    assert_eq!(ran.code, Some(code), "{ran:?}");
    for word in words {
        assert!(ran.stderr.contains(word), "{word:?} is missing in {ran:?}");
    }
}
