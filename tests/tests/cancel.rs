//! Cancelling hits the statement that it was meant for, or none.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use querygate_testkit::{
    Error,
    wire::{Frame, RawClient, query, startup},
};

mod shop;

use shop::{
    Shop,
    messages::{code, rows, run, sync},
};

/// Logs in and keeps the key.
fn login(shop: &Shop) -> Result<(RawClient, Vec<u8>), Error> {
    let mut client = RawClient::connect(shop.gateway.address())?;
    client.send(&startup(&[("user", "agent"), ("database", "shop")]))?;
    client.scram("agentpw")?;
    let said = client.read_until(b'Z')?;
    let key = said.into_iter().find(|frame| frame.tag == b'K').map(|frame| frame.body).unwrap();
    Ok((client, key))
}

/// Sends a cancel request and waits until it was taken.
fn cancel(shop: &Shop, key: &[u8]) -> Result<Vec<Frame>, Error> {
    let mut client = RawClient::connect(shop.gateway.address())?;
    let length = u32::try_from(8 + key.len()).unwrap().to_be_bytes();
    client.send(&[&length, &80_877_102_u32.to_be_bytes(), key].concat())?;
    client.read_to_end()
}

/// Waits until as many statements wait for an advisory lock.
fn wait_for_waiters(direct: &mut RawClient, lock: u32, waiters: &str) -> Result<(), Error> {
    let sql = format!("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = {lock} AND NOT granted");
    while rows(&direct.query(&sql)?) != waiters {}
    Ok(())
}

#[test]
fn a_wrong_key_cancels_nothing_and_the_right_one_cancels() -> Result<(), Error> {
    let shop = Shop::shared()?;
    let mut direct = RawClient::login(&shop.direct())?;
    let (mut agent, key) = login(&shop)?;
    for (lock, messages) in
        [(81, vec![query("SELECT pg_advisory_lock(81)")]), (82, vec![run("SELECT pg_advisory_lock(82)"), sync()])]
    {
        direct.query(&format!("SELECT pg_advisory_lock({lock})"))?;
        agent.send(&messages.concat())?;
        wait_for_waiters(&mut direct, lock, "1")?;
        let mut wrong = key.clone();
        *wrong.last_mut().unwrap() ^= 1;
        let other_process = [&[key.first().unwrap() ^ 1], key.get(1..).unwrap()].concat();
        for stranger in [wrong, other_process] {
            assert!(cancel(&shop, &stranger)?.is_empty(), "a cancel request is not answered");
        }
        wait_for_waiters(&mut direct, lock, "1")?;
        assert!(cancel(&shop, &key)?.is_empty());
        assert_eq!(code(&agent.read_until(b'Z')?), "57014");
        assert_eq!(rows(&agent.query("SELECT 1")?), "1", "the session goes on");
        direct.query(&format!("SELECT pg_advisory_unlock({lock})"))?;
    }
    Ok(())
}

#[test]
fn the_key_has_the_number_of_the_servers_process_by_which_a_session_knows_its_own_notifications() -> Result<(), Error> {
    let shop = Shop::shared()?;
    let (mut agent, key) = login(&shop)?;
    let process = u32::from_be_bytes(*key.first_chunk().unwrap()).to_string();
    assert_eq!(rows(&agent.query("SELECT pg_backend_pid()")?), process);
    agent.query("LISTEN told")?;
    let said = agent.query("NOTIFY told")?;
    let told = said.iter().find(|frame| frame.tag == b'A').unwrap();
    assert_eq!(told.body.get(..4), key.get(..4));
    Ok(())
}

#[test]
fn a_cancel_that_comes_late_does_not_hit_the_next_statement() -> Result<(), Error> {
    let shop = Shop::shared()?;
    let (mut agent, key) = login(&shop)?;
    for round in 0..60 {
        // Sometimes it hits the first statement, sometimes it comes too late; the second one always runs.
        agent.send(&query("SELECT count(*) FROM orders a, orders b"))?;
        let first = if round % 2 == 0 { Some(agent.read_until(b'Z')?) } else { None };
        cancel(&shop, &key)?;
        let first = first.map_or_else(|| agent.read_until(b'Z'), Ok)?;
        assert!(matches!(code(&first).as_str(), "" | "57014"), "{first:?}");
        let second = agent.query("SELECT count(*) FROM orders")?;
        assert_eq!((code(&second).as_str(), rows(&second).as_str()), ("", "200"), "round {round}");
    }
    Ok(())
}

#[test]
fn cancelling_a_statement_that_waits_for_a_reviewer_takes_it_back() -> Result<(), Error> {
    let shop = Shop::shared()?;
    let (mut agent, key) = login(&shop)?;
    agent.send(&query("DROP TABLE other.items"))?;
    let notice = agent.expect(b'N')?;
    assert!(notice.field(b'M').unwrap_or_default().starts_with("waiting for approval"), "{notice:?}");
    cancel(&shop, &key)?;
    assert_eq!(code(&agent.read_until(b'Z')?), "57014");
    assert_eq!(rows(&agent.query("SELECT label FROM other.items")?), "of the other schema");
    Ok(())
}
