//! `querygate log tail|search|show|export|verify|checkpoint`. All but `checkpoint` only read, whether or not a gateway runs.

mod checkpoint;
mod export;
mod lines;
mod select;
mod show;
mod tail;
mod verify;

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use querygate_export::Line;
use querygate_journal::{Error, Reader};
use querygate_record::StatementId;

use super::{Failure, output, place::Place};
use select::Select;

/// The log of every statement.
#[derive(Debug, Subcommand)]
pub enum LogCommand {
    /// Show the newest entries, and with -f what comes.
    Tail {
        /// Go on with what is written from now on, until Ctrl-C.
        #[arg(short, long)]
        follow: bool,
        /// How many to begin with.
        #[arg(short = 'n', long, default_value_t = 20, value_name = "N")]
        lines: usize,
        /// Print JSON, one object a line.
        #[arg(long)]
        json: bool,
        /// Which entries.
        #[command(flatten)]
        select: Select,
    },
    /// Show the entries that fit every condition, oldest first.
    Search {
        /// Newest first.
        #[arg(long)]
        newest_first: bool,
        /// Stop after so many; 0 for all.
        #[arg(long, default_value_t = 1000, value_name = "N")]
        limit: usize,
        /// Print JSON, one object a line.
        #[arg(long)]
        json: bool,
        /// Which entries.
        #[command(flatten)]
        select: Select,
    },
    /// Show everything that is known of one statement.
    Show {
        /// Its id, SESSION/NUMBER, as the other commands show it.
        id: StatementId,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write entries out for an auditor or another program: all there is, where no condition is given.
    Export {
        /// One JSON object a line, or comma-separated values under a heading.
        #[arg(long, value_enum, default_value_t = Format::Jsonl)]
        format: Format,
        /// The file to write, readable by you alone; standard output when left out.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Which entries.
        #[command(flatten)]
        select: Select,
    },
    /// Check that nothing was changed, removed or put in. Exit code 1 where something was.
    Verify {
        /// The public key that signs the checkpoints, kept apart from the gateway; may be given more than once.
        #[arg(long, required = true, value_name = "FILE")]
        public_key: Vec<PathBuf>,
        /// A checkpoint that was kept elsewhere: what was cut from the log before it is found, too.
        #[arg(long, value_name = "FILE")]
        since_checkpoint: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Sign the log as it is now and print the checkpoint, to be kept elsewhere.
    Checkpoint,
}

/// How an export is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Format {
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated values.
    Csv,
}

/// Runs it.
pub fn log(config: &Path, command: &LogCommand) -> Result<(), Failure> {
    let place = Place::find(config)?;
    match command {
        LogCommand::Tail { follow, lines, json, select } => tail::tail(&place, select, *lines, *follow, *json),
        LogCommand::Search { newest_first, limit, json, select } => {
            show::search(&place, select, *newest_first, *limit, *json)
        }
        LogCommand::Show { id, json } => show::show(&place, *id, *json),
        LogCommand::Export { format, out, select } => export::export(&place, select, *format, out.as_deref()),
        LogCommand::Verify { public_key, since_checkpoint, json } => {
            verify::verify(&place, public_key, since_checkpoint.as_deref(), *json)
        }
        LogCommand::Checkpoint => checkpoint::checkpoint(config, &place),
    }
}

impl Place {
    fn reader(&self) -> Result<Reader, Failure> {
        Ok(Reader::open(&self.log())?)
    }
}

/// One row as a line of JSON.
fn json_line(row: &querygate_journal::Row) -> Result<(), Failure> {
    let text =
        serde_json::to_string(&Line::from(row)).map_err(|e| Failure::wrong(format!("no JSON can be made: {e}")))?;
    output::write(&(text + "\n"))
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        match error {
            Error::Absent { folder, .. } => Failure::wrong(format!(
                "there is no log in {}\nstart `querygate serve` once, or name its configuration with --config",
                folder.display()
            )),
            other => Failure::wrong(other),
        }
    }
}
