use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use querygate_testkit::{Error, Ran, gateway};
use serde_json::Value;

use crate::shop::{Shop, assert_refused};

/// A number of the shop's data.
const SSN: &str = "937-63-7919";
/// An Ed25519 key of somebody else (RFC 8410, section 10.1).
const OTHER_KEY: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

/// A shop in which agent and DBA have done something.
fn used() -> Result<Shop, Error> {
    let shop = Shop::open()?;
    shop.query("agent", "SELECT full_name, ssn FROM customers WHERE id = 1")?.ok()?;
    shop.query("dba", "SELECT full_name, ssn FROM customers WHERE id = 1")?.ok()?;
    shop.query("agent", &format!("SELECT id FROM customers WHERE ssn = '{SSN}'"))?;
    shop.query("agent", "SELECT count(*) FROM orders")?.ok()?;
    Ok(shop)
}

fn subjects(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["subject"].as_str().unwrap_or_default()).collect()
}

fn public_key(shop: &Shop) -> String {
    let keys = fs::read_dir(shop.gateway.data().join("keys")).unwrap();
    let mut paths = keys.map(|entry| entry.unwrap().path().to_str().unwrap().to_owned());
    paths.find(|path| path.ends_with(".pub.pem")).unwrap()
}

#[test]
fn a_search_answers_what_an_access_review_asks() -> Result<(), Error> {
    let shop = used()?;
    let ask = |conditions: &[&str]| shop.json_lines(&[&["log", "search", "--json"], conditions].concat());
    let touched = ask(&["--column", "customers.ssn"]);
    assert_eq!(subjects(&touched), ["agent", "dba", "agent"]);
    assert_eq!(subjects(&ask(&["--column", "ssn", "--masked", "false", "--verdict", "allow"])), ["dba"]);
    assert_eq!(subjects(&ask(&["--table", "customers", "--verdict", "block"])), ["agent"]);
    assert_eq!(ask(&["--subject", "agent", "--effect", "read", "--since", "1h"]).len(), 3);
    assert!(ask(&["--until", "1h"]).is_empty() && ask(&["--database", "other"]).is_empty());
    let newest = ask(&["--newest-first", "--text", "COUNT", "--limit", "1"]);
    assert_eq!(newest[0]["text"], "SELECT count(*) FROM orders");
    let session = touched[0]["session"].as_str().unwrap();
    assert!(ask(&["--session", session]).iter().all(|row| row["session"] == session));
    let shown = shop.run(&["log", "search", "--column", "ssn"]);
    assert!(shown.stdout.contains("agent@shop") && shown.stdout.contains("ssn={ keep_last = "), "{shown:?}");
    assert!(!shown.stdout.contains(SSN), "a masked column's literal is in the log: {shown:?}");
    Ok(())
}

#[test]
fn what_the_gateway_asks_by_itself_shows_only_when_it_is_wanted() -> Result<(), Error> {
    let shop = used()?;
    let own = |rows: &[Value]| rows.iter().any(|row| row["origin"] == "gateway" && row["kind"] == "statement");
    assert!(!own(&shop.json_lines(&["log", "search", "--json"])));
    assert!(own(&shop.json_lines(&["log", "search", "--json", "--all"])));
    Ok(())
}

#[test]
fn show_tells_all_of_one_statement() -> Result<(), Error> {
    let shop = used()?;
    let row = &shop.json_lines(&["log", "search", "--json", "--text", "count"])[0];
    let id = format!("{}/{}", row["session"].as_str().unwrap(), row["statement"]);
    let whole = shop.json(&["log", "show", &id, "--json"]);
    assert_eq!((&whole[0]["text"], &whole[0]["rows"]), (&row["text"], &1.into()));
    let words = shop.run(&["log", "show", &id]).stdout;
    for part in ["SELECT count(*) FROM orders", "default: read", "agent, roles agent", "public.orders", &id] {
        assert!(words.contains(part), "{part:?} is missing in {words}");
    }
    let session = row["session"].as_str().unwrap();
    assert_refused(&shop.run(&["log", "show", &format!("{session}/999")]), 1, &["999"]);
    assert_refused(&shop.run(&["log", "show", "nonsense"]), 2, &["nonsense"]);
    Ok(())
}

