use std::{sync::Arc, time::Duration};

use querygate_record::Verdict;

use crate::{Decision, Refusal};

/// The decision over statements that run together or not at all: those of one text.
#[derive(Clone, Debug)]
pub struct Together {
    /// The strictest verdict.
    pub verdict: Verdict,
    /// The rule behind it.
    pub rule: Arc<str>,
    /// Why, where it is not allowed.
    pub reason: Arc<str>,
    /// The words of a refusal.
    pub refusal: Option<Refusal>,
    /// Who may approve every statement that needs it.
    pub reviewers: Vec<String>,
    /// How long the most impatient of them waits.
    pub expires: Duration,
    /// The same inside an open transaction.
    pub hold_in_transaction: Option<Duration>,
    /// Whether the log must be on disk before the text is sent.
    pub durable: bool,
    /// Whether it must be unless an explicit transaction collects the changes.
    pub changes: bool,
    /// Whether observe mode let one of them pass.
    pub observed: bool,
}

impl Together {
    /// Judges the statements of a text as one; none for a text without statements. Where nobody may approve all that needs approval, it is refused.
    pub fn of(decisions: &[Decision]) -> Option<Together> {
        let first = decisions.iter().rev().max_by_key(|d| d.verdict)?;
        let mut all = Together {
            verdict: first.verdict,
            rule: Arc::clone(&first.rule),
            reason: Arc::clone(&first.reason),
            refusal: first.refusal.clone(),
            reviewers: first.reviewers.clone(),
            expires: first.expires,
            hold_in_transaction: first.hold_in_transaction,
            durable: decisions.iter().any(|d| d.durable),
            changes: decisions.iter().any(|d| d.changes),
            observed: decisions.iter().any(|d| d.observed),
        };
        if all.verdict == Verdict::Approve {
            all.agree(decisions);
        }
        Some(all)
    }

    fn agree(&mut self, decisions: &[Decision]) {
        for held in decisions.iter().filter(|d| d.verdict == Verdict::Approve) {
            self.reviewers = common(&self.reviewers, &held.reviewers);
            self.expires = self.expires.min(held.expires);
            self.hold_in_transaction = self.hold_in_transaction.zip(held.hold_in_transaction).map(|(a, b)| a.min(b));
        }
        if self.reviewers.is_empty() {
            self.verdict = Verdict::Block;
            self.reason = format!("{}; no one reviewer may approve every statement of the text", self.reason).into();
            if let Some(refusal) = &mut self.refusal {
                refusal.message = format!("blocked by policy: {}", self.reason);
                refusal.hint = "send the statements one by one".to_owned();
            }
        }
    }
}

/// Roles that are in both lists; `*` is everybody.
pub(crate) fn common(a: &[String], b: &[String]) -> Vec<String> {
    let everybody = |list: &[String]| list.iter().any(|r| r == "*");
    match (everybody(a), everybody(b)) {
        (true, _) => b.to_vec(),
        (_, true) => a.to_vec(),
        _ => a.iter().filter(|r| b.contains(r)).cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use querygate_record::Effect;

    use super::*;
    use crate::testing::*;

    const LINES: &str = "[[rule]]\nname = 'a'\nmatch = { tables = ['public.a'] }\naction = 'approve'\nreviewers = ['dba', 'boss']\nexpires = '1h'\n\
                         [[rule]]\nname = 'b'\nmatch = { tables = ['public.b'] }\naction = 'approve'\nreviewers = ['boss']\nexpires = '5m'\n\
                         [[rule]]\nname = 'c'\nmatch = { tables = ['public.c'] }\naction = 'approve'\nreviewers = ['lead']\n";

    fn judge(tables: &[&str]) -> Together {
        let bound = bound(LINES);
        let decisions: Vec<_> =
            tables.iter().map(|t| decide(&bound, &statement(&[on(Effect::Insert, t)]), &["agent"])).collect();
        Together::of(&decisions).unwrap()
    }

    #[test]
    fn who_approves_a_text_may_approve_each_of_its_statements() {
        let both = judge(&["public.a", "public.x", "public.b"]);
        assert_eq!((both.verdict, both.reviewers, &*both.rule), (Verdict::Approve, vec!["boss".to_owned()], "a"));
        assert_eq!((both.expires, both.changes), (Duration::from_secs(300), true));
    }

    #[test]
    fn a_text_that_no_one_may_approve_as_a_whole_is_refused() {
        let apart = judge(&["public.a", "public.c"]);
        assert_eq!(apart.verdict, Verdict::Block);
        assert_eq!(apart.refusal.unwrap().hint, "send the statements one by one");
    }

    #[test]
    fn a_text_without_statements_needs_no_decision() {
        assert!(Together::of(&[]).is_none());
    }
}
