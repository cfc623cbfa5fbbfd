use std::fmt;

use serde::{Deserialize, Serialize};

/// What replaces the values of one column. Closed: a policy names one of these, nothing else.
///
/// `Redact`, `Null` and `Fixed` map every value, NULL included, to one constant. The others depend on the value, keep NULL
/// unless [`NullRule::Hide`] says otherwise, and so disclose what their rule keeps.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Masker {
    /// `j***@e***.com`: first character of the local part, first character and last label of the domain; `***` for what is
    /// not an address. Text.
    Email,
    /// One given value, in the text form of the column's type; text is cut to the column's length. Any type that this crate can
    /// write.
    Fixed(String),
    /// Format-preserving encryption under the key of that name: digits become other digits, and in values with letters the letters and digits
    /// others; length and other characters stay. Values with fewer than six digits (or four letters and digits), with more than 64, or with
    /// other than ASCII characters become `[redacted]`. Text.
    Fpe(String),
    /// A token under the key of that name: equal values have equal tokens, others others. Text, integers of four and eight bytes, `uuid`,
    /// `bytea`, `numeric` without a precision.
    Hash(String),
    /// The first n characters, then `*` for each further one; values no longer than n are all `*`. Text.
    KeepFirst(u32),
    /// `*` for each character but the last n; values no longer than n are all `*`. Text.
    KeepLast(u32),
    /// The first day of the month, in UTC. Dates and instants.
    Month,
    /// NULL. Any type.
    Null,
    /// One constant per type, such as `[redacted]`, 0, 1970-01-01. Any type.
    Redact,
    /// The nearest multiple of n, ties away from zero. Numbers.
    Round(u64),
    /// What looks like a payment card, social security number, IBAN, e-mail address, telephone number or credential becomes a marker such as
    /// `[card]`; the rest stays. A net for free text, not a promise: what has no known form passes. Text and JSON.
    Scan,
    /// The first of January, in UTC. Dates and instants.
    Year,
}

impl Masker {
    /// The name used in policies, in messages and in the log.
    pub fn name(&self) -> &'static str {
        match self {
            Masker::Email => "email",
            Masker::Fixed(_) => "fixed",
            Masker::Fpe(_) => "fpe",
            Masker::Hash(_) => "hash",
            Masker::KeepFirst(_) => "keep_first",
            Masker::KeepLast(_) => "keep_last",
            Masker::Month => "month",
            Masker::Null => "null",
            Masker::Redact => "redact",
            Masker::Round(_) => "round",
            Masker::Scan => "scan",
            Masker::Year => "year",
        }
    }

    /// The masker that a policy names by a bare word; none for unknown words and for maskers that need an argument.
    pub fn named(word: &str) -> Option<Masker> {
        match word {
            "email" => Some(Masker::Email),
            "month" => Some(Masker::Month),
            "null" => Some(Masker::Null),
            "redact" => Some(Masker::Redact),
            "scan" => Some(Masker::Scan),
            "year" => Some(Masker::Year),
            _ => None,
        }
    }

    /// The key that it needs.
    pub fn key(&self) -> Option<&str> {
        match self {
            Masker::Fpe(key) | Masker::Hash(key) => Some(key),
            _ => None,
        }
    }

    /// Whether every value, NULL included, becomes the same constant.
    pub fn constant(&self) -> bool {
        matches!(self, Masker::Fixed(_) | Masker::Null | Masker::Redact)
    }
}

/// As a policy writes it, its argument included: `redact`, `{ keep_last = 4 }`.
impl fmt::Display for Masker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match self {
            Masker::Fixed(text) | Masker::Fpe(text) | Masker::Hash(text) => write!(f, "{{ {name} = {text:?} }}"),
            Masker::KeepFirst(n) | Masker::KeepLast(n) => write!(f, "{{ {name} = {n} }}"),
            Masker::Round(step) => write!(f, "{{ {name} = {step} }}"),
            _ => f.write_str(name),
        }
    }
}

/// What a masker that depends on the value does with NULL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NullRule {
    /// NULL becomes what `redact` writes for that type, so that null-ness does not show (`nulls = "hide"`).
    Hide,
    /// NULL stays NULL, which discloses that it was NULL.
    #[default]
    Keep,
}
