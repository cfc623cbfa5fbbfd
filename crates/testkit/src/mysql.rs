//! Real, throw-away MySQL and MariaDB servers, and their command lines.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    Error, Ran,
    lifeline::{self, Lifeline, Signal},
    postgres::{ADMIN, ADMIN_PASSWORD, Owner},
    target,
};

/// How long a server may take to accept connections on a machine busy with other tests.
const START_LIMIT: Duration = Duration::from_secs(120);
/// How often its log is looked at besides the moments when a line comes.
const START_LOOK: Duration = Duration::from_millis(200);
/// Between choosing a free port and using it another process may take it; then another is chosen, this often.
const START_TRIES: u32 = 5;

static DATABASES: AtomicU32 = AtomicU32::new(1);

/// Where MariaDB's client library has its ways to log in, in an unpacked tree.
const MARIADB_PLUGINS: &str = "usr/lib/x86_64-linux-gnu/libmariadb3/plugin";

/// The folder of the ways to log in of MariaDB's client library, for programs that use it.
pub fn mariadb_plugins() -> Result<PathBuf, Error> {
    Ok(Flavor::Mariadb.root()?.join(MARIADB_PLUGINS))
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    /// MySQL.
    Mysql,
    /// MariaDB.
    Mariadb,
}

impl Flavor {
    /// Its name as the gateway's configuration has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mysql => "mysql",
            Self::Mariadb => "mariadb",
        }
    }

    fn root(self) -> Result<PathBuf, Error> {
        lifeline::program(match self {
            Self::Mysql => "QUERYGATE_MYSQL",
            Self::Mariadb => "QUERYGATE_MARIADB",
        })
    }

    fn server(self, root: &Path) -> PathBuf {
        root.join(match self {
            Self::Mysql => "usr/sbin/mysqld",
            Self::Mariadb => "usr/sbin/mariadbd",
        })
    }

    /// Its command line.
    fn client(self) -> Result<Command, Error> {
        self.program(self.name())
    }

    /// One of its programs for clients, told where its plugins are.
    fn program(self, name: &str) -> Result<Command, Error> {
        let root = self.root()?;
        let mut command = Command::new(root.join("usr/bin").join(name));
        command.arg("--no-defaults");
        let plugins = match self {
            Self::Mysql => root.join("usr/lib/mysql/plugin"),
            Self::Mariadb => root.join(MARIADB_PLUGINS),
        };
        command.arg(format!("--plugin-dir={}", plugins.display()));
        Ok(command)
    }
}

/// A way to a database: to a server or to the gateway.
#[derive(Clone, Debug)]
pub struct Login {
    /// Whose command line speaks.
    pub flavor: Flavor,
    /// The TCP port on 127.0.0.1.
    pub port: u16,
    /// The account.
    pub user: String,
    /// Its secret.
    pub password: String,
    /// The database.
    pub database: String,
}

impl Login {
    /// Runs a script through the command line, encrypted; columns come between tabs, with their names.
    pub fn run(&self, script: &str) -> Result<Ran, Error> {
        self.with(&["--batch"], script)
    }

    /// The same with other options.
    pub fn with(&self, options: &[&str], script: &str) -> Result<Ran, Error> {
        target::run(self.tell(self.flavor.client()?).args(options).arg(&self.database), script)
    }

    /// Dumps the database with the server's own program, which connects without naming it.
    pub fn dump(&self, options: &[&str]) -> Result<Ran, Error> {
        let program = match self.flavor {
            Flavor::Mysql => "mysqldump",
            Flavor::Mariadb => "mariadb-dump",
        };
        target::run(self.tell(self.flavor.program(program)?).args(options).arg(&self.database), "")
    }

    /// Tells a program where to connect, as whom, and to encrypt.
    fn tell(&self, mut command: Command) -> Command {
        command.args(["--host=127.0.0.1", "--protocol=tcp", "--default-character-set=utf8mb4"]);
        command.arg(format!("--port={}", self.port)).arg(format!("--user={}", self.user));
        command.arg(match self.flavor {
            Flavor::Mysql => "--ssl-mode=REQUIRED",
            Flavor::Mariadb => "--ssl",
        });
        command.env("MYSQL_PWD", &self.password);
        command
    }
}

