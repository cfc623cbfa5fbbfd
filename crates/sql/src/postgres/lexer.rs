//! Postgres's own lexical rules (`src/backend/parser/scan.l`, with `standard_conforming_strings = on` and UTF-8): the gateway must cut a text exactly
//! where the server cuts it, so the tokens that the parser sees are made here and nowhere else.

use std::{borrow::Cow, ops::Range};

use querygate_record::Position;

use super::strings;
use crate::{
    guard::{Atomic, Scan},
    statement::{Refusal, RefusalKind},
};

/// Longer names are cut by the server (`NAMEDATALEN - 1`).
pub const NAME_BYTES: usize = 63;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An unquoted name or keyword.
    Word,
    /// A name in double quotes, `U&"..."` included.
    QuotedName,
    /// `'...'`, its continuation lines and `U&'...'` included.
    String,
    /// `E'...'`.
    EscapeString,
    /// `N'...'`.
    NationalString,
    /// `B'...'`.
    BitString,
    /// `X'...'`.
    HexString,
    /// `$tag$...$tag$`.
    DollarString,
    /// Integer or decimal.
    Number,
    /// `$n`.
    Parameter,
    /// One operator, or one of `( ) [ ] , ; : . :: := .. =>`.
    Operator,
}

impl Kind {
    /// Whether the token is a constant of the text.
    pub fn is_literal(self) -> bool {
        !matches!(self, Kind::Word | Kind::QuotedName | Kind::Parameter | Kind::Operator)
    }
}

/// One token. `value` is what it means: names folded and cut, quotes and escapes gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// What it is.
    pub kind: Kind,
    /// Its meaning.
    pub value: Cow<'a, str>,
    /// Its bytes in the whole text.
    pub range: Range<usize>,
    /// Its first character in the whole text.
    pub position: Position,
}

impl Token<'_> {
    /// Whether it is this operator or punctuation.
    pub fn is(&self, operator: &str) -> bool {
        self.kind == Kind::Operator && self.value == operator
    }

    /// Whether it is this keyword, unquoted.
    pub fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.value.eq_ignore_ascii_case(word)
    }

    /// The name that it writes, quoted or not.
    pub fn name(&self) -> Option<&str> {
        matches!(self.kind, Kind::Word | Kind::QuotedName).then_some(&*self.value)
    }
}

impl<'a> Scan<'a> for Lexer<'a> {
    type Body = Atomic;

    fn next_token(&mut self) -> Result<Option<Token<'a>>, Refusal> {
        self.token()
    }
}

/// Reads tokens of a text one by one.
pub struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// Characters before `counted`, so that positions cost one pass over the text.
    characters: u32,
    counted: usize,
}

