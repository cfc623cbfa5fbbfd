//! Who gets in when many want to: bounds by address, account and database, tested where they are reached.

use std::time::{Duration, Instant};

use querygate_testkit::{
    Error,
    wire::{RawClient, startup},
};

use crate::{
    stage::{POLICY, Stage, code, eventually, rows, secret},
    trust::{encrypted, psql},
};

/// What is said to a client that is not let in, with its hint.
fn refusal(stage: &Stage, account: &str) -> Result<(String, String, String), Error> {
    let mut client = RawClient::connect(stage.gateway.address())?;
    client.send(&startup(&[("user", account), ("database", "shop")]))?;
    if let Err(Error::Unexpected(words)) = client.scram(&secret(account)) {
        return Ok((String::new(), words, String::new()));
    }
    let said = client.read_to_end()?;
    let error = said.iter().find(|frame| frame.tag == b'E').unwrap_or_else(|| panic!("let in: {said:?}"));
    let field = |code| error.field(code).unwrap_or_default();
    Ok((field(b'C'), field(b'M'), field(b'H')))
}

#[test]
fn an_address_has_so_many_connections_on_the_way_in_and_statements_can_still_be_cancelled() -> Result<(), Error> {
    let stage = Stage::with(POLICY, |setup| setup.listen("tls = \"off\"\nlogins_per_address = 3"))?;
    let mut session = RawClient::connect(stage.gateway.address())?;
    session.send(&startup(&[("user", "dba"), ("database", "shop")]))?;
    session.scram(&secret("dba"))?;
    let said = session.read_until(b'Z')?;
    let key = said.into_iter().find(|frame| frame.tag == b'K').unwrap().body;
    // Those that have logged in do not count; these have begun, as their challenge shows.
    let silent = |_| {
        let mut client = RawClient::connect(stage.gateway.address())?;
        client.send(&startup(&[("user", "agent"), ("database", "shop")]))?;
        client.expect(b'R')?;
        Ok(client)
    };
    let waiting = (0..3).map(silent).collect::<Result<Vec<_>, Error>>()?;
    let mut one_more = RawClient::connect(stage.gateway.address())?;
    one_more.send(&startup(&[("user", "agent"), ("database", "shop")]))?;
    let said = one_more.read_to_end()?;
    assert_eq!(code(&said), "53300");
    assert!(said[0].field(b'M').unwrap().contains("from your address"), "{said:?}");

    session.send(&querygate_testkit::wire::query("SELECT pg_sleep(1000)"))?;
    eventually("the statement", || {
        stage.truth("SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(1000)' AND state = 'active'")
            == "1"
    });
    let mut cancelling = RawClient::connect(stage.gateway.address())?;
    cancelling.send(&[&[0, 0, 0, 16], &80_877_102_u32.to_be_bytes()[..], &key].concat())?;
    cancelling.read_to_end()?;
    assert_eq!(code(&session.read_until(b'Z')?), "57014");
    drop(waiting);
    eventually("room", || stage.client("agent").is_ok());
    Ok(())
}

#[test]
fn far_too_many_connections_of_an_address_are_closed_without_a_word() -> Result<(), Error> {
    let stage = Stage::with(POLICY, |setup| setup.listen("tls = \"off\"\nlogins_per_address = 1"))?;
    let mut open = Vec::new();
    let mut closed = false;
    // Beyond its bound an address has sixteen that are told why.
    for _ in 0..18 {
        open.push(RawClient::connect(stage.gateway.address())?);
    }
    for client in &mut open {
        closed |= !client.is_quiet(Duration::from_millis(20)).unwrap_or(false);
    }
    assert!(closed, "one of them is closed at once");
    Ok(())
}

