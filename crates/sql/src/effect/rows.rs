//! Queries and writes of rows: what the parser reads.

use std::sync::Arc;

use sqlparser::ast::{Delete, Insert, Merge, Query, SetExpr, Statement, Update};

use super::Outcome;
use crate::{
    analysis::Analysis,
    postgres::{lexer::Token, parser},
    query::Rows,
    resolve::{Column, Scope, Source},
    statement::{Origin, Output, Refusal},
};

/// A query, or a statement that writes rows.
pub(super) fn statement(analysis: &mut Analysis<'_>, tokens: &[Token<'_>]) -> Result<Outcome, Refusal> {
    let writes =
        tokens.first().is_some_and(|t| ["insert", "update", "delete", "merge"].iter().any(|word| t.is_word(word)));
    let (tag, rows) = if writes {
        let statement = parser::whole(tokens, |parser| parser.parse_statement())?;
        let rows = analysis.write(&statement, &Scope::default())?;
        (tag_of(&statement), returns_rows(&statement).then_some(rows))
    } else {
        let query = parser::whole(tokens, |parser| parser.parse_query())?;
        let rows = analysis.query(&query, &Scope::default())?;
        let (tag, gives) = body(&query);
        (tag, gives.then_some(rows))
    };
    let made = std::mem::take(&mut analysis.made_temporary);
    let outputs = rows.filter(|_| !analysis.no_rows).and_then(|rows| outputs(&rows));
    Ok(Outcome { outputs, temporary: made, ..Outcome::tagged(tag) })
}

/// A query whose result is stored: nothing of it reaches the client, and each column counts as used.
pub(super) fn stored(
    analysis: &mut Analysis<'_>,
    tokens: &[Token<'_>],
    construct: &'static str,
) -> Result<(), Refusal> {
    let query = parser::whole(tokens, |parser| parser.parse_query())?;
    let rows = analysis.query(&query, &Scope::default())?;
    for column in &rows.columns {
        analysis.used(&column.value, construct);
    }
    Ok(())
}

/// Result columns; `None` where some aren't known.
pub(super) fn outputs(rows: &Rows) -> Option<Vec<Output>> {
    let output = |column: &Column| {
        let origin = match column.value.source {
            Source::Plain { column, nullable_side } => Origin::Column { column, nullable_side },
            Source::Derived(_) | Source::Row(_) => Origin::Computed,
        };
        Output { name: Arc::clone(&column.name), origin }
    };
    (!rows.open).then(|| rows.columns.iter().map(output).collect())
}

/// The tag of a query's outermost part, and whether it gives rows.
fn body(query: &Query) -> (&'static str, bool) {
    match &*query.body {
        SetExpr::Insert(statement)
        | SetExpr::Update(statement)
        | SetExpr::Delete(statement)
        | SetExpr::Merge(statement) => (tag_of(statement), returns_rows(statement)),
        _ => ("SELECT", true),
    }
}

fn tag_of(statement: &Statement) -> &'static str {
    match statement {
        Statement::Insert(_) => "INSERT",
        Statement::Update(_) => "UPDATE",
        Statement::Delete(_) => "DELETE",
        Statement::Merge(_) => "MERGE",
        _ => "SELECT",
    }
}

fn returns_rows(statement: &Statement) -> bool {
    match statement {
        Statement::Insert(Insert { returning, .. })
        | Statement::Update(Update { returning, .. })
        | Statement::Delete(Delete { returning, .. }) => returning.is_some(),
        Statement::Merge(Merge { output, .. }) => output.is_some(),
        _ => true,
    }
}