impl<'a> Lexer<'a> {
    /// Starts at the beginning of a text.
    pub fn new(text: &'a str) -> Lexer<'a> {
        Lexer { text, at: 0, characters: 0, counted: 0 }
    }

    fn token(&mut self) -> Result<Option<Token<'a>>, Refusal> {
        self.skip_blank()?;
        let start = self.at;
        let position = self.position(start);
        let Some(first) = self.byte(0) else { return Ok(None) };
        let (kind, value) = match first {
            b'\'' => (Kind::String, self.quoted(0)?),
            b'"' => (Kind::QuotedName, self.quoted_name()?),
            b'e' | b'E' if self.byte(1) == Some(b'\'') => (Kind::EscapeString, self.escaped()?),
            b'n' | b'N' if self.byte(1) == Some(b'\'') => (Kind::NationalString, self.quoted(1)?),
            b'b' | b'B' if self.byte(1) == Some(b'\'') => (Kind::BitString, self.quoted(1)?),
            b'x' | b'X' if self.byte(1) == Some(b'\'') => (Kind::HexString, self.quoted(1)?),
            b'u' | b'U' if self.byte(1) == Some(b'&') && self.byte(2) == Some(b'\'') => {
                let raw = self.quoted(2)?;
                (Kind::String, Cow::Owned(strings::unicode(&raw).ok_or_else(|| self.bad(start, "Unicode escape"))?))
            }
            b'u' | b'U' if self.byte(1) == Some(b'&') && self.byte(2) == Some(b'"') => {
                self.at += 2;
                let raw = self.quoted_name()?;
                let name = strings::unicode(&raw).ok_or_else(|| self.bad(start, "Unicode escape"))?;
                (Kind::QuotedName, Cow::Owned(cut(&name).to_owned()))
            }
            b'0'..=b'9' => (Kind::Number, self.number()?),
            b'.' if self.byte(1).is_some_and(|b| b.is_ascii_digit()) => (Kind::Number, self.number()?),
            b'$' if self.byte(1).is_some_and(|b| b.is_ascii_digit()) => (Kind::Parameter, self.parameter()?),
            b'$' => (Kind::DollarString, self.dollar()?),
            b if is_name_start(b) => (Kind::Word, self.word()),
            _ => (Kind::Operator, self.operator()?),
        };
        Ok(Some(Token { kind, value, range: start..self.at, position }))
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

    /// The character number of a byte offset; offsets must not go back.
    fn position(&mut self, offset: usize) -> Position {
        let passed = self.slice(self.counted..offset).chars().count();
        self.characters = self.characters.saturating_add(u32::try_from(passed).unwrap_or(u32::MAX));
        self.counted = offset;
        Position(self.characters.saturating_add(1))
    }

    fn bad(&mut self, offset: usize, construct: &str) -> Refusal {
        let offset = offset.max(self.counted);
        Refusal {
            kind: RefusalKind::Unparsed,
            construct: construct.into(),
            position: Some(self.position(offset)),
            hint: "correct the text at this place".into(),
        }
    }

    /// White space and comments. Comments nest; `--` ends at a line feed or carriage return.
    fn skip_blank(&mut self) -> Result<(), Refusal> {
        loop {
            match (self.byte(0), self.byte(1)) {
                (Some(b' ' | b'\t' | b'\n' | b'\r' | b'\x0c'), _) => self.at += 1,
                (Some(b'-'), Some(b'-')) => self.skip_line(),
                (Some(b'/'), Some(b'*')) => self.skip_comment()?,
                _ => return Ok(()),
            }
        }
    }

    fn skip_line(&mut self) {
        let line = self.rest();
        self.at += line.find(['\n', '\r']).unwrap_or(line.len());
    }

    fn skip_comment(&mut self) -> Result<(), Refusal> {
        let start = self.at;
        let mut depth = 0usize;
        loop {
            match (self.byte(0), self.byte(1)) {
                (Some(b'/'), Some(b'*')) => {
                    depth += 1;
                    self.at += 2;
                }
                (Some(b'*'), Some(b'/')) => {
                    depth = depth.saturating_sub(1);
                    self.at += 2;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                (Some(_), _) => self.at += 1,
                (None, _) => return Err(self.bad(start, "unterminated comment")),
            }
        }
    }

    /// A string in which only the doubled quote is special, after `prefix` bytes, with its continuation lines.
    fn quoted(&mut self, prefix: usize) -> Result<Cow<'a, str>, Refusal> {
        let start = self.at;
        self.at += prefix;
        let mut value = self.quoted_once(start, b'\'', "unterminated string")?;
        while self.continues() {
            let more = self.quoted_once(start, b'\'', "unterminated string")?;
            value.to_mut().push_str(&more);
        }
        Ok(value)
    }

    fn quoted_name(&mut self) -> Result<Cow<'a, str>, Refusal> {
        let start = self.at;
        let name = self.quoted_once(start, b'"', "unterminated quoted name")?;
        if name.is_empty() {
            return Err(self.bad(start, "empty quoted name"));
        }
        Ok(match name {
            Cow::Borrowed(name) => Cow::Borrowed(cut(name)),
            Cow::Owned(name) => Cow::Owned(cut(&name).to_owned()),
        })
    }

