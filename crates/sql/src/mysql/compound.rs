//! Bodies of routines: `CREATE PROCEDURE p() BEGIN ...; ...; END`, whose semicolons don't end the statement (MySQL manual, "Compound Statement
//! Syntax").
//!
//! BEGIN and END are names as well, and CASE has two meanings, so that only the server's grammar can tell blocks for certain. Here a word opens a block
//! where the grammar leaves no other choice. Where it is a name to the server it must not open one here: then the server would end the body before
//! the gateway does, and run what the gateway takes for a part of it. The other way round is harmless: what is left over is judged by itself.

use crate::{
    guard::Body,
    postgres::lexer::{Kind, Token},
    statement::Refusal,
};

use super::reading::unsupported;

/// Words that may stand between a routine's parameters and its body. None of them begins a statement.
const CHARACTERISTICS: &[&str] = &[
    "aggregate",
    "bigint",
    "binary",
    "bit",
    "blob",
    "bool",
    "boolean",
    "char",
    "character",
    "charset",
    "collate",
    "comment",
    "contains",
    "data",
    "date",
    "datetime",
    "decimal",
    "definer",
    "deterministic",
    "double",
    "enum",
    "float",
    "int",
    "integer",
    "invoker",
    "json",
    "language",
    "longblob",
    "longtext",
    "mediumblob",
    "mediumint",
    "mediumtext",
    "modifies",
    "no",
    "not",
    "numeric",
    "precision",
    "reads",
    "real",
    "returns",
    "security",
    "signed",
    "smallint",
    "sql",
    "text",
    "time",
    "timestamp",
    "tinyblob",
    "tinyint",
    "tinytext",
    "unsigned",
    "utf8mb3",
    "utf8mb4",
    "varbinary",
    "varchar",
    "year",
    "zerofill",
];

/// Words behind END that name what ends, which was not counted when it began.
const UNCOUNTED: &[&str] = &["if", "loop", "while", "repeat", "for"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Block,
    Case,
}

/// Where the cut of a text stands in a routine's body.
#[derive(Debug, Default)]
pub struct Compound {
    open: Vec<Open>,
    /// The last token was END: what ends is told by the next one.
    ended: bool,
    /// A statement can begin here.
    starts: bool,
    /// The first word of the statement that is being read.
    first: String,
    /// It declares a handler.
    handles: bool,
    /// The last token opened a block: it is a label if a colon follows.
    opened: bool,
}

impl Body for Compound {
    fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    fn step(&mut self, token: &Token<'_>, before: &[Token<'_>]) -> Result<(), Refusal> {
        if self.open.is_empty() {
            if token.is_word("begin") && begins_body(before) {
                self.begin();
            }
            return Ok(());
        }
        self.within(token, before.last())
    }
}

impl Compound {
    fn begin(&mut self) {
        self.open.push(Open::Block);
        self.start();
        self.opened = true;
    }

    fn start(&mut self) {
        (self.starts, self.handles, self.opened) = (true, false, false);
        self.first.clear();
    }

    fn within(&mut self, token: &Token<'_>, last: Option<&Token<'_>>) -> Result<(), Refusal> {
        let word = if token.kind == Kind::Word { token.value.to_ascii_lowercase() } else { String::new() };
        if std::mem::take(&mut self.ended) {
            if UNCOUNTED.contains(&&*word) {
                return Ok(());
            }
            let ended = self.open.pop();
            if self.open.is_empty() || (word == "case" && ended == Some(Open::Case)) {
                return Ok(());
            }
        }
        let opened = std::mem::take(&mut self.opened);
        if token.is(":") {
            if opened {
                self.open.pop();
            }
            self.start();
            return Ok(());
        }
        let (starts, after) = (std::mem::take(&mut self.starts), |what: &str| last.is_some_and(|t| t.is_word(what)));
        if starts {
            self.first = word.clone();
        }
        let in_case = self.open.last() == Some(&Open::Case);
        match word.as_str() {
            // Behind a point every word is a name.
            _ if last.is_some_and(|t| t.is(".")) => {}
            "end" => self.ended = true,
            "case" => self.open.push(Open::Case),
            "begin" if starts => self.begin(),
            "begin" if in_case && (after("then") || after("else")) => {
                return Err(unsupported("BEGIN inside CASE", "use IF, or write the block as a routine of its own"));
            }
            "begin" if self.handles && (after("for") || last.is_some_and(|t| t.is(","))) => {
                return Err(unsupported("a condition named begin", "give it another name"));
            }
            "begin" if self.handles => self.begin(),
            "handler" => self.handles = self.first == "declare",
            "then" | "else" if !in_case => self.start(),
            "loop" | "repeat" if starts => self.start(),
            "do" if matches!(self.first.as_str(), "while" | "for") => self.start(),
            _ if token.is(";") => self.start(),
            _ => {}
        }
        Ok(())
    }
}

