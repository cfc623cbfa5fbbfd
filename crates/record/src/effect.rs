use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

macro_rules! effects {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// What a statement does to the world. A closed list: policies, the log and the metrics use these names alone.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum Effect { $($(#[$doc])* $variant,)* }

        impl Effect {
            /// Every effect, in the order of the documentation.
            pub const ALL: &'static [Effect] = &[$(Effect::$variant,)*];

            /// The name used in policies and in the log.
            pub fn name(self) -> &'static str {
                match self { $(Effect::$variant => $name,)* }
            }
        }
    };
}

effects! {
    /// Reads rows.
    Read = "read",
    /// Adds rows.
    Insert = "insert",
    /// Changes rows in place.
    Update = "update",
    /// Removes rows.
    Delete = "delete",
    /// Transaction control, listed settings, LISTEN/NOTIFY, advisory locks, temporary objects.
    Session = "session",
    /// Empties a table.
    Truncate = "truncate",
    /// Changes a permanent object in a way that loses or rewrites (DROP COLUMN, a type, RENAME, SET SCHEMA ...).
    Alter = "alter",
    /// Removes a permanent object.
    Drop = "drop",
    /// VACUUM, ANALYZE, REINDEX, CLUSTER, REFRESH, OPTIMIZE, LOCK TABLE.
    Maintain = "maintain",
    /// Runs a function that is neither known, analysed nor trusted.
    Call = "call",
    /// Creates or replaces a permanent object that is not code.
    Define = "define",
    /// Creates or replaces code: function, procedure, trigger, event, rule, operator, cast, extension, row policy.
    DefineCode = "define_code",
    /// Grants, revokes, roles, ownership, default privileges.
    Privilege = "privilege",
    /// Reads or writes files of the server.
    File = "file",
    /// Runs a program on the server.
    Program = "program",
    /// Reaches another server.
    Outbound = "outbound",
    /// Global settings, shutdown, replication, other sessions.
    Server = "server",
    /// Could not be understood completely.
    Unanalysed = "unanalysed",
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is not on the closed list of effects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownEffect(pub String);

impl fmt::Display for UnknownEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown effect {:?}", self.0)
    }
}

impl std::error::Error for UnknownEffect {}

impl FromStr for Effect {
    type Err = UnknownEffect;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Effect::ALL.iter().copied().find(|e| e.name() == name).ok_or_else(|| UnknownEffect(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serde_and_text_agree_on_every_name() {
        for effect in Effect::ALL {
            assert_eq!(serde_json::to_string(effect).unwrap(), format!("\"{effect}\""));
            assert_eq!(effect.name().parse::<Effect>().unwrap(), *effect);
        }
    }
}
