use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// Wrong secrets that one account name may be tried with at once.
const BURST: u32 = 5;

/// How long one wrong try counts.
const FORGET_AFTER: Duration = Duration::from_secs(12);

/// Names that are watched at once. Beyond them nobody is let try until some are forgotten, which takes a minute at most.
const MAX_NAMES: usize = 1024;

/// How often a name was tried lately with a wrong secret: guessing must be slow.
#[derive(Default)]
pub(crate) struct Attempts(Mutex<HashMap<String, Tries>>);

#[derive(Clone, Copy)]
struct Tries {
    /// When all tries are forgotten.
    until: Instant,
}

impl Attempts {
    /// Counts a try of `name` at `now`, before it is known whether it is right: so tries side by side count too.
    ///
    /// # Errors
    /// How long to wait before the next try.
    pub(crate) fn begin(&self, name: &str, now: Instant) -> Result<(), Duration> {
        let mut names = self.0.lock();
        let from = names.get(name).map_or(now, |tries| tries.until.max(now));
        let full = now + FORGET_AFTER * (BURST - 1);
        if from > full {
            return Err(from.duration_since(full));
        }
        if names.len() >= MAX_NAMES && !names.contains_key(name) {
            names.retain(|_, tries| tries.until > now);
            if names.len() >= MAX_NAMES {
                return Err(FORGET_AFTER);
            }
        }
        names.insert(name.to_owned(), Tries { until: from + FORGET_AFTER });
        Ok(())
    }

    /// The try that began last was right: it doesn't count.
    pub(crate) fn right(&self, name: &str) {
        let mut names = self.0.lock();
        let Some(tries) = names.get_mut(name) else { return };
        match tries.until.checked_sub(FORGET_AFTER) {
            Some(before) => tries.until = before,
            None => drop(names.remove(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_burst_of_wrong_tries_a_name_waits_and_others_do_not() {
        let (attempts, start) = (Attempts::default(), Instant::now());
        for _ in 0..BURST {
            attempts.begin("dana", start).unwrap();
        }
        let wait = attempts.begin("dana", start).unwrap_err();
        assert!(wait <= FORGET_AFTER, "{wait:?}");
        attempts.begin("dora", start).unwrap();
        attempts.begin("dana", start + wait).unwrap();
        assert!(attempts.begin("dana", start + wait).is_err());
        let later = start + wait + FORGET_AFTER * BURST;
        for _ in 0..BURST {
            attempts.begin("dana", later).unwrap();
        }
        assert!(attempts.begin("dana", later).is_err());
    }

    #[test]
    fn right_tries_do_not_count() {
        let (attempts, start) = (Attempts::default(), Instant::now());
        for _ in 0..10 * BURST {
            attempts.begin("dana", start).unwrap();
            attempts.right("dana");
        }
    }

    #[test]
    fn the_names_watched_are_bounded_and_forgotten() {
        let (attempts, start) = (Attempts::default(), Instant::now());
        for n in 0..MAX_NAMES {
            attempts.begin(&format!("n{n}"), start).unwrap();
        }
        assert!(attempts.begin("one more", start).is_err());
        attempts.begin("one more", start + FORGET_AFTER).unwrap();
        assert_eq!(attempts.0.lock().len(), 1);
    }
}
