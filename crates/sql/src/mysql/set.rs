//! SET, and system variables: what a session may change, and read.

use querygate_record::{Barrier, Effect, Engine};

use super::reading::{Outcome, Reading, unsupported};
use crate::{
    postgres::lexer::{Kind, Token},
    statement::Refusal,
};

/// The tag of SET.
pub const SET: &str = "SET";

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
    "information_schema_stats_expiry",
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
    "session_track_schema",
    "session_track_state_change",
    "session_track_system_variables",
    "session_track_transaction_info",
    "sort_buffer_size",
    "sql_auto_is_null",
    "sql_big_selects",
    "sql_notes",
    "sql_quote_show_create",
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
            ["statement", ..] if self.catalog.engine() == Engine::Mariadb => return self.set_for_one(tokens),
            _ => self.assignments(tokens.get(1..).unwrap_or_default())?,
        }
        self.effect(Effect::Session, "");
        let barrier = if self.settings_unknown { Barrier::Unknown } else { Barrier::None };
        Ok(Outcome { barrier, ..Outcome::of(SET) })
    }

    /// Reads MariaDB's `SET STATEMENT assignments FOR statement`.
    fn set_for_one(&mut self, tokens: &[Token<'_>]) -> Result<Outcome, Refusal> {
        let Some(at) = tokens.iter().position(|t| t.is_word("for")) else { return Err(form()) };
        let (settings, statement) = tokens.split_at(at);
        self.assignments(settings.get(2..).unwrap_or_default())?;
        if self.settings_unknown {
            return Err(form());
        }
        if self.instead.is_some() {
            return Err(unsupported("a character set other than utf8mb4", "set it in a statement alone"));
        }
        let statement = statement.get(1..).unwrap_or_default();
        if statement.first().is_some_and(|t| t.is_word("set")) {
            return Err(unsupported("SET STATEMENT around SET", "send them apart"));
        }
        self.effect(Effect::Session, "");
        self.statement(statement)
    }

    fn assignments(&mut self, tokens: &[Token<'_>]) -> Result<(), Refusal> {
        let mut depth = 0_usize;
        let separates = |token: &Token<'_>| {
            match () {
                () if token.is("(") => depth += 1,
                () if token.is(")") => depth = depth.saturating_sub(1),
                () => {}
            }
            depth == 0 && token.is(",")
        };
        let mut count = 0_usize;
        for assignment in tokens.split(separates) {
            count += 1;
            self.assignment(assignment)?;
        }
        match self.instead {
            Some(_) if count > 1 => {
                Err(unsupported("a character set other than utf8mb4", "set it in a statement alone"))
            }
            _ => Ok(()),
        }
    }

    fn assignment(&mut self, tokens: &[Token<'_>]) -> Result<(), Refusal> {
        let words: Vec<String> = tokens.iter().take(5).map(|t| t.value.to_ascii_lowercase()).collect();
        match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["names", charset] | ["character", "set", charset] | ["charset", charset] => {
                return charset_is_utf8(charset);
            }
            ["names", charset, "collate", collation] => {
                charset_is_utf8(charset)?;
                return charset_is_utf8(collation.split('_').next().unwrap_or_default());
            }
            _ => {}
        }
        let scoped = tokens.first().is_some_and(|t| t.is_word("session") || t.is_word("local"));
        let tokens = tokens.get(usize::from(scoped)..).unwrap_or_default();
        let [name, equals, value @ ..] = tokens else { return Err(form()) };
        if name.kind != Kind::Word || !(equals.is("=") || equals.is(":=")) {
            return Err(form());
        }
        let name = name.value.to_ascii_lowercase();
        if (SQL_MODE.contains(&name.as_str()) && changes_mode(value)) || (name == TRACKED && adds_tracked(value)) {
            return Ok(());
        }
        if let [source] = value
            && source.kind == Kind::Word
            && source.value.starts_with('@')
        {
            return self.copied(&name, &source.value);
        }
        let value = constant(value)?.to_ascii_lowercase();
        if let Some(system) = name.strip_prefix("@@") {
            let bare = ["session.", "local."].iter().find_map(|scope| system.strip_prefix(scope)).unwrap_or(system);
            if bare.contains('.') {
                self.effect(Effect::Server, "");
                return Ok(());
            }
            return self.variable_set(bare, &value);
        }
        if name.starts_with('@') {
            return Ok(());
        }
        self.variable_set(&name, &value)
    }

    /// A variable gets the value of another: so do dumps keep settings and put them back. What value that is, only the session can tell.
    fn copied(&mut self, name: &str, source: &str) -> Result<(), Refusal> {
        if let Some(system) = source.strip_prefix("@@") {
            let system = system.to_ascii_lowercase();
            let bare = system.rsplit('.').next().unwrap_or_default();
            if !name.starts_with('@') || name.starts_with("@@") || !is_readable(bare) {
                return Err(form());
            }
            return Ok(());
        }
        match name {
            "time_zone" => self.shifts_instants = true,
            "sql_mode"
            | "character_set_client"
            | "character_set_connection"
            | "character_set_results"
            | "collation_connection" => self.settings_unknown = true,
            user if user.starts_with('@') && !user.starts_with("@@") => {}
            listed if LISTED.contains(&listed) => {}
            _ => return Err(form()),
        }
        Ok(())
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
            // Each column's own character set, which for clients that can read it is no other than the one they have asked for.
            "character_set_results" if matches!(value, "null" | "binary") => {
                self.instead = Some("SET character_set_results = utf8mb4");
                Ok(())
            }
            "character_set_client" | "character_set_connection" | "character_set_results" => charset_is_utf8(value),
            "collation_connection" => charset_is_utf8(value.split('_').next().unwrap_or_default()),
            "time_zone" => {
                self.shifts_instants = true;
                Ok(())
            }
            listed if LISTED.contains(&listed) => Ok(()),
            _ => Err(unsupported(&format!("SET {name}"), "leave the setting as it is")),
        }
    }
}

