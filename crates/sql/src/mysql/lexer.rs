//! The servers' own lexical rules (`sql/sql_lex.cc`) under `utf8mb4` and a `sql_mode` without ANSI_QUOTES and NO_BACKSLASH_ESCAPES. What the two
//! servers or their versions read in two ways is refused: `--x`, `||`, names that begin with a digit. Comments that a server runs are read as the
//! server at hand reads them; where it isn't known they are refused.

use std::{borrow::Cow, ops::Range};

use querygate_record::{Engine, Position};

use super::comments::{self, Marked};
use crate::{
    catalog::Catalog,
    guard::Scan,
    postgres::lexer::{Kind, Token},
    statement::{Refusal, RefusalKind},
};

/// Longer operators first.
const OPERATORS: &[&str] = &[
    "<=>", "->>", ":=", "<=", ">=", "<>", "!=", "<<", ">>", "&&", "->", "(", ")", ",", ";", ".", "=", "<", ">", "+",
    "-", "*", "/", "%", "^", "&", "|", "~", "!", "?", "{", "}", ":",
];

/// Reads tokens of a text one by one.
pub struct Lexer<'a> {
    text: &'a str,
    at: usize,
    characters: u32,
    counted: usize,
    /// The last token was a name: a point behind it separates names, whatever follows.
    after_name: bool,
    /// The server that reads the text, and its version.
    server: Option<(Engine, u32)>,
    /// Where the comment begins whose words are being read as the server's.
    inside: Option<usize>,
}

/// Whether a text holds nothing but blanks and comments, which the servers answer with an error.
pub fn is_empty(text: &str) -> bool {
    matches!(Lexer::new(text).next_token(), Ok(None))
}

impl<'a> Lexer<'a> {
    /// Starts at the beginning of a text, whichever server it is for.
    pub fn new(text: &'a str) -> Lexer<'a> {
        Lexer { text, at: 0, characters: 0, counted: 0, after_name: false, server: None, inside: None }
    }

    /// The same for the server whose catalog it is.
    pub fn of(text: &'a str, catalog: &Catalog) -> Lexer<'a> {
        Lexer { server: Some((catalog.engine(), catalog.server_version())), ..Lexer::new(text) }
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn slice(&self, range: Range<usize>) -> &'a str {
        self.text.get(range).unwrap_or_default()
    }

    fn position(&mut self, at: usize) -> Position {
        let passed = self.text.get(self.counted..at).map_or(0, |t| t.chars().count());
        self.characters = self.characters.saturating_add(u32::try_from(passed).unwrap_or(u32::MAX));
        self.counted = at;
        Position(self.characters.saturating_add(1))
    }

    fn refused(&mut self, at: usize, construct: &str, hint: &str) -> Refusal {
        let position = Some(self.position(at));
        Refusal { kind: RefusalKind::Unsupported, construct: construct.into(), position, hint: hint.into() }
    }

    fn skip_blank(&mut self) -> Result<(), Refusal> {
        loop {
            let start = self.at;
            let rest = self.rest();
            match (self.byte(0), self.byte(1)) {
                (Some(b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r'), _) => self.at += 1,
                (Some(b'*'), Some(b'/')) if self.inside.is_some() => {
                    self.inside = None;
                    self.at += 2;
                }
                (Some(b'#'), _) | (Some(b'-'), Some(b'-')) | (Some(b'/'), Some(b'*')) if self.inside.is_some() => {
                    return Err(self.refused(start, "a comment inside a comment", "leave it out"));
                }
                (None, _) if self.inside.is_some() => {
                    return Err(self.refused(start, "a comment without end", "close it by */"));
                }
                (Some(b'#'), _) => self.skip_line(),
                (Some(b'-'), Some(b'-')) => match self.byte(2) {
                    None | Some(b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r') => self.skip_line(),
                    _ => {
                        return Err(self.refused(
                            start,
                            "`--` without a blank behind it",
                            "put a blank between the two minuses, or behind a comment's",
                        ));
                    }
                },
                (Some(b'/'), Some(b'*')) => {
                    let inside = rest.get(2..).unwrap_or_default();
                    let Some(end) = inside.find("*/") else {
                        return Err(self.refused(start, "a comment without end", "close it by */"));
                    };
                    let words = inside.get(..end).unwrap_or_default();
                    match comments::marked(words, self.server) {
                        Marked::Plain => {}
                        Marked::Runs { skipped } => {
                            self.inside = Some(start);
                            self.at += 2 + skipped;
                            continue;
                        }
                        Marked::Unclear => {
                            let hint = "write what is in it without the comment, or leave it out";
                            return Err(self.refused(start, "an executable comment", hint));
                        }
                    }
                    if words.starts_with('+') && sets_variable(words) {
                        return Err(self.refused(
                            start,
                            "an optimizer hint that sets a variable",
                            "leave the hint out",
                        ));
                    }
                    if words.contains("/*") {
                        return Err(self.refused(start, "a comment inside a comment", "leave it out"));
                    }
                    self.at += 2 + end + 2;
                }
                _ => return Ok(()),
            }
        }
    }

    fn skip_line(&mut self) {
        self.at += self.rest().find('\n').unwrap_or(self.rest().len());
    }

    fn string(&mut self, prefix: usize) -> Result<Cow<'a, str>, Refusal> {
        let start = self.at;
        self.at += prefix;
        let quote = self.byte(0).unwrap_or(b'\'');
        let mut value = String::new();
        let mut characters = self.text.get(self.at + 1..).unwrap_or_default().char_indices().peekable();
        let from = self.at + 1;
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' => match characters.next() {
                    Some((_, escaped)) => escape(&mut value, escaped),
                    None => break,
                },
                c if c == char::from(quote) => {
                    if characters.peek().is_some_and(|(_, next)| *next == c) {
                        characters.next();
                        value.push(c);
                        continue;
                    }
                    self.at = from + at + 1;
                    return Ok(Cow::Owned(value));
                }
                c => value.push(c),
            }
        }
        Err(self.refused(start, "a string without end", "close it by a quote"))
    }

    fn quoted_name(&mut self) -> Result<Cow<'a, str>, Refusal> {
        let start = self.at;
        let mut value = String::new();
        let mut rest = self.text.get(self.at + 1..).unwrap_or_default();
        while let Some((part, after)) = rest.split_once('`') {
            value.push_str(part);
            if let Some(more) = after.strip_prefix('`') {
                value.push('`');
                rest = more;
                continue;
            }
            self.at = self.text.len() - after.len();
            return Ok(Cow::Owned(value));
        }
        Err(self.refused(start, "a name without end", "close it by a backtick"))
    }

