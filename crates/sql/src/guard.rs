//! The gate before the parser: bounds a text by bytes, tokens, nesting and chained operators, and cuts it into statements.
//!
//! The parser's trees are dropped, cloned and walked by recursion, so what would grow a tree too deep for the stack is refused here, by counting tokens,
//! before a tree exists.

use std::ops::Range;

use querygate_record::Position;

use crate::{
    Limits,
    postgres::lexer::{Kind, Lexer, Token},
    statement::{Refusal, RefusalKind},
};

/// Cuts a text into tokens, one by one, as its server does.
pub trait Scan<'a> {
    /// What keeps a routine's body together.
    type Body: Body;

    /// The next token; `None` at the end.
    ///
    /// # Errors
    /// Text that the server's scanner refuses, or that its versions read in two ways.
    fn next_token(&mut self) -> Result<Option<Token<'a>>, Refusal>;
}

/// Follows the tokens of a statement into the body of a routine, whose semicolons don't end it.
pub trait Body: Default {
    /// Takes the next token; `before` are those of the statement so far.
    ///
    /// # Errors
    /// Where the body ends can't be told for certain.
    fn step(&mut self, token: &Token<'_>, before: &[Token<'_>]) -> Result<(), Refusal>;

    /// Whether the body goes on.
    fn is_open(&self) -> bool;
}

/// One statement of a text, cut but not parsed.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// Its tokens, without the semicolon; never empty.
    pub tokens: Vec<Token<'a>>,
    /// From its first token's first byte to its last token's last, in the whole text.
    pub range: Range<usize>,
}

/// Cuts a Postgres text into statements.
///
/// # Errors
/// As [`read_with`].
pub fn read<'a>(text: &'a str, limits: &Limits) -> Result<Vec<Part<'a>>, Refusal> {
    read_with(Lexer::new(text), text, limits)
}

/// Cuts a text into statements. An empty list is a text of nothing but semicolons and comments.
///
/// # Errors
/// The text is beyond a limit, or the server's scanner would not read it, or its statements can't be told apart for certain.
pub fn read_with<'a, S: Scan<'a>>(mut lexer: S, text: &'a str, limits: &Limits) -> Result<Vec<Part<'a>>, Refusal> {
    if text.len() > limits.bytes {
        return Err(too_complex(&format!("text of more than {} bytes", limits.bytes), None));
    }
    if text.as_bytes().contains(&0) {
        return Err(unsupported("a zero byte", None, "the server would read the text up to it"));
    }
    let mut parts = Vec::new();
    let mut tokens: Vec<Token<'a>> = Vec::new();
    let mut shape = Shape::default();
    let mut body = S::Body::default();
    let mut count = 0usize;
    while let Some(token) = lexer.next_token()? {
        count += 1;
        if count > limits.tokens {
            return Err(too_complex(&format!("more than {} tokens", limits.tokens), Some(token.position)));
        }
        let written = tokens.last().is_some_and(|t| matches!(t.kind, Kind::QuotedName | Kind::String));
        if written && token.is_word("uescape") {
            return Err(unsupported("UESCAPE", Some(token.position), "write the character itself"));
        }
        shape.step(&token, limits)?;
        body.step(&token, &tokens)?;
        if token.is(";") && !body.is_open() && !(shape.nested() && is_rule(&tokens)) {
            push(&mut parts, std::mem::take(&mut tokens), limits)?;
            (shape, body) = (Shape::default(), S::Body::default());
        } else {
            tokens.push(token);
        }
    }
    push(&mut parts, tokens, limits)?;
    Ok(parts)
}

fn push<'a>(parts: &mut Vec<Part<'a>>, tokens: Vec<Token<'a>>, limits: &Limits) -> Result<(), Refusal> {
    let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else { return Ok(()) };
    if parts.len() >= limits.statements {
        return Err(too_complex(&format!("more than {} statements", limits.statements), Some(first.position)));
    }
    let range = first.range.start..last.range.end;
    parts.push(Part { tokens, range });
    Ok(())
}

fn too_complex(construct: &str, position: Option<Position>) -> Refusal {
    Refusal {
        kind: RefusalKind::TooComplex,
        construct: construct.into(),
        position,
        hint: "send less at a time, use parameters and IN or = ANY(array) in place of long chains".into(),
    }
}

fn unsupported(construct: &str, position: Option<Position>, hint: &str) -> Refusal {
    Refusal { kind: RefusalKind::Unsupported, construct: construct.into(), position, hint: hint.into() }
}

