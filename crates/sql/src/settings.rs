//! Postgres's settings: which a client may change, which change the meaning or the rendering of what follows, and which are no setting but a right.

use querygate_record::Barrier;

/// What changing a setting amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Harmless.
    Listed,
    /// It changes how names resolve or how values are written: what follows is analysed under the new value.
    Tracked,
    /// It may only be given the value that the gateway relies on.
    Pinned(&'static [&'static str]),
    /// It changes who the session is, or which triggers and rules fire.
    Privilege,
    /// Nobody may change it here.
    Unlisted,
}

const TRACKED: &[&str] = &[
    "bytea_output",
    "datestyle",
    "extra_float_digits",
    "intervalstyle",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "search_path",
    "timezone",
    "xmlbinary",
];

const PINNED: &[(&str, &[&str])] =
    &[("client_encoding", &["utf8", "utf-8", "unicode"]), ("standard_conforming_strings", &["on", "true", "yes", "1"])];

const PRIVILEGE: &[&str] = &["is_superuser", "role", "session_authorization", "session_replication_role"];

const LISTED: &str = "
application_name array_nulls check_function_bodies client_connection_check_interval client_min_messages constraint_exclusion cpu_index_tuple_cost
cpu_operator_cost cpu_tuple_cost cursor_tuple_fraction default_statistics_target default_table_access_method default_tablespace
default_text_search_config default_toast_compression default_transaction_deferrable default_transaction_isolation default_transaction_read_only
effective_cache_size effective_io_concurrency escape_string_warning from_collapse_limit geqo geqo_effort geqo_generations geqo_pool_size geqo_seed
geqo_selection_bias geqo_threshold gin_fuzzy_search_limit gin_pending_list_limit hash_mem_multiplier idle_in_transaction_session_timeout
idle_session_timeout jit jit_above_cost jit_inline_above_cost jit_optimize_above_cost join_collapse_limit lc_messages lock_timeout
maintenance_io_concurrency maintenance_work_mem max_parallel_maintenance_workers max_parallel_workers max_parallel_workers_per_gather
min_parallel_index_scan_size min_parallel_table_scan_size parallel_leader_participation parallel_setup_cost parallel_tuple_cost password_encryption
plan_cache_mode quote_all_identifiers random_page_cost recursive_worktable_factor restrict_nonsystem_relation_kind row_security seed seq_page_cost statement_timeout
synchronize_seqscans synchronous_commit tcp_keepalives_count tcp_keepalives_idle tcp_keepalives_interval tcp_user_timeout temp_buffers
temp_tablespaces transaction_deferrable transaction_isolation transaction_read_only transaction_timeout vacuum_cost_delay vacuum_cost_limit work_mem
xmloption
";

/// What changing that setting amounts to; the name in lower case.
pub fn change(name: &str) -> Change {
    if TRACKED.contains(&name) {
        Change::Tracked
    } else if let Some((_, values)) = PINNED.iter().find(|(pinned, _)| *pinned == name) {
        Change::Pinned(values)
    } else if PRIVILEGE.contains(&name) {
        Change::Privilege
    } else if LISTED.split_whitespace().any(|listed| listed == name) || name.starts_with("enable_") {
        Change::Listed
    } else {
        Change::Unlisted
    }
}

/// Whether a client may read that setting. Names with a dot belong to extensions and applications, and may hold what a mask hides.
pub fn is_readable(name: &str) -> bool {
    !name.contains('.')
}

/// What stands between SET of a setting and what follows it.
pub fn barrier(name: &str, values: &[String], local: bool) -> Barrier {
    match change(name) {
        Change::Tracked if values.is_empty() => Barrier::Unknown,
        Change::Tracked => Barrier::Constant { setting: name.to_owned(), values: values.to_vec(), local },
        _ => Barrier::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_setting_is_told_apart() {
        assert_eq!(change("statement_timeout"), Change::Listed);
        assert_eq!(change("enable_seqscan"), Change::Listed);
        assert_eq!(change("search_path"), Change::Tracked);
        assert_eq!(change("role"), Change::Privilege);
        assert!(matches!(change("client_encoding"), Change::Pinned(values) if values.contains(&"utf8")));
        for name in [
            "backslash_quote",
            "log_statement",
            "local_preload_libraries",
            "debug_print_parse",
            "app.tenant",
            "lo_compat_privileges",
        ] {
            assert_eq!(change(name), Change::Unlisted, "{name}");
        }
    }

    #[test]
    fn a_tracked_setting_is_a_barrier_and_a_default_is_an_unknown_one() {
        let values = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(
            barrier("search_path", &values, true),
            Barrier::Constant { setting: "search_path".into(), values, local: true }
        );
        assert_eq!(barrier("search_path", &[], false), Barrier::Unknown);
        assert_eq!(barrier("work_mem", &["1MB".to_owned()], false), Barrier::None);
    }

    #[test]
    fn names_of_applications_are_not_readable() {
        assert!(is_readable("server_version") && !is_readable("app.secret"));
    }
}
