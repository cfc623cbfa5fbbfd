//! The shape of a text: what is left when constants are taken out. A fingerprint groups statements in the log; a [`Shape`] tells which texts
//! analysis can't tell apart, so that what was found of one holds for the others.

use std::ops::Range;

use querygate_record::Engine;

use crate::{
    Limits,
    catalog::Catalog,
    guard::{self, Part},
    literals::names_password,
    mysql,
    postgres::lexer::{Kind, Token},
    query::number_type,
    statement::Refusal,
};

/// What begins a statement whose constants may be taken out.
const STATEMENTS: &[&str] = &["select", "insert", "update", "delete", "replace", "with"];
/// Behind these words conditions and assignments stand, whose constants say nothing of what is shown and how it is called.
const OPENING: &[&str] = &["where", "on", "set", "values"];
/// Behind these anything may stand: labels, positions in the select list, numbers of rows.
const CLOSING: &[&str] = &[
    "select",
    "from",
    "join",
    "order",
    "group",
    "having",
    "limit",
    "offset",
    "fetch",
    "window",
    "returning",
    "using",
    "union",
    "except",
    "intersect",
    "for",
    "procedure",
    "into",
    "partition",
    "conflict",
    "distinct",
];
const COMPARISONS: &[&str] = &["=", "<>", "!=", "<", ">", "<=", ">=", "<=>"];
/// What may follow a constant that is the whole of a side of a comparison.
const AFTER: &[&str] = &["and", "or", "where", "order", "group", "limit", "returning", "for"];

/// What all texts have in common that differ only in the values of some constants.
#[derive(Clone, Debug)]
pub struct Shape<'t> {
    /// Equal for two texts only if analysis finds the same in both but for positions: they are byte for byte the same outside constants that stand
    /// alone on one side of a comparison, in a list of IN or VALUES, or in an assignment, and those are of the same type. None where there is no such
    /// constant.
    pub key: Option<[u8; 32]>,
    /// Where each constant of the text stands, in bytes.
    pub literals: Vec<Range<usize>>,
    parts: Vec<Part<'t>>,
}

impl<'t> Shape<'t> {
    /// The shape of a text as the server reads it whose catalog it is. `None` for a text that can't be cut into tokens, or is beyond a limit.
    #[must_use]
    pub fn of(text: &'t str, catalog: &Catalog, limits: &Limits) -> Option<Shape<'t>> {
        let parts = cut(text, catalog, limits).ok()?;
        let every = parts.iter().flat_map(|part| &part.tokens).filter(|token| token.kind.is_literal());
        let literals = every.map(|token| token.range.clone()).collect();
        Some(Shape { key: key(text, &parts), literals, parts })
    }

    /// As [`fingerprint`].
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hashed(&self.parts)
    }
}

/// A hash of the text with every literal, comment and blank left out: equal for statements of one shape. `None` for a text that can't be cut into
/// tokens. Lists in parentheses that hold nothing but literals and parameters count as one.
#[must_use]
pub fn fingerprint(text: &str) -> Option<String> {
    guard::read(text, &Limits::default()).ok().map(|parts| hashed(&parts))
}

fn cut<'a>(text: &'a str, catalog: &Catalog, limits: &Limits) -> Result<Vec<Part<'a>>, Refusal> {
    match catalog.engine() {
        Engine::Postgres => guard::read(text, limits),
        Engine::Mysql | Engine::Mariadb => guard::read_with(mysql::Lexer::of(text, catalog), text, limits),
    }
}

