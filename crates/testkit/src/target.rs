use std::{
    io::Write,
    process::{Command, Output, Stdio},
    thread,
};

use tokio_postgres::{Client, Config, NoTls};

use crate::{Error, lifeline};

/// Where and as whom to connect: to the server directly, or to the gateway.
#[derive(Clone, Debug)]
pub struct Target {
    /// Address of the loopback interface.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Account.
    pub user: String,
    /// Its secret.
    pub password: String,
    /// Database as this end names it.
    pub database: String,
}

/// What a program that ended has written.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The program and its arguments.
    pub what: String,
    /// Exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// This, if the program said yes.
    pub fn ok(self) -> Result<Self, Error> {
        if self.code == Some(0) {
            return Ok(self);
        }
        Err(Error::Failed {
            what: self.what,
            output: format!("exit code {:?}\n{}{}", self.code, self.stdout, self.stderr),
        })
    }
}

/// Runs a program to its end with `input` on standard input.
pub(crate) fn run(command: &mut Command, input: &str) -> Result<Ran, Error> {
    let what = format!("{command:?}");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Error::io(format!("start {what}")))?;
    let stdin = child.stdin.take();
    let input = input.to_owned();
    // Written beside the reading, so that neither pipe can fill up and block the other. A program that doesn't read all
    // of its input is no error.
    let writer = thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(input.as_bytes())));
    let Output { status, stdout, stderr } = child.wait_with_output().map_err(Error::io(format!("wait for {what}")))?;
    let _ = writer.join();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Ran { what, code: status.code(), stdout: text(stdout), stderr: text(stderr) })
}

impl Target {
    /// The real psql, without a start-up file, with messages in English.
    pub fn psql_command(&self) -> Result<Command, Error> {
        let mut command = Command::new(lifeline::program("QUERYGATE_PSQL")?);
        command.arg("--no-psqlrc").args(["--host", &self.host, "--port", &self.port.to_string()]);
        command.args(["--username", &self.user, "--dbname", &self.database, "--no-password"]);
        command
            .env("PGPASSWORD", &self.password)
            .env("PGCONNECT_TIMEOUT", "20")
            .env("LC_ALL", "C.UTF-8")
            .env("PAGER", "cat");
        Ok(command)
    }

    /// Runs psql with `arguments` after the connection's and `input` on standard input.
    pub fn psql(&self, arguments: &[&str], input: &str) -> Result<Ran, Error> {
        run(self.psql_command()?.args(arguments), input)
    }

    /// Runs pgbench with `arguments` after the connection's.
    pub fn pgbench(&self, arguments: &[&str]) -> Result<Ran, Error> {
        let mut command = Command::new(lifeline::program("QUERYGATE_PGBENCH")?);
        command.args(["--host", &self.host, "--port", &self.port.to_string(), "--username", &self.user]);
        command.env("PGPASSWORD", &self.password).args(arguments).arg(&self.database);
        run(&mut command, "")
    }

    /// The driver's settings for this target.
    pub fn config(&self) -> Config {
        let mut config = Config::new();
        config.host(&self.host).port(self.port).user(&self.user).password(&self.password).dbname(&self.database);
        config
    }

    /// Connects with tokio-postgres, without TLS. The connection lives on a task of the caller's runtime.
    pub async fn connect(&self) -> Result<Client, Error> {
        let (client, connection) = self.config().connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// The same place, another database.
    pub fn database(&self, database: &str) -> Self {
        Self { database: database.to_owned(), ..self.clone() }
    }

    /// The URL that JDBC wants; user and password are given apart from it.
    pub fn jdbc_url(&self) -> String {
        format!("jdbc:postgresql://{}:{}/{}", self.host, self.port, self.database)
    }
}
