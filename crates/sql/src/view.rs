//! What a view's text does, found once per catalog.

use std::sync::Arc;

use crate::{
    analysis::{Analysis, Found, VIEW_DEPTH},
    catalog::{Relation, RelationKind},
    postgres::parser,
    resolve::{Column, Scope},
    session::Settings,
    statement::{Refusal, RefusalKind},
};

/// A view's analysed definition.
#[derive(Debug)]
pub(crate) struct ViewDefinition {
    /// Its columns by the definition's own names; what they come from is a table's column or computed.
    pub columns: Vec<Column>,
    /// What reading it does, each construct named after it.
    pub found: Found,
}

/// The definition of a view or materialised view, analysed on first use. A refusal says why it could not be.
pub(crate) fn definition(analysis: &Analysis<'_>, relation: &Relation) -> Result<Arc<ViewDefinition>, Refusal> {
    if let Some(held) = relation.definition.get() {
        return Ok(Arc::clone(held));
    }
    let text = relation.view.as_deref().ok_or_else(|| refusal(relation))?;
    if analysis.view_depth >= VIEW_DEPTH {
        return Err(refusal(relation));
    }
    let made = Arc::new(expand(analysis, relation, text)?);
    if made.columns.len() != relation.columns.len() {
        return Err(refusal(relation));
    }
    Ok(Arc::clone(relation.definition.get_or_init(|| made)))
}

/// Texts come from the server printed under `search_path = pg_catalog`, so they are analysed under it.
fn expand(analysis: &Analysis<'_>, relation: &Relation, text: &str) -> Result<ViewDefinition, Refusal> {
    let settings = Settings { search_path: vec!["pg_catalog".to_owned()], user: String::new(), temporary: Vec::new() };
    let kind = if relation.kind == RelationKind::View { "view" } else { "materialized view" };
    let mut inside = Analysis::new(analysis.catalog, &settings);
    inside.view = Some(format!("{kind} {}", relation.qualified).into());
    inside.view_depth = analysis.view_depth + 1;
    inside.defer = true;
    inside.calls = analysis.calls.in_view();
    let query = parser::query(text)?;
    let result = inside.query(&query, &Scope::default())?;
    // What was left out for want of room must not be kept.
    if result.open || analysis.calls.is_exhausted() {
        return Err(refusal(relation));
    }
    Ok(ViewDefinition { columns: result.columns, found: inside.found })
}

fn refusal(relation: &Relation) -> Refusal {
    Refusal {
        kind: RefusalKind::Unsupported,
        construct: format!("definition of view {}", relation.qualified).into(),
        position: None,
        hint: "read the view's base tables instead".into(),
    }
}
