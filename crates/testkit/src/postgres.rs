//! A real, throw-away Postgres: made, started and removed by the test that needs it.

use std::{
    env, fs,
    os::unix::fs::{MetadataExt, chown},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    Error, Ran, Target,
    lifeline::{self, Lifeline, Signal},
    target,
};

/// The superuser that the tests set things up as.
pub const ADMIN: &str = "admin";
/// Its password.
pub const ADMIN_PASSWORD: &str = "adminpw";

/// How long a server may take to accept connections on a machine busy with other tests.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How often its log is looked at besides the moments when a line comes.
const START_LOOK: Duration = Duration::from_millis(200);
/// Between choosing a free port and using it another process may take it; then another is chosen, this often.
const START_TRIES: u32 = 5;
/// The user and group that a server runs as when the tests run as root: `nobody`.
const UNPRIVILEGED: u32 = 65_534;
/// What makes a server quick to start and to stop, and repeatable; durability on power loss is no concern of a test.
const SETTINGS: &str = "\
fsync = off
synchronous_commit = off
full_page_writes = off
shared_buffers = 64MB
max_connections = 120
max_prepared_transactions = 10
wal_level = logical
max_wal_senders = 4
max_replication_slots = 4
autovacuum = off
jit = off
max_parallel_workers_per_gather = 0
lc_messages = 'C'
timezone = 'UTC'
log_min_messages = warning
";

static DATABASES: AtomicU32 = AtomicU32::new(1);

/// The versions that this run has, newest first.
pub fn versions() -> Vec<u32> {
    let mut all: Vec<u32> = env::vars()
        .filter_map(|(name, _)| name.strip_prefix("QUERYGATE_POSTGRES_BIN_").and_then(|version| version.parse().ok()))
        .collect();
    all.sort_unstable_by_key(|version| std::cmp::Reverse(*version));
    all
}

/// What a server is like before it starts.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    version: Option<u32>,
    settings: String,
    access: String,
    files: Vec<(String, String)>,
}

impl Setup {
    /// A certain major version instead of the newest.
    pub fn version(mut self, version: u32) -> Self {
        self.version = Some(version);
        self
    }

    /// A line of `postgresql.conf`, such as `("ssl", "on")`.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push_str(&format!("{name} = '{value}'\n"));
        self
    }

    /// A line before all others in `pg_hba.conf`.
    pub fn access(mut self, line: &str) -> Self {
        self.access.push_str(line);
        self.access.push('\n');
        self
    }

    /// A file in the data folder that only the server can read, such as a key.
    pub fn file(mut self, name: &str, text: &str) -> Self {
        self.files.push((name.to_owned(), text.to_owned()));
        self
    }

    /// Makes the data folder and starts the server.
    pub fn start(self) -> Result<Server, Error> {
        let folder = lifeline::folder("postgres")?;
        let programs = lifeline::program(&self.version.map_or_else(
            || "QUERYGATE_POSTGRES_BIN".to_owned(),
            |version| format!("QUERYGATE_POSTGRES_BIN_{version}"),
        ))?;
        let owner = Owner::of(folder.path())?;
        owner.give(folder.path())?;
        self.initialise(&programs, folder.path(), owner)?;
        let (line, port) = start(&programs, folder.path(), owner)?;
        Ok(Server { line: Some(line), folder, programs, owner, port })
    }

    /// Makes a standby of another server, which follows it (`pg_basebackup`), and starts it.
    pub fn standby_of(primary: &Server) -> Result<Server, Error> {
        let folder = lifeline::folder("standby")?;
        let (programs, owner) = (primary.programs.clone(), primary.owner);
        owner.give(folder.path())?;
        let mut command = owner.command(&programs.join("pg_basebackup"));
        command.current_dir(folder.path()).arg("--pgdata").arg(folder.path().join("data"));
        command.args([
            "--write-recovery-conf",
            "--checkpoint=fast",
            "--no-sync",
            "--host=127.0.0.1",
            "--username",
            ADMIN,
        ]);
        command.args(["--port", &primary.port.to_string()]).env("PGPASSWORD", ADMIN_PASSWORD);
        target::run(&mut command, "")?.ok()?;
        let (line, port) = start(&programs, folder.path(), owner)?;
        Ok(Server { line: Some(line), folder, programs, owner, port })
    }

    fn initialise(&self, programs: &Path, folder: &Path, owner: Owner) -> Result<(), Error> {
        let password = folder.join("password");
        lifeline::write_private(&password, ADMIN_PASSWORD)?;
        owner.give(&password)?;
        let data = folder.join("data");
        let mut command = owner.command(&programs.join("initdb"));
        command.current_dir(folder).arg("--pgdata").arg(&data).arg("--pwfile").arg(&password);
        command.args([
            "--username",
            ADMIN,
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--no-instructions",
        ]);
        target::run(&mut command, "")?.ok()?;
        append(&data.join("postgresql.conf"), SETTINGS)?;
        append(&data.join("postgresql.conf"), &self.settings)?;
        if !self.access.is_empty() {
            let path = data.join("pg_hba.conf");
            let rest = fs::read_to_string(&path).map_err(Error::io("read pg_hba.conf"))?;
            fs::write(&path, format!("{}{rest}", self.access)).map_err(Error::io("write pg_hba.conf"))?;
        }
        for (name, text) in &self.files {
            let path = data.join(name);
            lifeline::write_private(&path, text)?;
            owner.give(&path)?;
        }
        Ok(())
    }
}

