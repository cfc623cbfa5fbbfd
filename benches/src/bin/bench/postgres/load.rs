//! pgbench's read-only load, measured between its first and its last moments: throughput, latencies and the processor time of what stands
//! between, all from the same window.

use std::{
    fs,
    fs::File,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use clap::ValueEnum;
use querygate_testkit::Target;
use serde::Serialize;

use super::{server::SCALE, stand::Stand};
use crate::{between::program, cpu::Watch, error::Error, place::Place, result::Sample};

/// How often processor time is noted.
const LOOK: Duration = Duration::from_millis(20);
/// What pgbench may need beyond the seconds asked for: log-ins of all clients on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// What is left out at both ends of a run: clients come and go then.
const EDGE: Duration = Duration::from_millis(200);
/// A run that gave nothing (all of its time went into log-ins) is made again and longer, this often.
const TRIES: u64 = 3;
/// pgbench's time counts from before its clients log in: a second more for so many of them.
const LOGINS_PER_SECOND: usize = 32;
/// What `pgbench -S` runs. Given as a script, since pgbench first looks its tables up in the catalog when it runs one of its own.
const SELECT: &str = "\\set aid random(1, 100000 * :scale)\nSELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n";
/// The same for what it runs by default, after TPC-B.
const TPC_B: &str = "\
\\set aid random(1, 100000 * :scale)
\\set bid random(1, 1 * :scale)
\\set tid random(1, 10 * :scale)
\\set delta random(-5000, 5000)
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE aid = :aid;
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
UPDATE pgbench_tellers SET tbalance = tbalance + :delta WHERE tid = :tid;
UPDATE pgbench_branches SET bbalance = bbalance + :delta WHERE bid = :bid;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (:tid, :bid, :aid, :delta, CURRENT_TIMESTAMP);
END;
";

/// What pgbench does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Reads a row by its key.
    Select,
    /// Changes rows in a transaction.
    TpcB,
    /// Reads a row over a connection of its own, each time.
    Churn,
    /// Reads a row by its key, over TLS from the first byte on.
    Tls,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Select => "select",
            Kind::TpcB => "TPC-B",
            Kind::Churn => "a connection for each select",
            Kind::Tls => "select over TLS (the relay: haproxy, which ends it)",
        }
    }
}

/// How pgbench sends a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    Simple,
    Extended,
    Prepared,
}

impl Protocol {
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Simple => "simple",
            Protocol::Extended => "extended",
            Protocol::Prepared => "prepared",
        }
    }
}

/// One load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Load {
    pub kind: Kind,
    pub protocol: Protocol,
    pub clients: usize,
}

fn pgbench(target: &Target) -> Result<Command, Error> {
    let mut command = Command::new(program("QUERYGATE_PGBENCH")?);
    command.args(["--host", &target.host, "--port", &target.port.to_string(), "--username", &target.user]);
    command.env("PGPASSWORD", &target.password).env("PGSSLMODE", "disable").env("PGGSSENCMODE", "disable");
    command.env("PGDATABASE", &target.database).arg("--no-vacuum");
    command.stdin(Stdio::null()).stdout(Stdio::null());
    Ok(command)
}

/// Reads every account once, so that all is in memory.
pub fn warm(target: &Target) -> Result<(), Error> {
    let shown = target.psql(&["-q", "-c", "SELECT sum(abalance) FROM pgbench_accounts"], "")?;
    Ok(shown.ok().map(drop)?)
}

/// Puts a load on a place.
pub fn measure(stand: &Stand, place: Place, load: Load, seconds: u64) -> Result<Sample, Error> {
    let mut tries = 1;
    loop {
        match run(stand, place, load, seconds * tries) {
            Err(Error::Empty(_)) if tries < TRIES => tries += 1,
            measured => return measured,
        }
    }
}

