//! What one policy file says, before it meets a catalog.

mod masker;
mod rule;
mod table;

use std::{sync::Arc, time::Duration};

use querygate_mask::{MaskKey, MaskKeys};
use querygate_record::{Engine, Verdict};

use crate::{
    Limits,
    document::{Located, Problems, Reader, Severity, Source, Table},
    glob::Glob,
};

pub(crate) use masker::ColumnMask;
pub(crate) use rule::{Match, Rule};
pub(crate) use table::{TableSection, WriteRule};

/// How long a held statement waits where neither the rule nor the file says.
pub const DEFAULT_EXPIRES: Duration = Duration::from_secs(30 * 60);

/// What a column or table is that the policy does not list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unlisted {
    Clear,
    Redact,
    Refuse,
}

impl Unlisted {
    pub(crate) const WORDS: &'static [(&'static str, Unlisted)] =
        &[("clear", Unlisted::Clear), ("redact", Unlisted::Redact), ("refuse", Unlisted::Refuse)];
}

/// A database as the configuration knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseName {
    /// What clients ask for.
    pub name: String,
    /// What stands behind it; decides how table names are written.
    pub engine: Engine,
}

/// One policy file.
#[derive(Debug)]
pub(crate) struct PolicyFile {
    pub source: Arc<Source>,
    pub database: Located<String>,
    pub connect: Vec<String>,
    pub clear_for: Vec<String>,
    pub unlisted: Option<Unlisted>,
    pub unlisted_tables: Unlisted,
    pub reviewers: Vec<String>,
    pub expires: Duration,
    pub hold_in_transaction: Option<Duration>,
    pub tables: Vec<TableSection>,
    pub trust: Vec<Located<Glob>>,
    pub roles: Vec<(String, Limits)>,
    pub rules: Vec<Rule>,
}

impl PolicyFile {
    /// Reads a file for one of these databases. Nothing where the file does not even say for which.
    pub fn read(source: Source, databases: &[DatabaseName], keys: &MaskKeys) -> (Option<PolicyFile>, Problems) {
        let reader = Reader::new(Arc::new(source));
        let file = reader.read(|table| read(&reader, table, databases));
        if let Some(file) = &file {
            file.check(&reader);
            file.check_keys(&reader, keys);
        }
        (file, reader.problems())
    }

    /// Whether the file masks something from somebody who has just these roles, as far as can be told without a catalog.
    fn masks_from(&self, roles: &[String]) -> bool {
        let clear = |list: &[String]| list.iter().any(|r| r == "*" || roles.contains(r));
        if clear(&self.clear_for) {
            return false;
        }
        self.unlisted_tables != Unlisted::Clear
            || self
                .tables
                .iter()
                .any(|t| !clear(&t.clear_for) && (!t.masks.is_empty() || t.unlisted(self.unlisted) != Unlisted::Clear))
    }

    /// What can be checked only when the whole file is known.
    fn check(&self, reader: &Reader) {
        for rule in &self.rules {
            self.check_reviewers(reader, rule);
            if rule.action == Verdict::Approve && rule.matches.names_unanalysed() {
                let message = format!("rule {:?} asks for approval of what nobody could understand", rule.name);
                let remedy = "`unanalysed` is allowed or blocked, never approved: take it out of `effects`".to_owned();
                reader.report(Severity::Error, Some(rule.span.clone()), message, Some(remedy));
            }
            let opens = rule.action == Verdict::Allow && rule.matches.names_unanalysed();
            let masked = match rule.roles.as_slice() {
                [] => self.masks_from(&[]),
                roles => roles.iter().any(|r| self.masks_from(std::slice::from_ref(r))),
            };
            if opens && masked {
                let message =
                    format!("rule {:?} allows `unanalysed` to a role from which columns are masked", rule.name);
                let remedy = "name only roles that see every column in clear (`clear_for`)".to_owned();
                reader.report(Severity::Error, Some(rule.span.clone()), message, Some(remedy));
            }
        }
        if self.reviewers.is_empty() {
            let remedy = "name the roles that may approve: `reviewers = [\"dba\"]`".to_owned();
            let message = "without `reviewers` what would wait for approval by default is blocked".to_owned();
            reader.report(Severity::Warning, Some(self.database.span.clone()), message, Some(remedy));
        }
        if self.connect.is_empty() {
            let remedy = "name the roles that may open this database: `connect = [\"agent\"]`".to_owned();
            let message = "without `connect` the database opens to nobody".to_owned();
            reader.report(Severity::Warning, Some(self.database.span.clone()), message, Some(remedy));
        }
    }

