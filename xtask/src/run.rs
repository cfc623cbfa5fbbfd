//! Running other programs: quietly with progress, or with their own output. Progress goes to standard error, so that
//! what a command prints can be used by a shell.

use std::{
    fs::{self, File},
    io::{IsTerminal, Write},
    path::Path,
    process::{Command, ExitStatus, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    cache::{self, Cache},
    error::Error,
};

/// How long something may be silent before its progress is shown.
const QUIET: Duration = Duration::from_secs(2);
/// How often a terminal's progress line is drawn again.
const REDRAW: Duration = Duration::from_millis(200);
/// How often progress is written where lines can't be drawn again.
const PLAIN_LINE: Duration = Duration::from_secs(10);
/// How much of a failed program's output is repeated.
const TAIL_LINES: usize = 40;
/// Width of the last output line shown as progress.
const HINT_COLUMNS: usize = 70;

/// Runs a program with its output in a log file, shows progress, and repeats the log's end if it fails.
pub fn quietly(cache: &Cache, what: &str, command: &mut Command) -> Result<(), Error> {
    let log = log_file(cache, what)?;
    let file = File::create(&log).map_err(|source| Error::io("create", &log, source))?;
    let copy = file.try_clone().map_err(|source| Error::io("share", &log, source))?;
    let started = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(copy)
        .spawn()
        .map_err(|source| not_started(command, &source))?;
    let mut progress = Progress::new(what, started);
    let status = loop {
        if let Some(status) = child.try_wait().map_err(|source| not_started(command, &source))? {
            break status;
        }
        thread::sleep(REDRAW);
        progress.show(&log);
    };
    progress.end(status.success());
    if status.success() {
        return Ok(());
    }
    Err(Error::Failed(format!("{what} failed ({status}).\n{}\nThe whole log is in {}", tail(&log), log.display())))
}

/// Runs a program that talks to the user itself.
pub fn openly(command: &mut Command) -> Result<ExitStatus, Error> {
    command.status().map_err(|source| not_started(command, &source))
}

/// Runs a program for its output; `None` where it can't be started or says no.
pub fn output(command: &mut Command) -> Option<String> {
    let Output { status, stdout, .. } = command.stdin(Stdio::null()).output().ok()?;
    status.success().then(|| String::from_utf8_lossy(&stdout).into_owned())
}

/// Whether a program can be started and says yes.
pub fn answers(program: &str, arguments: &[&str]) -> bool {
    output(Command::new(program).args(arguments)).is_some()
}

fn not_started(command: &Command, source: &std::io::Error) -> Error {
    Error::Machine(format!("could not run {}: {source}", command.get_program().display()))
}

fn log_file(cache: &Cache, what: &str) -> Result<std::path::PathBuf, Error> {
    cache::make_folder(&cache.logs())?;
    let name: String = what.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    Ok(cache.logs().join(format!("{name}.{}.log", std::process::id())))
}

fn tail(log: &Path) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(TAIL_LINES)..).unwrap_or_default().join("\n")
}

/// A line that tells that something long still goes on.
struct Progress<'a> {
    what: &'a str,
    started: Instant,
    terminal: bool,
    next: Instant,
    shown: bool,
}

impl<'a> Progress<'a> {
    fn new(what: &'a str, started: Instant) -> Self {
        let terminal = std::io::stderr().is_terminal() && std::env::var_os("CI").is_none();
        Self { what, started, terminal, next: started + QUIET, shown: false }
    }

    fn show(&mut self, log: &Path) {
        let now = Instant::now();
        if now < self.next {
            return;
        }
        let seconds = self.started.elapsed().as_secs();
        if self.terminal {
            let hint: String = tail(log).lines().last().unwrap_or_default().trim().chars().take(HINT_COLUMNS).collect();
            eprint!("\r\x1b[K{} … {seconds} s  {hint}", self.what);
            self.next = now + REDRAW;
        } else {
            eprintln!("{} … {seconds} s", self.what);
            self.next = now + if self.shown { PLAIN_LINE } else { PLAIN_LINE - QUIET };
        }
        self.shown = true;
        // A progress line that can't be written is no reason to stop the work.
        let _ = std::io::stderr().flush();
    }

    fn end(&self, done: bool) {
        if !self.shown {
            return;
        }
        let start = if self.terminal { "\r\x1b[K" } else { "" };
        let outcome = if done { "done" } else { "failed" };
        eprintln!("{start}{}: {outcome} after {} s", self.what, self.started.elapsed().as_secs());
    }
}
