//! The demo's MariaDB, and the steps that it is for.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::process::Command;

use super::{
    narrator::Narrator,
    policies::SUPPORT,
    process::{Running, must, write_private},
    server::{Owner, free_port, temporary},
    stage::Stage,
};
use crate::commands::Failure;

/// Environment variable with the folder that MariaDB's `usr` is in; without it the demo has no MariaDB.
const MARIADB: &str = "QUERYGATE_MARIADB";
/// What makes the server's own tables, in this order.
const SYSTEM_TABLES: [&str; 3] =
    ["mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql"];
/// A telephone number of the support desk's data that must never show.
const PHONE: &str = "+44 20 7946 0011";

/// The programs of an unpacked MariaDB.
#[derive(Clone, Debug)]
pub struct Programs {
    root: PathBuf,
}

impl Programs {
    /// Where there is one.
    pub fn find() -> Option<Programs> {
        env::var_os(MARIADB).map(|root| Programs { root: root.into() })
    }

    fn server(&self, folder: &Path, owner: Owner) -> Command {
        let share = self.root.join("usr/share/mysql");
        let mut command = owner.command(&self.root.join("usr/sbin/mariadbd"));
        command.current_dir(folder).arg("--no-defaults");
        for (option, path) in [
            ("datadir", folder.join("data")),
            ("tmpdir", folder.to_owned()),
            ("socket", folder.join("socket")),
            ("pid-file", folder.join("pid")),
            ("lc-messages-dir", share.clone()),
            ("character-sets-dir", share.join("charsets")),
            ("plugin-dir", self.root.join("usr/lib/mysql/plugin")),
        ] {
            command.arg(format!("--{option}={}", path.display()));
        }
        command
    }

    /// The command line and its first options, by which it finds its ways to log in where they were unpacked.
    pub fn client(&self) -> Vec<String> {
        let folders = fs::read_dir(self.root.join("usr/lib")).into_iter().flatten().flatten();
        let plugins = folders.map(|folder| folder.path().join("libmariadb3/plugin")).find(|path| path.exists());
        let program = self.root.join("usr/bin/mariadb").display().to_string();
        let plugins = plugins.map(|path| format!("--plugin-dir={}", path.display()));
        [program, "--no-defaults".to_owned()].into_iter().chain(plugins).collect()
    }
}

/// A MariaDB with the support desk in it.
#[derive(Debug)]
pub struct Server {
    /// Declared first, so that it ends before its folder goes.
    _running: Running,
    _folder: TempDir,
    /// Its port on 127.0.0.1.
    pub port: u16,
}

impl Server {
    /// Makes one, and the support desk, and a login for the gateway with this password.
    pub async fn start(programs: &Programs, password: &str) -> Result<Server, Failure> {
        let folder = temporary("mariadb")?;
        let owner = Owner::of(folder.path())?;
        owner.give(folder.path())?;
        initialise(programs, folder.path(), owner).await?;
        // A file, since an argument could be read by every user of the machine.
        let content = folder.path().join("support.sql");
        write_private(&content, &format!("{SUPPORT}{}", login(password)))?;
        owner.give(&content)?;
        let port = free_port()?;
        let mut command = programs.server(folder.path(), owner);
        command.args(["--bind-address=127.0.0.1", "--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0"]);
        command.arg(format!("--port={port}")).arg(format!("--init-file={}", content.display()));
        let mut running = Running::start("mariadb", &mut command, Signal::TERM, &folder.path().join("server.log"))?;
        running.wait_until(async |log| log.contains("ready for connections")).await?;
        Ok(Server { _running: running, _folder: folder, port })
    }
}

/// A login for the gateway that is no administrator, and none for anybody else.
fn login(password: &str) -> String {
    format!(
        "CREATE USER gateway_svc@'%' IDENTIFIED BY '{password}';\n\
         GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, SHOW VIEW, TRIGGER ON support.* TO gateway_svc@'%';\n\
         ALTER USER root@localhost ACCOUNT LOCK;\n"
    )
}

async fn initialise(programs: &Programs, folder: &Path, owner: Owner) -> Result<(), Failure> {
    let data = folder.join("data");
    super::process::folder(&data)?;
    owner.give(&data)?;
    let mut script = String::from("CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket = NULL;\n");
    for part in SYSTEM_TABLES {
        let path = programs.root.join("usr/share/mysql").join(part);
        let text = fs::read_to_string(&path);
        script.push_str(&text.map_err(|e| Failure::wrong(format!("{} can't be read: {e}", path.display())))?);
        script.push('\n');
    }
    let file = folder.join("system.sql");
    write_private(&file, &script)?;
    let script = fs::File::open(&file).map_err(|e| Failure::wrong(format!("{} can't be read: {e}", file.display())))?;
    let mut command = programs.server(folder, owner);
    command.args(["--bootstrap", "--skip-grant-tables", "--enforce-storage-engine="]);
    must(&mut command, script).await.map(drop)
}

/// The steps.
pub async fn walk(stage: &Stage, n: &Narrator) -> Result<(), Failure> {
    n.heading("The same for a MariaDB, by MySQL's own protocol: one gateway, the same accounts, one log");
    n.remark(&stage.mariadb_meaning());
    let contacts = "SELECT id, full_name, email, phone FROM contacts ORDER BY id";
    let agent = stage.mariadb_query(n, "agent", contacts).await?;
    let masked = agent.ok && agent.stdout.contains("a***@e***.com") && !agent.stdout.contains(PHONE);
    n.check(masked, "e-mail addresses and telephone numbers are masked")?;
    let text = stage.mariadb_query(n, "agent", "SELECT text FROM tickets WHERE id = 1").await?;
    n.check(
        text.ok && text.stdout.contains("[card]") && !text.stdout.contains("4111"),
        "the card and the number in a free text are taken out, the rest stays",
    )?;
    let dba = stage.mariadb_query(n, "dba", contacts).await?;
    n.check(dba.ok && dba.stdout.contains(PHONE), "the DBA sees them")?;
    n.heading("What the policy forbids, it forbids there too");
    let asked = format!("SELECT full_name FROM contacts WHERE phone = '{PHONE}'");
    let asked = stage.mariadb_query(n, "agent", &asked).await?;
    n.check(!asked.ok && asked.stderr.contains("phone"), "the agent may not ask about a masked value")?;
    let blocked = stage.mariadb_query(n, "agent", "DELETE FROM tickets WHERE id = 1").await?;
    n.check(!blocked.ok && blocked.stderr.contains("tickets are closed, not deleted"), "a rule blocks a statement")?;
    let log = stage.show(n, &["log", "search", "--column", "contacts.phone"]).await?;
    let both = log.stdout.contains("agent@support") && log.stdout.contains("dba@support");
    n.check(log.ok && both && !log.stdout.contains(PHONE), "all of it stands in the same log")
}
