//! The gateway in front of Postgres: pgbench's loads and large results.

mod load;
mod rows;
mod server;
mod stand;

use clap::Args;

pub use self::load::{Load, Protocol};
use crate::{
    error::Error,
    machine, measure,
    options::Rounds,
    place::Place,
    result::{Cell, ROWS, Results, Work},
};
use stand::Stand;

/// Where pgbench is run.
const OF_LOADS: &[Place] = &[
    Place::Direct,
    Place::Relay,
    Place::Frames,
    Place::Process,
    Place::RelayAgain,
    Place::Haproxy,
    Place::Pgbouncer,
    Place::Balanced,
    Place::Masked,
];
/// Where large results are read unmasked.
const WITHOUT_MASKS: &[Place] =
    &[Place::Direct, Place::Relay, Place::Frames, Place::RelayAgain, Place::Haproxy, Place::Pgbouncer];

#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    rounds: Rounds,
    /// Clients at a time.
    #[arg(long, value_delimiter = ',', default_value = "1,8,64")]
    clients: Vec<usize>,
    /// How pgbench speaks to the server.
    #[arg(long, value_delimiter = ',', default_value = "simple,extended,prepared")]
    protocols: Vec<Protocol>,
    /// Masked columns of ten in the large results.
    #[arg(long, value_delimiter = ',', default_value = "0,1,5")]
    masked: Vec<usize>,
}

impl Options {
    /// What is compared with each other: each load at all places, then all large results.
    fn groups(&self) -> Vec<Vec<Cell>> {
        let of_clients = |protocol| self.clients.iter().map(move |&clients| Load { protocol, clients });
        let loads = self.protocols.iter().copied().flat_map(of_clients).filter(|_| !self.rounds.only_rows);
        let at_places = |load| OF_LOADS.iter().map(|&place| Cell { work: Work::Load(load), place }).collect();
        let plain = WITHOUT_MASKS.iter().map(|&place| (place, 0));
        let masked = self.masked.iter().map(|&columns| (Place::Masked, columns));
        let rows = plain.chain(masked).filter(|_| !self.rounds.only_loads);
        let rows = rows.map(|(place, masked)| Cell { work: Work::Rows { masked }, place }).collect();
        loads.map(at_places).chain([rows]).collect()
    }
}

/// Measures and reports.
pub fn run(options: &Options) -> Result<(), Error> {
    let facts = machine::facts();
    facts.print();
    println!("starting a server and everything in front of it; loading {ROWS} rows");
    let stand = Stand::start()?;
    let (rounds, server) = (&options.rounds, format!("Postgres {}", stand.server_version()?));
    measure(rounds, Results::new(facts, server, rounds.seconds()), &options.groups(), |cell| match cell.work {
        Work::Load(load) => Ok((load::measure(&stand, cell.place, load, rounds.seconds())?, None)),
        Work::Rows { .. } => rows::measure(&stand, cell).map(|(sample, bytes)| (sample, Some(bytes))),
        Work::Sysbench(_) => Err(Error::Empty("a load of MySQL".to_owned())),
    })
}
