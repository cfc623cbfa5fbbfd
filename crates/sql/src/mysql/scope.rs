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
    /// Its columns are not listed, and hold nothing that is masked: one of the server's own, or a temporary table.
    pub open: bool,
    /// It is a temporary table.
    pub temporary: bool,
    /// Its columns, where it is one of the server's own of which some hold more than definitions.
    pub system: Option<&'static Columns>,
}

/// Columns of one of the server's own relations. One that stands in neither list, of a version that is not known, counts as hidden.
#[derive(Debug)]
pub struct Columns {
    /// Those that hold definitions.
    pub shown: &'static [&'static str],
    /// Those that tell of what is stored.
    pub hidden: &'static [&'static str],
}

impl Source {
    /// A relation whose columns are known.
    pub fn listed(alias: String, columns: Vec<Column>) -> Source {
        Source { alias, columns, open: false, temporary: false, system: None }
    }

    /// Whether it may have a column of that name which holds more than definitions.
    pub fn tells_more(&self, name: &str) -> bool {
        self.system.is_some_and(|columns| !columns.shown.iter().any(|shown| same(shown, name)))
    }

    fn hides(&self, name: &str) -> bool {
        self.system.is_some_and(|columns| columns.hidden.iter().any(|hidden| same(hidden, name)))
    }

    /// One of the server's own, or one that is computed.
    pub fn open(alias: String) -> Source {
        Source { alias, columns: Vec::new(), open: true, temporary: false, system: None }
    }
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

    /// Whether it is temporary tables alone that keep `*` from being known.
    pub fn star_is_of_temporary(&self) -> bool {
        let is_temporary = |s: &Source| s.temporary;
        self.star.is_none()
            && self.sources.iter().any(is_temporary)
            && self.sources.iter().all(|s| s.temporary || !s.open)
    }

    /// Whether a name may be a column of one of the server's own relations that holds more than definitions.
    pub fn may_tell_more(&self, alias: Option<&str>, name: &str) -> bool {
        let here = |s: &Source| alias.is_none() && s.columns.iter().any(|c| same(&c.name, name));
        if self.sources.iter().any(here) {
            return false;
        }
        // Some clauses look for a label first, some for a column.
        let is_label = alias.is_none() && self.labels.iter().any(|label| same(&label.name, name));
        let mut level = Some(self);
        while let Some(scope) = level {
            let mut meant = scope.sources.iter().filter(|s| alias.is_none_or(|alias| same(&s.alias, alias)));
            if meant.any(|s| if is_label { s.hides(name) } else { s.tells_more(name) }) {
                return true;
            }
            level = scope.outer;
        }
        false
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
