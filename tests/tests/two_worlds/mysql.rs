//! The worlds on MySQL and MariaDB.

use std::fs;

use querygate_testkit::{
    Error,
    gateway::Gateway,
    mysql::{Flavor, Server},
    postgres::{ADMIN, ADMIN_PASSWORD},
};
use serde_json::Value;

use crate::{AGENT, SECRET, WORLDS, assert_floor, assert_no_leak, assert_real, folder, python, summary};

/// Sessions that try to tell the worlds apart.
const ATTACKS: [&str; 2] = ["mysql-attacks.jsonl", "mysql-more-attacks.jsonl"];
/// Sessions that must work.
const HARMLESS: [&str; 2] = ["mysql-benign.jsonl", "mysql-more-benign.jsonl"];
/// How the gateway logs in to the server: as one who may do everything, or as one who may read and write two databases.
const LOGINS: [(&str, &str, &str); 2] = [
    ("svc", "svcpw", "GRANT ALL PRIVILEGES ON *.* TO 'svc'@'%' WITH GRANT OPTION;"),
    (
        "plain",
        "plainpw",
        "GRANT SELECT, INSERT, UPDATE, DELETE, EXECUTE, TRIGGER, SHOW VIEW, CREATE TEMPORARY TABLES ON `shop\\__`.* TO 'plain'@'%';",
    ),
];
const BOTH: [Flavor; 2] = [Flavor::Mysql, Flavor::Mariadb];

/// A server with both worlds, its settings as the cases expect them.
fn worlds(flavor: Flavor) -> Result<Server, Error> {
    let options = [
        "--secure-file-priv=",
        "--server-id=1",
        "--log-bin=binlog",
        "--event-scheduler=ON",
        "--innodb-stats-auto-recalc=OFF",
    ];
    let server = Server::start_with(flavor, &options)?;
    for (user, password, grant) in LOGINS {
        server.script("mysql", &format!("CREATE USER '{user}'@'%' IDENTIFIED BY '{password}';\n{grant}"))?;
    }
    let admin = format!("{ADMIN}:{ADMIN_PASSWORD}@127.0.0.1:{}", server.port());
    let made = python("mysql_worlds.py").args(["--admin", &admin]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    Ok(server)
}

fn gateway(server: &Server, (user, password, _): (&str, &str, &str)) -> Result<Gateway, Error> {
    let policy = fs::read_to_string(folder().join("agent-mysql.toml")).unwrap();
    let mut setup = Gateway::setup().account(AGENT, &["agent"], SECRET).listen("tls = \"self-signed\"");
    for world in WORLDS {
        setup = setup.mysql_database_as(world, server, world, user, password).tables("catalog_refresh = \"200ms\"");
        setup = setup.policy(world, &format!("database = \"{world}\"\n{policy}"));
    }
    setup.start()
}

/// Runs the cases of a file and returns the runner's summary.
fn run(server: &Server, gateway: Option<&Gateway>, cases: &str, mode: &[&str]) -> Value {
    let file = server.folder().join(format!("summary-{cases}{}.json", mode.concat()));
    let admin = format!("{ADMIN}:{ADMIN_PASSWORD}@127.0.0.1:{}", server.port());
    let mut command = python("run_mysql.py");
    command.args(["--admin-a", &format!("{admin}/shop_a"), "--admin-b", &format!("{admin}/shop_b")]).args(mode);
    command.arg("--files").arg(server.folder()).args(["--settle", "0.6"]);
    if let Some(gateway) = gateway {
        let login = gateway.mysql_login(server.flavor(), AGENT, SECRET, "shop_a");
        command.args(["--a", &format!("127.0.0.1:{}/shop_a", login.port)]);
        command.args(["--b", &format!("127.0.0.1:{}/shop_b", login.port)]);
        command.args(["--user", AGENT, "--password", SECRET]);
    }
    summary(command, cases, &file, || gateway.map(Gateway::log).unwrap_or_default())
}

fn without_leak(flavor: Flavor, login: (&str, &str, &str)) -> Result<(), Error> {
    let server = worlds(flavor)?;
    let gateway = gateway(&server, login)?;
    for cases in ATTACKS {
        let summary = run(&server, Some(&gateway), cases, &[]);
        assert_no_leak(&summary, &format!("{flavor:?}, gateway logged in as {}", login.0));
    }
    Ok(())
}

#[test]
fn the_attacks_are_real_without_the_gateway() -> Result<(), Error> {
    for flavor in BOTH {
        let server = worlds(flavor)?;
        for cases in ATTACKS {
            assert_real(&run(&server, None, cases, &["--verify-direct"]), flavor.name());
        }
    }
    Ok(())
}

#[test]
fn no_attack_tells_the_worlds_apart_behind_a_login_that_may_do_everything() -> Result<(), Error> {
    BOTH.into_iter().try_for_each(|flavor| without_leak(flavor, LOGINS[0]))
}

#[test]
fn no_attack_tells_the_worlds_apart_behind_a_weak_login() -> Result<(), Error> {
    BOTH.into_iter().try_for_each(|flavor| without_leak(flavor, LOGINS[1]))
}

#[test]
fn harmless_sessions_pass_at_least_as_often_as_they_did() -> Result<(), Error> {
    for flavor in BOTH {
        let server = worlds(flavor)?;
        let gateway = gateway(&server, LOGINS[0])?;
        let summaries = HARMLESS.map(|cases| run(&server, Some(&gateway), cases, &["--benign"]));
        assert_floor(&summaries, flavor.name());
    }
    Ok(())
}
