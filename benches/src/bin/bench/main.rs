//! Measures the gateway against what it can't be faster than: rounds of the same load over the same real server, directly, through a bare
//! relay, through pgbouncer, and through the gateway in its forms, one after the other, so that whatever else the machine does hits all alike.

mod cpu;
mod error;
mod load;
mod machine;
mod options;
mod process;
mod report;
mod result;
mod rows;
mod server;
mod stand;

use std::process::ExitCode;

use clap::Parser;

use crate::{
    error::Error,
    options::Options,
    result::{Cell, Results, Work},
    stand::{Place, Stand},
};

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Error> {
    let facts = machine::facts();
    println!("{} x {}, {} GiB, Linux {}", facts.cores, facts.processor, facts.memory_gib, facts.kernel);
    println!("starting a server and everything in front of it; loading {} rows", server::ROWS);
    let stand = Stand::start()?;
    let mut results = Results::new(facts, stand.server_version()?, options);
    let (loads, sizes) = (options.loads(), options.masked_columns());
    for round in 0..options.rounds() {
        println!("round {} of {}", round + 1, options.rounds());
        for load in &loads {
            for place in options.rotated(Place::OF_LOADS, round) {
                let sample = load::measure(&stand, place, *load, options.seconds())?;
                results.add(Cell { work: Work::Load(*load), place }, sample);
            }
        }
        for work in options.rotated(&sizes, round) {
            let (sample, bytes) = rows::measure(&stand, work)?;
            if work.work == work.work.unmasked() {
                results.result_bytes = bytes;
            }
            results.add(work, sample);
        }
        results.write(&options.result_file())?;
    }
    println!("{}", report::text(&results));
    println!("written to {}", options.result_file().display());
    Ok(())
}
