//! The constants of a text: where they stand, whose columns' they are, which are secrets; and the text's shape without them.

use foldhash::HashMap;
use querygate_record::Engine;

use crate::{
    Limits,
    catalog::Catalog,
    guard::{self, Part},
    mysql,
    postgres::lexer::{Kind, Token},
    statement::{ColumnId, Literal, Refusal},
};

/// Every literal of a statement. `columns` holds, by the position of a literal's first character, what it is compared with or written to; with
/// `secret` all of them are secrets.
pub(crate) fn literals(tokens: &[Token<'_>], columns: &HashMap<u32, Vec<ColumnId>>, secret: bool) -> Vec<Literal> {
    let mut before = [false; 2];
    let mut found = Vec::new();
    for token in tokens {
        if token.kind.is_literal() {
            found.push(Literal {
                range: token.range.clone(),
                columns: columns.get(&token.position.0).cloned().unwrap_or_default(),
                secret: secret || before.contains(&true) || names_password(token),
            });
        }
        before = [before[1], token.is_word("password") || token.is_word("connection")];
    }
    found
}

/// A string that is code, or a connection string, with a password somewhere in it.
fn names_password(token: &Token<'_>) -> bool {
    const WORD: &[u8] = b"password";
    token.kind != Kind::Number
        && token.value.as_bytes().windows(WORD.len()).any(|window| window.eq_ignore_ascii_case(WORD))
}

/// A hash of the text with every literal, comment and blank left out: equal for statements of one shape. `None` for a text that can't be cut into
/// tokens. Lists in parentheses that hold nothing but literals and parameters count as one.
#[must_use]
pub fn fingerprint(text: &str) -> Option<String> {
    shape_of(guard::read(text, &Limits::default()))
}

/// The same for a text as the server reads it whose catalog it is.
#[must_use]
pub fn fingerprint_of(text: &str, catalog: &Catalog) -> Option<String> {
    let limits = Limits::default();
    shape_of(match catalog.engine() {
        Engine::Postgres => guard::read(text, &limits),
        Engine::Mysql | Engine::Mariadb => guard::read_with(mysql::Lexer::of(text, catalog), text, &limits),
    })
}

fn shape_of(parts: Result<Vec<Part<'_>>, Refusal>) -> Option<String> {
    let parts = parts.ok()?;
    let mut hasher = blake3::Hasher::new();
    for part in &parts {
        let mut list = false;
        for (at, token) in part.tokens.iter().enumerate() {
            let opens_list = token.is("(") && only_constants(part.tokens.get(at + 1..).unwrap_or_default());
            if list {
                list = !token.is(")");
                continue;
            }
            list = opens_list;
            match token.kind {
                _ if opens_list => hasher.update(b"(?)"),
                Kind::Word | Kind::Operator => hasher.update(token.value.as_bytes()),
                Kind::QuotedName => hasher.update(b"\"").update(token.value.as_bytes()).update(b"\""),
                Kind::Parameter => hasher.update(b"$"),
                _ => hasher.update(b"?"),
            };
            hasher.update(b"\0");
        }
        hasher.update(b";");
    }
    Some(hasher.finalize().to_hex().chars().take(32).collect())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(String, bool)> {
        let parts = guard::read(text, &Limits::default()).unwrap();
        let all = literals(&parts[0].tokens, &HashMap::default(), false);
        all.into_iter().map(|l| (text[l.range].to_owned(), l.secret)).collect()
    }

    #[test]
    fn literals_are_found_with_their_quotes() {
        assert_eq!(
            found("SELECT 'é', 12 FROM t WHERE a = E'x\\'y' AND \"b\" = $1"),
            [("'é'".into(), false), ("12".into(), false), ("E'x\\'y'".into(), false)]
        );
    }

    #[test]
    fn passwords_are_secret_wherever_they_stand() {
        assert_eq!(found("CREATE ROLE x ENCRYPTED PASSWORD 'p' VALID UNTIL 'q'")[0], ("'p'".into(), true));
        assert!(found("SELECT dblink('host=h password=p')")[0].1);
        assert!(found("DO $$ALTER ROLE x PASSWORD 'p'$$")[0].1);
        assert!(!found("SELECT 'word'")[0].1);
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
}
