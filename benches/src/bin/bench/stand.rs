//! Everything that runs while the measurements do: the server, and what can stand in front of it.

use std::{
    env,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use clap::ValueEnum;
use querygate_testkit::{
    Target,
    gateway::Gateway,
    postgres::{ADMIN, ADMIN_PASSWORD, Server},
};
use serde::Serialize;
use tempfile::TempDir;

use crate::{
    error::Error,
    process::{Process, free_address},
    server::{self, DATABASE},
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

/// Where a client connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The server itself.
    Direct,
    /// A bare relay.
    Relay,
    /// Another process of the same relay: how much two of the same differ.
    RelayAgain,
    /// pgbouncer with one server connection per client session.
    Pgbouncer,
    /// The gateway's socket loop and nothing else.
    Frames,
    /// The gateway, its log handed to the operating system.
    Process,
    /// The gateway, its log on disk before what can't be undone.
    Balanced,
    /// The gateway (`process`) for a role that sees masked columns.
    Masked,
}

impl Place {
    /// Where pgbench is run.
    pub const OF_LOADS: &'static [Place] = &[
        Place::Direct,
        Place::Relay,
        Place::Frames,
        Place::Process,
        Place::RelayAgain,
        Place::Pgbouncer,
        Place::Balanced,
        Place::Masked,
    ];
    /// Where large results are read unmasked.
    pub const WITHOUT_MASKS: &'static [Place] =
        &[Place::Direct, Place::Relay, Place::Frames, Place::RelayAgain, Place::Pgbouncer];

    pub fn name(self) -> &'static str {
        match self {
            Place::Direct => "direct",
            Place::Relay => "relay",
            Place::RelayAgain => "relay again",
            Place::Pgbouncer => "pgbouncer",
            Place::Frames => "frames",
            Place::Process => "gateway process",
            Place::Balanced => "gateway balanced",
            Place::Masked => "gateway masked",
        }
    }
}

/// All of it, running. Fields end in this order: what stands in front before the server.
#[derive(Debug)]
pub struct Stand {
    relay: Process,
    relay_again: Process,
    frames: Process,
    pgbouncer: Process,
    process: Gateway,
    balanced: Gateway,
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
            relay: forwarding("relay", "relay.log", &server, folder.path())?,
            relay_again: forwarding("relay", "relay-again.log", &server, folder.path())?,
            frames: forwarding("frames", "frames.log", &server, folder.path())?,
            pgbouncer: pgbouncer(&server, folder.path())?,
            process: gateway(&server, "process")?,
            balanced: gateway(&server, "balanced")?,
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
            Place::Relay => at(self.relay.address),
            Place::RelayAgain => at(self.relay_again.address),
            Place::Frames => at(self.frames.address),
            Place::Pgbouncer => at(self.pgbouncer.address),
            Place::Process => self.process.login(ACCOUNT, SECRET, PLAIN),
            Place::Balanced => self.balanced.login(ACCOUNT, SECRET, PLAIN),
            Place::Masked => self.process.login(ACCOUNT, SECRET, database(masked)),
        }
    }

    /// The process in between.
    pub fn process(&self, place: Place) -> Option<u32> {
        match place {
            Place::Direct => None,
            Place::Relay => Some(self.relay.id()),
            Place::RelayAgain => Some(self.relay_again.id()),
            Place::Frames => Some(self.frames.id()),
            Place::Pgbouncer => Some(self.pgbouncer.id()),
            Place::Process | Place::Masked => self.process.process(),
            Place::Balanced => self.balanced.process(),
        }
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

fn forwarding(program: &str, log: &str, server: &Server, folder: &Path) -> Result<Process, Error> {
    let own = env::current_exe().map_err(Error::io("find this program"))?;
    let path = own.with_file_name(program);
    if !path.exists() {
        return Err(Error::Unbuilt(path));
    }
    let address = free_address()?;
    let mut command = Command::new(path);
    command.arg(address.to_string()).arg(format!("127.0.0.1:{}", server.port()));
    Process::start(&mut command, address, &folder.join(log))
}

/// Runs as `nobody`, since it refuses to be root.
fn pgbouncer(server: &Server, folder: &Path) -> Result<Process, Error> {
    let program = env::var_os("QUERYGATE_PGBOUNCER").map(PathBuf::from).ok_or(Error::Unnamed("QUERYGATE_PGBOUNCER"))?;
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
    let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
    let mut setup = Gateway::setup();
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
