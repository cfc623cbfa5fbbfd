//! Small cases on the shop database: what a statement gives plainly, what it uses and how, and what can't be named.

mod code;
mod plain;
mod tools;
mod uses;

use crate::{
    Limits, analyse,
    session::Settings,
    statement::{Origin, Statement},
    test_catalog::shop,
};

pub(crate) fn settings() -> Settings {
    Settings { search_path: vec!["public".to_owned()], user: "svc".to_owned(), temporary: Vec::new() }
}

/// The only statement of a text.
pub(crate) fn one(text: &str) -> Statement {
    under(text, &settings())
}

pub(crate) fn under(text: &str, settings: &Settings) -> Statement {
    let mut statements = analyse(text, shop(), settings, &Limits::default());
    assert_eq!(statements.len(), 1, "{text}");
    statements.remove(0)
}

/// Each result column as `label=schema.table.column`, `label=schema.table.column?` on a nullable side, or `label` where it is computed.
pub(crate) fn outputs(text: &str) -> Vec<String> {
    let statement = one(text);
    assert!(statement.unanalysed.is_none(), "{text}: {:?}", statement.unanalysed);
    let outputs = statement.outputs.unwrap_or_default();
    let shown = outputs.iter().map(|output| match output.origin {
        Origin::Column { column, nullable_side } => {
            let mark = if nullable_side { "?" } else { "" };
            format!("{}={}{mark}", output.name, shop().name_of(column).unwrap().trim_start_matches("public."))
        }
        Origin::Computed => output.name.to_string(),
    });
    shown.collect()
}

/// Each use as `table.column: construct`, sorted.
pub(crate) fn uses(text: &str) -> Vec<String> {
    shown_uses(&one(text), text)
}

pub(crate) fn shown_uses(statement: &Statement, text: &str) -> Vec<String> {
    assert!(statement.unanalysed.is_none(), "{text}: {:?}", statement.unanalysed);
    let mut shown: Vec<String> = statement
        .uses
        .iter()
        .map(|used| {
            format!("{}: {}", shop().name_of(used.column).unwrap().trim_start_matches("public."), used.construct)
        })
        .collect();
    shown.sort();
    shown
}

/// Uses of one column, by construct.
pub(crate) fn uses_of(column: &str, text: &str) -> Vec<String> {
    let prefix = format!("{column}: ");
    uses(text).into_iter().filter_map(|shown| shown.strip_prefix(&prefix).map(str::to_owned)).collect()
}

/// Constructs whose reads can't be named.
pub(crate) fn opaque(text: &str) -> Vec<String> {
    let statement = one(text);
    assert!(statement.unanalysed.is_none(), "{text}: {:?}", statement.unanalysed);
    statement.opaque.iter().map(|opaque| opaque.construct.to_string()).collect()
}

/// The construct for which a text is refused.
pub(crate) fn refused(text: &str) -> String {
    let statement = one(text);
    let refusal = statement.unanalysed.unwrap_or_else(|| panic!("{text} is not refused"));
    refusal.construct.to_string()
}
