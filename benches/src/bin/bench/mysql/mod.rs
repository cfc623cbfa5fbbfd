//! The gateway in front of MySQL or MariaDB: sysbench's loads and large results. Clients encrypt, whatever they are connected to; the gateway's
//! own connections to the server are in clear, on the loopback interface.

mod client;
mod load;
mod rows;
mod server;
mod stand;

use clap::{Args, ValueEnum};
use querygate_testkit::mysql::Flavor;

pub use self::load::Load;
use self::{
    load::{Script, Way},
    stand::Stand,
};
use crate::{
    error::Error,
    machine, measure,
    options::Rounds,
    place::Place,
    result::{Cell, ROWS, Results, Work},
};

/// Where sysbench is run.
const OF_LOADS: &[Place] =
    &[Place::Direct, Place::Relay, Place::Process, Place::RelayAgain, Place::Haproxy, Place::Balanced, Place::Masked];
/// Where large results are read unmasked.
const WITHOUT_MASKS: &[Place] = &[Place::Direct, Place::Relay, Place::RelayAgain, Place::Haproxy];

/// Which server.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Named {
    Mysql,
    Mariadb,
}

#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    rounds: Rounds,
    /// Which server.
    #[arg(long, default_value = "mysql")]
    server: Named,
    /// Clients at a time.
    #[arg(long, value_delimiter = ',', default_value = "1,8,64")]
    threads: Vec<usize>,
    /// What sysbench runs.
    #[arg(long, value_delimiter = ',', default_value = "point-select,read-only")]
    scripts: Vec<Script>,
    /// How it sends a statement.
    #[arg(long, value_delimiter = ',', default_value = "text,prepared")]
    ways: Vec<Way>,
    /// Masked columns of ten in the large results.
    #[arg(long, value_delimiter = ',', default_value = "0,1,5")]
    masked: Vec<usize>,
}

impl Options {
    /// What is compared with each other: each load at all places, then all large results.
    fn groups(&self) -> Vec<Vec<Cell>> {
        let mut groups = Vec::new();
        for &script in self.scripts.iter().filter(|_| !self.rounds.only_rows) {
            for &way in &self.ways {
                for &threads in &self.threads {
                    let work = Work::Sysbench(Load { script, way, threads });
                    groups.push(OF_LOADS.iter().map(|&place| Cell { work, place }).collect());
                }
            }
        }
        let plain = WITHOUT_MASKS.iter().map(|&place| (place, 0));
        let masked = self.masked.iter().map(|&columns| (Place::Masked, columns));
        let rows = plain.chain(masked).filter(|_| !self.rounds.only_loads);
        groups.push(rows.map(|(place, masked)| Cell { work: Work::Rows { masked }, place }).collect());
        groups
    }

    fn flavor(&self) -> Flavor {
        match self.server {
            Named::Mysql => Flavor::Mysql,
            Named::Mariadb => Flavor::Mariadb,
        }
    }
}

/// Measures and reports.
pub fn run(options: &Options) -> Result<(), Error> {
    let facts = machine::facts();
    facts.print();
    println!("starting a server and everything in front of it; loading {ROWS} rows");
    let stand = Stand::start(options.flavor())?;
    let (rounds, server) = (&options.rounds, stand.server_version()?);
    measure(rounds, Results::new(facts, server, rounds.seconds()), &options.groups(), |cell| match cell.work {
        Work::Sysbench(load) => Ok((load::measure(&stand, cell.place, load, rounds.seconds())?, None)),
        Work::Rows { .. } => rows::measure(&stand, cell).map(|(sample, bytes)| (sample, Some(bytes))),
        Work::Load(_) => Err(Error::Empty("a load of Postgres".to_owned())),
    })
}
