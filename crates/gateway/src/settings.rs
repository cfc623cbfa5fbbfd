//! The tracked settings of one session, as the server last reported them.

use querygate_mask::{ByteaOutput, Rendering};
use querygate_record::Principal;
use querygate_sql::{
    session::{Settings, search_path},
    statement::Statement,
};

/// Reads every tracked setting in one row; [`Tracked::read`] takes it.
pub const READ: &str = "SELECT pg_catalog.current_setting('search_path'), current_user::pg_catalog.text, \
    pg_catalog.current_setting('TimeZone'), pg_catalog.current_setting('DateStyle'), pg_catalog.current_setting('IntervalStyle'), \
    pg_catalog.current_setting('bytea_output'), pg_catalog.current_setting('extra_float_digits'), \
    pg_catalog.current_setting('standard_conforming_strings'), pg_catalog.current_setting('client_encoding')";

/// Settings that shape how values are written, and how masks write them. Masks follow `bytea_output` too, in either value.
const PINNED: &[(&str, &str)] = &[("datestyle", "ISO"), ("intervalstyle", "postgres")];

/// Temporary relations that a session may make before their names are no longer told apart.
const TEMPORARY_MAX: usize = 1000;

/// What is known of a session's settings.
#[derive(Debug)]
pub struct Tracked {
    settings: Settings,
    rendering: Rendering,
    zone: String,
    /// The first pinned setting that has another value, and the value it should have.
    unrenderable: Option<(&'static str, &'static str)>,
}

impl Default for Tracked {
    fn default() -> Tracked {
        Tracked {
            settings: Settings { search_path: Vec::new(), user: String::new(), temporary: Vec::new() },
            rendering: Rendering::utc(),
            zone: String::new(),
            unrenderable: None,
        }
    }
}

impl Tracked {
    /// What analysis needs.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What masks need.
    pub fn rendering(&self) -> &Rendering {
        &self.rendering
    }

    /// The setting that keeps masked values from being written as the server would, and its right value.
    pub fn unrenderable(&self) -> Option<(&'static str, &'static str)> {
        self.unrenderable
    }

