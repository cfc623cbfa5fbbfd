//! What the other tests stand on: every server that was prepared is real, starts, and ends with its test.

use std::{net::TcpStream, process::Command};

use querygate_testkit::{
    Error,
    postgres::{self, Server},
    proxy::Proxy,
    wire::{self, RawClient},
};

#[test]
fn every_prepared_postgres_starts_as_itself_and_ends_with_its_test() -> Result<(), Error> {
    let versions = postgres::versions();
    assert!(!versions.is_empty(), "no QUERYGATE_POSTGRES_BIN_<version> is set");
    for version in versions {
        let server = Server::setup().version(version).start()?;
        let shown =
            server.psql("postgres", &["--tuples-only", "--no-align", "-c", "SHOW server_version_num"], "")?.ok()?;
        assert!(shown.stdout.starts_with(&version.to_string()), "asked for {version}, got {}", shown.stdout);
        let port = server.port();
        drop(server);
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "Postgres {version} outlived its test");
    }
    Ok(())
}

#[tokio::test]
async fn psql_and_a_driver_and_a_raw_client_log_in_with_scram() -> Result<(), Error> {
    let server = Server::start()?;
    let shop = server.create_database("shop", "CREATE TABLE t (id int); INSERT INTO t VALUES (1), (2);")?;
    let target = server.admin(&shop);
    assert_eq!(target.psql(&["-At", "-c", "SELECT count(*) FROM t"], "")?.ok()?.stdout, "2\n");
    let row = target.connect().await?.query_one("SELECT count(*) FROM t", &[]).await?;
    assert_eq!(row.get::<_, i64>(0), 2);
    assert_eq!(wire::tags(&RawClient::login(&target)?.query("SELECT * FROM t")?), "TDDCZ");
    let wrong = server.login(postgres::ADMIN, "not the password", &shop).psql(&["-c", "SELECT 1"], "")?;
    assert!(wrong.stderr.contains("password authentication failed"), "{}", wrong.stderr);
    Ok(())
}

#[test]
fn a_server_that_was_stopped_comes_back_with_its_data() -> Result<(), Error> {
    let mut server = Server::start()?;
    let shop = server.create_database("shop", "CREATE TABLE t AS SELECT 7 AS x;")?;
    server.stop()?;
    assert!(RawClient::login(&server.admin(&shop)).is_err());
    server.resume()?;
    assert_eq!(server.psql(&shop, &["-At", "-c", "SELECT x FROM t"], "")?.ok()?.stdout, "7\n");
    Ok(())
}

#[test]
fn a_server_checks_passwords_the_old_way_when_asked_to() -> Result<(), Error> {
    let server =
        Server::setup().access("host all old 127.0.0.1/32 md5").setting("password_encryption", "md5").start()?;
    server.script("postgres", "CREATE ROLE old LOGIN PASSWORD 'oldpw';")?;
    let shown = server.login("old", "oldpw", "postgres").psql(&["-At", "-c", "SELECT current_user"], "")?.ok()?;
    assert_eq!(shown.stdout, "old\n");
    Ok(())
}

#[test]
fn a_session_survives_a_network_of_single_bytes() -> Result<(), Error> {
    let server = Server::start()?;
    let proxy = Proxy::to(([127, 0, 0, 1], server.port()).into())?;
    proxy.single_bytes();
    let mut target = server.admin("postgres");
    target.port = proxy.address().port();
    assert_eq!(target.psql(&["-At", "-c", "SELECT repeat('x', 3)"], "")?.ok()?.stdout, "xxx\n");
    Ok(())
}

#[test]
fn the_drivers_of_other_languages_are_there() -> Result<(), Box<dyn std::error::Error>> {
    let python = std::env::var("QUERYGATE_PYTHON")?;
    let loads = "import asyncpg, django, psycopg, sqlalchemy";
    assert!(Command::new(python).args(["-c", loads]).status()?.success());
    assert!(Command::new(std::env::var("QUERYGATE_GO")?).arg("version").status()?.success());
    let modules = std::env::var("QUERYGATE_NODE_MODULES")?;
    assert!(std::path::Path::new(&modules).join("pg").exists(), "{modules}");
    let archive = std::env::var("QUERYGATE_PGJDBC")?;
    assert!(std::path::Path::new(&archive).exists(), "{archive}");
    Ok(())
}
