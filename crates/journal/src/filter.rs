use querygate_record::{Effect, Origin, SessionId, Verdict};

use crate::{Row, RowKind, index::Term};

/// What rows a search wants: every condition that is set must hold. Names are compared exactly; a table or column may be given by its last parts
/// (`email`, `customers.email`, `public.customers.email`).
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Begun at or after, nanoseconds since 1970-01-01 UTC.
    pub since_ns: Option<i64>,
    /// Begun before.
    pub until_ns: Option<i64>,
    /// The name of the principal, or of someone it acts for.
    pub subject: Option<String>,
    /// The database, as the configuration names it.
    pub database: Option<String>,
    /// A table touched.
    pub table: Option<String>,
    /// A column read or written.
    pub column: Option<String>,
    /// An effect.
    pub effect: Option<Effect>,
    /// The verdict.
    pub verdict: Option<Verdict>,
    /// The session.
    pub session: Option<SessionId>,
    /// The statement's number in its session.
    pub statement: Option<u64>,
    /// A part of the text, in any case.
    pub text: Option<String>,
    /// Whether the result had masked columns.
    pub masked: Option<bool>,
    /// Whose doing.
    pub origin: Option<Origin>,
    /// Only rows of these kinds; all when empty.
    pub kinds: Vec<RowKind>,
    /// Newest first instead of oldest first.
    pub newest_first: bool,
}

impl Filter {
    /// What the index can answer.
    pub(crate) fn terms(&self) -> Vec<Term> {
        let mut terms = Vec::new();
        terms.extend(self.subject.as_deref().map(Term::subject));
        terms.extend(self.database.as_deref().map(Term::database));
        terms.extend(self.table.as_deref().map(Term::table));
        terms.extend(self.column.as_deref().map(Term::column));
        terms.extend(self.effect.map(Term::effect));
        terms.extend(self.verdict.map(Term::verdict));
        terms.extend(self.session.map(Term::session));
        terms
    }

    /// Whether a span of time can hold rows that are wanted.
    pub(crate) fn overlaps(&self, min_ns: i64, max_ns: i64) -> bool {
        self.since_ns.is_none_or(|since| max_ns >= since) && self.until_ns.is_none_or(|until| min_ns < until)
    }

    /// Whether a row is wanted.
    pub fn matches(&self, row: &Row) -> bool {
        self.overlaps(row.time_ns, row.time_ns)
            && (self.kinds.is_empty() || self.kinds.contains(&row.kind))
            && self.origin.is_none_or(|origin| row.origin == origin)
            && self.session.is_none_or(|session| row.session == Some(session))
            && self.statement.is_none_or(|number| row.statement == number)
            && self.masked.is_none_or(|masked| row.is_masked() == masked)
            && self.matches_session(row)
            && self.matches_facts(row)
    }

    fn matches_session(&self, row: &Row) -> bool {
        let facts = row.session_facts.as_deref();
        let is_subject = |name: &str| {
            facts.is_some_and(|f| {
                f.principal.identity.subject == name || f.principal.on_behalf_of.iter().any(|s| s.subject == name)
            })
        };
        self.subject.as_deref().is_none_or(is_subject)
            && self.database.as_deref().is_none_or(|name| facts.is_some_and(|f| f.database == name))
    }

    fn matches_facts(&self, row: &Row) -> bool {
        let facts = row.facts.as_deref();
        let any = |test: &dyn Fn(&querygate_record::Facts) -> bool| facts.is_some_and(test);
        self.table.as_deref().is_none_or(|name| any(&|f| f.tables.iter().any(|t| is_named(t, name))))
            && self
                .column
                .as_deref()
                .is_none_or(|name| any(&|f| f.reads.iter().chain(&f.writes).any(|c| is_named(c, name))))
            && self.effect.is_none_or(|effect| any(&|f| f.effects.iter().any(|(e, _)| *e == effect)))
            && self.verdict.is_none_or(|verdict| any(&|f| f.verdict == Some(verdict)))
            && self.text.as_deref().is_none_or(|part| any(&|f| contains_ignoring_case(&f.text, part)))
    }
}

/// Whether `full` is `name`, or ends with it after a dot.
fn is_named(full: &str, name: &str) -> bool {
    full.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

fn contains_ignoring_case(text: &str, part: &str) -> bool {
    text.contains(part) || text.to_lowercase().contains(&part.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_be_given_by_its_last_parts_and_by_nothing_less() {
        assert!(is_named("public.customers.email", "email"));
        assert!(is_named("public.customers.email", "customers.email"));
        assert!(is_named("public.customers.email", "public.customers.email"));
        assert!(!is_named("public.customers.email", "mail"));
        assert!(!is_named("public.customers.email", "customers"));
    }
}
