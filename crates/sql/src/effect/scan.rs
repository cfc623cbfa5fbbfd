//! Searches the tokens of a definition for code that it runs and columns that it reads. No expression is parsed: a name that could be a function, a
//! type or a column counts as one, so nothing is missed and sometimes too much is found, in commands that a reviewer sees anyway.

use std::sync::Arc;

use crate::{
    analysis::Analysis,
    catalog::{Relation, schemas_of},
    functions::{self, Known},
    postgres::lexer::{Kind, Token},
};

/// Records code, and columns of `relation`, in a definition's tokens.
pub(super) fn definition(
    analysis: &mut Analysis<'_>,
    tokens: &[Token<'_>],
    relation: Option<&Relation>,
    construct: &str,
) {
    let mut before: [Option<&Token<'_>>; 2] = [None, None];
    for (at, token) in tokens.iter().enumerate() {
        let called = tokens.get(at + 1).is_some_and(|next| next.is("("));
        let qualified = before[1].is_some_and(|t| t.is("."));
        match token.kind {
            Kind::Word | Kind::QuotedName => {
                let schema = before[0].filter(|_| qualified).and_then(|t| t.name());
                if called || qualified {
                    function(analysis, token, schema, called, construct);
                }
                type_code(analysis, schema, token);
                if let Some(relation) = relation {
                    columns(analysis, token, relation, construct);
                }
            }
            Kind::Operator => operator(analysis, token),
            _ => {}
        }
        before = [before[1], Some(token)];
    }
}

fn columns(analysis: &mut Analysis<'_>, token: &Token<'_>, relation: &Relation, construct: &str) {
    let named = relation.columns.iter().filter(|column| *column.name == token.value || *relation.name == token.value);
    for column in named {
        analysis.read(column.id);
        analysis.column_use(column.id, construct, Some(token.position));
    }
}

/// `schema` is what stands before the name; it may also be a table, whose row the function then takes.
fn function(analysis: &mut Analysis<'_>, token: &Token<'_>, schema: Option<&str>, called: bool, construct: &str) {
    let catalog = analysis.catalog;
    let path: Vec<&str> = schemas_of(&analysis.settings.search_path).collect();
    let reached = |held: &str| if called && schema.is_some() { schema == Some(held) } else { path.contains(&held) };
    let mut system = false;
    let mut code: Vec<Arc<str>> = Vec::new();
    for function in catalog.functions(&token.value) {
        system |= function.system;
        if !function.system && reached(&function.schema) {
            code.push(Arc::clone(&function.qualified));
        }
    }
    for name in code {
        analysis.function(&name);
        if let Some(effect) = functions::extension_effect(&token.value) {
            analysis.effect(effect, Arc::clone(&name));
        }
        analysis.call(format!("function {name} in {construct}"), name, Some(token.position));
    }
    if !(system && called) {
        return;
    }
    let name: Arc<str> = format!("pg_catalog.{}", token.value).into();
    let opaque = |analysis: &mut Analysis<'_>| {
        analysis.opaque(format!("function {name} in {construct}"), Arc::clone(&name), Some(token.position));
    };
    match functions::built_in(&token.value) {
        Known::Pure => {}
        Known::Acts { effect, .. } => analysis.effect(effect, Arc::clone(&name)),
        Known::Opaque(effect) => {
            if let Some(effect) = effect {
                analysis.effect(effect, Arc::clone(&name));
            }
            opaque(analysis);
        }
        Known::Setting => opaque(analysis),
    }
}

fn type_code(analysis: &mut Analysis<'_>, schema: Option<&str>, token: &Token<'_>) {
    let found = match schema {
        Some(schema) => analysis.catalog.type_in(schema, &token.value),
        None => analysis.catalog.type_on_path(&analysis.settings.search_path, &token.value),
    };
    if let Some(held) = found {
        analysis.type_code(held.oid, Some(token.position));
    }
}

fn operator(analysis: &mut Analysis<'_>, token: &Token<'_>) {
    let code: Vec<u32> =
        analysis.catalog.operators(&token.value).iter().filter(|o| !o.system).map(|o| o.function).collect();
    for function in code {
        let name = analysis.catalog.function_name(function);
        analysis.call(format!("operator {}", token.value), name, Some(token.position));
    }
}