fn hashed(parts: &[Part<'_>]) -> String {
    // One piece: hashing each token costs more than copying it.
    let mut shape = Vec::new();
    for part in parts {
        let mut list = false;
        for (at, token) in part.tokens.iter().enumerate() {
            let opens_list = token.is("(") && only_constants(part.tokens.get(at + 1..).unwrap_or_default());
            if list {
                list = !token.is(")");
                continue;
            }
            list = opens_list;
            match token.kind {
                _ if opens_list => shape.extend_from_slice(b"(?)"),
                Kind::Word | Kind::Operator => shape.extend_from_slice(token.value.as_bytes()),
                Kind::QuotedName => shape.extend([b"\"", token.value.as_bytes(), b"\""].into_iter().flatten()),
                Kind::Parameter => shape.push(b'$'),
                _ => shape.push(b'?'),
            }
            shape.push(0);
        }
        shape.push(b';');
    }
    blake3::hash(&shape).to_hex().chars().take(32).collect()
}

fn only_constants(tokens: &[Token<'_>]) -> bool {
    let mut seen = false;
    for token in tokens {
        match token.kind {
            kind if kind.is_literal() || kind == Kind::Parameter => seen = true,
            Kind::Operator if token.is(")") => return seen,
            Kind::Operator if token.is(",") || token.is("-") => {}
            _ => return false,
        }
    }
    false
}

/// The text's hash without the constants that may be taken out, each of which leaves its type. No text has a zero byte of its own.
fn key(text: &str, parts: &[Part<'_>]) -> Option<[u8; 32]> {
    let (mut rest, mut at) = (Vec::with_capacity(text.len()), 0);
    for part in parts {
        let mut places = Places::default();
        let mut before = None;
        for (index, token) in part.tokens.iter().enumerate() {
            if token.kind.is_literal()
                && places.takes_any(before, part.tokens.get(index + 1))
                && let Some(kind) = exchangeable(text, token)
            {
                rest.extend_from_slice(text.as_bytes().get(at..token.range.start)?);
                rest.push(0);
                rest.extend_from_slice(&kind);
                at = token.range.end;
            }
            places.step(token, before);
            before = Some(token);
        }
    }
    rest.extend_from_slice(text.as_bytes().get(at..)?);
    (at > 0).then(|| *blake3::hash(&rest).as_bytes())
}

/// What stays of a plain number or string; none for other constants.
fn exchangeable(text: &str, token: &Token<'_>) -> Option<[u8; 5]> {
    let raw = text.get(token.range.clone())?;
    let first = raw.bytes().next()?;
    let number = |raw: &str| raw.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && first.is_ascii_digit();
    let ty = match token.kind {
        Kind::Number if number(raw) => number_type(raw),
        Kind::String if matches!(first, b'\'' | b'"') && !names_password(token) => 0,
        _ => return None,
    };
    let [a, b, c, d] = ty.to_le_bytes();
    let quote = if token.kind == Kind::Number { b'0' } else { first };
    Some([quote, a, b, c, d])
}

/// Where in a statement a token stands.
#[derive(Default)]
struct Places {
    outer: Vec<Place>,
    place: Place,
    /// The statement is one whose constants may be taken out.
    known: bool,
    /// The last token was the AND of a BETWEEN.
    between_and: bool,
}

/// Where in one pair of parentheses.
#[derive(Clone, Copy, Default)]
struct Place {
    /// Behind a word of [`OPENING`].
    open: bool,
    /// Inside a list of IN or VALUES.
    list: bool,
    /// Behind the VALUES whose lists these are.
    values: bool,
    /// Behind BETWEEN, whose AND is still to come.
    between: bool,
    /// In a select list: words that begin clauses are functions there.
    selects: bool,
}

impl Places {
    /// Whether a constant between these tokens says nothing but what value is compared, listed or assigned.
    fn takes_any(&self, before: Option<&Token<'_>>, after: Option<&Token<'_>>) -> bool {
        let Some(before) = before.filter(|_| self.known && self.place.open) else { return false };
        let closes = |after: &Token<'_>| after.is(",") || after.is(")");
        if self.place.list {
            return (before.is("(") || before.is(",")) && after.is_some_and(closes);
        }
        let word = |words: &[&str], token: &Token<'_>| words.iter().any(|word| token.is_word(word));
        if before.is_word("between") {
            return after.is_some_and(|after| after.is_word("and"));
        }
        let compared = COMPARISONS.iter().any(|operator| before.is(operator)) || word(&["like", "ilike"], before);
        (compared || self.between_and) && after.is_none_or(|after| closes(after) || word(AFTER, after))
    }

    fn step(&mut self, token: &Token<'_>, before: Option<&Token<'_>>) {
        self.between_and = false;
        match token.kind {
            Kind::Word => self.word(token, before),
            Kind::Operator if token.is("(") => {
                let in_list = before.is_some_and(|before| before.is_word("in"));
                let list = self.place.open && (in_list || self.place.values && before.is_some_and(is_before_row));
                self.outer.push(self.place);
                self.place = Place { open: self.place.open, list, ..Place::default() };
            }
            Kind::Operator if token.is(")") => self.place = self.outer.pop().unwrap_or_default(),
            _ => {}
        }
    }

    fn word(&mut self, token: &Token<'_>, before: Option<&Token<'_>>) {
        let is_one_of = |words: &[&str]| words.iter().any(|word| token.is_word(word));
        let Some(before) = before else {
            self.known = is_one_of(STATEMENTS);
            self.place.selects = token.is_word("select");
            return;
        };
        if before.is(".") {
            // The name of a column.
        } else if is_one_of(CLOSING) {
            let selects = token.is_word("select") || (self.place.selects && token.is_word("distinct"));
            self.place = Place { selects, ..Place::default() };
        } else if is_one_of(OPENING) && !self.place.selects {
            self.place = Place { open: true, values: token.is_word("values"), ..Place::default() };
        } else if token.is_word("between") {
            self.place.between = true;
        } else if token.is_word("and") {
            self.between_and = std::mem::take(&mut self.place.between);
        }
    }
}

/// What a row of VALUES may follow.
fn is_before_row(token: &Token<'_>) -> bool {
    token.is_word("values") || token.is(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_catalog::shop;

    fn key_of(text: &str) -> Option<[u8; 32]> {
        Shape::of(text, shop(), &Limits::default()).unwrap().key
    }

    #[test]
    fn statements_of_one_shape_have_one_fingerprint() {
        let shape = |text: &str| fingerprint(text).unwrap();
        assert_eq!(shape("SELECT a FROM t WHERE b = 1"), shape("select  A from t /* x */ where b = 'two'"));
        assert_eq!(shape("SELECT 1 WHERE a IN (1,2)"), shape("SELECT 2 WHERE a IN ('x', $1, -3)"));
        assert_ne!(shape("SELECT a FROM t"), shape("SELECT \"A\" FROM t"));
        assert_ne!(shape("SELECT a; SELECT b"), shape("SELECT a SELECT b"));
        assert_eq!(fingerprint("SELECT '"), None);
    }

    #[test]
    fn constants_that_are_compared_listed_or_assigned_leave_one_key() {
        for [a, b] in [
            ["SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b = 2147483647"],
            ["SELECT a FROM t WHERE b = 'x' AND c < 1.5", "SELECT a FROM t WHERE b = 'it''s' AND c < 22.0"],
            ["SELECT a FROM t WHERE (b = 1 OR c = 2) LIMIT 5", "SELECT a FROM t WHERE (b = 3 OR c = 4) LIMIT 5"],
            ["SELECT a FROM t WHERE b BETWEEN 1 AND 2 AND c = 3", "SELECT a FROM t WHERE b BETWEEN 7 AND 8 AND c = 9"],
            ["SELECT a FROM t WHERE b IN (1, 2)", "SELECT a FROM t WHERE b IN (3, 4)"],
            ["INSERT INTO t VALUES (1, 'x'), (2, 'y')", "INSERT INTO t VALUES (3, 'z'), (4, '')"],
            ["UPDATE t SET a = 'x', b = 1 WHERE c = 2", "UPDATE t SET a = 'y', b = 3 WHERE c = 4"],
            ["DELETE FROM t WHERE a LIKE 'x%'", "DELETE FROM t WHERE a LIKE 'y%'"],
            ["SELECT 1; SELECT a FROM t WHERE b = 1", "SELECT 1; SELECT a FROM t WHERE b = 2"],
        ] {
            assert!(key_of(a).is_some());
            assert_eq!(key_of(a), key_of(b), "{a} | {b}");
        }
    }

    #[test]
    fn all_other_constants_are_part_of_the_key() {
        for [a, b] in [
            ["SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b = 2147483648"],
            ["SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b = 1.0"],
            ["SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b = '1'"],
            ["SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b =  1"],
            ["SELECT a FROM t WHERE b = 1 ORDER BY 1", "SELECT a FROM t WHERE b = 1 ORDER BY 2"],
            ["SELECT a FROM t WHERE b = 1 LIMIT 1", "SELECT a FROM t WHERE b = 1 LIMIT 2"],
            ["SELECT a, b = 1 FROM t WHERE c = 1", "SELECT a, b = 2 FROM t WHERE c = 1"],
            ["SELECT a FROM t WHERE b = f('x')", "SELECT a FROM t WHERE b = f('y')"],
            ["SELECT a FROM t WHERE b = f(c => 'x')", "SELECT a FROM t WHERE b = f(c => 'y')"],
            ["SELECT a FROM t WHERE b = 'x'::date", "SELECT a FROM t WHERE b = 'y'::date"],
            ["SELECT a FROM t WHERE b = 'x' || c", "SELECT a FROM t WHERE b = 'y' || c"],
            ["SELECT a FROM t WHERE b = date '1'", "SELECT a FROM t WHERE b = date '2'"],
            ["SELECT a FROM t WHERE b = E'x'", "SELECT a FROM t WHERE b = E'y'"],
            ["SELECT a FROM t WHERE b = 'password x'", "SELECT a FROM t WHERE b = 'password y'"],
            [
                "SELECT a FROM t WHERE b = CASE WHEN c = 1 THEN 2 END",
                "SELECT a FROM t WHERE b = CASE WHEN c = 2 THEN 2 END",
            ],
            ["SELECT a FROM t GROUP BY a HAVING sum(b) > 1", "SELECT a FROM t GROUP BY a HAVING sum(b) > 2"],
            ["INSERT INTO t VALUES (nextval('x'))", "INSERT INTO t VALUES (nextval('y'))"],
            ["INSERT INTO t VALUES (1 + 1)", "INSERT INTO t VALUES (2 + 1)"],
            ["UPDATE t SET (a, b) = (1, 2)", "UPDATE t SET (a, b) = (3, 4)"],
            ["UPDATE t SET a = 1 FROM u", "UPDATE t SET a = 2 FROM u"],
            ["SELECT DISTINCT ON (a) b = 1, c FROM t", "SELECT DISTINCT ON (a) b = 2, c FROM t"],
            ["SELECT values(a), b = 1 FROM t", "SELECT values(a), b = 2 FROM t"],
            ["SELECT t.on, b = 1 FROM t", "SELECT t.on, b = 2 FROM t"],
            ["SELECT a FROM t WHERE b IN (SELECT 1, 2)", "SELECT a FROM t WHERE b IN (SELECT 1, 3)"],
            ["SELECT a FROM t WHERE (b, c) IN ((1, 2))", "SELECT a FROM t WHERE (b, c) IN ((1, 3))"],
            ["SET x = 'a'", "SET x = 'b'"],
            ["SELECT a FROM t /* 1 */ WHERE b = 1", "SELECT a FROM t /* 2 */ WHERE b = 1"],
        ] {
            assert_ne!(key_of(a).unwrap_or_default(), key_of(b).unwrap_or([1; 32]), "{a} | {b}");
        }
        assert_eq!(key_of("SELECT a FROM t WHERE b = $1 LIMIT 5"), None);
    }
}
