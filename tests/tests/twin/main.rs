//! The masked twin: what the gateway sends of masked columns is, byte for byte, what the server sends of columns that hold the masked values.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

mod columns;

use std::fmt::Write as _;

use columns::{COLUMNS, Column, SHOWN, TYPES};
use querygate_testkit::{
    Error,
    gateway::Gateway,
    postgres::{self, Server},
    wire::{Frame, RawClient, message, query},
};

const DATABASE: &str = "twin";
/// 32 bytes, base64.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A column's name.
fn name(index: usize) -> String {
    format!("c{index}")
}

/// The table, its twin without constraints, and one row for each of value, other, NULL.
fn schema() -> String {
    let mut sql = TYPES.to_owned();
    let list = |text: &dyn Fn(&Column) -> String| COLUMNS.iter().map(text).collect::<Vec<_>>().join(", ");
    let definitions: Vec<_> = COLUMNS.iter().enumerate().map(|(n, c)| format!("{} {}", name(n), c.sql_type)).collect();
    write!(sql, "CREATE TABLE kinds (id int PRIMARY KEY, {});", definitions.join(", ")).unwrap();
    let null = |c: &Column| if c.sql_type == "age" { "0".to_owned() } else { "NULL".to_owned() };
    write!(sql, "INSERT INTO kinds VALUES (1, {});", list(&|c| c.value.to_owned())).unwrap();
    write!(sql, "INSERT INTO kinds VALUES (2, {});", list(&null)).unwrap();
    write!(sql, "INSERT INTO kinds VALUES (3, {});", list(&|c| c.other.to_owned())).unwrap();
    let loose: Vec<_> = COLUMNS.iter().enumerate().map(|(n, c)| format!("{} {}", name(n), loose(c.sql_type))).collect();
    write!(sql, "CREATE TABLE twins (id int PRIMARY KEY, {});", loose.join(", ")).unwrap();
    let masked = COLUMNS
        .iter()
        .enumerate()
        .map(|(n, c)| format!("(SELECT ({})::{} FROM (SELECT {} AS v) one)", c.twin, loose_cast(c), name(n)));
    write!(sql, "INSERT INTO twins SELECT id, {} FROM kinds;", masked.collect::<Vec<_>>().join(", ")).unwrap();
    sql
}

/// Fills the twin's columns that no expression makes with what the gateway shows of them: the server must take it as a value of the type.
fn fill(agent: &mut RawClient, direct: &mut RawClient) -> Result<(), Error> {
    let shown = data(&agent.query("SELECT * FROM kinds ORDER BY id")?, "the masked rows");
    let clear = data(&direct.query("SELECT * FROM kinds ORDER BY id")?, "the rows");
    for (row, fields) in shown.iter().enumerate() {
        for (n, column) in COLUMNS.iter().enumerate().filter(|(_, c)| c.twin == SHOWN && c.masker.contains("twin")) {
            let Some(value) = fields.get(n + 1).unwrap() else { continue };
            let same = clear.get(row).unwrap().get(n + 1).unwrap().as_ref() == Some(value);
            assert!(!same || value == b"{}", "{} {} shows its value", column.sql_type, column.masker);
            let text = String::from_utf8_lossy(value).replace('\'', "''");
            let sql = format!("UPDATE twins SET {} = '{text}' WHERE id = {}", name(n), row + 1);
            data(&direct.query(&sql)?, &sql);
        }
    }
    // COPY reads rows as they lie.
    let sql = "CREATE TABLE ordered AS SELECT * FROM twins ORDER BY id; DROP TABLE twins; ALTER TABLE ordered RENAME TO twins";
    data(&direct.query(sql)?, sql);
    Ok(())
}

/// A domain's base type: masked values need not satisfy its constraints.
fn loose(sql_type: &str) -> &str {
    match sql_type {
        "nick" => "varchar(9)",
        "age" => "int",
        other => other,
    }
}

