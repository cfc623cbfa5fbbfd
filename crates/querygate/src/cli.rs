//! The command line. Exit codes: 0 done, 1 the answer is no, 2 wrong use or unreadable input.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::commands::{self, Failure};

/// A gateway in front of Postgres that knows who asks, decides, masks and writes everything down.
#[derive(Debug, Parser)]
#[command(name = "querygate", version, about, max_term_width = 100)]
pub struct Cli {
    /// The configuration file.
    #[arg(long, global = true, default_value = "querygate.toml", value_name = "FILE")]
    config: PathBuf,
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway.
    Serve,
}

impl Cli {
    /// Runs the command; what it says goes to standard output, what is wrong to standard error.
    pub fn run(self) -> ExitCode {
        let result = match self.command {
            Command::Serve => commands::serve(&self.config),
        };
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.report(),
        }
    }
}

impl Failure {
    fn report(self) -> ExitCode {
        match self {
            Failure::No(words) => {
                print_unless_empty(&words);
                ExitCode::from(1)
            }
            Failure::Wrong(words) => {
                print_unless_empty(&words);
                ExitCode::from(2)
            }
        }
    }
}

fn print_unless_empty(words: &str) {
    if !words.is_empty() {
        eprintln!("{}", words.trim_end());
    }
}
