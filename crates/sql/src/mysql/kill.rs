//! KILL: which connection, by the number that the client was given when it connected.

use super::{
    Lexer,
    reading::{Outcome, Reading},
};
use crate::{
    Limits, guard,
    postgres::lexer::{Kind, Token},
    statement::Refusal,
};
use querygate_record::Effect;

/// A request to end what a connection does, or the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kill {
    /// The number of the connection.
    pub connection: u32,
    /// Whether its statement alone is meant.
    pub query: bool,
}

/// What a text of one KILL asks for; none for any other text.
#[must_use]
pub fn kill(text: &str) -> Option<Kill> {
    // Most texts are no KILL: those are not cut into tokens for it.
    let word = text.trim_start().get(..4)?;
    if !word.eq_ignore_ascii_case("kill") && !text.trim_start().starts_with(['/', '-', '#']) {
        return None;
    }
    let parts = guard::read_with(Lexer::new(text), text, &Limits::default()).ok()?;
    let [part] = parts.as_slice() else { return None };
    of(&part.tokens)
}

fn of(tokens: &[Token<'_>]) -> Option<Kill> {
    let number = |token: &Token<'_>| token.value.parse().ok().filter(|_| token.kind == Kind::Number);
    match tokens {
        [kill, connection] if kill.is_word("kill") => {
            number(connection).map(|connection| Kill { connection, query: false })
        }
        [kill, what, connection] if kill.is_word("kill") && (what.is_word("query") || what.is_word("connection")) => {
            number(connection).map(|connection| Kill { connection, query: what.is_word("query") })
        }
        _ => None,
    }
}

impl Reading<'_> {
    /// Reads KILL. A connection's number is the gateway's, and so it is the gateway that does what is asked for, where the connection is the
    /// client's own: to the server it would be another's, which is why the server never gets it. Every other form is the server's affair.
    pub fn kill(&mut self, tokens: &[Token<'_>]) -> Result<Outcome, Refusal> {
        if of(tokens).is_some() {
            self.instead = Some("DO 0");
            self.effect(Effect::Session, "");
        } else {
            self.effect(Effect::Server, "");
        }
        Ok(Outcome::of("KILL"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_named_by_its_number_alone() {
        assert_eq!(kill("KILL QUERY 12"), Some(Kill { connection: 12, query: true }));
        assert_eq!(kill("/* bye */ kill 7;"), Some(Kill { connection: 7, query: false }));
        assert_eq!(kill("KILL CONNECTION 7"), Some(Kill { connection: 7, query: false }));
        for other in [
            "KILL",
            "KILL QUERY",
            "KILL @a",
            "KILL QUERY ID 5",
            "KILL HARD 5",
            "KILL 5; SELECT 1",
            "SELECT 5",
            "KILL 5.5",
            "KILL -5",
        ] {
            assert_eq!(kill(other), None, "{other}");
        }
    }
}