#[test]
fn tail_shows_the_newest_and_follows() -> Result<(), Error> {
    let shop = used()?;
    let newest = shop.json_lines(&["log", "tail", "-n", "2", "--text", "customers", "--json"]);
    assert_eq!(subjects(&newest), ["dba", "agent"]);
    let mut command = Command::new(gateway::binary()?);
    command.current_dir(shop.gateway.folder()).args([
        "log",
        "tail",
        "-f",
        "-n",
        "1",
        "--json",
        "--subject",
        "dba",
        "--text",
        "SELECT",
    ]);
    let temporary = tempfile::tempdir().unwrap();
    let mut follower = command.env("TMPDIR", temporary.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    // The one from before shows that it follows.
    let first = lines.next();
    let queries = [("agent", "SELECT 'not this one'"), ("dba", "SELECT 'this one'")];
    let ran = queries.map(|(account, sql)| shop.query(account, sql).and_then(Ran::ok));
    let next = ran.iter().all(Result::is_ok).then(|| lines.next());
    Command::new("sh").args(["-c", &format!("kill -s INT {}", follower.id())]).status().unwrap();
    let ended = follower.wait().unwrap();
    assert!(ended.success(), "{ended}");
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "something is left in the temporary folder");
    assert!(first.unwrap().unwrap().contains("ssn"));
    let next: Value = serde_json::from_str(&next.flatten().unwrap().unwrap()).unwrap();
    assert_eq!((&next["text"], &next["status"]), (&"SELECT 'this one'".into(), &"ok".into()));
    Ok(())
}

#[test]
fn the_log_reads_the_same_when_no_gateway_runs() -> Result<(), Error> {
    let mut shop = used()?;
    let search = ["log", "search", "--json", "--table", "customers"];
    let running = shop.json_lines(&search);
    shop.gateway.stop()?;
    assert_eq!(shop.json_lines(&search), running);
    let out = shop.gateway.folder().join("offline.jsonl");
    assert_eq!(shop.run(&["log", "export", "--out", out.to_str().unwrap()]).code, Some(0));
    assert!(fs::read_to_string(out).unwrap().lines().count() > running.len());
    let key = public_key(&shop);
    assert_eq!(shop.json(&["log", "verify", "--public-key", &key, "--json"])["unsigned"], 0);
    let before = shop.run(&["log", "checkpoint"]);
    assert_eq!(before.code, Some(0), "{before:?}");
    Ok(())
}

#[test]
fn an_export_has_every_entry_and_is_its_owners_alone() -> Result<(), Error> {
    let shop = used()?;
    let all = shop.json_lines(&["log", "export"]);
    let kinds: Vec<&str> = all.iter().map(|row| row["kind"].as_str().unwrap()).collect();
    for kind in ["loaded", "session_opened", "statement", "session_closed"] {
        assert!(kinds.contains(&kind), "no {kind} in {kinds:?}");
    }
    let out = shop.gateway.folder().join("log.csv");
    let path = out.to_str().unwrap();
    let written =
        shop.run(&["log", "export", "--format", "csv", "--out", path, "--subject", "agent", "--effect", "read"]);
    assert_eq!((written.code, written.stderr.contains("3 rows written")), (Some(0), true), "{written:?}");
    let text = fs::read_to_string(&out).unwrap();
    assert!(text.starts_with("kind,time,") && text.contains("SELECT count(*) FROM orders"), "{text}");
    assert!(!text.contains(SSN));
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
    assert_refused(&shop.run(&["log", "export", "--out", "/nowhere/log"]), 2, &["/nowhere/log"]);
    assert_refused(&shop.run(&["log", "export", "--format", "xml"]), 2, &["xml", "jsonl"]);
    Ok(())
}

