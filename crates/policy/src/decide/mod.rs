//! The judgement of one statement: what its effects may do, and what of its result may be seen.

mod effects;
mod masks;
mod words;

use std::sync::Arc;

use querygate_record::{Effect, Principal, TransactionChange, Verdict};
use querygate_sql::{Limits, catalog::Catalog, session::Settings, statement::Statement};

use crate::{Bound, Decision, MaskPlan, Refusal, RoleView, roles::role_sets};

impl Bound {
    /// Analyses a text, the bodies of functions that the policy does not trust by name included.
    pub fn analyse(&self, text: &str, catalog: &Catalog, settings: &Settings, limits: &Limits) -> Vec<Statement> {
        let mut statements = querygate_sql::analyse(text, catalog, settings, limits);
        statements.iter_mut().for_each(|statement| statement.settle(&|function| self.trusts(function)));
        statements
    }

    /// Judges a statement for a principal, whose [`Bound::view`] the caller keeps. Never fails: what can't be judged is refused.
    pub fn decide(&self, statement: &Statement, principal: &Principal, view: &RoleView) -> Decision {
        if !statement.bodies.is_empty() {
            let mut settled = statement.clone();
            settled.settle(&|function| self.trusts(function));
            return self.decide(&settled, principal, view);
        }
        let judged = self.judge_effects(statement, &role_sets(principal));
        let plan = match self.plan(statement, view) {
            Ok(plan) => plan,
            // An effect's own block says more, but observe mode would let it pass.
            Err(_) if judged.verdict == Verdict::Block && !self.mode.observe && statement.unanalysed.is_none() => {
                self.empty_plan(view)
            }
            Err(no) => return self.refused(statement, view, no),
        };
        let masked = view.is_masked();
        let trusted = self.trusted(statement, masked);
        let durable = judged.verdict == Verdict::Approve
            || outlasts_rollback(&judged.effects)
            || self.reads_in_clear(statement, view);
        let observed = self.mode.observe && judged.verdict != Verdict::Allow;
        Decision {
            verdict: if observed { Verdict::Allow } else { judged.verdict },
            rule: judged.rule,
            reason: judged.reason,
            refusal: judged.refusal,
            reviewers: judged.reviewers,
            expires: judged.expires,
            hold_in_transaction: judged.hold_in_transaction,
            masks: plan,
            observed,
            durable: durable || statement.transaction == TransactionChange::Commit,
            changes: judged.effects.iter().any(|e| matches!(e, Effect::Insert | Effect::Update | Effect::Delete)),
            trusted,
        }
    }

    /// A refusal on behalf of the masks. It stands in observe mode too, since masks do.
    fn refused(&self, statement: &Statement, view: &RoleView, (rule, refusal): (Arc<str>, Refusal)) -> Decision {
        Decision {
            verdict: Verdict::Block,
            rule,
            reason: refusal.message.as_str().into(),
            refusal: Some(refusal),
            reviewers: Vec::new(),
            expires: self.policy.file.expires,
            hold_in_transaction: None,
            masks: self.empty_plan(view),
            observed: false,
            durable: false,
            changes: statement
                .effects
                .iter()
                .any(|e| matches!(e.effect, Effect::Insert | Effect::Update | Effect::Delete)),
            trusted: Vec::new(),
        }
    }

    fn empty_plan(&self, view: &RoleView) -> MaskPlan {
        MaskPlan::new(Vec::new(), view.is_masked(), Arc::clone(view.masked_columns()))
    }

    /// Whether it reads, in whatever way, a column in clear that is masked from others.
    fn reads_in_clear(&self, statement: &Statement, view: &RoleView) -> bool {
        statement.reads.iter().any(|column| self.is_masked_from_somebody(*column) && !view.columns.contains_key(column))
    }

    /// Functions and tables that it uses by trust alone.
    fn trusted(&self, statement: &Statement, masked: bool) -> Vec<Arc<str>> {
        let calls = statement.effects.iter().filter(|e| e.effect == Effect::Call).map(|e| &e.object);
        let opaque = statement.opaque.iter().filter(|_| masked).map(|o| &o.object);
        let mut trusted: Vec<Arc<str>> = calls.chain(opaque).filter(|o| self.trusts(o)).cloned().collect();
        trusted.sort();
        trusted.dedup();
        trusted
    }

    /// Whether policy trusts a function or table by name. What belongs to the server is never trusted, whatever a pattern says: there are functions
    /// that run any text, and catalogs that hold everybody's values.
    pub(crate) fn trusts(&self, object: &str) -> bool {
        !object.is_empty() && !is_system(object) && self.policy.file.trust.iter().any(|t| t.matches(object))
    }
}

/// Whether a name is one of the server's own.
fn is_system(object: &str) -> bool {
    object.starts_with("pg_") || object.starts_with("information_schema.")
}

/// Effects that can't be undone, or that an auditor must find after a crash whatever became of the transaction.
fn outlasts_rollback(effects: &[Effect]) -> bool {
    let within =
        |e: &Effect| matches!(e, Effect::Read | Effect::Insert | Effect::Update | Effect::Delete | Effect::Session);
    !effects.iter().all(within)
}

#[cfg(test)]
mod tests;
