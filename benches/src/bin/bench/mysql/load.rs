//! sysbench's loads, measured from its first to its last report of a second: throughput and the processor time of what stands between.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use clap::ValueEnum;
use querygate_testkit::mysql::{Login, Server, mariadb_plugins};
use serde::Serialize;
use tempfile::TempDir;

use super::stand::Stand;
use crate::{
    between::program,
    cpu::{Watch, since_epoch},
    error::Error,
    place::Place,
    result::Sample,
};

/// Rows of its table.
const TABLE_SIZE: &str = "--table-size=100000";
/// What sysbench may need beyond the seconds asked for: encrypted log-ins of all clients on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);

/// What sysbench runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Script {
    /// A row by its key.
    PointSelect,
    /// Ten rows by their keys and four ranges, in a transaction.
    ReadOnly,
}

/// How it sends a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// As text, with its values in it.
    Text,
    /// Prepared once by the server.
    Prepared,
}

/// One load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Load {
    pub script: Script,
    pub way: Way,
    pub threads: usize,
}

impl Load {
    pub fn title(self) -> String {
        let way = match self.way {
            Way::Text => "text",
            Way::Prepared => "prepared",
        };
        format!("sysbench {}, {way}, {} threads", self.script.name(), self.threads)
    }
}

impl Script {
    fn name(self) -> &'static str {
        match self {
            Script::PointSelect => "oltp_point_select",
            Script::ReadOnly => "oltp_read_only",
        }
    }
}

/// sysbench, in a folder of its own.
#[derive(Debug)]
pub struct Sysbench {
    program: PathBuf,
    folder: TempDir,
}

impl Sysbench {
    /// Makes its folder, from which its scripts load each other.
    pub fn new() -> Result<Sysbench, Error> {
        let program = program("QUERYGATE_SYSBENCH")?;
        let folder = tempfile::Builder::new().prefix("querygate-sysbench-").tempdir();
        let folder = folder.map_err(Error::io("make a temporary folder"))?;
        let scripts = program.ancestors().nth(2).unwrap_or(Path::new("/usr")).join("share/sysbench");
        let found = fs::read_dir(&scripts).map_err(Error::io(format!("look into {}", scripts.display())))?;
        for script in found.flatten() {
            fs::copy(script.path(), folder.path().join(script.file_name())).map_err(Error::io("copy a script"))?;
        }
        Ok(Sysbench { program, folder })
    }

    /// Gives it what it wants wherever it encrypts: a client's certificate that this server takes, and who signed the server's.
    pub fn identify(&self, server: &Server) -> Result<(), Error> {
        let (certificate, key) = server.client();
        for (file, name) in
            [(certificate, "client-cert.pem"), (key, "client-key.pem"), (server.authority(), "cacert.pem")]
        {
            fs::copy(&file, self.folder.path().join(name)).map_err(Error::io(format!("copy {}", file.display())))?;
        }
        Ok(())
    }

    fn command(&self, login: &Login, script: Script) -> Result<Command, Error> {
        let mut command = Command::new(&self.program);
        command.current_dir(self.folder.path()).arg(format!("{}.lua", script.name())).arg(TABLE_SIZE);
        command.args(["--db-driver=mysql", "--mysql-host=127.0.0.1", "--mysql-ssl=on"]);
        command.arg(format!("--mysql-port={}", login.port)).arg(format!("--mysql-user={}", login.user));
        command.arg(format!("--mysql-password={}", login.password)).arg(format!("--mysql-db={}", login.database));
        // For its client library, which finds the ways to log in by it.
        command.env("MARIADB_PLUGIN_DIR", mariadb_plugins()?).stdin(Stdio::null());
        Ok(command)
    }

    /// Makes its table.
    pub fn prepare(&self, admin: &Login) -> Result<(), Error> {
        let made = self.command(admin, Script::PointSelect)?.arg("prepare").output();
        let made = made.map_err(Error::io("start sysbench"))?;
        match made.status.success() {
            true => Ok(()),
            false => {
                Err(Error::Program { what: "sysbench prepare".to_owned(), output: words(&made.stdout, &made.stderr) })
            }
        }
    }
}