/// Only the actions of CREATE RULE have semicolons inside parentheses.
fn is_rule(tokens: &[Token<'_>]) -> bool {
    let word = |at: usize, word: &str| tokens.get(at).is_some_and(|t| t.is_word(word));
    word(0, "create") && (word(1, "rule") || (word(1, "or") && word(2, "replace") && word(3, "rule")))
}

/// `BEGIN ATOMIC ... END` of a SQL-bodied function: its semicolons don't end the statement.
#[derive(Default)]
pub struct Atomic {
    open: bool,
}

impl Body for Atomic {
    fn is_open(&self) -> bool {
        self.open
    }

    /// The first END closes the body. One inside a CASE would close it too early for the server's taste, so CASE isn't allowed here: then the
    /// server never ends the body before the gateway does, and what follows is judged as statements of its own.
    fn step(&mut self, token: &Token<'_>, before: &[Token<'_>]) -> Result<(), Refusal> {
        if self.open && token.is_word("end") {
            self.open = false;
        } else if self.open && token.is_word("case") {
            let hint = "write the function's body as a string";
            return Err(unsupported("CASE inside BEGIN ATOMIC", Some(token.position), hint));
        } else if token.is_word("atomic") && before.last().is_some_and(|t| t.is_word("begin")) && is_routine(before) {
            self.open = true;
        }
        Ok(())
    }
}

