use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};

use crate::{mysql, place::Place, postgres, result::Cell};

const ROUNDS: usize = 5;
const ROUNDS_QUICK: usize = 2;
/// Seconds of each load.
const SECONDS: u64 = 3;
const SECONDS_QUICK: u64 = 2;

/// Measure the gateway against a bare relay, other proxies and the server alone.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", args_conflicts_with_subcommands = true)]
pub struct Options {
    #[command(subcommand)]
    pub engine: Option<Engine>,
    #[command(flatten)]
    pub postgres: postgres::Options,
}

#[derive(Debug, Subcommand)]
pub enum Engine {
    /// In front of MySQL or MariaDB.
    Mysql(mysql::Options),
}

/// What both engines know.
#[derive(Debug, Args)]
pub struct Rounds {
    /// Two short rounds: for a first look, not for a figure.
    #[arg(long)]
    quick: bool,
    /// Rounds: each measures everything once.
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds of each load.
    #[arg(long)]
    seconds: Option<u64>,
    /// Places to measure; all by default. The relay is what ratios are taken from.
    #[arg(long, value_delimiter = ',')]
    places: Vec<Place>,
    /// No loads.
    #[arg(long)]
    pub only_rows: bool,
    /// No large results.
    #[arg(long)]
    pub only_loads: bool,
    /// The results' name: `benches/results/NAME.json`.
    #[arg(long, default_value = "local")]
    name: String,
}

impl Rounds {
    pub fn count(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { ROUNDS_QUICK } else { ROUNDS }).max(1)
    }

    pub fn seconds(&self) -> u64 {
        self.seconds.unwrap_or(if self.quick { SECONDS_QUICK } else { SECONDS }).max(1)
    }

    pub fn wants(&self, place: Place) -> bool {
        self.places.is_empty() || self.places.contains(&place)
    }

    /// What is compared with each other, in the order of one round. Each round begins with another one, so that none always comes first.
    pub fn rotated(&self, cells: &[Cell], round: usize) -> Vec<Cell> {
        let mut wanted: Vec<Cell> = cells.iter().copied().filter(|cell| self.wants(cell.place)).collect();
        if !wanted.is_empty() {
            let first = round % wanted.len();
            wanted.rotate_left(first);
        }
        wanted
    }

    pub fn result_file(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("results").join(format!("{}.json", self.name))
    }
}
