//! What was decided of one text, for all texts of its shape.

use querygate_record::{Facts, TransactionChange, Verdict};
use querygate_sql::{Shape, statement::Statement};

use crate::{
    Bound, Decision, LiteralKey, RoleView,
    facts::{Cut, write},
};

/// Statements whose analysis sees no more of a constant than its type, where a shape leaves it out.
const TAGS: &[&str] = &["SELECT", "INSERT", "UPDATE", "DELETE"];

/// How the facts of one text of a shape become those of the others.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// Which of the text's constants are hashed in the log, counted from 0.
    hashed: Vec<usize>,
    /// How many constants the text has.
    literals: usize,
}

impl Bound {
    /// What was decided of a text that has this shape, for others. None where it holds for this text alone: what is refused, held or only observed has
    /// words that tell a place in the text, and what changes the session is told by constants.
    pub fn pattern(&self, shape: &Shape<'_>, parts: &[(&Statement, &Decision)], view: &RoleView) -> Option<Pattern> {
        shape.key?;
        if !parts.iter().all(|(statement, decision)| is_plain(statement) && is_allowed(decision)) {
            return None;
        }
        let mut hashed = Vec::new();
        for cut in self.cuts(parts, view) {
            let Cut::Hash(range) = cut else { return None };
            hashed.push(shape.literals.iter().position(|literal| *literal == range)?);
        }
        let literals = shape.literals.len();
        let counted: usize = parts.iter().map(|(statement, _)| statement.literals.len()).sum();
        (counted == literals).then_some(Pattern { hashed, literals })
    }
}

impl Pattern {
    /// The facts of another text with the same [`Shape::key`], by those of the one that was judged. None where it has not the same number of
    /// constants after all.
    pub fn facts(&self, of: &Facts, text: &str, shape: &Shape<'_>, key: LiteralKey<'_>) -> Option<Facts> {
        if shape.literals.len() != self.literals {
            return None;
        }
        let cuts = self.hashed.iter().map(|at| shape.literals.get(*at).cloned().map(Cut::Hash));
        let cuts: Vec<Cut> = cuts.collect::<Option<_>>()?;
        Some(Facts { text: write(text, &cuts, key), ..of.clone() })
    }
}

fn is_plain(statement: &Statement) -> bool {
    TAGS.contains(&statement.tag)
        && statement.unanalysed.is_none()
        && statement.transaction == TransactionChange::None
        && !statement.barrier.is_some()
        && statement.copy.is_none()
        && statement.named.is_none()
        && statement.temporary.is_empty()
        && statement.instead.is_none()
        && !statement.by_body
}

fn is_allowed(decision: &Decision) -> bool {
    decision.verdict == Verdict::Allow && decision.refusal.is_none() && !decision.observed
}

#[cfg(test)]
mod tests;
