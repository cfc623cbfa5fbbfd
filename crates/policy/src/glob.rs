use std::fmt;

/// A name pattern: `*` stands for any run of characters, dots included; everything else for itself. Case matters, as it does for the server
/// once a name is folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(String);

impl Glob {
    /// A pattern as a policy writes it.
    pub fn new(pattern: impl Into<String>) -> Glob {
        Glob(pattern.into())
    }

    /// Whether the whole name fits.
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
        let mut parts: Vec<&str> = parts.collect();
        let Some(last) = parts.pop() else { return rest.is_empty() };
        for part in parts {
            match rest.split_once(part) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
        rest.len() >= last.len() && rest.ends_with(last)
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run_and_the_rest_for_itself() {
        let cases = [
            ("finance.*", "finance.invoices", true),
            ("finance.*", "finances.invoices", false),
            ("*", "", true),
            ("*.secret*", "a.secrets", true),
            ("a*b*a", "aba", true),
            ("a*a", "a", false),
            ("public.customers", "public.customers", true),
            ("public.customers", "public.customers2", false),
            ("public.customers", "PUBLIC.customers", false),
            ("*_log", "public.audit_log", true),
            ("**x", "x", true),
        ];
        for (pattern, name, fits) in cases {
            assert_eq!(Glob::new(pattern).matches(name), fits, "{pattern} on {name}");
        }
    }
}