    fn quoted_once(&mut self, start: usize, quote: u8, unterminated: &str) -> Result<Cow<'a, str>, Refusal> {
        self.at += 1;
        let mut value = Cow::Borrowed("");
        let mut piece = self.at;
        loop {
            match (self.byte(0), self.byte(1)) {
                (Some(b), Some(c)) if b == quote && c == quote => {
                    value.to_mut().push_str(self.slice(piece..self.at + 1));
                    self.at += 2;
                    piece = self.at;
                }
                (Some(b), _) if b == quote => {
                    let last = self.slice(piece..self.at);
                    self.at += 1;
                    return Ok(match value {
                        Cow::Borrowed(_) => Cow::Borrowed(last),
                        Cow::Owned(text) => Cow::Owned(text + last),
                    });
                }
                (Some(_), _) => self.at += 1,
                (None, _) => return Err(self.bad(start, unterminated)),
            }
        }
    }

    /// Whether the string goes on after white space that contains a line break (`quotecontinue`); if so, stands on its quote.
    fn continues(&mut self) -> bool {
        let back = self.at;
        let mut line_break = false;
        loop {
            match (self.byte(0), self.byte(1)) {
                (Some(b'\n' | b'\r'), _) => {
                    line_break = true;
                    self.at += 1;
                }
                (Some(b' ' | b'\t' | b'\x0c'), _) => self.at += 1,
                (Some(b'-'), Some(b'-')) => self.skip_line(),
                (Some(b'\''), _) if line_break => return true,
                _ => {
                    self.at = back;
                    return false;
                }
            }
        }
    }

    fn escaped(&mut self) -> Result<Cow<'a, str>, Refusal> {
        let start = self.at;
        self.at += 1;
        let mut value = String::new();
        loop {
            self.at += 1;
            let (text, used) = strings::escaped(self.rest()).map_err(|what| self.bad(start, what))?;
            value.push_str(&text);
            self.at += used;
            if !self.continues() {
                break;
            }
        }
        Ok(Cow::Owned(value))
    }

    fn dollar(&mut self) -> Result<Cow<'a, str>, Refusal> {
        let start = self.at;
        let rest = self.rest();
        let tag = rest.get(1..).and_then(|r| r.split_once('$')).map(|(tag, _)| tag);
        let tag = tag
            .filter(|t| t.bytes().next().is_none_or(is_name_start) && t.bytes().all(|b| is_name_part(b) && b != b'$'));
        let Some(tag) = tag else { return Err(self.bad(start, "stray $")) };
        let delimiter = rest.get(..tag.len() + 2).unwrap_or_default();
        let body = rest.get(delimiter.len()..).unwrap_or_default();
        let Some(length) = body.find(delimiter) else {
            return Err(self.bad(start, "unterminated dollar-quoted string"));
        };
        self.at += delimiter.len() * 2 + length;
        Ok(Cow::Borrowed(body.get(..length).unwrap_or_default()))
    }

    /// Decimal numbers. `0x10`, `1_000` and `1a` mean different things to different versions, so they are refused.
    fn number(&mut self) -> Result<Cow<'a, str>, Refusal> {
        let start = self.at;
        self.digits();
        if self.byte(0) == Some(b'.') && self.byte(1) != Some(b'.') {
            self.at += 1;
            self.digits();
        }
        if matches!(self.byte(0), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(self.byte(1), Some(b'+' | b'-')));
            if self.byte(1 + sign).is_some_and(|b| b.is_ascii_digit()) {
                self.at += 1 + sign;
                self.digits();
            }
        }
        if self.byte(0).is_some_and(is_name_part) {
            return Err(self.bad(start, "number followed by letters"));
        }
        Ok(Cow::Borrowed(self.slice(start..self.at)))
    }

    fn digits(&mut self) {
        while self.byte(0).is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn parameter(&mut self) -> Result<Cow<'a, str>, Refusal> {
        let start = self.at;
        self.at += 1;
        self.digits();
        if self.byte(0).is_some_and(is_name_part) {
            return Err(self.bad(start, "parameter followed by letters"));
        }
        Ok(Cow::Borrowed(self.slice(start..self.at)))
    }

    /// ASCII letters fold to lower case, others stay (`downcase_identifier` under a multi-byte encoding).
    fn word(&mut self) -> Cow<'a, str> {
        let start = self.at;
        while self.byte(0).is_some_and(is_name_part) {
            self.at += 1;
        }
        let word = cut(self.slice(start..self.at));
        if word.bytes().any(|b| b.is_ascii_uppercase()) {
            Cow::Owned(word.to_ascii_lowercase())
        } else {
            Cow::Borrowed(word)
        }
    }

    fn operator(&mut self) -> Result<Cow<'a, str>, Refusal> {
        let start = self.at;
        let fixed = ["::", ":=", ".."].into_iter().find(|f| self.rest().starts_with(f));
        if let Some(fixed) = fixed {
            self.at += fixed.len();
            return Ok(Cow::Borrowed(fixed));
        }
        let run = self.rest().bytes().take_while(|b| is_operator(*b)).count();
        if run == 0 {
            return match self.byte(0) {
                Some(b',' | b'(' | b')' | b'[' | b']' | b'.' | b';' | b':') => {
                    self.at += 1;
                    Ok(Cow::Borrowed(self.slice(start..self.at)))
                }
                _ => Err(self.bad(start, "a character that is no part of SQL")),
            };
        }
        let mut text = self.slice(start..start + run);
        // A comment ends an operator.
        let comment = [text.find("--"), text.find("/*")].into_iter().flatten().min();
        text = text.get(..comment.unwrap_or(text.len())).unwrap_or_default();
        // A trailing sign belongs to what follows, unless a character that no SQL operator has stands before it.
        while text.len() > 1 && text.ends_with(['+', '-']) {
            let head = text.get(..text.len() - 1).unwrap_or_default();
            if head.contains(['~', '!', '@', '#', '^', '&', '|', '`', '?', '%']) {
                break;
            }
            text = head;
        }
        if text.is_empty() || text.len() > NAME_BYTES {
            return Err(self.bad(start, "operator"));
        }
        self.at += text.len();
        Ok(Cow::Borrowed(text))
    }
}

fn cut(name: &str) -> &str {
    let mut end = name.len().min(NAME_BYTES);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.get(..end).unwrap_or_default()
}

fn is_name_start(b: u8) -> bool {
    b.is_ascii_alphabetic() || b == b'_' || b >= 0x80
}

fn is_name_part(b: u8) -> bool {
    is_name_start(b) || b.is_ascii_digit() || b == b'$'
}

fn is_operator(b: u8) -> bool {
    b"~!@#^&|`?+-*/%<>=".contains(&b)
}

#[cfg(test)]
#[path = "lexer_tests.rs"]
mod tests;
