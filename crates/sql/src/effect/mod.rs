//! What a statement does, by its kind. Queries and writes of rows go to the parser; every other kind is told by its keywords and names alone, and
//! anything in it that could be an expression is searched for code and columns token by token.

mod copy;
mod define;
mod explain;
mod maintain;
mod objects;
mod prepared;
mod privilege;
mod reader;
mod rows;
mod scan;
mod set;
mod transaction;

use std::sync::Arc;

use querygate_record::{Barrier, Copy, Effect, Named, Position, TransactionChange};

pub(crate) use reader::{Name, Reader};

use crate::{
    analysis::Analysis,
    postgres::lexer::Token,
    statement::{Output, Refusal, RefusalKind},
};

/// What is known of a statement besides what its [`Analysis`] found.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub tag: &'static str,
    pub outputs: Option<Vec<Output>>,
    pub transaction: TransactionChange,
    pub barrier: Barrier,
    pub copy: Option<Copy>,
    /// COPY TO STDOUT: a query with the same result columns.
    pub copy_query: Option<Arc<str>>,
    pub named: Option<Named>,
    /// Temporary relations that it makes.
    pub temporary: Vec<String>,
    /// All its literals are secrets.
    pub secret: bool,
}

impl Outcome {
    pub(crate) fn tagged(tag: &'static str) -> Outcome {
        Outcome { tag, ..Outcome::default() }
    }
}

/// Analyses one statement, given the whole text that it stands in and its own tokens.
///
/// # Errors
/// Why it can't be understood completely; what was found until then must not be relied on.
pub(crate) fn statement(analysis: &mut Analysis<'_>, text: &str, tokens: &[Token<'_>]) -> Result<Outcome, Refusal> {
    let mut reader = Reader::new(tokens);
    let first = reader.word();
    match first {
        "select" | "with" | "values" | "table" | "insert" | "update" | "delete" | "merge" => {
            rows::statement(analysis, tokens)
        }
        "" if reader.peek().is_some_and(|t| t.is("(")) => rows::statement(analysis, tokens),
        "begin" | "start" | "commit" | "end" | "rollback" | "abort" | "savepoint" | "release" => {
            transaction::statement(analysis, &mut reader)
        }
        "set" => set::set(analysis, &mut reader),
        "reset" => set::reset(analysis, &mut reader),
        "show" => set::show(analysis, &mut reader),
        "discard" => set::discard(analysis, &mut reader),
        "listen" | "unlisten" | "notify" => set::channel(analysis, &mut reader),
        "prepare" | "execute" | "deallocate" | "declare" | "fetch" | "move" | "close" => {
            prepared::statement(analysis, &mut reader)
        }
        "explain" => explain::statement(analysis, text, &mut reader),
        "copy" => copy::statement(analysis, text, &mut reader),
        "create" => define::create(analysis, &mut reader),
        "alter" => define::alter(analysis, &mut reader),
        "drop" => define::drop(analysis, &mut reader),
        "comment" => define::comment(analysis, &mut reader),
        "import" => define::import(analysis, &mut reader),
        "grant" | "revoke" | "reassign" | "security" => privilege::statement(analysis, &mut reader),
        "truncate" | "lock" | "vacuum" | "analyze" | "analyse" | "reindex" | "cluster" | "refresh" | "checkpoint"
        | "load" => maintain::statement(analysis, &mut reader),
        "do" | "call" => maintain::code(analysis, &mut reader),
        _ => Err(reader.unexpected("a statement")),
    }
}

/// A construct that isn't built.
pub(crate) fn unsupported(construct: &str, position: Option<Position>, hint: &str) -> Refusal {
    Refusal { kind: RefusalKind::Unsupported, construct: construct.into(), position, hint: hint.into() }
}

/// `session` with an object.
fn session(analysis: &mut Analysis<'_>, object: &str) {
    analysis.effect(Effect::Session, object);
}

#[cfg(test)]
mod tests;
