//! Everything that runs while the measurements do: the server, and what can stand in front of it.

use std::{net::SocketAddr, os::unix::fs::PermissionsExt, path::Path, process::Command};

use querygate_testkit::{
    Target,
    gateway::{Gateway, Setup},
    postgres::{ADMIN, ADMIN_PASSWORD, Server},
};
use tempfile::TempDir;

use super::{
    load::Kind,
    server::{self, DATABASE},
};
use crate::{
    between::{Forwarders, forwarding, haproxy, program},
    error::Error,
    place::Place,
    process::{Process, free_address},
};

/// The gateway's client.
const ACCOUNT: &str = "bench";
const SECRET: &str = "a secret of the measurements";
/// Who may enter the gateway's databases.
const ROLE: &str = "bench";
/// The gateway's databases, all the same one of the server: with no column, one column and five columns of the wide table masked.
const PLAIN: &str = "plain";
const ONE: &str = "one";
const FIVE: &str = "five";

/// All of it, running. Fields end in this order: what stands in front before the server.
#[derive(Debug)]
pub struct Stand {
    forwarders: Forwarders,
    frames: Process,
    pgbouncer: Process,
    process: Gateway,
    balanced: Gateway,
    strict: Gateway,
    /// The gateway (`process`) and two terminators of TLS, for clients that encrypt.
    tls: (Gateway, [Process; 2]),
    server: Server,
    /// Logs and settings of the processes, and pgbench's log of each run.
    pub folder: TempDir,
}

impl Stand {
    /// Starts all.
    pub fn start() -> Result<Stand, Error> {
        let server = server::start()?;
        let folder = tempfile::Builder::new().prefix("querygate-bench-").tempdir();
        let folder = folder.map_err(Error::io("make a temporary folder"))?;
        Ok(Stand {
            forwarders: Forwarders::start(server.port(), folder.path())?,
            frames: forwarding("frames", "frames.log", server.port(), folder.path())?,
            pgbouncer: pgbouncer(&server, folder.path())?,
            process: gateway(&server, "process")?,
            balanced: gateway(&server, "balanced")?,
            strict: gateway(&server, "strict")?,
            tls: encrypting(&server, folder.path())?,
            server,
            folder,
        })
    }

    /// The server's own words about its version.
    pub fn server_version(&self) -> Result<String, Error> {
        let shown = self.server.psql(DATABASE, &["-At", "-c", "SHOW server_version"], "")?.ok()?;
        Ok(shown.stdout.trim().to_owned())
    }

    /// A client's way in, for results with so many masked columns.
    pub fn target(&self, place: Place, masked: usize) -> Target {
        let at = |address: SocketAddr| Target { port: address.port(), ..self.server.admin(DATABASE) };
        match place {
            Place::Direct => self.server.admin(DATABASE),
            Place::Relay | Place::RelayAgain | Place::Haproxy => {
                self.forwarders.at(place).map_or_else(|| self.server.admin(DATABASE), |process| at(process.address))
            }
            Place::Frames => at(self.frames.address),
            Place::Pgbouncer => at(self.pgbouncer.address),
            Place::Process => self.process.login(ACCOUNT, SECRET, PLAIN),
            Place::Balanced => self.balanced.login(ACCOUNT, SECRET, PLAIN),
            Place::Strict => self.strict.login(ACCOUNT, SECRET, PLAIN),
            Place::Masked => self.process.login(ACCOUNT, SECRET, database(masked)),
        }
    }

    /// The process in between.
    pub fn process(&self, place: Place) -> Option<u32> {
        match place {
            Place::Direct => None,
            Place::Relay | Place::RelayAgain | Place::Haproxy => self.forwarders.at(place).map(Process::id),
            Place::Frames => Some(self.frames.id()),
            Place::Pgbouncer => Some(self.pgbouncer.id()),
            Place::Process | Place::Masked => self.process.process(),
            Place::Balanced => self.balanced.process(),
            Place::Strict => self.strict.process(),
        }
    }

    /// A way in for a client that encrypts from the first byte on.
    pub fn encrypted(&self, place: Place) -> Result<Target, Error> {
        let (gateway, [relay, again]) = &self.tls;
        let at = |process: &Process| Target { port: process.address.port(), ..self.server.admin(DATABASE) };
        match place {
            Place::Relay => Ok(at(relay)),
            Place::RelayAgain => Ok(at(again)),
            Place::Process => Ok(gateway.login(ACCOUNT, SECRET, PLAIN)),
            other => Err(Error::Empty(format!("{} for a client that encrypts", other.name()))),
        }
    }

