//! CREATE TABLE: that it lists columns and takes nothing from another table.

use super::reading::unsupported;
use crate::{
    postgres::lexer::{Kind, Token},
    statement::Refusal,
};

/// Engines that keep a table's rows themselves, in the server.
const PLAIN_ENGINES: &[&str] = &["innodb", "memory", "heap", "myisam", "aria", "rocksdb"];

/// What may follow a temporary table's columns, besides literals and character sets.
const OPTIONS: &[&str] = &[
    "auto_increment",
    "character",
    "charset",
    "collate",
    "comment",
    "compact",
    "compressed",
    "default",
    "dynamic",
    "engine",
    "key_block_size",
    "max_rows",
    "min_rows",
    "redundant",
    "row_format",
    "set",
];

/// The name that a CREATE TABLE gives, and the tokens behind it.
pub fn named<'t, 'a>(tokens: &'t [Token<'a>]) -> Option<(&'t Token<'a>, &'t [Token<'a>])> {
    let table = tokens.iter().position(|t| t.is_word("table"))?;
    let mut rest = tokens.get(table + 1..)?;
    if let [a, b, c, more @ ..] = rest
        && a.is_word("if")
        && b.is_word("not")
        && c.is_word("exists")
    {
        rest = more;
    }
    let (name, rest) = rest.split_first()?;
    name.name().is_some().then_some((name, rest))
}

/// The name and the query of a CREATE TABLE that is nothing but `CREATE TABLE name [AS] query`.
pub fn filled<'t, 'a>(tokens: &'t [Token<'a>]) -> Option<(&'t Token<'a>, &'t [Token<'a>])> {
    let (name, rest) = named(tokens)?;
    let query = match rest {
        [word, query @ ..] if word.is_word("as") => query,
        query => query,
    };
    let first = query.first().filter(|t| t.is_word("select") || t.is_word("with"))?;
    let versioned = first.is_word("with") && query.get(1).is_some_and(|t| t.is_word("system"));
    (!versioned).then_some((name, query))
}

/// Refuses what fills the table from a query: `[AS] SELECT`, TABLE, VALUES, WITH, in parentheses or not.
pub fn takes_no_query(tokens: &[Token<'_>]) -> Result<(), Refusal> {
    let query = |t: &Token<'_>| ["select", "table", "values", "with"].iter().any(|word| t.is_word(word));
    let rest = named(tokens).map_or(tokens, |(_, rest)| rest);
    let mut depth = 0_usize;
    let mut found = rest.iter().any(|t| t.is_word("select"));
    for (at, token) in rest.iter().enumerate() {
        let next = rest.get(at + 1);
        if token.is("(") {
            depth += 1;
            found |= next.is_some_and(query);
        } else if token.is(")") {
            depth = depth.saturating_sub(1);
        } else if depth == 0 {
            let versioned = token.is_word("with") && next.is_some_and(|t| t.is_word("system"));
            found |= token.is_word("as") || (query(token) && !versioned);
        }
    }
    match found {
        true => {
            Err(unsupported("a CREATE TABLE of this form that a query fills", "write CREATE TABLE name AS SELECT ..."))
        }
        false => Ok(()),
    }
}

/// Whether its rows may be another table's, or lie elsewhere.
pub fn is_over_others(tokens: &[Token<'_>]) -> bool {
    let engine = |at: usize| {
        let value = tokens.get(at + 1).filter(|t| !t.is("=")).or(tokens.get(at + 2));
        value.is_none_or(|v| !PLAIN_ENGINES.contains(&v.value.to_ascii_lowercase().as_str()))
    };
    let words = tokens.iter().enumerate().filter(|(_, t)| t.kind == Kind::Word);
    words.into_iter().any(|(at, t)| t.is_word("union") || (t.is_word("engine") && engine(at)))
}

/// The name of a temporary table that is made of listed columns and plain options, or of another's definition.
pub fn temporary<'t>(tokens: &'t [Token<'_>]) -> Option<&'t str> {
    let (name, rest) = named(tokens)?;
    let like = |t: &[Token<'_>]| matches!(t, [like, of] if like.is_word("like") && of.name().is_some());
    let inside = match rest {
        [open, inside @ .., close] if open.is("(") && close.is(")") => Some(inside),
        _ => None,
    };
    if like(rest) || inside.is_some_and(like) {
        return name.name();
    }
    let (open, columns) = rest.split_first().filter(|(open, _)| open.is("("))?;
    debug_assert!(open.is("("));
    let mut depth = 1_usize;
    let end = columns.iter().position(|t| {
        depth = match () {
            () if t.is("(") => depth + 1,
            () if t.is(")") => depth - 1,
            () => depth,
        };
        depth == 0
    })?;
    let plain = |t: &Token<'_>| {
        let word = t.value.to_ascii_lowercase();
        let is_known = OPTIONS.contains(&word.as_str())
            || PLAIN_ENGINES.contains(&word.as_str())
            || ["utf8", "ascii", "latin1", "binary"].iter().any(|set| word.starts_with(set));
        t.is("=") || t.is(",") || t.kind.is_literal() || (t.kind == Kind::Word && is_known)
    };
    let options = columns.get(end + 1..).unwrap_or_default();
    (options.iter().all(plain) && takes_no_query(tokens).is_ok()).then(|| name.name()).flatten()
}
