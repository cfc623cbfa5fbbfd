use clap::Args;
use jiff::Timestamp;
use querygate_journal::{Filter, Row, RowKind};
use querygate_policy::document::units;
use querygate_record::{Effect, Origin, SessionId, Verdict};

use crate::commands::{Failure, output};

/// Which entries: those that fit every condition that is given.
#[derive(Debug, Args)]
#[command(next_help_heading = "Conditions")]
pub struct Select {
    /// Begun at or after this time (2026-11-24T20:00:00Z), or so long ago (2h, 30m, 7d).
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<i64>,
    /// Begun before this time, or so long ago.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<i64>,
    /// By this account, or on its behalf.
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
    /// In this database.
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
    /// Touching this table: its name, or schema.name.
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    /// Reading or writing this column: its name, or with table and schema.
    #[arg(long, value_name = "NAME")]
    column: Option<String>,
    /// With this effect: read, insert, update, delete, drop ...
    #[arg(long, value_parser = |name: &str| name.parse::<Effect>().map_err(|e| e.to_string()))]
    effect: Option<Effect>,
    /// With this verdict: allow, approve or block.
    #[arg(long, value_parser = verdict)]
    verdict: Option<Verdict>,
    /// In this session.
    #[arg(long, value_name = "ID")]
    session: Option<SessionId>,
    /// With this in the statement's text, in any case.
    #[arg(long, value_name = "WORDS")]
    text: Option<String>,
    /// Whose result had masked columns (true), or had none (false).
    #[arg(long, value_name = "BOOL")]
    masked: Option<bool>,
    /// Also the gateway's own statements, and texts when they are prepared.
    #[arg(long)]
    all: bool,
}

impl Select {
    /// As the journal wants it.
    pub fn filter(&self) -> Filter {
        Filter {
            since_ns: self.since,
            until_ns: self.until,
            subject: self.subject.clone(),
            database: self.database.clone(),
            table: self.table.clone(),
            column: self.column.clone(),
            effect: self.effect,
            verdict: self.verdict,
            session: self.session,
            text: self.text.clone(),
            masked: self.masked,
            ..Filter::default()
        }
    }

    /// Whether people want to see a row that the filter lets through: what the gateway asks the server by itself, every few seconds, would hide the
    /// rest, and a prepared text shows again when it runs.
    pub fn is_shown(&self, row: &Row) -> bool {
        let noise = match row.kind {
            RowKind::Prepare => true,
            RowKind::Statement => row.origin == Origin::Gateway,
            _ => false,
        };
        self.all || !noise
    }

    /// A reader who looks at a time span that begins in the future has mistyped it.
    pub fn check(&self) -> Result<(), Failure> {
        match (self.since, self.until) {
            (Some(since), Some(until)) if since >= until => {
                Err(Failure::wrong("--since is not before --until\nexchange the two, or leave one out"))
            }
            (Some(since), _) if since > output::now_ns() => Err(Failure::wrong("--since lies in the future")),
            _ => Ok(()),
        }
    }
}

/// A moment, or a time with its unit that counts back from now.
fn moment(text: &str) -> Result<i64, String> {
    if let Some(ago) = units::duration(text) {
        return Ok(output::now_ns() - i64::try_from(ago.as_nanos()).unwrap_or(i64::MAX));
    }
    let moment: Timestamp = text.parse().map_err(|_| {
        "write a time like 2026-11-24T20:00:00Z, or how long ago with its unit: 30s, 15m, 2h, 7d".to_owned()
    })?;
    i64::try_from(moment.as_nanosecond()).map_err(|_| "a time between the years 1678 and 2261".to_owned())
}

fn verdict(name: &str) -> Result<Verdict, String> {
    let all = [Verdict::Allow, Verdict::Approve, Verdict::Block];
    all.into_iter().find(|v| v.name() == name).ok_or_else(|| "one of allow, approve, block".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_moment_or_counts_back_from_now() {
        assert_eq!(moment("1970-01-01T00:00:01Z"), Ok(1_000_000_000));
        assert_eq!(moment("1970-01-01T01:00:01+01:00"), Ok(1_000_000_000));
        let hour_ago = output::now_ns() - 3_600_000_000_000;
        assert!((moment("1h").unwrap() - hour_ago).abs() < 60_000_000_000);
    }

    #[test]
    fn a_time_that_could_mean_two_things_is_refused() {
        for text in ["", "yesterday", "20:00", "2026-11-24", "2026-11-24T20:00:00", "30", "9999-01-01T00:00:00Z"] {
            assert!(moment(text).is_err(), "{text}");
        }
    }
}
