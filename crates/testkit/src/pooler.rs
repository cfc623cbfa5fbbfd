//! A real pgbouncer before a server.

use std::{fs, time::Duration};

use tempfile::TempDir;

use crate::{
    Error, Target,
    lifeline::{self, Lifeline, Signal},
    postgres::{ADMIN, ADMIN_PASSWORD, Owner, Server},
};

/// How long it may take to start, or to read its settings again.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How often its log is looked at besides the moments when a line comes.
const START_LOOK: Duration = Duration::from_millis(100);
/// What it writes when it reads its settings again.
const RELOADED: &str = "re-reading config";

/// A running pooler, which logs in to the server as its clients do. It ends with this value.
#[derive(Debug)]
pub struct Pooler {
    /// Declared first, so that the program ends before its folder goes.
    line: Lifeline,
    folder: TempDir,
    port: u16,
    server: u16,
}

impl Pooler {
    /// Starts one before a server, for its superuser, with these lines of settings such as `pool_mode = session`.
    pub fn before(server: &Server, lines: &str) -> Result<Self, Error> {
        Self::start(lifeline::free_port()?, server, lines)
    }

    /// The same on a certain port.
    pub fn start(port: u16, server: &Server, lines: &str) -> Result<Self, Error> {
        let program = lifeline::program("QUERYGATE_PGBOUNCER")?;
        let folder = lifeline::folder("pooler")?;
        let owner = Owner::of(folder.path())?;
        owner.give(folder.path())?;
        let users = format!("\"{ADMIN}\" \"{ADMIN_PASSWORD}\"\n");
        fs::write(folder.path().join("users"), users).map_err(Error::io("write a pooler's users"))?;
        configure(&folder, port, server.port(), lines)?;
        let mut command = owner.command(&program);
        command.current_dir(folder.path()).arg(folder.path().join("settings"));
        let mut line = Lifeline::spawn(&mut command, &folder.path().join("log"), Signal::Kill)?;
        line.wait_until("the start of pgbouncer", START_LIMIT, START_LOOK, |log| log.contains("process up"))?;
        Ok(Self { line, folder, port, server: server.port() })
    }

    /// The TCP port on 127.0.0.1.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The superuser's way through it to a database.
    pub fn admin(&self, database: &str) -> Target {
        let (host, user) = ("127.0.0.1".to_owned(), ADMIN.to_owned());
        Target { host, port: self.port, user, password: ADMIN_PASSWORD.to_owned(), database: database.to_owned() }
    }

    /// Has it read other lines of settings while its connections go on.
    pub fn reload(&mut self, lines: &str) -> Result<(), Error> {
        configure(&self.folder, self.port, self.server, lines)?;
        let before = self.line.log().matches(RELOADED).count();
        self.line.signal(Signal::Hangup)?;
        let more = |log: &str| log.matches(RELOADED).count() > before;
        self.line.wait_until("other settings of pgbouncer", START_LIMIT, START_LOOK, more)
    }
}

fn configure(folder: &TempDir, port: u16, server: u16, lines: &str) -> Result<(), Error> {
    let text = format!(
        "[databases]\n* = host=127.0.0.1 port={server}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
         auth_type = scram-sha-256\nauth_file = {}\nunix_socket_dir =\n{lines}\n",
        folder.path().join("users").display()
    );
    fs::write(folder.path().join("settings"), text).map_err(Error::io("write a pooler's settings"))
}
