//! ALTER: what only adds is `define`, what loses or rewrites is `alter`.

use std::sync::Arc;

use querygate_record::Effect;

use super::{
    super::{Outcome, Reader, objects, scan},
    kinds,
};
use crate::{
    analysis::Analysis,
    postgres::lexer::{Kind as TokenKind, Token},
    statement::Refusal,
};

pub(crate) fn alter(analysis: &mut Analysis<'_>, reader: &mut Reader<'_, '_>) -> Result<Outcome, Refusal> {
    reader.next();
    let Some(kind) = kinds::read(reader) else { return Err(reader.unexpected("a kind of object")) };
    let outcome = Outcome { secret: kind.secret, ..Outcome::tagged(kind.alter) };
    if reader.eat("all in tablespace") {
        analysis.effect(Effect::Alter, "");
        return Ok(outcome);
    }
    reader.eat("if exists");
    reader.eat("only");
    let name = reader.name().ok();
    reader.eat_mark("*");
    if kind.relation {
        let Some(name) = name else { return Err(reader.unexpected("a name")) };
        let object = objects::relation(analysis, &name);
        if let Some(relation) = object.relation {
            analysis.table(relation, true);
        }
        if reader.is_done() {
            return Err(reader.unexpected("an action"));
        }
        for action in super::super::reader::items(reader.rest()) {
            let effect = match kind.word {
                _ if object.temporary => Effect::Session,
                "foreign table" => Effect::Outbound,
                _ => action_effect(action),
            };
            analysis.effect(effect, Arc::clone(&object.name));
        }
        scan::definition(analysis, reader.rest(), object.relation, kind.alter);
        return Ok(outcome);
    }
    reader.parentheses();
    let effect = match kind.effect {
        Effect::Define | Effect::DefineCode if begins(reader.rest(), &["rename", "set schema"]) => Effect::Alter,
        Effect::Define if kind.word == "type" && begins(reader.rest(), &["add value"]) => Effect::Define,
        Effect::Define => Effect::Alter,
        other => other,
    };
    if kind.on_table {
        reader.until(&["on"]);
        reader.eat("on");
    }
    let object = match name {
        Some(_) if kind.on_table => {
            reader.name().map_or_else(|_| "".into(), |table| objects::relation(analysis, &table).name)
        }
        Some(name) => kind.named(analysis, &name),
        None => Arc::from(""),
    };
    analysis.effect(effect, Arc::clone(&object));
    if reader.rest().windows(2).any(|pair| matches!(pair, [a, b] if a.is_word("owner") && b.is_word("to"))) {
        analysis.effect(Effect::Privilege, object);
    }
    Ok(outcome)
}

/// What one action of ALTER TABLE, VIEW, INDEX or SEQUENCE amounts to.
fn action_effect(action: &[Token<'_>]) -> Effect {
    if begins(action, &["owner to"]) {
        return Effect::Privilege;
    }
    let adds = [
        "add",
        "validate constraint",
        "attach partition",
        "inherit",
        "cluster on",
        "enable",
        "force row",
        "replica identity",
        "set without cluster",
        "set statistics",
    ];
    if begins(action, &adds) {
        return Effect::Define;
    }
    // ALTER [COLUMN] name SET DEFAULT ...: what follows the column's name decides.
    let mut reader = Reader::new(action);
    if reader.eat("alter") {
        reader.eat("column");
        reader.next();
        let gains =
            ["set default", "set statistics", "set storage", "set compression", "add generated", "set not null"];
        if begins(reader.rest(), &gains) {
            return Effect::Define;
        }
    }
    Effect::Alter
}

fn begins(tokens: &[Token<'_>], phrases: &[&str]) -> bool {
    let is = |phrase: &&str| {
        let mut words = phrase.split(' ').zip(tokens);
        phrase.split(' ').count() <= tokens.len()
            && words.all(|(word, token)| token.kind == TokenKind::Word && token.value == word)
    };
    phrases.iter().any(is)
}
