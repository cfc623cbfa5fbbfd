//! The protocol to the letter: what passes looks as it does without the gateway, and no order of messages gets around a mask.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use querygate_testkit::{
    Error,
    wire::{RawClient, message, query, tags},
};

mod shop;

use shop::{
    Shop,
    messages::{bind, bind_as, code, describe, execute, flush, parse, rows, run, say, state, sync, told},
};

#[test]
fn rows_are_masked_whether_or_not_somebody_describes_them() -> Result<(), Error> {
    let shop = Shop::shared()?;
    let mut agent = RawClient::login(&shop.agent())?;
    let mut direct = RawClient::login(&shop.direct())?;
    let sql = "SELECT id, email, points FROM people WHERE id = $1";
    let bare = [parse("", sql), bind("", "", &["1"]), execute("", 0), sync()];
    let answer = say(&mut agent, &bare, 1)?;
    assert_eq!((tags(&answer).as_str(), rows(&answer).as_str()), ("12DCZ", "1|u***@e***.com|0"));
    let binary = [parse("", sql), bind_as(1, "", "", &["1"]), execute("", 0), sync()];
    assert_eq!(rows(&say(&mut agent, &binary, 1)?), "\0\0\0\u{1}|u***@e***.com|\0\0\0\0");
    let asked = [parse("", sql), describe(b'S', ""), bind("", "", &["1"]), describe(b'P', ""), execute("", 0), sync()];
    let (answer, truth) = (say(&mut agent, &asked, 1)?, say(&mut direct, &asked, 1)?);
    assert_eq!(tags(&answer), "1tT2TDCZ");
    let described = |frames: &[querygate_testkit::wire::Frame]| -> Vec<_> {
        frames.iter().filter(|f| matches!(f.tag, b'T' | b't')).cloned().collect()
    };
    assert_eq!(described(&answer), described(&truth), "the columns are told as the server tells them");
    let named = [
        parse("n", sql),
        sync(),
        bind("a", "n", &["1"]),
        bind("b", "n", &["2"]),
        execute("b", 0),
        execute("a", 0),
        sync(),
    ];
    let answer = say(&mut agent, &named, 2)?;
    assert_eq!((tags(&answer).as_str(), rows(&answer).as_str()), ("1Z22DCDCZ", "2|u***@e***.com|0 1|u***@e***.com|0"));
    let limited = [
        query("BEGIN"),
        parse("", "SELECT ssn FROM people WHERE id < 6 ORDER BY id"),
        bind("p", "", &[]),
        execute("p", 2),
        flush(),
        execute("p", 2),
        sync(),
        execute("p", 2),
        sync(),
        query("COMMIT"),
    ];
    let answer = say(&mut agent, &limited, 4)?;
    assert_eq!(tags(&answer), "CZ12DDsDDsZDCZCZ");
    assert_eq!(rows(&answer), "*******3001 *******3002 *******3003 *******3004 *******3005");
    Ok(())
}

#[test]
fn a_prepared_statement_is_judged_anew_when_the_search_path_changes() -> Result<(), Error> {
    let shop = Shop::shared()?;
    let mut agent = RawClient::login(&shop.agent())?;
    let sql = "SELECT email FROM people WHERE id = 1";
    let again = [bind("", "s", &[]), execute("", 0), sync()];
    assert_eq!(rows(&say(&mut agent, &[parse("s", sql), sync()], 1)?), "");
    assert_eq!(rows(&say(&mut agent, &again, 1)?), "u***@e***.com");
    agent.query("SET search_path = other, public")?;
    assert_eq!(rows(&say(&mut agent, &again, 1)?), "public@other.example");
    agent.query("RESET search_path")?;
    assert_eq!(rows(&say(&mut agent, &again, 1)?), "u***@e***.com");
    // All in one pipeline, where nobody waits for the setting's answer.
    let piped = [
        [
            bind("", "s", &[]),
            execute("", 0),
            run("SET search_path = other"),
            bind("", "s", &[]),
            execute("", 0),
            run(sql),
        ]
        .concat(),
        [run("SET search_path = public"), bind("", "s", &[]), execute("", 0), run(sql), sync()].concat(),
    ];
    let answer = say(&mut agent, &piped, 1)?;
    assert_eq!(rows(&answer), "u***@e***.com public@other.example public@other.example u***@e***.com u***@e***.com");
    // Newer servers tell each search path.
    assert_eq!(tags(&answer).replace('S', ""), "2DC12C2DC12DC12C2DC12DCZ");
    // A rollback takes the setting back.
    agent.query("BEGIN; SET search_path = other")?;
    assert_eq!(rows(&say(&mut agent, &again, 1)?), "public@other.example");
    agent.query("ROLLBACK")?;
    assert_eq!(rows(&say(&mut agent, &again, 1)?), "u***@e***.com");
    Ok(())
}

