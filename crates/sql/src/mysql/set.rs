//! SET, and system variables: what a session may change, and read.

use querygate_record::Effect;

use super::reading::{Outcome, Reading, unsupported};
use crate::{
    postgres::lexer::{Kind, Token},
    statement::Refusal,
};

/// Modes that change how texts are read, or what is compared with what: a session never has one of them.
pub const PINNED_MODES: &[&str] = &[
    "ANSI",
    "ANSI_QUOTES",
    "DB2",
    "EMPTY_STRING_IS_NULL",
    "HIGH_NOT_PRECEDENCE",
    "IGNORE_SPACE",
    "MAXDB",
    "MSSQL",
    "MYSQL323",
    "MYSQL40",
    "NO_BACKSLASH_ESCAPES",
    "ORACLE",
    "PIPES_AS_CONCAT",
    "POSTGRESQL",
    "SIMULTANEOUS_ASSIGNMENT",
    "TIME_ROUND_FRACTIONAL",
];

/// Whether texts are read under a `sql_mode` as this crate reads them.
pub fn reads_alike(sql_mode: &str) -> bool {
    !sql_mode.split(',').any(|mode| PINNED_MODES.contains(&mode.trim().to_ascii_uppercase().as_str()))
}

/// Character sets in which a text is UTF-8.
const UTF8: &[&str] = &["utf8mb4", "utf8mb3", "utf8"];

/// Variables that a session may set for itself, to any constant.
const LISTED: &[&str] = &[
    "auto_increment_increment",
    "auto_increment_offset",
    "autocommit",
    "completion_type",
    "cte_max_recursion_depth",
    "default_storage_engine",
    "div_precision_increment",
    "eq_range_index_dive_limit",
    "explicit_defaults_for_timestamp",
    "foreign_key_checks",
    "group_concat_max_len",
    "innodb_lock_wait_timeout",
    "interactive_timeout",
    "join_buffer_size",
    "lc_time_names",
    "lock_wait_timeout",
    "max_execution_time",
    "max_statement_time",
    "net_read_timeout",
    "net_write_timeout",
    "optimizer_switch",
    "read_buffer_size",
    "sort_buffer_size",
    "sql_auto_is_null",
    "sql_big_selects",
    "sql_notes",
    "sql_safe_updates",
    "sql_select_limit",
    "sql_warnings",
    "tmp_table_size",
    "transaction_isolation",
    "transaction_read_only",
    "tx_isolation",
    "tx_read_only",
    "unique_checks",
    "updatable_views_with_limit",
    "wait_timeout",
];

/// Variables whose values tell of other statements, other sessions or the server's secrets.
const HIDDEN: &[&str] = &[
    "error_count",
    "identity",
    "in_transaction",
    "insert_id",
    "last_gtid",
    "last_insert_id",
    "pseudo_slave_mode",
    "pseudo_thread_id",
    "rand_seed1",
    "rand_seed2",
    "resultset_metadata",
    "statement_id",
    "warning_count",
];

/// Whether reading a system variable tells of nothing but settings.
pub fn is_readable(name: &str) -> bool {
    !HIDDEN.contains(&name) && !name.contains("password") && !name.contains("secret")
}

