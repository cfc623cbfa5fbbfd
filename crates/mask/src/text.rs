use bytes::BytesMut;

use crate::{FieldType, Kind};

/// What stands for a text that is no e-mail address.
const NO_ADDRESS: &str = "***";

/// Characters of the longest top-level domain (`xn--vermgensberatung-pwb`).
const LAST_LABEL_MAX: usize = 24;

/// The limits of a text type that a masked value has to keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fit {
    length: Option<u32>,
    padded: bool,
}

impl Fit {
    pub(crate) fn new(field_type: &FieldType) -> Fit {
        Fit { length: field_type.length, padded: field_type.kind == Kind::Bpchar }
    }

    /// The characters that count: blanks at the end of a `char(n)` do not.
    pub(crate) fn content<'a>(&self, value: &'a str) -> &'a str {
        if self.padded { value.trim_end_matches(' ') } else { value }
    }

    /// Cuts or pads what was appended since `start` to the type's length.
    pub(crate) fn finish(&self, out: &mut BytesMut, start: usize) {
        let Some(length) = self.length.and_then(|length| usize::try_from(length).ok()) else { return };
        // A byte starts a character unless it is 0b10xx_xxxx.
        let mut starts =
            out.iter().enumerate().skip(start).filter(|(_, byte)| **byte & 0xc0 != 0x80).map(|(index, _)| index);
        let mut characters = 0;
        while characters < length && starts.next().is_some() {
            characters += 1;
        }
        let cut = starts.next();
        if let Some(cut) = cut {
            out.truncate(cut);
        } else if self.padded {
            let end = out.len() + (length - characters);
            out.resize(end, b' ');
        }
    }

    /// A constant in the type's limits.
    pub(crate) fn constant(&self, text: &str) -> Box<[u8]> {
        let mut out = BytesMut::from(self.content(text).as_bytes());
        self.finish(&mut out, 0);
        out[..].into()
    }
}

/// The first `kept` characters, then stars.
pub(crate) fn keep_first(value: &str, kept: u32, out: &mut BytesMut) {
    let kept = usize::try_from(kept).unwrap_or(usize::MAX);
    match split_characters(value, kept) {
        Some((shown, hidden)) => {
            out.extend_from_slice(shown.as_bytes());
            stars(hidden, out);
        }
        None => stars(value, out),
    }
}

/// Stars, then the last `kept` characters.
pub(crate) fn keep_last(value: &str, kept: u32, out: &mut BytesMut) {
    let kept = usize::try_from(kept).unwrap_or(usize::MAX);
    let hidden = value.chars().count().saturating_sub(kept);
    match split_characters(value, hidden) {
        Some((hidden, shown)) if !hidden.is_empty() => {
            stars(hidden, out);
            out.extend_from_slice(shown.as_bytes());
        }
        _ => stars(value, out),
    }
}

/// Splits after `count` characters; none unless more follow, or unless `count` is all of them.
fn split_characters(value: &str, count: usize) -> Option<(&str, &str)> {
    let (index, _) = value.char_indices().nth(count)?;
    value.split_at_checked(index)
}

fn stars(hidden: &str, out: &mut BytesMut) {
    let end = out.len() + hidden.chars().count();
    out.resize(end, b'*');
}

/// `j***@e***.com`. An address is a text that matches the POSIX expression
/// `^[^@\x01-\x20]+@[^@.\x01-\x20][^@\x01-\x20]*[.][A-Za-z][A-Za-z0-9-]{1,23}$`; anything else becomes `***`, so that neither
/// its characters nor its length show.
pub(crate) fn email(value: &str, out: &mut BytesMut) {
    let Some((local, domain, last_label)) = address(value) else {
        out.extend_from_slice(NO_ADDRESS.as_bytes());
        return;
    };
    for part in [local, "***@", domain, "***.", last_label] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// First character of the local part, first character of the domain, last label.
fn address(value: &str) -> Option<(&str, &str, &str)> {
    let (local, domain) = value.split_once('@')?;
    let (host, last_label) = domain.rsplit_once('.')?;
    let plain = |part: &str| part.bytes().all(|byte| byte > b' ' && byte != b'@');
    let top_level = (2..=LAST_LABEL_MAX).contains(&last_label.len())
        && last_label.starts_with(|first: char| first.is_ascii_alphabetic())
        && last_label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !top_level || !plain(local) || !plain(host) || host.starts_with('.') {
        return None;
    }
    Some((first_character(local)?, first_character(host)?, last_label))
}

fn first_character(text: &str) -> Option<&str> {
    let first = text.chars().next()?;
    text.get(..first.len_utf8())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(mask: impl Fn(&str, &mut BytesMut), value: &str) -> String {
        let mut out = BytesMut::new();
        mask(value, &mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn an_address_shows_two_characters_and_its_last_label() {
        for (value, masked) in [
            ("jane.doe@example.com", "j***@e***.com"),
            ("j@e.co", "j***@e***.co"),
            ("zoë@bücher.example.museum", "z***@b***.museum"),
            ("éa@ñb.org", "é***@ñ***.org"),
            ("\"a b\"@x.com", "***"),
            ("a@b@c.com", "***"),
            ("@x.com", "***"),
            ("a@.com", "***"),
            ("a@com", "***"),
            ("a@10.0.0.1", "***"),
            ("a@x.c", "***"),
            ("a@x.com\n", "***"),
            ("a@x.abcdefghijklmnopqrstuvwxy", "***"),
            ("", "***"),
            ("078-05-1120", "***"),
        ] {
            assert_eq!(run(email, value), masked, "{value}");
        }
    }

    #[test]
    fn kept_ends_stay_and_short_values_show_nothing() {
        for (n, value, first, last) in [
            (4, "078-05-1120", "078-*******", "*******1120"),
            (2, "ab", "**", "**"),
            (2, "abc", "ab*", "*bc"),
            (0, "abc", "***", "***"),
            (3, "ab", "**", "**"),
            (1, "日本語", "日**", "**語"),
            (1, "", "", ""),
            (u32::MAX, "abc", "***", "***"),
        ] {
            assert_eq!(run(|v, out| keep_first(v, n, out), value), first);
            assert_eq!(run(|v, out| keep_last(v, n, out), value), last);
        }
    }

    proptest! {
        #[test]
        fn keeping_shows_at_most_n_characters_and_is_stable(value in "\\PC{0,12}", n in 0u32..6) {
            for mask in [keep_first, keep_last] {
                let masked = run(|v, out| mask(v, n, out), &value);
                prop_assert_eq!(masked.chars().count(), value.chars().count());
                let starred = masked.chars().filter(|c| *c == '*').count();
                let length = value.chars().count();
                let shown = usize::try_from(n).unwrap();
                let hidden = if length > shown { length - shown } else { length };
                prop_assert!(starred >= hidden);
                prop_assert_eq!(run(|v, out| mask(v, n, out), &masked), masked);
            }
        }

        #[test]
        fn masked_addresses_are_stable_and_short(value in "\\PC{0,9}@\\PC{0,9}\\.[a-z]{1,4}|\\PC{0,20}") {
            let masked = run(email, &value);
            prop_assert_eq!(run(email, &masked), masked.clone());
            prop_assert!(masked.chars().count() <= "j***@e***.".len() + LAST_LABEL_MAX);
        }

        #[test]
        fn what_is_no_address_does_not_show(value in "[^@]{0,20}") {
            prop_assert_eq!(run(email, &value), NO_ADDRESS);
        }
    }
}
