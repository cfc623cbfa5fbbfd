//! The real gateway: its binary, a configuration in a folder of its own, and what an operator can do to it.
//!
//! The binary is the one that `QUERYGATE_BIN` names, else `querygate` in the target folder that the running test was
//! built into, where `cargo build` and `cargo xtask test` leave it.

use std::{
    env, fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    Error, Ran, Target,
    lifeline::{self, Lifeline, Signal},
    mysql,
    postgres::{ADMIN, ADMIN_PASSWORD, Server},
    target,
};

/// How long the gateway may take to say that it is ready, on a machine busy with other tests.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// How often it is asked besides the moments when it logs a line.
const READY_LOOK: Duration = Duration::from_millis(50);
/// How long one answer over HTTP may take.
const HTTP_LIMIT: Duration = Duration::from_secs(10);
/// Between choosing free ports and using them another process may take one; then others are chosen, this often.
const START_TRIES: u32 = 5;

/// What a gateway is like before it starts.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    tables: String,
    top: String,
    listen: String,
    policies: Vec<(String, String)>,
    files: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    without_tls_line: bool,
    folders: Vec<String>,
    inside: Vec<String>,
    speaks_mysql: bool,
}

impl Setup {
    /// A database behind the gateway, logged in to as `user`.
    pub fn database(mut self, name: &str, address: SocketAddr, database: &str, user: &str, password: &str) -> Self {
        let variable = format!("TEST_PASSWORD_{}", self.environment.len());
        self.tables.push_str(&format!(
            "\n[[database]]\nname = \"{name}\"\nengine = \"postgres\"\naddress = \"{address}\"\ndatabase = \"{database}\"\n\
             user = \"{user}\"\npassword = {{ env = \"{variable}\" }}\ntls = \"off\"\n"
        ));
        self.environment.push((variable, password.to_owned()));
        self
    }

    /// A MySQL or MariaDB database behind the gateway, logged in to as the server's administrator. The gateway then listens for such clients.
    pub fn mysql_database(self, name: &str, server: &mysql::Server, database: &str) -> Self {
        self.mysql_database_as(name, server, database, ADMIN, ADMIN_PASSWORD)
    }

    /// The same without TLS between the gateway and the server.
    pub fn mysql_database_in_clear(self, name: &str, server: &mysql::Server, database: &str) -> Self {
        self.mysql_login_at(name, server, database, [ADMIN, ADMIN_PASSWORD, "off"])
    }

    /// The same, logged in to as `user`.
    pub fn mysql_database_as(
        self,
        name: &str,
        server: &mysql::Server,
        database: &str,
        user: &str,
        password: &str,
    ) -> Self {
        self.mysql_login_at(name, server, database, [user, password, "require"])
    }

    fn mysql_login_at(
        mut self,
        name: &str,
        server: &mysql::Server,
        database: &str,
        [user, password, tls]: [&str; 3],
    ) -> Self {
        let variable = format!("TEST_PASSWORD_{}", self.environment.len());
        self.tables.push_str(&format!(
            "\n[[database]]\nname = \"{name}\"\nengine = \"{}\"\naddress = \"127.0.0.1:{}\"\ndatabase = \"{database}\"\n\
             user = \"{user}\"\npassword = {{ env = \"{variable}\" }}\ntls = \"{tls}\"\n",
            server.flavor().name(),
            server.port(),
        ));
        self.environment.push((variable, password.to_owned()));
        self.speaks_mysql = true;
        self
    }

    /// A policy file, `NAME.toml`.
    pub fn policy(mut self, name: &str, text: &str) -> Self {
        self.policies.push((format!("{name}.toml"), text.to_owned()));
        self
    }

    /// A service account with a verifier in a file, as an operator would have it.
    pub fn account(mut self, name: &str, roles: &[&str], secret: &str) -> Self {
        let roles: Vec<String> = roles.iter().map(|role| format!("\"{role}\"")).collect();
        let file = format!("{name}.scram");
        self.tables.push_str(&format!(
            "\n[[account]]\nname = \"{name}\"\nroles = [{}]\nsecret = {{ file = \"{file}\" }}\n",
            roles.join(", ")
        ));
        self.files.push((file, postgres_protocol::password::scram_sha_256(secret.as_bytes())));
        self
    }

    /// Lines before the first table of the configuration.
    pub fn top(mut self, lines: &str) -> Self {
        self.top.push_str(lines);
        self.top.push('\n');
        self
    }

    /// Tables of the configuration, or lines that belong to the last database or account added.
    pub fn tables(mut self, lines: &str) -> Self {
        self.tables.push_str(lines);
        self.tables.push('\n');
        self
    }