impl Reading<'_> {
    /// Reads SET: constants for listed variables and user variables, character sets that are UTF-8, transaction characteristics.
    pub fn set(&mut self, tokens: &[Token<'_>]) -> Result<Outcome, Refusal> {
        let words: Vec<String> = tokens.iter().skip(1).map(|t| t.value.to_ascii_lowercase()).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            ["names", charset] | ["character", "set", charset] | ["charset", charset] => charset_is_utf8(charset)?,
            ["names", charset, "collate", collation] => {
                charset_is_utf8(charset)?;
                charset_is_utf8(collation.split('_').next().unwrap_or_default())?;
            }
            ["transaction", ..] | ["session" | "local", "transaction", ..] if only_words(tokens) => {}
            ["global" | "persist" | "persist_only", ..] => {
                self.effect(Effect::Server, "");
                return Ok(Outcome::of("SET"));
            }
            ["password", ..] => {
                self.effect(Effect::Privilege, "");
                return Ok(Outcome { secret: true, ..Outcome::of("SET PASSWORD") });
            }
            ["role", ..] | ["default", "role", ..] => {
                self.effect(Effect::Privilege, "");
                return Ok(Outcome::of("SET ROLE"));
            }
            _ => self.assignments(tokens.get(1..).unwrap_or_default())?,
        }
        self.effect(Effect::Session, "");
        Ok(Outcome::of("SET"))
    }

    fn assignments(&mut self, tokens: &[Token<'_>]) -> Result<(), Refusal> {
        for assignment in tokens.split(|t| t.is(",")) {
            self.assignment(assignment)?;
        }
        Ok(())
    }

    fn assignment(&mut self, tokens: &[Token<'_>]) -> Result<(), Refusal> {
        let scoped = tokens.first().is_some_and(|t| t.is_word("session") || t.is_word("local"));
        let tokens = tokens.get(usize::from(scoped)..).unwrap_or_default();
        let [name, equals, value @ ..] = tokens else { return Err(form()) };
        if name.kind != Kind::Word || !equals.is("=") {
            return Err(form());
        }
        let value = constant(value)?;
        let name = name.value.to_ascii_lowercase();
        if let Some(system) = name.strip_prefix("@@") {
            let bare = ["session.", "local."].iter().find_map(|scope| system.strip_prefix(scope)).unwrap_or(system);
            if bare.contains('.') {
                self.effect(Effect::Server, "");
                return Ok(());
            }
            return self.variable_set(bare, value);
        }
        if name.starts_with('@') {
            return Ok(());
        }
        self.variable_set(&name, value)
    }

    fn variable_set(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        match name {
            // The server's own mode is not known here.
            "sql_mode"
                if reads_alike(value) && !value.eq_ignore_ascii_case("default") && value.parse::<u64>().is_err() =>
            {
                Ok(())
            }
            "sql_mode" => {
                let hint = format!("leave out {}", PINNED_MODES.join(", "));
                Err(unsupported("a sql_mode that changes how texts are read", &hint))
            }
            "character_set_client" | "character_set_connection" | "character_set_results" => charset_is_utf8(value),
            "collation_connection" => charset_is_utf8(value.split('_').next().unwrap_or_default()),
            "time_zone" => {
                // Instants are written in it: what is masked by year or month would shift with it.
                self.opaque("SET time_zone", "");
                Ok(())
            }
            listed if LISTED.contains(&listed) => Ok(()),
            _ => Err(unsupported(&format!("SET {name}"), "leave the setting as it is")),
        }
    }
}

fn charset_is_utf8(charset: &str) -> Result<(), Refusal> {
    match UTF8.contains(&charset.to_ascii_lowercase().as_str()) {
        true => Ok(()),
        false => Err(unsupported("a character set other than utf8mb4", "SET NAMES utf8mb4")),
    }
}

fn only_words(tokens: &[Token<'_>]) -> bool {
    tokens.iter().all(|t| t.kind == Kind::Word && !t.value.starts_with('@') || t.is(","))
}

/// The value of one constant: a literal, a word, a number with its sign.
fn constant<'t>(tokens: &'t [Token<'_>]) -> Result<&'t str, Refusal> {
    match tokens {
        [value] if value.kind.is_literal() => Ok(&value.value),
        [value] if value.kind == Kind::Word && !value.value.starts_with('@') => Ok(&value.value),
        [sign, value] if (sign.is("-") || sign.is("+")) && value.kind == Kind::Number => Ok(&value.value),
        _ => Err(form()),
    }
}

fn form() -> Refusal {
    unsupported("SET to anything but a constant", "set it to a constant")
}
