//! The gateway in front of Postgres: pgbench's loads and large results.

mod idle;
mod load;
mod rows;
mod server;
mod stand;

use clap::Args;

pub use self::load::{Kind, Load, Protocol};
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
    Place::Strict,
    Place::Masked,
];
/// Where it changes rows.
const OF_CHANGES: &[Place] =
    &[Place::Direct, Place::Relay, Place::RelayAgain, Place::Process, Place::Balanced, Place::Strict];
/// Where it connects for each select.
const OF_CHURN: &[Place] = &[Place::Direct, Place::Relay, Place::RelayAgain, Place::Pgbouncer, Place::Process];
/// Where it encrypts.
const OF_TLS: &[Place] = &[Place::Relay, Place::RelayAgain, Place::Process];
/// Clients of the loads other than plain selects.
const CLIENTS: usize = 8;
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
    /// What pgbench does; all but select with 8 clients alone.
    #[arg(long, value_delimiter = ',', default_value = "select,tpc-b,churn,tls")]
    kinds: Vec<Kind>,
    /// Clients that do nothing but be there, whose memory is measured; 0: none.
    #[arg(long, default_value_t = 1000)]
    idle: usize,
    /// Masked columns of ten in the large results.
    #[arg(long, value_delimiter = ',', default_value = "0,1,5")]
    masked: Vec<usize>,
}

impl Options {
    /// What is compared with each other: each load at all places, then all large results.
    fn groups(&self) -> Vec<Vec<Cell>> {
        let at_places = |load: Load| {
            let places = match load.kind {
                Kind::Select => OF_LOADS,
                Kind::TpcB => OF_CHANGES,
                Kind::Churn => OF_CHURN,
                Kind::Tls => OF_TLS,
            };
            places.iter().map(|&place| Cell { work: Work::Load(load), place }).collect()
        };
        let plain = WITHOUT_MASKS.iter().map(|&place| (place, 0));
        let masked = self.masked.iter().map(|&columns| (Place::Masked, columns));
        let rows = plain.chain(masked).filter(|_| !self.rounds.only_loads);
        let rows = rows.map(|(place, masked)| Cell { work: Work::Rows { masked }, place }).collect();
        let loads = self.kinds.iter().filter(|_| !self.rounds.only_rows).flat_map(|&kind| self.loads(kind));
        loads.map(at_places).chain([rows]).collect()
    }

    fn loads(&self, kind: Kind) -> Vec<Load> {
        let of_clients =
            |protocol| self.clients.iter().map(move |&clients| Load { kind: Kind::Select, protocol, clients });
        match kind {
            Kind::Select => self.protocols.iter().copied().flat_map(of_clients).collect(),
            Kind::Churn => vec![Load { kind, protocol: Protocol::Simple, clients: CLIENTS }],
            Kind::TpcB | Kind::Tls => vec![Load { kind, protocol: Protocol::Prepared, clients: CLIENTS }],
        }
    }
}

/// Measures and reports.
pub fn run(options: &Options) -> Result<(), Error> {
    let facts = machine::facts();
    facts.print();
    println!("starting a server and everything in front of it; loading {ROWS} rows");
    let stand = Stand::start()?;
    let (rounds, server) = (&options.rounds, format!("Postgres {}", stand.server_version()?));
    let mut results = Results::new(facts, server, rounds.seconds());
    if options.idle > 0 {
        results.idle = Some(idle::measure(&stand, options.idle)?);
    }
    measure(rounds, results, &options.groups(), |cell| match cell.work {
        Work::Load(load) => Ok((load::measure(&stand, cell.place, load, rounds.seconds())?, None)),
        Work::Rows { .. } => rows::measure(&stand, cell).map(|(sample, bytes)| (sample, Some(bytes))),
        Work::Sysbench(_) => Err(Error::Empty("a load of MySQL".to_owned())),
    })
}
