//! `cargo xtask`: sets a machine up and does the project's chores.
//!
//! Job: prepare what a build, a test, the demo or a benchmark needs (system packages, the RocksDB archive, real
//! servers, drivers) and start it with the right environment. Must not know: any other crate of the project, so that
//! it builds in seconds and still runs when they don't build.

mod bench;
mod cache;
mod debian;
mod demo;
mod drivers;
mod embedded;
mod environment;
mod error;
mod fuzz;
mod long;
mod machine;
mod mysql;
mod older;
mod prepare;
mod rocksdb;
mod run;
mod servers;
mod suites;
mod test;
mod tools;

use std::process::ExitCode;

use error::Error;

const USAGE: &str = "\
cargo xtask COMMAND

  demo [ARGS]               prepare, build, and walk through the main job against a real Postgres (--keep leaves it running)
  test [--quick] [--only STEP[,STEP]] [--list]
                            prepare, then format, lint, licence, unit, server, two-worlds and fuzz tests
  bench [ARGS]              prepare, build for release, and measure
  fuzz [TARGET] [--seconds N]
                            run one fuzzer, or all of them (20 s each)
  long NAME                 a million interleavings (simulation), ten minutes for each fuzzer (fuzz), half an hour under load (soak)
  drivers [NAME ..]         run the own test suites of drivers through the gateway: all, or those named (long)
  older [VERSION ..]        run the promises, the twins and the two worlds on Postgres 14, 16 and 17, or those named (long)
  prepare                   fetch and build what the tests need, and stop there
  servers                   fetch the servers and say where they are
  env                       print `export` lines for a shell, to use cargo directly
  help                      this text

Everything fetched or built lives in a cache folder outside the checkout: $QUERYGATE_CACHE, else
$XDG_CACHE_HOME/querygate, else ~/.cache/querygate.
Exit codes: 0 done, 1 a check failed, 2 wrong use or something on this machine is missing.";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_else(|| "help".to_owned());
    let rest: Vec<String> = arguments.collect();
    match dispatch(&command, &rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn dispatch(command: &str, rest: &[String]) -> Result<(), Error> {
    match command {
        "demo" => demo::run(rest),
        "test" => test::run(rest),
        "bench" => bench::run(rest),
        "fuzz" => fuzz::run(rest),
        "long" => long::run(rest),
        "drivers" => suites::run(rest),
        "older" => older::run(rest),
        "prepare" => prepare::for_tests().map(drop),
        "servers" => servers::list(),
        "env" => environment::print(),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(())
        }
        other => Err(Error::Usage(format!("there is no command `{other}`; `cargo xtask help` lists them"))),
    }
}
