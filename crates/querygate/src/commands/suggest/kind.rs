use std::fmt;

use querygate_mask::Masker;
use serde::Serialize;

/// Digits or letters that a masked number keeps, for those who compare it with one that they were told.
const KEPT: u32 = 4;
/// To how much incomes are rounded.
const INCOME_STEP: u64 = 1_000;

/// What personal data a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Postal address, or a part of one that is not a whole country.
    Address,
    /// Account, card or bank code of somebody.
    Bank,
    /// Date of birth or age.
    Birth,
    /// E-mail address.
    Email,
    /// Text that people write about people or to each other.
    FreeText,
    /// What somebody earns or owns.
    Income,
    /// Network address.
    Ip,
    /// Coordinates.
    Location,
    /// Name of a person, or under which one is known.
    Name,
    /// Number that a state or company gives a person.
    NationalId,
    /// Account elsewhere, picture, device or browser.
    Online,
    /// Telephone number.
    Phone,
    /// Password, key, token, or what is derived from one.
    Secret,
    /// Health, religion, origin, sex and the like.
    Sensitive,
}

impl Kind {
    /// The maskers that suit it, the best first; the first that the column's type can carry is taken. `redact` fits every type.
    pub fn maskers(self) -> Vec<Masker> {
        let first = match self {
            Kind::Bank | Kind::NationalId | Kind::Phone => Some(Masker::KeepLast(KEPT)),
            Kind::Birth => Some(Masker::Year),
            Kind::Email => Some(Masker::Email),
            Kind::FreeText => Some(Masker::Scan),
            Kind::Income => Some(Masker::Round(INCOME_STEP)),
            _ => None,
        };
        first.into_iter().chain([Masker::Redact]).collect()
    }

    /// In words, for the comment beside a mask.
    pub fn words(self) -> &'static str {
        match self {
            Kind::Address => "postal address",
            Kind::Bank => "account or card",
            Kind::Birth => "birth",
            Kind::Email => "e-mail address",
            Kind::FreeText => "free text",
            Kind::Income => "income",
            Kind::Ip => "network address",
            Kind::Location => "location",
            Kind::Name => "name",
            Kind::NationalId => "number of a person",
            Kind::Online => "trace or account online",
            Kind::Phone => "telephone number",
            Kind::Secret => "credential",
            Kind::Sensitive => "special category",
        }
    }
}

/// As JSON has it.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = serde_json::to_value(self).unwrap_or_default();
        f.write_str(written.as_str().unwrap_or_default())
    }
}
