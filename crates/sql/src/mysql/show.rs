//! SHOW, DESCRIBE, EXPLAIN and USE.

use std::sync::Arc;

use querygate_record::Effect;

use super::{
    define::names,
    reading::{Outcome, Reading, other_database, unsupported},
};
use crate::{
    postgres::lexer::{Kind, Token},
    statement::{EffectOn, Refusal},
};

/// What kinds of SHOW there are, by their first words.
enum Shown {
    /// Definitions and settings.
    Definitions,
    /// Something about one table whose numbers come from what is stored in it.
    Table,
    /// What other statements or sessions left behind.
    Others(Effect),
}

fn shown(words: &[&str]) -> Option<Shown> {
    let skipped = words
        .iter()
        .take_while(|w| matches!(**w, "full" | "extended" | "session" | "local" | "global" | "storage"))
        .count();
    let words = words.get(skipped..).unwrap_or_default();
    Some(match words {
        [
            "databases" | "schemas" | "tables" | "columns" | "fields" | "variables" | "collation" | "charset"
            | "engines" | "plugins" | "privileges" | "triggers" | "events",
            ..,
        ]
        | ["character", "set", ..]
        | ["create", "table" | "view" | "database" | "schema" | "procedure" | "function" | "trigger" | "event", ..]
        | ["procedure" | "function", "status", ..] => Shown::Definitions,
        ["index" | "indexes" | "keys", ..] | ["table", "status", ..] => Shown::Table,
        ["warnings" | "errors", ..] | ["status", ..] | ["grants", ..] => Shown::Others(Effect::Read),
        [
            "processlist" | "open" | "engine" | "binary" | "master" | "replica" | "slave" | "binlog" | "relaylog"
            | "profiles" | "profile",
            ..,
        ] => Shown::Others(Effect::Server),
        _ => return None,
    })
}

/// The tag of what shows warnings and errors of the statement before.
pub const WARNINGS: &str = "SHOW WARNINGS";

/// What the server gets in place of SHOW WARNINGS and its kin: the same columns, and nothing in them. Who knows that the statement before touched
/// nothing masked may send the client's own text.
const WITHOUT_WARNINGS: [&str; 3] =
    ["SHOW WARNINGS LIMIT 0", "SELECT 0 AS `@@session.warning_count`", "SELECT 0 AS `@@session.error_count`"];

/// Whether a text stands in place of one that shows warnings.
#[must_use]
pub fn is_without_warnings(text: &str) -> bool {
    WITHOUT_WARNINGS.contains(&text)
}

fn instead_of_warnings(words: &[&str]) -> Option<&'static str> {
    let [rows, warnings, errors] = WITHOUT_WARNINGS;
    match words {
        ["warnings" | "errors"] | ["warnings" | "errors", "limit", ..] => Some(rows),
        ["count", "(", "*", ")", "warnings"] => Some(warnings),
        ["count", "(", "*", ")", "errors"] => Some(errors),
        _ => None,
    }
}

/// Status variables that tell of the connection and of nobody's data.
const OF_SESSION: &[&str] = &[
    "compression",
    "ssl_cipher",
    "ssl_cipher_list",
    "ssl_server_not_after",
    "ssl_server_not_before",
    "ssl_version",
    "threads_connected",
    "uptime",
];

/// `SHOW STATUS LIKE 'name'` of one such variable.
fn is_of_session(words: &[&str]) -> bool {
    let words = match words {
        ["session" | "local" | "global", rest @ ..] => rest,
        all => all,
    };
    matches!(words, ["status", "like", name] if OF_SESSION.contains(name))
}

