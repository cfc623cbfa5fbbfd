//! Forms that the server knows and the parser doesn't, put into forms that it does. What has no such form gets a name that no text can
//! write, so that the analysis tells it apart, and whoever doesn't know the name refuses it.

use sqlparser::tokenizer::{Token as Parsed, TokenWithSpan};

use super::{
    lexer::{Kind, Token},
    parser::converted,
};

/// The function that stands for ANY, ALL and SOME after an operator that the parser doesn't take them from. No text holds a zero character.
pub(crate) const ANY_OF: &str = "\0any";
/// The column that stands for the condition CURRENT OF a cursor.
pub(crate) const CURRENT_OF: &str = "\0current of";
/// The name of an argument that is VARIADIC.
pub(crate) const VARIADIC: &str = "\0variadic";

/// Operators after which the parser knows ANY, ALL and SOME.
const QUANTIFIED: [&str; 15] =
    ["=", "<>", "!=", "<", ">", "<=", ">=", "~", "~*", "!~", "!~*", "~~", "~~*", "!~~", "!~~*"];
/// The longest `OPERATOR(database.schema.+)`, in tokens.
const OPERATOR_TOKENS: usize = 8;

/// What stands for a form, and what follows it in the text.
type Form<'t, 'a> = (Vec<Parsed>, &'t [Token<'a>]);

