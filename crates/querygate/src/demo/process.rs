//! Programs that end with the value that holds them.

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::commands::Failure;

/// How long a program may take to end after it was asked to; then it is killed.
const STOP_WAIT_MAX: Duration = Duration::from_secs(10);
/// How often a program that was asked to end is looked at.
const STOP_LOOK: Duration = Duration::from_millis(10);
/// How long a program may take to start serving.
const START_WAIT_MAX: Duration = Duration::from_secs(60);
/// How often a program that starts is looked at.
const START_LOOK: Duration = Duration::from_millis(50);
/// How long one command may take.
const COMMAND_WAIT_MAX: Duration = Duration::from_secs(60);
/// How much of a failed program's log is repeated, in bytes.
const LOG_SHOWN_MAX: usize = 4096;

/// A program that serves until it is asked to end.
#[derive(Debug)]
pub struct Running {
    name: &'static str,
    child: Child,
    stop: Signal,
    log: PathBuf,
}

impl Running {
    /// Starts it in a process group of its own, so that a Ctrl-C reaches the demo alone, which then ends everything in order. What it says goes to `log`.
    pub fn start(name: &'static str, command: &mut Command, stop: Signal, log: &Path) -> Result<Running, Failure> {
        let file = File::create(log).map_err(|e| failed(name, &e))?;
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).process_group(0).spawn();
        Ok(Running { name, child: child.map_err(|e| failed(name, &e))?, stop, log: log.to_owned() })
    }

    /// Waits until it serves.
    pub async fn wait_until(&mut self, mut ready: impl AsyncFnMut(&str) -> bool) -> Result<(), Failure> {
        let deadline = Instant::now() + START_WAIT_MAX;
        loop {
            let log = self.log();
            if ready(&log).await {
                return Ok(());
            }
            if self.ended().is_some() || Instant::now() >= deadline {
                return Err(Failure::wrong(format!("{} does not start:\n{log}", self.name)));
            }
            tokio::time::sleep(START_LOOK).await;
        }
    }

    /// The end of what it has said.
    fn log(&self) -> String {
        let mut text = String::new();
        // A log that can't be read says nothing.
        let _ = File::open(&self.log).and_then(|mut f| f.read_to_string(&mut text));
        let start = text.len().saturating_sub(LOG_SHOWN_MAX);
        let start = (start..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.split_off(start)
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let Some(pid) = pid.filter(|_| self.ended().is_none()) else { return };
        // The number is its own until its end has been seen here.
        let _ = kill_process(pid, self.stop);
        let deadline = Instant::now() + STOP_WAIT_MAX;
        while self.ended().is_none() {
            if Instant::now() >= deadline {
                let _ = self.child.start_kill();
                return;
            }
            std::thread::sleep(STOP_LOOK);
        }
    }
}

/// What a command has written, and whether it said yes.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Whether it said yes.
    pub ok: bool,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Runs a command to its end, without anything to read. It ends with the demo.
pub async fn run(command: &mut Command) -> Result<Ran, Failure> {
    run_with(command, Stdio::null()).await
}

async fn run_with(command: &mut Command, input: Stdio) -> Result<Ran, Failure> {
    let name = command.as_std().get_program().display().to_string();
    let output = command.stdin(input).kill_on_drop(true).output();
    let output = tokio::time::timeout(COMMAND_WAIT_MAX, output).await;
    let output = output.map_err(|_| Failure::wrong(format!("{name} did not end in time")))?;
    let output = output.map_err(|e| failed(&name, &e))?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Ran { ok: output.status.success(), stdout: text(output.stdout), stderr: text(output.stderr) })
}

/// The same for a command of the set-up, which reads `input` and must say yes.
pub async fn must(command: &mut Command, input: impl Into<Stdio>) -> Result<Ran, Failure> {
    let name = command.as_std().get_program().display().to_string();
    let ran = run_with(command, input.into()).await?;
    if ran.ok { Ok(ran) } else { Err(Failure::wrong(format!("{name} failed:\n{}{}", ran.stdout, ran.stderr))) }
}

/// Writes a file that its owner alone can read.
pub fn write_private(path: &Path, text: &str) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt;
    let written = fs::write(path, "").and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o600)));
    written
        .and_then(|()| fs::write(path, text))
        .map_err(|e| Failure::wrong(format!("{} can't be written: {e}", path.display())))
}

/// A folder that is made.
pub fn folder(path: &Path) -> Result<(), Failure> {
    fs::create_dir(path).map_err(|e| Failure::wrong(format!("{} can't be made: {e}", path.display())))
}

fn failed(name: &str, error: &std::io::Error) -> Failure {
    Failure::wrong(format!("{name} can't be started: {error}"))
}
