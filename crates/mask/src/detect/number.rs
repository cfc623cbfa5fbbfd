use std::ops::Range;

use regex::Regex;

/// Fewest digits of anything that a detector finds by its digits: a social security or telephone number.
pub(super) const DIGITS_MIN: usize = 7;

/// Digits of a card's number.
const CARD_DIGITS: std::ops::RangeInclusive<usize> = 13..=19;

/// Digits of a group in a card's number, if it is grouped.
const CARD_GROUP: std::ops::RangeInclusive<usize> = 3..=6;

/// Most groups that may belong to one card's number.
const CARD_GROUPS_MAX: usize = 5;

/// Digits of a telephone number (ITU-T E.164 allows fifteen).
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// Characters of an IBAN.
const IBAN_LENGTH: std::ops::RangeInclusive<usize> = 15..=34;

/// Whether no letter or digit touches the range.
pub(super) fn stands_alone(text: &str, range: &Range<usize>) -> bool {
    let before = text.get(..range.start).and_then(|before| before.chars().next_back());
    let after = text.get(range.end..).unwrap_or_default();
    let mut next = after.chars();
    let joined = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    // A further group of digits makes it another number.
    let goes_on = matches!(next.next(), Some('-' | '.')) && next.next().is_some_and(|c| c.is_ascii_digit());
    !joined(before) && !joined(after.chars().next()) && !goes_on
}

/// Numbers of cards among runs of digits: solid, or in groups of three to six that begin with four.
pub(super) fn cards(text: &str, runs: &Regex) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for run in runs.find_iter(text).filter(|run| run.len() >= *CARD_DIGITS.start()) {
        let groups: Vec<Range<usize>> = groups(run.as_str(), run.start());
        let mut first = 0;
        while let Some(card) = groups.get(first..).and_then(|rest| card(text, rest)) {
            match card {
                Some((range, count)) => {
                    found.extend(Some(range).filter(|range| stands_alone(text, range)));
                    first += count;
                }
                None => first += 1,
            }
        }
    }
    found
}

/// Where each group of digits stands.
fn groups(run: &str, start: usize) -> Vec<Range<usize>> {
    let mut groups = Vec::new();
    let mut at = start;
    for group in run.split([' ', '-']) {
        groups.push(at..at + group.len());
        at += group.len() + 1;
    }
    groups
}

/// A card that begins with the first group: its range and groups. The outer option is empty where no group is left.
fn card(text: &str, groups: &[Range<usize>]) -> Option<Option<(Range<usize>, usize)>> {
    let first = groups.first()?;
    let is_card = |range: &Range<usize>| {
        let digits = digits(text, range);
        CARD_DIGITS.contains(&digits.len()) && matches!(digits.first(), Some(2..=6)) && luhn(&digits)
    };
    if is_card(first) {
        return Some(Some((first.clone(), 1)));
    }
    if first.len() != 4 {
        return Some(None);
    }
    let grouped = groups.iter().take(CARD_GROUPS_MAX).take_while(|group| CARD_GROUP.contains(&group.len())).count();
    let found = (2..=grouped).rev().find_map(|count| {
        let range = first.start..groups.get(count - 1)?.end;
        is_card(&range).then_some((range, count))
    });
    Some(found)
}

fn digits(text: &str, range: &Range<usize>) -> Vec<u8> {
    let written = text.get(range.clone()).unwrap_or_default();
    written.bytes().filter(u8::is_ascii_digit).map(|byte| byte - b'0').collect()
}

/// ISO/IEC 7812-1, annex B.
fn luhn(digits: &[u8]) -> bool {
    let doubled = |digit: u8| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| u32::from(if place % 2 == 1 { doubled(*digit) } else { *digit }))
        .sum();
    sum.is_multiple_of(10) && digits.iter().any(|digit| *digit != 0)
}

/// Area 000 and 666, group 00 and serial 0000 are never given out; areas from 900 are taxpayer numbers.
pub(super) fn is_ssn(text: &str, range: &Range<usize>) -> bool {
    let digits = digits(text, range);
    let (area, rest) = digits.split_at_checked(3).unwrap_or_default();
    let (group, serial) = rest.split_at_checked(2).unwrap_or_default();
    let zero = |part: &[u8]| part.iter().all(|digit| *digit == 0);
    !zero(area) && area != [6, 6, 6] && !zero(group) && !zero(serial)
}

pub(super) fn is_phone(text: &str, range: &Range<usize>) -> bool {
    let digits = digits(text, range);
    PHONE_DIGITS.contains(&digits.len()) && digits.iter().any(|digit| Some(digit) != digits.last())
}

/// The IBAN at the start of what looks like one: the longest part that has the right check digits.
pub(super) fn iban(text: &str, range: &Range<usize>) -> Option<Range<usize>> {
    let written = text.get(range.clone())?;
    let before = text.get(..range.start)?.chars().next_back();
    if before.is_some_and(char::is_alphanumeric) {
        return None;
    }
    // A word after it may have been taken for a last group.
    let ends = written.match_indices(' ').map(|(at, _)| at).chain([written.len()]).collect::<Vec<_>>();
    let end = ends.into_iter().rev().find(|end| written.get(..*end).is_some_and(is_iban))?;
    let alone = !text.get(range.start + end..)?.starts_with(char::is_alphanumeric);
    alone.then_some(range.start..range.start + end)
}

/// ISO 13616: the first four characters behind the others, letters as numbers from 10, modulo 97.
fn is_iban(written: &str) -> bool {
    let characters: Vec<u8> = written.bytes().filter(|byte| *byte != b' ').collect();
    let Some((head, tail)) = characters.split_at_checked(4) else { return false };
    if !IBAN_LENGTH.contains(&characters.len()) {
        return false;
    }
    let remainder = tail.iter().chain(head).fold(0u32, |remainder, character| match character {
        b'0'..=b'9' => (remainder * 10 + u32::from(character - b'0')) % 97,
        letter => (remainder * 100 + u32::from(letter.to_ascii_uppercase() - b'A') + 10) % 97,
    });
    remainder == 1
}