    /// A masker needs its key: without it, nothing could be masked by it.
    fn check_keys(&self, reader: &Reader, keys: &MaskKeys) {
        for mask in self.tables.iter().flat_map(|table| &table.masks) {
            let Some(key) = mask.masker.key().filter(|key| keys.get(key).is_none()) else { continue };
            let known = || keys.iter().map(MaskKey::name);
            let remedy = match crate::document::nearest(key, known()) {
                Some(meant) => format!("did you mean {meant:?}?"),
                None => format!("add a [[key]] with name = {key:?} to the configuration"),
            };
            let message = format!("masker `{}` names the key {key:?}, which is not configured", mask.masker.name());
            reader.report(Severity::Error, Some(mask.column.span.clone()), message, Some(remedy));
        }
    }

    fn check_reviewers(&self, reader: &Reader, rule: &Rule) {
        if rule.action == Verdict::Approve && rule.reviewers.is_empty() {
            let message = format!("rule {:?} asks for approval, but nobody may give it: it blocks", rule.name);
            let remedy = "add `reviewers = [\"dba\"]` to the rule or to the file".to_owned();
            reader.report(Severity::Warning, Some(rule.span.clone()), message, Some(remedy));
        }
        if rule.has_namesake_before(&self.rules) {
            let remedy = "give each rule a name of its own: the log and the client see it".to_owned();
            let message = format!("two rules are named {:?}", rule.name);
            reader.report(Severity::Error, Some(rule.span.clone()), message, Some(remedy));
        }
    }
}

fn read(reader: &Reader, mut top: Table<'_>, databases: &[DatabaseName]) -> Option<PolicyFile> {
    let database = top.required("database", "\"shop\"").and_then(|v| v.string());
    let engine = database.as_ref().and_then(|name| engine(reader, name, databases)).unwrap_or(Engine::Postgres);
    let strings =
        |list: Option<Vec<Located<String>>>| list.unwrap_or_default().into_iter().map(|l| l.value).collect::<Vec<_>>();
    let connect = strings(top.strings("connect"));
    let clear_for = strings(top.strings("clear_for"));
    let unlisted = top.value("unlisted").and_then(|v| v.one_of(Unlisted::WORDS));
    let unlisted_tables =
        top.value("unlisted_tables").and_then(|v| v.one_of(Unlisted::WORDS)).unwrap_or(Unlisted::Clear);
    let reviewers = strings(top.strings("reviewers"));
    let expires = top.duration("expires").unwrap_or(DEFAULT_EXPIRES);
    let hold_in_transaction = top.duration("hold_in_transaction");
    let nulls = top.value("nulls").and_then(|v| v.one_of(masker::NULLS)).unwrap_or_default();
    let tables = top.table("table").map(|t| table::read(&t, engine, nulls)).unwrap_or_default();
    let trust = top.table("functions").map(functions).unwrap_or_default();
    let roles = top.table("role").map(role_limits).unwrap_or_default();
    let defaults = rule::Defaults { reviewers: &reviewers, expires, hold_in_transaction };
    let rules = top.tables("rule").into_iter().filter_map(|t| rule::read(t, engine, &defaults)).collect();
    top.finish();
    let source = Arc::clone(reader.source());
    let file = PolicyFile {
        source,
        database: database?,
        connect,
        clear_for,
        unlisted,
        unlisted_tables,
        reviewers,
        expires,
        hold_in_transaction,
        tables,
        trust,
        roles,
        rules,
    };
    Some(file)
}

fn engine(reader: &Reader, name: &Located<String>, databases: &[DatabaseName]) -> Option<Engine> {
    let found = databases.iter().find(|d| d.name == name.value);
    if found.is_none() {
        let names = || databases.iter().map(|d| d.name.as_str());
        let remedy = match crate::document::nearest(name, names()) {
            Some(meant) => format!("did you mean {meant:?}?"),
            None => format!("the configuration has: {}", names().collect::<Vec<_>>().join(", ")),
        };
        let message = format!("no database of the configuration is named {:?}", name.value);
        reader.report(Severity::Error, Some(name.span.clone()), message, Some(remedy));
    }
    found.map(|d| d.engine)
}

fn functions(mut table: Table<'_>) -> Vec<Located<Glob>> {
    let trust = table.strings("trust").unwrap_or_default();
    for name in trust.iter().filter(|t| t.starts_with("pg_") || t.starts_with("information_schema.")) {
        let message = format!("{:?} belongs to the server: it is never trusted", name.value);
        let remedy = "name functions of your own".to_owned();
        table.reader().report(Severity::Error, Some(name.span.clone()), message, Some(remedy));
    }
    table.finish();
    trust.into_iter().map(|t| Located { value: Glob::new(t.value), span: t.span }).collect()
}

fn role_limits(table: Table<'_>) -> Vec<(String, Limits)> {
    let role = |(name, value): (Located<String>, crate::document::Value<'_>)| {
        let mut inner = value.table()?;
        let limits = inner.table("limits").map(Limits::read).unwrap_or_default();
        inner.finish();
        Some((name.value, limits))
    };
    table.entries().into_iter().filter_map(role).collect()
}

#[cfg(test)]
mod tests;
