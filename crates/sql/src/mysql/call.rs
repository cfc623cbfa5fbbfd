//! CALL: a procedure runs what it holds, and may show any number of results (MySQL manual, "CALL Statement").

use querygate_record::Effect;

use super::reading::{Outcome, Reading, unsupported};
use crate::{
    postgres::lexer::{Kind, Token},
    statement::Refusal,
};

/// The tag of CALL.
pub const CALL: &str = "CALL";

impl Reading<'_> {
    /// Reads CALL. What the procedure does can't be named; what is handed to it is used.
    pub fn call(&mut self, tokens: &[Token<'_>]) -> Result<Outcome, Refusal> {
        let (name, arguments) = match tokens {
            [_, database, point, name, rest @ ..] if point.is(".") => match database.name() {
                Some(database) if self.is_own(database) => (name, rest),
                _ => return Err(unsupported("CALL of another database's procedure", "connect to that database")),
            },
            [_, name, rest @ ..] => (name, rest),
            _ => return Err(malformed()),
        };
        let name = name.name().ok_or_else(malformed)?.to_owned();
        match arguments {
            [] => {}
            [open, close] if open.is("(") && close.is(")") => {}
            [open, arguments @ .., close] if open.is("(") && close.is(")") => {
                let select = Token { kind: Kind::Word, value: "select".into(), ..open.clone() };
                let query: Vec<Token<'_>> = [&[select], arguments].concat();
                self.consumed(&query, CALL)?;
            }
            _ => return Err(malformed()),
        }
        self.effect(Effect::Call, &name);
        self.opaque(format!("procedure {name}"), &name);
        Ok(Outcome::of(CALL))
    }
}

fn malformed() -> Refusal {
    unsupported("CALL of this form", "write CALL name(arguments)")
}
