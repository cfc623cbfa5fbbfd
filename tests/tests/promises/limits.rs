//! Servers that are away, refuse or are full, and the gateway's own limits.

use querygate_testkit::{
    Error,
    gateway::Gateway,
    postgres::{ADMIN, ADMIN_PASSWORD, Server},
    proxy::Proxy,
    wire::{Frame, RawClient, startup},
};

use crate::stage::{POLICY, Stage, accounts, address, code, eventually, rows, secret, words};

/// The log-in of an account, to its end in success or failure.
fn log_in(stage: &Gateway, account: &str, database: &str) -> Result<RawClient, Error> {
    RawClient::login(&stage.login(account, &secret(account), database))
}

/// What psql says of a log-in that fails.
fn refusal(gateway: &Gateway, account: &str, database: &str) -> Result<String, Error> {
    let ran = gateway.login(account, &secret(account), database).psql(&["-c", "SELECT 1"], "")?;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    let port = gateway.address().port().to_string();
    Ok(ran.stderr.replace(&port, "PORT").replace(database, "DATABASE"))
}

#[test]
fn a_server_that_goes_away_ends_its_sessions_with_08006_and_is_found_again() -> Result<(), Error> {
    let mut server = Server::start()?;
    server.script("postgres", "CREATE DATABASE shop")?;
    let gateway = accounts(Gateway::in_front_of(&server, "shop").policy("shop", POLICY)).start()?;
    let mut idle = log_in(&gateway, "agent", "shop")?;
    server.stop()?;
    let said = idle.read_to_end()?;
    assert!(code(&said).starts_with("08") || code(&said).starts_with("57P"), "{} {}", code(&said), words(&said));
    let refused = refusal(&gateway, "agent", "shop")?;
    assert!(refused.contains("can't be reached") || refused.contains("can't read"), "{refused}");
    assert!(
        !refused.contains(&server.port().to_string()),
        "the server's address is not the client's business: {refused}"
    );
    eventually("unreadiness", || gateway.page("/readyz").is_ok_and(|(status, _)| status == 503));
    server.resume()?;
    eventually("readiness", || gateway.page("/readyz").is_ok_and(|(status, _)| status == 200));
    log_in(&gateway, "agent", "shop").map(drop)
}

#[test]
fn a_connection_that_is_cut_under_a_statement_ends_the_session_and_the_log_says_lost() -> Result<(), Error> {
    let server = Server::start()?;
    server.script("postgres", "CREATE DATABASE shop")?;
    let proxy = Proxy::to(address(server.port()))?;
    let setup = Gateway::setup().database("shop", proxy.address(), "shop", ADMIN, ADMIN_PASSWORD);
    let gateway = accounts(setup.policy("shop", POLICY)).start()?;
    let mut dba = log_in(&gateway, "dba", "shop")?;
    dba.send(&querygate_testkit::wire::query("SELECT pg_sleep(1000)"))?;
    eventually("the statement", || {
        let asked = server.psql(
            "shop",
            &["-At", "-c", "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"],
            "",
        );
        asked.is_ok_and(|ran| ran.stdout == "1\n")
    });
    proxy.cut();
    assert_eq!(code(&dba.read_to_end()?), "08006");
    let found = gateway.command(&["log", "search", "--json", "--text", "pg_sleep"], "")?.ok()?.stdout;
    let row: serde_json::Value = serde_json::from_str(found.lines().next().unwrap()).unwrap();
    assert_eq!(row["status"], "lost");
    log_in(&gateway, "dba", "shop").map(drop)
}

#[test]
fn a_server_without_room_is_told_as_53300() -> Result<(), Error> {
    let server = Server::start()?;
    server
        .script("postgres", "CREATE ROLE narrow LOGIN PASSWORD 'narrowpw' CONNECTION LIMIT 2; CREATE DATABASE shop;")?;
    let setup = Gateway::setup().database("shop", address(server.port()), "shop", "narrow", "narrowpw");
    let gateway = accounts(setup.policy("shop", POLICY)).start()?;
    // The gateway's own connection is the other one.
    let kept = log_in(&gateway, "agent", "shop")?;
    let refused = refusal(&gateway, "agent", "shop")?;
    assert!(refused.contains("no connection left"), "{refused}");
    drop(kept);
    eventually("room", || log_in(&gateway, "agent", "shop").is_ok());
    Ok(())
}

