//! `cargo xtask fuzz`: libFuzzer on the stable toolchain, seeded with captured exchanges, crashes kept as regressions.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    cache::{self, Cache},
    environment,
    error::Error,
    machine::file_name,
    prepare::{self, Prepared},
    run,
};

/// Seconds for each fuzzer where none are named.
pub const DEFAULT_SECONDS: u32 = 20;
/// The longest input that is tried, in bytes: one large message.
const LONGEST_INPUT: u32 = 64 * 1024;
/// A single input that takes longer than this many seconds is a finding.
const SLOWEST_INPUT_SECONDS: u32 = 10;
/// What cargo-fuzz would pass on a nightly toolchain, without the sanitisers, which stable doesn't have.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Ccodegen-units=1 -Cdebug-assertions -Coverflow-checks";

/// `cargo xtask fuzz [TARGET] [--seconds N]`.
pub fn run(arguments: &[String]) -> Result<(), Error> {
    let (target, seconds) = parse(arguments)?;
    let prepared = prepare::for_build()?;
    all(&prepared, target.as_deref(), seconds)
}

fn parse(arguments: &[String]) -> Result<(Option<String>, u32), Error> {
    let (mut target, mut seconds) = (None, DEFAULT_SECONDS);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--seconds" {
            let value = rest.next().and_then(|value| value.parse().ok());
            seconds = value.ok_or_else(|| Error::Usage("--seconds wants a whole number".to_owned()))?;
        } else if argument.starts_with('-') || target.is_some() {
            return Err(Error::Usage(format!(
                "fuzz does not know `{argument}`: cargo xtask fuzz [TARGET] [--seconds N]"
            )));
        } else {
            target = Some(argument.clone());
        }
    }
    Ok((target, seconds))
}

/// Builds and runs every fuzzer, or the one named.
pub fn all(prepared: &Prepared, only: Option<&str>, seconds: u32) -> Result<(), Error> {
    let package = environment::workspace().join("fuzz");
    let targets = targets(only);
    if targets.is_empty() {
        return Err(Error::Usage(
            only.map_or("there are no fuzzers".to_owned(), |name| format!("there is no fuzzer `{name}`")),
        ));
    }
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let folder = prepared.cache.root().join("fuzz");
    // The fuzzers read with what ships: their lock file is the workspace's, to which cargo adds the fuzzing library.
    let lock = environment::workspace().join("Cargo.lock");
    fs::copy(&lock, package.join("Cargo.lock")).map_err(|source| Error::io("copy", &lock, source))?;
    let mut build = prepared.cargo();
    build.current_dir(&package).env("RUSTFLAGS", FLAGS).env("CARGO_TARGET_DIR", folder.join("target"));
    build.args(["build", "--release", "--bins", "--target", &triple]);
    if !run::openly(&mut build)?.success() {
        return Err(Error::Failed("the fuzzers did not build; cargo says why above".to_owned()));
    }
    let programs = folder.join("target").join(&triple).join("release");
    let mut crashed = Vec::new();
    for target in &targets {
        if !one(&prepared.cache, &programs.join(target), target, seconds)? {
            crashed.push(target.as_str());
        }
    }
    println!("{} passed, {} failed", targets.len() - crashed.len(), crashed.len());
    if crashed.is_empty() {
        Ok(())
    } else {
        Err(Error::Failed(format!("fuzzers found crashes: {}", crashed.join(", "))))
    }
}

/// The fuzzers, or the one named, if there is one of that name.
fn targets(only: Option<&str>) -> Vec<String> {
    cache::entries(&environment::workspace().join("fuzz/fuzz_targets"))
        .iter()
        .filter_map(|path| file_name(path).strip_suffix(".rs").map(str::to_owned))
        .filter(|name| only.is_none_or(|only| only == name))
        .collect()
}

/// How many there are of them.
pub fn count(only: Option<&str>) -> usize {
    targets(only).len()
}

/// Runs one fuzzer; false when it found an input that crashes, which is then kept in the checkout.
fn one(cache: &Cache, program: &Path, target: &str, seconds: u32) -> Result<bool, Error> {
    let fixtures = environment::workspace().join("proto-fixtures");
    let corpus = cache.root().join("fuzz/corpus").join(target);
    let found = cache.root().join("fuzz/found").join(target);
    cache::make_folder(&corpus)?;
    cache::remove_folder(&found)?;
    cache::make_folder(&found)?;
    let mut command = Command::new(program);
    command.current_dir(&found).arg(&corpus);
    command.args(seeds(cache, target)?);
    command.arg(format!("-artifact_prefix={}/", found.display())).arg(format!("-max_total_time={seconds}"));
    command
        .arg(format!("-max_len={LONGEST_INPUT}"))
        .arg(format!("-timeout={SLOWEST_INPUT_SECONDS}"))
        .arg("-rss_limit_mb=2048");
    match run::quietly(cache, &format!("fuzz {target}"), &mut command) {
        Ok(()) => {
            println!("fuzzer {target}: nothing found in {seconds} s");
            return Ok(true);
        }
        Err(error) => eprintln!("{error}"),
    }
    let kept = fixtures.join("regressions").join(target);
    cache::make_folder(&kept)?;
    for input in cache::entries(&found) {
        let copy = kept.join(file_name(&input));
        fs::copy(&input, &copy).map_err(|source| Error::io("keep", &copy, source))?;
        println!("fuzzer {target}: an input that fails is kept as {}", copy.display());
    }
    Ok(false)
}

/// What starts the fuzzer off: captured exchanges, sample policies, lines of text, and what once failed.
fn seeds(cache: &Cache, target: &str) -> Result<Vec<PathBuf>, Error> {
    let root = environment::workspace();
    let fixtures = root.join("proto-fixtures");
    let mut folders = vec![fixtures.join("regressions").join(target)];
    match target {
        "policy" => folders.push(root.join("policies")),
        name if name.starts_with("postgres_") => folders.push(fixtures.join("postgres")),
        "mysql_client" | "mysql_server" => folders.push(fixtures.join("mysql")),
        _ => {}
    }
    if let Ok(lines) = fs::read_to_string(fixtures.join("seeds").join(format!("{target}.txt"))) {
        let folder = cache.root().join("fuzz/seeds").join(target);
        cache::remove_folder(&folder)?;
        cache::make_folder(&folder)?;
        // A row of COPY ends with its newline; elsewhere the line's end belongs to the list alone.
        let end = if target == "copy" { "\n" } else { "" };
        for (number, line) in lines.lines().enumerate() {
            cache::write(&folder.join(number.to_string()), &format!("{line}{end}"))?;
        }
        folders.push(folder);
    }
    folders.retain(|folder| folder.is_dir());
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<(Option<String>, u32), Error> {
        parse(&arguments.iter().map(|argument| (*argument).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_target_and_a_time_can_be_named() {
        assert_eq!(parsed(&[]).unwrap(), (None, DEFAULT_SECONDS));
        assert_eq!(parsed(&["frames", "--seconds", "5"]).unwrap(), (Some("frames".to_owned()), 5));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        assert!(matches!(parsed(&["--seconds"]), Err(Error::Usage(_))));
        assert!(matches!(parsed(&["--hours", "1"]), Err(Error::Usage(_))));
        assert!(matches!(parsed(&["one", "two"]), Err(Error::Usage(_))));
    }
}
