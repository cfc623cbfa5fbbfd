use std::fmt::Write as _;

use bytes::BytesMut;

use crate::{Rendering, cursor::Cursor};

/// What is left of a date or an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Month,
    Year,
}

pub(crate) const SECOND_US: i64 = 1_000_000;
pub(crate) const DAY_US: i64 = 86_400 * SECOND_US;

/// Days from 1970-01-01 to 2000-01-01, where Postgres's binary forms count from.
const EPOCH_DAYS: i64 = 10_957;

/// 4714-11-24 BC and 5874897-12-31, the first and the last date (src/include/datatype/timestamp.h).
const DATE_MIN: i64 = -2_451_545;
const DATE_MAX: i64 = 2_145_031_948;

/// 4714-11-24 00:00:00 BC, and the microsecond before 294277-01-01 00:00:00.
const TIMESTAMP_MIN: i64 = -211_813_488_000_000_000;
const TIMESTAMP_MAX: i64 = 9_223_371_331_199_999_999;

/// A date or timestamp in its binary form: days or microseconds since 2000-01-01, the ends of the range being the infinities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Before,
    Finite(i64),
    After,
}

impl Moment {
    /// The date of a binary field.
    pub(crate) fn from_days(days: i32) -> Option<Moment> {
        match days {
            i32::MIN => Some(Moment::Before),
            i32::MAX => Some(Moment::After),
            days => Moment::finite_days(days.into()),
        }
    }

    /// The timestamp of a binary field.
    pub(crate) fn from_us(us: i64) -> Option<Moment> {
        match us {
            i64::MIN => Some(Moment::Before),
            i64::MAX => Some(Moment::After),
            us => Moment::finite_us(us),
        }
    }

    fn finite_days(days: i64) -> Option<Moment> {
        (DATE_MIN..=DATE_MAX).contains(&days).then_some(Moment::Finite(days))
    }

    fn finite_us(us: i64) -> Option<Moment> {
        (TIMESTAMP_MIN..=TIMESTAMP_MAX).contains(&us).then_some(Moment::Finite(us))
    }

    fn from_word(text: &str) -> Option<Moment> {
        match text {
            "infinity" => Some(Moment::After),
            "-infinity" => Some(Moment::Before),
            _ => None,
        }
    }

    /// Reads a date as Postgres writes it under `DateStyle = ISO`.
    pub(crate) fn parse_date(text: &str) -> Option<Moment> {
        if let Some(moment) = Moment::from_word(text) {
            return Some(moment);
        }
        let mut cursor = Cursor::new(text);
        let date = Date::parse(&mut cursor)?;
        let days = date.with_era(&mut cursor)?;
        cursor.at_end().then(|| Moment::finite_days(days))?
    }

    /// Reads a timestamp as Postgres writes it under `DateStyle = ISO`; with a zone, that of an instant.
    pub(crate) fn parse_timestamp(text: &str, zoned: bool) -> Option<Moment> {
        if let Some(moment) = Moment::from_word(text) {
            return Some(moment);
        }
        let mut cursor = Cursor::new(text);
        let date = Date::parse(&mut cursor)?;
        let time_us = if cursor.eat(b' ') { parse_clock(&mut cursor)? } else { 0 };
        let offset_seconds = if zoned { parse_offset(&mut cursor)? } else { 0 };
        let days = date.with_era(&mut cursor)?;
        let us = days.checked_mul(DAY_US)?.checked_add(time_us)?.checked_sub(offset_seconds * SECOND_US)?;
        cursor.at_end().then(|| Moment::finite_us(us))?
    }

    /// The first day of the month or year of a date, or the type's first day where that lies before it.
    pub(crate) fn truncate_date(self, unit: Unit) -> Moment {
        match self {
            Moment::Finite(days) => Moment::Finite(truncate_days(days, unit).max(DATE_MIN)),
            infinite => infinite,
        }
    }

    /// The first moment of the month or year of a timestamp, or the type's first moment where that lies before it.
    pub(crate) fn truncate_timestamp(self, unit: Unit) -> Moment {
        match self {
            Moment::Finite(us) => {
                Moment::Finite((truncate_days(us.div_euclid(DAY_US), unit) * DAY_US).max(TIMESTAMP_MIN))
            }
            infinite => infinite,
        }
    }

    /// The binary form of a date.
    pub(crate) fn to_days(self) -> i32 {
        match self {
            Moment::Before => i32::MIN,
            Moment::Finite(days) => i32::try_from(days).unwrap_or(i32::MAX),
            Moment::After => i32::MAX,
        }
    }

    /// The binary form of a timestamp.
    pub(crate) fn to_us(self) -> i64 {
        match self {
            Moment::Before => i64::MIN,
            Moment::Finite(us) => us,
            Moment::After => i64::MAX,
        }
    }

    /// Writes a date as Postgres does under `DateStyle = ISO`.
    pub(crate) fn write_date(self, out: &mut BytesMut) {
        let Moment::Finite(days) = self else { return self.write_infinity(out) };
        let (year, month, day) = civil_from_days(days);
        write_year_month_day(year, month, day, out);
        write_era(year, out);
    }

