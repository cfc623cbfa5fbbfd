//! The demo's stage: a Postgres and, where there is one, a MariaDB, a gateway before them, and three accounts.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use querygate_console::{ControlClient, api::GetStatus};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::process::Command;

use super::{
    Programs, mariadb,
    narrator::Narrator,
    policies::{self, Behind},
    process::{Ran, Running, folder, must, run, write_private},
    server::{Server, free_port, temporary},
};
use crate::commands::Failure;

/// The accounts, each with its one role: an AI agent, a DBA, and somebody who decides.
pub const ACCOUNTS: [(&str, &str); 3] = [("agent", "agent"), ("dba", "dba"), ("reviewer", "reviewer")];

/// Everything that runs, in the order in which it ends.
#[derive(Debug)]
pub struct Stage {
    _gateway: Running,
    _server: Server,
    mariadb: Option<Mariadb>,
    folder: TempDir,
    psql: PathBuf,
    querygate: PathBuf,
    port: u16,
    secrets: Vec<(&'static str, String)>,
}

/// A MariaDB on the stage.
#[derive(Debug)]
struct Mariadb {
    _server: mariadb::Server,
    programs: mariadb::Programs,
    /// Where the gateway listens for its clients.
    port: u16,
}

impl Stage {
    /// Sets it up.
    pub async fn set(programs: &Programs, narrator: &Narrator) -> Result<Stage, Failure> {
        narrator.heading("A shop's database, and Querygate in front of it");
        let folder = temporary("gateway")?;
        let password = made_secret();
        let server = Server::start(programs, &password).await?;
        let port = free_port()?;
        narrator
            .remark(&format!("Postgres listens on 127.0.0.1:{}; only Querygate has a password for it", server.port));
        write_postgres(folder.path(), &password)?;
        let behind = Behind { port, server: server.port, password: Path::new(PASSWORD) };
        let mariadb = Mariadb::start(programs, folder.path(), narrator).await?;
        let other = mariadb.as_ref().map(Mariadb::behind);
        write(&folder.path().join("querygate.toml"), &policies::configuration(behind, other))?;
        let mut command = command(programs, folder.path());
        let gateway =
            Running::start("querygate", command.arg("serve"), Signal::TERM, &folder.path().join("serve.log"))?;
        narrator.command("querygate serve &");
        let (psql, querygate) = (programs.psql.clone(), programs.querygate.clone());
        let secrets = Vec::new();
        let mut stage = Stage { _gateway: gateway, _server: server, mariadb, folder, psql, querygate, port, secrets };
        let client = ControlClient::new(&stage.path("data"));
        let ready = async |_: &str| client.call(&GetStatus {}).await.is_ok_and(|status| status.not_ready.is_none());
        stage._gateway.wait_until(ready).await?;
        narrator.remark(&format!("Querygate listens on 127.0.0.1:{port}"));
        if let Some(mariadb) = &stage.mariadb {
            narrator.remark(&format!("and on 127.0.0.1:{}, for clients of MySQL and MariaDB", mariadb.port));
        }
        for (account, role) in ACCOUNTS {
            stage.make_account(account, role, narrator).await?;
        }
        Ok(stage)
    }

    async fn make_account(&mut self, account: &'static str, role: &str, narrator: &Narrator) -> Result<(), Failure> {
        let file = format!("{account}.secret");
        narrator.command(&format!("querygate account create {account} --role {role} > {file}"));
        let made = must(&mut self.querygate(&["account", "create", account, "--role", role]), Stdio::null()).await?;
        write_private(&self.path(&file), &made.stdout)?;
        self.secrets.push((account, made.stdout.trim_end().to_owned()));
        Ok(())
    }

    /// A file of the demo's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command of this program.
    pub fn querygate(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.querygate);
        command.current_dir(self.folder.path()).args(arguments);
        command
    }

    /// The real psql, through the gateway, as an account.
    pub fn psql(&self, account: &str, sql: &str) -> Command {
        let mut command = Command::new(&self.psql);
        let port = self.port.to_string();
        command.current_dir(self.folder.path()).arg("--no-psqlrc").args(["--host", "127.0.0.1", "--port", &port]);
        command.args(["--username", account, "--dbname", "shop", "--no-password", "--command", sql]);
        command.env("PGPASSWORD", self.secret(account)).env("PAGER", "cat").env("LC_ALL", "C.UTF-8");
        command
    }

    /// What `psql` stands for below.
    pub fn psql_meaning(&self) -> String {
        format!("psql is the real one, with -h 127.0.0.1 -p {} -d shop and each account's own secret", self.port)
    }

    /// Shows and runs a command of this program.
    pub async fn show(&self, narrator: &Narrator, arguments: &[&str]) -> Result<Ran, Failure> {
        narrator.command(&format!("querygate {}", shell(arguments)));
        let ran = run(&mut self.querygate(arguments)).await?;
        narrator.ran(&ran);
        Ok(ran)
    }

    /// Shows and runs a statement.
    pub async fn query(&self, narrator: &Narrator, account: &str, sql: &str) -> Result<Ran, Failure> {
        narrator.command(&psql_line(account, sql));
        let ran = run(&mut self.psql(account, sql)).await?;
        narrator.ran(&ran);
        Ok(ran)
    }

