//! The words of what the gateway itself can't judge, whatever the policy says.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use querygate_policy::{Refusal, RefusalKind};
use querygate_record::{Barrier, CopyDirection, CopyFormat, Effect, Facts, Verdict};
use querygate_session::{Judgement, Part};
use querygate_sql::statement::Statement;

/// Why the catalog decides nothing now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It can't be read, or has not been for too long.
    Away,
    /// A transaction defined something, and its snapshot is older than what the server would look up.
    Snapshot,
}

/// The refusal of everything while the catalog can't be read.
pub fn unreadable(text: &str, stamp: u128, why: Unread) -> Arc<Judgement> {
    let (message, hint) = match why {
        Unread::Away => (
            "cannot be analysed: the database's catalog can't be read",
            "Send it again; if this goes on, tell the gateway's administrator.",
        ),
        Unread::Snapshot => (
            "cannot be analysed: the catalog changed since this transaction took its snapshot",
            "End the transaction and begin it again, or define things in a READ COMMITTED transaction.",
        ),
    };
    let refusal = Refusal {
        kind: RefusalKind::NotAnalysable,
        message: message.to_owned(),
        detail: "What the statement would touch is not known for certain.".to_owned(),
        hint: hint.to_owned(),
        position: None,
    };
    let facts = Facts {
        text: format!("{} bytes, not analysed", text.len()),
        effects: vec![(Effect::Unanalysed, Vec::new())],
        verdict: Some(Verdict::Block),
        rule: "default: unanalysed".to_owned(),
        reason: refusal.message.clone(),
        ..Facts::default()
    };
    Arc::new(Judgement {
        text: text.into(),
        stamp,
        verdict: Verdict::Block,
        refusal: Some(refusal),
        rule: "default: unanalysed".into(),
        reviewers: Vec::new(),
        expires: Duration::ZERO,
        hold_in_transaction: None,
        durable: false,
        changes: false,
        facts: Arc::new(facts),
        facts_id: OnceLock::new(),
        apart: None,
        rewritten: None,
        parts: Vec::new(),
        hashed_parameters: Arc::default(),
    })
}

/// The statements of a text that can't be judged as a whole, because one of them decides what later ones mean.
pub fn pieces(judgement: &Judgement, statements: &[Statement]) -> Option<Arc<[Box<str>]>> {
    use RefusalKind as K;
    let unknown = |kind| matches!(kind, K::NotAnalysable | K::UnknownTable | K::UnknownColumn | K::UnknownFunction);
    let decides = |part: &Part| part.defines || part.barrier == Barrier::Unknown;
    // The client sends the data only when it is asked for, which is behind what the gateway would have to present.
    let reads = |part: &Part| part.copy.as_ref().is_some_and(|copy| copy.direction == CopyDirection::FromStdin);
    let (_, earlier) = judgement.parts.split_last()?;
    let refused = judgement.verdict == Verdict::Block && judgement.refusal.as_ref().is_some_and(|r| unknown(r.kind));
    if !refused || !earlier.iter().any(decides) || judgement.parts.iter().any(reads) {
        return None;
    }
    statements.iter().map(|s| judgement.text.get(s.range.clone()).map(Into::into)).collect()
}

/// A COPY whose rows can't be told apart or rewritten.
pub fn unmaskable_copy(part: &Part) -> Option<Refusal> {
    let copy = part.copy.as_ref()?;
    if !crate::postgres::masks_any(&part.masks) || copy.direction != CopyDirection::ToStdout {
        return None;
    }
    if copy.format == CopyFormat::Binary {
        return None;
    }
    let (message, hint) = match crate::postgres::copy_codec(copy) {
        None => ("COPY in this format cannot be masked", "Use the text or CSV format."),
        // A secret that equals the text for NULL would look like one: a question with an answer.
        Some(codec) if codec.has_ambiguous_null() => (
            "COPY with this text for NULL cannot be masked",
            "Leave NULL out, or quote all columns with FORCE_QUOTE * in CSV.",
        ),
        Some(_) => return None,
    };
    Some(Refusal {
        kind: RefusalKind::NotAnalysable,
        message: message.to_owned(),
        detail: "A masked column is among those copied.".to_owned(),
        hint: hint.to_owned(),
        position: None,
    })
}

pub fn apart(tag: &str) -> Refusal {
    let what = if tag.is_empty() { "a statement that was not understood" } else { tag };
    Refusal {
        kind: RefusalKind::NotAnalysable,
        message: format!(
            "cannot be analysed: {what} may change a definition or a setting that decides what the statements after it mean"
        ),
        detail: "The settings and definitions that the following statements meet are known only after it ran."
            .to_owned(),
        hint: "Send the statements one by one.".to_owned(),
        position: None,
    }
}

pub fn pinned_setting(setting: &str, value: &str) -> Refusal {
    Refusal {
        kind: RefusalKind::NotAnalysable,
        message: format!("cannot be analysed: masked values are only written with {setting} = {value}"),
        detail: "A masked date, instant or interval is among the results, or the setting changes in the same text."
            .to_owned(),
        hint: format!("SET {setting} = {value}"),
        position: None,
    }
}