/// The parser's tokens for ours.
pub(super) fn all_converted(tokens: &[Token<'_>]) -> Vec<TokenWithSpan> {
    let mut found = Vec::with_capacity(tokens.len() + 2);
    let mut rest = tokens;
    while let Some((token, after)) = rest.split_first() {
        let before = tokens.get(..tokens.len() - rest.len()).unwrap_or_default();
        let plain = converted(token);
        match (token.kind == Kind::Word).then(|| form(before, &token.value, after)).flatten() {
            Some((words, after)) => {
                found.extend(words.into_iter().map(|token| TokenWithSpan { token, span: plain.span }));
                rest = after;
            }
            None => {
                found.push(plain);
                rest = after;
            }
        }
    }
    found
}

/// The form that begins with this word, if one does.
fn form<'t, 'a>(before: &[Token<'_>], word: &str, after: &'t [Token<'a>]) -> Option<Form<'t, 'a>> {
    let last = before.last();
    let behind = |words: &[&str]| last.is_some_and(|token| words.iter().any(|word| token.is_word(word)));
    let name = |text: &str| Parsed::make_word(text, Some('"'));
    let select_all =
        || ["select", "*", "from"].map(|word| if word == "*" { Parsed::Mul } else { Parsed::make_word(word, None) });
    match word {
        // `TABLE t` is `SELECT * FROM t`. The keyword begins a query only where nothing else can stand.
        "table" if last.is_none_or(begins_query) => Some((select_all().to_vec(), after)),
        // A subquery's rows are compared one by one; what is read is the same for one row.
        "any" | "all" | "some" if opens(after) && is_quantifier(before) => {
            let query =
                after.get(1).is_some_and(|t| ["select", "with", "values", "table"].iter().any(|w| t.is_word(w)));
            Some((if query { Vec::new() } else { vec![name(ANY_OF)] }, after))
        }
        "variadic" if last.is_some_and(|token| token.is("(") || token.is(",")) => {
            Some((vec![name(VARIADIC), Parsed::RArrow], after))
        }
        // Which end is lower decides nothing of what is read.
        "symmetric" | "asymmetric" if behind(&["between"]) => Some((Vec::new(), after)),
        "current" if behind(&["where"]) => {
            let [of, cursor, after @ ..] = after else { return None };
            let named = of.is_word("of") && matches!(cursor.kind, Kind::Word | Kind::QuotedName);
            named.then(|| (vec![name(CURRENT_OF)], after))
        }
        "exclude" if behind(&["row", "preceding", "following"]) => excluded(after).map(|after| (Vec::new(), after)),
        // `ROWS FROM (f(), g())` reads what the functions read, side by side.
        "rows" if behind(&["from", "join", "lateral"]) => {
            let [from, open, after @ ..] = after else { return None };
            let lateral = (!behind(&["lateral"])).then(|| Parsed::make_word("lateral", None));
            let words = lateral.into_iter().chain([Parsed::LParen]).chain(select_all()).collect();
            (from.is_word("from") && open.is("(")).then_some((words, after))
        }
        _ => None,
    }
}

fn opens(after: &[Token<'_>]) -> bool {
    after.first().is_some_and(|token| token.is("("))
}

fn begins_query(before: &Token<'_>) -> bool {
    match before.kind {
        Kind::Operator => matches!(&*before.value, "(" | ")"),
        Kind::Word => matches!(&*before.value, "union" | "except" | "intersect" | "all" | "distinct"),
        _ => false,
    }
}

/// ANY, ALL or SOME behind an operator, where the parser doesn't expect it.
fn is_quantifier(before: &[Token<'_>]) -> bool {
    let Some(last) = before.last() else { return false };
    if last.is_word("like") || last.is_word("ilike") {
        return true;
    }
    if last.is(")") {
        return ends_operator(before);
    }
    let mark = matches!(&*last.value, "(" | "," | "[" | "]" | "." | ";" | ":" | "::" | ":=" | "=>" | "*");
    last.kind == Kind::Operator && !mark && !QUANTIFIED.contains(&&*last.value)
}

/// Whether these end with `OPERATOR(schema.+)`.
fn ends_operator(before: &[Token<'_>]) -> bool {
    let mut inside = before.iter().rev().skip(1).take(OPERATOR_TOKENS);
    let named = inside.next().is_some_and(|token| token.kind == Kind::Operator && !token.is("(") && !token.is(")"));
    let mut outside = inside.skip_while(|token| token.is(".") || matches!(token.kind, Kind::Word | Kind::QuotedName));
    named && outside.next().is_some_and(|token| token.is("(")) && outside.next().is_some_and(|t| t.is_word("operator"))
}

/// What follows the EXCLUDE of a window's frame, to the end of the window: nothing of it is read.
fn excluded<'t, 'a>(after: &'t [Token<'a>]) -> Option<&'t [Token<'a>]> {
    let rest = match after {
        [a, b, rest @ ..] if a.is_word("current") && b.is_word("row") => rest,
        [a, b, rest @ ..] if a.is_word("no") && b.is_word("others") => rest,
        [a, rest @ ..] if a.is_word("group") || a.is_word("ties") => rest,
        _ => return None,
    };
    rest.first().is_some_and(|token| token.is(")")).then_some(rest)
}

#[cfg(test)]
mod tests {
    use crate::{
        Limits, guard,
        postgres::{lexer::Lexer, parser},
    };

    fn parsed(text: &str) -> Option<String> {
        let parts = guard::read_with(Lexer::new(text), text, &Limits::default()).ok()?;
        parser::whole(&parts.first()?.tokens, |p| p.parse_statement())
            .map(|tree| tree.to_string().replace('\0', "@"))
            .ok()
    }

    #[test]
    fn forms_that_the_parser_lacks_become_forms_that_it_has() {
        for (text, shown) in [
            ("SELECT a OPERATOR(pg_catalog.=) ANY (b)", "SELECT a OPERATOR(pg_catalog.=) \"@any\"(b)"),
            ("SELECT a OPERATOR(~) ALL (SELECT 1)", "SELECT a OPERATOR(~) (SELECT 1)"),
            ("SELECT a @> ANY (b)", "SELECT a @> \"@any\"(b)"),
            ("SELECT a NOT LIKE ALL (b)", "SELECT a NOT LIKE \"@any\"(b)"),
            ("SELECT a = ANY (b), a = ALL(c)", "SELECT a = ANY(b), a = ALL(c)"),
            ("SELECT f(1, VARIADIC a)", "SELECT f(1, \"@variadic\" => a)"),
            ("SELECT a BETWEEN SYMMETRIC 2 AND 1", "SELECT a BETWEEN 2 AND 1"),
            ("DELETE FROM t WHERE CURRENT OF c", "DELETE FROM t WHERE \"@current of\""),
            (
                "SELECT a FROM ROWS FROM (f(1), g(2)) AS t (a, b)",
                "SELECT a FROM LATERAL (SELECT * FROM f(1), g(2)) AS t (a, b)",
            ),
            (
                "SELECT sum(a) OVER (ROWS BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE TIES)",
                "SELECT sum(a) OVER (ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)",
            ),
        ] {
            assert_eq!(parsed(text).as_deref(), Some(shown), "{text}");
        }
    }

    #[test]
    fn the_same_words_elsewhere_stay_what_they_are() {
        for text in [
            "SELECT ALL a FROM t",
            "SELECT 1 UNION ALL (SELECT 2)",
            "SELECT count(ALL a) FROM t",
            "SELECT \"variadic\", \"exclude\" FROM t",
            "SELECT a, rows FROM (SELECT 1) AS t",
        ] {
            assert!(parsed(text).is_some_and(|shown| !shown.contains('@') && !shown.contains("LATERAL")), "{text}");
        }
        // No text can write the names that stand for forms.
        assert_eq!(parsed("SELECT U&\"\\0000any\"(1)"), None);
    }
}
