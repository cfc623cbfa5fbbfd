//! `cargo xtask drivers`: the own test suites of drivers, against a server and through the gateway.

use crate::{environment, error::Error, prepare, run};

/// Prepares, builds, and runs the suites. Takes many minutes.
pub fn run(arguments: &[String]) -> Result<(), Error> {
    if let Some(argument) = arguments.first() {
        return Err(Error::Usage(format!("drivers does not know `{argument}`: it takes no arguments")));
    }
    let mut prepared = prepare::for_tests()?;
    let gateway = prepared.cache.target().join("debug/querygate");
    prepared.environment.push(environment::pair("QUERYGATE_BIN", gateway));
    for command in [
        &["build", "--locked", "--package", "querygate"][..],
        &["run", "--locked", "--package", "querygate-tests", "--example", "driver_suites"],
    ] {
        if !run::openly(prepared.cargo().args(command))?.success() {
            return Err(Error::Failed(
                "drivers behave otherwise through the gateway, or did not run; see above".to_owned(),
            ));
        }
    }
    Ok(())
}
