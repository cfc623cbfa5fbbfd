//! Drivers of other languages. The promises of Python's are the functions of `tests/clients/mysql_clients.py`; the others write down an everyday
//! session, which is the same past the gateway, through it as somebody who sees all, and, as somebody who doesn't, the same as past it on a
//! database that holds the masks in place of the values.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use querygate_testkit::mysql::Login;

use crate::shop::{BOTH, DBA_SECRET, SECRET, Shop, shop};

fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

/// A program or file that the environment names.
fn named(variable: &str) -> String {
    env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: run `eval \"$(cargo xtask env)\"`"))
}

/// What a session wrote.
fn written(shop: &Shop, session: &mut Command) -> String {
    let ran = session.output().unwrap();
    let (said, failed) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{session:?}: {said}{failed}\n{}\n{}", shop.gateway.log(), shop.log());
    said.into_owned()
}

fn assert_lines(seen: &str, expected: &str, what: &str) {
    for (number, (seen, expected)) in seen.lines().zip(expected.lines()).enumerate() {
        assert_eq!(seen, expected, "{what}, line {}", number + 1);
    }
    assert_eq!(seen.lines().count(), expected.lines().count(), "{what}");
}

/// The session of a driver is the same on both servers, whoever looks.
fn assert_same(driver: &str, least: usize, session: impl Fn(&Login) -> Command) {
    for flavor in BOTH {
        let shop = shop(flavor);
        let direct = written(shop, &mut session(&shop.direct()));
        assert!(direct.lines().count() >= least && direct.contains("ada@example.com"), "{direct}");
        let clear = written(shop, &mut session(&shop.dba()));
        assert_lines(&clear, &direct, &format!("{driver} on {flavor:?}"));
        let seen = written(shop, &mut session(&shop.agent()));
        let twin = written(shop, &mut session(&shop.to_twin()));
        assert_lines(&seen, &twin, &format!("{driver} on {flavor:?}, masked"));
        assert!(seen.contains("a***@e***.com"), "{seen}");
    }
}

#[test]
fn sessions_of_both_java_drivers_are_the_same_on_both_servers() {
    let classes = tempfile::tempdir().unwrap();
    let source = clients().join("MysqlSession.java");
    let compiled =
        Command::new("javac").args(["-encoding", "UTF-8", "-d"]).arg(classes.path()).arg(source).output().unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    for (driver, scheme) in [("QUERYGATE_CONNECTOR_J", "mysql"), ("QUERYGATE_MARIADB_J", "mariadb")] {
        let path = format!("{}:{}", named(driver), classes.path().display());
        assert_same(driver, 100, |login| {
            let mut command = Command::new("java");
            command.args(["-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", "-cp", &path, "MysqlSession"]);
            command.arg(format!("jdbc:{scheme}://127.0.0.1:{}/{}", login.port, login.database));
            command.args([&login.user, &login.password]);
            command
        });
    }
}

/// The program on Go's driver, built into a folder.
fn gos_client(folder: &Path) -> PathBuf {
    let client = folder.join("session");
    let mut build = Command::new(named("QUERYGATE_GO"));
    build.args(["build", "-o"]).arg(&client).arg("./mysql").current_dir(clients().join("go"));
    let built = build.output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    client
}

fn told(client: &Path, Login { user, password, port, database, .. }: &Login) -> Command {
    let mut command = Command::new(client);
    command.env("QG_DSN", format!("{user}:{password}@tcp(127.0.0.1:{port})/{database}"));
    command
}

#[test]
fn a_session_of_gos_driver_is_the_same_on_both_servers() {
    let folder = tempfile::tempdir().unwrap();
    let client = gos_client(folder.path());
    assert_same("go-sql-driver", 60, |login| told(&client, login));
}

#[test]
fn a_prepared_result_is_cut_off_at_its_bounds_and_the_session_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let client = gos_client(folder.path());
    for flavor in BOTH {
        let shop = shop(flavor);
        let login = Login { user: "capped".to_owned(), ..shop.agent() };
        let said = written(shop, told(&client, &login).env("QG_CAPPED", "1"));
        assert_eq!(said.matches("true true\n").count(), 5, "{said}");
        assert_eq!(said.matches("3 | \n").count(), 5, "{said}");
    }
}

#[test]
fn a_session_of_nodes_driver_is_the_same_on_both_servers() {
    named("QUERYGATE_NODE_MODULES");
    assert_same("mysql2", 30, |login| {
        let mut command = Command::new("node");
        command.arg("--no-deprecation").arg(clients().join("node/mysql_session.js"));
        command.env("QG_PORT", login.port.to_string()).env("QG_USER", &login.user);
        command.env("QG_SECRET", &login.password).env("QG_DATABASE", &login.database);
        command
    });
}

#[test]
fn pythons_drivers_keep_their_promises_on_both_servers() {
    for flavor in BOTH {
        let shop = shop(flavor);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/mysql_clients.py");
        let mut command = Command::new(env::var_os("QUERYGATE_PYTHON").unwrap());
        command.arg(script).env("PYTHONDONTWRITEBYTECODE", "1");
        command.env("QG_PORT", shop.agent().port.to_string()).env("QG_SECRET", SECRET);
        command.env("QG_DBA_SECRET", DBA_SECRET);
        let ran = command.output().unwrap();
        let (said, failed) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        assert!(ran.status.success(), "{flavor:?}: {said}{failed}\n{}\n{}", shop.gateway.log(), shop.log());
        assert_eq!(said.matches("kept:").count(), 12, "{said}");
        assert!(!shop.gateway.log().contains("ERROR"), "{}\n{}", shop.gateway.log(), shop.log());
    }
}
