use std::{
    ops::{Deref, Range, RangeInclusive},
    time::Duration,
};

use toml::{Spanned, de::DeValue};

use super::{Reader, Severity, Table, nearest, units};

/// Something read from the file, with the bytes that it stands in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Located<T> {
    /// What was read.
    pub value: T,
    /// Where.
    pub span: Range<usize>,
}

impl<T> Deref for Located<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// A value of the file. Each accessor reports a value of the wrong kind.
#[derive(Clone, Debug)]
pub struct Value<'a> {
    reader: &'a Reader,
    inner: &'a Spanned<DeValue<'a>>,
    path: String,
    key: Range<usize>,
}

impl<'a> Value<'a> {
    pub(super) fn new(
        reader: &'a Reader,
        inner: &'a Spanned<DeValue<'a>>,
        path: String,
        key: Range<usize>,
    ) -> Value<'a> {
        Value { reader, inner, path, key }
    }

    /// The bytes that it stands in; for a table without braces of its own, those of its key.
    pub fn span(&self) -> Range<usize> {
        let span = self.inner.span();
        if span.is_empty() { self.key.clone() } else { span }
    }

    /// Its dotted key, for messages.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Reports a problem about it.
    pub fn error(&self, message: impl Into<String>, remedy: impl Into<String>) {
        self.reader.report(Severity::Error, Some(self.span()), message.into(), Some(remedy.into()));
    }

    /// Reports something an operator should look at.
    pub fn warn(&self, message: impl Into<String>, remedy: impl Into<String>) {
        self.reader.report(Severity::Warning, Some(self.span()), message.into(), Some(remedy.into()));
    }

    /// Whether it is a string.
    pub fn is_string(&self) -> bool {
        matches!(self.inner.get_ref(), DeValue::String(_))
    }

    /// Whether it is a table, inline or not.
    pub fn is_table(&self) -> bool {
        matches!(self.inner.get_ref(), DeValue::Table(_))
    }

    fn wrong_kind(&self, wanted: &str, example: &str) {
        let found = match self.inner.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.error(format!("`{}` must be {wanted}, not {found}", self.path), format!("write it like {example}"));
    }

    /// A string.
    pub fn string(&self) -> Option<Located<String>> {
        match self.inner.get_ref() {
            DeValue::String(text) => Some(Located { value: text.to_string(), span: self.span() }),
            _ => {
                self.wrong_kind("a string", "\"text\"");
                None
            }
        }
    }

    /// One of a closed list of words.
    pub fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let text = self.string()?;
        let found = words.iter().find(|(word, _)| *word == text.value).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let names = words.iter().map(|(w, _)| *w);
            let remedy = match nearest(&text, names.clone()) {
                Some(meant) => format!("did you mean {meant:?}?"),
                None => format!("one of: {}", names.map(|n| format!("{n:?}")).collect::<Vec<_>>().join(", ")),
            };
            self.error(format!("`{}` can't be {:?}", self.path, text.value), remedy);
        }
        found
    }

    /// A list of strings.
    pub fn strings(&self) -> Option<Vec<Located<String>>> {
        Some(self.list("a list of strings", "[\"a\", \"b\"]")?.iter().filter_map(Value::string).collect())
    }

    /// The values of a list.
    pub fn list(&self, wanted: &str, example: &str) -> Option<Vec<Value<'a>>> {
        match self.inner.get_ref() {
            DeValue::Array(items) => {
                let item = |v| Value::new(self.reader, v, self.path.clone(), self.key.clone());
                Some(items.iter().map(item).collect())
            }
            _ => {
                self.wrong_kind(wanted, example);
                None
            }
        }
    }

    /// True or false.
    pub fn boolean(&self) -> Option<bool> {
        match self.inner.get_ref() {
            DeValue::Boolean(value) => Some(*value),
            _ => {
                self.wrong_kind("true or false", "true");
                None
            }
        }
    }

    /// A whole number from a range.
    pub fn integer(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let DeValue::Integer(number) = self.inner.get_ref() else {
            self.wrong_kind("a whole number", &range.start().to_string());
            return None;
        };
        let value = u64::from_str_radix(number.as_str(), number.radix()).ok().filter(|n| range.contains(n));
        if value.is_none() {
            let remedy = format!("a whole number from {} to {}", range.start(), range.end());
            self.error(format!("`{}` is out of range", self.path), remedy);
        }
        value
    }

    /// A time such as `"30s"`.
    pub fn duration(&self) -> Option<Duration> {
        self.unit(units::duration, "a time", "\"30s\"; units are ms, s, m, h, d")
    }

    /// A number of bytes: `4096`, or with a unit such as `"1GiB"`.
    pub fn bytes(&self) -> Option<u64> {
        match self.inner.get_ref() {
            DeValue::Integer(_) => self.integer(0..=units::MAX_BYTES),
            _ => self.unit(units::bytes, "a number of bytes", "\"64MiB\"; units are KiB, MiB, GiB"),
        }
    }

    fn unit<T>(&self, read: fn(&str) -> Option<T>, wanted: &str, example: &str) -> Option<T> {
        let DeValue::String(text) = self.inner.get_ref() else {
            self.wrong_kind(wanted, example);
            return None;
        };
        let value = read(text);
        if value.is_none() {
            self.error(format!("`{}` is not {wanted}: {text:?}", self.path), format!("write it like {example}"));
        }
        value
    }

    /// A table.
    pub fn table(&self) -> Option<Table<'a>> {
        match self.inner.get_ref() {
            DeValue::Table(entries) => Some(Table::new(self.reader, entries, self.path.clone(), self.span())),
            _ => {
                self.wrong_kind("a table", "{ key = value }");
                None
            }
        }
    }

    /// A list of tables.
    pub fn tables(&self) -> Vec<Table<'a>> {
        let items = self.list("a list of tables", &format!("[[{}]]", self.path)).unwrap_or_default();
        items.iter().filter_map(Value::table).collect()
    }
}
