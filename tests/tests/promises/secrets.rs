//! No secret of the data, no password and no key lies in the log's files, in the gateway's own log, on its metrics page, or in what it tells clients.

use std::{
    fs,
    path::{Path, PathBuf},
};

use querygate_testkit::{Error, gateway::Gateway, wire};
use rocksdb::{DB, IteratorMode, Options};

use crate::stage::{POLICY, Stage, ask, code, extended, extended_typed, rows, secret};

/// What is in the masked columns, or is written, compared or bound to them.
const SECRETS: [&str; 12] = [
    "900-00-0007",
    "mail7@example.com",
    "literal-in-where-1",
    "bound-in-where-2",
    "literal-in-insert-3",
    "bound-in-insert-4",
    "binary-in-insert-5",
    "literal-in-update-6",
    "unparsable-7",
    "copied-in-8",
    "executed-9",
    "dba-literal-10",
];
/// Passwords in statements.
const PASSWORDS: [&str; 2] = ["made-Pa55-11", "changed-Pa55-12"];
/// What is no secret: it proves that the search finds what is there.
const VISIBLE: &str = "visible-marker-13";
const TEXT_OID: u32 = 25;

/// Everything that a secret may look like.
fn disguises(secret: &str) -> Vec<Vec<u8>> {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let wide = secret.bytes().flat_map(|byte| [byte, 0]).collect();
    vec![secret.as_bytes().to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes(), wide]
}

fn holds(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|part| part == needle)
}

fn assert_clean(place: &str, hay: &[u8], secrets: &[String]) {
    for secret in secrets {
        for form in disguises(secret) {
            assert!(!holds(hay, &form), "{secret} lies in {place} as {}", String::from_utf8_lossy(&form));
        }
    }
}

/// All files below a folder.
fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.is_file() {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
}

/// The log's databases: the first, and one for each event loop in a folder below it.
fn databases(log: &Path) -> Vec<PathBuf> {
    let below = fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path());
    let lanes: Vec<PathBuf> = below.filter(|path| path.join("CURRENT").exists()).collect();
    assert!(!lanes.is_empty(), "the event loops' databases are not where they are looked for");
    lanes.into_iter().chain([log.to_owned()]).collect()
}

/// All keys and values of one database of the log, as they are before they are compressed.
fn stored(folder: &Path) -> Vec<u8> {
    let options = Options::default();
    let families = DB::list_cf(&options, folder).unwrap();
    let database = DB::open_cf_for_read_only(&options, folder, &families, false).unwrap();
    let mut all = Vec::new();
    for family in &families {
        let handle = database.cf_handle(family).unwrap();
        for pair in database.iterator_cf(handle, IteratorMode::Start) {
            let (key, value) = pair.unwrap();
            all.extend_from_slice(&key);
            all.extend_from_slice(&value);
            all.push(0);
        }
    }
    all
}

/// Reads, compares, binds, writes and copies secrets in every way that a client has; returns all that came back.
fn whisper(stage: &Stage) -> Result<Vec<u8>, Error> {
    let mut told = Vec::new();
    let mut agent = stage.client("agent")?;
    let mut say = |client: &mut wire::RawClient, bytes: &[u8]| -> Result<String, Error> {
        client.send(bytes)?;
        let frames = client.read_until(b'Z')?;
        frames.iter().for_each(|frame| told.extend_from_slice(&frame.body));
        Ok(code(&frames))
    };
    let simple = wire::query;
    say(&mut agent, &simple(&format!("SELECT id FROM orders WHERE status = '{VISIBLE}'")))?;
    assert_eq!(say(&mut agent, &simple("SELECT * FROM customers ORDER BY id"))?, "");
    assert_eq!(say(&mut agent, &extended("SELECT email, ssn FROM customers WHERE id = $1", &[b"7"]))?, "");
    assert_ne!(say(&mut agent, &simple("SELECT id FROM customers WHERE ssn = 'literal-in-where-1'"))?, "");
    assert_ne!(say(&mut agent, &extended("SELECT id FROM customers WHERE ssn = $1", &[b"bound-in-where-2"]))?, "");
    let literal = "INSERT INTO customers (id, full_name, ssn) VALUES (101, 'Zoe', 'literal-in-insert-3')";
    assert_eq!(say(&mut agent, &simple(literal))?, "");
    assert_eq!(say(&mut agent, &simple(literal))?, "23505", "the key is taken: an error of the server");
    let insert = "INSERT INTO customers (id, full_name, ssn) VALUES (102, 'Yan', $1)";
    assert_eq!(say(&mut agent, &extended(insert, &[b"bound-in-insert-4"]))?, "");
    let insert = "INSERT INTO customers (id, full_name, email) VALUES (103, 'Xia', $1)";
    let binary = extended_typed(insert, &[TEXT_OID], 1, &[(1, b"binary-in-insert-5")]);
    assert_eq!(say(&mut agent, &binary)?, "");
    assert_eq!(say(&mut agent, &simple("UPDATE customers SET ssn = 'literal-in-update-6' WHERE id = 101"))?, "");
    assert_ne!(say(&mut agent, &simple("SELEC ssn FROM customers WHERE ssn = 'unparsable-7'"))?, "");
    assert_ne!(say(&mut agent, &simple("SELECT $$unparsable-7$$ FROM FROM customers"))?, "");
    assert_ne!(say(&mut agent, &simple("SELECT ssn FROM customers WHERE ssn = 'unparsable-7"))?, "");
    say(&mut agent, &simple("INSERT INTO customers (id, full_name, born) VALUES (104, 'Wim', 'literal-in-insert-3')"))?;
    say(&mut agent, &simple("PREPARE find(text) AS SELECT id FROM customers WHERE ssn = $1"))?;
    say(&mut agent, &simple("EXECUTE find('executed-9')"))?;
    say(
        &mut agent,
        &simple("PREPARE put(text) AS INSERT INTO customers (id, full_name, ssn) VALUES (105, 'Vic', $1)"),
    )?;
    say(&mut agent, &simple("EXECUTE put('executed-9')"))?;
    let mut dba = stage.client("dba")?;
    for sql in [
        "SELECT * FROM customers WHERE ssn = 'dba-literal-10' OR email = 'dba-literal-10'",
        "UPDATE customers SET email = 'dba-literal-10' WHERE id = 2",
        "INSERT INTO customers VALUES (110, 'Ute', 'dba-literal-10', 'dba-literal-10', NULL)",
    ] {
        dba.query(sql)?;
    }
    dba.send(&simple("COPY customers FROM STDIN"))?;
    dba.read_until(b'G')?;
    let copied = wire::message(b'd', b"120\tTom\tcopied-in-8\tcopied-in-8\t\\N\n");
    dba.send(&[copied, wire::message(b'c', b"")].concat())?;
    assert_eq!(code(&dba.read_until(b'Z')?), "");
    for sql in
        ["CREATE ROLE made_by_test PASSWORD 'made-Pa55-11'", "ALTER ROLE made_by_test PASSWORD 'changed-Pa55-12'"]
    {
        assert_ne!(say(&mut agent, &simple(sql))?, "", "{sql}");
    }
    let id = ask(&mut agent, &simple("UPDATE customers SET ssn = 'literal-in-update-6'"))?;
    let shown = stage.gateway.command(&["approvals", "show", &id, "--json"], "")?;
    stage.decide("deny", &id, "boss").ok()?;
    agent.read_until(b'Z')?;
    assert!(!shown.stdout.is_empty());
    Ok(told)
}

