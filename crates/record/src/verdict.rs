use std::fmt;

use serde::{Deserialize, Serialize};

/// What becomes of a statement. Ordered from the mildest to the strictest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It runs.
    Allow,
    /// It waits until a reviewer decides.
    Approve,
    /// It is refused.
    Block,
}

impl Verdict {
    /// The stricter of the two.
    pub fn strictest(self, other: Verdict) -> Verdict {
        self.max(other)
    }

    /// The name used in policies and in the log.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Allow => "allow",
            Verdict::Approve => "approve",
            Verdict::Block => "block",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
