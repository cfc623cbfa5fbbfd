//! Each effect of a statement, with the object that it falls on, takes the first rule that fits it; the strictest verdict counts.

use std::{sync::Arc, time::Duration};

use querygate_record::{Effect, Verdict};
use querygate_sql::statement::{ColumnId, EffectOn, Statement};

use super::words;
use crate::{
    Bound, Refusal,
    file::{Match, Rule},
    glob::Glob,
    roles::RoleSet,
    together::common,
};

/// What is matched against rules: an effect on an object, and on one of its columns where rules look at columns.
#[derive(Clone, Debug)]
pub(super) struct Item<'a> {
    pub effect: Effect,
    pub object: &'a str,
    pub bounded: bool,
    /// What bounds it, where the policy says so.
    pub bounded_by: Option<&'a [Arc<str>]>,
    column: Option<Arc<str>>,
    /// The statement is about a schema as a whole.
    schema: Option<&'a str>,
    /// A function that is known, analysed or trusted: only rules that name functions are about it.
    harmless_call: bool,
}

/// What a single item came to.
struct Ruling<'a> {
    verdict: Verdict,
    rule: Option<&'a Rule>,
}

/// The judgement over all items.
pub(super) struct Judged {
    pub verdict: Verdict,
    pub rule: Arc<str>,
    pub reason: Arc<str>,
    pub refusal: Option<Refusal>,
    pub reviewers: Vec<String>,
    pub expires: Duration,
    pub hold_in_transaction: Option<Duration>,
    pub effects: Vec<Effect>,
}

/// What becomes of an effect that no rule is about.
fn default_verdict(item: &Item<'_>) -> Verdict {
    match item.effect {
        Effect::Read | Effect::Insert | Effect::Session => Verdict::Allow,
        Effect::Call if item.harmless_call => Verdict::Allow,
        Effect::Update | Effect::Delete if item.bounded => Verdict::Allow,
        Effect::Update | Effect::Delete | Effect::Truncate | Effect::Alter | Effect::Drop => Verdict::Approve,
        Effect::Maintain | Effect::Call | Effect::Define | Effect::DefineCode => Verdict::Approve,
        _ => Verdict::Block,
    }
}

impl Bound {
    pub(super) fn judge_effects(&self, statement: &Statement, sets: &[RoleSet<'_>]) -> Judged {
        let items = self.items(statement);
        let mut rulings: Vec<(&Item<'_>, Ruling<'_>)> = Vec::new();
        for item in &items {
            rulings.extend(sets.iter().map(|set| (item, self.rule_on(item, *set))));
        }
        let verdict = rulings.iter().map(|(_, r)| r.verdict).max().unwrap_or(Verdict::Allow);
        // Where several are equally strict, a written rule says more than a default, and a change more than a read.
        let weight =
            |(item, ruling): &&(&Item<'_>, Ruling<'_>)| (ruling.rule.is_some(), !item.harmless_call, item.effect);
        let deciding = rulings.iter().rev().filter(|(_, r)| r.verdict == verdict).max_by_key(weight);
        let rule: Arc<str> = match deciding {
            Some((_, Ruling { rule: Some(rule), .. })) => Arc::clone(&rule.name),
            Some((item, _)) => format!("default: {}", item.effect).into(),
            None => "default: nothing to judge".into(),
        };
        let effects = items.iter().filter(|i| !i.harmless_call).map(|i| i.effect).collect();
        let mut judged = Judged {
            verdict,
            rule,
            reason: "".into(),
            refusal: None,
            reviewers: Vec::new(),
            expires: self.policy.file.expires,
            hold_in_transaction: self.policy.file.hold_in_transaction,
            effects,
        };
        if let Some((item, ruling)) = deciding.filter(|_| verdict != Verdict::Allow) {
            self.fill_in(&mut judged, statement, item, ruling, &rulings);
        }
        judged
    }

    /// Reviewers, times and words of a hold or a refusal.
    fn fill_in(
        &self,
        judged: &mut Judged,
        statement: &Statement,
        item: &Item<'_>,
        ruling: &Ruling<'_>,
        all: &[(&Item<'_>, Ruling<'_>)],
    ) {
        let mut reason = words::reason(statement, item, ruling.rule);
        if judged.verdict == Verdict::Approve {
            self.ask(judged, all.iter().filter(|(_, r)| r.verdict == Verdict::Approve).map(|(_, r)| r.rule));
            if judged.reviewers.is_empty() || item.effect == Effect::Unanalysed {
                judged.verdict = Verdict::Block;
                reason = format!("{reason}; it needs approval, which nobody may give");
            }
        }
        judged.refusal = Some(words::blocked(statement, item, ruling.rule, &reason, judged.verdict, &judged.reviewers));
        judged.reason = reason.into();
    }

    /// Who may approve, and how long it waits: whoever may approve every part, as long as the most impatient part allows.
    fn ask<'r>(&self, judged: &mut Judged, parts: impl Iterator<Item = Option<&'r Rule>>) {
        let file = &self.policy.file;
        let terms = |rule: Option<&Rule>| match rule {
            Some(rule) => (rule.reviewers.clone(), rule.expires, rule.hold_in_transaction),
            None => (file.reviewers.clone(), file.expires, file.hold_in_transaction),
        };
        let least = |a: (Vec<String>, Duration, Option<Duration>), b: (Vec<String>, Duration, Option<Duration>)| {
            (common(&a.0, &b.0), a.1.min(b.1), a.2.zip(b.2).map(|(a, b)| a.min(b)))
        };
        if let Some(terms) = parts.map(terms).reduce(least) {
            (judged.reviewers, judged.expires, judged.hold_in_transaction) = terms;
        }
    }

