use querygate_mask::{Masker, NullRule};

use crate::document::{Located, Value, nearest};

/// The longest fixed text, in bytes; it is written once per row.
const MAX_FIXED_BYTES: usize = 4096;
/// The most characters that `keep_first` and `keep_last` keep.
const MAX_KEPT: u64 = 1_000;
/// The largest step of `round`.
const MAX_STEP: u64 = 1_000_000_000_000_000;

pub(super) const NULLS: &[(&str, NullRule)] = &[("keep", NullRule::Keep), ("hide", NullRule::Hide)];
const WORDS: &[&str] = &["redact", "null", "email", "year", "month", "scan"];
const WITH_ARGUMENT: &[(&str, &str)] = &[
    ("fixed", "{ fixed = \"n/a\" }"),
    ("keep_first", "{ keep_first = 2 }"),
    ("keep_last", "{ keep_last = 4 }"),
    ("round", "{ round = 100 }"),
    ("hash", "{ hash = \"key-name\" }"),
    ("fpe", "{ fpe = \"key-name\" }"),
];

/// `mask.<column> = ...`.
#[derive(Clone, Debug)]
pub(crate) struct ColumnMask {
    pub column: Located<String>,
    pub masker: Masker,
    pub nulls: NullRule,
}

/// Reads a masker: a word, `{ keep_last = 4 }`, or `{ mask = "email", nulls = "hide" }`.
pub(super) fn read(column: Located<String>, value: &Value<'_>, nulls: NullRule) -> Option<ColumnMask> {
    if value.is_string() {
        let masker = word(value)?;
        return Some(ColumnMask { column, masker, nulls });
    }
    if !value.is_table() {
        value.error(
            format!("`{}` is not a masker", value.path()),
            "write a word such as \"redact\", or { keep_last = 4 }",
        );
        return None;
    }
    let mut table = value.table()?;
    let nulls = table.value("nulls").and_then(|v| v.one_of(NULLS)).unwrap_or(nulls);
    let named = [
        table.value("mask").map(|v| word(&v)),
        table.value("fixed").map(|v| fixed(&v)),
        table
            .value("keep_first")
            .map(|v| v.integer(1..=MAX_KEPT).and_then(|n| u32::try_from(n).ok()).map(Masker::KeepFirst)),
        table
            .value("keep_last")
            .map(|v| v.integer(1..=MAX_KEPT).and_then(|n| u32::try_from(n).ok()).map(Masker::KeepLast)),
        table.value("round").map(|v| v.integer(1..=MAX_STEP).map(Masker::Round)),
        table.value("hash").map(|v| v.string().map(|key| Masker::Hash(key.value))),
        table.value("fpe").map(|v| v.string().map(|key| Masker::Fpe(key.value))),
    ];
    table.finish();
    let mut named = named.into_iter().flatten();
    match (named.next(), named.next()) {
        (Some(masker), None) => masker.map(|masker| ColumnMask { column, masker, nulls }),
        _ => {
            value.error(format!("`{}` must name one masker", value.path()), "write it like { keep_last = 4 }");
            None
        }
    }
}

fn word(value: &Value<'_>) -> Option<Masker> {
    let text = value.string()?;
    let masker = Masker::named(&text);
    if masker.is_none() {
        unknown(value, &text);
    }
    masker
}

fn unknown(value: &Value<'_>, text: &str) {
    if let Some((_, form)) = WITH_ARGUMENT.iter().find(|(name, _)| *name == text) {
        value.error(format!("masker `{text}` needs an argument"), format!("write it like {form}"));
    } else {
        let all = || WORDS.iter().copied().chain(WITH_ARGUMENT.iter().map(|(name, _)| *name));
        let remedy = match nearest(text, all()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("maskers are: {}", all().collect::<Vec<_>>().join(", ")),
        };
        value.error(format!("unknown masker {text:?}"), remedy);
    }
}

fn fixed(value: &Value<'_>) -> Option<Masker> {
    let text = value.string()?;
    if text.len() > MAX_FIXED_BYTES || text.contains('\0') {
        value.error("the fixed value is too long or holds a NUL", format!("at most {MAX_FIXED_BYTES} bytes"));
        return None;
    }
    Some(Masker::Fixed(text.value))
}
