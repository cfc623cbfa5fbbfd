//! A server and a gateway that both speak TLS, with a shop for each driver, so that no session meets another's rows.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::Command,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use querygate_testkit::{
    Error, Target,
    gateway::Gateway,
    postgres::{ADMIN, ADMIN_PASSWORD, Server},
};
use regex::Regex;

/// Who has a shop.
const DRIVERS: [&str; 6] = ["asyncpg", "django", "node", "pgx", "pg_dump", "sqlalchemy"];

/// A database that has yet to get its shop.
pub const EMPTY: &str = "empty";

static OPEN: Mutex<Vec<(u32, Weak<Stage>)>> = Mutex::new(Vec::new());

/// One version of the server with a gateway before it.
#[derive(Debug)]
pub struct Stage {
    gateway: Gateway,
    pub server: Server,
}

impl Stage {
    /// The one that the tests of this program share; it goes with the last of them.
    pub fn shared(version: u32) -> Result<Arc<Stage>, Error> {
        let mut open = OPEN.lock();
        if let Some(stage) = open.iter().find_map(|(held, stage)| (*held == version).then(|| stage.upgrade())?) {
            return Ok(stage);
        }
        let stage = Arc::new(Stage::start(version)?);
        open.push((version, Arc::downgrade(&stage)));
        Ok(stage)
    }

    fn start(version: u32) -> Result<Stage, Error> {
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let server = Server::setup()
            .version(version)
            .setting("ssl", "on")
            .file("server.crt", &certificate)
            .file("server.key", &key)
            .start()?;
        server.script("postgres", "CREATE DATABASE shop TEMPLATE template0;")?;
        server.script("shop", &fs::read_to_string(crate::clients().join("shop.sql")).unwrap())?;
        let rules = fs::read_to_string(crate::clients().join("shop.toml")).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
        let mut setup = Gateway::setup()
            .file("server.crt", &certificate)
            .file("server.key", &key)
            .listen("tls = { certificate = \"server.crt\", key = \"server.key\" }")
            .account("agent", &["agent"], "agentpw")
            .account("dba", &["dba"], "dbapw");
        for driver in DRIVERS {
            server.script("postgres", &format!("CREATE DATABASE {driver} TEMPLATE shop;"))?;
            setup = setup.database(driver, address, driver, ADMIN, ADMIN_PASSWORD);
            setup = setup.policy(driver, &format!("database = \"{driver}\"\n{rules}"));
        }
        server.script("postgres", &format!("CREATE DATABASE {EMPTY} TEMPLATE template0;"))?;
        setup = setup.database(EMPTY, address, EMPTY, ADMIN, ADMIN_PASSWORD);
        setup = setup.policy(EMPTY, &format!("database = \"{EMPTY}\"\n{rules}"));
        Ok(Stage { gateway: setup.start()?, server })
    }

    /// Past the gateway.
    pub fn direct(&self, driver: &str) -> Target {
        self.server.admin(driver)
    }

    /// Through the gateway, as somebody who sees all.
    pub fn dba(&self, driver: &str) -> Target {
        self.gateway.login("dba", "dbapw", driver)
    }

    /// Through the gateway, as somebody from whom much is masked.
    pub fn agent(&self, driver: &str) -> Target {
        self.gateway.login("agent", "agentpw", driver)
    }

    /// Tells a program of libpq's family where to connect, and whose certificate to believe.
    pub fn tell(&self, command: &mut Command, target: &Target) {
        let authorities = self.gateway.folder().join("server.crt");
        command
            .env("PGHOST", &target.host)
            .env("PGPORT", target.port.to_string())
            .env("PGUSER", &target.user)
            .env("PGPASSWORD", &target.password)
            .env("PGDATABASE", &target.database)
            .env("PGSSLMODE", "verify-full")
            .env("PGSSLROOTCERT", authorities)
            .env("PGCONNECT_TIMEOUT", "20")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("LC_ALL", "C.UTF-8");
    }

    /// A folder that goes with the stage.
    pub fn folder(&self) -> &Path {
        self.gateway.folder()
    }
}

/// A text as somebody sees it from whom the policy masks values.
pub fn masked(text: &str) -> String {
    let mails = Regex::new(r"user[0-9]+@example\.com").unwrap();
    let numbers = Regex::new(r"900-12-([0-9]{4})").unwrap();
    numbers.replace_all(&mails.replace_all(text, "u***@e***.com"), "*******$1").into_owned()
}