    /// The first rule that fits, else the default.
    fn rule_on(&self, item: &Item<'_>, set: RoleSet<'_>) -> Ruling<'_> {
        let applies = |rule: &&Rule| (rule.roles.is_empty() || set.has_any(&rule.roles)) && fits(rule, item);
        match self.policy.file.rules.iter().find(applies) {
            Some(rule) => Ruling { verdict: rule.action, rule: Some(rule) },
            None => Ruling { verdict: default_verdict(item), rule: None },
        }
    }

    /// What rules are asked about. Trusted calls count as harmless.
    fn items<'s>(&'s self, statement: &'s Statement) -> Vec<Item<'s>> {
        let rules = &self.policy.file.rules;
        let by_column = rules.iter().any(|r| r.matches.columns.is_some());
        let by_function = rules.iter().any(|r| r.matches.functions.is_some());
        let mut items = Vec::new();
        let blank = Item {
            effect: Effect::Read,
            object: "",
            bounded: true,
            bounded_by: None,
            column: None,
            schema: None,
            harmless_call: false,
        };
        if statement.effects.is_empty() && !statement.tag.is_empty() {
            // A query of no table (`SELECT 1`) still runs.
            items.push(blank.clone());
        }
        for on in &statement.effects {
            let harmless_call = on.effect == Effect::Call && self.trusts(&on.object);
            let schema = statement.tag.ends_with(" SCHEMA").then(|| on.object.rsplit('.').next()).flatten();
            let (bounded, bounded_by) = self.bounds(on);
            let item = Item {
                effect: on.effect,
                object: &on.object,
                bounded,
                bounded_by,
                schema,
                harmless_call,
                ..blank.clone()
            };
            let columns = if by_column { self.columns_of(statement, on) } else { Vec::new() };
            match columns.is_empty() {
                true => items.push(item),
                false => items.extend(columns.into_iter().map(|c| Item { column: Some(c), ..item.clone() })),
            }
        }
        if by_function {
            let called = |name: &str| items.iter().any(|i: &Item<'_>| i.effect == Effect::Call && i.object == name);
            let others: Vec<&String> = statement.functions.iter().filter(|f| !called(f)).collect();
            let call = |f: &'s String| Item { effect: Effect::Call, object: f, harmless_call: true, ..blank.clone() };
            items.extend(others.into_iter().map(call));
        }
        items
    }

    /// Names of the columns that an effect on a table reads or writes.
    fn columns_of(&self, statement: &Statement, on: &EffectOn) -> Vec<Arc<str>> {
        let columns: Vec<ColumnId> = match on.effect {
            Effect::Read => statement.reads.clone(),
            Effect::Insert | Effect::Update => statement.writes.iter().map(|w| w.column).collect(),
            _ => Vec::new(),
        };
        let of_object = |c: &ColumnId| self.catalog.relation(c.table).is_some_and(|r| r.qualified == on.object);
        let name = |c: ColumnId| self.catalog.column(c).map(|found| Arc::clone(&found.name));
        let mut names = on.columns.clone();
        names.extend(columns.into_iter().filter(of_object).filter_map(name));
        names.sort();
        names.dedup();
        names
    }
}

fn fits(rule: &Rule, item: &Item<'_>) -> bool {
    let m: &Match = &rule.matches;
    let any = |globs: &[Glob], name: &str| globs.iter().any(|g| g.matches(name));
    if !m.has_effect(item.effect) || (item.harmless_call && m.functions.is_none()) {
        return false;
    }
    let bounded = m.bounded.is_none_or(|b| matches!(item.effect, Effect::Update | Effect::Delete) && item.bounded == b);
    let functions = m.functions.as_ref().is_none_or(|globs| item.effect == Effect::Call && any(globs, item.object));
    let columns = m.columns.as_ref().is_none_or(|globs| {
        let full = |c: &str| format!("{}.{c}", item.object);
        item.column.as_ref().is_some_and(|c| any(globs, c) || any(globs, &full(c)))
    });
    let on = |globs: &Vec<Glob>| match item.schema {
        Some(schema) => in_schema(globs, schema, rule.action),
        None => any(globs, item.object),
    };
    let tables = m.tables.as_ref().is_none_or(|globs| item.effect != Effect::Call && on(globs));
    bounded && functions && columns && tables
}

/// Whether a whole schema (`DROP SCHEMA finance`) counts as one of those tables: if any of them is in it; for a rule that allows, if all of it is
/// named.
fn in_schema(globs: &[Glob], schema: &str, action: Verdict) -> bool {
    globs.iter().any(|g| match g.as_str().rsplit_once('.') {
        Some((pattern, table)) => (table == "*" || action != Verdict::Allow) && Glob::new(pattern).matches(schema),
        None => false,
    })
}