    /// Lines of `[listen]` in place of `tls = "off"`.
    pub fn listen(mut self, lines: &str) -> Self {
        self.listen = format!("{lines}\n");
        self.without_tls_line = true;
        self
    }

    /// A file beside the configuration that only the gateway can read.
    pub fn file(mut self, name: &str, text: &str) -> Self {
        self.files.push((name.to_owned(), text.to_owned()));
        self
    }

    /// A variable of the gateway's environment.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// An empty folder beside the configuration.
    pub fn folder(mut self, name: &str) -> Self {
        self.folders.push(name.to_owned());
        self
    }

    /// A program that becomes the gateway: it gets the gateway's command line after these arguments, in the folder of the configuration. It can
    /// give the gateway a file system or limits of its own.
    pub fn inside(mut self, program: &[&str]) -> Self {
        self.inside = program.iter().map(|&argument| argument.to_owned()).collect();
        self
    }

    /// Writes everything into a new folder and starts the gateway there.
    pub fn start(self) -> Result<Gateway, Error> {
        let mut gateway = self.prepare()?;
        let mut tries = 0;
        loop {
            tries += 1;
            match gateway.resume() {
                Err(Error::Failed { output, .. }) if output.contains("in use") && tries < START_TRIES => {
                    gateway.ports = Ports::free()?;
                    self.write(gateway.folder(), gateway.ports)?;
                }
                other => return other.map(|()| gateway),
            }
        }
    }

    /// Writes everything into a new folder, for commands that need no running gateway.
    pub fn prepare(&self) -> Result<Gateway, Error> {
        let folder = lifeline::folder("gateway")?;
        let policies = folder.path().join("policies");
        fs::create_dir(&policies).map_err(Error::io("make the policies' folder"))?;
        for (name, text) in &self.policies {
            fs::write(policies.join(name), text).map_err(Error::io("write a policy"))?;
        }
        for (name, text) in &self.files {
            lifeline::write_private(&folder.path().join(name), text)?;
        }
        for name in &self.folders {
            fs::create_dir(folder.path().join(name)).map_err(Error::io("make a folder"))?;
        }
        let (ports, environment, inside) = (Ports::free()?, self.environment.clone(), self.inside.clone());
        self.write(folder.path(), ports)?;
        Ok(Gateway { line: None, folder, binary: binary()?, environment, inside, ports })
    }

    fn write(&self, folder: &Path, ports: Ports) -> Result<(), Error> {
        fs::write(folder.join("querygate.toml"), self.text(ports)).map_err(Error::io("write the configuration"))
    }

    fn text(&self, ports: Ports) -> String {
        let mysql = match self.speaks_mysql {
            true => format!("mysql = \"127.0.0.1:{}\"\n", ports.mysql),
            false => String::new(),
        };
        let tls = if self.without_tls_line { "" } else { "tls = \"off\"\n" };
        format!(
            "data_dir = \"data\"\npolicies = \"policies\"\n{}\n[listen]\npostgres = \"127.0.0.1:{}\"\nmetrics = \"127.0.0.1:{}\"\n{mysql}{tls}{}\n{}",
            self.top, ports.postgres, ports.metrics, self.listen, self.tables
        )
    }
}

#[derive(Clone, Copy, Debug)]
struct Ports {
    postgres: u16,
    mysql: u16,
    metrics: u16,
}

impl Ports {
    fn free() -> Result<Self, Error> {
        Ok(Self { postgres: lifeline::free_port()?, mysql: lifeline::free_port()?, metrics: lifeline::free_port()? })
    }
}

/// The binary under test.
pub fn binary() -> Result<PathBuf, Error> {
    if let Some(named) = env::var_os("QUERYGATE_BIN") {
        return Ok(PathBuf::from(named));
    }
    // A test runs from `<target>/<profile>/deps`.
    let test = env::current_exe().map_err(Error::io("find the running test"))?;
    let folder =
        test.ancestors().find(|folder| folder.file_name().is_some_and(|name| name == "deps")).and_then(Path::parent);
    let binary = folder.unwrap_or(&test).join("querygate");
    if binary.exists() { Ok(binary) } else { Err(Error::NoBinary(binary)) }
}

fn command(binary: &Path, folder: &Path, environment: &[(String, String)]) -> Command {
    let mut command = Command::new(binary);
    command.current_dir(folder).arg("--config").arg(folder.join("querygate.toml"));
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    command
}