/// Who a server runs as: servers refuse root.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    root: bool,
}

impl Owner {
    pub(crate) fn of(own: &Path) -> Result<Self, Error> {
        let found = fs::metadata(own).map_err(Error::io("look at a folder"))?;
        Ok(Self { root: found.uid() == 0 })
    }

    pub(crate) fn give(self, path: &Path) -> Result<(), Error> {
        if !self.root {
            return Ok(());
        }
        chown(path, Some(UNPRIVILEGED), Some(UNPRIVILEGED)).map_err(Error::io(format!("give away {}", path.display())))
    }

    pub(crate) fn command(self, program: &Path) -> Command {
        if !self.root {
            return Command::new(program);
        }
        let mut command = Command::new("setpriv");
        let id = UNPRIVILEGED.to_string();
        command.args(["--reuid", &id, "--regid", &id, "--clear-groups", "--"]).arg(program);
        command
    }
}

fn append(path: &Path, text: &str) -> Result<(), Error> {
    let before = fs::read_to_string(path).map_err(Error::io(format!("read {}", path.display())))?;
    fs::write(path, before + text).map_err(Error::io(format!("write {}", path.display())))
}

fn start(programs: &Path, folder: &Path, owner: Owner) -> Result<(Lifeline, u16), Error> {
    let mut tries = 0;
    loop {
        tries += 1;
        let port = lifeline::free_port()?;
        match start_on(port, programs, folder, owner) {
            Err(Error::Failed { output, .. }) if output.contains("could not bind") && tries < START_TRIES => {}
            other => return other.map(|line| (line, port)),
        }
    }
}

fn start_on(port: u16, programs: &Path, folder: &Path, owner: Owner) -> Result<Lifeline, Error> {
    let mut command = owner.command(&programs.join("postgres"));
    command.current_dir(folder).arg("-D").arg(folder.join("data"));
    command.args(["-p", &port.to_string(), "-h", "127.0.0.1", "-k"]).arg(folder);
    let mut line = Lifeline::spawn(&mut command, &folder.join("log"), Signal::Quit)?;
    line.wait_until("the start of postgres", START_LIMIT, START_LOOK, |log| log.contains("ready to accept "))?;
    Ok(line)
}

/// A running server. It ends, and its folder goes, with this value.
#[derive(Debug)]
pub struct Server {
    /// Declared first, so that the server ends before its folder goes.
    line: Option<Lifeline>,
    folder: TempDir,
    programs: PathBuf,
    owner: Owner,
    port: u16,
}

impl Server {
    /// What can be chosen.
    pub fn setup() -> Setup {
        Setup::default()
    }

    /// The newest version, with nothing special.
    pub fn start() -> Result<Self, Error> {
        Self::setup().start()
    }

    /// The TCP port on 127.0.0.1.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The folder that holds the unix socket, the data folder and the log.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What the server has logged since it started.
    pub fn log(&self) -> String {
        self.line.as_ref().map(Lifeline::log).unwrap_or_default()
    }

    /// The superuser's way to a database.
    pub fn admin(&self, database: &str) -> Target {
        self.login(ADMIN, ADMIN_PASSWORD, database)
    }

    /// Anybody's way to a database.
    pub fn login(&self, user: &str, password: &str, database: &str) -> Target {
        let (host, port) = ("127.0.0.1".to_owned(), self.port);
        Target { host, port, user: user.to_owned(), password: password.to_owned(), database: database.to_owned() }
    }

    /// Runs psql as the superuser, directly.
    pub fn psql(&self, database: &str, arguments: &[&str], input: &str) -> Result<Ran, Error> {
        self.admin(database).psql(arguments, input)
    }

    /// Runs a script as the superuser, directly; the first error ends it.
    pub fn script(&self, database: &str, sql: &str) -> Result<(), Error> {
        self.psql(database, &["--quiet", "--set", "ON_ERROR_STOP=1"], sql)?.ok().map(drop)
    }

    /// Makes a database that no other test knows and runs a script in it; returns its name.
    pub fn create_database(&self, name: &str, sql: &str) -> Result<String, Error> {
        let unique = format!("{name}_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        self.script("postgres", &format!("CREATE DATABASE {unique} TEMPLATE template0;"))?;
        self.script(&unique, sql)?;
        Ok(unique)
    }

    /// Stops the server as an operator would, cutting its sessions ("fast").
    pub fn stop(&mut self) -> Result<(), Error> {
        if let Some(mut line) = self.line.take() {
            line.signal(Signal::Interrupt)?;
            line.wait()?;
        }
        Ok(())
    }

    /// Starts a stopped server again with the same data, on the same port.
    pub fn resume(&mut self) -> Result<(), Error> {
        if self.line.is_none() {
            self.line = Some(start_on(self.port, &self.programs, self.folder.path(), self.owner)?);
        }
        Ok(())
    }
}
