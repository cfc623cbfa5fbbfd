//! `cargo xtask bench`: prepares, builds for release, and starts the driver of the measurements.

use std::process::Command;

use crate::{environment, error::Error, prepare, run};

/// Runs the measurements with the given arguments.
pub fn run(arguments: &[String]) -> Result<(), Error> {
    let mut prepared = prepare::for_bench(arguments.first().is_some_and(|what| what == "mysql"))?;
    let gateway = prepared.cache.target().join("release/querygate");
    prepared.environment.push(environment::pair("QUERYGATE_BIN", gateway));
    let build = ["build", "--locked", "--release", "--package", "querygate", "--package", "querygate-benches"];
    if !run::openly(prepared.cargo().args(build))?.success() {
        return Err(Error::Failed("the benchmarks did not build; cargo says why above".to_owned()));
    }
    // Started directly: cargo would choose other features of dependencies for this package alone, and build them all again.
    let driver = prepared.cache.target().join("release/bench");
    if !run::openly(prepared.tell(Command::new(driver)).args(arguments))?.success() {
        return Err(Error::Failed("the benchmark stopped; its own output says why".to_owned()));
    }
    Ok(())
}