fn words(out: &[u8], err: &[u8]) -> String {
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

/// Puts a load on a place.
pub fn measure(stand: &Stand, place: Place, load: Load, seconds: u64) -> Result<Sample, Error> {
    let login = stand.login(place, usize::from(place == Place::Masked));
    let mut command = stand.sysbench.command(&login, load.script)?;
    command.arg(format!("--threads={}", load.threads)).args(["--percentile=50", "--report-interval=1"]);
    // The first second is left out.
    command.arg(format!("--time={}", seconds + 1));
    command.arg(match load.way {
        Way::Text => "--db-ps-mode=disable",
        Way::Prepared => "--db-ps-mode=auto",
    });
    let child = command.arg("run").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let limit = Duration::from_secs(seconds) + PATIENCE;
    let (reports, text) = watch(child.map_err(Error::io("start sysbench"))?, limit, stand.process(place))?;
    sample(&reports, &text).ok_or_else(|| Error::Empty(format!("sysbench at {}: {text}", place.name())))
}

/// A report of a second: when it came, and queries in it.
struct Reports {
    each: Vec<(Duration, f64)>,
    watch: Watch,
}

/// Reads its words until it ends.
fn watch(mut child: Child, limit: Duration, process: Option<u32>) -> Result<(Reports, String), Error> {
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let reader = thread::spawn(move || {
        let (mut each, mut text) = (Vec::new(), String::new());
        for line in out.into_iter().flat_map(|out| BufReader::new(out).lines()).map_while(Result::ok) {
            each.extend(queries(&line).map(|queries| (since_epoch(), queries)));
            text.push_str(&line);
            text.push('\n');
        }
        (each, text)
    });
    let errors = thread::spawn(move || {
        let mut text = String::new();
        // Words that can't be read are none.
        let _ = err.map(|mut err| err.read_to_string(&mut text));
        text
    });
    let mut watch = Watch::new(process);
    let deadline = Instant::now() + limit;
    let status = loop {
        watch.look();
        match child.try_wait().map_err(Error::io("look at sysbench"))? {
            Some(status) => break Some(status),
            None if Instant::now() > deadline => {
                // One that ended by itself can't be killed, and that is well.
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
            None => thread::sleep(LOOK),
        }
    };
    let (each, text) = reader.join().unwrap_or_default();
    let text = text + &errors.join().unwrap_or_default();
    match status.is_some_and(|status| status.success()) {
        true => Ok((Reports { each, watch }, text)),
        false => Err(Error::Program { what: "sysbench".to_owned(), output: text }),
    }
}

/// `[ 1s ] thds: 8 tps: 9.00 qps: 144.00 (r/w/o: ...) ...`
fn queries(line: &str) -> Option<f64> {
    line.strip_prefix("[ ")?.split_once("qps: ")?.1.split(' ').next()?.parse().ok()
}

/// The figures between the first report and the last.
fn sample(reports: &Reports, text: &str) -> Option<Sample> {
    let ((from, _), counted) = reports.each.split_first()?;
    let (until, _) = counted.last()?;
    let per_second = counted.iter().map(|(_, queries)| queries).sum::<f64>() / counted.len() as f64;
    let line = text.lines().find_map(|line| line.trim().strip_prefix("50th percentile:"))?;
    let milliseconds: f64 = line.trim().parse().ok()?;
    Some(Sample {
        per_second,
        p50_us: Some((milliseconds * 1000.0) as u64),
        p99_us: None,
        cpu_us: reports.watch.share(*from, *until).map(|share| share * 1e6 / per_second),
        machine_us: reports.watch.share_of_all(*from, *until).map(|share| share * 1e6 / per_second),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_how_many_queries_its_second_had() {
        let line =
            "[ 2s ] thds: 8 tps: 1000.50 qps: 16008.00 (r/w/o: 14007.00/0.00/2001.00) lat (ms,50%): 7.9 err/s: 0";
        assert_eq!(queries(line), Some(16008.0));
        assert_eq!(queries("Threads started!"), None);
    }

    #[test]
    fn the_first_report_is_left_out() {
        let at = Duration::from_secs;
        let reports = Reports { each: vec![(at(1), 5.0), (at(2), 30.0), (at(3), 50.0)], watch: Watch::new(None) };
        let sample = sample(&reports, "  50th percentile:     0.25\n").unwrap();
        assert_eq!((sample.per_second, sample.p50_us), (40.0, Some(250)));
        assert!(super::sample(&reports, "").is_none());
    }
}
