use std::{ops::Range, time::Duration};

use toml::de::DeTable;

use super::{Located, Reader, Severity, Value, nearest};

/// A table of the file. Each accessor takes the value of a key, reports what is wrong with it, and gives nothing where it is absent or wrong.
#[derive(Debug)]
pub struct Table<'a> {
    reader: &'a Reader,
    entries: &'a DeTable<'a>,
    path: String,
    span: Range<usize>,
    known: Vec<String>,
}

impl<'a> Table<'a> {
    pub(super) fn new(reader: &'a Reader, entries: &'a DeTable<'a>, path: String, span: Range<usize>) -> Table<'a> {
        Table { reader, entries, path, span, known: Vec::new() }
    }

    /// The bytes of its header, for problems about the table as a whole.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The value of a key, if it is there.
    pub fn value(&mut self, key: &str) -> Option<Value<'a>> {
        self.known.push(key.to_owned());
        let (name, value) = self.entries.get_key_value(key)?;
        Some(Value::new(self.reader, value, join(&self.path, key), name.span()))
    }

    /// The value of a key that must be there.
    pub fn required(&mut self, key: &str, example: &str) -> Option<Value<'a>> {
        let value = self.value(key);
        if value.is_none() {
            let place = Some(self.span()).filter(|s| !s.is_empty());
            let owner = if self.path.is_empty() { String::new() } else { format!(" in `{}`", self.path) };
            let remedy = Some(format!("add `{key} = {example}`"));
            self.reader.report(Severity::Error, place, format!("`{key}` is missing{owner}"), remedy);
        }
        value
    }

    /// A string.
    pub fn string(&mut self, key: &str) -> Option<Located<String>> {
        self.value(key)?.string()
    }

    /// A list of strings.
    pub fn strings(&mut self, key: &str) -> Option<Vec<Located<String>>> {
        self.value(key)?.strings()
    }

    /// True or false.
    pub fn boolean(&mut self, key: &str) -> Option<bool> {
        self.value(key)?.boolean()
    }

    /// A time such as `"30s"`.
    pub fn duration(&mut self, key: &str) -> Option<Duration> {
        self.value(key)?.duration()
    }

    /// A number of bytes such as `"1GiB"` or `4096`.
    pub fn bytes(&mut self, key: &str) -> Option<u64> {
        self.value(key)?.bytes()
    }

    /// A whole number from a range.
    pub fn integer(&mut self, key: &str, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
        self.value(key)?.integer(range)
    }

    /// A table inside.
    pub fn table(&mut self, key: &str) -> Option<Table<'a>> {
        self.value(key)?.table()
    }

    /// `[[key]]`: a list of tables; empty where the key is absent.
    pub fn tables(&mut self, key: &str) -> Vec<Table<'a>> {
        self.value(key).map(|v| v.tables()).unwrap_or_default()
    }

    /// All entries, for tables whose keys are names of the user's choice.
    pub fn entries(&self) -> Vec<(Located<String>, Value<'a>)> {
        let entry = |(key, value): (&'a toml::Spanned<_>, _)| {
            let key: &'a toml::Spanned<std::borrow::Cow<'a, str>> = key;
            let name = Located { value: key.get_ref().to_string(), span: key.span() };
            let value = Value::new(self.reader, value, join(&self.path, &name.value), key.span());
            (name, value)
        };
        self.entries.iter().map(entry).collect()
    }

    /// Names every key that nobody asked for.
    pub fn finish(self) {
        for key in self.entries.keys().filter(|k| !self.known.iter().any(|known| known == k.get_ref())) {
            let remedy = match nearest(key.get_ref(), self.known.iter().map(String::as_str)) {
                Some(meant) => format!("did you mean `{}`?", join(&self.path, meant)),
                None if self.known.is_empty() => "leave it out".to_owned(),
                None => format!("known here: {}", self.known.join(", ")),
            };
            let message = format!("unknown key `{}`", join(&self.path, key.get_ref()));
            self.reader.report(Severity::Error, Some(key.span()), message, Some(remedy));
        }
    }

    /// Reports a problem about the table as a whole.
    pub fn error(&self, message: impl Into<String>, remedy: impl Into<String>) {
        let place = Some(self.span()).filter(|s| !s.is_empty());
        self.reader.report(Severity::Error, place, message.into(), Some(remedy.into()));
    }

    /// The reader, for problems with a span that the caller kept.
    pub fn reader(&self) -> &'a Reader {
        self.reader
    }
}

/// The dotted path of a key, quoted where TOML would need quotes.
fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let key = if bare { key.to_owned() } else { format!("{key:?}") };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}