fn run(stand: &Stand, place: Place, load: Load, seconds: u64) -> Result<Sample, Error> {
    let masked = usize::from(place == Place::Masked);
    let target = if load.kind == Kind::Tls { stand.encrypted(place)? } else { stand.target(place, masked) };
    let folder = stand.folder.path().join("pgbench");
    fs::create_dir_all(&folder).map_err(Error::io("make a folder"))?;
    let script = folder.join("script.sql");
    fs::write(&script, if load.kind == Kind::TpcB { TPC_B } else { SELECT }).map_err(Error::io("write the script"))?;
    let words = folder.join("words");
    let mut command = pgbench(&target)?;
    command.args(["--file", &script.display().to_string(), "--scale", SCALE, "--log"]);
    command.args(["--log-prefix", &folder.join("log").display().to_string()]);
    command.args(["--protocol", load.protocol.name(), "--client", &load.clients.to_string()]);
    let seconds = seconds + load.clients.div_ceil(LOGINS_PER_SECOND) as u64;
    command.args(["--jobs", &load.clients.min(2).to_string(), "--time", &seconds.to_string()]);
    command.args((load.kind == Kind::Churn).then_some("--connect"));
    if load.kind == Kind::Tls {
        command.env("PGSSLMODE", "require").env("PGSSLNEGOTIATION", "direct");
    }
    command.stderr(File::create(&words).map_err(Error::io("make a file"))?);
    let child = command.spawn().map_err(Error::io("start pgbench"))?;
    let mut watch = Watch::new(stand.process_of(place, load.kind));
    wait(child, Duration::from_secs(seconds) + PATIENCE, &words, &mut watch)?;
    let transactions = transactions(&folder)?;
    fs::remove_dir_all(&folder).map_err(Error::io("remove a folder"))?;
    sample(transactions, &watch).ok_or_else(|| Error::Empty(format!("pgbench at {}", place.name())))
}

fn wait(mut child: Child, limit: Duration, words: &Path, watch: &mut Watch) -> Result<(), Error> {
    let deadline = Instant::now() + limit;
    loop {
        watch.look();
        let failed = match child.try_wait().map_err(Error::io("look at pgbench"))? {
            Some(status) if status.success() => return Ok(()),
            Some(_) => true,
            None => Instant::now() > deadline,
        };
        if failed {
            // One that ended by itself can't be killed, and that is well.
            let _ = child.kill();
            let _ = child.wait();
            let output = fs::read_to_string(words).unwrap_or_default();
            return Err(Error::Program { what: "pgbench".to_owned(), output });
        }
        thread::sleep(LOOK);
    }
}

/// A transaction of pgbench's log: when it ended (since 1970), and how long it took in microseconds.
type Transaction = (Duration, u64);

fn transactions(folder: &Path) -> Result<Vec<Transaction>, Error> {
    let mut all = Vec::new();
    let entries = fs::read_dir(folder).map_err(Error::io("look into a folder"))?;
    let logs = entries.flatten().map(|entry| entry.path()).filter(|path| is_log(path));
    for path in logs {
        let text = fs::read_to_string(&path).map_err(Error::io("read pgbench's log"))?;
        all.extend(text.lines().filter_map(transaction));
    }
    all.sort_unstable();
    Ok(all)
}

fn is_log(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("log."))
}

/// `client number latency script seconds microseconds`
fn transaction(line: &str) -> Option<Transaction> {
    let mut fields = line.split(' ').skip(2);
    let latency = fields.next()?.parse().ok()?;
    let seconds = fields.nth(1)?.parse().ok()?;
    let microseconds = fields.next()?.parse().ok()?;
    Some((Duration::from_secs(seconds) + Duration::from_micros(microseconds), latency))
}

/// The figures of the window between a run's edges.
fn sample(transactions: Vec<Transaction>, watch: &Watch) -> Option<Sample> {
    let from = transactions.first()?.0 + EDGE;
    let until = transactions.last()?.0.checked_sub(EDGE)?;
    let mut latencies: Vec<u64> =
        transactions.iter().filter(|(at, _)| (from..=until).contains(at)).map(|(_, latency)| *latency).collect();
    latencies.sort_unstable();
    let per_second = latencies.len() as f64 / until.checked_sub(from)?.as_secs_f64();
    let at = |part: usize| latencies.get((latencies.len() * part / 100).min(latencies.len().checked_sub(1)?)).copied();
    Some(Sample {
        per_second,
        p50_us: at(50),
        p99_us: at(99),
        cpu_us: watch.share(from, until).map(|share| share * 1e6 / per_second),
        machine_us: watch.share_of_all(from, until).map(|share| share * 1e6 / per_second),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_log_is_an_end_and_a_latency() {
        let end = Duration::new(1_499_414_498, 35_036_000);
        assert_eq!(transaction("0 199 2241 0 1499414498 35036"), Some((end, 2241)));
        assert_eq!(transaction("0 199 failed 0 1499414498 35036"), None);
    }

    #[test]
    fn a_run_is_measured_without_its_edges() {
        let run = (0..1000_u64).map(|n| (Duration::from_millis(n), if (200..800).contains(&n) { 10 } else { 99 }));
        let sample = sample(run.collect(), &Watch::new(None)).unwrap();
        assert_eq!((sample.p50_us, sample.p99_us, sample.cpu_us), (Some(10), Some(10), None));
        assert!((sample.per_second - 1000.0).abs() < 5.0, "{}", sample.per_second);
    }
}