/// What the mode of this session is called.
const SQL_MODE: &[&str] = &["sql_mode", "@@sql_mode", "@@session.sql_mode", "@@local.sql_mode"];

/// Modes that are often taken out of what is set. No other mode's name holds one of them.
const TAKEN_OUT: &[&str] = &[
    "error_for_division_by_zero",
    "no_auto_create_user",
    "no_engine_substitution",
    "no_zero_date",
    "no_zero_in_date",
    "only_full_group_by",
    "strict_all_tables",
    "strict_trans_tables",
];

/// The variables of its own of which a session is told that they have changed.
const TRACKED: &str = "session_track_system_variables";

/// Whether it adds names to those of the server: `CONCAT(@@global.session_track_system_variables, ',name')`.
fn adds_tracked(value: &[Token<'_>]) -> bool {
    let [concat, open, variable, comma, text, close] = value else { return false };
    let known = ["@@", "@@global.", "@@session."].iter().any(|scope| variable.is_word(&format!("{scope}{TRACKED}")));
    concat.is_word("concat") && open.is("(") && known && comma.is(",") && text.kind == Kind::String && close.is(")")
}

/// Whether it adds modes to those of the session, or takes some out, and texts are read as before: `CONCAT(@@sql_mode, ',MODE')`,
/// `REPLACE(@@sql_mode, 'MODE', '')`, each also in `(SELECT ...)`.
fn changes_mode(value: &[Token<'_>]) -> bool {
    let value = match value {
        [open, select, inside @ .., close] if open.is("(") && select.is_word("select") && close.is(")") => inside,
        all => all,
    };
    let [function, open, arguments @ .., close] = value else { return false };
    if !open.is("(") || !close.is(")") {
        return false;
    }
    let is_mode = |t: &Token<'_>| t.kind == Kind::Word && SQL_MODE.iter().skip(1).any(|name| t.is_word(name));
    let is_text = |t: &Token<'_>| t.kind == Kind::String && reads_alike(&t.value);
    let single = |part: &'_ [Token<'_>]| part.len() == 1;
    if !arguments.split(|t| t.is(",")).all(single) {
        return false;
    }
    let parts: Vec<&Token<'_>> = arguments.iter().filter(|t| !t.is(",")).collect();
    match parts[..] {
        [mode, text] if function.is_word("concat") => {
            is_mode(mode) && is_text(text) && text.value.starts_with(',')
                || is_text(mode) && is_mode(text) && mode.value.ends_with(',')
        }
        [mode, out, nothing] if function.is_word("replace") => {
            let known = out.kind == Kind::String && TAKEN_OUT.contains(&out.value.to_ascii_lowercase().as_str());
            is_mode(mode) && known && nothing.kind == Kind::String && nothing.value.is_empty()
        }
        _ => false,
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
