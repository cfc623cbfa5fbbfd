//! Child processes that never outlive the test, however it ends.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::Error;

/// How long a program may take to end after it was asked to.
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// How often a program that was asked to end is looked at.
const STOP_LOOK: Duration = Duration::from_millis(10);

/// A signal that a test sends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signal {
    Hangup,
    Interrupt,
    Kill,
    Quit,
    Terminate,
}

impl Signal {
    const fn name(self) -> &'static str {
        match self {
            Self::Hangup => "HUP",
            Self::Interrupt => "INT",
            Self::Kill => "KILL",
            Self::Quit => "QUIT",
            Self::Terminate => "TERM",
        }
    }
}

/// A running program, its collected standard error, and a watcher that kills it when the test process is gone.
#[derive(Debug)]
pub(crate) struct Lifeline {
    child: Child,
    watcher: Option<Child>,
    /// What ends the program when nobody waits for an orderly stop.
    last: Signal,
    /// Behind a lock so that tests on several threads can share one.
    lines: Mutex<mpsc::Receiver<()>>,
    log: Arc<Mutex<String>>,
    ended: Option<ExitStatus>,
}

impl Lifeline {
    /// Starts a program; what it writes to standard error goes to `log_file` as well. `last` ends it at the latest when
    /// the test process does.
    pub(crate) fn spawn(command: &mut Command, log_file: &Path, last: Signal) -> Result<Self, Error> {
        let mut file = File::create(log_file).map_err(Error::io(format!("create {}", log_file.display())))?;
        let program = command.get_program().display().to_string();
        let started = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = started.map_err(Error::io(format!("start {program}")))?;
        let log = Arc::new(Mutex::new(String::new()));
        let (sender, lines) = mpsc::channel();
        if let Some(stderr) = child.stderr.take() {
            let log = Arc::clone(&log);
            thread::spawn(move || {
                for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                    let line = String::from_utf8_lossy(&line).into_owned();
                    // The copy on disk is a help for people; a test reads the one in memory.
                    let _ = writeln!(file, "{line}");
                    log.lock().push_str(&(line + "\n"));
                    // Nobody listens any more once the start-up is over.
                    let _ = sender.send(());
                }
            });
        }
        let watcher = watch(child.id(), last)?;
        Ok(Self { child, watcher: Some(watcher), last, lines: Mutex::new(lines), log, ended: None })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What the program has written to standard error so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().clone()
    }

    /// Calls `ready` after each new line of the log, and at least every `look`, until it says yes.
    pub(crate) fn wait_until(
        &mut self,
        what: &str,
        limit: Duration,
        look: Duration,
        mut ready: impl FnMut(&str) -> bool,
    ) -> Result<(), Error> {
        let deadline = Instant::now() + limit;
        loop {
            if ready(&self.log()) {
                return Ok(());
            }
            if let Some(status) = self.status()? {
                return Err(Error::Failed { what: format!("{what} ({status})"), output: self.log() });
            }
            if Instant::now() >= deadline {
                return Err(Error::TimedOut {
                    what: what.to_owned(),
                    limit,
                    log: format!("; its log:\n{}", self.log()),
                });
            }
            // A time-out or an ended stream only means: look again.
            let _ = self.lines.lock().recv_timeout(look);
        }
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<(), Error> {
        if self.ended.is_some() {
            return Ok(());
        }
        let arguments =
            ["-c", "kill -s \"$1\" \"$2\"", "kill", signal.name(), &self.id().to_string()].map(str::to_owned);
        Command::new("sh").args(arguments).status().map_err(Error::io("send a signal"))?;
        Ok(())
    }

    fn status(&mut self) -> Result<Option<ExitStatus>, Error> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().map_err(Error::io("look at a child"))?;
        }
        Ok(self.ended)
    }

    /// Waits for the program to end by itself or by a signal sent before.
    pub(crate) fn wait(&mut self) -> Result<ExitStatus, Error> {
        let deadline = Instant::now() + STOP_LIMIT;
        loop {
            if let Some(status) = self.status()? {
                self.dismiss_watcher();
                return Ok(status);
            }
            if Instant::now() >= deadline {
                let log = format!("; its log:\n{}", self.log());
                return Err(Error::TimedOut { what: "the end of a program".to_owned(), limit: STOP_LIMIT, log });
            }
            thread::sleep(STOP_LOOK);
        }
    }

    /// Ends the watcher without letting it kill: the number of an ended process may soon be another's.
    fn dismiss_watcher(&mut self) {
        let Some(mut watcher) = self.watcher.take() else { return };
        if let Some(stdin) = watcher.stdin.as_mut() {
            // A watcher that is gone already needs no word.
            let _ = stdin.write_all(b"ended\n");
        }
        let _ = watcher.wait();
    }
}

