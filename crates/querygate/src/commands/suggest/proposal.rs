//! From names and samples to a mask for each column that seems to hold personal data.

use querygate_mask::{FieldMask, FieldType, Masker, NullRule};
use serde::Serialize;

use super::{
    kind::Kind,
    names::{self, Form},
    sample::Sampled,
};

/// Of a column's values so many percent must be a finding for it to count as holding just that.
const WHOLE_PERCENT: usize = 60;
/// Of a column's values so many percent must hold a finding for it to count as text that holds some.
const WITHIN_PERCENT: usize = 3;
/// Fewest values that say anything.
const VALUES_MIN: usize = 5;

/// Why a column is proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Its comment names it.
    Comment,
    /// Its name, and its table's.
    Name,
    /// Its values.
    Values,
}

/// A mask for one column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Proposal {
    /// `schema.table`.
    pub table: String,
    /// The column.
    pub column: String,
    /// Its type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// What it seems to hold.
    pub kind: Kind,
    /// The masker, as a policy writes it.
    pub masker: String,
    /// Why.
    pub reason: Reason,
    /// What the detectors found in its values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampled: Option<Sampled>,
}

/// One column as it is looked at.
#[derive(Debug)]
pub struct Seen<'a> {
    /// The table's name, without its schema.
    pub table: &'a str,
    /// The column's name.
    pub column: &'a str,
    /// Its comment.
    pub comment: Option<&'a str>,
    /// Its type.
    pub field_type: &'a FieldType,
    /// What was found in its values.
    pub sampled: Option<&'a Sampled>,
}

/// What the column seems to hold, why, and what would mask it.
pub fn propose(seen: &Seen<'_>) -> Option<(Kind, Reason, Masker)> {
    let form = Form::of(seen.field_type);
    let by_name = names::kind(seen.table, seen.column, form).map(|kind| (kind, Reason::Name));
    let by_values = seen.sampled.and_then(values).map(|kind| (kind, Reason::Values));
    let by_comment =
        seen.comment.and_then(|comment| comment_kind(seen.table, comment, form)).map(|kind| (kind, Reason::Comment));
    // What nearly all values are says more than a name; what some hold says less.
    let (kind, reason) = match (by_name, by_values) {
        (Some(named), Some((Kind::FreeText, _))) => named,
        (_, Some(valued)) => valued,
        (Some(named), None) => named,
        (None, None) => by_comment?,
    };
    let masker = kind
        .maskers()
        .into_iter()
        .find(|masker| FieldMask::compile(masker, NullRule::Keep, seen.field_type).is_ok())
        .unwrap_or(Masker::Redact);
    Some((kind, reason, masker))
}

/// A comment names what a column holds as another column's name would, if it is short; a longer one is about something else too often.
fn comment_kind(table: &str, comment: &str, form: Form) -> Option<Kind> {
    const WORDS_MAX: usize = 8;
    let short = comment.split_whitespace().count() <= WORDS_MAX;
    names::kind(table, comment, form).filter(|kind| short && *kind != Kind::FreeText)
}

fn values(sampled: &Sampled) -> Option<Kind> {
    if sampled.values < VALUES_MIN {
        return None;
    }
    let percent = |count: usize| count * 100 / sampled.values;
    let most = sampled.whole.iter().max_by_key(|(_, count)| **count);
    if let Some((what, _)) = most.filter(|(_, count)| percent(**count) >= WHOLE_PERCENT) {
        return detected(what);
    }
    // A number that is all of a value is a card or telephone number by chance too often, where most of the others are none.
    let by_chance = |what: &str| matches!(what, "card" | "phone");
    let whole = |what: &str| if by_chance(what) { sampled.whole.get(what).copied().unwrap_or(0) } else { 0 };
    let within = sampled.within.iter().map(|(what, count)| count.saturating_sub(whole(what))).max().unwrap_or(0);
    (within > 0 && percent(within) >= WITHIN_PERCENT).then_some(Kind::FreeText)
}

fn detected(what: &str) -> Option<Kind> {
    Some(match what {
        "card" | "iban" => Kind::Bank,
        "email" => Kind::Email,
        "phone" => Kind::Phone,
        "secret" => Kind::Secret,
        "ssn" => Kind::NationalId,
        _ => return None,
    })
}