/// A running server. It ends, and its folder goes, with this value.
#[derive(Debug)]
pub struct Server {
    /// Declared first, so that the server ends before its folder goes.
    line: Option<Lifeline>,
    folder: TempDir,
    flavor: Flavor,
    port: u16,
}

impl Server {
    /// Makes the data folder and starts the server.
    pub fn start(flavor: Flavor) -> Result<Self, Error> {
        Self::start_with(flavor, &[])
    }

    /// The same with options of its command line; the last one of a kind counts.
    pub fn start_with(flavor: Flavor, options: &[&str]) -> Result<Self, Error> {
        let folder = lifeline::folder(flavor.name())?;
        let root = flavor.root()?;
        let owner = Owner::of(folder.path())?;
        owner.give(folder.path())?;
        initialise(flavor, &root, folder.path(), owner)?;
        let accounts = folder.path().join("accounts.sql");
        let text = format!(
            "CREATE USER '{ADMIN}'@'%' IDENTIFIED BY '{ADMIN_PASSWORD}';\nGRANT ALL PRIVILEGES ON *.* TO '{ADMIN}'@'%' WITH GRANT OPTION;\n"
        );
        lifeline::write_private(&accounts, &text)?;
        owner.give(&accounts)?;
        let mut tries = 0;
        loop {
            tries += 1;
            let port = lifeline::free_port()?;
            match start_on(port, flavor, &root, folder.path(), owner, options) {
                Err(Error::Failed { output, .. }) if output.contains("in use") && tries < START_TRIES => {}
                Err(other) => return Err(other),
                Ok(line) => return Ok(Self { line: Some(line), folder, flavor, port }),
            }
        }
    }

    /// Which of the two it is.
    pub fn flavor(&self) -> Flavor {
        self.flavor
    }

    /// The TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its folder, where it may write files (`secure_file_priv`).
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its certificate.
    pub fn certificate(&self) -> PathBuf {
        self.of_flavor("data/server-cert.pem", "server.crt")
    }

    /// That certificate's key.
    pub fn key(&self) -> PathBuf {
        self.of_flavor("data/server-key.pem", "server.key")
    }

    /// The certificate by which its own can be checked.
    pub fn authority(&self) -> PathBuf {
        self.of_flavor("data/ca.pem", "server.crt")
    }

    /// A certificate that it takes of a client, and its key. MariaDB asks for none, so there they are the server's own.
    pub fn client(&self) -> (PathBuf, PathBuf) {
        let of = |mysql, mariadb| self.of_flavor(mysql, mariadb);
        (of("data/client-cert.pem", "server.crt"), of("data/client-key.pem", "server.key"))
    }

    fn of_flavor(&self, mysql: &str, mariadb: &str) -> PathBuf {
        self.folder.path().join(if self.flavor == Flavor::Mysql { mysql } else { mariadb })
    }

    /// The administrator's way to a database.
    pub fn admin(&self, database: &str) -> Login {
        let (user, password) = (ADMIN.to_owned(), ADMIN_PASSWORD.to_owned());
        Login { flavor: self.flavor, port: self.port, user, password, database: database.to_owned() }
    }

    /// Runs a script as the administrator, directly; the first error ends it.
    pub fn script(&self, database: &str, sql: &str) -> Result<(), Error> {
        self.admin(database).run(sql)?.ok().map(drop)
    }