    fn word(&mut self) -> Cow<'a, str> {
        let end = self.rest().find(|c: char| !is_name_part(c)).unwrap_or(self.rest().len());
        let word = self.slice(self.at..self.at + end);
        self.at += end;
        Cow::Borrowed(word)
    }

    /// `@name`, `@@name`, `@@scope.name`: one token.
    fn variable(&mut self) -> Result<Cow<'a, str>, Refusal> {
        let start = self.at;
        let mut value = String::from("@");
        self.at += 1;
        if self.byte(0) == Some(b'@') {
            value.push('@');
            self.at += 1;
            let rest = self.rest();
            let end = rest.find(|c: char| !(is_name_part(c) || c == '.')).unwrap_or(rest.len());
            if end == 0 {
                return Err(self.refused(start, "a quoted name of a variable", "write it without quotes"));
            }
            value.push_str(self.slice(self.at..self.at + end));
            self.at += end;
            return Ok(Cow::Owned(value));
        }
        match self.byte(0) {
            Some(b'\'' | b'"') => value.push_str(&self.string(0)?),
            Some(b'`') => value.push_str(&self.quoted_name()?),
            _ => {
                let rest = self.rest();
                let end = rest.find(|c: char| !(is_name_part(c) || c == '.')).unwrap_or(rest.len());
                value.push_str(self.slice(self.at..self.at + end));
                self.at += end;
            }
        }
        Ok(Cow::Owned(value))
    }

    fn number(&mut self) -> Result<(Kind, Cow<'a, str>), Refusal> {
        let start = self.at;
        let rest = self.rest().as_bytes();
        let digits = |from: usize, is: fn(&u8) -> bool| rest.iter().skip(from).take_while(|b| is(b)).count();
        if rest.starts_with(b"0x") || rest.starts_with(b"0b") {
            let hex = rest.starts_with(b"0x");
            let count = digits(2, if hex { u8::is_ascii_hexdigit } else { |b| matches!(b, b'0' | b'1') });
            self.at += 2 + count;
            self.no_name_follows(start)?;
            let value = self.slice(start + 2..self.at);
            return Ok((if hex { Kind::HexString } else { Kind::BitString }, Cow::Borrowed(value)));
        }
        let mut end = digits(0, u8::is_ascii_digit);
        if rest.get(end) == Some(&b'.') {
            end += 1 + digits(end + 1, u8::is_ascii_digit);
        }
        if matches!(rest.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(rest.get(end + 1), Some(b'+' | b'-')));
            let exponent = digits(end + 1 + sign, u8::is_ascii_digit);
            if exponent > 0 {
                end += 1 + sign + exponent;
            }
        }
        self.at += end;
        self.no_name_follows(start)?;
        Ok((Kind::Number, Cow::Borrowed(self.slice(start..self.at))))
    }

    fn no_name_follows(&mut self, start: usize) -> Result<(), Refusal> {
        if self.rest().starts_with(is_name_part) {
            return Err(self.refused(start, "a name that begins with a digit", "write it in backticks"));
        }
        Ok(())
    }

    fn operator(&mut self) -> Result<Cow<'a, str>, Refusal> {
        let start = self.at;
        let rest = self.rest();
        if rest.starts_with("||") {
            return Err(self.refused(start, "operator ||", "write OR, or CONCAT()"));
        }
        match OPERATORS.iter().find(|o| rest.starts_with(**o)) {
            Some(operator) => {
                self.at += operator.len();
                Ok(Cow::Borrowed(*operator))
            }
            None => Err(self.refused(start, "a character that stands for nothing", "leave it out")),
        }
    }
}