    /// The process in between for this kind of load.
    pub fn process_of(&self, place: Place, kind: Kind) -> Option<u32> {
        let (gateway, [relay, again]) = &self.tls;
        match (kind, place) {
            (Kind::Tls, Place::Relay) => Some(relay.id()),
            (Kind::Tls, Place::RelayAgain) => Some(again.id()),
            (Kind::Tls, _) => gateway.process(),
            _ => self.process(place),
        }
    }

    /// A gateway that lets so many clients in, and how they log in to it.
    pub fn crowded(&self, clients: usize) -> Result<(Gateway, Target), Error> {
        let address = SocketAddr::from(([127, 0, 0, 1], self.server.port()));
        let limits = format!("limits = {{ connections = {} }}", clients + 10);
        let setup = Gateway::setup()
            .listen(&format!("tls = \"off\"\nconnections = {}", clients + 10))
            .database(PLAIN, address, DATABASE, ADMIN, ADMIN_PASSWORD)
            .tables(&limits)
            .policy(PLAIN, &policy(PLAIN, ""));
        let gateway = setup.account(ACCOUNT, &[ROLE], SECRET).start()?;
        let target = gateway.login(ACCOUNT, SECRET, PLAIN);
        Ok((gateway, target))
    }
}

/// The gateway's database with so many masked columns.
fn database(masked: usize) -> &'static str {
    match masked {
        0 => PLAIN,
        1 => ONE,
        _ => FIVE,
    }
}

/// Runs as `nobody`, since it refuses to be root.
fn pgbouncer(server: &Server, folder: &Path) -> Result<Process, Error> {
    let program = program("QUERYGATE_PGBOUNCER")?;
    let address = free_address()?;
    let (settings, users) = (folder.join("pgbouncer.ini"), folder.join("users.txt"));
    let text = format!(
        "[databases]\n{DATABASE} = host=127.0.0.1 port={} dbname={DATABASE} user={ADMIN} password={ADMIN_PASSWORD}\n\
         [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {}\nunix_socket_dir =\nauth_type = scram-sha-256\n\
         auth_file = {}\npool_mode = session\ndefault_pool_size = 100\nmax_client_conn = 200\nuser = nobody\n\
         so_reuseport = 0\nlog_connections = 0\nlog_disconnections = 0\n",
        server.port(),
        address.port(),
        users.display()
    );
    std::fs::write(&settings, text).map_err(Error::io("write pgbouncer's settings"))?;
    std::fs::write(&users, format!("\"{ADMIN}\" \"{ADMIN_PASSWORD}\"\n"))
        .map_err(Error::io("write pgbouncer's users"))?;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).map_err(Error::io("open a folder"))?;
    Process::start(Command::new(program).arg(&settings), address, &folder.join("pgbouncer.log"))
}

fn gateway(server: &Server, durability: &str) -> Result<Gateway, Error> {
    gateway_of(Gateway::setup(), server, durability)
}

/// What clients that encrypt connect to, all with the same certificate.
fn encrypting(server: &Server, folder: &Path) -> Result<(Gateway, [Process; 2]), Error> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
    let made = made.map_err(|error| Error::Program { what: "a certificate".to_owned(), output: error.to_string() })?;
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let setup = Gateway::setup().file("tls.crt", &certificate).file("tls.key", &key);
    let setup = setup.listen("tls = { certificate = \"tls.crt\", key = \"tls.key\" }");
    let pem = format!("{certificate}{key}");
    let terminator = |name| haproxy(name, server.port(), Some(&pem), folder);
    let terminators = [terminator("haproxy-tls")?, terminator("haproxy-tls-again")?];
    Ok((gateway_of(setup, server, "process")?, terminators))
}

fn gateway_of(mut setup: Setup, server: &Server, durability: &str) -> Result<Gateway, Error> {
    let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
    for (name, masks) in [
        (PLAIN, ""),
        (ONE, "mask.email = \"email\"\n"),
        (
            FIVE,
            "mask.email = \"email\"\nmask.full_name = { keep_first = 3 }\nmask.born = \"year\"\nmask.balance = { round = 100 }\n\
             mask.note = \"redact\"\n",
        ),
    ] {
        setup = setup.database(name, address, DATABASE, ADMIN, ADMIN_PASSWORD).policy(name, &policy(name, masks));
    }
    let log = format!("\n[log]\ndurability = \"{durability}\"");
    Ok(setup.account(ACCOUNT, &[ROLE], SECRET).tables(&log).start()?)
}

fn policy(database: &str, masks: &str) -> String {
    let mut text = format!("database = \"{database}\"\nconnect = [\"{ROLE}\"]\nunlisted = \"clear\"\n");
    if !masks.is_empty() {
        text.push_str(&format!("[table.\"public.wide\"]\n{masks}"));
        text.push_str("[table.\"public.pgbench_accounts\"]\nmask.abalance = { round = 100 }\n");
    }
    text
}
