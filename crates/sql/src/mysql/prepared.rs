//! PREPARE, EXECUTE and DEALLOCATE as statements: a text inside a text.

use querygate_record::{Effect, Named};

use super::{
    Lexer,
    reading::{Outcome, Reading, unsupported},
};
use crate::{
    Limits, guard,
    postgres::lexer::{Kind, Token},
    statement::Refusal,
};

/// What a text may begin with that another prepares. The others change what the gateway keeps of the session, at a time that the text does not tell.
const PREPARED: &[&str] = &["(", "delete", "do", "insert", "replace", "select", "update", "values", "with"];

impl Reading<'_> {
    /// Reads `PREPARE name FROM 'text'`.
    pub fn prepare(&mut self, tokens: &[Token<'_>]) -> Result<Outcome, Refusal> {
        match tokens {
            [_, name, from, text] if from.is_word("from") => {
                let named = Some(Named::Prepare(statement_name(name)?));
                let inner = self.inner(text)?;
                Ok(Outcome { outputs: inner.outputs, named, ..Outcome::of("PREPARE") })
            }
            _ => Err(unsupported("PREPARE", "write PREPARE name FROM 'text'")),
        }
    }

    /// Reads `EXECUTE name USING @a, @b`, and MariaDB's `EXECUTE IMMEDIATE 'text'`.
    pub fn execute(&mut self, tokens: &[Token<'_>]) -> Result<Outcome, Refusal> {
        if let [_, immediate, text, values @ ..] = tokens
            && immediate.is_word("immediate")
            && is_using(values)
        {
            return self.inner(text);
        }
        match tokens {
            [_, name, values @ ..] if is_using(values) => {
                let named = Some(Named::Execute(statement_name(name)?));
                self.effect(Effect::Read, "");
                Ok(Outcome { named, ..Outcome::of("EXECUTE") })
            }
            _ => Err(unsupported("EXECUTE", "write EXECUTE name USING @a, @b")),
        }
    }

    /// Reads `DEALLOCATE PREPARE name` and `DROP PREPARE name`.
    pub fn deallocate(&mut self, tokens: &[Token<'_>]) -> Result<Outcome, Refusal> {
        match tokens {
            [_, prepare, name] if prepare.is_word("prepare") => {
                let named = Some(Named::Deallocate(Some(statement_name(name)?)));
                self.effect(Effect::Session, "");
                Ok(Outcome { named, ..Outcome::of("DEALLOCATE") })
            }
            _ => Err(unsupported("DEALLOCATE", "write DEALLOCATE PREPARE name")),
        }
    }

    /// Reads the text that a constant holds, as the server reads it when it prepares it.
    fn inner(&mut self, text: &Token<'_>) -> Result<Outcome, Refusal> {
        if text.kind != Kind::String {
            return Err(unsupported("a text that is no constant", "write the text itself between quotes"));
        }
        let parts = guard::read_with(Lexer::of(&text.value, self.catalog), &text.value, &Limits::default());
        let parts = parts.map_err(apart)?;
        let [part] = parts.as_slice() else {
            return Err(unsupported("a prepared text of several statements", "prepare each by itself"));
        };
        let first = part.tokens.first().map(|t| t.value.to_ascii_lowercase()).unwrap_or_default();
        if !PREPARED.contains(&&*first) {
            return Err(unsupported("a prepared text of this kind", "run the statement itself"));
        }
        self.statement(&part.tokens).map_err(apart)
    }
}

/// Positions inside a text are not the statement's.
fn apart(refusal: Refusal) -> Refusal {
    Refusal { position: None, ..refusal }
}

/// The server's names have no case. What is one name to it beyond ASCII is a matter of its collations.
fn statement_name(token: &Token<'_>) -> Result<String, Refusal> {
    let plain = token.value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'$');
    match token.kind {
        Kind::Word | Kind::QuotedName if plain && !token.value.is_empty() => Ok(token.value.to_ascii_lowercase()),
        _ => Err(unsupported("such a name of a prepared statement", "use letters, digits and _")),
    }
}

/// Nothing, or `USING` and user variables or constants.
fn is_using(tokens: &[Token<'_>]) -> bool {
    match tokens {
        [] => true,
        [using, values @ ..] if using.is_word("using") => values.split(|t| t.is(",")).all(is_value),
        _ => false,
    }
}

fn is_value(tokens: &[Token<'_>]) -> bool {
    let [value] = tokens else { return false };
    let is_variable = value.kind == Kind::Word && value.value.starts_with('@') && !value.value.starts_with("@@");
    value.kind.is_literal() || is_variable
}
