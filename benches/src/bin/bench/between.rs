//! What can stand between any client and any server.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    error::Error,
    place::Place,
    process::{Process, free_address},
};

/// The forwarding programs, all in front of one server.
#[derive(Debug)]
pub struct Forwarders {
    relay: Process,
    relay_again: Process,
    haproxy: Process,
}

impl Forwarders {
    /// Starts them.
    pub fn start(server: u16, folder: &Path) -> Result<Forwarders, Error> {
        Ok(Forwarders {
            relay: forwarding("relay", "relay.log", server, folder)?,
            relay_again: forwarding("relay", "relay-again.log", server, folder)?,
            haproxy: haproxy("haproxy", server, None, folder)?,
        })
    }

    /// The one that a place names; none for other places.
    pub fn at(&self, place: Place) -> Option<&Process> {
        match place {
            Place::Relay => Some(&self.relay),
            Place::RelayAgain => Some(&self.relay_again),
            Place::Haproxy => Some(&self.haproxy),
            _ => None,
        }
    }
}

/// One of this crate's programs.
pub fn forwarding(program: &str, log: &str, server: u16, folder: &Path) -> Result<Process, Error> {
    let own = env::current_exe().map_err(Error::io("find this program"))?;
    let path = own.with_file_name(program);
    if !path.exists() {
        return Err(Error::Unbuilt(path));
    }
    let address = free_address()?;
    let mut command = Command::new(path);
    command.arg(address.to_string()).arg(format!("127.0.0.1:{server}"));
    Process::start(&mut command, address, &folder.join(log))
}

/// The program that a variable of the environment names.
pub fn program(variable: &'static str) -> Result<PathBuf, Error> {
    env::var_os(variable).map(PathBuf::from).ok_or(Error::Unnamed(variable))
}

/// haproxy in TCP mode, with a thread for each core, as is its default. With a certificate and its key it ends TLS that begins with the first byte.
pub fn haproxy(name: &str, server: u16, certificate: Option<&str>, folder: &Path) -> Result<Process, Error> {
    let address = free_address()?;
    let settings = folder.join(format!("{name}.cfg"));
    let mut tls = String::new();
    if let Some(pem) = certificate {
        let file = folder.join(format!("{name}.pem"));
        fs::write(&file, pem).map_err(Error::io("write a certificate"))?;
        tls = format!(" ssl crt {} alpn postgresql", file.display());
    }
    let text = format!(
        "global\n  maxconn 2000\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 5m\n  timeout server 5m\n\
         listen bench\n  bind {address}{tls}\n  server server 127.0.0.1:{server}\n"
    );
    fs::write(&settings, text).map_err(Error::io("write haproxy's settings"))?;
    let mut command = Command::new(program("QUERYGATE_HAPROXY")?);
    Process::start(command.arg("-db").arg("-f").arg(&settings), address, &folder.join(format!("{name}.log")))
}
