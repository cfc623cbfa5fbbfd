//! Clients that are logged in and do nothing.

use std::{fs, thread, time::Duration};

use querygate_testkit::wire::{RawClient, query};

use super::stand::Stand;
use crate::{error::Error, result::Idle};

/// How long everything that a log-in leaves behind may take to go.
const SETTLE: Duration = Duration::from_secs(2);

/// Logs in so many clients, each of which reads once, and compares the gateway's memory before and after.
pub fn measure(stand: &Stand, clients: usize) -> Result<Idle, Error> {
    let (gateway, target) = stand.crowded(clients)?;
    let process = gateway.process().ok_or_else(|| Error::Empty("a gateway that has ended".to_owned()))?;
    // The first takes what all share.
    let mut open = vec![connected(&target)?];
    thread::sleep(SETTLE);
    let before = resident_kib(process)?;
    for _ in 0..clients {
        open.push(connected(&target)?);
    }
    thread::sleep(SETTLE);
    let after = resident_kib(process)?;
    Ok(Idle { clients, kib_each: after.saturating_sub(before) as f64 / clients as f64 })
}

fn connected(target: &querygate_testkit::Target) -> Result<RawClient, Error> {
    let mut client = RawClient::login(target)?;
    client.send(&query("SELECT id, full_name FROM wide WHERE id = 1"))?;
    client.read_until(b'Z')?;
    Ok(client)
}

fn resident_kib(process: u32) -> Result<u64, Error> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).map_err(Error::io("look at the gateway"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse().ok());
    number.ok_or_else(|| Error::Empty("a process without memory".to_owned()))
}
