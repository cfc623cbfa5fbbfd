//! Invariant 5, non-interference: two databases that differ only in what is masked look the same through the gateway.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test says what went wrong by failing"
)]

mod mysql;
mod postgres;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

const AGENT: &str = "agent";
const SECRET: &str = "two-worlds-secret";
const WORLDS: [&str; 2] = ["shop_a", "shop_b"];
/// Other secrets than the examples have, so that nothing can be made to fit them.
const SALT: &str = "querygate-tests";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("two_worlds")
}

fn python(script: &str) -> Command {
    let mut command = Command::new(std::env::var_os("QUERYGATE_PYTHON").unwrap_or_else(|| "python3".into()));
    command.arg(folder().join(script)).env("QG_WORLD_SALT", SALT).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Runs the cases of a file, and returns the summary that the runner writes to a file.
fn summary(mut runner: Command, cases: &str, file: &Path, log: impl Fn() -> String) -> Value {
    runner.arg("--cases").arg(folder().join(cases)).arg("--summary").arg(file);
    let ran = runner.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    println!("{stdout}");
    let text =
        fs::read_to_string(file).unwrap_or_else(|_| panic!("the runner stopped:\n{stdout}\n{stderr}\n{}", log()));
    serde_json::from_str(&text).unwrap()
}

fn count(summary: &Value, result: &str) -> u64 {
    summary["totals"][result].as_u64().unwrap_or(0)
}

/// The cases with one of these results, with what the runner says of them.
fn named(summary: &Value, results: &[&str]) -> Vec<String> {
    let bad = summary["bad"].as_array().into_iter().flatten();
    let chosen = bad.filter(|case| results.iter().any(|result| case["result"] == *result));
    chosen.map(|case| format!("{} {} {}", case["id"], case["result"], case["why"])).collect()
}

/// Attacks were run, and none told the worlds apart.
fn assert_no_leak(summary: &Value, what: &str) {
    assert!(count(summary, "denied") + count(summary, "masked") > 0, "no attack was run: {summary}");
    let wrong = named(summary, &["leak", "unstable", "hang", "invalid"]);
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}

/// Attacks were run, past the gateway, and all succeeded.
fn assert_real(summary: &Value, what: &str) {
    assert!(count(summary, "valid") > 0, "no attack was run: {summary}");
    let wrong = named(summary, &["invalid", "unstable", "hang"]);
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}

/// The harmless sessions of some files: none was answered wrongly, and at least as many pass as did before.
fn assert_floor(summaries: &[Value], server: &str) {
    let text = fs::read_to_string(folder().join("floor.toml")).unwrap();
    let floor: toml::Table = toml::from_str(&text).unwrap();
    let least = floor["pass"].get(server).and_then(toml::Value::as_integer).unwrap();
    let wrong: Vec<String> = summaries.iter().flat_map(|s| named(s, &["wrong", "invalid"])).collect();
    assert!(wrong.is_empty(), "{server}:\n{}", wrong.join("\n"));
    let passed: u64 = summaries.iter().map(|s| count(s, "pass")).sum();
    let refused: Vec<String> = summaries.iter().flat_map(|s| named(s, &["refused"])).collect();
    println!("{server}: {passed} harmless sessions pass, the floor is {least}");
    assert!(
        i64::try_from(passed).unwrap() >= least,
        "{server}: only {passed} harmless sessions pass, and {least} did before. Refused:\n{}",
        refused.join("\n")
    );
}
