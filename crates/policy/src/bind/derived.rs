//! Columns that show other columns' values: of views, materialised views, generated ones.

use std::sync::Arc;

use querygate_record::Engine;
use querygate_sql::{
    Limits, analyse,
    catalog::{Catalog, Relation, RelationKind},
    session::Settings,
    statement::{ColumnId, Origin},
};

/// A column and where its values come from.
pub(super) struct Derived {
    pub column: ColumnId,
    pub from: Vec<ColumnId>,
    /// It shows the one column as it is.
    pub plain: bool,
}

/// Every derived column of the user's relations.
pub(super) fn derived(catalog: &Arc<Catalog>, trusted: &dyn Fn(&str) -> bool) -> Vec<Derived> {
    let user = || catalog.relations().filter(|r| !r.system);
    let views = user().filter(|r| matches!(r.kind, RelationKind::View | RelationKind::MaterializedView));
    let mut all: Vec<Derived> = views.flat_map(|view| of_view(catalog, view, trusted)).collect();
    for relation in user() {
        let generated = relation.columns.iter().filter(|c| c.generated);
        all.extend(generated.map(|c| {
            let from = c.generated_from.iter().map(|a| ColumnId { table: relation.oid, attribute: *a }).collect();
            Derived { column: c.id, from, plain: false }
        }));
    }
    all
}

/// A view's columns, found by analysing a query that reads all of it. What its text computes, anywhere, may stand behind each column that is not
/// plain; where the text can't be analysed, every column of every table that it touches may.
fn of_view(catalog: &Arc<Catalog>, view: &Relation, trusted: &dyn Fn(&str) -> bool) -> Vec<Derived> {
    let quote = |name: &str, mark: &str| format!("{mark}{}{mark}", name.replace(mark, &mark.repeat(2)));
    let name = match catalog.engine() {
        Engine::Postgres => format!("{}.{}", quote(&view.schema, "\""), quote(&view.name, "\"")),
        Engine::Mysql | Engine::Mariadb => quote(&view.name, "`"),
    };
    let text = format!("SELECT * FROM {name}");
    let settings = Settings { search_path: Vec::new(), user: String::new(), temporary: Vec::new() };
    let mut statements = analyse(&text, catalog, &settings, &Limits::default());
    statements.iter_mut().for_each(|statement| statement.settle(trusted));
    let [statement] = statements.as_slice() else { return Vec::new() };
    let mut used: Vec<ColumnId> = statement.uses.iter().map(|u| u.column).collect();
    if statement.unanalysed.is_some() {
        used.extend(statement.reads.iter().copied());
    }
    used.sort();
    used.dedup();
    let outputs = statement.outputs.as_deref().unwrap_or_default();
    let known = outputs.len() == view.columns.len();
    let column = |(index, column): (usize, &querygate_sql::catalog::Column)| match outputs
        .get(index)
        .filter(|_| known)
        .map(|o| &o.origin)
    {
        Some(Origin::Column { column: from, .. }) => Derived { column: column.id, from: vec![*from], plain: true },
        Some(Origin::Computed) | None => Derived { column: column.id, from: used.clone(), plain: false },
    };
    view.columns.iter().enumerate().map(column).collect()
}