fn loose_cast(column: &Column) -> &str {
    loose(column.sql_type)
}

fn policy() -> String {
    let mut text = format!("database = \"{DATABASE}\"\nconnect = [\"agent\"]\nunlisted_tables = \"clear\"\n");
    text.push_str("[table.\"public.kinds\"]\nclear = [\"id\"]\n");
    for (n, column) in COLUMNS.iter().enumerate() {
        writeln!(text, "mask.{} = {}", name(n), column.masker).unwrap();
    }
    text
}

/// The statement with its result in binary, in the extended protocol.
fn binary(sql: &str) -> Vec<u8> {
    let parse = message(b'P', &[b"\0", sql.as_bytes(), b"\0\0\0"].concat());
    let bind = message(b'B', b"\0\0\0\0\0\0\0\x01\0\x01");
    [parse, bind, message(b'E', b"\0\0\0\0\0"), message(b'S', b"")].concat()
}

/// The bodies of rows and COPY data of an answer, fields of rows apart.
fn data(frames: &[Frame], what: &str) -> Vec<Vec<Option<Vec<u8>>>> {
    let error = frames.iter().find(|f| f.tag == b'E');
    assert!(error.is_none(), "{what}: {:?} {:?}", error.and_then(|e| e.field(b'M')), error.and_then(|e| e.field(b'H')));
    frames
        .iter()
        .filter_map(|frame| match frame.tag {
            b'D' => Some(fields(&frame.body)),
            b'd' => Some(vec![Some(frame.body.clone())]),
            _ => None,
        })
        .collect()
}

fn fields(body: &[u8]) -> Vec<Option<Vec<u8>>> {
    let mut rest = body.get(2..).unwrap();
    let mut all = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(i32::from_be_bytes(*length)).ok();
        let (value, after) = after.split_at(length.unwrap_or(0));
        all.push(length.map(|_| value.to_vec()));
        rest = after;
    }
    all
}

/// What differs, in words: the column and both values.
fn differences(masked: &[Vec<Option<Vec<u8>>>], twin: &[Vec<Option<Vec<u8>>>]) -> Vec<String> {
    let mut found = Vec::new();
    assert_eq!(masked.len(), twin.len());
    for (row, (masked, twin)) in masked.iter().zip(twin).enumerate() {
        for (index, (a, b)) in masked.iter().zip(twin).enumerate().filter(|(_, (a, b))| a != b) {
            let column = index.checked_sub(1).and_then(|n| COLUMNS.get(n));
            let shown = |v: &Option<Vec<u8>>| v.as_ref().map(|v| String::from_utf8_lossy(v).escape_debug().to_string());
            let of = column.map(|c| format!("{} {}", c.sql_type, c.masker));
            found.push(format!("row {row} {of:?}: {:?} for {:?}", shown(a), shown(b)));
        }
    }
    found
}

