use std::borrow::Cow;

/// A text as a terminal may show it: what would move the cursor, hide or reorder what is around it is written as an escape, so
/// that a reviewer sees the statement and not what its author wants it to look like. Line breaks and tabs stay.
///
/// ```
/// use querygate_console::printable;
/// assert_eq!(printable("DROP TABLE a --\u{1b}[2K\rSELECT 1"), r"DROP TABLE a --\u{1b}[2K\rSELECT 1");
/// assert_eq!(printable("SELECT 1\n  FROM größe"), "SELECT 1\n  FROM größe");
/// ```
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_hidden(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

fn is_hidden(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        // Soft hyphen, Arabic and Mongolian marks, zero width, bidirectional marks and overrides (Unicode TR9, TR36), line and
        // paragraph separators, invisible operators, byte order mark, variation selectors, fillers, tags.
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' => true,
        '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' => true,
        '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}' => true,
        c => c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_hides_or_reorders_text_reaches_the_terminal() {
        for hidden in
            "\0\u{7}\u{8}\r\u{b}\u{1b}\u{7f}\u{9b}\u{ad}\u{200b}\u{202e}\u{2066}\u{2028}\u{feff}\u{e0041}".chars()
        {
            let shown = printable(&format!("a{hidden}b")).into_owned();
            assert!(!shown.contains(hidden) && shown.starts_with("a\\") && shown.ends_with('b'), "{shown:?}");
        }
    }

    #[test]
    fn ordinary_text_is_shown_as_it_is() {
        for text in ["", "SELECT 'größe', '日本', '😀'\n\tFROM t", "\\u{1b}"] {
            assert!(matches!(printable(text), Cow::Borrowed(same) if same == text));
        }
    }
}