impl Drop for Lifeline {
    fn drop(&mut self) {
        if self.signal(self.last).and_then(|()| self.wait()).is_err() {
            // Nothing can be done here about a process that can't be killed.
            let _ = self.child.kill();
            self.ended = self.child.wait().ok();
        }
        self.dismiss_watcher();
    }
}

/// A shell that reads from the test process: a line means that all is well, the end of the pipe that the test is gone.
fn watch(pid: u32, last: Signal) -> Result<Child, Error> {
    Command::new("sh")
        .args(["-c", "read line || kill -s \"$1\" \"$2\"", "watch", last.name(), &pid.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(Error::io("start a watcher"))
}

/// A TCP port on the loopback interface that was free a moment ago.
pub(crate) fn free_port() -> Result<u16, Error> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(Error::io("find a free port"))?;
    Ok(listener.local_addr().map_err(Error::io("find a free port"))?.port())
}

/// A folder in the system's temporary folder, which an unprivileged server can enter too.
pub(crate) fn folder(name: &str) -> Result<tempfile::TempDir, Error> {
    tempfile::Builder::new()
        .prefix(&format!("querygate-{name}-"))
        .tempdir()
        .map_err(Error::io("make a temporary folder"))
}

/// The program that a variable names, or that lies in the folder which another variable names.
pub(crate) fn program(variable: &str) -> Result<PathBuf, Error> {
    std::env::var_os(variable).map(PathBuf::from).ok_or_else(|| Error::Environment(variable.to_owned()))
}

/// Writes a file that only its owner can read.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text).map_err(Error::io(format!("write {}", path.display())))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
        .map_err(Error::io(format!("protect {}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alive(pid: u32) -> bool {
        Path::new(&format!("/proc/{pid}")).exists()
    }

    #[test]
    fn a_program_ends_with_the_value_that_holds_it() {
        let folder = folder("lifeline").unwrap();
        let line =
            Lifeline::spawn(Command::new("sleep").arg("1000"), &folder.path().join("log"), Signal::Kill).unwrap();
        let pid = line.id();
        assert!(alive(pid));
        drop(line);
        assert!(!alive(pid));
    }

    #[test]
    fn a_watcher_kills_the_program_when_the_test_process_is_gone() {
        let mut program = Command::new("sleep").arg("1000").spawn().unwrap();
        let mut watcher = watch(program.id(), Signal::Kill).unwrap();
        drop(watcher.stdin.take());
        watcher.wait().unwrap();
        assert!(!program.wait().unwrap().success());
    }

    #[test]
    fn waiting_ends_with_the_log_when_the_program_does() {
        let folder = folder("lifeline").unwrap();
        let mut command = Command::new("sh");
        let mut line =
            Lifeline::spawn(command.args(["-c", "echo no luck >&2; exit 3"]), &folder.path().join("log"), Signal::Kill)
                .unwrap();
        let never =
            line.wait_until("the start", Duration::from_secs(20), Duration::from_millis(10), |_| false).unwrap_err();
        assert!(matches!(never, Error::Failed { .. }), "{never}");
    }
}