#[test]
fn masked_columns_of_every_type_are_read_as_their_twin_is() -> Result<(), Error> {
    for version in postgres::versions() {
        let server = Server::setup().version(version).start()?;
        server.script("postgres", &format!("CREATE DATABASE {DATABASE} TEMPLATE template0;"))?;
        // Scales below zero came with Postgres 15.
        let schema = if version < 15 { schema().replace("numeric(5,-2)", "numeric(9)") } else { schema() };
        server.script(DATABASE, &schema)?;
        let gateway = Gateway::in_front_of(&server, DATABASE)
            .policy(DATABASE, &policy())
            .account("agent", &["agent"], "pw")
            .tables("[[key]]\nname = \"twin\"\nvalue = { env = \"QG_TWIN_KEY\" }\n")
            .environment("QG_TWIN_KEY", KEY)
            .start()?;
        let checked = gateway.command(&["check"], "")?;
        assert_eq!(checked.code, Some(0), "{}{}", checked.stdout, checked.stderr);
        let mut agent = RawClient::login(&gateway.login("agent", "pw", DATABASE))?;
        let mut direct = RawClient::login(&server.admin(DATABASE))?;
        fill(&mut agent, &mut direct)?;
        for settings in [
            "SET bytea_output = 'hex'",
            "SET bytea_output = 'escape'",
            "SET timezone = 'Asia/Kolkata'",
            "SET timezone = 'America/New_York'",
        ] {
            for client in [&mut agent, &mut direct] {
                client.query(settings)?;
            }
            for (form, binary_result) in [
                ("SELECT * FROM # ORDER BY id", false),
                ("SELECT * FROM # ORDER BY id", true),
                ("COPY # TO STDOUT", false),
                ("COPY # TO STDOUT (FORMAT csv)", false),
                ("COPY (SELECT * FROM #) TO STDOUT (FORMAT csv, FORCE_QUOTE *, HEADER)", false),
                ("COPY # TO STDOUT (FORMAT binary)", false),
                ("COPY (SELECT * FROM # ORDER BY id) TO STDOUT (FORMAT binary)", true),
            ] {
                let read = |client: &mut RawClient, table: &str| -> Result<_, Error> {
                    let sql = form.replace('#', table);
                    client.send(&if binary_result { binary(&sql) } else { query(&sql) })?;
                    Ok(data(&client.read_until(b'Z')?, &sql))
                };
                let masked = read(&mut agent, "kinds")?;
                let twin = read(&mut direct, "twins")?;
                assert!(masked.len() >= 3, "{form}");
                let found = differences(&masked, &twin);
                assert!(found.is_empty(), "Postgres {version}, {settings}, {form}:\n{}", found.join("\n"));
            }
        }
    }
    Ok(())
}

#[test]
fn keys_of_masks_show_nowhere() -> Result<(), Error> {
    let server = Server::start()?;
    server.script("postgres", &format!("CREATE DATABASE {DATABASE} TEMPLATE template0;"))?;
    server.script(DATABASE, "CREATE TABLE t (id int PRIMARY KEY, name text); INSERT INTO t VALUES (1, 'jane')")?;
    let policy = |key: &str| {
        format!(
            "database = \"{DATABASE}\"\nconnect = [\"agent\"]\nreviewers = [\"dba\"]\n\
             [table.\"public.t\"]\nclear = [\"id\"]\nmask.name = {{ hash = \"{key}\" }}\n"
        )
    };
    let gateway = Gateway::in_front_of(&server, DATABASE)
        .policy(DATABASE, &policy("twin"))
        .account("agent", &["agent"], "pw")
        .tables("[[key]]\nname = \"twin\"\nvalue = { env = \"QG_TWIN_KEY\" }\n")
        .environment("QG_TWIN_KEY", KEY)
        .start()?;
    let mut agent = RawClient::login(&gateway.login("agent", "pw", DATABASE))?;
    assert_eq!(data(&agent.query("SELECT name FROM t")?, "masked").len(), 1);
    let log = gateway.command(&["log", "search", "--json", "--limit", "0"], "")?;
    assert!(log.stdout.contains("hash = ") && log.stdout.contains("twin"), "the log names the key: {}", log.stdout);
    let explained =
        gateway.command(&["explain", "--database", DATABASE, "--as", "role:agent", "SELECT name FROM t"], "")?;
    // A policy that names a key which is not there is told so, by name.
    std::fs::write(gateway.policy(DATABASE), policy("twinn")).unwrap();
    let refused = gateway.command(&["check"], "")?;
    assert!(
        refused.stderr.contains("names the key \"twinn\"") && refused.stderr.contains("\"twin\"?"),
        "{}",
        refused.stderr
    );
    let all = [log.stdout, gateway.log(), explained.stdout, refused.stdout, refused.stderr].concat();
    let hex = "000102030405060708";
    for shown in [KEY, hex, "0, 1, 2, 3, 4, 5"] {
        assert!(!all.contains(shown), "{shown}");
    }
    Ok(())
}
