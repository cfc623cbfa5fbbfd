use crate::Error;

/// Longest name of an account or role, in bytes: what Postgres allows for a role.
pub const MAX_NAME_BYTES: usize = 63;

/// Most roles of one account.
pub const MAX_ROLES: usize = 64;

/// Refuses names that are too long, or that would have to be quoted or escaped in a policy, a log or a shell.
pub(crate) fn check_name(what: &'static str, name: &str) -> Result<(), Error> {
    let refuse = |why| Err(Error::Name { what, name: name.chars().take(MAX_NAME_BYTES).collect(), why });
    if name.is_empty() {
        return refuse("is empty");
    }
    if name.len() > MAX_NAME_BYTES {
        return refuse("is longer than 63 bytes");
    }
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
        return refuse("must start with a letter, a digit or `_`");
    }
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.@".contains(c)) {
        return refuse("may hold only ASCII letters, digits, `_`, `-`, `.` and `@`");
    }
    Ok(())
}

/// Checks roles as [`check_name`] does, drops repetitions and keeps the order.
pub(crate) fn check_roles(roles: Vec<String>) -> Result<Vec<String>, Error> {
    let mut unique: Vec<String> = Vec::new();
    for role in roles {
        check_name("role", &role)?;
        if !unique.contains(&role) {
            if unique.len() == MAX_ROLES {
                return Err(Error::TooMany { what: "roles of one account", limit: MAX_ROLES });
            }
            unique.push(role);
        }
    }
    Ok(unique)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_need_quoting_are_refused() {
        for good in ["reporting-agent", "dba", "_x", "a.b@example.com", "7"] {
            assert!(check_name("account name", good).is_ok(), "{good}");
        }
        let long = "a".repeat(MAX_NAME_BYTES + 1);
        for bad in ["", "*", "-x", "a b", "a\n", "a\u{0}", "ä", "a\"b", "a/b", long.as_str()] {
            assert!(check_name("account name", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn roles_are_kept_once_in_order_and_bounded() {
        let roles = ["b", "a", "b"].map(str::to_owned).to_vec();
        assert_eq!(check_roles(roles).unwrap(), ["b", "a"]);
        assert!(check_roles((0..=MAX_ROLES).map(|n| format!("r{n}")).collect()).is_err());
        assert!(check_roles(vec!["*".to_owned()]).is_err(), "everybody is not a role");
    }
}
