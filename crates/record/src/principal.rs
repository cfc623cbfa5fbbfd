use std::fmt;

use serde::{Deserialize, Serialize};

/// One identity: who says so, and the name they give it. Two subjects are the same person only if both parts are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Subject {
    /// Who vouches for the name: `local` for accounts of the gateway, else the identity provider's issuer URL.
    pub issuer: String,
    /// The name.
    pub subject: String,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.subject)
    }
}

/// Who acts, with which roles, and on whose behalf.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Principal {
    /// The identity that logged in.
    #[serde(flatten)]
    pub identity: Subject,
    /// Its roles, as policies name them.
    pub roles: Vec<String>,
    /// Those it acts for, nearest first; empty when it acts for itself.
    pub on_behalf_of: Vec<Subject>,
}

impl Principal {
    /// The issuer of accounts that the gateway itself keeps.
    pub const LOCAL: &'static str = "local";

    /// A service account of the gateway.
    pub fn local(name: &str, roles: impl IntoIterator<Item = String>) -> Principal {
        Principal {
            identity: Subject { issuer: Principal::LOCAL.to_owned(), subject: name.to_owned() },
            roles: roles.into_iter().collect(),
            on_behalf_of: Vec::new(),
        }
    }

    /// Whether it has a role, or the list names everybody by `*`.
    pub fn has_any_role(&self, roles: &[String]) -> bool {
        roles.iter().any(|r| r == "*" || self.roles.contains(r))
    }

    /// Whether `other` is this principal or someone it acts for: such a one may not rule on its requests.
    pub fn involves(&self, other: &Subject) -> bool {
        self.identity == *other || self.on_behalf_of.contains(other)
    }
}
