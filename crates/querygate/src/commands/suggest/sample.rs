//! Looks at some values of each table through the detectors. A value is never shown or kept: only what was found in it, and how often.

use std::collections::BTreeMap;

use querygate_gateway::{Own, OwnError};
use querygate_mask::{Detected, detect, detect_whole};
use querygate_sql::catalog::Relation;
use serde::Serialize;

use super::names::Form;

/// Characters of a value that are looked at.
const VALUE_CHARACTERS_MAX: usize = 2_000;
/// Columns in one question: json_build_array takes a hundred arguments at most.
const COLUMNS_MAX: usize = 90;
/// Rows per row asked for above which a part of the table's pages is read.
const PAGES_FROM: f64 = 20.0;
/// How long the server may take over one table.
pub const TABLE_LIMIT: &str = "5s";

/// What the detectors found in the values of one column.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sampled {
    /// Values looked at, NULL and empty ones aside.
    pub values: usize,
    /// How many of them are one finding as a whole.
    pub whole: BTreeMap<String, usize>,
    /// How many of them hold a finding.
    pub within: BTreeMap<String, usize>,
}

impl Sampled {
    fn add(&mut self, value: &str) {
        if value.trim().is_empty() {
            return;
        }
        self.values += 1;
        if let Some(what) = detect_whole(value) {
            *self.whole.entry(what.to_string()).or_default() += 1;
        }
        let mut found: Vec<Detected> = detect(value);
        found.sort_unstable();
        found.dedup();
        for what in found {
            *self.within.entry(what.to_string()).or_default() += 1;
        }
    }
}

/// Makes the connection one that only reads, and never for long.
pub async fn prepare(own: &mut Own) -> Result<(), OwnError> {
    let text = format!(
        "SET default_transaction_read_only = on; SET statement_timeout = '{TABLE_LIMIT}'; SET lock_timeout = '1s'; SELECT 'ready'"
    );
    own.ask(&text).await.map(|_| ())
}

/// Looks at up to `rows` rows of a table; by column number.
pub async fn table(
    own: &mut Own,
    relation: &Relation,
    columns: &[(i16, &str, Form)],
    rows: u32,
) -> Result<BTreeMap<i16, Sampled>, OwnError> {
    let mut sampled = BTreeMap::new();
    let readable: Vec<_> =
        columns.iter().filter(|(_, _, form)| matches!(form, Form::Text | Form::Json | Form::Number)).collect();
    if readable.is_empty() {
        return Ok(sampled);
    }
    let estimate = own
        .ask(&format!("SELECT reltuples::pg_catalog.float8 FROM pg_catalog.pg_class WHERE oid = {}", relation.oid))
        .await?;
    let part = part(estimate.parse().unwrap_or(0.0), rows);
    for some in readable.chunks(COLUMNS_MAX) {
        let names: Vec<String> = some.iter().map(|(_, name, _)| quoted(name)).collect();
        let answer = own.ask(&question(relation, &names, &part, rows)).await?;
        let table: Vec<Vec<Option<String>>> = serde_json::from_str(&answer)
            .map_err(|_| OwnError::Protocol("the sample is not the expected JSON".to_owned()))?;
        for (place, (number, _, _)) in some.iter().enumerate() {
            let column: &mut Sampled = sampled.entry(*number).or_default();
            table.iter().filter_map(|row| row.get(place)?.as_deref()).for_each(|value| column.add(value));
        }
    }
    Ok(sampled)
}

/// Of a large table some pages are read, else the first rows.
fn part(estimate: f64, rows: u32) -> String {
    let wanted = f64::from(rows);
    if estimate > wanted * PAGES_FROM {
        let percent = (wanted * PAGES_FROM / estimate * 100.0).clamp(0.001, 100.0);
        format!(" TABLESAMPLE SYSTEM ({percent:.3})")
    } else {
        String::new()
    }
}

fn question(relation: &Relation, names: &[String], part: &str, rows: u32) -> String {
    let table = format!("{}.{}", quoted(&relation.schema), quoted(&relation.name));
    let values: Vec<String> = names
        .iter()
        .map(|name| format!("pg_catalog.left(s.{name}::pg_catalog.text, {VALUE_CHARACTERS_MAX})"))
        .collect();
    format!(
        "SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_array({})), '[]')::pg_catalog.text FROM (SELECT {} FROM {table}{part} LIMIT {rows}) s",
        values.join(", "),
        names.join(", ")
    )
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_counts_what_was_found_and_keeps_no_value() {
        let mut sampled = Sampled::default();
        ["jane@example.com", "  ", "write to jane@example.com or a@b.org", "nothing"]
            .iter()
            .for_each(|v| sampled.add(v));
        let shown = serde_json::to_string(&sampled).unwrap();
        assert_eq!(shown, r#"{"values":3,"whole":{"email":1},"within":{"email":2}}"#);
    }

    #[test]
    fn large_tables_are_read_in_part_and_small_ones_from_the_start() {
        assert_eq!(part(1_000.0, 100), "");
        assert_eq!(part(2_000_000.0, 100), " TABLESAMPLE SYSTEM (0.100)");
        assert_eq!(part(-1.0, 100), "");
        assert_eq!(part(1e30, 100), " TABLESAMPLE SYSTEM (0.001)");
    }
}
