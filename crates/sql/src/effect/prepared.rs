//! Statements and cursors that the session keeps under a name of its own.

use querygate_record::{Effect, Named};

use super::{Outcome, Reader, reader::items, session, unsupported};
use crate::{
    analysis::Analysis,
    catalog::FIRST_USER_OID,
    postgres::{lexer::Token, parser},
    resolve::Scope,
    statement::Refusal,
};

pub(super) fn statement<'a>(analysis: &mut Analysis<'a>, reader: &mut Reader<'_, '_>) -> Result<Outcome, Refusal> {
    let first = reader.next();
    let position = first.map(|t| t.position);
    match first.map(|t| &*t.value).unwrap_or_default() {
        "prepare" => prepare(analysis, reader),
        "execute" => {
            let name = reader.identifier()?;
            if let Some(list) = reader.parentheses() {
                arguments(analysis, list, "EXECUTE")?;
            }
            reader.end()?;
            analysis.effect(Effect::Read, "");
            Ok(Outcome { named: Some(Named::Execute(name)), ..Outcome::tagged("EXECUTE") })
        }
        "deallocate" => {
            reader.eat("prepare");
            let name = if reader.eat("all") { None } else { Some(reader.identifier()?) };
            reader.end()?;
            session(analysis, "");
            Ok(Outcome { named: Some(Named::Deallocate(name)), ..Outcome::tagged("DEALLOCATE") })
        }
        "declare" => declare(analysis, reader),
        "close" => {
            let name = if reader.eat("all") { None } else { Some(reader.identifier()?) };
            reader.end()?;
            session(analysis, "");
            Ok(Outcome { named: Some(Named::Close(name)), ..Outcome::tagged("CLOSE") })
        }
        word => {
            let tag = if word == "fetch" { "FETCH" } else { "MOVE" };
            // The cursor's name is the last word, whatever direction stands before it.
            let Some(name) = reader.rest().last().and_then(|t| t.name()) else {
                return Err(unsupported(tag, position, "name the cursor"));
            };
            analysis.effect(Effect::Read, "");
            Ok(Outcome { named: Some(Named::Fetch(name.to_owned())), ..Outcome::tagged(tag) })
        }
    }
}

fn prepare<'a>(analysis: &mut Analysis<'a>, reader: &mut Reader<'_, '_>) -> Result<Outcome, Refusal> {
    if reader.eat("transaction") {
        reader.next();
        reader.end()?;
        // It outlives the session, and keeps its locks until somebody ends it.
        analysis.effect(Effect::Server, "");
        let transaction = querygate_record::TransactionChange::Commit;
        return Ok(Outcome { transaction, ..Outcome::tagged("PREPARE TRANSACTION") });
    }
    let name = reader.identifier()?;
    if let Some(types) = reader.parentheses() {
        built_in_types(analysis, types)?;
    }
    if !reader.eat("as") {
        return Err(reader.unexpected("AS"));
    }
    let inner = super::rows::statement(analysis, reader.rest())?;
    Ok(Outcome {
        outputs: inner.outputs,
        temporary: inner.temporary,
        named: Some(Named::Prepare(name)),
        ..Outcome::tagged("PREPARE")
    })
}

/// A parameter of a user's type could bring a user's cast or operator with it.
fn built_in_types(analysis: &Analysis<'_>, types: &[Token<'_>]) -> Result<(), Refusal> {
    for item in items(types) {
        let mut reader = Reader::new(item);
        let position = reader.peek().map(|t| t.position);
        let name = reader.name()?;
        let user = match name.schema() {
            Some(schema) => schema != "pg_catalog",
            None => analysis
                .catalog
                .type_on_path(&analysis.settings.search_path, name.last())
                .is_some_and(|held| held.oid >= FIRST_USER_OID),
        };
        if user {
            return Err(unsupported("PREPARE with a parameter of such a type", position, "leave the types out"));
        }
    }
    Ok(())
}

fn declare<'a>(analysis: &mut Analysis<'a>, reader: &mut Reader<'_, '_>) -> Result<Outcome, Refusal> {
    let name = reader.identifier()?;
    reader.until(&["for"]);
    if !reader.eat("for") {
        return Err(reader.unexpected("FOR"));
    }
    let inner = super::rows::statement(analysis, reader.rest())?;
    session(analysis, "");
    Ok(Outcome { outputs: inner.outputs, named: Some(Named::Declare(name)), ..Outcome::tagged("DECLARE CURSOR") })
}

/// Expressions between commas, perhaps named, each used by the construct.
pub(super) fn arguments(
    analysis: &mut Analysis<'_>,
    list: &[Token<'_>],
    construct: &'static str,
) -> Result<(), Refusal> {
    for item in items(list) {
        let named = item.get(1).is_some_and(|t| t.is("=>") || t.is(":="));
        let value = if named { item.get(2..).unwrap_or_default() } else { item };
        let expression = parser::whole(value, |parser| parser.parse_expr())?;
        analysis.condition(&expression, &Scope::default(), construct)?;
    }
    Ok(())
}
