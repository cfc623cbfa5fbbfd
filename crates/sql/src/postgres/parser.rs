//! From our tokens to the parser's, so that it never cuts a text by its own rules.

use sqlparser::{
    ast::Query,
    dialect::PostgreSqlDialect,
    parser::{Parser, ParserError},
    tokenizer::{Location, Span, Token as Parsed, TokenWithSpan},
};

use super::{
    forms::all_converted,
    lexer::{Kind, Token},
};
use crate::{
    Limits, guard,
    statement::{Refusal, RefusalKind},
};

/// Nesting that the parser follows; the guard has bounded the tokens before, so this only has to be above what the guard lets through.
const RECURSION_LIMIT: usize = 400;

static DIALECT: PostgreSqlDialect = PostgreSqlDialect {};

/// A parser over these tokens. Spans of its tree have line 1, and as column the character in the whole text, from 1.
pub fn over(tokens: &[Token<'_>]) -> Parser<'static> {
    Parser::new(&DIALECT).with_recursion_limit(RECURSION_LIMIT).with_tokens_with_locations(all_converted(tokens))
}

/// Parses all tokens by one of the parser's methods.
///
/// # Errors
/// It doesn't know the text, or something is left over.
pub fn whole<T>(
    tokens: &[Token<'_>],
    parse: impl FnOnce(&mut Parser<'static>) -> Result<T, ParserError>,
) -> Result<T, Refusal> {
    let mut parser = over(tokens);
    let tree = parse(&mut parser).map_err(|error| refusal(tokens, &mut parser, &error))?;
    if matches!(parser.peek_token_ref().token, Parsed::EOF) {
        Ok(tree)
    } else {
        Err(refusal(tokens, &mut parser, &ParserError::ParserError(String::new())))
    }
}

/// Parses a text that is one query, such as a view's definition as the server prints it.
///
/// # Errors
/// It is beyond the limits, or isn't one query that the parser knows.
pub fn query(text: &str) -> Result<Query, Refusal> {
    let parts = guard::read(text, &Limits::default())?;
    let refused = || Refusal {
        kind: RefusalKind::Unparsed,
        construct: "a text that is not one query".into(),
        position: None,
        hint: "write one query".into(),
    };
    let [part] = parts.as_slice() else { return Err(refused()) };
    whole(&part.tokens, |parser| parser.parse_query()).map(|query| *query)
}

/// The parser's own words may quote a literal, so only the place is told.
pub(crate) fn refusal(tokens: &[Token<'_>], parser: &mut Parser<'static>, error: &ParserError) -> Refusal {
    let column = parser.peek_token_ref().span.start.column;
    let token = tokens.iter().find(|t| u64::from(t.position.0) == column).or(tokens.last());
    let near = token.map_or_else(
        || "the end".to_owned(),
        |t| if t.kind.is_literal() { "a literal".to_owned() } else { t.value.to_uppercase() },
    );
    let (kind, construct) = match error {
        ParserError::RecursionLimitExceeded => (RefusalKind::TooComplex, "nesting".to_owned()),
        _ => (RefusalKind::Unparsed, format!("a form that is not known, near {near}")),
    };
    Refusal {
        kind,
        construct: construct.into(),
        position: token.map(|t| t.position),
        hint: "write the statement in a simpler form".into(),
    }
}

pub(super) fn converted(token: &Token<'_>) -> TokenWithSpan {
    let start = Location { line: 1, column: u64::from(token.position.0) };
    let end = Location { line: 1, column: u64::from(token.position.0) + 1 };
    TokenWithSpan { token: meaning(token), span: Span { start, end } }
}

fn meaning(token: &Token<'_>) -> Parsed {
    let value = || token.value.clone().into_owned();
    match token.kind {
        Kind::Word => Parsed::make_word(&token.value, None),
        Kind::QuotedName => Parsed::make_word(&token.value, Some('"')),
        Kind::String | Kind::EscapeString | Kind::DollarString => Parsed::SingleQuotedString(value()),
        Kind::NationalString => Parsed::NationalStringLiteral(value()),
        Kind::BitString => Parsed::SingleQuotedByteStringLiteral(value()),
        Kind::HexString => Parsed::HexStringLiteral(value()),
        Kind::Number => Parsed::Number(value(), false),
        Kind::Parameter => Parsed::Placeholder(value()),
        Kind::Operator => operator(&token.value),
    }
}

fn operator(text: &str) -> Parsed {
    match text {
        "," => Parsed::Comma,
        "(" => Parsed::LParen,
        ")" => Parsed::RParen,
        "[" => Parsed::LBracket,
        "]" => Parsed::RBracket,
        "." => Parsed::Period,
        ";" => Parsed::SemiColon,
        ":" => Parsed::Colon,
        "::" => Parsed::DoubleColon,
        ":=" => Parsed::Assignment,
        "=>" => Parsed::RArrow,
        "=" => Parsed::Eq,
        "<>" | "!=" => Parsed::Neq,
        "<" => Parsed::Lt,
        ">" => Parsed::Gt,
        "<=" => Parsed::LtEq,
        ">=" => Parsed::GtEq,
        "+" => Parsed::Plus,
        "-" => Parsed::Minus,
        "*" => Parsed::Mul,
        "/" => Parsed::Div,
        "%" => Parsed::Mod,
        "^" => Parsed::Caret,
        "||" => Parsed::StringConcat,
        "&" => Parsed::Ampersand,
        "|" => Parsed::Pipe,
        "#" => Parsed::Sharp,
        "##" => Parsed::DoubleSharp,
        "~" => Parsed::Tilde,
        "~*" => Parsed::TildeAsterisk,
        "!~" => Parsed::ExclamationMarkTilde,
        "!~*" => Parsed::ExclamationMarkTildeAsterisk,
        "~~" => Parsed::DoubleTilde,
        "~~*" => Parsed::DoubleTildeAsterisk,
        "!~~" => Parsed::ExclamationMarkDoubleTilde,
        "!~~*" => Parsed::ExclamationMarkDoubleTildeAsterisk,
        "<<" => Parsed::ShiftLeft,
        ">>" => Parsed::ShiftRight,
        "&&" => Parsed::Overlap,
        "!" => Parsed::ExclamationMark,
        "!!" => Parsed::DoubleExclamationMark,
        "@" => Parsed::AtSign,
        "^@" => Parsed::CaretAt,
        "|/" => Parsed::PGSquareRoot,
        "||/" => Parsed::PGCubeRoot,
        "->" => Parsed::Arrow,
        "->>" => Parsed::LongArrow,
        "#>" => Parsed::HashArrow,
        "#>>" => Parsed::HashLongArrow,
        "#-" => Parsed::HashMinus,
        "@>" => Parsed::AtArrow,
        "<@" => Parsed::ArrowAt,
        "@?" => Parsed::AtQuestion,
        "@@" => Parsed::AtAt,
        "?" => Parsed::Question,
        "?&" => Parsed::QuestionAnd,
        "?|" => Parsed::QuestionPipe,
        "@-@" => Parsed::AtDashAt,
        "?-" => Parsed::QuestionMarkDash,
        "?#" => Parsed::QuestionMarkSharp,
        "?-|" => Parsed::QuestionMarkDashVerticalBar,
        "?||" => Parsed::QuestionMarkDoubleVerticalBar,
        "&<" => Parsed::AmpersandLeftAngleBracket,
        "&>" => Parsed::AmpersandRightAngleBracket,
        "&<|" => Parsed::AmpersandLeftAngleBracketVerticalBar,
        "|&>" => Parsed::VerticalBarAmpersandRightAngleBracket,
        "<->" => Parsed::TwoWayArrow,
        "<^" => Parsed::LeftAngleBracketCaret,
        ">^" => Parsed::RightAngleBracketCaret,
        "~=" => Parsed::TildeEqual,
        "<<|" => Parsed::ShiftLeftVerticalBar,
        "|>>" => Parsed::VerticalBarShiftRight,
        other => Parsed::CustomBinaryOperator(other.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<String, Refusal> {
        let parts = guard::read(text, &Limits::default())?;
        whole(&parts[0].tokens, |p| p.parse_statement()).map(|s| s.to_string())
    }

    #[test]
    fn the_parser_reads_what_the_server_reads() {
        assert_eq!(parsed("SELECT U&\"d\\0061t\\+000061\" FROM t").unwrap(), "SELECT \"data\" FROM t");
        assert_eq!(parsed("SELECT 'a'\n'b', a=-1, b@>c").unwrap(), "SELECT 'ab', a = -1, b @> c");
        assert_eq!(parsed("SELECT ſelect").unwrap(), "SELECT ſelect");
    }

    #[test]
    fn table_commands_are_queries() {
        assert_eq!(parsed("TABLE ONLY t ORDER BY 1").unwrap(), "SELECT * FROM ONLY t ORDER BY 1");
        assert_eq!(parsed("SELECT 1 UNION ALL TABLE t").unwrap(), "SELECT 1 UNION ALL SELECT * FROM t");
        assert_eq!(parsed("WITH x AS (TABLE t) TABLE x").unwrap(), "WITH x AS (SELECT * FROM t) SELECT * FROM x");
        assert!(parsed("SELECT f(a) table FROM t").is_err());
    }

    #[test]
    fn what_is_left_over_is_refused_and_no_literal_is_told() {
        let refusal = parsed("SELECT 1 FROM t WHERE a = 'secret' 'more'").unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::Unparsed);
        assert!(!refusal.construct.contains("more"), "{}", refusal.construct);
        assert_eq!(refusal.position.map(|p| p.0), Some(36));
    }
}
