//! CREATE, ALTER, DROP, COMMENT, IMPORT: objects made, changed and removed.

use std::sync::Arc;

use querygate_record::Effect;

use super::{Name, Outcome, Reader, objects, rows, scan, unsupported};
use crate::{analysis::Analysis, catalog::Relation, postgres::lexer::Token, statement::Refusal};

mod alter;
mod kinds;

pub(super) use alter::alter;
use kinds::Kind;

pub(super) fn create(analysis: &mut Analysis<'_>, reader: &mut Reader<'_, '_>) -> Result<Outcome, Refusal> {
    reader.next();
    reader.eat("or replace");
    let temporary = ["global temporary", "global temp", "local temporary", "local temp", "temporary", "temp"];
    let temporary = temporary.into_iter().any(|words| reader.eat(words));
    reader.eat("unlogged");
    let Some(kind) = kinds::read(reader) else { return Err(reader.unexpected("a kind of object")) };
    match kind.word {
        "table" => table(analysis, reader, temporary),
        "view" | "materialized view" => view(analysis, reader, kind, temporary),
        "index" | "unique index" => index(analysis, reader),
        "sequence" => {
            reader.eat("if not exists");
            let name = reader.name()?;
            let object = objects::new_relation(analysis, &name);
            made(analysis, object, temporary, &name, "CREATE SEQUENCE")
        }
        "schema" => schema(analysis, reader),
        "recursive view" => {
            let position = reader.peek().map(|t| t.position);
            Err(unsupported("CREATE RECURSIVE VIEW", position, "write CREATE VIEW with WITH RECURSIVE"))
        }
        _ => plain(analysis, reader, kind),
    }
}

/// Kinds whose making is one effect on one name.
fn plain(analysis: &mut Analysis<'_>, reader: &mut Reader<'_, '_>, kind: Kind) -> Result<Outcome, Refusal> {
    let outcome = Outcome { secret: kind.secret, ..Outcome::tagged(kind.create) };
    reader.eat("concurrently");
    reader.eat("if not exists");
    let name = reader.name().ok();
    let mut object = name.as_ref().map_or_else(|| Arc::from(""), |name| kind.named(analysis, name));
    let mut relation = None;
    if kind.on_table {
        reader.until(&["on"]);
        // A rule names its table after TO, statistics after FROM.
        if !reader.eat("on") || kind.word == "rule" {
            reader.until(&["to"]);
            reader.eat("to");
        }
        reader.eat("only");
        if let Ok(table) = reader.name() {
            let found = objects::relation(analysis, &table);
            relation = found.relation;
            object = found.name;
        }
    }
    if let Some(relation) = relation {
        analysis.table(relation, true);
    }
    analysis.effect(kind.effect, object);
    if kind.word == "statistics" {
        statistics(analysis, reader);
    } else if kind.word == "type" || kind.word == "domain" {
        scan::definition(analysis, reader.rest(), None, kind.create);
    }
    Ok(outcome)
}

/// Extended statistics read the columns that they are about.
fn statistics(analysis: &mut Analysis<'_>, reader: &mut Reader<'_, '_>) {
    let body = reader.until(&["from"]);
    reader.eat("from");
    let Ok(name) = reader.name() else { return };
    if let Some(relation) = objects::relation(analysis, &name).relation {
        analysis.table(relation, false);
        scan::definition(analysis, body, Some(relation), "CREATE STATISTICS");
    }
}

fn made(
    analysis: &mut Analysis<'_>,
    object: objects::Object<'_>,
    temporary: bool,
    name: &Name,
    tag: &'static str,
) -> Result<Outcome, Refusal> {
    let mut outcome = Outcome::tagged(tag);
    if temporary || object.temporary {
        analysis.effect(Effect::Session, format!("pg_temp.{}", name.last()));
        outcome.temporary.push(name.last().to_owned());
    } else {
        if let Some(relation) = object.relation {
            analysis.table(relation, true);
        }
        analysis.effect(Effect::Define, object.name);
    }
    Ok(outcome)
}