#[test]
fn a_full_gateway_says_so_inside_tls_too() -> Result<(), Error> {
    let identity = crate::trust::own("127.0.0.1");
    let stage = Stage::with(POLICY, |setup| {
        let setup = setup.file("server.crt", &identity.certificate).file("server.key", &identity.key);
        setup.listen("tls = { certificate = \"server.crt\", key = \"server.key\" }\nconnections = 1")
    })?;
    let config = crate::trust::trusting(&identity.certificate, &[]);
    let mut kept = crate::trust::connect(&stage, config)?;
    kept.send(&startup(&[("user", "agent"), ("database", "shop")]))?;
    kept.scram(&secret("agent"))?;
    kept.read_until(b'Z')?;
    let refused = psql(&stage.login("agent"), "sslmode=require", "SELECT 1");
    assert!(refused.stderr.contains("too many connections to the gateway"), "{refused:?}");
    assert!(refused.stderr.contains("listen.connections"), "{refused:?}");
    assert_eq!(rows(&kept.query("SELECT 7")?), "7");
    Ok(())
}

#[test]
fn failed_log_ins_slow_down_their_account_and_nobody_else() -> Result<(), Error> {
    let stage = Stage::with(POLICY, |setup| setup.listen("tls = \"off\"\nfailed_logins = 2"))?;
    let wrong = |account: &str| {
        let since = Instant::now();
        assert!(RawClient::login(&stage.gateway.login(account, "wrong", "shop")).is_err());
        since.elapsed()
    };
    for account in ["nobody", "agent"] {
        let slowest = (0..6).map(|_| wrong(account)).max().unwrap();
        // Two are free; the turns of the third to the sixth are 0, 250, 500 and 1,000 ms apart.
        assert!(slowest >= Duration::from_millis(900), "{account}: {slowest:?}");
    }
    let since = Instant::now();
    stage.client("dba")?;
    let other = since.elapsed();
    let since = Instant::now();
    stage.client("agent")?;
    let own = since.elapsed();
    assert!(
        own > other + Duration::from_millis(500),
        "its owner waits for its turn ({own:?}), others don't ({other:?})"
    );
    let since = Instant::now();
    stage.client("agent")?;
    assert!(since.elapsed() < own, "and having proved who it is, no longer");
    Ok(())
}

#[test]
fn attempts_at_the_same_time_take_turns_and_those_too_far_behind_are_refused() -> Result<(), Error> {
    let stage = Stage::with(POLICY, |setup| setup.listen("tls = \"off\"\nfailed_logins = 0"))?;
    for _ in 0..6 {
        assert!(RawClient::login(&stage.gateway.login("agent", "wrong", "shop")).is_err());
    }
    // Each turn is now 8 s after the one before: the fourth would wait longer than 20 s.
    let mut refused = Vec::new();
    let mut open = Vec::new();
    for _ in 0..4 {
        let mut client = RawClient::connect(stage.gateway.address())?;
        client.send(&startup(&[("user", "agent"), ("database", "shop")]))?;
        if client.is_quiet(Duration::from_millis(300))? {
            open.push(client);
        } else {
            refused.push(client.read_to_end()?);
        }
    }
    let told: Vec<_> = refused.iter().map(|said| code(said)).filter(|code| !code.is_empty()).collect();
    assert!(told.contains(&"53300".to_owned()), "{refused:?}");
    stage.client("dba").map(drop)
}

#[test]
fn an_account_has_so_many_connections_and_others_keep_theirs() -> Result<(), Error> {
    let stage = Stage::with(POLICY, |setup| {
        setup.tables("connections_per_account = 2\nconnection_wait = \"200ms\"\nlimits = { connections = 4 }")
    })?;
    let kept = [stage.client("agent")?, stage.client("agent")?];
    let (code, words, hint) = refusal(&stage, "agent")?;
    assert_eq!(code, "53300");
    assert!(words.contains("account \"agent\"") && hint.contains("connections_per_account"), "{words} {hint}");
    let others = [stage.client("other")?, stage.client("dba")?];
    let (code, words, hint) = refusal(&stage, "dba")?;
    assert_eq!(code, "53300");
    assert!(words.contains("to database \"shop\"") && hint.contains("limits.connections"), "{words} {hint}");
    drop((kept, others));
    eventually("room", || stage.client("agent").is_ok());
    Ok(())
}

