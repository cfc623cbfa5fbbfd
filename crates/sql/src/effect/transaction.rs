//! Transaction control.

use querygate_record::{Effect, TransactionChange};

use super::{Outcome, Reader, session};
use crate::{analysis::Analysis, statement::Refusal};

pub(super) fn statement(analysis: &mut Analysis<'_>, reader: &mut Reader<'_, '_>) -> Result<Outcome, Refusal> {
    let (tag, transaction) = match reader.next().map(|t| &*t.value).unwrap_or_default() {
        "begin" => {
            let _ = reader.eat("work") || reader.eat("transaction");
            modes(reader)?;
            ("BEGIN", TransactionChange::Begin)
        }
        "start" => {
            if !reader.eat("transaction") {
                return Err(reader.unexpected("TRANSACTION"));
            }
            modes(reader)?;
            ("START TRANSACTION", TransactionChange::Begin)
        }
        "savepoint" => {
            reader.identifier()?;
            ("SAVEPOINT", TransactionChange::Savepoint)
        }
        "release" => {
            reader.eat("savepoint");
            reader.identifier()?;
            ("RELEASE", TransactionChange::Release)
        }
        word => return finish(analysis, reader, matches!(word, "commit" | "end")),
    };
    reader.end()?;
    session(analysis, "");
    Ok(Outcome { transaction, ..Outcome::tagged(tag) })
}

/// COMMIT and ROLLBACK in all their forms.
fn finish(analysis: &mut Analysis<'_>, reader: &mut Reader<'_, '_>, commit: bool) -> Result<Outcome, Refusal> {
    let tag = if commit { "COMMIT" } else { "ROLLBACK" };
    if reader.eat("prepared") {
        // It ends a transaction that any session may have prepared.
        reader.next();
        reader.end()?;
        analysis.effect(Effect::Server, "");
        return Ok(Outcome::tagged(if commit { "COMMIT PREPARED" } else { "ROLLBACK PREPARED" }));
    }
    let _ = reader.eat("work") || reader.eat("transaction");
    let mut transaction = if commit { TransactionChange::Commit } else { TransactionChange::Rollback };
    if !commit && reader.eat("to") {
        reader.eat("savepoint");
        reader.identifier()?;
        transaction = TransactionChange::RollbackTo;
    } else if reader.eat("and") {
        reader.eat("no");
        if !reader.eat("chain") {
            return Err(reader.unexpected("CHAIN"));
        }
    }
    reader.end()?;
    session(analysis, "");
    Ok(Outcome { transaction, ..Outcome::tagged(tag) })
}

/// Isolation level, READ ONLY and DEFERRABLE, in any order, with or without commas.
pub(super) fn modes(reader: &mut Reader<'_, '_>) -> Result<(), Refusal> {
    while !reader.is_done() {
        let known = [
            "isolation level serializable",
            "isolation level repeatable read",
            "isolation level read committed",
            "isolation level read uncommitted",
            "read only",
            "read write",
            "not deferrable",
            "deferrable",
        ];
        if !known.into_iter().any(|mode| reader.eat(mode)) {
            return Err(reader.unexpected("a transaction mode"));
        }
        reader.eat_mark(",");
    }
    Ok(())
}