#[test]
fn the_limit_of_a_database_and_that_of_the_gateway_hold() -> Result<(), Error> {
    let stage = Stage::with(POLICY, |setup| setup.tables("limits = { connections = 2 }"))?;
    let kept = [stage.client("agent")?, stage.client("dba")?];
    let refused = refusal(&stage.gateway, "agent", "shop")?;
    assert!(refused.contains("too many connections to database"), "{refused}");
    drop(kept);
    eventually("room", || stage.client("agent").is_ok());

    let stage = Stage::with(POLICY, |setup| setup.listen("tls = \"off\"\nconnections = 2"))?;
    let kept = [stage.client("agent")?, stage.client("dba")?];
    let mut third = RawClient::connect(stage.gateway.address())?;
    third.send(&startup(&[("user", "agent"), ("database", "shop")]))?;
    assert_eq!(code(&third.read_to_end()?), "53300");
    drop(kept);
    eventually("room", || stage.client("agent").is_ok());
    Ok(())
}

#[test]
fn a_database_that_does_not_open_looks_like_one_that_does_not_exist() -> Result<(), Error> {
    let stage = Stage::open()?;
    let closed = refusal(&stage.gateway, "boss", "shop")?;
    let unknown = refusal(&stage.gateway, "boss", "elsewhere")?;
    assert_eq!(closed, unknown);
    assert!(closed.contains("does not exist"), "{closed}");
    Ok(())
}

#[test]
fn a_text_over_the_limit_is_refused_and_the_session_goes_on() -> Result<(), Error> {
    let stage =
        Stage::with(POLICY, |setup| setup.tables("limits = { statement = \"4KiB\", statement_timeout = \"500ms\" }"))?;
    let mut dba = stage.client("dba")?;
    let refused: Vec<Frame> = dba.query(&format!("SELECT '{}'", "x".repeat(6000)))?;
    assert_eq!(code(&refused), "54000");
    assert_eq!(code(&dba.query("SELECT pg_sleep(1000)")?), "57014");
    assert_eq!(rows(&dba.query("SELECT id FROM orders WHERE id = 1")?), "1");
    Ok(())
}

#[test]
fn a_text_that_passes_unanalysed_may_have_any_number_of_results() -> Result<(), Error> {
    let open =
        "\n[[rule]]\nname = \"open\"\nroles = [\"dba\"]\nmatch = { effects = [\"unanalysed\"] }\naction = \"allow\"\n";
    let stage = Stage::with(&format!("{POLICY}{open}"), |setup| setup)?;
    // More statements than are analysed, and a form that the parser does not know.
    let many = "SELECT 1;".repeat(1_001);
    let text = "BEGIN; SELECT 2; SELECT xmlelement(name a); COPY orders TO STDOUT; COMMIT; SET search_path = 'unseen'";
    let (mut dba, mut agent) = (stage.client("dba")?, stage.client("agent")?);
    for (sent, results, refusal) in [(many.as_str(), 1_001, "54000"), (text, 6, "0A000")] {
        let said = dba.query(sent)?;
        assert_eq!(said.iter().filter(|frame| frame.tag == b'C').count(), results, "{}", words(&said));
        assert_eq!(rows(&dba.query("SELECT 3")?), "3");
        assert_eq!(code(&agent.query(sent)?), refusal);
        assert_eq!(rows(&agent.query("SELECT 3")?), "3");
    }
    let told = stage.statements("xmlelement");
    assert_eq!(told.len(), 2, "{told:?}");
    Ok(())
}

#[test]
fn a_shell_that_allows_few_descriptors_does_not_bound_the_sessions() -> Result<(), Error> {
    const FEW: [&str; 3] = ["sh", "-c", "ulimit -S -n 64 && exec \"$0\" \"$@\""];
    let stage = Stage::with(POLICY, |setup| setup.inside(&FEW))?;
    let mut clients = (0..60).map(|_| stage.client("agent")).collect::<Result<Vec<_>, _>>()?;
    for client in &mut clients {
        assert_eq!(rows(&client.query("SELECT 1")?), "1");
    }
    Ok(())
}
