use std::fmt;

use jiff::{Timestamp, tz::TimeZone};

/// How a field is written on the wire: the format code of its result column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Format code 1: the type's `send` form.
    Binary,
    /// Format code 0: the type's `out` form. COPY text and CSV hold the same, escaped.
    Text,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Binary => "binary",
            Format::Text => "text",
        })
    }
}

/// How `bytea` is written as text (the setting of that name).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ByteaOutput {
    /// Printable ASCII as it is, a backslash doubled, other bytes as `\nnn`.
    Escape,
    /// `\x` and two digits for each byte.
    #[default]
    Hex,
}

/// The session settings that shape the text form of values.
///
/// The time zone and `bytea_output` vary. The rest is as the gateway keeps it on the server: `DateStyle = ISO`, `IntervalStyle = postgres`,
/// `extra_float_digits >= 1`, `lc_monetary = C`, `client_encoding = UTF8`.
///
/// Zones follow the edition of the IANA database that is built in. A server with another edition may write another offset:
/// before 1970 in zones that its edition keeps apart (Debian's does: Europe/Amsterdam, Europe/Oslo), and where a rule changed.
#[derive(Clone, Debug)]
pub struct Rendering {
    zone: TimeZone,
    bytea: ByteaOutput,
}

/// The session's `TimeZone` is none that this gateway knows, so instants cannot be written as the server would.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("time zone {0:?} is not known to the gateway; use a name of the IANA database, such as Europe/Berlin, or UTC")]
pub struct UnknownZone(pub String);

/// Seconds after which the Gregorian calendar, weekdays included, repeats: 400 years.
const CYCLE_SECONDS: i64 = 146_097 * 86_400;

/// 2400-01-01T00:00Z, by when every zone follows its last rule.
const LAST_RULE_SECONDS: i64 = 13_569_465_600;

impl Rendering {
    /// Instants are written in this zone.
    pub fn new(zone: TimeZone) -> Rendering {
        Rendering { zone, bytea: ByteaOutput::Hex }
    }

    /// Instants are written in UTC.
    pub fn utc() -> Rendering {
        Rendering::new(TimeZone::UTC)
    }

    /// Instants are written in the zone that the server's `TimeZone` setting names: an IANA name in any case, or a POSIX
    /// string such as `<+03>-03`.
    pub fn in_zone(name: &str) -> Result<Rendering, UnknownZone> {
        let zone = jiff::tz::db().get(name).or_else(|_| TimeZone::posix(name));
        zone.map(Rendering::new).map_err(|_| UnknownZone(name.to_owned()))
    }

    /// The same with `bytea` written in this way.
    pub fn with_bytea(self, bytea: ByteaOutput) -> Rendering {
        Rendering { bytea, ..self }
    }

    /// How `bytea` is written.
    pub fn bytea(&self) -> ByteaOutput {
        self.bytea
    }

    /// Seconds east of UTC at an instant, which is given in seconds since 1970-01-01T00:00Z.
    pub(crate) fn offset_seconds(&self, unix_seconds: i64) -> i32 {
        let within = if unix_seconds < LAST_RULE_SECONDS {
            unix_seconds
        } else {
            LAST_RULE_SECONDS + (unix_seconds - LAST_RULE_SECONDS) % CYCLE_SECONDS
        };
        // Postgres's first instant lies within jiff's range, so the fallback is never taken.
        let instant = Timestamp::from_second(within).unwrap_or(Timestamp::MIN);
        self.zone.to_offset(instant).seconds()
    }
}

impl Default for Rendering {
    fn default() -> Rendering {
        Rendering::utc()
    }
}
