//! What names mean inside a query: tables' columns by alias, from the inside out.

use std::sync::Arc;

use crate::statement::Origin;

/// A column that a relation of FROM gives.
#[derive(Clone, Debug)]
pub struct Column {
    pub name: Arc<str>,
    pub origin: Origin,
}

/// A relation of FROM.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its alias, or its own name.
    pub alias: String,
    pub columns: Vec<Column>,
    /// It is one of the server's own: its columns are not listed, and hold no user's values.
    pub open: bool,
}

/// The relations of one query, and the query around it.
#[derive(Clone, Debug, Default)]
pub struct Scope<'o> {
    pub sources: Vec<Source>,
    /// What `*` stands for, in order; none where that is not known.
    pub star: Option<Vec<Column>>,
    /// Labels of the result columns, where clauses may name them.
    pub labels: Vec<Column>,
    pub outer: Option<&'o Scope<'o>>,
}

impl<'o> Scope<'o> {
    /// Inside another query.
    pub fn within(outer: Option<&'o Scope<'o>>) -> Scope<'o> {
        Scope { star: Some(Vec::new()), outer, ..Scope::default() }
    }

    /// All that an unqualified name may mean: the columns of the innermost query that has it, and its labels. None: no such name.
    pub fn unqualified(&self, name: &str) -> Option<Vec<Origin>> {
        let mut level = Some(self);
        let mut open = false;
        while let Some(scope) = level {
            let columns = scope.sources.iter().flat_map(|s| &s.columns).chain(&scope.labels);
            let found: Vec<Origin> = columns.filter(|c| same(&c.name, name)).map(|c| c.origin.clone()).collect();
            if !found.is_empty() {
                return Some(found);
            }
            open |= scope.sources.iter().any(|s| s.open);
            level = scope.outer;
        }
        open.then(|| vec![Origin::Computed])
    }

    /// The same for `alias.column`.
    pub fn qualified(&self, alias: &str, name: &str) -> Option<Vec<Origin>> {
        let mut level = Some(self);
        while let Some(scope) = level {
            let mut found = Vec::new();
            for source in scope.sources.iter().filter(|s| same(&s.alias, alias)) {
                found.extend(source.columns.iter().filter(|c| same(&c.name, name)).map(|c| c.origin.clone()));
                if found.is_empty() && source.open {
                    found.push(Origin::Computed);
                }
            }
            if !found.is_empty() {
                return Some(found);
            }
            level = scope.outer;
        }
        None
    }

    /// The columns that `alias.*` stands for; none where that is not known or there is no such relation.
    pub fn star_of(&self, alias: &str) -> Option<Vec<Column>> {
        let mut found = self.sources.iter().filter(|s| same(&s.alias, alias));
        match (found.next(), found.next()) {
            (Some(source), None) if !source.open => Some(source.columns.clone()),
            _ => None,
        }
    }
}

/// Names of columns and aliases are the same whatever their case; where a server tells aliases apart, both readings count.
pub fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b) || a.to_lowercase() == b.to_lowercase()
}
