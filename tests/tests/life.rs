//! The gateway's life as an operator sees it: it starts, serves, is killed, comes back, and stops in order.

use querygate_testkit::{Error, gateway::Gateway, postgres::Server, wire::RawClient};

const POLICY: &str = "database = \"shop\"\nconnect = [\"agent\"]\n";

fn shop() -> Result<(Server, Gateway), Error> {
    let server = Server::start()?;
    server.script("postgres", "CREATE DATABASE shop")?;
    server.script("shop", "CREATE TABLE t AS SELECT 7 AS x")?;
    let gateway =
        Gateway::in_front_of(&server, "shop").policy("shop", POLICY).account("bot", &["agent"], "s3cret").start()?;
    Ok((server, gateway))
}

#[test]
fn a_client_reads_through_the_gateway_with_its_own_secret_and_nobody_without() -> Result<(), Error> {
    let (_server, gateway) = shop()?;
    let shown = gateway.login("bot", "s3cret", "shop").psql(&["-At", "-c", "SELECT x FROM t"], "")?.ok()?;
    assert_eq!(shown.stdout, "7\n");
    let wrong = gateway.login("bot", "another", "shop").psql(&["-c", "SELECT 1"], "")?;
    let unknown = gateway.login("nobody", "another", "shop").psql(&["-c", "SELECT 1"], "")?;
    assert!(wrong.stderr.contains("password authentication failed"), "{}", wrong.stderr);
    assert_eq!(
        wrong.stderr.replace("bot", "nobody").replace(&port(&gateway), ""),
        unknown.stderr.replace(&port(&gateway), "")
    );
    Ok(())
}

fn port(gateway: &Gateway) -> String {
    gateway.address().port().to_string()
}

#[test]
fn a_killed_gateway_comes_back_and_serves() -> Result<(), Error> {
    let (_server, mut gateway) = shop()?;
    let bot = gateway.login("bot", "s3cret", "shop");
    bot.psql(&["-c", "SELECT x FROM t"], "")?.ok()?;
    gateway.kill9()?;
    assert!(RawClient::login(&bot).is_err(), "a killed gateway answers nobody");
    gateway.resume()?;
    assert_eq!(bot.psql(&["-At", "-c", "SELECT x FROM t"], "")?.ok()?.stdout, "7\n");
    Ok(())
}

#[test]
fn a_gateway_that_is_asked_to_stop_ends_by_itself_with_success() -> Result<(), Error> {
    let (_server, mut gateway) = shop()?;
    assert_eq!(gateway.page("/healthz")?.0, 200);
    let ended = gateway.stop()?;
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
    Ok(())
}
