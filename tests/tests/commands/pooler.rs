//! A pooler between the gateway and its server, which takes the sessions from under the gateway.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::{MetadataExt, chown},
    path::Path,
    process::{Child, Command, Stdio},
};

use querygate_testkit::{
    Error,
    postgres::{ADMIN, ADMIN_PASSWORD},
};
use tempfile::TempDir;

use crate::shop::Shop;

/// Whom it runs as where the tests run as root, which it refuses: `nobody`.
const UNPRIVILEGED: u32 = 65_534;

/// The real pgbouncer. It ends with this value.
struct Pooler {
    child: Child,
    _folder: TempDir,
}

impl Pooler {
    fn start(port: u16, server: u16, database: &str, lines: &str) -> Pooler {
        let folder = tempfile::tempdir().unwrap();
        let (settings, users) = (folder.path().join("pgbouncer.ini"), folder.path().join("users"));
        let text = format!(
            "[databases]\n{database} = host=127.0.0.1 port={server}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             auth_type = scram-sha-256\nauth_file = {}\nunix_socket_dir =\n{lines}\n",
            users.display()
        );
        fs::write(&settings, text).unwrap();
        fs::write(&users, format!("\"{ADMIN}\" \"{ADMIN_PASSWORD}\"\n")).unwrap();
        let child = command(folder.path()).arg(&settings).stderr(Stdio::piped()).spawn().unwrap();
        let mut pooler = Pooler { child, _folder: folder };
        let mut said = BufReader::new(pooler.child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let up = said.by_ref().find(|line| line.contains("process up") || line.contains("FATAL")).unwrap();
        assert!(up.contains("process up"), "{up}");
        // It goes on talking; somebody must listen.
        std::thread::spawn(move || said.for_each(drop));
        pooler
    }
}

fn command(folder: &Path) -> Command {
    let program = std::env::var_os("QUERYGATE_PGBOUNCER").unwrap_or_else(|| panic!("QUERYGATE_PGBOUNCER is not set"));
    if fs::metadata(folder).unwrap().uid() != 0 {
        return Command::new(program);
    }
    chown(folder, Some(UNPRIVILEGED), Some(UNPRIVILEGED)).unwrap();
    let id = UNPRIVILEGED.to_string();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &id, "--regid", &id, "--clear-groups", "--"]).arg(program);
    command
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What `check` says of the server behind a pooler with these settings.
fn checked_behind(lines: &str) -> Result<(Option<i32>, String), Error> {
    let shop = Shop::open()?;
    let config = shop.gateway.folder().join("querygate.toml");
    let text = fs::read_to_string(&config).unwrap();
    let database = text.lines().find_map(|line| line.strip_prefix("database = \"")).unwrap().trim_end_matches('"');
    let port = free_port();
    let _pooler = Pooler::start(port, shop.server.port(), database, lines);
    let direct = format!("127.0.0.1:{}", shop.server.port());
    fs::write(&config, text.replace(&direct, &format!("127.0.0.1:{port}"))).unwrap();
    let ran = shop.run(&["check"]);
    Ok((ran.code, ran.stdout + &ran.stderr))
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn check_finds_a_pooler_that_hands_sessions_around() -> Result<(), Error> {
    let (code, said) = checked_behind("pool_mode = transaction\nignore_startup_parameters = search_path")?;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("a pooler in transaction mode") && said.contains("pool_mode = session"), "{said}");
    Ok(())
}

#[test]
fn check_takes_a_pooler_that_keeps_sessions_whole() -> Result<(), Error> {
    let (code, said) = checked_behind("pool_mode = session\nignore_startup_parameters = search_path")?;
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("pooler"), "{said}");
    Ok(())
}

#[test]
fn check_says_what_a_pooler_s_refusal_means() -> Result<(), Error> {
    let (code, said) = checked_behind("pool_mode = session")?;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("a pooler answers there"), "{said}");
    Ok(())
}
