//! Forms of the servers that the parser doesn't know, put into ones that read the same columns: what the server gets is the client's own text.

use std::borrow::Cow;

use sqlparser::tokenizer::{Token as Parsed, TokenWithSpan};

use crate::postgres::lexer::{Kind, Token};

/// Units of two parts; all are reserved words (MySQL manual, "Keywords and Reserved Words"; MariaDB, "Reserved Words").
const UNITS: &[&str] = &[
    "day_hour",
    "day_microsecond",
    "day_minute",
    "day_second",
    "hour_microsecond",
    "hour_minute",
    "hour_second",
    "minute_microsecond",
    "minute_second",
    "second_microsecond",
    "year_month",
];

/// Gives the parser's tokens, one for each of ours, the meaning that it lacks a form for.
pub fn adapt(tokens: &[Token<'_>], parsed: &mut [TokenWithSpan]) {
    for (at, (token, place)) in tokens.iter().zip(parsed).enumerate() {
        let before = at.checked_sub(1).and_then(|before| tokens.get(before));
        if token.kind != Kind::Word || before.is_some_and(|b| b.is(".")) {
            continue;
        }
        if token.is_word("mod") && is_operator(before, tokens.get(at + 1)) {
            place.token = Parsed::Mod;
        } else if UNITS.iter().any(|unit| token.is_word(unit)) {
            place.token = Parsed::make_word("day", None);
        } else if token.is_word("interval") && takes_several(tokens.get(at + 1..).unwrap_or_default()) {
            // Which interval of a list a number is in: read as another function of as many arguments.
            place.token = Parsed::make_word("field", None);
        }
    }
}

/// The parser knows MOD as a function alone. The word is reserved: behind an operand it is the operator.
fn is_operator(before: Option<&Token<'_>>, after: Option<&Token<'_>>) -> bool {
    let Some(before) = before else { return false };
    let operand =
        before.kind.is_literal() || before.kind == Kind::QuotedName || before.kind == Kind::Parameter || before.is(")");
    operand || (before.kind == Kind::Word && !after.is_some_and(|t| t.is("(")))
}

/// Whether what follows is a list in parentheses of more than one item.
fn takes_several(tokens: &[Token<'_>]) -> bool {
    let mut depth = 0_usize;
    for token in tokens {
        if token.is("(") {
            depth += 1;
        } else if token.is(")") {
            depth = depth.saturating_sub(1);
        } else if token.is(",") && depth == 1 {
            return true;
        }
        if depth == 0 {
            return false;
        }
    }
    false
}

/// A query without the LOCK IN SHARE MODE at its end, which changes nothing of what it shows.
pub fn unlocked<'t, 'a>(tokens: &'t [Token<'a>]) -> &'t [Token<'a>] {
    match tokens {
        [query @ .., lock, within, share, mode]
            if lock.is_word("lock") && within.is_word("in") && share.is_word("share") && mode.is_word("mode") =>
        {
            query
        }
        _ => tokens,
    }
}

/// A query without the INTO that puts its row into user variables; none: it has none, or puts it elsewhere.
pub fn without_variables<'a>(tokens: &[Token<'a>]) -> Option<Vec<Token<'a>>> {
    let mut depth = 0_usize;
    let into = tokens.iter().position(|token| {
        if token.is("(") {
            depth += 1;
        } else if token.is(")") {
            depth = depth.saturating_sub(1);
        }
        depth == 0 && token.is_word("into")
    })?;
    let is_variable = |t: &Token<'_>| t.kind == Kind::Word && t.value.starts_with('@') && !t.value.starts_with("@@");
    let mut end = into + 1;
    while tokens.get(end).is_some_and(is_variable) {
        end += 1;
        if !tokens.get(end).is_some_and(|t| t.is(",")) {
            return Some([tokens.get(..into)?, tokens.get(end..)?].concat());
        }
        end += 1;
    }
    None
}

/// `DO expressions` as the query of them.
pub fn as_query<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let mut query = tokens.to_vec();
    if let Some(first) = query.first_mut() {
        first.value = Cow::Borrowed("select");
    }
    query
}
