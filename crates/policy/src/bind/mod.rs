//! A policy meets a catalog: names become the server's identities of columns.

mod bounds;
mod columns;
mod derived;
mod spread;

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};
use querygate_mask::FieldMask;
use querygate_record::Engine;
use querygate_sql::{catalog::Catalog, statement::ColumnId};

use crate::{
    Policy,
    document::{Problem, Problems, Severity},
    file::WriteRule,
};

/// How verdicts of a database are applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mode {
    /// Verdicts are only logged; masks apply all the same.
    pub observe: bool,
    /// With `observe`: masks don't apply either.
    pub danger_unmasked: bool,
}

/// A policy bound to one state of its database. Decisions belong to it and to nothing later.
#[derive(Debug)]
pub struct Bound {
    pub(crate) policy: Arc<Policy>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) mode: Mode,
    /// Every column that is masked from somebody.
    pub(crate) columns: HashMap<ColumnId, MaskedColumn>,
    /// Tables that nobody may touch but those who see them in clear.
    pub(crate) refused: HashMap<u32, RefusedTable>,
    pub(crate) write: HashMap<ColumnId, WriteRule>,
    /// What a change of a table, `schema.name`, must compare to be bounded, where the policy says so.
    pub(crate) bounded_by: HashMap<Arc<str>, Arc<[Arc<str>]>>,
    /// What each name of the policy meant.
    identities: HashMap<(String, String), ColumnId>,
    problems: Problems,
}

/// What a masked column becomes, and for whom not.
#[derive(Clone, Debug)]
pub(crate) struct MaskedColumn {
    pub name: Arc<str>,
    /// None: whatever reads it is refused.
    pub mask: Option<Arc<FieldMask>>,
    /// It is clear to roles that are in every one of these lists.
    pub clear_for: Vec<Arc<[String]>>,
}

/// A table that may not be touched, and why.
#[derive(Clone, Debug)]
pub(crate) struct RefusedTable {
    pub name: Arc<str>,
    pub reason: Arc<str>,
    pub clear_for: Arc<[String]>,
}

impl Policy {
    /// Binds the policy to a catalog. `earlier` is what it was bound to before, if it was: a column or table that has been renamed since keeps
    /// its mask, and the table is refused until the policy names it again.
    pub fn bind(self: &Arc<Policy>, catalog: &Arc<Catalog>, mode: Mode, earlier: Option<&Bound>) -> Bound {
        let mut bound = Bound {
            policy: Arc::clone(self),
            catalog: Arc::clone(catalog),
            mode,
            columns: HashMap::new(),
            refused: HashMap::new(),
            write: HashMap::new(),
            bounded_by: HashMap::new(),
            identities: HashMap::new(),
            problems: Problems::default(),
        };
        let rules = bound.bind_columns(earlier);
        let rules = bound.spread(rules);
        bound.compile(rules);
        bound.bind_bounds();
        bound.check_trust();
        bound
    }
}

impl Bound {
    /// The policy.
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// The catalog.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// Where policy and catalog disagree: names that don't exist, maskers that a type can't carry. `check` shows them, and the gateway raises an
    /// alarm; what they are about is refused meanwhile.
    pub fn problems(&self) -> &Problems {
        &self.problems
    }

    /// Whether some role sees a mask where this column stands: its literals and bind values are hashed in the log.
    pub fn is_masked_from_somebody(&self, column: ColumnId) -> bool {
        self.columns.contains_key(&column)
    }

    /// Tables without a section in the policy, for `check`.
    pub fn unlisted_tables(&self) -> Vec<Arc<str>> {
        let listed =
            |schema: &str, name: &str| self.policy.file.tables.iter().any(|t| t.schema == schema && t.name == name);
        let mut names: Vec<Arc<str>> = self
            .catalog
            .relations()
            .filter(|r| columns::holds_rows(r) && !listed(&r.schema, &r.name))
            .map(|r| Arc::clone(&r.qualified))
            .collect();
        names.sort();
        names
    }

    fn report(&mut self, severity: Severity, span: std::ops::Range<usize>, message: String, remedy: String) {
        let source = Arc::clone(&self.policy.file.source);
        self.problems.push(Problem { severity, source, span: Some(span), message, remedy: Some(remedy) });
    }

    fn check_trust(&mut self) {
        let policy = Arc::clone(&self.policy);
        for name in policy.file.trust.iter().filter(|t| !t.as_str().contains('*')) {
            let full = match self.catalog.engine() {
                Engine::Postgres => name.as_str().split_once('.'),
                Engine::Mysql | Engine::Mariadb => Some(("", name.as_str())),
            };
            let known = full.is_some_and(|(schema, function)| {
                self.catalog.functions(function).any(|f| &*f.schema == schema)
                    || self.catalog.relation_in(schema, function).is_some()
            });
            if !known {
                let remedy = "write it as \"schema.name\", and check that it exists".to_owned();
                self.report(
                    Severity::Warning,
                    name.span.clone(),
                    format!("trusted function {:?} does not exist", name.as_str()),
                    remedy,
                );
            }
        }
    }
}

#[cfg(test)]
mod tests;