#[test]
fn a_role_of_the_policy_bounds_each_of_its_accounts() -> Result<(), Error> {
    let policy = format!("{POLICY}\n[role.agent]\nlimits = {{ connections = 1 }}\n");
    let stage = Stage::with(&policy, |setup| setup.tables("connection_wait = \"200ms\""))?;
    let _kept = (stage.client("agent")?, stage.client("other")?, stage.client("dba")?, stage.client("dba")?);
    assert_eq!(refusal(&stage, "agent")?.0, "53300");
    Ok(())
}

#[test]
fn who_waits_for_a_place_gets_the_next_one_that_is_free_and_who_leaves_takes_none() -> Result<(), Error> {
    let stage = Stage::with(POLICY, |setup| setup.tables("connection_wait = \"60s\"\nlimits = { connections = 1 }"))?;
    let kept = stage.client("agent")?;
    let wait = || {
        let mut client = RawClient::connect(stage.gateway.address())?;
        client.send(&startup(&[("user", "dba"), ("database", "shop")]))?;
        client.scram(&secret("dba"))?;
        Ok::<_, Error>(client)
    };
    // The first gives up, the second stays.
    let gone = wait()?;
    drop(gone);
    let mut waiting = wait()?;
    assert!(waiting.is_quiet(Duration::from_millis(200))?, "it is in the queue");
    drop(kept);
    waiting.read_until(b'Z')?;
    assert_eq!(rows(&waiting.query("SELECT 7")?), "7");
    Ok(())
}

#[test]
fn replication_and_function_calls_are_refused_with_what_to_do() -> Result<(), Error> {
    let (stage, _) = encrypted()?;
    let refused = psql(&stage.login("agent"), "sslmode=require replication=database", "SELECT 1");
    assert!(refused.stderr.contains("replication connections are not supported"), "{refused:?}");
    assert!(refused.stderr.contains("HINT"), "{refused:?}");
    let refused = psql(&stage.login("agent"), "sslmode=require replication=true", "IDENTIFY_SYSTEM");
    assert!(refused.stderr.contains("replication connections are not supported"), "{refused:?}");
    let plain = Stage::open()?;
    let mut client = plain.client("agent")?;
    // FunctionCall of pg_backend_pid() (oid 2026), no arguments, result as text.
    client.send(&querygate_testkit::wire::message(b'F', &[0, 0, 7, 234, 0, 0, 0, 0, 0, 0]))?;
    let said = client.read_until(b'Z')?;
    assert_eq!(code(&said), "0A000", "{said:?}");
    assert_eq!(rows(&client.query("SELECT 7")?), "7");
    Ok(())
}

#[test]
fn a_session_ends_when_its_account_loses_a_role() -> Result<(), Error> {
    let stage = Stage::open()?;
    let (mut agent, mut dba) = (stage.client("agent")?, stage.client("dba")?);
    let config = stage.gateway.folder().join("querygate.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("name = \"dba\"\nroles = [\"dba\"]", "name = \"dba\"\nroles = [\"agent\"]"))
        .unwrap();
    stage.gateway.command(&["reload"], "")?.ok()?;
    assert_eq!(code(&dba.read_to_end()?), "57P01", "what it may see is another thing now");
    assert_eq!(rows(&agent.query("SELECT 7")?), "7");
    stage.client("dba").map(drop)
}

#[test]
fn an_account_that_is_disabled_while_it_waits_for_a_place_gets_none() -> Result<(), Error> {
    let stage = Stage::with(POLICY, |setup| setup.tables("connection_wait = \"60s\"\nlimits = { connections = 1 }"))?;
    let made = ["account", "create", "made", "--role", "agent", "--secret-file", "-"];
    stage.gateway.command(&made, &secret("made"))?.ok()?;
    let kept = stage.client("agent")?;
    let mut waiting = RawClient::connect(stage.gateway.address())?;
    waiting.send(&startup(&[("user", "made"), ("database", "shop")]))?;
    waiting.scram(&secret("made"))?;
    stage.gateway.command(&["account", "disable", "made"], "")?.ok()?;
    drop(kept);
    assert_eq!(code(&waiting.read_to_end()?), "57P01");
    Ok(())
}
