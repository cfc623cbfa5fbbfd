//! What commands print: tables for people, JSON for programs, always on standard output.

use std::io::{self, Write};

use jiff::{Timestamp, Unit};
use querygate_console::printable;
use serde::Serialize;

use super::Failure;

/// The most characters of a statement that a list shows; `show` and `--json` have the whole.
pub const TEXT_SHOWN_MAX: usize = 160;

/// Writes to standard output. A reader that has gone away (`| head`) ends the command without complaint.
pub fn write(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(broken)
}

/// One JSON document.
pub fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Failure::wrong(format!("no JSON can be made: {e}")))?;
    write(&(text + "\n"))
}

/// Why standard output can't be written.
pub fn broken(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::ReaderGone,
        _ => Failure::wrong(format!("standard output can't be written: {error}")),
    }
}

/// Rows under headings, each column as wide as its widest cell.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    pub fn new(headings: &[&str]) -> Table {
        Table { rows: vec![headings.iter().map(|h| (*h).to_owned()).collect()] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| one_line(&cell)).collect());
    }

    /// The whole as text; `empty` where there are no rows.
    pub fn render(&self, empty: &str) -> String {
        if self.rows.len() == 1 {
            return format!("{empty}\n");
        }
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|c: &String| c.chars().count()).max()
        };
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        };
        self.rows.iter().map(line).collect()
    }
}

/// Named facts, one a line, their values aligned; lines without a value are left out.
pub fn facts(pairs: &[(&str, String)]) -> String {
    let shown: Vec<_> = pairs.iter().filter(|(_, value)| !value.is_empty()).collect();
    let width = shown.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0) + 2;
    let line = |(name, value): &&(&str, String)| {
        let indent = format!("\n{:width$}", "");
        format!("{name:<width$}{}\n", printable(value).trim_end().replace('\n', &indent))
    };
    shown.iter().map(line).collect()
}

/// A text on one line, as a terminal may show it, its white space squeezed.
pub fn one_line(text: &str) -> String {
    let squeezed = text.split_whitespace().collect::<Vec<_>>().join(" ");
    printable(&squeezed).into_owned()
}

/// The same, cut to what a list has room for.
pub fn shortened(text: &str) -> String {
    let line = one_line(text);
    match line.char_indices().nth(TEXT_SHOWN_MAX) {
        Some((end, _)) => line.get(..end).unwrap_or_default().to_owned() + "...",
        None => line,
    }
}

/// A moment in UTC, to the millisecond.
pub fn time(ns: i64) -> String {
    let moment = Timestamp::from_nanosecond(ns.into()).ok();
    let rounded = moment.map(|t| t.round(Unit::Millisecond).unwrap_or(t));
    rounded.map_or_else(|| format!("{ns} ns"), |t| format!("{t:.3}"))
}

/// A length of time in the largest unit that shows it well.
pub fn duration(ns: u64) -> String {
    const MICROSECOND: u64 = 1_000;
    const MILLISECOND: u64 = 1_000_000;
    const SECOND: u64 = 1_000_000_000;
    match ns {
        0..MILLISECOND => format!("{} us", ns / MICROSECOND),
        MILLISECOND..SECOND => format!("{} ms", ns / MILLISECOND),
        _ => {
            let seconds = ns / SECOND;
            match seconds {
                0..120 => format!("{seconds} s"),
                120..7_200 => format!("{} min", seconds / 60),
                7_200..172_800 => format!("{} h", seconds / 3_600),
                _ => format!("{} d", seconds / 86_400),
            }
        }
    }
}

/// How long ago a moment was; none of it where it has not come yet.
pub fn since(then_ns: i64) -> String {
    duration(u64::try_from(now_ns().saturating_sub(then_ns)).unwrap_or(0))
}

/// How long it is until a moment; none of it where it is over.
pub fn until(then_ns: i64) -> String {
    duration(u64::try_from(then_ns.saturating_sub(now_ns())).unwrap_or(0))
}

/// Now, nanoseconds since 1970-01-01 UTC.
pub fn now_ns() -> i64 {
    i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX)
}

/// `1 row`, `2 rows`.
pub fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_nothing_trails() {
        let mut table = Table::new(&["NAME", "ROLES"]);
        table.row(["reporting".to_owned(), "agent".to_owned()]);
        table.row(["größe".to_owned(), String::new()]);
        assert_eq!(table.render("none"), "NAME       ROLES\nreporting  agent\ngröße\n");
        assert_eq!(Table::new(&["NAME"]).render("no accounts"), "no accounts\n");
    }

    #[test]
    fn what_a_stranger_wrote_stays_on_its_line_and_moves_no_cursor() {
        let mut table = Table::new(&["TEXT"]);
        table.row(["SELECT 1\n\u{1b}[2Kroot".to_owned()]);
        assert_eq!(table.render(""), "TEXT\nSELECT 1 \\u{1b}[2Kroot\n");
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let cut = shortened(&"ß".repeat(TEXT_SHOWN_MAX + 1));
        assert_eq!(cut.chars().count(), TEXT_SHOWN_MAX + 3);
        assert_eq!(shortened("SELECT 1"), "SELECT 1");
    }

    #[test]
    fn values_of_several_lines_stay_in_their_column() {
        let shown = facts(&[("text", "SELECT 1\nFROM t".to_owned()), ("why", String::new()), ("rule", "a".to_owned())]);
        assert_eq!(shown, "text  SELECT 1\n      FROM t\nrule  a\n");
    }

    #[test]
    fn times_are_told_in_units_that_people_use() {
        assert_eq!(time(1_700_000_000_123_456_789), "2023-11-14T22:13:20.123Z");
        let shown = [900, 1_500_000, 90_000_000_000, 3_600_000_000_000, 200_000_000_000_000].map(duration);
        assert_eq!(shown, ["0 us", "1 ms", "90 s", "60 min", "2 d"].map(str::to_owned));
    }
}
