//! The `querygate` program.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    querygate::cli::Cli::parse().run()
}
