//! Reads a statement token by token, for the kinds that are nothing but keywords and names.

use std::sync::Arc;

use querygate_record::Position;

use crate::{
    postgres::lexer::{Kind, Token},
    statement::{Refusal, RefusalKind},
};

/// A name of up to three parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub parts: Vec<String>,
    pub position: Position,
}

impl Name {
    pub(crate) fn last(&self) -> &str {
        self.parts.last().map_or("", String::as_str)
    }

    pub(crate) fn schema(&self) -> Option<&str> {
        let at = self.parts.len().checked_sub(2)?;
        self.parts.get(at).map(String::as_str)
    }

    pub(crate) fn text(&self) -> Arc<str> {
        self.parts.join(".").into()
    }
}

/// A place in a statement's tokens.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'t, 'a> {
    tokens: &'t [Token<'a>],
}

impl<'t, 'a> Reader<'t, 'a> {
    pub(crate) fn new(tokens: &'t [Token<'a>]) -> Reader<'t, 'a> {
        Reader { tokens }
    }

    /// What is left.
    pub(crate) fn rest(&self) -> &'t [Token<'a>] {
        self.tokens
    }

    pub(crate) fn is_done(&self) -> bool {
        self.tokens.is_empty()
    }

    pub(crate) fn peek(&self) -> Option<&'t Token<'a>> {
        self.tokens.first()
    }

    /// The keyword that comes next; empty if something else does.
    pub(crate) fn word(&self) -> &'t str {
        self.peek().filter(|t| t.kind == Kind::Word).map_or("", |t| &*t.value)
    }

    pub(crate) fn next(&mut self) -> Option<&'t Token<'a>> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    /// Takes these keywords if they all come next, in order.
    pub(crate) fn eat(&mut self, words: &str) -> bool {
        let mut ahead = *self;
        for word in words.split(' ') {
            if !ahead.next().is_some_and(|t| t.is_word(word)) {
                return false;
            }
        }
        *self = ahead;
        true
    }

    /// Takes an operator or a mark if it comes next.
    pub(crate) fn eat_mark(&mut self, mark: &str) -> bool {
        let found = self.peek().is_some_and(|t| t.is(mark));
        if found {
            self.next();
        }
        found
    }

    /// A name, perhaps qualified.
    pub(crate) fn name(&mut self) -> Result<Name, Refusal> {
        let position = self.peek().map_or(Position(0), |t| t.position);
        let mut parts = vec![self.identifier()?];
        while parts.len() < 3 && self.eat_mark(".") {
            parts.push(self.identifier()?);
        }
        Ok(Name { parts, position })
    }

    /// A single name.
    pub(crate) fn identifier(&mut self) -> Result<String, Refusal> {
        match self.peek().and_then(|t| t.name()) {
            Some(name) => {
                self.next();
                Ok(name.to_owned())
            }
            None => Err(self.unexpected("a name")),
        }
    }

    /// Names between commas; `ONLY`, `*` and parentheses around a table's name are passed over.
    pub(crate) fn tables(&mut self) -> Result<Vec<Name>, Refusal> {
        let mut names = Vec::new();
        loop {
            let only = self.eat("only");
            let open = only && self.eat_mark("(");
            names.push(self.name()?);
            if open && !self.eat_mark(")") {
                return Err(self.unexpected(")"));
            }
            self.eat_mark("*");
            if !self.eat_mark(",") {
                return Ok(names);
            }
        }
    }

    /// The tokens of the parentheses that come next, without them; `None` if none do.
    pub(crate) fn parentheses(&mut self) -> Option<&'t [Token<'a>]> {
        if !self.peek().is_some_and(|t| t.is("(")) {
            return None;
        }
        let mut depth = 0usize;
        for (at, token) in self.tokens.iter().enumerate() {
            if token.is("(") {
                depth += 1;
            } else if token.is(")") {
                depth -= 1;
                if depth == 0 {
                    let inside = self.tokens.get(1..at).unwrap_or_default();
                    self.tokens = self.tokens.get(at + 1..).unwrap_or_default();
                    return Some(inside);
                }
            }
        }
        None
    }

    /// What stands before the first of these keywords outside parentheses; then stands on it. All the rest if none comes.
    pub(crate) fn until(&mut self, words: &[&str]) -> &'t [Token<'a>] {
        let mut depth = 0usize;
        let end = self.tokens.iter().position(|token| {
            match &*token.value {
                "(" if token.kind == Kind::Operator => depth += 1,
                ")" if token.kind == Kind::Operator => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && token.kind == Kind::Word && words.contains(&&*token.value)
        });
        let (before, after) =
            self.tokens.split_at_checked(end.unwrap_or(self.tokens.len())).unwrap_or((self.tokens, &[]));
        self.tokens = after;
        before
    }

    /// Refuses what is left over.
    pub(crate) fn end(&self) -> Result<(), Refusal> {
        if self.is_done() { Ok(()) } else { Err(self.unexpected("the end")) }
    }

    /// The refusal for a token that should be something else.
    pub(crate) fn unexpected(&self, wanted: &str) -> Refusal {
        let near = match self.peek() {
            None => "the end".to_owned(),
            Some(t) if t.kind.is_literal() => "a literal".to_owned(),
            Some(t) => t.value.to_uppercase(),
        };
        Refusal {
            kind: RefusalKind::Unparsed,
            construct: format!("a form that is not known, near {near} ({wanted} expected)").into(),
            position: self.peek().map(|t| t.position),
            hint: "write the statement in a simpler form".into(),
        }
    }
}

/// Splits at commas outside parentheses and brackets.
pub(crate) fn items<'t, 'a>(tokens: &'t [Token<'a>]) -> Vec<&'t [Token<'a>]> {
    let mut depth = 0usize;
    let found = tokens.split(|token| {
        match &*token.value {
            "(" | "[" if token.kind == Kind::Operator => depth += 1,
            ")" | "]" if token.kind == Kind::Operator => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && token.is(",")
    });
    found.filter(|item| !item.is_empty()).collect()
}
