use std::{ops::Range, sync::Arc, time::Duration};

use querygate_record::{Effect, Engine, Verdict};

use crate::{
    document::{Table, Value, nearest},
    glob::Glob,
};

/// Which (effect, object) pairs a rule is about. An absent part does not narrow.
#[derive(Clone, Debug, Default)]
pub(crate) struct Match {
    pub effects: Option<Vec<Effect>>,
    pub tables: Option<Vec<Glob>>,
    pub columns: Option<Vec<Glob>>,
    pub functions: Option<Vec<Glob>>,
    pub bounded: Option<bool>,
}

impl Match {
    /// Whether it is about an effect; `unanalysed` only if it is named.
    pub fn has_effect(&self, effect: Effect) -> bool {
        match &self.effects {
            Some(list) => list.contains(&effect),
            None => effect != Effect::Unanalysed,
        }
    }

    /// Whether it names the effect `unanalysed`.
    pub fn names_unanalysed(&self) -> bool {
        self.has_effect(Effect::Unanalysed)
    }
}

/// `[[rule]]`.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub name: Arc<str>,
    pub span: Range<usize>,
    pub roles: Vec<String>,
    pub matches: Match,
    pub action: Verdict,
    pub reviewers: Vec<String>,
    pub expires: Duration,
    pub hold_in_transaction: Option<Duration>,
    pub reason: Option<String>,
}

impl Rule {
    /// Whether an earlier rule has the same name.
    pub fn has_namesake_before(&self, rules: &[Rule]) -> bool {
        rules.iter().take_while(|r| r.span != self.span).any(|r| r.name == self.name)
    }
}

/// What a rule inherits from its file.
pub(super) struct Defaults<'a> {
    pub reviewers: &'a [String],
    pub expires: Duration,
    pub hold_in_transaction: Option<Duration>,
}

const ACTIONS: &[(&str, Verdict)] =
    &[("allow", Verdict::Allow), ("block", Verdict::Block), ("approve", Verdict::Approve)];

pub(super) fn read(mut table: Table<'_>, engine: Engine, defaults: &Defaults<'_>) -> Option<Rule> {
    let span = table.span();
    let name = table.required("name", "\"what the rule is for\"").and_then(|v| v.string());
    let roles = table.strings("roles");
    let matches =
        table.required("match", "{ effects = [\"delete\"] }").and_then(|v| v.table()).map(|t| read_match(t, engine));
    let action = table.required("action", "\"block\"").and_then(|v| v.one_of(ACTIONS));
    let reviewers = table.strings("reviewers").map(|list| list.into_iter().map(|r| r.value).collect());
    let expires = table.duration("expires").unwrap_or(defaults.expires);
    let hold_in_transaction = table.duration("hold_in_transaction").or(defaults.hold_in_transaction);
    let reason = table.string("reason").map(|r| r.value);
    if roles.as_ref().is_some_and(Vec::is_empty) {
        table.error("`roles = []` is a rule for nobody", "leave `roles` out for everybody, or name one");
    }
    table.finish();
    Some(Rule {
        name: name?.value.into(),
        span,
        roles: roles.unwrap_or_default().into_iter().map(|r| r.value).collect(),
        matches: matches?,
        action: action?,
        reviewers: reviewers.unwrap_or_else(|| defaults.reviewers.to_vec()),
        expires,
        hold_in_transaction,
        reason,
    })
}

fn read_match(mut table: Table<'_>, engine: Engine) -> Match {
    let effects = table.value("effects").map(|v| effects(&v));
    let tables = table.value("tables").and_then(|v| tables(&v, engine));
    let functions_value = table.value("functions");
    let functions = functions_value.as_ref().and_then(globs);
    let matches = Match {
        effects,
        tables,
        columns: table.value("columns").and_then(|v| globs(&v)),
        functions,
        bounded: table.boolean("bounded"),
    };
    table.finish();
    let never = matches.functions.is_some() && matches.effects.as_ref().is_some_and(|e| !e.contains(&Effect::Call));
    if let Some(value) = functions_value.filter(|_| never) {
        value.error("functions are matched by the effect `call` alone", "leave `effects` out, or add \"call\"");
    }
    matches
}

fn effects(value: &Value<'_>) -> Vec<Effect> {
    let list = value.list("a list of effects", "[\"delete\", \"update\"]").unwrap_or_default();
    let effect = |item: &Value<'_>| {
        let name = item.string()?;
        let parsed: Option<Effect> = name.parse().ok();
        if parsed.is_none() {
            let names = Effect::ALL.iter().map(|e| e.name());
            let remedy = match nearest(&name, names.clone()) {
                Some(meant) => format!("did you mean {meant:?}?"),
                None => format!("effects are: {}", names.collect::<Vec<_>>().join(", ")),
            };
            item.error(format!("unknown effect {:?}", name.value), remedy);
        }
        parsed
    };
    list.iter().filter_map(effect).collect()
}

fn globs(value: &Value<'_>) -> Option<Vec<Glob>> {
    Some(value.strings()?.into_iter().map(|g| Glob::new(g.value)).collect())
}

fn tables(value: &Value<'_>, engine: Engine) -> Option<Vec<Glob>> {
    for item in value.list("a list of table names", "[\"finance.*\"]")? {
        let Some(name) = item.string() else { continue };
        if engine == Engine::Postgres && !name.contains('.') && !name.contains('*') {
            item.error(
                format!("{:?} names no schema", name.value),
                format!("write \"public.{}\" or \"*.{}\"", name.value, name.value),
            );
        }
    }
    globs(value)
}
