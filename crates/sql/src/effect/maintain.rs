//! Upkeep of tables, and blocks of code.

use std::sync::Arc;

use querygate_record::Effect;

use super::{Name, Outcome, Reader, objects, prepared};
use crate::{analysis::Analysis, catalog::Relation, postgres::lexer::Kind, statement::Refusal};

pub(super) fn statement(analysis: &mut Analysis<'_>, reader: &mut Reader<'_, '_>) -> Result<Outcome, Refusal> {
    match reader.next().map(|t| &*t.value).unwrap_or_default() {
        "truncate" => truncate(analysis, reader),
        "lock" => {
            reader.eat("table");
            let names = reader.tables()?;
            on_tables(analysis, &names, Effect::Maintain);
            Ok(Outcome::tagged("LOCK TABLE"))
        }
        "vacuum" => {
            reader.parentheses();
            while reader.eat("full")
                || reader.eat("freeze")
                || reader.eat("verbose")
                || reader.eat("analyze")
                || reader.eat("analyse")
            {}
            upkeep(analysis, reader, "VACUUM")
        }
        "analyze" | "analyse" => {
            reader.parentheses();
            reader.eat("verbose");
            upkeep(analysis, reader, "ANALYZE")
        }
        "reindex" => {
            reader.parentheses();
            let table = reader.eat("table");
            let _ = reader.eat("index") || reader.eat("schema") || reader.eat("database") || reader.eat("system");
            reader.eat("concurrently");
            if table {
                return upkeep(analysis, reader, "REINDEX");
            }
            let name = reader.name().map(|name| objects::other(analysis, &name).name).unwrap_or_else(|_| "".into());
            analysis.effect(Effect::Maintain, name);
            Ok(Outcome::tagged("REINDEX"))
        }
        "cluster" => {
            reader.parentheses();
            reader.eat("verbose");
            upkeep(analysis, reader, "CLUSTER")
        }
        "refresh" => {
            if !reader.eat("materialized view") {
                return Err(reader.unexpected("MATERIALIZED VIEW"));
            }
            reader.eat("concurrently");
            upkeep(analysis, reader, "REFRESH MATERIALIZED VIEW")
        }
        "checkpoint" => {
            analysis.effect(Effect::Server, "");
            Ok(Outcome::tagged("CHECKPOINT"))
        }
        // A shared library runs as the server itself.
        _ => {
            analysis.effect(Effect::Program, "");
            Ok(Outcome::tagged("LOAD"))
        }
    }
}

/// Tables with optional column lists, or none for all tables.
fn upkeep(analysis: &mut Analysis<'_>, reader: &mut Reader<'_, '_>, tag: &'static str) -> Result<Outcome, Refusal> {
    let mut names = Vec::new();
    while !reader.is_done()
        && !reader.peek().is_some_and(|t| t.kind == Kind::Word && matches!(&*t.value, "using" | "with" | "on"))
    {
        names.extend(reader.tables()?);
        reader.parentheses();
        if !reader.eat_mark(",") {
            break;
        }
    }
    if names.is_empty() {
        analysis.effect(Effect::Maintain, "");
    }
    on_tables(analysis, &names, Effect::Maintain);
    Ok(Outcome::tagged(tag))
}

fn on_tables(analysis: &mut Analysis<'_>, names: &[Name], effect: Effect) {
    for name in names {
        let object = objects::relation(analysis, name);
        if let Some(relation) = object.relation {
            analysis.table(relation, true);
        }
        // Nobody else sees a temporary table.
        analysis.effect(if object.temporary { Effect::Session } else { effect }, object.name);
    }
}

fn truncate(analysis: &mut Analysis<'_>, reader: &mut Reader<'_, '_>) -> Result<Outcome, Refusal> {
    reader.eat("table");
    let names = reader.tables()?;
    let _ = reader.eat("restart identity") || reader.eat("continue identity");
    let cascade = reader.eat("cascade");
    reader.eat("restrict");
    reader.end()?;
    on_tables(analysis, &names, Effect::Truncate);
    let mut tables: Vec<&Relation> =
        names.iter().filter_map(|name| objects::relation(analysis, name).relation).collect();
    let mut at = 0;
    while let Some(table) = tables.get(at).copied() {
        for trigger in table.triggers.iter().filter(|trigger| trigger.truncate) {
            let function = analysis.catalog.function_name(trigger.function);
            analysis.call(format!("trigger {} on {}", trigger.name, table.qualified), function, None);
        }
        for child in analysis.catalog.children(table.oid) {
            if let Some(relation) = analysis.catalog.relation(*child).filter(|r| !tables.iter().any(|t| t.oid == r.oid))
            {
                tables.push(relation);
            }
        }
        if cascade {
            for (referencing, _) in &table.referenced_by {
                if let Some(relation) =
                    analysis.catalog.relation(*referencing).filter(|r| !tables.iter().any(|t| t.oid == r.oid))
                {
                    analysis.table(relation, true);
                    analysis.effect(Effect::Truncate, Arc::clone(&relation.qualified));
                    tables.push(relation);
                }
            }
        }
        at += 1;
    }
    Ok(Outcome::tagged("TRUNCATE"))
}

/// DO and CALL: code whose reads can't be named.
pub(super) fn code(analysis: &mut Analysis<'_>, reader: &mut Reader<'_, '_>) -> Result<Outcome, Refusal> {
    let first = reader.next();
    let position = first.map(|t| t.position);
    if first.is_some_and(|t| t.is_word("do")) {
        analysis.call("DO", "", position);
        return Ok(Outcome::tagged("DO"));
    }
    let name = reader.name()?;
    let object = objects::routine(analysis, &name);
    analysis.function(&object);
    analysis.call(format!("procedure {object}"), Arc::clone(&object), position);
    prepared::arguments(analysis, reader.parentheses().unwrap_or_default(), "CALL")?;
    reader.end()?;
    Ok(Outcome::tagged("CALL"))
}