fn is_routine(tokens: &[Token<'_>]) -> bool {
    tokens.first().is_some_and(|t| t.is_word("create"))
        && tokens.iter().take(4).any(|t| t.is_word("function") || t.is_word("procedure"))
}

/// An upper bound of how deep the statement's tree can get, counted on its tokens.
#[derive(Default)]
struct Shape {
    outer: Vec<Level>,
    level: Level,
    /// Operators right before this token, with nothing between them: all but the first are prefixes, each inside the one before.
    run: usize,
}

/// What is known of one pair of parentheses or brackets.
#[derive(Clone, Copy, Default)]
struct Level {
    /// UNION, EXCEPT, INTERSECT and JOIN: they hang below one another across commas.
    sets: usize,
    /// AND and OR since the last comma: they hang below one another.
    logical: usize,
    /// The operators since the last comma, AND or OR: they bind tighter, and may all hang below one another.
    chain: usize,
    /// The deepest closed pair among them.
    below: usize,
    /// The deepest that anything between ANDs and ORs got.
    segment: usize,
    /// The deepest that anything between commas got.
    widest: usize,
    /// BETWEENs whose AND is still to come.
    between: usize,
    /// Whether it was opened by a bracket.
    bracket: bool,
}

impl Level {
    fn item(&self) -> usize {
        self.logical + self.segment.max(self.chain + self.below)
    }

    fn height(&self) -> usize {
        self.sets + self.widest.max(self.item())
    }

    /// What of it stands above something that is still open inside.
    fn above(&self) -> usize {
        self.sets + self.logical + self.chain + NESTED
    }
}

/// What a pair of parentheses costs: it may be a query of its own.
const NESTED: usize = 4;

/// What a further prefix costs: the tree grows by one level that takes much stack.
const PREFIX: usize = 5;

impl Shape {
    fn nested(&self) -> bool {
        !self.outer.is_empty()
    }

    fn step(&mut self, token: &Token<'_>, limits: &Limits) -> Result<(), Refusal> {
        let cost = match token.kind {
            Kind::Operator => self.operator(token, limits)?,
            Kind::Word => self.word(&token.value),
            _ => 0,
        };
        self.run = if cost == 0 { 0 } else { self.run + 1 };
        self.level.chain += if self.run > 2 { PREFIX } else { cost };
        let path: usize = self.outer.iter().map(Level::above).sum::<usize>() + self.level.height();
        if path > limits.operators {
            return Err(too_complex(
                &format!("more than {} chained operators", limits.operators),
                Some(token.position),
            ));
        }
        Ok(())
    }

    fn operator(&mut self, token: &Token<'_>, limits: &Limits) -> Result<usize, Refusal> {
        match &*token.value {
            "(" | "[" => {
                let bracket = token.is("[");
                self.level.chain += usize::from(bracket);
                self.outer.push(std::mem::replace(&mut self.level, Level { bracket, ..Level::default() }));
                if self.outer.len() > limits.depth {
                    let construct = format!("more than {} levels of parentheses", limits.depth);
                    return Err(too_complex(&construct, Some(token.position)));
                }
                Ok(0)
            }
            ")" | "]" => {
                let outer = self.outer.pop().filter(|_| self.level.bracket == token.is("]"));
                let Some(mut outer) = outer else { return Err(unbalanced(token)) };
                outer.below = outer.below.max(self.level.height() + NESTED);
                self.level = outer;
                Ok(0)
            }
            "," => {
                self.level.widest = self.level.widest.max(self.level.item());
                let Level { sets, widest, bracket, .. } = self.level;
                self.level = Level { sets, widest, bracket, ..Level::default() };
                Ok(0)
            }
            "." | ";" | ":" | ".." | "=>" | ":=" => Ok(0),
            _ => Ok(1),
        }
    }

    /// Keywords that work like an operator, by the stack that a level of their tree takes.
    fn word(&mut self, word: &str) -> usize {
        let folded;
        let word = if word.bytes().any(|b| b.is_ascii_uppercase()) {
            folded = word.to_ascii_lowercase();
            &folded
        } else {
            word
        };
        match word {
            "union" | "except" | "intersect" | "join" | "straight_join" => {
                self.level.sets += 1;
                0
            }
            "and" if self.level.between > 0 => {
                self.level.between -= 1;
                0
            }
            "and" | "or" => {
                self.level.segment = self.level.segment.max(self.level.chain + self.level.below);
                (self.level.chain, self.level.below) = (0, 0);
                self.level.logical += 1;
                0
            }
            "not" | "isnull" | "notnull" | "collate" | "at" | "operator" | "div" | "mod" | "xor" | "binary" => 1,
            "is" => 2,
            "between" => {
                self.level.between += 1;
                3
            }
            "like" | "ilike" | "similar" | "in" | "case" | "rlike" | "regexp" => 3,
            _ => 0,
        }
    }
}

fn unbalanced(token: &Token<'_>) -> Refusal {
    Refusal {
        kind: RefusalKind::Unparsed,
        construct: format!("unbalanced {}", token.value).into(),
        position: Some(token.position),
        hint: "close every parenthesis and bracket in order".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<&str> {
        read(text, &Limits::default()).unwrap().into_iter().map(|p| &text[p.range]).collect()
    }

    fn refused(text: &str) -> Refusal {
        read(text, &Limits::default()).unwrap_err()
    }

    #[test]
    fn statements_are_cut_at_semicolons_outside_strings_and_comments() {
        assert_eq!(cut("; SELECT ';' -- ;\n, 2 ;/* ; */; SELECT $$;$$ ;"), ["SELECT ';' -- ;\n, 2", "SELECT $$;$$"]);
        assert!(cut(" ; -- nothing\n").is_empty());
    }

    #[test]
    fn a_function_body_is_one_statement_and_ends_at_the_first_end() {
        let body = "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END";
        assert_eq!(cut(&format!("{body}; DROP TABLE x")), [body, "DROP TABLE x"]);
        assert_eq!(cut("BEGIN; SELECT atomic FROM t; END"), ["BEGIN", "SELECT atomic FROM t", "END"]);
        let sly = "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1 AS case; END; DROP TABLE x; SELECT 1 AS end";
        assert_eq!(refused(sly).kind, RefusalKind::Unsupported);
    }

    #[test]
    fn a_rule_keeps_its_actions_together() {
        assert_eq!(cut("CREATE RULE r AS ON INSERT TO t DO (DELETE FROM a; DELETE FROM b); SELECT 1").len(), 2);
    }

    #[test]
    fn long_chains_are_refused_and_long_lists_are_not() {
        for joint in [
            "+1",
            " OR a",
            "::text",
            "[1]",
            " COLLATE \"C\"",
            " UNION SELECT 1",
            " IS NULL",
            " JOIN b ON true",
            "||f(a,b)",
        ] {
            let text = format!("SELECT 1{}", joint.repeat(400));
            assert_eq!(refused(&text).kind, RefusalKind::TooComplex, "{joint}");
        }
        assert_eq!(refused(&format!("SELECT 1, 2{}", " UNION SELECT 3, 4".repeat(400))).kind, RefusalKind::TooComplex);
        let list = format!("SELECT * FROM t WHERE id IN (-1{}) AND x = 1", ", -1".repeat(50_000));
        assert_eq!(cut(&list).len(), 1);
    }

    #[test]
    fn chains_inside_chains_add_up() {
        let inner = format!("(1{})", "+1".repeat(160));
        assert_eq!(cut(&format!("SELECT {inner}, {inner}, {inner}")).len(), 1);
        let outer = format!("SELECT f({inner}{})", "+1".repeat(160));
        assert_eq!(refused(&outer).kind, RefusalKind::TooComplex);
    }

    #[test]
    fn huge_texts_are_refused_at_once() {
        let start = std::time::Instant::now();
        for text in [
            "(".repeat(100_000),
            ";SELECT 1".repeat(90_000),
            "1+".repeat(33_000),
            " ".repeat(10 << 20),
            "[".repeat(1 << 20),
        ] {
            assert_eq!(refused(&text).kind, RefusalKind::TooComplex);
        }
        assert!(cut(&";".repeat(100_000)).is_empty());
        assert_eq!(refused(&";".repeat(1_000_000)).kind, RefusalKind::TooComplex);
        assert!(start.elapsed() < std::time::Duration::from_secs(5));
    }

    #[test]
    fn what_means_another_text_to_the_server_is_refused() {
        for text in
            ["DROP TABLE pad\0; SELECT 1", "DROP TABLE U&\"p!0061d\" UESCAPE '!'", "SELECT U&'!0061' uescape '!'"]
        {
            assert_eq!(refused(text).kind, RefusalKind::Unsupported, "{text}");
        }
        assert_eq!(cut("SELECT uescape FROM t").len(), 1);
    }

    #[test]
    fn brackets_must_match() {
        for text in ["SELECT (1", "SELECT 1)", "SELECT (1]", "SELECT a[1)"] {
            let open = read(text, &Limits::default());
            assert!(open.is_ok() == (text == "SELECT (1"), "{text}");
        }
    }
}
