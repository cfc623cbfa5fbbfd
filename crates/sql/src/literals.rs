//! The constants of a text: where they stand, whose columns' they are, which are secrets.

use foldhash::HashMap;

use crate::{
    postgres::lexer::{Kind, Token},
    statement::{ColumnId, Literal},
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
pub(crate) fn names_password(token: &Token<'_>) -> bool {
    const WORD: &[u8] = b"password";
    token.kind != Kind::Number
        && token.value.as_bytes().windows(WORD.len()).any(|window| window.eq_ignore_ascii_case(WORD))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, guard};

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
}
