//! `cargo xtask demo`: prepares, builds, and hands over to `querygate demo`.

use std::{os::unix::process::CommandExt, process::Command};

use crate::{environment, error::Error, prepare, run};

/// Runs the demo with the given arguments.
pub fn run(arguments: &[String]) -> Result<(), Error> {
    let prepared = prepare::for_demo()?;
    println!("building querygate");
    if !run::openly(prepared.cargo().args(["build", "--locked", "--package", "querygate"]))?.success() {
        return Err(Error::Failed("querygate did not build; cargo says why above".to_owned()));
    }
    let binary = prepared.cache.target().join("debug/querygate");
    let mut command = prepared.tell(Command::new(&binary));
    command.current_dir(environment::workspace()).arg("demo").args(arguments);
    // Replacing this process leaves the terminal, its signals and the exit code to the demo.
    Err(Error::io("start", &binary, command.exec()))
}
