//! Comments that hold what a server runs: `/*! ... */`, with a version `/*!50700 ... */`, of MariaDB alone `/*M! ... */` (MySQL manual, "Comments";
//! MariaDB, "Comment Syntax").

use std::ops::RangeInclusive;

use querygate_record::Engine;

/// Versions that MariaDB leaves to MySQL, which has other statements under them.
const OF_MYSQL: RangeInclusive<u32> = 50_700..=50_999;
/// Digits of a version: five, or six from 10.0.0 on.
const DIGITS: RangeInclusive<usize> = 5..=6;

/// What the words of a comment are to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marked {
    /// Nothing: it skips them.
    Plain,
    /// It runs them, but for so many bytes at their beginning.
    Runs { skipped: usize },
    /// Servers differ, or which one it is isn't known.
    Unclear,
}

/// Looks at the words of a comment, from behind its `/*` to before its `*/`. The server is known by its engine and version, 90704 for 9.7.4.
pub fn marked(words: &str, server: Option<(Engine, u32)>) -> Marked {
    let (of_mariadb, rest) = match (words.strip_prefix('!'), words.strip_prefix("M!")) {
        (Some(rest), _) => (false, rest),
        (None, Some(rest)) => (true, rest),
        // Which case MariaDB wants is nothing to rely on.
        (None, None) if words.starts_with("m!") => return Marked::Unclear,
        (None, None) => return Marked::Plain,
    };
    let Some((engine, version)) = server else { return Marked::Unclear };
    if of_mariadb && engine != Engine::Mariadb {
        return Marked::Plain;
    }
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let skipped = words.len() - rest.len() + digits;
    if digits == 0 {
        return Marked::Runs { skipped };
    }
    let since = rest.get(..digits).filter(|_| DIGITS.contains(&digits)).and_then(|digits| digits.parse::<u32>().ok());
    let Some(since) = since else { return Marked::Unclear };
    let left_to_mysql = engine == Engine::Mariadb && !of_mariadb && OF_MYSQL.contains(&since);
    match since <= version && !left_to_mysql {
        true => Marked::Runs { skipped },
        // A comment inside one that is skipped is skipped with it by one server and ends it in the other.
        false if rest.contains("/*") => Marked::Unclear,
        false => Marked::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_says_which_server_runs_it() {
        let mysql = |words| marked(words, Some((Engine::Mysql, 90_704)));
        let mariadb = |words| marked(words, Some((Engine::Mariadb, 101_118)));
        assert_eq!((mysql("! a "), mariadb("! a ")), (Marked::Runs { skipped: 1 }, Marked::Runs { skipped: 1 }));
        assert_eq!((mysql("!90704a"), mysql("!90705a")), (Marked::Runs { skipped: 6 }, Marked::Plain));
        assert_eq!((mysql("M! a"), mariadb("M! a")), (Marked::Plain, Marked::Runs { skipped: 2 }));
        assert_eq!((mariadb("!50700 a"), mariadb("M!50700 a")), (Marked::Plain, Marked::Runs { skipped: 7 }));
        assert_eq!((mariadb("!101118 a"), mariadb("!101119 a")), (Marked::Runs { skipped: 7 }, Marked::Plain));
        for unclear in ["!5000 a", "!1011180 a", "m! a", "!99999 a /* b"] {
            assert_eq!(mysql(unclear), Marked::Unclear, "{unclear}");
        }
        assert_eq!(marked("! a", None), Marked::Unclear);
        assert_eq!((marked(" a", None), marked("+ a", None)), (Marked::Plain, Marked::Plain));
    }
}
