use std::{collections::BTreeMap, fs, path::Path};

use serde::Serialize;

use crate::{error::Error, machine::Facts, mysql, place::Place, postgres};

/// Rows of the large result.
pub const ROWS: u64 = 1_000_000;

/// What is done at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// pgbench.
    Load(postgres::Load),
    /// sysbench.
    Sysbench(mysql::Load),
    /// One large result with so many of ten columns masked.
    Rows { masked: usize },
}

impl Work {
    /// What the relay is asked to do to be compared with this.
    pub fn unmasked(self) -> Work {
        match self {
            Work::Load(_) | Work::Sysbench(_) => self,
            Work::Rows { .. } => Work::Rows { masked: 0 },
        }
    }
}

/// One thing measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    pub work: Work,
    pub place: Place,
}

/// One measurement: transactions or rows, and what each took.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Sample {
    /// Transactions, or rows.
    pub per_second: f64,
    pub p50_us: Option<u64>,
    pub p99_us: Option<u64>,
    /// Processor time of the process in between, for each transaction or row.
    pub cpu_us: Option<f64>,
    /// Processor time of the whole machine, for each transaction.
    pub machine_us: Option<f64>,
}

/// Memory that the gateway has for clients that are logged in and do nothing, both sides of each together.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Idle {
    pub clients: usize,
    pub kib_each: f64,
}

/// All measurements, round by round.
#[derive(Debug)]
pub struct Results {
    pub facts: Facts,
    pub server: String,
    pub seconds: u64,
    /// Bytes of the large result as the server sends it.
    pub result_bytes: u64,
    /// Memory of clients that do nothing.
    pub idle: Option<Idle>,
    pub samples: BTreeMap<Cell, Vec<Sample>>,
}

/// The middle one of some figures, and the least and greatest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub greatest: f64,
}

impl Spread {
    /// None of nothing.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let upper = sorted.get(sorted.len() / 2)?;
        let lower = sorted.get(sorted.len().checked_sub(1)? / 2)?;
        Some(Spread { median: (upper + lower) / 2.0, least: *sorted.first()?, greatest: *sorted.last()? })
    }
}

/// What is said of one cell.
#[derive(Debug, Serialize)]
pub struct Summary {
    pub work: Work,
    pub place: Place,
    pub per_second: Spread,
    /// Throughput by the relay's, round by round.
    pub of_relay: Option<Spread>,
    pub p50_us: Option<Spread>,
    pub p99_us: Option<Spread>,
    pub cpu_us: Option<Spread>,
    pub machine_us: Option<Spread>,
    /// What the relay needs of the machine for a transaction by what this needs, round by round: the ratio of throughputs
    /// that the machine would come to if it never idled.
    pub of_relay_by_time: Option<Spread>,
    pub rounds: Vec<Sample>,
}

#[derive(Serialize)]
struct File<'a> {
    machine: &'a Facts,
    server: &'a str,
    seconds: u64,
    result_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle: Option<Idle>,
    results: Vec<Summary>,
}

impl Results {
    pub fn new(facts: Facts, server: String, seconds: u64) -> Results {
        Results { facts, server, seconds, result_bytes: 0, idle: None, samples: BTreeMap::new() }
    }

    pub fn add(&mut self, cell: Cell, sample: Sample) {
        self.samples.entry(cell).or_default().push(sample);
    }

    /// Each cell in the order of its work.
    pub fn summaries(&self) -> Vec<Summary> {
        self.samples.iter().filter_map(|(cell, samples)| self.summary(*cell, samples)).collect()
    }

    fn summary(&self, cell: Cell, samples: &[Sample]) -> Option<Summary> {
        let relay = self.samples.get(&Cell { work: cell.work.unmasked(), place: Place::Relay });
        let pairs = || samples.iter().zip(relay.into_iter().flatten());
        let by_time = pairs().filter_map(|(sample, relay)| relay.machine_us.zip(sample.machine_us)).map(|(r, s)| r / s);
        let whole =
            |figure: fn(&Sample) -> Option<u64>| Spread::of(samples.iter().filter_map(figure).map(|n| n as f64));
        Some(Summary {
            work: cell.work,
            place: cell.place,
            per_second: Spread::of(samples.iter().map(|sample| sample.per_second))?,
            of_relay: Spread::of(pairs().map(|(sample, relay)| sample.per_second / relay.per_second)),
            p50_us: whole(|sample| sample.p50_us),
            p99_us: whole(|sample| sample.p99_us),
            cpu_us: Spread::of(samples.iter().filter_map(|sample| sample.cpu_us)),
            machine_us: Spread::of(samples.iter().filter_map(|sample| sample.machine_us)),
            of_relay_by_time: Spread::of(by_time),
            rounds: samples.to_vec(),
        })
    }

    /// Writes what there is by now.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(Error::io("make a folder"))?;
        }
        let file = File {
            machine: &self.facts,
            server: &self.server,
            seconds: self.seconds,
            result_bytes: self.result_bytes,
            idle: self.idle,
            results: self.summaries(),
        };
        let text = serde_json::to_string_pretty(&file)? + "\n";
        fs::write(path, text).map_err(Error::io(format!("write {}", path.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        assert_eq!(Spread::of([]), None);
        assert_eq!(Spread::of([3.0, 1.0]), Some(Spread { median: 2.0, least: 1.0, greatest: 3.0 }));
        assert_eq!(Spread::of([9.0, 1.0, 3.0]), Some(Spread { median: 3.0, least: 1.0, greatest: 9.0 }));
    }
}