    /// The value at which a setting is kept for roles with masks, if `values` is another one.
    pub fn unpinned(setting: &str, values: &[String]) -> Option<&'static str> {
        let (_, pinned) = PINNED.iter().find(|(name, _)| *name == setting)?;
        let first = values.first().map_or("", |v| v.trim_matches(['\'', '"']));
        let style = first.split(',').next().unwrap_or_default().trim();
        (!style.eq_ignore_ascii_case(pinned)).then_some(pinned)
    }

    /// The current value of `bytea_output` or `TimeZone`, if a statement gives it another one: what follows it in the same text would be
    /// written otherwise.
    pub fn other_rendering(&self, setting: &str, values: &[String]) -> Option<&str> {
        let current = match (setting, self.rendering.bytea()) {
            ("bytea_output", ByteaOutput::Escape) => "escape",
            ("bytea_output", ByteaOutput::Hex) => "hex",
            ("timezone", _) => &self.zone,
            _ => return None,
        };
        let given = values.first().map_or("", |v| v.trim_matches(['\'', '"']));
        (!given.eq_ignore_ascii_case(current)).then_some(current)
    }

    /// Takes the row of [`READ`].
    pub fn read(&mut self, row: &[Option<&[u8]>]) -> bool {
        let text = |index: usize| row.get(index).copied().flatten().and_then(|b| std::str::from_utf8(b).ok());
        let (
            Some(path),
            Some(user),
            Some(zone),
            Some(dates),
            Some(intervals),
            Some(bytea),
            Some(_),
            Some("on"),
            Some("UTF8"),
        ) = (text(0), text(1), text(2), text(3), text(4), text(5), text(6), text(7), text(8))
        else {
            return false;
        };
        self.settings.user = user.to_owned();
        self.settings.search_path = search_path(path, user);
        self.unrenderable = [dates, intervals]
            .into_iter()
            .zip(PINNED)
            .find(|(value, (name, _))| Tracked::unpinned(name, &[(*value).to_owned()]).is_some())
            .map(|(_, pinned)| *pinned);
        if self.zone != zone {
            zone.clone_into(&mut self.zone);
            match Rendering::in_zone(zone) {
                Ok(rendering) => self.rendering = rendering,
                Err(_) => {
                    // Forgotten, so that the next look finds it unknown again.
                    self.zone.clear();
                    self.unrenderable = Some(("timezone", "UTC"));
                }
            }
        }
        let output = if bytea == "escape" { ByteaOutput::Escape } else { ByteaOutput::Hex };
        self.rendering = std::mem::take(&mut self.rendering).with_bytea(output);
        true
    }

    /// Notes temporary relations that the session made.
    pub fn add_temporary(&mut self, names: &[String]) {
        for name in names {
            if self.settings.temporary.len() < TEMPORARY_MAX && !self.settings.temporary.contains(name) {
                self.settings.temporary.push(name.clone());
            }
        }
    }

    /// Everything that a decision depends on.
    pub fn hash_into(&self, hasher: &mut blake3::Hasher) {
        let mut part = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        part(&self.settings.user);
        part(self.unrenderable.map_or("", |(name, _)| name));
        part(if self.rendering.bytea() == ByteaOutput::Escape { "escape" } else { "hex" });
        self.settings.search_path.iter().for_each(|s| part(s));
        part("");
        self.settings.temporary.iter().for_each(|s| part(s));
    }

    /// The text that sets `application_name` to `<subject>/<theirs>`, where the client sets it by itself.
    pub fn application_name(&self, text: &str, statements: &[Statement], principal: &Principal) -> Option<String> {
        let [statement] = statements else { return None };
        let [effect] = statement.effects.as_slice() else { return None };
        let [literal] = statement.literals.as_slice() else { return None };
        if statement.tag != "SET" || !effect.object.eq_ignore_ascii_case("application_name") {
            return None;
        }
        let (before, rest) = text.split_at_checked(literal.range.start)?;
        let value = rest.strip_prefix('\'')?;
        let subject = principal.identity.subject.replace('\'', "''");
        Some(format!("{before}'{subject}/{value}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_pinned_styles_pass() {
        assert_eq!(Tracked::unpinned("datestyle", &["ISO, MDY".into()]), None);
        assert_eq!(Tracked::unpinned("datestyle", &["iso".into(), "dmy".into()]), None);
        assert_eq!(Tracked::unpinned("datestyle", &["German".into()]), Some("ISO"));
        assert_eq!(Tracked::unpinned("work_mem", &["1MB".into()]), None);
    }

    fn row<'a>(zone: &'a str, bytea: &'a str) -> [Option<&'a [u8]>; 9] {
        ["public", "svc", zone, "ISO, MDY", "postgres", bytea, "1", "on", "UTF8"].map(|value| Some(value.as_bytes()))
    }

    #[test]
    fn a_change_of_how_values_are_written_is_told_from_none() {
        let mut tracked = Tracked::default();
        assert!(tracked.read(&row("Europe/Berlin", "escape")));
        assert_eq!(tracked.rendering().bytea(), ByteaOutput::Escape);
        for (setting, value, current) in [
            ("bytea_output", "hex", Some("escape")),
            ("bytea_output", "'ESCAPE'", None),
            ("timezone", "UTC", Some("Europe/Berlin")),
            ("timezone", "europe/berlin", None),
            ("work_mem", "1MB", None),
        ] {
            assert_eq!(tracked.other_rendering(setting, &[value.to_owned()]), current, "{setting} {value}");
        }
    }

    #[test]
    fn texts_that_the_server_would_read_otherwise_are_not_lived_with() {
        for (setting, value) in [(7, "off"), (8, "SJIS"), (8, "SQL_ASCII")] {
            let mut other = row("UTC", "hex");
            other[setting] = Some(value.as_bytes());
            assert!(!Tracked::default().read(&other), "{value}");
        }
    }

    #[test]
    fn an_unknown_zone_stays_unknown_however_often_it_is_read() {
        let mut tracked = Tracked::default();
        for _ in 0..2 {
            assert!(tracked.read(&row("Europe/Atlantis", "hex")));
            assert_eq!(tracked.unrenderable(), Some(("timezone", "UTC")));
        }
        assert!(tracked.read(&row("UTC", "hex")));
        assert_eq!(tracked.unrenderable(), None);
    }
}