    /// Writes a timestamp; with a rendering, as an instant in the session's zone.
    pub(crate) fn write_timestamp(self, zone: Option<&Rendering>, out: &mut BytesMut) {
        let Moment::Finite(us) = self else { return self.write_infinity(out) };
        let offset = zone.map(|zone| zone.offset_seconds(us.div_euclid(SECOND_US) + EPOCH_DAYS * 86_400));
        // In 128 bits: the last instant, written east of Greenwich, is past what 64 bits hold.
        let local = i128::from(us) + i128::from(offset.unwrap_or(0)) * i128::from(SECOND_US);
        let days = local.div_euclid(DAY_US.into());
        let (year, month, day) = civil_from_days(i64::try_from(days).unwrap_or_default());
        write_year_month_day(year, month, day, out);
        out.extend_from_slice(b" ");
        write_clock(i64::try_from(local.rem_euclid(DAY_US.into())).unwrap_or_default(), out);
        if let Some(offset) = offset {
            write_offset(offset, out);
        }
        write_era(year, out);
    }

    fn write_infinity(self, out: &mut BytesMut) {
        out.extend_from_slice(if self == Moment::Before { b"-infinity" } else { b"infinity" });
    }
}

/// A calendar date whose year is counted within its era, since the era is written last.
struct Date {
    year: i64,
    month: i64,
    day: i64,
}

impl Date {
    fn parse(cursor: &mut Cursor<'_>) -> Option<Date> {
        let year = cursor.number(4, 7).filter(|year| *year > 0)?;
        cursor.expect(b'-')?;
        let month = cursor.number(2, 2).filter(|month| (1..=12).contains(month))?;
        cursor.expect(b'-')?;
        let day = cursor.number(2, 2)?;
        Some(Date { year, month, day })
    }

    /// Reads the era and gives the days since 2000-01-01.
    fn with_era(&self, cursor: &mut Cursor<'_>) -> Option<i64> {
        let year = if cursor.eat_word(" BC") { 1 - self.year } else { self.year };
        let leap = year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0);
        let longest = match self.month {
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => 31,
        };
        (1..=longest).contains(&self.day).then(|| days_from_civil(year, self.month, self.day))
    }
}

/// `HH:MM:SS[.ffffff]` in microseconds, up to 24:00:00.
pub(crate) fn parse_clock(cursor: &mut Cursor<'_>) -> Option<i64> {
    let hours = cursor.number(2, 2).filter(|hours| *hours <= 24)?;
    let us = hours * 3_600 * SECOND_US + parse_minutes(cursor)?;
    (us <= DAY_US).then_some(us)
}

/// `:MM:SS[.ffffff]` in microseconds.
pub(crate) fn parse_minutes(cursor: &mut Cursor<'_>) -> Option<i64> {
    cursor.expect(b':')?;
    let minutes = cursor.number(2, 2).filter(|minutes| *minutes < 60)?;
    cursor.expect(b':')?;
    let seconds = cursor.number(2, 2).filter(|seconds| *seconds < 60)?;
    let fraction = if cursor.eat(b'.') { cursor.microseconds()? } else { 0 };
    Some((minutes * 60 + seconds) * SECOND_US + fraction)
}

/// `+HH[:MM[:SS]]` in seconds east.
fn parse_offset(cursor: &mut Cursor<'_>) -> Option<i64> {
    let west = cursor.eat(b'-');
    if !west {
        cursor.expect(b'+')?;
    }
    let mut seconds = cursor.number(2, 2)? * 3_600;
    for unit in [60, 1] {
        if cursor.eat(b':') {
            seconds += cursor.number(2, 2).filter(|part| *part < 60)? * unit;
        }
    }
    Some(if west { -seconds } else { seconds })
}

/// Writes `HH:MM:SS[.ffffff]`, the fraction without trailing zeros.
pub(crate) fn write_clock(us: i64, out: &mut BytesMut) {
    let seconds = us / SECOND_US;
    let _ = write!(out, "{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let mut fraction = us % SECOND_US;
    let mut width = 6;
    if fraction > 0 {
        while fraction % 10 == 0 {
            fraction /= 10;
            width -= 1;
        }
        let _ = write!(out, ".{fraction:0width$}");
    }
}

fn write_offset(seconds: i32, out: &mut BytesMut) {
    let (sign, seconds) = (if seconds < 0 { '-' } else { '+' }, seconds.abs());
    let _ = write!(out, "{sign}{:02}", seconds / 3_600);
    if seconds % 3_600 != 0 {
        let _ = write!(out, ":{:02}", seconds / 60 % 60);
    }
    if seconds % 60 != 0 {
        let _ = write!(out, ":{:02}", seconds % 60);
    }
}

fn write_year_month_day(year: i64, month: i64, day: i64, out: &mut BytesMut) {
    let within_era = if year > 0 { year } else { 1 - year };
    let _ = write!(out, "{within_era:04}-{month:02}-{day:02}");
}

fn write_era(year: i64, out: &mut BytesMut) {
    if year <= 0 {
        out.extend_from_slice(b" BC");
    }
}

fn truncate_days(days: i64, unit: Unit) -> i64 {
    let (year, month, _) = civil_from_days(days);
    days_from_civil(year, if unit == Unit::Year { 1 } else { month }, 1)
}

/// Days since 2000-01-01 of a date of the proleptic Gregorian calendar; year 0 is 1 BC
/// (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468 - EPOCH_DAYS
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468 + EPOCH_DAYS;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400;
    (if month <= 2 { year + 1 } else { year }, month, day)
}
