use std::path::{Path, PathBuf};

use clap::Parser;

use crate::{
    load::{Load, Protocol},
    result::{Cell, Work},
    stand::Place,
};

const ROUNDS: usize = 5;
const ROUNDS_QUICK: usize = 2;
/// Seconds of each load.
const SECONDS: u64 = 3;
const SECONDS_QUICK: u64 = 2;

/// Measure the gateway against a bare relay, pgbouncer and the server alone.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench")]
pub struct Options {
    /// Two short rounds: for a first look, not for a figure.
    #[arg(long)]
    quick: bool,
    /// Rounds: each measures everything once.
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds of each load.
    #[arg(long)]
    seconds: Option<u64>,
    /// Clients at a time.
    #[arg(long, value_delimiter = ',', default_value = "1,8,64")]
    clients: Vec<usize>,
    /// How pgbench speaks to the server.
    #[arg(long, value_delimiter = ',', default_value = "simple,extended,prepared")]
    protocols: Vec<Protocol>,
    /// Masked columns of ten in the large results.
    #[arg(long, value_delimiter = ',', default_value = "0,1,5")]
    masked: Vec<usize>,
    /// Places to measure; all by default. The relay is what ratios are taken from.
    #[arg(long, value_delimiter = ',')]
    places: Vec<Place>,
    /// No pgbench.
    #[arg(long)]
    only_rows: bool,
    /// No large results.
    #[arg(long)]
    only_loads: bool,
    /// The results' name: `benches/results/NAME.json`.
    #[arg(long, default_value = "local")]
    name: String,
}

impl Options {
    pub fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { ROUNDS_QUICK } else { ROUNDS }).max(1)
    }

    pub fn seconds(&self) -> u64 {
        self.seconds.unwrap_or(if self.quick { SECONDS_QUICK } else { SECONDS }).max(1)
    }

    /// The loads that pgbench puts on each place.
    pub fn loads(&self) -> Vec<Load> {
        if self.only_rows {
            return Vec::new();
        }
        let of_clients = |protocol| self.clients.iter().map(move |&clients| Load { protocol, clients });
        self.protocols.iter().copied().flat_map(of_clients).collect()
    }

    /// The large results to read: where, and with how many columns masked.
    pub fn masked_columns(&self) -> Vec<Cell> {
        if self.only_loads {
            return Vec::new();
        }
        let plain = Place::WITHOUT_MASKS.iter().map(|&place| (place, 0));
        let masked = self.masked.iter().map(|&columns| (Place::Masked, columns));
        let all = plain.chain(masked).filter(|(place, _)| self.wants(*place));
        all.map(|(place, columns)| Cell { work: Work::Rows { masked: columns }, place }).collect()
    }

    fn wants(&self, place: Place) -> bool {
        self.places.is_empty() || self.places.contains(&place)
    }

    /// The places of one round. Each round begins with another one, so that none always comes first.
    pub fn rotated<P: Copy + Placed>(&self, all: &[P], round: usize) -> Vec<P> {
        let mut wanted: Vec<P> = all.iter().copied().filter(|each| self.wants(each.place())).collect();
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

/// What is measured at a place.
pub trait Placed {
    fn place(&self) -> Place;
}

impl Placed for Place {
    fn place(&self) -> Place {
        *self
    }
}

impl Placed for Cell {
    fn place(&self) -> Place {
        self.place
    }
}
