//! Processor time of another process and of the whole machine, as the system accounts for it.

use std::{
    fs,
    time::{Duration, SystemTime},
};

/// `USER_HZ`: what Linux counts in towards programs, on every architecture that this runs on.
const TICKS_PER_SECOND: u64 = 100;
/// Fields of `/proc/PID/stat` behind the name: the state is the first, `utime` and `stime` these.
const UTIME: usize = 11;
const STIME: usize = 12;

/// User and system time since the process started; none for one that is gone.
pub fn used(process: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses may hold anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let ticks: u64 = fields.get(UTIME)?.parse::<u64>().ok()? + fields.get(STIME)?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

/// Time that all processors together did not idle since the start of the machine: everything but the fields `idle` and
/// `iowait` of the first line of `/proc/stat`, and but guests' time, which is in `user` already.
pub fn used_by_all() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let fields: Vec<u64> = stat.lines().next()?.split_whitespace().skip(1).flat_map(str::parse).collect();
    let [user, nice, system, _idle, _iowait, irq, softirq, ..] = *fields else { return None };
    Some(Duration::from_millis((user + nice + system + irq + softirq) * 1000 / TICKS_PER_SECOND))
}

/// Processor time at moments of a run.
#[derive(Debug)]
pub struct Watch {
    process: Option<u32>,
    own: Seen,
    all: Seen,
}

/// Moments (since 1970) and the time used until then.
type Seen = Vec<(Duration, Duration)>;

impl Watch {
    /// Watches a process; none where nothing stands between client and server.
    pub fn new(process: Option<u32>) -> Watch {
        Watch { process, own: Vec::new(), all: Vec::new() }
    }

    /// Notes the time used until now.
    pub fn look(&mut self) {
        let now = since_epoch();
        self.own.extend(self.process.and_then(used).map(|used| (now, used)));
        self.all.extend(used_by_all().map(|used| (now, used)));
    }

    /// Seconds of the process for each second between two moments (since 1970).
    pub fn share(&self, from: Duration, until: Duration) -> Option<f64> {
        share(&self.own, from, until)
    }

    /// The same of all that ran on the machine: clients, the server, the process in between, and the system itself.
    pub fn share_of_all(&self, from: Duration, until: Duration) -> Option<f64> {
        share(&self.all, from, until)
    }
}

fn share(seen: &Seen, from: Duration, until: Duration) -> Option<f64> {
    let inside = || seen.iter().filter(|(at, _)| (from..=until).contains(at));
    let ((start, before), (end, after)) = (inside().next()?, inside().next_back()?);
    let wall = end.checked_sub(*start)?.as_secs_f64();
    (wall > 0.0).then(|| after.saturating_sub(*before).as_secs_f64() / wall)
}

/// The time since 1970, as pgbench's log writes it.
pub fn since_epoch() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_shows_as_processor_time() {
        let own = std::process::id();
        let (before, all) = (used(own).unwrap(), used_by_all().unwrap());
        let mut n = 0_u64;
        while used(own).unwrap() < before + Duration::from_millis(20) {
            n = std::hint::black_box(n + 1);
        }
        assert!(n > 0 && used_by_all().unwrap() > all);
    }

    #[test]
    fn the_share_is_taken_between_the_moments_asked_for() {
        let seconds = Duration::from_secs;
        let seen = vec![
            (seconds(1), seconds(0)),
            (seconds(2), seconds(5)),
            (seconds(4), seconds(6)),
            (seconds(9), seconds(9)),
        ];
        assert_eq!(share(&seen, seconds(2), seconds(5)), Some(0.5));
        assert_eq!(share(&seen, seconds(5), seconds(6)), None);
    }
}
