//! From our tokens to the parser's, so that it never cuts a text by its own rules.

use sqlparser::{
    dialect::MySqlDialect,
    parser::{Parser, ParserError},
    tokenizer::{Location, Span, Token as Parsed, TokenWithSpan},
};

use super::forms;
use crate::{
    postgres::{
        lexer::{Kind, Token},
        parser,
    },
    statement::Refusal,
};

/// Nesting that the parser follows; the guard has bounded the tokens before.
const RECURSION_LIMIT: usize = 400;

static DIALECT: MySqlDialect = MySqlDialect {};

/// Parses all tokens by one of the parser's methods.
///
/// # Errors
/// It doesn't know the text, or something is left over.
pub fn whole<T>(
    tokens: &[Token<'_>],
    parse: impl FnOnce(&mut Parser<'static>) -> Result<T, ParserError>,
) -> Result<T, Refusal> {
    let converted = all_converted(tokens);
    let mut reader = Parser::new(&DIALECT).with_recursion_limit(RECURSION_LIMIT).with_tokens_with_locations(converted);
    let tree = parse(&mut reader).map_err(|error| parser::refusal(tokens, &mut reader, &error))?;
    match reader.peek_token_ref().token {
        Parsed::EOF => Ok(tree),
        _ => Err(parser::refusal(tokens, &mut reader, &ParserError::ParserError(String::new()))),
    }
}

fn all_converted(tokens: &[Token<'_>]) -> Vec<TokenWithSpan> {
    let mut found: Vec<TokenWithSpan> = tokens.iter().map(converted).collect();
    forms::adapt(tokens, &mut found);
    found
}

fn converted(token: &Token<'_>) -> TokenWithSpan {
    let start = Location { line: 1, column: u64::from(token.position.0) };
    let end = Location { line: 1, column: u64::from(token.position.0) + 1 };
    TokenWithSpan { token: meaning(token), span: Span { start, end } }
}

fn meaning(token: &Token<'_>) -> Parsed {
    let value = || token.value.clone().into_owned();
    match token.kind {
        Kind::Word => Parsed::make_word(&token.value, None),
        Kind::QuotedName => Parsed::make_word(&token.value, Some('`')),
        Kind::String | Kind::EscapeString | Kind::DollarString => Parsed::SingleQuotedString(value()),
        Kind::NationalString => Parsed::NationalStringLiteral(value()),
        Kind::BitString | Kind::HexString => Parsed::HexStringLiteral(value()),
        Kind::Number => Parsed::Number(value(), false),
        Kind::Parameter => Parsed::Placeholder(value()),
        Kind::Operator => operator(&token.value),
    }
}

fn operator(text: &str) -> Parsed {
    match text {
        "," => Parsed::Comma,
        "{" => Parsed::LBrace,
        "}" => Parsed::RBrace,
        "(" => Parsed::LParen,
        ")" => Parsed::RParen,
        "." => Parsed::Period,
        ";" => Parsed::SemiColon,
        "=" => Parsed::Eq,
        "<>" | "!=" => Parsed::Neq,
        "<" => Parsed::Lt,
        ">" => Parsed::Gt,
        "<=" => Parsed::LtEq,
        ">=" => Parsed::GtEq,
        "<=>" => Parsed::Spaceship,
        "+" => Parsed::Plus,
        "-" => Parsed::Minus,
        "*" => Parsed::Mul,
        "/" => Parsed::Div,
        "%" => Parsed::Mod,
        "^" => Parsed::Caret,
        "&" => Parsed::Ampersand,
        "&&" => Parsed::Overlap,
        "|" => Parsed::Pipe,
        "~" => Parsed::Tilde,
        "<<" => Parsed::ShiftLeft,
        ">>" => Parsed::ShiftRight,
        "!" => Parsed::ExclamationMark,
        "->" => Parsed::Arrow,
        "->>" => Parsed::LongArrow,
        other => Parsed::CustomBinaryOperator(other.to_owned()),
    }
}