    /// Whether a MariaDB is there.
    pub fn has_mariadb(&self) -> bool {
        self.mariadb.is_some()
    }

    /// What `mariadb` stands for below.
    pub fn mariadb_meaning(&self) -> String {
        let port = self.mariadb.as_ref().map_or(0, |mariadb| mariadb.port);
        format!("mariadb is the real one, with --host=127.0.0.1 --port={port} --ssl and each account's own secret")
    }

    /// Shows and runs a statement through MariaDB's command line.
    pub async fn mariadb_query(&self, narrator: &Narrator, account: &str, sql: &str) -> Result<Ran, Failure> {
        narrator.command(&format!("mariadb --user={account} support -e {}", shell(&[sql])));
        let mariadb = self.mariadb.as_ref().ok_or_else(|| Failure::wrong("there is no MariaDB"))?;
        let client = mariadb.programs.client();
        let (program, options) = client.split_first().ok_or_else(|| Failure::wrong("there is no MariaDB"))?;
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).args(options).args([
            "--host=127.0.0.1",
            "--protocol=tcp",
            "--ssl",
            "--table",
        ]);
        command.arg(format!("--port={}", mariadb.port)).arg(format!("--user={account}"));
        command.args(["--default-character-set=utf8mb4", "-e", sql, "support"]);
        let ran = run(command.env("MYSQL_PWD", self.secret(account))).await?;
        narrator.ran(&ran);
        Ok(ran)
    }

    /// What to type in order to go on by oneself.
    pub fn invite(&self, narrator: &Narrator) {
        narrator.heading("Yours");
        for (account, _) in ACCOUNTS {
            let (secret, psql, port) = (self.secret(account), self.psql.display(), self.port);
            narrator.say(&format!("PGPASSWORD={secret} {psql} -h 127.0.0.1 -p {port} -U {account} -d shop"));
            narrator.say(&format!("jdbc:postgresql://127.0.0.1:{port}/shop?user={account}&password={secret}"));
        }
        if let Some(mariadb) = &self.mariadb {
            let (client, port) = (mariadb.programs.client().join(" "), mariadb.port);
            for (account, _) in ACCOUNTS {
                let secret = self.secret(account);
                narrator.say(&format!(
                    "MYSQL_PWD={secret} {client} --host=127.0.0.1 --port={port} --ssl --user={account} support"
                ));
            }
        }
        let (program, folder) = (self.querygate.display(), self.folder.path().display());
        narrator.say(&format!("\ncd {folder}\n{program} log tail -f\n{program} approvals list"));
        narrator.say(&format!(
            "{program} approvals approve ID --because \"...\" --account reviewer --secret-file reviewer.secret"
        ));
        narrator.say("\nCtrl-C ends everything and removes it.");
    }

    fn secret(&self, account: &str) -> &str {
        self.secrets.iter().find(|(name, _)| *name == account).map_or("", |(_, secret)| secret)
    }
}

/// A statement as a user sends it; the connection is told once.
pub fn psql_line(account: &str, sql: &str) -> String {
    format!("psql -U {account} -c {}", shell(&[sql]))
}

/// Arguments as a shell takes them.
fn shell(arguments: &[&str]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,".contains(c);
    let one = |argument: &&str| match argument.chars().all(plain) {
        true => (*argument).to_owned(),
        false => format!("\"{}\"", argument.replace('"', "\\\"")),
    };
    arguments.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn command(programs: &Programs, folder: &Path) -> Command {
    let mut command = Command::new(&programs.querygate);
    command.current_dir(folder);
    command
}

/// The files of the gateway's passwords for the servers.
const PASSWORD: &str = "shop.password";
const MARIADB_PASSWORD: &str = "support.password";

impl Mariadb {
    /// Starts one and writes its policies, if its programs are there.
    async fn start(programs: &Programs, home: &Path, narrator: &Narrator) -> Result<Option<Mariadb>, Failure> {
        let Some(programs) = &programs.mariadb else {
            narrator.remark("no MariaDB is here, so its part is left out");
            return Ok(None);
        };
        let password = made_secret();
        let server = mariadb::Server::start(programs, &password).await?;
        narrator.remark(&format!("MariaDB listens on 127.0.0.1:{}", server.port));
        write_private(&home.join(MARIADB_PASSWORD), &password)?;
        write(&home.join("policies/support.toml"), policies::SUPPORT_POLICY)?;
        write(&home.join("policies/support.test.toml"), policies::SUPPORT_POLICY_TESTS)?;
        Ok(Some(Mariadb { _server: server, programs: programs.clone(), port: free_port()? }))
    }

    fn behind(&self) -> Behind<'_> {
        Behind { port: self.port, server: self._server.port, password: Path::new(MARIADB_PASSWORD) }
    }
}

fn write_postgres(home: &Path, password: &str) -> Result<(), Failure> {
    folder(&home.join("policies"))?;
    write_private(&home.join(PASSWORD), password)?;
    write(&home.join("policies/shop.toml"), policies::POLICY)?;
    write(&home.join("policies/shop.test.toml"), policies::POLICY_TESTS)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|e| Failure::wrong(format!("{} can't be written: {e}", path.display())))
}

/// A password that nobody else knows, of letters and digits.
pub fn made_secret() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}