#[test]
fn a_prepared_statement_is_judged_anew_after_a_definition_and_after_a_reload() -> Result<(), Error> {
    let shop = Shop::of_version(None)?;
    let mut agent = RawClient::login(&shop.agent())?;
    let mut dba = RawClient::login(&shop.dba())?;
    let again = [bind("", "s", &[]), execute("", 0), sync()];
    say(
        &mut agent,
        &[parse("s", "SELECT id, secret FROM moving"), parse("n", "SELECT name FROM people WHERE id = 1"), sync()],
        1,
    )?;
    assert_eq!(rows(&say(&mut agent, &again, 1)?), "1|[redacted]");
    let moved = dba.query(
        "DROP TABLE moving; CREATE TABLE moving (secret text, id int); INSERT INTO moving VALUES ('after', 2)",
    )?;
    assert_eq!(code(&moved), "", "{:?}", told(&moved));
    assert_eq!(rows(&say(&mut agent, &again, 1)?), "2|[redacted]");
    let named = [bind("", "n", &[]), execute("", 0), sync()];
    assert_eq!(rows(&say(&mut agent, &named, 1)?), "name 1");
    let stricter = shop::policy().replace("[\"id\", \"name\"]", "[\"id\"]");
    std::fs::write(shop.gateway.policy("shop"), stricter).unwrap();
    shop.gateway.command(&["reload"], "")?.ok()?;
    assert_eq!(rows(&say(&mut agent, &named, 1)?), "[redacted]");
    assert_eq!(rows(&agent.query("EXECUTE n")?), "[redacted]");
    Ok(())
}

#[test]
fn a_refusal_in_a_pipeline_fails_what_an_error_would_fail() -> Result<(), Error> {
    let shop = Shop::shared()?;
    let mut agent = RawClient::login(&shop.agent())?;
    let refused = "DELETE FROM items";
    let count = "SELECT count(*) FROM items WHERE id BETWEEN 40 AND 49";
    // The implicit transaction is rolled back on the server; what follows Sync runs; the answers keep their order.
    let implicit = [
        run("INSERT INTO items VALUES (40, 'lost')"),
        run("SELECT email FROM people WHERE id = 1"),
        run(refused),
        run("SELECT 1"),
        sync(),
        run("SELECT 2"),
        sync(),
    ];
    let answer = say(&mut agent, &implicit, 2)?;
    assert_eq!((tags(&answer).as_str(), code(&answer).as_str()), ("12C12DCEZ12DCZ", "42501"));
    assert_eq!((state(&answer), shop.truth(count).as_str()), ('I', "0\n"));
    // With a Query in the place of Sync.
    let simple = [run("INSERT INTO items VALUES (41, 'lost')"), query(refused)];
    let answer = say(&mut agent, &simple, 1)?;
    assert_eq!((tags(&answer).as_str(), state(&answer), shop.truth(count).as_str()), ("12CEZ", 'I', "0\n"));
    // An explicit transaction stays as it is, and what it has done.
    let explicit = [run("BEGIN"), run("INSERT INTO items VALUES (42, 'kept')"), run(refused), run("SELECT 1"), sync()];
    let answer = say(&mut agent, &explicit, 1)?;
    assert_eq!((tags(&answer).as_str(), state(&answer)), ("12C12CEZ", 'T'));
    let answer =
        say(&mut agent, &[run("INSERT INTO items VALUES (43, 'kept')"), sync(), query(refused), query("COMMIT")], 3)?;
    assert_eq!((tags(&answer).as_str(), state(&answer)), ("12CZEZCZ", 'I'));
    assert_eq!(shop.truth(count), "2\n");
    // A text with one refused part runs not at all.
    let answer = agent.query("INSERT INTO items VALUES (44, 'not run'); DELETE FROM items; SELECT 1")?;
    assert_eq!((tags(&answer).as_str(), shop.truth(count).as_str()), ("EZ", "2\n"));
    // Refused at Bind, because the name stands for something else by now; and the statement before it is undone.
    let bound = [
        parse("late", refused),
        sync(),
        run("INSERT INTO items VALUES (45, 'lost')"),
        bind("", "late", &[]),
        execute("", 0),
        sync(),
    ];
    let answer = say(&mut agent, &bound, 2)?;
    assert_eq!((code(&answer).as_str(), shop.truth(count).as_str()), ("42501", "2\n"));
    agent.query("DELETE FROM items WHERE id IN (42, 43)")?;
    Ok(())
}

#[test]
fn function_calls_are_refused_and_the_session_goes_on() -> Result<(), Error> {
    let shop = Shop::shared()?;
    let mut agent = RawClient::login(&shop.agent())?;
    // pg_sleep(float8) is function 2626; no arguments are needed to be refused.
    let call = message(b'F', &[2626_u32.to_be_bytes().to_vec(), vec![0, 0, 0, 0, 0, 0]].concat());
    agent.send(&call)?;
    let answer = agent.read_until(b'Z')?;
    assert_eq!((tags(&answer).as_str(), code(&answer).as_str()), ("EZ", "0A000"));
    assert_eq!(rows(&agent.query("SELECT 1")?), "1");
    Ok(())
}

#[test]
fn a_session_sent_byte_by_byte_is_a_session() -> Result<(), Error> {
    let shop = Shop::shared()?;
    let mut agent = RawClient::login(&shop.agent())?;
    let whole = [
        parse("", "SELECT email FROM people WHERE id = $1"),
        bind("", "", &["1"]),
        describe(b'P', ""),
        execute("", 0),
        sync(),
    ];
    agent.dribble(&whole.concat())?;
    assert_eq!(rows(&agent.read_until(b'Z')?), "u***@e***.com");
    agent.dribble(&query("SELECT ssn FROM people WHERE id = 1"))?;
    assert_eq!(rows(&agent.read_until(b'Z')?), "*******3001");
    Ok(())
}
