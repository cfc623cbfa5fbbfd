//! Finds personal data and credentials in text by their form: the third net, behind naming the columns that hold them.
//!
//! Each detector reads a text once and keeps no more than its findings. What a form allows by chance is checked further: cards by Luhn's digit
//! (ISO/IEC 7812-1), IBANs modulo 97 (ISO 13616), social security numbers by the ranges that are never given out.

mod number;
mod secret;

use std::{cmp::Reverse, fmt, ops::Range, sync::LazyLock};

use bytes::BytesMut;
use regex::Regex;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Detected {
    /// A payment card's number.
    Card,
    /// An e-mail address.
    Email,
    /// An international bank account number.
    Iban,
    /// A telephone number.
    Phone,
    /// An API key, access token or private key.
    Secret,
    /// A US social security or individual taxpayer number.
    Ssn,
}

impl Detected {
    /// What stands in its place.
    pub fn marker(self) -> &'static str {
        match self {
            Detected::Card => "[card]",
            Detected::Email => "[email]",
            Detected::Iban => "[iban]",
            Detected::Phone => "[phone]",
            Detected::Secret => "[secret]",
            Detected::Ssn => "[ssn]",
        }
    }
}

impl fmt::Display for Detected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.marker().trim_matches(['[', ']']))
    }
}

/// A finding: what, and where in the text.
pub(crate) type Finding = (Range<usize>, Detected);

struct Patterns {
    email: Regex,
    iban: Regex,
    phone: Regex,
    runs: Regex,
    ssn: Regex,
    secrets: secret::Secrets,
}

/// None if a pattern does not compile, which a test rules out; then every text counts as found.
static PATTERNS: LazyLock<Option<Patterns>> = LazyLock::new(|| {
    let regex = |pattern: &str| Regex::new(pattern).ok();
    Some(Patterns {
        email: regex(r"[\p{L}\p{N}._%+'-]+@(?:[\p{L}\p{N}-]+\.)+\p{L}[\p{L}\p{N}-]{1,23}")?,
        iban: regex(r"[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{2,4}){3,8}(?: ?[A-Z0-9]{1,3})?|[a-z]{2}[0-9]{2}[a-z0-9]{11,30}")?,
        phone: regex(concat!(
            r"(?:\+|\b00)[1-9](?:[ ./-]?\(?[0-9]{1,5}\)?){2,8}",
            r"|\(?[2-9][0-9]{2}\)?[ .-][2-9][0-9]{2}[ .-][0-9]{4}",
            r"|\(0[0-9]{1,4}\) ?[0-9]{3,4}[ -]?[0-9]{3,5}",
            r"|\b0[0-9]{2,4}[ /-][0-9]{3,4} ?[0-9]{3,5}",
        ))?,
        runs: regex(r"[0-9](?:[ -]?[0-9])+")?,
        ssn: regex(r"[0-9]{3}-[0-9]{2}-[0-9]{4}|[0-9]{3} [0-9]{2} [0-9]{4}")?,
        secrets: secret::Secrets::new()?,
    })
});

/// What a text holds, in order, none over another.
pub(crate) fn find(text: &str) -> Vec<Finding> {
    let Some(patterns) = PATTERNS.as_ref() else { return vec![(0..text.len(), Detected::Secret)] };
    let mut found = patterns.secrets.find(text);
    if text.contains('@') {
        found.extend(patterns.email.find_iter(text).map(|m| (m.range(), Detected::Email)));
    }
    if text.bytes().filter(u8::is_ascii_digit).nth(number::DIGITS_MIN - 1).is_some() {
        let alone = |range: &Range<usize>| number::stands_alone(text, range);
        found.extend(number::cards(text, &patterns.runs).into_iter().map(|range| (range, Detected::Card)));
        let ranges = |regex: &Regex| regex.find_iter(text).map(|m| m.range()).collect::<Vec<_>>();
        let ssns = ranges(&patterns.ssn).into_iter().filter(|range| alone(range) && number::is_ssn(text, range));
        found.extend(ssns.map(|range| (range, Detected::Ssn)));
        let ibans = ranges(&patterns.iban).into_iter().filter_map(|range| number::iban(text, &range));
        found.extend(ibans.map(|range| (range, Detected::Iban)));
        let phones = ranges(&patterns.phone).into_iter().filter(|range| alone(range) && number::is_phone(text, range));
        found.extend(phones.map(|range| (range, Detected::Phone)));
    }
    apart(found)
}

/// In order; of findings that overlap one remains, which covers all of them. A telephone number, whose form is the loosest, gives way.
fn apart(found: Vec<Finding>) -> Vec<Finding> {
    let (phones, mut others): (Vec<Finding>, Vec<Finding>) =
        found.into_iter().partition(|(_, what)| *what == Detected::Phone);
    others.sort_by_key(|(range, what)| (range.start, Reverse(range.end), *what));
    let mut kept: Vec<Finding> = Vec::with_capacity(others.len() + phones.len());
    for (range, what) in others {
        match kept.last_mut() {
            Some((last, _)) if range.start < last.end => last.end = last.end.max(range.end),
            _ => kept.push((range, what)),
        }
    }
    let is_free = |phone: &Range<usize>| {
        let next = kept.partition_point(|(range, _)| range.end <= phone.start);
        kept.get(next).is_none_or(|(range, _)| phone.end <= range.start)
    };
    let free: Vec<Finding> = phones.into_iter().filter(|(range, _)| is_free(range)).collect();
    kept.extend(free);
    kept.sort_by_key(|(range, _)| range.start);
    kept
}

/// What a text holds: for a report, which must not repeat it.
pub fn detect(text: &str) -> Vec<Detected> {
    find(text).into_iter().map(|(_, what)| what).collect()
}

/// What a text is as a whole, white space around it aside.
pub fn detect_whole(text: &str) -> Option<Detected> {
    let text = text.trim();
    match find(text).as_slice() {
        [(range, what)] if *range == (0..text.len()) => Some(*what),
        _ => None,
    }
}

/// Appends the text with what was found replaced by markers; how many there were.
pub(crate) fn scrub(text: &str, out: &mut BytesMut) -> usize {
    let found = find(text);
    let mut at = 0;
    for (range, what) in &found {
        out.extend_from_slice(text.get(at..range.start).unwrap_or_default().as_bytes());
        out.extend_from_slice(what.marker().as_bytes());
        at = range.end;
    }
    out.extend_from_slice(text.get(at..).unwrap_or_default().as_bytes());
    found.len()
}
