//! The command line. Exit codes: 0 done, 1 the answer is no, 2 wrong use or unreadable input.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{
    commands::{
        self, AccountCommand, ApprovalsCommand, ExplainArguments, Failure, LogCommand, PolicyCommand, SessionCommand,
        SuggestArguments,
    },
    demo,
};

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
    /// Check configuration, policies and the servers behind them.
    Check {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Say what would become of a statement, and why, without running it.
    Explain(ExplainArguments),
    /// Test the policies.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Have the running gateway read configuration and policies anew: all of it or nothing.
    Reload {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show how the running gateway is.
    Status {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List or end open sessions.
    #[command(subcommand)]
    Session(SessionCommand),
    /// Read, export and verify the log.
    #[command(subcommand)]
    Log(LogCommand),
    /// Decide on statements that wait for a reviewer.
    #[command(subcommand)]
    Approvals(ApprovalsCommand),
    /// Make and change service accounts.
    #[command(subcommand)]
    Account(AccountCommand),
    /// Say which columns seem to hold personal data, and propose a policy that masks them.
    Suggest(SuggestArguments),
    /// Walk through the main job on a throw-away Postgres and MariaDB; `cargo xtask demo` prepares what it needs.
    Demo {
        /// Leave it running afterwards, until Ctrl-C.
        #[arg(long)]
        keep: bool,
    },
}

impl Cli {
    /// Runs the command; what it says goes to standard output, what is wrong to standard error.
    pub fn run(self) -> ExitCode {
        let config = &self.config;
        let result = match self.command {
            Command::Serve => commands::serve(config),
            Command::Check { json } => commands::check(config, json),
            Command::Explain(arguments) => commands::explain(config, arguments),
            Command::Policy(command) => commands::policy(config, &command),
            Command::Reload { json } => commands::reload(config, json),
            Command::Status { json } => commands::status(config, json),
            Command::Session(command) => commands::session(config, &command),
            Command::Log(command) => commands::log(config, &command),
            Command::Approvals(command) => commands::approvals(config, command),
            Command::Account(command) => commands::account(config, command),
            Command::Suggest(arguments) => commands::suggest(config, &arguments),
            Command::Demo { keep } => demo::demo(keep),
        };
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.report(),
        }
    }
}

impl Failure {
    fn report(self) -> ExitCode {
        let (words, code) = match self {
            Failure::ReaderGone => return ExitCode::SUCCESS,
            Failure::No(words) => (words, 1),
            Failure::Wrong(words) => (words, 2),
        };
        if !words.is_empty() {
            eprintln!("{}", words.trim_end());
        }
        ExitCode::from(code)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn no_command_contradicts_itself() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_command_takes_a_secret_as_an_argument() {
        fn look(command: &clap::Command) {
            for argument in command.get_arguments() {
                let name = argument.get_id().as_str();
                assert!(!name.contains("secret") || name.ends_with("file"), "{} --{name}", command.get_name());
            }
            command.get_subcommands().for_each(look);
        }
        look(&Cli::command());
    }
}
