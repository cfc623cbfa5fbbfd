//! Which of the servers' own functions are known.

use std::sync::OnceLock;

use foldhash::HashSet;
use querygate_record::Effect;

/// What a known function does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It reads nothing but its arguments, the session's own state, and the clock.
    Pure,
    /// It waits, or takes or gives back a lock of the session, and reads nothing but its arguments.
    Session,
    /// It does something else.
    Effect(Effect),
}

/// What is known of a function, by its name in lower case; none: it may do anything.
pub fn known(name: &str) -> Option<Known> {
    static PURE: OnceLock<HashSet<&'static str>> = OnceLock::new();
    let pure = PURE.get_or_init(|| {
        let lines = include_str!("functions.txt").lines().filter(|line| !line.starts_with('#'));
        lines.flat_map(str::split_whitespace).collect()
    });
    if pure.contains(name) {
        return Some(Known::Pure);
    }
    match name {
        "load_file" => Some(Known::Effect(Effect::File)),
        "sleep" | "get_lock" | "release_lock" | "release_all_locks" => Some(Known::Session),
        "benchmark" | "is_free_lock" | "is_used_lock" => Some(Known::Effect(Effect::Session)),
        "master_pos_wait" | "source_pos_wait" | "wait_for_executed_gtid_set" | "master_gtid_wait" => {
            Some(Known::Effect(Effect::Server))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reads_more_than_its_arguments_is_not_pure() {
        for name in
            ["load_file", "sleep", "sys_exec", "row_count_estimate", "lastval", "nextval", "statement_digest_text"]
        {
            assert_ne!(known(name), Some(Known::Pure), "{name}");
        }
        for name in ["concat", "count", "date_format", "json_extract", "row_number", "if", "coalesce"] {
            assert_eq!(known(name), Some(Known::Pure), "{name}");
        }
    }

    #[test]
    fn no_function_is_listed_twice() {
        let mut seen = HashSet::default();
        for name in
            include_str!("functions.txt").lines().filter(|l| !l.starts_with('#')).flat_map(str::split_whitespace)
        {
            assert!(seen.insert(name), "{name}");
        }
    }
}
