//! `cargo xtask bench`: prepares, builds for release, and starts the driver of the measurements.

use crate::{error::Error, prepare, run};

/// Runs the measurements with the given arguments.
pub fn run(arguments: &[String]) -> Result<(), Error> {
    let prepared = prepare::for_bench()?;
    let build = ["build", "--locked", "--release", "--package", "querygate", "--package", "querygate-benches"];
    if !run::openly(prepared.cargo().args(build))?.success() {
        return Err(Error::Failed("the benchmarks did not build; cargo says why above".to_owned()));
    }
    let driver = ["run", "--quiet", "--locked", "--release", "--package", "querygate-benches", "--bin", "bench", "--"];
    if !run::openly(prepared.cargo().args(driver).args(arguments))?.success() {
        return Err(Error::Failed("the benchmark stopped; its own output says why".to_owned()));
    }
    Ok(())
}
