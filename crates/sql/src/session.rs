//! The session's settings that change what a text means.

/// Tracked settings under which a text is analysed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Settings {
    /// Effective schemas in the order that the server searches, `$user` resolved, without the implicit `pg_catalog` and temporary schema.
    pub search_path: Vec<String>,
    /// The role that the server resolves `$user` and `current_user` to.
    pub user: String,
    /// Names of temporary relations that this session made; each hides a permanent one of the same name.
    pub temporary: Vec<String>,
}

/// The schemas of a `search_path` as the server writes it, `$user` resolved.
pub fn search_path(text: &str, user: &str) -> Vec<String> {
    let mut path = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (name, after) =
            if let Some(quoted) = rest.strip_prefix('"') { quoted_name(quoted) } else { plain_name(rest) };
        path.push(if name == "$user" { user.to_owned() } else { name });
        rest = after.trim_start().strip_prefix(',').unwrap_or_default().trim_start();
    }
    path
}

fn quoted_name(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut rest = text;
    while let Some((part, after)) = rest.split_once('"') {
        name.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return (name, after),
        }
    }
    name.push_str(rest);
    (name, "")
}

fn plain_name(text: &str) -> (String, &str) {
    let end = text.find(',').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    (name.trim_end().to_lowercase(), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_path_is_read_as_the_server_writes_it() {
        assert_eq!(search_path("\"$user\", public", "svc"), ["svc", "public"]);
        assert_eq!(search_path("\"a \"\"b\", C ,d", "svc"), ["a \"b", "c", "d"]);
        assert_eq!(search_path("", "svc"), Vec::<String>::new());
        assert_eq!(search_path("\"\"", "svc"), [""]);
    }
}