fn serve(inside: &[String], mut gateway: Command, folder: &Path, ports: Ports) -> Result<Lifeline, Error> {
    gateway.arg("serve");
    if let Some((program, arguments)) = inside.split_first() {
        let mut wrapped = Command::new(program);
        wrapped.current_dir(folder).args(arguments).arg(gateway.get_program()).args(gateway.get_args());
        wrapped.envs(gateway.get_envs().filter_map(|(name, value)| Some((name, value?))));
        gateway = wrapped;
    }
    let mut line = Lifeline::spawn(&mut gateway, &folder.join("log"), Signal::Kill)?;
    line.wait_until("the start of the gateway", READY_LIMIT, READY_LOOK, |_| {
        get(ports.metrics, "/readyz").is_ok_and(|(status, _)| status == 200)
    })?;
    Ok(line)
}

/// One request over HTTP: status and body.
fn get(port: u16, path: &str) -> Result<(u16, String), Error> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = TcpStream::connect_timeout(&address, HTTP_LIMIT).map_err(Error::io("connect for metrics"))?;
    stream.set_read_timeout(Some(HTTP_LIMIT)).map_err(Error::io("set a time limit"))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(Error::io("ask for metrics"))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(Error::io("read metrics"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Ok((status.ok_or_else(|| Error::Unexpected(head.to_owned()))?, body.to_owned()))
}

/// A running gateway. It ends, and its folder goes, with this value.
#[derive(Debug)]
pub struct Gateway {
    /// Declared first, so that the gateway ends before its folder goes.
    line: Option<Lifeline>,
    folder: TempDir,
    binary: PathBuf,
    environment: Vec<(String, String)>,
    inside: Vec<String>,
    ports: Ports,
}

impl Gateway {
    /// A gateway with nothing behind it yet.
    pub fn setup() -> Setup {
        Setup::default()
    }

    /// A gateway in front of one database, logged in to as the server's superuser, under the same name.
    pub fn in_front_of(server: &Server, database: &str) -> Setup {
        let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
        Self::setup().database(database, address, database, ADMIN, ADMIN_PASSWORD)
    }

    /// Where Postgres clients connect.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.ports.postgres))
    }

    /// A client's way to a database.
    pub fn login(&self, account: &str, secret: &str, database: &str) -> Target {
        let (host, port) = ("127.0.0.1".to_owned(), self.ports.postgres);
        Target { host, port, user: account.to_owned(), password: secret.to_owned(), database: database.to_owned() }
    }

    /// A MySQL client's way to a database.
    pub fn mysql_login(&self, flavor: mysql::Flavor, account: &str, secret: &str, database: &str) -> mysql::Login {
        let (user, password, database) = (account.to_owned(), secret.to_owned(), database.to_owned());
        mysql::Login { flavor, port: self.ports.mysql, user, password, database }
    }

    /// The folder of the configuration.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of the log and the keys.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A policy's file.
    pub fn policy(&self, name: &str) -> PathBuf {
        self.folder.path().join("policies").join(format!("{name}.toml"))
    }

    /// The number of its process; none where it has ended.
    pub fn process(&self) -> Option<u32> {
        self.line.as_ref().map(Lifeline::id)
    }

    /// What the gateway has written to standard error since it started.
    pub fn log(&self) -> String {
        self.line.as_ref().map(Lifeline::log).unwrap_or_default()
    }

    /// Runs another command of the binary with the same configuration.
    pub fn command(&self, arguments: &[&str], input: &str) -> Result<Ran, Error> {
        target::run(command(&self.binary, self.folder(), &self.environment).args(arguments), input)
    }

    /// A page of the metrics listener, such as `/metrics`: status and body.
    pub fn page(&self, path: &str) -> Result<(u16, String), Error> {
        get(self.ports.metrics, path)
    }

    /// Asks for a reload as an operator does (SIGHUP).
    pub fn reload(&self) -> Result<(), Error> {
        self.line.as_ref().map_or(Ok(()), |line| line.signal(Signal::Hangup))
    }

    /// Ends the gateway between two of its instructions.
    pub fn kill9(&mut self) -> Result<(), Error> {
        if let Some(mut line) = self.line.take() {
            line.signal(Signal::Kill)?;
            line.wait()?;
        }
        Ok(())
    }

    /// Asks the gateway to end (SIGTERM) and waits until it has.
    pub fn stop(&mut self) -> Result<Option<ExitStatus>, Error> {
        let Some(mut line) = self.line.take() else { return Ok(None) };
        line.signal(Signal::Terminate)?;
        line.wait().map(Some)
    }

    /// Starts a gateway that has ended again, with the same folder and the same ports.
    pub fn resume(&mut self) -> Result<(), Error> {
        if self.line.is_none() {
            let gateway = command(&self.binary, self.folder.path(), &self.environment);
            self.line = Some(serve(&self.inside, gateway, self.folder.path(), self.ports)?);
        }
        Ok(())
    }
}