    /// Makes a database that no other test knows and runs a script in it; returns its name.
    pub fn create_database(&self, name: &str, sql: &str) -> Result<String, Error> {
        let unique = format!("{name}_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        self.script("mysql", &format!("CREATE DATABASE {unique} CHARACTER SET utf8mb4;"))?;
        self.script(&unique, sql)?;
        Ok(unique)
    }

    /// Ends the server between two of its instructions.
    pub fn kill9(&mut self) -> Result<(), Error> {
        if let Some(mut line) = self.line.take() {
            line.signal(Signal::Kill)?;
            line.wait()?;
        }
        Ok(())
    }
}

fn server(flavor: Flavor, root: &Path, folder: &Path, owner: Owner) -> Command {
    let mut command = owner.command(&flavor.server(root));
    command.current_dir(folder).arg("--no-defaults");
    command.arg(format!("--datadir={}", folder.join("data").display()));
    // A server that starts deletes the temporary tables in its folder for them, whoever made them.
    command.arg(format!("--tmpdir={}", folder.display()));
    command.arg(format!("--lc-messages-dir={}", root.join("usr/share/mysql").display()));
    command.arg(format!("--secure-file-priv={}", folder.display()));
    command.arg(format!("--character-sets-dir={}", root.join("usr/share/mysql/charsets").display()));
    command.arg(format!("--plugin-dir={}", root.join("usr/lib/mysql/plugin").display()));
    command
}

fn initialise(flavor: Flavor, root: &Path, folder: &Path, owner: Owner) -> Result<(), Error> {
    let mut command = server(flavor, root, folder, owner);
    if flavor == Flavor::Mysql {
        return target::run(command.arg("--initialize-insecure"), "")?.ok().map(drop);
    }
    let data = folder.join("data");
    fs::create_dir(&data).map_err(Error::io("make a data folder"))?;
    owner.give(&data)?;
    let mut script = String::from("CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket = NULL;\n");
    for part in ["mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql"] {
        let path = root.join("usr/share/mysql").join(part);
        script.push_str(&fs::read_to_string(&path).map_err(Error::io(format!("read {}", path.display())))?);
        script.push('\n');
    }
    target::run(command.args(["--bootstrap", "--skip-grant-tables", "--enforce-storage-engine="]), &script)?
        .ok()
        .map(drop)
}

fn start_on(
    port: u16,
    flavor: Flavor,
    root: &Path,
    folder: &Path,
    owner: Owner,
    options: &[&str],
) -> Result<Lifeline, Error> {
    let mut command = server(flavor, root, folder, owner);
    command.arg(format!("--port={port}")).arg("--bind-address=127.0.0.1");
    command.arg(format!("--socket={}", folder.join("socket").display()));
    command.arg(format!("--pid-file={}", folder.join("pid").display()));
    command.arg(format!("--init-file={}", folder.join("accounts.sql").display()));
    command.args([
        "--skip-name-resolve",
        "--max-allowed-packet=64M",
        "--innodb-flush-log-at-trx-commit=0",
        "--local-infile=ON",
    ]);
    match flavor {
        Flavor::Mysql => {
            let logs = options.iter().any(|option| option.starts_with("--log-bin"));
            command.args((!logs).then_some("--disable-log-bin"));
            command.args(["--mysqlx=OFF", "--log-error-verbosity=3"])
        }
        Flavor::Mariadb => {
            let (certificate, key) = certificate(folder, owner)?;
            command.arg(format!("--ssl-cert={}", certificate.display())).arg(format!("--ssl-key={}", key.display()))
        }
    };
    command.args(options);
    let mut line = Lifeline::spawn(&mut command, &folder.join("log"), Signal::Kill)?;
    line.wait_until("the start of the server", START_LIMIT, START_LOOK, |log| {
        log.contains("ready for connections") && log.contains(&format!("port: {port}"))
    })?;
    Ok(line)
}

/// MySQL makes a certificate by itself; MariaDB is given one.
fn certificate(folder: &Path, owner: Owner) -> Result<(PathBuf, PathBuf), Error> {
    let (certificate, key) = (folder.join("server.crt"), folder.join("server.key"));
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])
        .map_err(|error| Error::Unexpected(format!("no certificate: {error}")))?;
    for (path, text) in [(&certificate, made.cert.pem()), (&key, made.signing_key.serialize_pem())] {
        lifeline::write_private(path, &text)?;
        owner.give(path)?;
    }
    Ok((certificate, key))
}
