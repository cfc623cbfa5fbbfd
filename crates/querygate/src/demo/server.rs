//! The demo's Postgres.

use std::{
    fs,
    os::unix::fs::{MetadataExt, chown},
    path::{Path, PathBuf},
    process::Stdio,
};

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::process::Command;

use super::{
    Programs,
    policies::{LOGIN, SHOP},
    process::{Running, must, write_private},
};
use crate::commands::Failure;

/// Whom a server runs as where the demo runs as root, which servers refuse: `nobody`.
const UNPRIVILEGED: u32 = 65_534;
/// The server's superuser, which the gateway never uses.
const SUPERUSER: &str = "postgres";

/// A Postgres with the shop in it.
#[derive(Debug)]
pub struct Server {
    /// Declared first, so that it ends before its folder goes.
    _running: Running,
    _folder: TempDir,
    /// Its port on 127.0.0.1.
    pub port: u16,
}

impl Server {
    /// Makes one, and the shop, and a login for the gateway with this password.
    pub async fn start(programs: &Programs, password: &str) -> Result<Server, Failure> {
        let folder = temporary("postgres")?;
        let owner = Owner::of(folder.path())?;
        owner.give(folder.path())?;
        let superuser_password = super::stage::made_secret();
        initialise(programs, folder.path(), owner, &superuser_password).await?;
        let (mut running, port) = serve(programs, folder.path(), owner)?;
        running.wait_until(async |log| log.contains("ready to accept connections")).await?;
        let server = Server { _running: running, _folder: folder, port };
        server.fill(programs, &superuser_password, password).await?;
        Ok(server)
    }

    async fn fill(&self, programs: &Programs, superuser_password: &str, password: &str) -> Result<(), Failure> {
        let shop = self._folder.path().join("shop.sql");
        let login = self._folder.path().join("login.sql");
        write_private(&shop, SHOP)?;
        // A file, since an argument could be read by every user of the machine.
        write_private(&login, &format!("\\set password '{password}'\n{LOGIN}"))?;
        let psql = |database: &str| {
            let mut command = Command::new(&programs.psql);
            let port = self.port.to_string();
            command.args([
                "--no-psqlrc",
                "--quiet",
                "--set",
                "ON_ERROR_STOP=1",
                "--host",
                "127.0.0.1",
                "--port",
                &port,
            ]);
            command.args(["--username", SUPERUSER, "--dbname", database]).env("PGPASSWORD", superuser_password);
            command
        };
        must(psql("postgres").args(["--command", "CREATE DATABASE shop"]), Stdio::null()).await?;
        must(psql("shop").arg("--file").arg(&shop), Stdio::null()).await?;
        must(psql("shop").arg("--file").arg(&login), Stdio::null()).await?;
        Ok(())
    }
}

/// A folder in the system's temporary folder.
pub fn temporary(name: &str) -> Result<TempDir, Failure> {
    let made = tempfile::Builder::new().prefix(&format!("querygate-demo-{name}-")).tempdir();
    made.map_err(|e| Failure::wrong(format!("no temporary folder can be made: {e}")))
}

async fn initialise(programs: &Programs, folder: &Path, owner: Owner, password: &str) -> Result<(), Failure> {
    let file = folder.join("password");
    write_private(&file, password)?;
    owner.give(&file)?;
    let mut command = owner.command(&programs.initdb);
    command.current_dir(folder).arg("--pgdata").arg(folder.join("data")).arg("--pwfile").arg(&file);
    command.args(["--username", SUPERUSER, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]);
    must(&mut command, Stdio::null()).await.map(drop)
}

fn serve(programs: &Programs, folder: &Path, owner: Owner) -> Result<(Running, u16), Failure> {
    let port = free_port()?;
    let mut command = owner.command(&programs.postgres);
    command.current_dir(folder).arg("-D").arg(folder.join("data"));
    command.args(["-p", &port.to_string(), "-h", "127.0.0.1", "-c", "fsync=off", "-c", "jit=off", "-k"]).arg(folder);
    Ok((Running::start("postgres", &mut command, Signal::INT, &log(folder))?, port))
}

fn log(folder: &Path) -> PathBuf {
    folder.join("server.log")
}

/// A TCP port on the loopback interface that was free a moment ago.
pub fn free_port() -> Result<u16, Failure> {
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    port.map(|address| address.port()).map_err(|e| Failure::wrong(format!("no free port can be found: {e}")))
}

/// Whom a server runs as: this user, or nobody where that is root.
#[derive(Clone, Copy, Debug)]
pub struct Owner {
    root: bool,
}

impl Owner {
    /// By whom this folder, which was just made, belongs to.
    pub fn of(own: &Path) -> Result<Owner, Failure> {
        let found = fs::metadata(own).map_err(|e| Failure::wrong(format!("{} can't be read: {e}", own.display())))?;
        Ok(Owner { root: found.uid() == 0 })
    }

    /// Gives them a file or folder.
    pub fn give(self, path: &Path) -> Result<(), Failure> {
        if !self.root {
            return Ok(());
        }
        let given = chown(path, Some(UNPRIVILEGED), Some(UNPRIVILEGED));
        given.map_err(|e| Failure::wrong(format!("{} can't be given away: {e}", path.display())))
    }

    /// A program that runs as them.
    pub fn command(self, program: &Path) -> Command {
        if !self.root {
            return Command::new(program);
        }
        let id = UNPRIVILEGED.to_string();
        let mut command = Command::new("setpriv");
        command.args(["--reuid", &id, "--regid", &id, "--clear-groups", "--"]).arg(program);
        command
    }
}
