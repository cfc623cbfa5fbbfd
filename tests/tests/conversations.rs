//! Conversations that concern no mask: message for message what the server itself answers.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use querygate_testkit::{
    Error,
    wire::{RawClient, query},
};

mod shop;

use shop::{
    Shop,
    messages::{
        bind, bind_as, close, copy_data, copy_done, copy_fail, describe, execute, flush, parse, run, say, sync, told,
    },
};

/// Conversations about what is masked from nobody, and how many ReadyForQuery each gets.
fn conversations() -> Vec<(&'static str, Vec<Vec<u8>>, usize)> {
    let select = "SELECT id, status FROM orders WHERE id = $1";
    let all = "SELECT id FROM orders WHERE id < 6 ORDER BY id";
    vec![
        ("an empty query", vec![query("")], 1),
        ("only a comment", vec![query("-- nothing")], 1),
        ("semicolons", vec![query(";;SELECT 1;;")], 1),
        (
            "an empty statement",
            vec![parse("", ""), describe(b'S', ""), bind("", "", &[]), describe(b'P', ""), execute("", 0), sync()],
            1,
        ),
        ("several statements", vec![query("SELECT 1; SELECT id FROM orders WHERE id = 2; SELECT 3")], 1),
        ("an error among several", vec![query("SELECT 1; SELECT 1 / 0; SELECT 2")], 1),
        ("a transaction in one text", vec![query("BEGIN; INSERT INTO items VALUES (1, 'a'); ROLLBACK")], 1),
        (
            "an error ends an implicit transaction",
            vec![query("INSERT INTO items VALUES (1, 'a'); SELECT 1 / 0"), query("SELECT count(*) FROM items")],
            2,
        ),
        (
            "a failed transaction",
            vec![query("BEGIN"), query("SELECT 1 / 0"), query("SELECT 1"), query("COMMIT"), query("SELECT 2")],
            5,
        ),
        ("warnings", vec![query("COMMIT"), query("BEGIN"), query("BEGIN"), query("ROLLBACK"), query("ROLLBACK")], 5),
        ("Sync alone", vec![sync(), sync()], 2),
        ("Flush alone", vec![flush(), flush(), sync()], 1),
        (
            "everything described",
            vec![
                parse("a", select),
                describe(b'S', "a"),
                bind("p", "a", &["3"]),
                describe(b'P', "p"),
                execute("p", 0),
                close(b'P', "p"),
                close(b'S', "a"),
                sync(),
            ],
            1,
        ),
        ("binary", vec![parse("", select), bind_as(1, "", "", &["3"]), describe(b'P', ""), execute("", 0), sync()], 1),
        (
            "a statement bound twice",
            vec![
                parse("b", select),
                bind("", "b", &["1"]),
                execute("", 0),
                bind("", "b", &["2"]),
                execute("", 0),
                close(b'S', "b"),
                sync(),
            ],
            1,
        ),
        ("Execute twice", vec![parse("", all), bind("", "", &[]), execute("", 0), execute("", 0), sync()], 1),
        (
            "suspended",
            vec![
                parse("", all),
                bind("", "", &[]),
                execute("", 2),
                execute("", 2),
                execute("", 2),
                execute("", 2),
                sync(),
            ],
            1,
        ),
        (
            "a portal ends with its implicit transaction",
            vec![parse("", all), bind("q", "", &[]), execute("q", 2), sync(), execute("q", 2), sync()],
            2,
        ),
        (
            "a portal lives with its explicit transaction",
            vec![
                query("BEGIN"),
                parse("", all),
                bind("q", "", &[]),
                execute("q", 2),
                sync(),
                execute("q", 2),
                sync(),
                query("ROLLBACK"),
            ],
            4,
        ),
        (
            "the unnamed portal ends with the next Bind",
            vec![parse("", all), bind("", "", &[]), execute("", 1), bind("", "", &[]), execute("", 0), sync()],
            1,
        ),
        (
            "a simple query ends the unnamed statement",
            vec![parse("", "SELECT 1"), sync(), query("SELECT 2"), bind("", "", &[]), sync()],
            3,
        ),
        ("unknown statement", vec![bind("", "nothing", &[]), sync()], 1),
        ("unknown unnamed statement", vec![bind("", "", &[]), sync()], 1),
        ("unknown portal", vec![execute("nothing", 0), sync()], 1),
        ("unknown statement described", vec![describe(b'S', "nothing"), sync()], 1),
        ("unknown portal described", vec![describe(b'P', "nothing"), sync()], 1),
        ("unknown names closed", vec![close(b'S', "nothing"), close(b'P', "nothing"), sync()], 1),
        ("a closed statement", vec![parse("c", "SELECT 1"), close(b'S', "c"), bind("", "c", &[]), sync()], 1),
        (
            "a closed portal",
            vec![parse("", "SELECT 1"), bind("r", "", &[]), close(b'P', "r"), execute("r", 0), sync()],
            1,
        ),
        ("a name twice", vec![parse("d", "SELECT 1"), parse("d", "SELECT 2"), sync(), close(b'S', "d"), sync()], 2),
        ("a portal's name twice", vec![parse("", "SELECT 1"), bind("s", "", &[]), bind("s", "", &[]), sync()], 1),
        ("too few values", vec![parse("", select), bind("", "", &[]), execute("", 0), sync()], 1),
        ("a value that is none", vec![parse("", select), bind("", "", &["many"]), execute("", 0), sync()], 1),
        ("two statements prepared as one", vec![parse("", "SELECT 1; SELECT 2"), sync()], 1),
        (
            "an error skips to Sync",
            vec![run("SELECT 1 / 0"), run("SELECT 1"), sync(), run("SELECT 2"), sync()].into_iter().collect(),
            2,
        ),
        (
            "an error undoes the batch",
            vec![
                run("INSERT INTO items VALUES (2, 'b')"),
                run("SELECT 1 / 0"),
                sync(),
                query("SELECT count(*) FROM items"),
            ],
            2,
        ),
        (
            "a statement survives an error after it",
            vec![
                parse("e", "SELECT 7"),
                run("SELECT 1 / 0"),
                sync(),
                bind("", "e", &[]),
                execute("", 0),
                close(b'S', "e"),
                sync(),
            ],
            2,
        ),
        ("Flush brings the answers", vec![run("SELECT 1"), flush(), run("SELECT 2"), flush(), sync()], 1),
        (
            "BEGIN and COMMIT in a pipeline",
            vec![
                run("BEGIN"),
                run("INSERT INTO items VALUES (3, 'c')"),
                run("ROLLBACK"),
                run("SELECT count(*) FROM items"),
                sync(),
            ],
            1,
        ),
        ("a query in a pipeline", vec![run("SELECT 1"), query("SELECT 2"), sync()], 2),
        (
            "SQL's own names",
            vec![
                query("PREPARE f AS SELECT 8"),
                bind("", "f", &[]),
                execute("", 0),
                sync(),
                query("EXECUTE f"),
                query("DEALLOCATE f"),
                query("EXECUTE f"),
            ],
            5,
        ),
        (
            "a protocol statement by SQL's name",
            vec![
                parse("g", "SELECT 9"),
                sync(),
                query("EXECUTE g"),
                query("DEALLOCATE ALL"),
                bind("", "g", &[]),
                sync(),
            ],
            4,
        ),
        (
            "a cursor",
            vec![
                query("BEGIN; DECLARE h CURSOR FOR SELECT id FROM orders ORDER BY id"),
                query("FETCH 2 FROM h"),
                execute("h", 2),
                sync(),
                query("CLOSE h; FETCH h"),
                query("ROLLBACK"),
            ],
            5,
        ),
        (
            "settings are told",
            vec![
                query("SET application_name = 'x'"),
                query("SET TimeZone = 'Europe/Berlin'"),
                query("RESET TimeZone"),
                query("SET application_name = ''"),
            ],
            4,
        ),
        ("COPY out", vec![query("COPY (SELECT id FROM orders WHERE id < 4 ORDER BY id) TO STDOUT")], 1),
        ("COPY out, prepared", vec![run("COPY (SELECT id FROM orders WHERE id < 4 ORDER BY id) TO STDOUT"), sync()], 1),
        (
            "COPY in",
            vec![
                query("BEGIN"),
                query("COPY items FROM STDIN"),
                copy_data("1\to"),
                copy_data("ne\n2\ttwo\n"),
                copy_done(),
                query("SELECT * FROM items ORDER BY id"),
                query("ROLLBACK"),
            ],
            4,
        ),
        (
            "COPY in, given up",
            vec![
                query("COPY items FROM STDIN"),
                copy_data("1\tone\n"),
                copy_fail("enough"),
                query("SELECT count(*) FROM items"),
            ],
            2,
        ),
        (
            "COPY in, refused by the server",
            vec![
                query("COPY items FROM STDIN"),
                copy_data("one\tone\n"),
                copy_data("2\ttwo\n"),
                copy_done(),
                query("SELECT count(*) FROM items"),
            ],
            2,
        ),
        (
            "COPY in, prepared",
            vec![
                query("BEGIN"),
                run("COPY items FROM STDIN"),
                copy_data("1\tone\n"),
                copy_done(),
                sync(),
                query("SELECT * FROM items"),
                query("ROLLBACK"),
            ],
            4,
        ),
        (
            "COPY in, prepared and given up",
            vec![
                run("COPY items FROM STDIN"),
                copy_data("1\tone\n"),
                copy_fail("enough"),
                run("SELECT 1"),
                sync(),
                query("SELECT 2"),
            ],
            2,
        ),
        (
            "COPY in among several",
            vec![
                query("BEGIN; COPY items FROM STDIN; SELECT count(*) FROM items; ROLLBACK"),
                copy_data("1\tone\n"),
                copy_done(),
            ],
            1,
        ),
        (
            "a savepoint before a setting in one text",
            vec![
                query("BEGIN; SAVEPOINT a; SET search_path = other; SELECT label FROM items"),
                query("ROLLBACK TO a"),
                query("SELECT count(*) FROM items"),
                query("ROLLBACK"),
            ],
            4,
        ),
        ("COPY data out of place", vec![copy_data("1\tone\n"), copy_done(), query("SELECT 1")], 1),
        (
            "two-phase names",
            vec![
                query("SAVEPOINT a"),
                query("BEGIN"),
                query("SAVEPOINT a"),
                query("SELECT 1 / 0"),
                query("ROLLBACK TO a"),
                query("SELECT 1"),
                query("RELEASE a"),
                query("COMMIT"),
            ],
            8,
        ),
    ]
}

#[test]
fn what_is_masked_from_nobody_is_answered_as_by_the_server_itself() -> Result<(), Error> {
    let shop = Shop::shared()?;
    let mut wrong = Vec::new();
    for (name, messages, ready) in conversations() {
        let direct = told(&say(&mut RawClient::login(&shop.direct())?, &messages, ready)?);
        for target in [shop.dba(), shop.agent()] {
            let mut client = RawClient::login(&target)?;
            let through =
                say(&mut client, &messages, ready).map(|frames| told(&frames)).unwrap_or_else(|e| vec![e.to_string()]);
            if through != direct {
                wrong.push(format!("{name}, as {}:\n  direct  {direct:#?}\n  through {through:#?}", target.user));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}