fn table(analysis: &mut Analysis<'_>, reader: &mut Reader<'_, '_>, temporary: bool) -> Result<Outcome, Refusal> {
    reader.eat("if not exists");
    let name = reader.name()?;
    let object = objects::new_relation(analysis, &name);
    let mut outcome = made(analysis, object, temporary, &name, "CREATE TABLE")?;
    let body = reader.until(&["as"]);
    if reader.eat("as") {
        if reader.word() == "execute" {
            let position = reader.peek().map(|t| t.position);
            return Err(unsupported("CREATE TABLE AS EXECUTE", position, "write the query itself"));
        }
        outcome.tag = "CREATE TABLE AS";
        rows::stored(analysis, query_of(reader), "CREATE TABLE AS")?;
        return Ok(outcome);
    }
    scan::definition(analysis, body, None, "CREATE TABLE");
    referenced(analysis, body);
    Ok(outcome)
}

/// Tables that a new table takes its form from, is a part of, or points to. Parts and children change what the other table does.
fn referenced(analysis: &mut Analysis<'_>, body: &[Token<'_>]) {
    let mut reader = Reader::new(body);
    let copies = body.iter().any(|token| token.is_word("including"));
    while !reader.is_done() {
        let joins = reader.eat("partition of") || reader.eat("inherits");
        let like = !joins && reader.eat("like");
        if !joins && !like && !reader.eat("references") {
            reader.next();
            continue;
        }
        reader.eat_mark("(");
        let Ok(names) = reader.tables() else { continue };
        for name in names {
            let Some(relation) = objects::relation(analysis, &name).relation else { continue };
            analysis.table(relation, joins);
            if joins {
                analysis.effect(Effect::Define, Arc::clone(&relation.qualified));
            }
            if like || joins {
                analysis.formed_like(relation, copies || joins, Some(name.position));
            }
        }
    }
}

fn view(
    analysis: &mut Analysis<'_>,
    reader: &mut Reader<'_, '_>,
    kind: Kind,
    temporary: bool,
) -> Result<Outcome, Refusal> {
    reader.eat("if not exists");
    let name = reader.name()?;
    let object = objects::new_relation(analysis, &name);
    let outcome = made(analysis, object, temporary, &name, kind.create)?;
    reader.until(&["as"]);
    if !reader.eat("as") {
        return Err(reader.unexpected("AS"));
    }
    rows::stored(analysis, query_of(reader), kind.create)?;
    Ok(outcome)
}

/// The query that is left, without WITH [NO] DATA or WITH CHECK OPTION after it.
fn query_of<'t, 'a>(reader: &Reader<'t, 'a>) -> &'t [Token<'a>] {
    let tokens = reader.rest();
    for tail in
        ["with no data", "with data", "with check option", "with local check option", "with cascaded check option"]
    {
        let words = tail.split(' ').count();
        let (head, end) = tokens.split_at_checked(tokens.len().saturating_sub(words)).unwrap_or((tokens, &[]));
        if end.len() == words && tail.split(' ').zip(end).all(|(word, token)| token.is_word(word)) {
            return head;
        }
    }
    tokens
}

/// An index is built at once: it computes its expressions for every row, and a unique one tells of equal values by failing.
fn index(analysis: &mut Analysis<'_>, reader: &mut Reader<'_, '_>) -> Result<Outcome, Refusal> {
    reader.eat("concurrently");
    reader.until(&["on"]);
    if !reader.eat("on") {
        return Err(reader.unexpected("ON"));
    }
    reader.eat("only");
    let name = reader.name()?;
    let object = objects::relation(analysis, &name);
    if let Some(relation) = object.relation {
        analysis.table(relation, true);
    }
    analysis.effect(if object.temporary { Effect::Session } else { Effect::Define }, object.name);
    scan::definition(analysis, reader.rest(), object.relation, "CREATE INDEX");
    Ok(Outcome::tagged("CREATE INDEX"))
}

