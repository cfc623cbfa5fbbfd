use std::io::Write;

use querygate_journal::Row;
use serde_json::Value;

use crate::{Error, Line};

/// Writes a heading and each row as one line of comma-separated values (RFC 4180); returns how many rows. The columns are those of JSONL; lists and objects
/// are JSON in their cell.
///
/// A cell that a spreadsheet would take for a formula (it begins with `=`, `+`, `-`, `@`, a tab or a carriage return) gets a `'` in front: texts come from
/// whoever was logged, and the file is opened by whoever reviews them. JSONL is exact.
pub fn csv(
    rows: impl Iterator<Item = Result<Row, querygate_journal::Error>>,
    out: &mut dyn Write,
) -> Result<u64, Error> {
    let mut writer = csv::WriterBuilder::new().buffer_capacity(BUFFER_BYTES).from_writer(out);
    let mut lines = 0;
    writer.write_record(HEADING).map_err(broken)?;
    for row in rows {
        let row = row?;
        let line = serde_json::to_value(Line::from(&row)).map_err(std::io::Error::from)?;
        let cells = HEADING.iter().map(|name| line.get(name).map(cell).unwrap_or_default());
        writer.write_record(cells).map_err(broken)?;
        lines += 1;
    }
    writer.flush()?;
    Ok(lines)
}

const BUFFER_BYTES: usize = 64 << 10;

#[rustfmt::skip]
const HEADING: &[&str] = &[
    "kind", "time", "chain", "sequence", "session", "statement", "origin", "subject", "issuer", "roles", "on_behalf_of", "client", "application",
    "database", "engine", "tls", "text", "values", "fingerprint", "effects", "tables", "columns_read", "columns_written", "verdict", "rule", "reason",
    "policy", "observed", "masks", "hold", "executions", "status", "code", "detail", "position", "rows", "bytes", "duration_ns", "masked_fields",
    "ended", "end_sequence", "end_hash", "previous", "hash", "event",
];

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if text.starts_with(['=', '+', '-', '@', '\t', '\r']) => format!("'{text}"),
        Value::String(text) => text.clone(),
        Value::Array(list) if list.is_empty() => String::new(),
        other => other.to_string(),
    }
}

fn broken(error: csv::Error) -> Error {
    let text = error.to_string();
    match error.into_kind() {
        csv::ErrorKind::Io(error) => Error::Write(error),
        _ => Error::Write(std::io::Error::other(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_a_spreadsheet_would_run_is_shown_instead() {
        assert_eq!(cell(&Value::from("=HYPERLINK(\"http://x\")")), "'=HYPERLINK(\"http://x\")");
        assert_eq!(cell(&Value::from("-- comment")), "'-- comment");
        assert_eq!(cell(&Value::from("SELECT 1")), "SELECT 1");
        assert_eq!(cell(&Value::from(-5)), "-5");
    }
}
