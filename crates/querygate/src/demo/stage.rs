//! The demo's stage: a Postgres, a gateway before it, and three accounts.

use std::{
    fs,
    path::{Path, PathBuf},
};

use querygate_console::{ControlClient, api::GetStatus};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::process::Command;

use super::{
    Programs,
    narrator::Narrator,
    policies,
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
    folder: TempDir,
    psql: PathBuf,
    querygate: PathBuf,
    port: u16,
    secrets: Vec<(&'static str, String)>,
}

impl Stage {
    /// Sets it up.
    pub async fn set(programs: &Programs, narrator: &Narrator) -> Result<Stage, Failure> {
        narrator.heading("A shop's database, and Querygate in front of it");
        let folder = temporary("gateway")?;
        let password = made_secret();
        let server = Server::start(programs, &password).await?;
        let port = free_port()?;
        write(folder.path(), port, server.port, &password)?;
        narrator
            .remark(&format!("Postgres listens on 127.0.0.1:{}; only Querygate has a password for it", server.port));
        let mut command = command(programs, folder.path());
        let gateway =
            Running::start("querygate", command.arg("serve"), Signal::TERM, &folder.path().join("serve.log"))?;
        narrator.command("querygate serve &");
        let (psql, querygate) = (programs.psql.clone(), programs.querygate.clone());
        let mut stage =
            Stage { _gateway: gateway, _server: server, folder, psql, querygate, port, secrets: Vec::new() };
        let client = ControlClient::new(&stage.path("data"));
        let ready = async |_: &str| client.call(&GetStatus {}).await.is_ok_and(|status| status.not_ready.is_none());
        stage._gateway.wait_until(ready).await?;
        narrator.remark(&format!("Querygate listens on 127.0.0.1:{port}"));
        for (account, role) in ACCOUNTS {
            stage.make_account(account, role, narrator).await?;
        }
        Ok(stage)
    }

    async fn make_account(&mut self, account: &'static str, role: &str, narrator: &Narrator) -> Result<(), Failure> {
        let file = format!("{account}.secret");
        narrator.command(&format!("querygate account create {account} --role {role} > {file}"));
        let made = must(&mut self.querygate(&["account", "create", account, "--role", role])).await?;
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

    /// What to type in order to go on by oneself.
    pub fn invite(&self, narrator: &Narrator) {
        narrator.heading("Yours");
        for (account, _) in ACCOUNTS {
            let (secret, psql, port) = (self.secret(account), self.psql.display(), self.port);
            narrator.say(&format!("PGPASSWORD={secret} {psql} -h 127.0.0.1 -p {port} -U {account} -d shop"));
            narrator.say(&format!("jdbc:postgresql://127.0.0.1:{port}/shop?user={account}&password={secret}"));
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

fn write(home: &Path, port: u16, server_port: u16, password: &str) -> Result<(), Failure> {
    let policies = home.join("policies");
    folder(&policies)?;
    let password_file = home.join("shop.password");
    write_private(&password_file, password)?;
    let files = [
        (home.join("querygate.toml"), policies::configuration(port, server_port, &password_file)),
        (policies.join("shop.toml"), policies::POLICY.to_owned()),
        (policies.join("shop.test.toml"), policies::POLICY_TESTS.to_owned()),
    ];
    let write = |(path, text): &(PathBuf, String)| {
        fs::write(path, text).map_err(|e| Failure::wrong(format!("{} can't be written: {e}", path.display())))
    };
    files.iter().try_for_each(write)
}

/// A password that nobody else knows, of letters and digits.
pub fn made_secret() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}
