//! Tests of a policy, as its author writes them beside it.

use std::sync::Arc;

use querygate_record::{Principal, Verdict};
use querygate_sql::{Limits, catalog::Catalog, session::Settings};

use crate::{
    Bound, Decision, Together,
    document::{Problems, Reader, Severity, Source, Table, Value},
};

/// `[[case]]`: what a policy must say of a statement.
#[derive(Clone, Debug)]
pub struct Case {
    /// File and line, for the report.
    pub place: String,
    /// Who asks.
    pub principal: Principal,
    /// The text.
    pub sql: String,
    /// The verdict that must come out.
    pub expect: Option<Verdict>,
    /// The rule that must decide.
    pub rule: Option<String>,
    /// The result columns that must be masked, in any order; none: not checked.
    pub masked: Option<Vec<String>>,
    /// Schemas that names are looked for in.
    pub search_path: Vec<String>,
}

/// A case, run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The case.
    pub case: Case,
    /// What was otherwise than the case says; empty: it passed.
    pub failures: Vec<String>,
}

/// Reads a test file. `database` is none where no policy file of the same name stands beside it.
pub(crate) fn read(source: Source, database: Option<&str>) -> (Vec<Case>, Problems) {
    let reader = Reader::new(Arc::new(source));
    let cases = reader.read(|mut top| {
        let path = top.strings("search_path").map(|list| list.into_iter().map(|l| l.value).collect());
        let path: Vec<String> = path.unwrap_or_else(|| vec!["public".to_owned()]);
        let cases = top.tables("case").into_iter().filter_map(|t| one(t, &path)).collect();
        top.finish();
        cases
    });
    if database.is_none() {
        let remedy = "name it after its policy: shop.test.toml beside shop.toml".to_owned();
        reader.report(Severity::Error, None, "no policy file stands beside these tests".to_owned(), Some(remedy));
    }
    (cases, reader.problems())
}

fn one(mut table: Table<'_>, path: &[String]) -> Option<Case> {
    let (line, _) = table.reader().source().place(table.span().start);
    let place = format!("{}:{line}", table.reader().source().name());
    let principal = table.required("as", "\"role:agent\"").and_then(|v| who(&v));
    let sql = table.required("sql", "\"SELECT 1\"").and_then(|v| v.string());
    let words = [("allow", Verdict::Allow), ("block", Verdict::Block), ("approve", Verdict::Approve)];
    let case = Case {
        place,
        principal: Principal::local("", []),
        sql: String::new(),
        expect: table.value("expect").and_then(|v| v.one_of(&words)),
        rule: table.string("rule").map(|r| r.value),
        masked: table.strings("masked").map(|list| list.into_iter().map(|l| l.value).collect()),
        search_path: path.to_vec(),
    };
    if case.expect.is_none() && case.rule.is_none() && case.masked.is_none() {
        table.error("the case expects nothing", "add `expect`, `rule` or `masked`");
    }
    table.finish();
    Some(Case { principal: principal?, sql: sql?.value, ..case })
}

/// `role:agent`, or a list of them for a principal with several roles.
fn who(value: &Value<'_>) -> Option<Principal> {
    let words = if value.is_string() { vec![value.string()?] } else { value.strings()? };
    let roles: Option<Vec<String>> = words.iter().map(|w| w.strip_prefix("role:").map(str::to_owned)).collect();
    if roles.is_none() {
        value.error(format!("`{}` names no role", value.path()), "write it like \"role:agent\"");
    }
    roles.map(|roles| Principal::local("policy-test", roles))
}

impl Bound {
    /// Runs test cases. What counts for a text of several statements is the strictest verdict.
    pub fn run<'c>(&self, cases: impl IntoIterator<Item = &'c Case>, catalog: &Catalog) -> Vec<Outcome> {
        cases.into_iter().map(|case| self.run_one(case, catalog)).collect()
    }

    fn run_one(&self, case: &Case, catalog: &Catalog) -> Outcome {
        let settings = Settings {
            search_path: case.search_path.clone(),
            user: case.principal.identity.subject.clone(),
            temporary: Vec::new(),
        };
        let view = self.view(&case.principal);
        let statements = self.analyse(&case.sql, catalog, &settings, &Limits::default());
        let decisions: Vec<Decision> = statements.iter().map(|s| self.decide(s, &case.principal, &view)).collect();
        let mut failures = Vec::new();
        let together = Together::of(&decisions);
        let verdict = together.as_ref().map_or(Verdict::Allow, |t| t.verdict);
        if let Some(expected) = case.expect.filter(|e| *e != verdict) {
            let why = together.as_ref().map(|t| format!("{}: {}", t.rule, t.reason)).unwrap_or_default();
            failures.push(format!("expected {expected}, got {verdict} ({why})"));
        }
        let rule = together.as_ref().map_or("", |t| &*t.rule);
        if let Some(expected) = case.rule.as_ref().filter(|r| r.as_str() != rule) {
            failures.push(format!("expected rule {expected:?}, got {rule:?}"));
        }
        if let Some(expected) = &case.masked {
            let outputs = statements.iter().zip(&decisions).flat_map(|(statement, decision)| {
                let names = statement.outputs.iter().flatten().map(|o| o.name.to_string());
                names.zip(&decision.masks.fields).filter(|(_, plan)| plan.is_some()).map(|(name, _)| name)
            });
            let (mut got, mut expected): (Vec<String>, _) = (outputs.collect(), expected.clone());
            got.sort();
            expected.sort();
            if got != expected {
                failures.push(format!("expected masked {expected:?}, got {got:?}"));
            }
        }
        Outcome { case: case.clone(), failures }
    }
}

#[cfg(test)]
mod tests;
