//! Programs that stand between client and server while they are measured, and end with the driver, however that ends.

use std::{
    fs::File,
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::error::Error;

/// How long a program may take to listen.
const START_LIMIT: Duration = Duration::from_secs(20);
const START_LOOK: Duration = Duration::from_millis(20);

/// A running program.
#[derive(Debug)]
pub struct Process {
    child: Child,
    watcher: Child,
    pub address: SocketAddr,
}

impl Process {
    /// Starts a program and waits until it listens. Its words go to a file.
    pub fn start(command: &mut Command, address: SocketAddr, log: &Path) -> Result<Process, Error> {
        let what = command.get_program().display().to_string();
        let file = File::create(log).map_err(Error::io(format!("create {}", log.display())))?;
        let copy = file.try_clone().map_err(Error::io("share a file"))?;
        let started = command.stdin(Stdio::null()).stdout(file).stderr(copy).spawn();
        let child = started.map_err(Error::io(format!("start {what}")))?;
        let watcher = watch(child.id()).map_err(Error::io("start a watcher"))?;
        let mut process = Process { child, watcher, address };
        let deadline = Instant::now() + START_LIMIT;
        while TcpStream::connect(address).is_err() {
            let ended = process.child.try_wait().map_err(Error::io("look at a child"))?;
            if ended.is_some() || Instant::now() > deadline {
                let output = std::fs::read_to_string(log).unwrap_or_default();
                return Err(Error::Program { what: format!("the start of {what}"), output });
            }
            thread::sleep(START_LOOK);
        }
        Ok(process)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The watcher first: the number of an ended process may soon be another's. One that is gone already needs no word.
        let _ = self.watcher.kill();
        let _ = self.watcher.wait();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A shell that reads from this process: the end of the pipe means that it is gone.
fn watch(process: u32) -> io::Result<Child> {
    Command::new("sh")
        .args(["-c", "read line || kill -s KILL \"$1\"", "watch", &process.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// An address of the loopback interface that was free a moment ago.
pub fn free_address() -> Result<SocketAddr, Error> {
    let bound = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    bound.map_err(Error::io("find a free port"))
}
