//! Writes the log for people and tools outside: JSONL and CSV, one line for each [`Row`], while the gateway runs. Rows stream; memory does not grow with
//! their number. It must not know wire protocols, nor how the log is stored.
//!
//! # Fields
//!
//! Stable names, in this order; in JSONL a field without a value is `null` (lists are empty). Times are RFC 3339 in UTC with nanoseconds.
//!
//! | field | what it says |
//! |---|---|
//! | `kind` | `statement`, `prepare`, `session_opened`, `session_closed`, `alarm`, `loaded` |
//! | `time` | when it began (a statement: just before it was sent, refused or held) |
//! | `chain`, `sequence` | where its first entry is in the log |
//! | `session`, `statement` | the session, and the statement's number in it |
//! | `origin` | `client`, or `gateway` for the gateway's own statements |
//! | `subject`, `issuer`, `roles` | who did it |
//! | `on_behalf_of` | for whom, nearest first: `issuer` and `subject` of each |
//! | `client`, `application`, `database`, `engine`, `tls` | the session's address, `application_name`, database and whether it was encrypted |
//! | `text`, `values` | the statement and its bind values; what belongs to masked columns as keyed hashes |
//! | `fingerprint` | equal for statements of one shape |
//! | `effects` | what it does: `effect`, and the `objects` that it touches |
//! | `tables`, `columns_read`, `columns_written` | what it touches |
//! | `verdict`, `rule`, `reason`, `policy` | what policy said, by which rule of which version, and why |
//! | `observed` | whether the verdict was only logged |
//! | `masks` | masks of the result, `column=masker` |
//! | `hold` | the approval: `id`, `time`, `reviewers` (roles), `expires`, and when it ended `ruling`, `ruled`, `reviewer`, `because` |
//! | `executions` | how often the portal was executed after its first time |
//! | `status` | `ok`, `error`, `refused`, `denied`, `expired`, `cancelled`, `lost`, `skipped`, or `running`, `held`, `outcome unknown` |
//! | `code`, `detail`, `position` | SQLSTATE or errno, the gateway's own words, and the place in the text that they speak of |
//! | `rows`, `bytes`, `duration_ns`, `masked_fields` | what came back |
//! | `ended`, `end_sequence`, `end_hash` | the entry that ended it |
//! | `previous`, `hash` | hash of the entry before its first entry, and of that entry itself |
//! | `event` | what happened, for kinds other than `statement` and `prepare` |
//!
//! ```
//! # use querygate_journal::{Filter, Journal, Keys, Options};
//! # let folder = tempfile::tempdir()?;
//! # let journal = Journal::open(folder.path(), Options::new(Keys::from_bytes(&[1; 32], &[2; 32])))?;
//! let mut out = Vec::new();
//! let lines = querygate_export::jsonl(journal.reader().search(&Filter::default())?, &mut out)?;
//! assert_eq!(lines, 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod csv_lines;
mod line;

use std::io::{self, Write};

use querygate_journal::Row;

pub use csv_lines::csv;
pub use line::Line;

/// Why an export stopped. What was written before is whole lines.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] querygate_journal::Error),
    /// The output could not be written.
    #[error("the export cannot be written: {0}")]
    Write(#[from] io::Error),
}

/// Writes each row as one JSON object on a line of its own; returns how many.
pub fn jsonl(
    rows: impl Iterator<Item = Result<Row, querygate_journal::Error>>,
    out: &mut dyn Write,
) -> Result<u64, Error> {
    let mut lines = 0;
    let mut line = Vec::new();
    for row in rows {
        line.clear();
        serde_json::to_writer(&mut line, &Line::from(&row?)).map_err(io::Error::from)?;
        line.push(b'\n');
        out.write_all(&line)?;
        lines += 1;
    }
    out.flush()?;
    Ok(lines)
}