impl<'a> Scan<'a> for Lexer<'a> {
    type Body = super::compound::Compound;

    fn next_token(&mut self) -> Result<Option<Token<'a>>, Refusal> {
        self.skip_blank()?;
        let start = self.at;
        let position = self.position(start);
        let Some(first) = self.byte(0) else { return Ok(None) };
        let quote_follows = self.byte(1) == Some(b'\'');
        let after_name = std::mem::take(&mut self.after_name);
        let (kind, value) = match first {
            b'\'' | b'"' => (Kind::String, self.string(0)?),
            b'n' | b'N' if quote_follows => (Kind::NationalString, self.string(1)?),
            b'x' | b'X' if quote_follows => (Kind::HexString, self.string(1)?),
            b'b' | b'B' if quote_follows => (Kind::BitString, self.string(1)?),
            b'`' => (Kind::QuotedName, self.quoted_name()?),
            b'@' => (Kind::Word, self.variable()?),
            b'0'..=b'9' => self.number()?,
            b'.' if self.byte(1).is_some_and(|b| b.is_ascii_digit()) => {
                if after_name {
                    return Err(self.refused(start, "a name that begins with a digit", "write it in backticks"));
                }
                self.number()?
            }
            b'?' => {
                self.at += 1;
                (Kind::Parameter, Cow::Borrowed("?"))
            }
            _ if self.rest().starts_with(is_name_part) => (Kind::Word, self.word()),
            _ => (Kind::Operator, self.operator()?),
        };
        self.after_name = matches!(kind, Kind::Word | Kind::QuotedName);
        Ok(Some(Token { kind, value, range: start..self.at, position }))
    }
}

fn escape(value: &mut String, escaped: char) {
    match escaped {
        '0' => value.push('\0'),
        'b' => value.push('\u{8}'),
        'n' => value.push('\n'),
        'r' => value.push('\r'),
        't' => value.push('\t'),
        'Z' => value.push('\u{1a}'),
        '%' | '_' => {
            value.push('\\');
            value.push(escaped);
        }
        other => value.push(other),
    }
}

fn is_name_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$' || ('\u{80}'..='\u{ffff}').contains(&c)
}

fn sets_variable(hint: &str) -> bool {
    let lower = hint.to_ascii_lowercase();
    ["set_var", "resource_group"].iter().any(|word| lower.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Result<Vec<(Kind, String)>, Refusal> {
        let mut lexer = Lexer::new(text);
        let mut found = Vec::new();
        while let Some(token) = lexer.next_token()? {
            found.push((token.kind, token.value.into_owned()));
        }
        Ok(found)
    }

    fn words(text: &str) -> Vec<String> {
        tokens(text).unwrap().into_iter().map(|(_, value)| value).collect()
    }

    #[test]
    fn strings_and_names_are_read_as_the_servers_read_them() {
        assert_eq!(words(r#"'a''b' 'a\'b' "a""b" `a``b` 'a\\'"#), ["a'b", "a'b", "a\"b", "a`b", "a\\"]);
        assert_eq!(
            words("a.b.`c` @x @@session.sql_mode @`y z`"),
            ["a", ".", "b", ".", "c", "@x", "@@session.sql_mode", "@y z"]
        );
        assert_eq!(
            tokens("x'4142' 0x41 b'1' n'a' 1e3 .5 1.5").unwrap().iter().map(|t| t.0).collect::<Vec<_>>(),
            [
                Kind::HexString,
                Kind::HexString,
                Kind::BitString,
                Kind::NationalString,
                Kind::Number,
                Kind::Number,
                Kind::Number
            ]
        );
    }

    #[test]
    fn comments_are_skipped_where_both_servers_skip_them() {
        assert_eq!(words("1 -- x\n + /* y */ 2 # z\n , 3 --\n"), ["1", "+", "2", ",", "3"]);
        assert_eq!(words("SELECT /*+ NO_INDEX_MERGE(t) */ 1"), ["SELECT", "1"]);
    }

    #[test]
    fn what_is_read_in_two_ways_is_refused() {
        for text in [
            "SELECT 1--1",
            "SELECT /*! 1 */",
            "SELECT /*!50000 1 */",
            "SELECT /*M! 1 */",
            "SELECT /*M!100000 1 */",
            "SELECT /* a",
            "SELECT /* /* */ 1 */",
            "SELECT /*+ SET_VAR(sql_mode='ANSI_QUOTES') */ 1",
            "a || b",
            "1abc",
            "t.1abc",
            "0x1g",
            "'a",
            "'a\\'",
            "\"a",
            "`a",
            "\\N",
            "a \u{10000} b",
            "@@`x`",
        ] {
            assert!(tokens(text).is_err(), "{text}");
        }
    }
}