#[test]
fn verify_finds_a_log_that_was_set_back_by_a_checkpoint_kept_elsewhere() -> Result<(), Error> {
    let mut shop = used()?;
    let key = public_key(&shop);
    let verify = |shop: &Shop, more: &[&str]| shop.run(&[&["log", "verify", "--public-key", &key], more].concat());
    assert_eq!(verify(&shop, &[]).code, Some(0), "{:?}", verify(&shop, &[]));
    shop.gateway.stop()?;
    let (log, copy) = (shop.gateway.data().join("log"), shop.gateway.folder().join("yesterday"));
    copy_folder(&log, &copy);
    shop.gateway.resume()?;
    shop.query("dba", "SELECT * FROM customers")?.ok()?;
    let kept = shop.gateway.folder().join("checkpoint.json");
    let signed = shop.run(&["log", "checkpoint"]);
    assert_eq!(signed.code, Some(0), "{signed:?}");
    fs::write(&kept, signed.stdout).unwrap();
    let since = ["--since-checkpoint", kept.to_str().unwrap()];
    assert_eq!(verify(&shop, &since).code, Some(0), "{:?}", verify(&shop, &since));
    shop.gateway.stop()?;
    fs::remove_dir_all(&log).unwrap();
    fs::rename(&copy, &log).unwrap();
    assert_eq!(verify(&shop, &[]).code, Some(0), "by itself, yesterday's log is whole");
    assert_refused(&verify(&shop, &since), 1, &["FAILED"]);
    let json = verify(&shop, &[&since[..], &["--json"]].concat());
    assert_eq!(json.code, Some(1));
    assert_eq!(serde_json::from_str::<Value>(&json.stdout).unwrap()["ok"], false);
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        let copy = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &copy);
        } else {
            fs::copy(&path, copy).unwrap();
        }
    }
}

#[test]
fn verify_believes_no_other_key_and_no_other_file() -> Result<(), Error> {
    let shop = used()?;
    let write = |name: &str, text: &str| {
        let path = shop.gateway.folder().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (key, other, junk) = (public_key(&shop), write("other.pem", OTHER_KEY), write("junk", "junk"));
    assert_refused(&shop.run(&["log", "verify", "--public-key", &other]), 1, &["FAILED"]);
    assert_refused(&shop.run(&["log", "verify", "--public-key", &junk]), 2, &["junk", "public key"]);
    assert_refused(&shop.run(&["log", "verify", "--public-key", "/nowhere"]), 2, &["/nowhere"]);
    assert_refused(&shop.run(&["log", "verify"]), 2, &["--public-key"]);
    let checkpoint = ["log", "verify", "--public-key", &key, "--since-checkpoint", &junk];
    assert_refused(&shop.run(&checkpoint), 2, &["junk", "log checkpoint"]);
    let signed = write("signed.json", &shop.run(&["log", "checkpoint"]).stdout);
    let foreign = ["log", "verify", "--public-key", &other, "--since-checkpoint", &signed];
    assert_refused(&shop.run(&foreign), 1, &["signed by none"]);
    Ok(())
}

#[test]
fn a_question_that_makes_no_sense_is_refused_with_a_remedy() -> Result<(), Error> {
    let shop = Shop::open()?;
    assert_refused(&shop.run(&["log", "search", "--since", "yesterday"]), 2, &["yesterday", "2h"]);
    assert_refused(&shop.run(&["log", "search", "--effect", "destroy"]), 2, &["destroy"]);
    assert_refused(&shop.run(&["log", "search", "--verdict", "maybe"]), 2, &["maybe", "allow"]);
    assert_refused(&shop.run(&["log", "search", "--since", "1h", "--until", "2h"]), 2, &["--since", "--until"]);
    fs::write(shop.gateway.folder().join("querygate.toml"), "data_dir = \"elsewhere\"\n").unwrap();
    assert_refused(&shop.run(&["log", "search"]), 2, &["elsewhere", "there is no log", "querygate serve"]);
    Ok(())
}

#[test]
fn a_reader_that_goes_away_is_no_error() -> Result<(), Error> {
    let shop = used()?;
    let binary = gateway::binary()?;
    let piped = format!(
        "'{}' log search --all | head -n 1 > head; test \"${{PIPESTATUS[0]}}\" = 0 && test -s head",
        binary.display()
    );
    let ran = Command::new("bash").current_dir(shop.gateway.folder()).args(["-c", &piped]).status().unwrap();
    assert!(ran.success());
    Ok(())
}
