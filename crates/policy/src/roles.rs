use querygate_record::Principal;

/// The roles that are judged together: a principal's own, and those of whoever it acts for. Every set must be allowed; each set's masks count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RoleSet<'a>(&'a [String]);

impl RoleSet<'_> {
    /// Whether it has a role.
    pub fn has(self, role: &str) -> bool {
        self.0.iter().any(|r| r == role)
    }

    /// Whether it has one of these roles, or they name everybody by `*`.
    pub fn has_any(self, roles: &[String]) -> bool {
        roles.iter().any(|r| r == "*" || self.has(r))
    }
}

/// The role sets of a principal. The roles of those it acts for aren't part of it, so such a principal is judged also as somebody without any
/// role: nothing is clear to him, and only what everybody may do is allowed.
pub(crate) fn role_sets(principal: &Principal) -> Vec<RoleSet<'_>> {
    let own = RoleSet(&principal.roles);
    if principal.on_behalf_of.is_empty() { vec![own] } else { vec![own, RoleSet(&[])] }
}
