//! EXPLAIN: with ANALYZE the statement runs; without, its plan shows what the planner knows of the values.

use std::{collections::HashSet, sync::Arc};

use querygate_record::Effect;

use super::{Outcome, Reader, reader::items, unsupported};
use crate::{
    analysis::Analysis,
    postgres::lexer::Token,
    statement::{EXPLAINED_SIZES, Origin, Output, Refusal},
};

/// Options that add nothing which depends on the size of what is stored.
const SIZELESS: &[&str] = &["verbose", "format", "settings", "generic_plan", "timing", "summary"];

pub(super) fn statement(
    analysis: &mut Analysis<'_>,
    text: &str,
    reader: &mut Reader<'_, '_>,
) -> Result<Outcome, Refusal> {
    let position = reader.next().map(|t| t.position);
    let (mut runs, mut estimates) = (false, true);
    if let Some(options) = options(reader) {
        let mut others = false;
        for option in items(options) {
            let mut option = Reader::new(option);
            let name = option.word();
            option.next();
            let on = !option.next().is_some_and(|t| matches!(&*t.value.to_ascii_lowercase(), "false" | "off" | "0"));
            match name {
                "analyze" | "analyse" => runs = on,
                "costs" => estimates = on,
                _ => others |= on && !SIZELESS.contains(&name),
            }
        }
        estimates |= others;
    } else {
        runs = reader.eat("analyze") || reader.eat("analyse");
        reader.eat("verbose");
    }
    let inner = reader.word();
    if !matches!(
        inner,
        "select" | "with" | "values" | "table" | "insert" | "update" | "delete" | "merge" | "create" | "refresh"
    ) && !reader.peek().is_some_and(|t| t.is("("))
    {
        return Err(unsupported("EXPLAIN of this kind of statement", position, "explain the query itself"));
    }
    let mut within = Analysis::new(analysis.catalog, analysis.settings);
    // Estimates tell of what a body reads, too.
    within.calls = analysis.calls.none();
    super::statement(&mut within, text, reader.rest())?;
    if runs {
        within.opaque("EXPLAIN ANALYZE", "", position);
    } else {
        planned(&mut within);
    }
    if estimates {
        sizes(&mut within);
    }
    analysis.absorb(&within.found);
    analysis.take_slots(within);
    let plan = Output { name: "QUERY PLAN".into(), origin: Origin::Computed };
    Ok(Outcome { outputs: Some(vec![plan]), ..Outcome::tagged("EXPLAIN") })
}

/// The options in parentheses; a parenthesis may also begin the query.
fn options<'t, 'a>(reader: &mut Reader<'t, 'a>) -> Option<&'t [Token<'a>]> {
    let mut ahead = *reader;
    let inside = ahead.parentheses()?;
    let first = inside.first()?;
    if first.is("(") || ["select", "with", "values", "table"].iter().any(|word| first.is_word(word)) {
        return None;
    }
    *reader = ahead;
    Some(inside)
}

/// Costs, widths and the memory and pages that planning took come from the sizes and statistics of whole tables, whatever columns the
/// statement names.
fn sizes(within: &mut Analysis<'_>) {
    let mut pending: Vec<u32> = within.found.tables.iter().map(|table| table.relation).collect();
    let mut seen = HashSet::new();
    while let Some(oid) = pending.pop() {
        if !seen.insert(oid) {
            continue;
        }
        pending.extend(within.catalog.children(oid));
        let Some(relation) = within.catalog.relation(oid) else { continue };
        relation.columns.iter().for_each(|column| within.column_use(column.id, EXPLAINED_SIZES, None));
    }
}

/// Nothing is written, but row estimates tell of every column that the statement reads. The planner runs functions over constants.
fn planned(within: &mut Analysis<'_>) {
    let runs: Vec<Arc<str>> =
        within.found.effects.iter().filter(|e| e.effect == Effect::Call).map(|e| Arc::clone(&e.object)).collect();
    let kept = |effect: &crate::statement::EffectOn| {
        !matches!(
            effect.effect,
            Effect::Insert
                | Effect::Update
                | Effect::Delete
                | Effect::Define
                | Effect::Maintain
                | Effect::Session
                | Effect::Drop
        )
    };
    within.found.effects.retain(kept);
    within.found.writes.clear();
    for table in &mut within.found.tables {
        table.written = false;
    }
    within.effect(Effect::Read, "");
    for name in runs {
        within.effect(Effect::Call, name);
    }
    for column in within.found.reads.clone() {
        within.column_use(column, "EXPLAIN", None);
    }
}