/// Whether the body of a routine begins behind these tokens, with a block.
fn begins_body(before: &[Token<'_>]) -> bool {
    let [create, rest @ ..] = before else { return false };
    let kind = rest
        .iter()
        .take(8)
        .find_map(|t| ["procedure", "function", "trigger", "event"].into_iter().find(|k| t.is_word(k)));
    // A label before the block.
    let header = match before {
        [header @ .., label, colon] if colon.is(":") && matches!(label.kind, Kind::Word | Kind::QuotedName) => header,
        all => all,
    };
    match kind.filter(|_| create.is_word("create")) {
        Some("procedure" | "function") => is_routine_header(header),
        Some("trigger") => match header {
            [.., each, row] => each.is_word("each") && row.is_word("row") || is_order(header),
            _ => false,
        },
        Some("event") => {
            header.last().is_some_and(|t| t.is_word("do")) && header.iter().filter(|t| t.is_word("do")).count() == 1
        }
        _ => false,
    }
}

/// `... FOR EACH ROW FOLLOWS name`.
fn is_order(header: &[Token<'_>]) -> bool {
    matches!(header, [.., each, row, order, _]
        if each.is_word("each") && row.is_word("row") && (order.is_word("follows") || order.is_word("precedes")))
}

/// Everything behind the parameters is a characteristic of the routine, or in parentheses.
fn is_routine_header(header: &[Token<'_>]) -> bool {
    let Some(parameters) = header.iter().position(|t| t.is("(")) else { return false };
    let mut depth = 0_usize;
    header.iter().skip(parameters).all(|token| {
        match () {
            () if token.is("(") => depth += 1,
            () if token.is(")") => depth = depth.saturating_sub(1),
            () if depth > 0 => {}
            () if token.kind == Kind::String => {}
            () => return token.kind == Kind::Word && CHARACTERISTICS.iter().any(|word| token.is_word(word)),
        }
        true
    })
}

#[cfg(test)]
mod tests {
    use crate::{Limits, guard, mysql::Lexer};

    fn cut(text: &str) -> Vec<&str> {
        guard::read_with(Lexer::new(text), text, &Limits::default())
            .unwrap()
            .into_iter()
            .map(|p| &text[p.range])
            .collect()
    }

    #[test]
    fn a_body_is_a_part_of_its_statement() {
        for body in [
            "CREATE PROCEDURE p(IN a INT) BEGIN SELECT 1; SELECT 2; END",
            "CREATE DEFINER=`root`@`%` PROCEDURE IF NOT EXISTS `p`() COMMENT 'x' SQL SECURITY INVOKER READS SQL DATA BEGIN SELECT 1; END",
            "CREATE FUNCTION f(a INT) RETURNS VARCHAR(20) CHARSET utf8mb4 DETERMINISTIC l: BEGIN RETURN CASE a WHEN 1 THEN 2 ELSE 3 END; END l",
            "CREATE PROCEDURE p() BEGIN IF a THEN BEGIN SELECT 1; END; ELSE SELECT IF(1,2,3); END IF; END",
            "CREATE PROCEDURE p() BEGIN WHILE a DO BEGIN SET a = 1; END; END WHILE; l: LOOP LEAVE l; END LOOP l; REPEAT SET a = 1; UNTIL a END REPEAT; END",
            "CREATE PROCEDURE p() BEGIN CASE a WHEN 1 THEN SELECT 1; ELSE SELECT 2; END CASE; SELECT 3; END",
            "CREATE PROCEDURE p() BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION, 1062 BEGIN ROLLBACK; END; SELECT t.case, t.end, t.begin FROM t; END",
            "CREATE PROCEDURE p() begin: BEGIN SELECT 1; END begin",
            "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW FOLLOWS x BEGIN SET NEW.a = 1; END",
            "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO BEGIN DELETE FROM a; END",
        ] {
            assert_eq!(cut(&format!("{body}; DROP TABLE x")), [body, "DROP TABLE x"]);
        }
    }

    #[test]
    fn what_may_be_a_name_to_the_server_hides_nothing() {
        for text in [
            "CREATE PROCEDURE p() SELECT (1) begin; DROP TABLE x; SELECT 1 AS end",
            "CREATE PROCEDURE p() SELECT begin FROM t; DROP TABLE x; END",
            "CREATE PROCEDURE p() BEGIN SELECT begin FROM t; END; DROP TABLE x; END",
            "CREATE PROCEDURE p() BEGIN SELECT t.case FROM t; END; DROP TABLE x; END",
            "CREATE PROCEDURE p() BEGIN DO begin; END; DROP TABLE x; END",
            "CREATE PROCEDURE p() BEGIN begin: LOOP LEAVE begin; END LOOP begin; END; DROP TABLE x; END",
            "CREATE PROCEDURE p() BEGIN REPEAT SELECT 1; UNTIL 1 END REPEAT begin; END; DROP TABLE x; END",
            "CREATE PROCEDURE p() BEGIN SELECT end FROM t; END; DROP TABLE x; END",
            "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET @x = (1) begin; DROP TABLE x; END",
            "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO DO begin; DROP TABLE x; END",
            "CREATE TABLE t (a INT) begin; DROP TABLE x; END",
            "SELECT 1 begin; DROP TABLE x; END",
            "CREATE PROCEDURE p() BEGIN SELECT `case`, 'begin', @begin FROM t; END; DROP TABLE x; END",
        ] {
            assert!(cut(text).iter().any(|part| part.starts_with("DROP TABLE x")), "{text}: {:?}", cut(text));
        }
        for text in [
            "CREATE PROCEDURE p() BEGIN SELECT CASE WHEN 1 THEN begin ELSE 2 END FROM t; END; DROP TABLE x; END",
            "CREATE PROCEDURE p() BEGIN DECLARE EXIT HANDLER FOR begin SELECT 1; END; DROP TABLE x; END",
        ] {
            assert!(guard::read_with(Lexer::new(text), text, &Limits::default()).is_err(), "{text}");
        }
    }
}
