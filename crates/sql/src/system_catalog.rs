//! Which of the server's own relations may be read by a role with masks: what drivers, psql's `\d` and ORMs need. Whatever holds values, statistics,
//! places on disk, secrets or other sessions' statements is not listed.

/// Relations of `pg_catalog` that hold definitions.
const PG_CATALOG: &str = "
pg_aggregate pg_am pg_amop pg_amproc pg_attrdef pg_attribute pg_auth_members pg_available_extension_versions pg_available_extensions pg_cast pg_class
pg_collation pg_constraint pg_conversion pg_database pg_default_acl pg_depend pg_description pg_enum pg_event_trigger pg_extension
pg_foreign_data_wrapper pg_foreign_server pg_foreign_table pg_group pg_index pg_indexes pg_inherits pg_init_privs pg_language pg_matviews pg_namespace
pg_opclass pg_operator pg_opfamily pg_parameter_acl pg_partitioned_table pg_policies pg_policy pg_proc pg_publication pg_publication_namespace
pg_publication_rel pg_publication_tables pg_range pg_rewrite pg_roles pg_rules pg_seclabel pg_seclabels pg_sequence pg_sequences pg_settings
pg_shdepend pg_shdescription pg_shseclabel pg_statistic_ext pg_subscription pg_tables pg_tablespace pg_timezone_abbrevs pg_timezone_names pg_transform
pg_trigger pg_ts_config pg_ts_config_map pg_ts_dict pg_ts_parser pg_ts_template pg_type pg_user pg_views
";

/// Views of `information_schema` that hold definitions: all but those that show the options of user mappings.
const INFORMATION_SCHEMA: &str = "
_pg_foreign_data_wrappers _pg_foreign_servers _pg_foreign_table_columns _pg_foreign_tables administrable_role_authorizations applicable_roles
attributes character_sets check_constraint_routine_usage check_constraints collation_character_set_applicability collations column_column_usage
column_domain_usage column_options column_privileges column_udt_usage columns constraint_column_usage constraint_table_usage data_type_privileges
domain_constraints domain_udt_usage domains element_types enabled_roles foreign_data_wrapper_options foreign_data_wrappers foreign_server_options
foreign_servers foreign_table_options foreign_tables information_schema_catalog_name key_column_usage parameters referential_constraints
role_column_grants role_routine_grants role_table_grants role_udt_grants role_usage_grants routine_column_usage routine_privileges
routine_routine_usage routine_sequence_usage routine_table_usage routines schemata sequences sql_features sql_implementation_info sql_parts sql_sizing
table_constraints table_privileges tables transforms triggered_update_columns triggers udt_privileges usage_privileges user_defined_types
user_mappings view_column_usage view_routine_usage view_table_usage views
";

/// Columns of listed relations that hold statistics, values or secrets. `*` reads them too.
const REFUSED_COLUMNS: &[(&str, &[&str])] = &[
    ("pg_attribute", &["attmissingval"]),
    ("pg_class", &["relallfrozen", "relallvisible", "relpages", "reltuples"]),
    ("pg_subscription", &["subconninfo"]),
];

/// Whether a relation of a system schema holds nothing but definitions (columns of [`refused_columns`] left out).
pub fn is_listed(schema: &str, name: &str) -> bool {
    match schema {
        "pg_catalog" => PG_CATALOG.split_whitespace().any(|listed| listed == name),
        "information_schema" => INFORMATION_SCHEMA.split_whitespace().any(|listed| listed == name),
        _ => false,
    }
}

/// Columns of a listed relation of `pg_catalog` that hold statistics, values or secrets all the same.
pub fn refused_columns(name: &str) -> &'static [&'static str] {
    REFUSED_COLUMNS.iter().find(|(relation, _)| *relation == name).map_or(&[], |(_, columns)| columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_drivers_and_psql_read_is_listed() {
        for name in ["pg_class", "pg_attribute", "pg_namespace", "pg_type", "pg_proc", "pg_description", "pg_views"] {
            assert!(is_listed("pg_catalog", name), "{name}");
        }
        assert!(is_listed("information_schema", "columns"));
    }

    #[test]
    fn statistics_secrets_and_other_sessions_are_not_listed() {
        for name in [
            "pg_stats",
            "pg_statistic",
            "pg_stat_activity",
            "pg_authid",
            "pg_shadow",
            "pg_locks",
            "pg_cursors",
            "pg_user_mapping",
        ] {
            assert!(!is_listed("pg_catalog", name), "{name}");
        }
        assert!(!is_listed("information_schema", "user_mapping_options"));
        assert!(!is_listed("pg_toast", "pg_toast_1"));
        assert!(refused_columns("pg_class").contains(&"reltuples"));
    }
}
