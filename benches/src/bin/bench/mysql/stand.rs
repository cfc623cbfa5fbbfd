//! Everything that runs while the measurements do: the server, and what can stand in front of it.

use std::{fs, net::SocketAddr, path::PathBuf};

use querygate_testkit::{
    gateway::Gateway,
    mysql::{Flavor, Login, Server},
};
use tempfile::TempDir;

use super::{
    load::Sysbench,
    server::{self, DATABASE},
};
use crate::{between::Forwarders, error::Error, place::Place, process::Process};

/// The gateway's client.
const ACCOUNT: &str = "bench";
const SECRET: &str = "a secret of the measurements";
/// Who may enter the gateway's databases.
const ROLE: &str = "bench";
/// The gateway's databases, all the same one of the server: with no column, one column and five columns of the wide table masked.
const DATABASES: [(&str, &str); 3] = [
    ("plain", ""),
    ("one", "mask.email = \"email\"\n"),
    (
        "five",
        "mask.email = \"email\"\nmask.full_name = { keep_first = 3 }\nmask.born = \"year\"\nmask.balance = { round = 100 }\n\
         mask.note = \"redact\"\n",
    ),
];

/// All of it, running. Fields end in this order: what stands in front before the server.
#[derive(Debug)]
pub struct Stand {
    forwarders: Forwarders,
    process: Gateway,
    balanced: Gateway,
    server: Server,
    pub sysbench: Sysbench,
    /// Logs and settings of the processes.
    _folder: TempDir,
}

impl Stand {
    /// Starts all.
    pub fn start(flavor: Flavor) -> Result<Stand, Error> {
        let sysbench = Sysbench::new()?;
        let server = server::start(flavor, &sysbench)?;
        let folder = tempfile::Builder::new().prefix("querygate-bench-").tempdir();
        let folder = folder.map_err(Error::io("make a temporary folder"))?;
        let (process, balanced) = (gateway(&server, "process")?, gateway(&server, "balanced")?);
        Ok(Stand {
            forwarders: Forwarders::start(server.port(), folder.path())?,
            process,
            balanced,
            server,
            sysbench,
            _folder: folder,
        })
    }

    /// The server's own words about its version.
    pub fn server_version(&self) -> Result<String, Error> {
        let asked = self.server.admin(DATABASE).with(&["--batch", "--skip-column-names"], "SELECT version()")?.ok()?;
        let version = asked.stdout.trim().to_owned();
        Ok(match self.server.flavor() {
            Flavor::Mysql => format!("MySQL {version}"),
            Flavor::Mariadb => format!("MariaDB {version}"),
        })
    }

    /// A client's way in, for results with so many masked columns.
    pub fn login(&self, place: Place, masked: usize) -> Login {
        let at = |address: SocketAddr| Login { port: address.port(), ..self.server.admin(DATABASE) };
        let through =
            |gateway: &Gateway, database: &str| gateway.mysql_login(self.server.flavor(), ACCOUNT, SECRET, database);
        let [(plain, _), (one, _), (five, _)] = DATABASES;
        match place {
            Place::Process => through(&self.process, plain),
            Place::Balanced => through(&self.balanced, plain),
            Place::Masked => through(&self.process, [plain, one].get(masked).copied().unwrap_or(five)),
            _ => self.forwarders.at(place).map_or_else(|| self.server.admin(DATABASE), |process| at(process.address)),
        }
    }

    /// The process in between.
    pub fn process(&self, place: Place) -> Option<u32> {
        match place {
            Place::Process | Place::Masked => self.process.process(),
            Place::Balanced => self.balanced.process(),
            _ => self.forwarders.at(place).map(Process::id),
        }
    }
}

fn gateway(server: &Server, durability: &str) -> Result<Gateway, Error> {
    // The server's certificate is the gateway's too: what a client must trust is the same everywhere.
    let read = |path: PathBuf| fs::read_to_string(&path).map_err(Error::io(format!("read {}", path.display())));
    let (certificate, key) = (read(server.certificate())?, read(server.key())?);
    let mut setup = Gateway::setup().file("tls.crt", &certificate).file("tls.key", &key);
    setup = setup.listen("tls = { certificate = \"tls.crt\", key = \"tls.key\" }");
    for (name, masks) in DATABASES {
        setup = setup.mysql_database_in_clear(name, server, DATABASE).policy(name, &policy(name, masks));
    }
    let log = format!("\n[log]\ndurability = \"{durability}\"");
    Ok(setup.account(ACCOUNT, &[ROLE], SECRET).tables(&log).start()?)
}

fn policy(database: &str, masks: &str) -> String {
    let mut text = format!("database = \"{database}\"\nconnect = [\"{ROLE}\"]\nunlisted = \"clear\"\n");
    if !masks.is_empty() {
        text.push_str(&format!("[table.wide]\n{masks}[table.sbtest1]\nmask.c = {{ keep_first = 3 }}\n"));
    }
    text
}
