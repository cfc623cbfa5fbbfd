//! `cargo xtask drivers`: the own test suites of drivers, against a server and through the gateway.

use crate::{drivers, environment, error::Error, prepare, run};

/// Prepares, builds, and runs the suites of the named drivers, or all. Takes many minutes.
pub fn run(names: &[String]) -> Result<(), Error> {
    let mut prepared = prepare::for_tests()?;
    let gateway = prepared.cache.target().join("debug/querygate");
    prepared.environment.push(environment::pair("QUERYGATE_BIN", gateway));
    let python = drivers::suites_python(&prepared.cache)?;
    prepared.environment.push(environment::pair("QUERYGATE_SUITES_PYTHON", python));
    let build = ["build", "--locked", "--package", "querygate"].map(str::to_owned);
    let suites = ["run", "--locked", "--package", "querygate-tests", "--example", "driver_suites", "--"];
    for command in [build.to_vec(), [&suites.map(str::to_owned)[..], names].concat()] {
        if !run::openly(prepared.cargo().args(command))?.success() {
            return Err(Error::Failed(
                "drivers behave otherwise through the gateway, or did not run; see above".to_owned(),
            ));
        }
    }
    Ok(())
}
