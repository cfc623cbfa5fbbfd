//! Measures the gateway against what it can't be faster than: rounds of the same load over the same real server, directly, through a bare
//! relay, through other proxies, and through the gateway in its forms, one after the other, so that whatever else the machine does hits all alike.

mod between;
mod cpu;
mod error;
mod machine;
mod mysql;
mod options;
mod place;
mod postgres;
mod process;
mod report;
mod result;

use std::process::ExitCode;

use clap::Parser;

use crate::{
    error::Error,
    options::{Engine, Options, Rounds},
    result::{Cell, Results, Sample, Work},
};

fn main() -> ExitCode {
    let Options { engine, postgres } = Options::parse();
    let measured = match engine {
        None => postgres::run(&postgres),
        Some(Engine::Mysql(options)) => mysql::run(&options),
    };
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What was measured of a cell, and the bytes of its result where it is a large one.
type Measured = (Sample, Option<u64>);

/// Measures groups of cells that are compared with each other, round by round, and reports.
fn measure(
    rounds: &Rounds,
    mut results: Results,
    groups: &[Vec<Cell>],
    each: impl Fn(Cell) -> Result<Measured, Error>,
) -> Result<(), Error> {
    for round in 0..rounds.count() {
        println!("round {} of {}", round + 1, rounds.count());
        for group in groups {
            for cell in rounds.rotated(group, round) {
                let (sample, bytes) = each(cell)?;
                if matches!(cell.work, Work::Rows { masked: 0 }) {
                    results.result_bytes = bytes.unwrap_or(results.result_bytes);
                }
                results.add(cell, sample);
            }
        }
        results.write(&rounds.result_file())?;
    }
    println!("{}", report::text(&results));
    println!("written to {}", rounds.result_file().display());
    Ok(())
}
