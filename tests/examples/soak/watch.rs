//! A process looked at from outside.

use std::fs;

use querygate_testkit::gateway::Gateway;

/// Threads that the runtime keeps for blocking work and ends by itself later.
pub const SPARE_THREADS: u64 = 8;

/// The gateway's process.
pub struct Watch {
    process: u32,
}

/// What it held at one moment.
pub struct Sample {
    pub memory_mib: f64,
    pub descriptors: u64,
    pub threads: u64,
    pub sessions: u64,
    pub alarms: u64,
}

impl Watch {
    pub fn new(process: u32) -> Watch {
        Watch { process }
    }

    /// Open descriptors but for files: the log opens those of its tables as it grows, up to a limit of its own.
    fn descriptors(&self) -> u64 {
        let links = fs::read_dir(format!("/proc/{}/fd", self.process)).unwrap().flatten();
        links.filter(|link| fs::read_link(link.path()).is_ok_and(|to| !to.is_absolute())).count() as u64
    }

    pub fn sample(&self, gateway: &Gateway) -> Sample {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process)).unwrap();
        let field = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or_default()
        };
        let metrics = gateway.page("/metrics").map(|(_, text)| text).unwrap_or_default();
        let metric = |name: &str| -> u64 {
            let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.and_then(|n| n.parse::<f64>().ok()).map_or(u64::MAX, |n| n as u64)
        };
        Sample {
            memory_mib: field("VmRSS:") as f64 / 1024.0,
            descriptors: self.descriptors(),
            threads: field("Threads:"),
            sessions: metric("querygate_sessions"),
            alarms: metric("querygate_alarms_total"),
        }
    }
}
