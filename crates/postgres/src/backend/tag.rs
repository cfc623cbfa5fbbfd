/// What CommandComplete says was done, such as `SELECT 3`, `INSERT 0 1` or `CREATE TABLE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandTag<'a> {
    text: &'a str,
}

impl<'a> CommandTag<'a> {
    pub(super) fn new(text: &'a str) -> CommandTag<'a> {
        CommandTag { text }
    }

    /// The tag as it came.
    pub fn text(self) -> &'a str {
        self.text
    }

    /// The command without its counts.
    pub fn command(self) -> &'a str {
        self.text.trim_end_matches(|c: char| c.is_ascii_digit() || c == ' ')
    }

    /// Rows read or changed, where the command counts them.
    pub fn rows(self) -> Option<u64> {
        self.text.rsplit_once(' ')?.1.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_number_of_a_tag_counts_rows() {
        for (text, command, rows) in [
            ("SELECT 3", "SELECT", Some(3)),
            ("INSERT 0 5", "INSERT", Some(5)),
            ("CREATE TABLE", "CREATE TABLE", None),
            ("COPY 18446744073709551615", "COPY", Some(u64::MAX)),
            ("BEGIN", "BEGIN", None),
            ("", "", None),
        ] {
            let tag = CommandTag::new(text);
            assert_eq!((tag.command(), tag.rows()), (command, rows), "{text}");
        }
    }
}
