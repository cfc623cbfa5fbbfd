use std::fmt::Write as _;

use bytes::{BufMut, BytesMut};

use crate::{
    cursor::Cursor,
    datetime::{SECOND_US, parse_minutes, write_clock},
};

/// An `interval`, its three parts apart as Postgres keeps them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interval {
    months: i32,
    days: i32,
    us: i64,
}

impl Interval {
    /// Reads the form of `IntervalStyle = postgres`: `-1 years -2 mons +3 days -04:05:06.7`, each part at most once.
    pub(crate) fn parse(text: &str) -> Option<Interval> {
        let mut interval = Interval::default();
        let mut words = text.split(' ').peekable();
        words.peek().filter(|word| !word.is_empty())?;
        let mut order = 0;
        while let Some(word) = words.next() {
            let rank = if word.contains(':') {
                interval.us = parse_time(word)?;
                4
            } else {
                let count: i32 = word.parse().ok()?;
                interval.add(count, words.next()?)?
            };
            (rank > order).then_some(())?;
            order = rank;
        }
        Some(interval)
    }

    /// Adds a count of a unit; gives the unit's place in the order of writing.
    fn add(&mut self, count: i32, unit: &str) -> Option<u8> {
        let (part, factor, rank) = match unit {
            "year" | "years" => (&mut self.months, 12, 1),
            "mon" | "mons" | "month" | "months" => (&mut self.months, 1, 2),
            "day" | "days" => (&mut self.days, 1, 3),
            _ => return None,
        };
        *part = part.checked_add(count.checked_mul(factor)?)?;
        Some(rank)
    }

    /// Appends the text form (`EncodeInterval` in src/backend/utils/adt/datetime.c): a positive part that follows a negative
    /// one has a sign.
    pub(crate) fn write_text(&self, out: &mut BytesMut) {
        let start = out.len();
        let mut after_negative = false;
        for (count, unit) in [(self.months / 12, "year"), (self.months % 12, "mon"), (self.days, "day")] {
            if count != 0 {
                let space = if out.len() > start { " " } else { "" };
                let sign = if after_negative && count > 0 { "+" } else { "" };
                let plural = if count == 1 { "" } else { "s" };
                let _ = write!(out, "{space}{sign}{count} {unit}{plural}");
                after_negative = count < 0;
            }
        }
        let first = out.len() == start;
        if first || self.us != 0 {
            let space = if first { "" } else { " " };
            let sign = match self.us < 0 {
                true => "-",
                false if after_negative => "+",
                false => "",
            };
            let _ = write!(out, "{space}{sign}");
            write_clock(self.us.saturating_abs(), out);
        }
    }

    /// Appends the binary form.
    pub(crate) fn write_binary(&self, out: &mut BytesMut) {
        out.put_i64(self.us);
        out.put_i32(self.days);
        out.put_i32(self.months);
    }
}

/// `[+-]HH:MM:SS[.ffffff]`, of any number of hours that fits.
fn parse_time(word: &str) -> Option<i64> {
    let mut cursor = Cursor::new(word);
    let negative = cursor.eat(b'-');
    if !negative {
        cursor.eat(b'+');
    }
    let hours = cursor.number(2, 10)?.checked_mul(3_600 * SECOND_US)?;
    let us = hours.checked_add(parse_minutes(&mut cursor)?)?;
    cursor.at_end().then_some(if negative { -us } else { us })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_written_as_postgres_15_writes_them() {
        for (given, written) in [
            ("-1 year 2 mons -3 days -04:05:06.7", "-10 mons -3 days -04:05:06.7"),
            ("1 mon", "1 mon"),
            ("14 mons 1 day", "1 year 2 mons 1 day"),
            ("-1 days", "-1 days"),
            ("100:00:00.000001", "100:00:00.000001"),
            ("-00:00:01", "-00:00:01"),
            ("1 day -00:00:01", "1 day -00:00:01"),
            ("-1 mon 1 day", "-1 mons +1 day"),
            ("-14 mons", "-1 years -2 mons"),
            ("1 year -1 mon", "11 mons"),
            ("-1 days 00:00:01", "-1 days +00:00:01"),
            ("00:00:00", "00:00:00"),
        ] {
            let mut out = BytesMut::new();
            Interval::parse(given).unwrap().write_text(&mut out);
            assert_eq!(out, written, "{given}");
        }
        for bad in ["", " ", "1", "1 day 1 day", "1 day 1 year", "1 fortnight", "00:00", "00:60:00", "99999999999 days"]
        {
            assert_eq!(Interval::parse(bad), None, "{bad}");
        }
    }
}
