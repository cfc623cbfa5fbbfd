//! What would become of a text: the same analysis and the same policy as for a client, without running anything.

use querygate_console::api::{Explained, ExplainedColumn, Explanation};
use querygate_policy::{Bound, Decision, RoleView};
use querygate_record::{Effect, Principal};
use querygate_sql::{
    Limits,
    session::Settings,
    statement::{ColumnId, Origin, Statement},
};

/// Explains a text for a principal, under the search path `public`.
pub fn explain(bound: &Bound, principal: &Principal, sql: &str) -> Explanation {
    let settings = Settings {
        search_path: vec!["public".to_owned()],
        user: principal.identity.subject.clone(),
        temporary: Vec::new(),
    };
    let view = bound.view(principal);
    let statements = bound.analyse(sql, bound.catalog(), &settings, &Limits::default());
    Explanation {
        policy: bound.policy().version().to_string(),
        roles: principal.roles.clone(),
        statements: statements.iter().map(|s| explained(bound, principal, &view, sql, s)).collect(),
    }
}

fn explained(bound: &Bound, principal: &Principal, view: &RoleView, sql: &str, statement: &Statement) -> Explained {
    let decision = bound.decide(statement, principal, view);
    let refusal = decision.refusal.as_ref();
    Explained {
        text: sql.get(statement.range.clone()).unwrap_or_default().trim().to_owned(),
        verdict: decision.verdict,
        observed: decision.observed,
        rule: decision.rule.to_string(),
        why: refusal.map(|r| [r.message.as_str(), r.detail.as_str()].join(". ")).unwrap_or_default(),
        hint: refusal.map(|r| r.hint.clone()).unwrap_or_default(),
        position: refusal.and_then(|r| r.position),
        effects: effects(statement),
        tables: statement.tables.iter().map(|t| t.name.to_string()).collect(),
        reads: names(bound, statement.reads.iter().copied()),
        writes: names(bound, statement.writes.iter().map(|w| w.column)),
        columns: columns(bound, statement, &decision),
        reviewers: decision.reviewers.clone(),
    }
}

fn effects(statement: &Statement) -> Vec<(Effect, Vec<String>)> {
    let mut grouped: Vec<(Effect, Vec<String>)> = Vec::new();
    for effect in &statement.effects {
        let objects = match grouped.iter_mut().find(|(e, _)| *e == effect.effect) {
            Some((_, objects)) => objects,
            None => {
                grouped.push((effect.effect, Vec::new()));
                match grouped.last_mut() {
                    Some((_, objects)) => objects,
                    None => continue,
                }
            }
        };
        if !effect.object.is_empty() && !objects.iter().any(|o| **o == *effect.object) {
            objects.push(effect.object.to_string());
        }
    }
    grouped
}

fn names(bound: &Bound, columns: impl Iterator<Item = ColumnId>) -> Vec<String> {
    columns.filter_map(|c| bound.catalog().name_of(c)).collect()
}

fn columns(bound: &Bound, statement: &Statement, decision: &Decision) -> Vec<ExplainedColumn> {
    let outputs = statement.outputs.as_deref().unwrap_or_default();
    let column = |(index, output): (usize, &querygate_sql::statement::Output)| {
        let plan = decision.masks.fields.get(index).and_then(Option::as_ref);
        let from = match &output.origin {
            Origin::Column { column, .. } => names(bound, std::iter::once(*column)),
            Origin::Computed => Vec::new(),
        };
        ExplainedColumn {
            name: output.name.to_string(),
            from,
            mask: plan.map(|p| p.mask.masker().to_string()),
            shows_nulls: plan.is_some_and(|p| p.mask.keeps_null() && !p.mask.yields_null()),
        }
    };
    outputs.iter().enumerate().map(column).collect()
}
