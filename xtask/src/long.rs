//! `cargo xtask long NAME`: what takes too long for every change, with its results kept under `benches/results`.

use std::{fs, path::PathBuf, time::Instant};

use crate::{environment, error::Error, fuzz, prepare, run};

/// Interleavings of the session's simulation.
const INTERLEAVINGS: u32 = 1_000_000;
/// Seconds for each fuzzer.
const FUZZ_SECONDS: u32 = 600;
const USAGE: &str = "cargo xtask long simulation | fuzz [TARGET] | soak [--minutes N]";

/// Runs the named one.
pub fn run(arguments: &[String]) -> Result<(), Error> {
    let (name, rest) = arguments.split_first().ok_or_else(|| Error::Usage(format!("long wants a name: {USAGE}")))?;
    match (name.as_str(), rest) {
        ("simulation", []) => simulation(),
        ("fuzz", []) => fuzzers(None),
        ("fuzz", [target]) => fuzzers(Some(target)),
        ("soak", rest) => soak(rest),
        _ => Err(Error::Usage(format!("long does not know that: {USAGE}"))),
    }
}

fn simulation() -> Result<(), Error> {
    let prepared = prepare::for_build()?;
    let (started, count) = (Instant::now(), INTERLEAVINGS.to_string());
    let mut cargo = prepared.cargo();
    cargo.args(["test", "--release", "--locked", "--package", "querygate-session", "--test", "simulation"]);
    cargo.args(["--", "every_interleaving_keeps_the_promises"]).env("QUERYGATE_INTERLEAVINGS", &count);
    if !run::openly(&mut cargo)?.success() {
        return Err(Error::Failed("an interleaving breaks a promise; its seed and trace are above".to_owned()));
    }
    keep("simulation", &format!("\"interleavings\": {count},\n  \"broken_promises\": 0"), started)
}

fn fuzzers(target: Option<&str>) -> Result<(), Error> {
    let prepared = prepare::for_build()?;
    let started = Instant::now();
    fuzz::all(&prepared, target, FUZZ_SECONDS)?;
    let name = target.map_or("fuzz".to_owned(), |target| format!("fuzz-{target}"));
    let facts =
        format!("\"fuzzers\": {},\n  \"seconds_each\": {FUZZ_SECONDS},\n  \"findings\": 0", fuzz::count(target));
    keep(&name, &facts, started)
}

fn soak(arguments: &[String]) -> Result<(), Error> {
    let mut prepared = prepare::for_demo()?;
    let gateway = prepared.cache.target().join("release/querygate");
    prepared.environment.push(environment::pair("QUERYGATE_BIN", gateway));
    prepared.environment.push(environment::pair("QUERYGATE_RESULT", result("soak")));
    let build = ["build", "--locked", "--release", "--package", "querygate"];
    let soak = ["run", "--locked", "--package", "querygate-tests", "--example", "soak", "--"].map(str::to_owned);
    for command in [build.map(str::to_owned).to_vec(), [&soak[..], arguments].concat()] {
        if !run::openly(prepared.cargo().args(command))?.success() {
            return Err(Error::Failed("the soak did not end well; see above".to_owned()));
        }
    }
    Ok(())
}

fn result(name: &str) -> PathBuf {
    environment::workspace().join("benches/results").join(format!("long-{name}.json"))
}

fn keep(name: &str, facts: &str, started: Instant) -> Result<(), Error> {
    let (file, seconds) = (result(name), started.elapsed().as_secs());
    let command = name.replacen('-', " ", 1);
    let text =
        format!("{{\n  \"command\": \"cargo xtask long {command}\",\n  {facts},\n  \"seconds\": {seconds}\n}}\n");
    fs::write(&file, text).map_err(|source| Error::io("write", &file, source))
}
