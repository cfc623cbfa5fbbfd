//! Processor time of another process, as the system accounts for it.

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

/// Processor time at moments of a run.
#[derive(Debug)]
pub struct Watch {
    process: Option<u32>,
    seen: Vec<(Duration, Duration)>,
}

impl Watch {
    /// Watches a process; none where nothing stands between client and server.
    pub fn new(process: Option<u32>) -> Watch {
        Watch { process, seen: Vec::new() }
    }

    /// Notes the time used until now.
    pub fn look(&mut self) {
        if let Some(used) = self.process.and_then(used) {
            self.seen.push((since_epoch(), used));
        }
    }

    /// Seconds of processor time for each second between two moments (since 1970).
    pub fn share(&self, from: Duration, until: Duration) -> Option<f64> {
        let inside = || self.seen.iter().filter(|(at, _)| (from..=until).contains(at));
        let ((start, before), (end, after)) = (inside().next()?, inside().next_back()?);
        let wall = end.checked_sub(*start)?.as_secs_f64();
        (wall > 0.0).then(|| after.saturating_sub(*before).as_secs_f64() / wall)
    }
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
        let before = used(own).unwrap();
        let mut n = 0_u64;
        while used(own).unwrap() < before + Duration::from_millis(20) {
            n = std::hint::black_box(n + 1);
        }
        assert!(n > 0);
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
        let watch = Watch { process: None, seen };
        assert_eq!(watch.share(seconds(2), seconds(5)), Some(0.5));
        assert_eq!(watch.share(seconds(5), seconds(6)), None);
    }
}
