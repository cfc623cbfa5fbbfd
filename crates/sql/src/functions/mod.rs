//! Which of the server's own functions are known, and what each does besides reading its arguments.

use std::sync::OnceLock;

use foldhash::{HashMap, HashMapExt};
use querygate_record::Effect;

/// What a known function of the server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It reads nothing but its arguments, the session's own state, and definitions.
    Pure,
    /// It reads its arguments and has an effect of its own; `bounded` is for `update`.
    Acts {
        /// The effect.
        effect: Effect,
        /// Whether what it changes is one thing.
        bounded: bool,
    },
    /// `current_setting`, `set_config`: what they do hangs on the setting that their first argument names.
    Setting,
    /// What it reads can't be named; with the effect, where it has one.
    Opaque(Option<Effect>),
}

/// What is known of a function of `pg_catalog` or `information_schema`. One that isn't listed may do anything.
pub fn built_in(name: &str) -> Known {
    static TABLE: OnceLock<HashMap<&'static str, Known>> = OnceLock::new();
    TABLE.get_or_init(table).get(name).copied().unwrap_or({
        // The many counters behind the statistics views only read.
        let counter = name.starts_with("pg_stat_get_");
        Known::Opaque(if counter { None } else { Some(Effect::Call) })
    })
}

/// What an extension's function reaches that the catalog doesn't tell: other servers (`dblink`, `postgres_fdw`) and files (`adminpack`, `file_fdw`).
pub fn extension_effect(name: &str) -> Option<Effect> {
    if name.starts_with("dblink") || name.starts_with("postgres_fdw_") || name.starts_with("http") {
        Some(Effect::Outbound)
    } else if name.starts_with("pg_file_") || name.starts_with("pg_logdir") {
        Some(Effect::File)
    } else {
        None
    }
}

fn table() -> HashMap<&'static str, Known> {
    let mut table = HashMap::new();
    for line in lines(include_str!("built_in.txt")) {
        table.extend(line.split_whitespace().map(|name| (name, Known::Pure)));
    }
    for (family, names) in lines(include_str!("effects.txt")).filter_map(|line| line.split_once(':')) {
        let known = match family {
            "sequence" => Known::Acts { effect: Effect::Update, bounded: true },
            // Setting a sequence back makes later inserts fail or collide: as wide as an update of every row.
            "reset" => Known::Acts { effect: Effect::Update, bounded: false },
            "setting" => Known::Setting,
            "opaque" => Known::Opaque(None),
            "session" => Known::Acts { effect: Effect::Session, bounded: true },
            other => Known::Opaque(other.parse().ok()),
        };
        table.extend(names.split_whitespace().map(|name| (name, known)));
    }
    table
}

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_analytics_drivers_and_psql_call_is_pure() {
        for name in [
            "count",
            "percentile_cont",
            "row_number",
            "to_char",
            "jsonb_agg",
            "regexp_replace",
            "pg_get_viewdef",
            "format_type",
            "version",
        ] {
            assert_eq!(built_in(name), Known::Pure, "{name}");
        }
    }

    #[test]
    fn what_reads_or_does_more_is_named_as_such() {
        assert_eq!(built_in("pg_notify"), Known::Acts { effect: Effect::Session, bounded: true });
        assert_eq!(built_in("nextval"), Known::Acts { effect: Effect::Update, bounded: true });
        assert_eq!(built_in("pg_read_file"), Known::Opaque(Some(Effect::File)));
        assert_eq!(built_in("pg_terminate_backend"), Known::Opaque(Some(Effect::Server)));
        assert_eq!(built_in("pg_table_size"), Known::Opaque(None));
        assert_eq!(built_in("query_to_xml"), Known::Opaque(Some(Effect::Call)));
        assert_eq!(built_in("pg_stat_get_activity"), Known::Opaque(None));
        assert_eq!(built_in("some_new_function"), Known::Opaque(Some(Effect::Call)));
        assert_eq!(built_in("set_config"), Known::Setting);
        assert_eq!(extension_effect("dblink_exec"), Some(Effect::Outbound));
    }

    #[test]
    fn no_function_is_listed_twice() {
        let mut seen = foldhash::HashSet::default();
        for line in lines(include_str!("built_in.txt")) {
            assert!(line.split_whitespace().all(|name| seen.insert(name)), "{line}");
        }
        for (_, names) in lines(include_str!("effects.txt")).filter_map(|line| line.split_once(':')) {
            assert!(names.split_whitespace().all(|name| seen.insert(name)), "{names}");
        }
    }

    #[test]
    fn every_family_of_effects_is_read() {
        for (family, _) in lines(include_str!("effects.txt")).filter_map(|line| line.split_once(':')) {
            let special = ["sequence", "reset", "setting", "opaque", "session"];
            assert!(special.contains(&family) || family.parse::<Effect>().is_ok(), "{family}");
        }
    }
}