impl Reading<'_> {
    /// Reads SHOW.
    pub fn show(&mut self, tokens: &[Token<'_>]) -> Result<Outcome, Refusal> {
        let words: Vec<String> = tokens.iter().skip(1).map(|t| t.value.to_ascii_lowercase()).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if let Some(nothing) = instead_of_warnings(&words) {
            self.instead = Some(nothing);
            self.effect(Effect::Read, "");
            return Ok(Outcome::of(WARNINGS));
        }
        if is_of_session(&words) {
            self.effect(Effect::Read, "");
            return Ok(Outcome::of("SHOW"));
        }
        let kind = shown(&words).ok_or_else(|| unsupported("this form of SHOW", "read information_schema"))?;
        if tokens.iter().any(|t| t.is("(") || t.is_word("select")) {
            return Err(unsupported("an expression in SHOW", "use LIKE, or WHERE without parentheses"));
        }
        self.of_tables(tokens, matches!(kind, Shown::Table))?;
        match kind {
            Shown::Definitions => self.effect(Effect::Read, ""),
            Shown::Table => {
                self.effect(Effect::Read, "");
                let whole = words.first() == Some(&"table");
                if whole {
                    self.opaque("SHOW TABLE STATUS", "");
                }
            }
            Shown::Others(effect) => {
                self.effect(effect, "");
                self.opaque(format!("SHOW {}", words.first().copied().unwrap_or_default().to_uppercase()), "");
            }
        }
        Ok(Outcome::of("SHOW"))
    }

    /// The tables and databases behind FROM, IN and CREATE TABLE.
    fn of_tables(&mut self, tokens: &[Token<'_>], whole: bool) -> Result<(), Refusal> {
        let is_create = tokens.get(1).is_some_and(|t| t.is_word("create"));
        let of_columns = tokens
            .iter()
            .take(4)
            .any(|t| ["columns", "fields", "index", "indexes", "keys"].iter().any(|word| t.is_word(word)));
        let mut first = true;
        for (at, token) in tokens.iter().enumerate() {
            let from = token.is_word("from") || token.is_word("in");
            if !(from || (is_create && at == 2)) {
                continue;
            }
            let found = names(tokens, at + usize::from(from));
            for (database, name) in found {
                if let Some(database) = database.as_ref().filter(|d| !self.is_own(d)) {
                    return Err(other_database(database));
                }
                let is_table = (of_columns && first) || is_create;
                first = false;
                match is_table {
                    true => {
                        if let Ok(relation) = self.relation_named(None, &name) {
                            self.table(relation, false);
                            if whole {
                                self.used_whole(relation, "SHOW INDEX");
                            }
                        }
                    }
                    false if self.is_own(&name) => {}
                    false => return Err(other_database(&name)),
                }
            }
        }
        Ok(())
    }

    /// Reads DESCRIBE and EXPLAIN: of a table, its columns; of a statement, its plan.
    pub fn explain(&mut self, tokens: &[Token<'_>]) -> Result<Outcome, Refusal> {
        let rest = tokens.get(1..).unwrap_or_default();
        let word = |at: usize, word: &str| rest.get(at).is_some_and(|t| t.is_word(word));
        let begins = |t: &Token<'_>| {
            t.is("(") || ["select", "with", "insert", "replace", "update", "delete"].iter().any(|w| t.is_word(w))
        };
        let start = rest.iter().take(5).position(begins);
        let Some(start) = start else {
            if word(0, "for") || word(0, "analyze") || word(0, "extended") || word(0, "format") {
                return Err(unsupported("EXPLAIN of this form", "EXPLAIN SELECT ..."));
            }
            let found = names(rest, 0);
            let [(database, name)] = found.as_slice() else {
                return Err(unsupported("DESCRIBE of this form", "DESCRIBE table"));
            };
            let relation = self.relation_named(database.as_deref(), name)?;
            self.table(relation, false);
            self.effect(Effect::Read, &relation.qualified);
            return Ok(Outcome::of("DESCRIBE"));
        };
        let options = rest.get(..start).unwrap_or_default();
        let runs = options.first().is_some_and(|t| t.is_word("analyze"));
        let options = options.get(usize::from(runs)..).unwrap_or_default();
        if runs && !rest.get(start).is_some_and(|t| t.is("(") || t.is_word("select") || t.is_word("with")) {
            return Err(unsupported("EXPLAIN ANALYZE of a change", "EXPLAIN it without ANALYZE"));
        }
        let known = |t: &Token<'_>| {
            t.is("=")
                || ["format", "traditional", "tree", "json", "extended", "partitions"].iter().any(|w| t.is_word(w))
        };
        if !options.iter().all(known) {
            return Err(unsupported("EXPLAIN of this form", "EXPLAIN SELECT ..., or EXPLAIN FORMAT=JSON SELECT ..."));
        }
        self.statement(rest.get(start..).unwrap_or_default())?;
        // What its plan tells comes from the values of every table that it names.
        self.writes.clear();
        let tables: Vec<u32> = self.tables.iter().map(|t| t.relation).collect();
        for relation in tables.into_iter().filter_map(|oid| self.catalog.relation(oid)) {
            self.used_whole(relation, "EXPLAIN");
        }
        if !runs {
            self.effects.iter_mut().for_each(|e| *e = EffectOn::new(Effect::Read, Arc::clone(&e.object)));
        }
        Ok(Outcome::of("EXPLAIN"))
    }

    /// Reads USE: only the session's own database.
    pub fn use_database(&mut self, tokens: &[Token<'_>]) -> Result<Outcome, Refusal> {
        let [_, name] = tokens else { return Err(unsupported("USE of this form", "USE database")) };
        let Some(name) = name.name().filter(|_| name.kind != Kind::String) else {
            return Err(unsupported("USE of this form", "USE database"));
        };
        if !self.is_own(name) {
            return Err(other_database(name));
        }
        self.effect(Effect::Session, "");
        Ok(Outcome::of("USE"))
    }
}
