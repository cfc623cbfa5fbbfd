//! Several servers of one database: sessions go to the one that takes writes, and follow it when it is another one.

use querygate_testkit::{
    Error,
    gateway::{Gateway, Setup},
    postgres::{ADMIN, ADMIN_PASSWORD, Server},
    wire::RawClient,
};

use crate::{
    servers::check,
    stage::{POLICY, accounts, code, eventually, rows, secret},
};

/// A gateway before these servers, in this order.
fn before(ports: &[u16], lines: &str) -> Setup {
    let addresses: Vec<String> = ports.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
    let table = format!(
        "[[database]]\nname = \"shop\"\nengine = \"postgres\"\naddress = [{}]\ndatabase = \"shop\"\nuser = \"{ADMIN}\"\n\
         password = {{ env = \"SERVER_PASSWORD\" }}\ntls = \"off\"\n{lines}\n",
        addresses.join(", ")
    );
    Gateway::setup().tables(&table).environment("SERVER_PASSWORD", ADMIN_PASSWORD).policy("shop", POLICY)
}

fn log_in(gateway: &Gateway) -> Result<RawClient, Error> {
    RawClient::login(&gateway.login("dba", &secret("dba"), "shop"))
}

/// The port of the server that a session is on.
fn port_of(gateway: &Gateway) -> Result<String, Error> {
    Ok(rows(&log_in(gateway)?.query("SHOW port")?))
}

const TABLES: &str =
    "CREATE TABLE orders (id int PRIMARY KEY, status text NOT NULL); INSERT INTO orders VALUES (1, 'open');";

#[test]
fn sessions_go_to_the_server_that_takes_writes_and_follow_it_when_a_standby_is_promoted() -> Result<(), Error> {
    let mut primary = Server::start()?;
    primary.script("postgres", "CREATE DATABASE shop")?;
    primary.script("shop", TABLES)?;
    let standby = querygate_testkit::postgres::Setup::standby_of(&primary)?;
    let gateway = accounts(before(&[standby.port(), primary.port()], "")).start()?;
    assert_eq!(port_of(&gateway)?, primary.port().to_string());
    let mut open = log_in(&gateway)?;
    assert_eq!(code(&open.query("UPDATE orders SET status = 'paid' WHERE id = 1")?), "");

    eventually("the change on the standby", || {
        let seen = standby.psql("shop", &["-Atc", "SELECT status FROM orders"], "");
        seen.is_ok_and(|ran| ran.stdout == "paid\n")
    });
    primary.stop()?;
    let said = open.read_to_end()?;
    assert!(code(&said).starts_with("08") || code(&said).starts_with("57P"), "{said:?}");
    let refused = log_in(&gateway);
    assert!(refused.is_err(), "a standby takes no writes");
    standby.script("postgres", "SELECT pg_promote()")?;
    eventually("sessions on the promoted server", || {
        port_of(&gateway).is_ok_and(|port| port == standby.port().to_string())
    });
    assert_eq!(code(&log_in(&gateway)?.query("UPDATE orders SET status = 'sent' WHERE id = 1")?), "");
    Ok(())
}

#[test]
fn sessions_end_when_their_server_stops_taking_writes_and_another_one_does() -> Result<(), Error> {
    let first = Server::start()?;
    let second = Server::setup().setting("default_transaction_read_only", "on").start()?;
    for server in [&first, &second] {
        server.script("postgres", "SET default_transaction_read_only = off; CREATE DATABASE shop;")?;
    }
    let ports = [first.port(), second.port()];
    let gateway = accounts(before(&ports, "catalog_refresh = \"100ms\"")).start()?;
    let mut open = log_in(&gateway)?;
    assert_eq!(rows(&open.query("SHOW port")?), first.port().to_string());
    let switch = |server: &Server, to: &str| {
        let sql = format!(
            "SET default_transaction_read_only = off; ALTER SYSTEM SET default_transaction_read_only = {to}; SELECT pg_reload_conf();"
        );
        for statement in sql.split_inclusive(';') {
            server.psql("postgres", &["-c", "SET default_transaction_read_only = off", "-c", statement], "")?.ok()?;
        }
        Ok::<_, Error>(())
    };
    switch(&second, "off")?;
    switch(&first, "on")?;
    let said = open.read_to_end()?;
    let error = said.iter().find(|frame| frame.tag == b'E').unwrap();
    assert_eq!(error.field(b'C').as_deref(), Some("57P01"));
    assert!(error.field(b'M').unwrap().contains("another server"), "{error:?}");
    eventually("the other server", || port_of(&gateway).is_ok_and(|port| port == second.port().to_string()));
    Ok(())
}

#[test]
fn any_server_will_do_where_the_configuration_says_so_and_none_is_named_in_full() -> Result<(), Error> {
    let reading = Server::setup().setting("default_transaction_read_only", "on").start()?;
    reading
        .psql("postgres", &["-c", "SET default_transaction_read_only = off", "-c", "CREATE DATABASE shop"], "")?
        .ok()?;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let any = accounts(before(&[free, reading.port()], "servers = \"any\"")).start()?;
    assert_eq!(port_of(&any)?, reading.port().to_string());
    let said = check(before(&[free, reading.port()], ""))?;
    assert!(said.contains("none of the database's servers will do"), "{said}");
    assert!(said.contains("default_transaction_read_only is on") && said.contains("can't be reached"), "{said}");
    Ok(())
}