fn schema(analysis: &mut Analysis<'_>, reader: &mut Reader<'_, '_>) -> Result<Outcome, Refusal> {
    reader.eat("if not exists");
    let name = if reader.word() == "authorization" { String::new() } else { reader.identifier()? };
    analysis.effect(Effect::Define, name);
    if reader.eat("authorization") {
        analysis.effect(Effect::Privilege, "");
        reader.identifier()?;
    }
    if !reader.is_done() {
        let position = reader.peek().map(|t| t.position);
        return Err(unsupported(
            "CREATE SCHEMA with elements",
            position,
            "create the schema first, then what it holds",
        ));
    }
    Ok(Outcome::tagged("CREATE SCHEMA"))
}

pub(super) fn drop(analysis: &mut Analysis<'_>, reader: &mut Reader<'_, '_>) -> Result<Outcome, Refusal> {
    reader.next();
    if reader.eat("owned") {
        analysis.effect(Effect::Privilege, "");
        analysis.effect(Effect::Drop, "");
        return Ok(Outcome::tagged("DROP OWNED"));
    }
    let Some(kind) = kinds::read(reader) else { return Err(reader.unexpected("a kind of object")) };
    let outcome = Outcome::tagged(kind.drop);
    reader.eat("concurrently");
    reader.eat("if exists");
    let effect = if kind.effect == Effect::Privilege { Effect::Privilege } else { Effect::Drop };
    if kind.on_table {
        reader.until(&["on"]);
        reader.eat("on");
        let object = reader.name().map(|name| objects::relation(analysis, &name));
        if let Some(relation) = object.as_ref().ok().and_then(|o| o.relation) {
            analysis.table(relation, true);
        }
        analysis.effect(effect, object.map_or_else(|_| Arc::from(""), |o| o.name));
        return Ok(outcome);
    }
    loop {
        let Ok(name) = reader.name() else {
            analysis.effect(effect, "");
            return Ok(outcome);
        };
        let object = if kind.relation {
            objects::relation(analysis, &name)
        } else {
            objects::Object { name: kind.named(analysis, &name), relation: None, temporary: false }
        };
        dropped(analysis, object, effect);
        reader.parentheses();
        if !reader.eat_mark(",") {
            return Ok(outcome);
        }
    }
}

fn dropped(analysis: &mut Analysis<'_>, object: objects::Object<'_>, effect: Effect) {
    if let Some(relation) = object.relation {
        analysis.table(relation, true);
    }
    analysis.effect(if object.temporary { Effect::Session } else { effect }, object.name);
}

pub(super) fn comment(analysis: &mut Analysis<'_>, reader: &mut Reader<'_, '_>) -> Result<Outcome, Refusal> {
    reader.next();
    if !reader.eat("on") {
        return Err(reader.unexpected("ON"));
    }
    let column = reader.word() == "column";
    let kind = kinds::read(reader);
    if kind.is_none() {
        reader.next();
    }
    let mut found: Option<(Arc<str>, Option<&Relation>)> = None;
    if let Ok(mut name) = reader.name() {
        if column {
            name.parts.pop();
        }
        let object = objects::relation(analysis, &name);
        found = Some((object.name, object.relation));
    }
    let (object, relation) = found.unwrap_or_else(|| (Arc::from(""), None));
    if let Some(relation) = relation {
        analysis.table(relation, true);
    }
    analysis.effect(Effect::Define, object);
    Ok(Outcome::tagged("COMMENT"))
}

pub(super) fn import(analysis: &mut Analysis<'_>, reader: &mut Reader<'_, '_>) -> Result<Outcome, Refusal> {
    reader.next();
    if !reader.eat("foreign schema") {
        return Err(reader.unexpected("FOREIGN SCHEMA"));
    }
    analysis.effect(Effect::Outbound, "");
    analysis.effect(Effect::Define, "");
    Ok(Outcome::tagged("IMPORT FOREIGN SCHEMA"))
}