#[test]
fn no_secret_lies_in_the_log_its_files_or_anything_that_the_gateway_says() -> Result<(), Error> {
    let mut stage = Stage::open()?;
    let _ = stage.gateway.login("agent", "a-wrong-Pa55-14", "shop").psql(&["-c", "SELECT 1"], "")?;
    let told = whisper(&stage)?;
    let data: Vec<String> = SECRETS.iter().map(|secret| (*secret).to_owned()).collect();
    let mut secrets = data.clone();
    secrets.extend(PASSWORDS.map(str::to_owned));
    secrets.extend(["agent", "boss", "dba"].map(secret));
    secrets.push("a-wrong-Pa55-14".to_owned());
    secrets.push(querygate_testkit::postgres::ADMIN_PASSWORD.to_owned());

    assert_clean("what clients were told", &told, &secrets);
    assert_clean("the gateway's own log", stage.gateway.log().as_bytes(), &secrets);
    assert_clean("the metrics", stage.gateway.page("/metrics")?.1.as_bytes(), &secrets);
    for format in ["jsonl", "csv"] {
        let export = stage.gateway.command(&["log", "export", "--format", format], "")?.ok()?.stdout;
        assert!(export.contains(VISIBLE) && export.contains("Zoe"), "the {format} export lacks what is no secret");
        assert_clean(&format!("the {format} export"), export.as_bytes(), &secrets);
    }
    search_files(&stage.gateway, &secrets);
    stage.gateway.kill9()?;
    let log = stage.gateway.data().join("log");
    let values = databases(&log).iter().flat_map(|database| stored(database)).collect::<Vec<u8>>();
    assert!(holds(&values, VISIBLE.as_bytes()), "the search does not find what is there");
    assert_clean("the log's values", &values, &secrets);
    stage.gateway.resume()?;
    stage.gateway.stop()?;
    search_files(&stage.gateway, &secrets);
    Ok(())
}

fn search_files(gateway: &Gateway, secrets: &[String]) {
    let mut found = Vec::new();
    files(&gateway.data(), &mut found);
    assert!(found.iter().any(|(name, _)| name.contains("/log/")), "the log's files are not where they are looked for");
    for (name, bytes) in &found {
        assert_clean(name, bytes, secrets);
    }
}

#[test]
fn values_written_by_a_masked_role_arrive_although_the_log_keeps_only_their_hashes() -> Result<(), Error> {
    let stage = Stage::with(POLICY, |setup| setup)?;
    let mut agent = stage.client("agent")?;
    agent.query("INSERT INTO customers (id, full_name, ssn) VALUES (101, 'Zoe', '900-11-2222')")?;
    agent.send(&extended("UPDATE customers SET email = $1 WHERE id = 101", &[b"zoe@example.org"]))?;
    agent.read_until(b'Z')?;
    assert_eq!(stage.truth("SELECT ssn, email FROM customers WHERE id = 101"), "900-11-2222|zoe@example.org");
    assert_eq!(rows(&agent.query("SELECT ssn FROM customers WHERE id = 101")?), "*******2222");
    Ok(())
}
