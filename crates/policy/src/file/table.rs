use std::{collections::HashSet, ops::Range};

use querygate_mask::NullRule;
use querygate_record::Engine;

use super::{ColumnMask, Unlisted, masker};
use crate::document::{Located, Table, Value};

/// What may be written to a masked column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteRule {
    /// Anything that the effect's rules allow.
    Allow,
    /// Only what differs from the mask of the stored value.
    Keep,
}

/// `[table."schema.name"]`.
#[derive(Clone, Debug)]
pub(crate) struct TableSection {
    pub schema: String,
    pub name: String,
    pub span: Range<usize>,
    pub clear: Vec<Located<String>>,
    pub masks: Vec<ColumnMask>,
    pub write: Vec<(Located<String>, WriteRule)>,
    pub clear_for: Vec<String>,
    /// What a change must compare to be bounded, in place of the table's keys.
    pub bounded_by: Option<Vec<Located<String>>>,
    unlisted: Option<Unlisted>,
}

impl TableSection {
    /// The name as policies and messages write it.
    pub fn qualified(&self) -> String {
        if self.schema.is_empty() { self.name.clone() } else { format!("{}.{}", self.schema, self.name) }
    }

    /// What a column is that the section does not name: its own word, else the file's, else `redact` where the section names any column.
    pub fn unlisted(&self, file: Option<Unlisted>) -> Unlisted {
        let names_columns = !self.masks.is_empty() || !self.clear.is_empty();
        self.unlisted.or(file).unwrap_or(if names_columns { Unlisted::Redact } else { Unlisted::Clear })
    }

    /// Every column that the section names.
    pub fn columns(&self) -> impl Iterator<Item = &Located<String>> {
        self.clear.iter().chain(self.masks.iter().map(|m| &m.column)).chain(self.write.iter().map(|(c, _)| c))
    }
}

/// Reads all sections of a file.
pub(super) fn read(tables: &Table<'_>, engine: Engine, nulls: NullRule) -> Vec<TableSection> {
    tables.entries().into_iter().filter_map(|(name, value)| section(&name, &value, engine, nulls)).collect()
}

fn section(name: &Located<String>, value: &Value<'_>, engine: Engine, nulls: NullRule) -> Option<TableSection> {
    let mut table = value.table()?;
    let nulls = table.value("nulls").and_then(|v| v.one_of(masker::NULLS)).unwrap_or(nulls);
    let masks = table.table("mask").map(|t| t.entries()).unwrap_or_default();
    let clear_for = table.strings("clear_for").unwrap_or_default();
    let write_words = [("allow", Some(WriteRule::Allow)), ("keep", Some(WriteRule::Keep)), ("refuse", None)];
    let write = table.table("write").map(|t| t.entries()).unwrap_or_default();
    let section = TableSection {
        schema: String::new(),
        name: String::new(),
        span: name.span.clone(),
        clear: table.strings("clear").unwrap_or_default(),
        masks: masks.into_iter().filter_map(|(column, v)| masker::read(column, &v, nulls)).collect(),
        write: write.into_iter().filter_map(|(column, v)| Some((column, write_rule(&v, &write_words)?))).collect(),
        clear_for: clear_for.into_iter().map(|r| r.value).collect(),
        bounded_by: table.strings("bounded_by"),
        unlisted: table.value("unlisted").and_then(|v| v.one_of(Unlisted::WORDS)),
    };
    copy_masked(&mut table);
    table.finish();
    let (schema, name) = split_name(name, value, engine)?;
    check(&section, value);
    Some(TableSection { schema, name, ..section })
}

fn write_rule(value: &Value<'_>, words: &[(&str, Option<WriteRule>)]) -> Option<WriteRule> {
    let rule = value.one_of(words)??;
    if rule == WriteRule::Keep {
        value.warn("`keep` is not built in this version: such writes are refused", "leave it, or use \"allow\"");
    }
    Some(rule)
}

fn copy_masked(table: &mut Table<'_>) {
    let Some(value) = table.value("copy_masked") else { return };
    if value.one_of(&[("allow", true), ("refuse", false)]) == Some(true) {
        value.warn("copying masked values to other tables is not built in this version: it is refused", "leave it out");
    }
}

/// `schema.table` for Postgres, `table` for MySQL; a part that holds a dot stands in double quotes.
fn split_name(name: &Located<String>, value: &Value<'_>, engine: Engine) -> Option<(String, String)> {
    let parts = parts(name);
    let wanted = if engine == Engine::Postgres { 2 } else { 1 };
    let remedy = match engine {
        Engine::Postgres => {
            format!("write it as [table.\"public.{}\"]", parts.last().map_or("customers", String::as_str))
        }
        Engine::Mysql | Engine::Mariadb => "write the table's name alone, as in [table.customers]".to_owned(),
    };
    if parts.iter().any(|p| p.contains('*') || p.is_empty()) {
        value.error(format!("{:?} is not the name of one table", name.value), "write one section for each table");
        return None;
    }
    if parts.len() != wanted {
        value.error(format!("{:?} is not a table's full name", name.value), remedy);
        return None;
    }
    let mut parts = parts.into_iter();
    match engine {
        Engine::Postgres => parts.next().zip(parts.next()),
        Engine::Mysql | Engine::Mariadb => parts.next().map(|table| (String::new(), table)),
    }
}

fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for c in name.chars() {
        match c {
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            _ => parts.iter_mut().last().into_iter().for_each(|p| p.push(c)),
        }
    }
    parts
}

/// A column can't be clear and masked at once, nor named twice.
fn check(section: &TableSection, value: &Value<'_>) {
    if section.bounded_by.as_ref().is_some_and(Vec::is_empty) {
        value.error(
            format!("`bounded_by` of `{}` names no column", value.path()),
            "name the columns that a change must compare, or leave it out: then unique and foreign keys bound",
        );
    }
    let mut seen = HashSet::new();
    for column in section.clear.iter().chain(section.masks.iter().map(|m| &m.column)) {
        if !seen.insert(column.value.as_str()) {
            value.error(
                format!("`{}` names column {:?} more than once", value.path(), column.value),
                "keep one of the two lines",
            );
        }
    }
}
