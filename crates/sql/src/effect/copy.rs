//! COPY: a table or a query, to or from the client, a file or a program.

use std::sync::Arc;

use querygate_record::{Copy, CopyDirection, CopyFormat, Effect, Position};

use super::{Name, Outcome, Reader, objects, reader::items, rows::outputs, unsupported};
use crate::{
    Limits,
    analysis::Analysis,
    catalog::Relation,
    guard,
    postgres::{
        lexer::{Kind, Token},
        parser,
    },
    query::Rows,
    resolve::{self, Scope},
    statement::{Refusal, RefusalKind},
    write,
};

pub(super) fn statement(
    analysis: &mut Analysis<'_>,
    text: &str,
    reader: &mut Reader<'_, '_>,
) -> Result<Outcome, Refusal> {
    let position = reader.next().map(|t| t.position);
    let binary = reader.eat("binary");
    let source = match reader.parentheses() {
        Some(query) => Source::Query(query),
        None => {
            let name = reader.name()?;
            let columns = match reader.parentheses() {
                Some(list) => Some(names(list)?),
                None => None,
            };
            Source::Table(name, columns)
        }
    };
    let to = reader.eat("to");
    if !to && !reader.eat("from") {
        return Err(reader.unexpected("TO"));
    }
    let client = end(analysis, reader)?;
    let mut options = Options { binary, ..Options::default() };
    options.read(reader)?;
    let mut outcome = Outcome::tagged("COPY");
    if to {
        let (rows, query) = source.read(analysis, text)?;
        let outputs = outputs(&rows);
        let labels: Vec<Arc<str>> = outputs.iter().flatten().map(|output| Arc::clone(&output.name)).collect();
        if client {
            outcome.copy = Some(Copy { direction: CopyDirection::ToStdout, format: options.format(&labels) });
            outcome.copy_query = Some(query);
            outcome.outputs = outputs;
        } else {
            stored_elsewhere(analysis, outputs, position);
        }
    } else {
        let Source::Table(name, columns) = source else { return Err(reader.unexpected("TO")) };
        fill(analysis, &name, columns.as_deref(), options.condition)?;
        if client {
            outcome.copy = Some(Copy { direction: CopyDirection::FromStdin, format: options.format(&[]) });
        }
    }
    Ok(outcome)
}

/// What goes to a file or a program leaves the gateway's sight: every column counts as used.
fn stored_elsewhere(
    analysis: &mut Analysis<'_>,
    outputs: Option<Vec<crate::statement::Output>>,
    position: Option<Position>,
) {
    for output in outputs.into_iter().flatten() {
        if let crate::statement::Origin::Column { column, .. } = output.origin {
            analysis.column_use(column, "COPY", position);
        }
    }
}

/// STDIN, STDOUT, a file or a program; whether it is the client.
fn end(analysis: &mut Analysis<'_>, reader: &mut Reader<'_, '_>) -> Result<bool, Refusal> {
    if reader.eat("stdin") || reader.eat("stdout") {
        return Ok(true);
    }
    let effect = if reader.eat("program") { Effect::Program } else { Effect::File };
    if !reader.next().is_some_and(|t| t.kind.is_literal()) {
        return Err(reader.unexpected("STDIN or STDOUT"));
    }
    analysis.effect(effect, "");
    Ok(false)
}

enum Source<'t, 'a> {
    Query(&'t [Token<'a>]),
    Table(Name, Option<Vec<String>>),
}

impl Source<'_, '_> {
    /// What it reads, and a query with the same result columns.
    fn read(&self, analysis: &mut Analysis<'_>, text: &str) -> Result<(Rows, Arc<str>), Refusal> {
        match self {
            Source::Query(tokens) => {
                let range = tokens.first().zip(tokens.last()).map(|(first, last)| first.range.start..last.range.end);
                let query = range.and_then(|range| text.get(range)).unwrap_or_default();
                let writes = ["insert", "update", "delete", "merge"];
                let rows = if tokens.first().is_some_and(|t| writes.iter().any(|word| t.is_word(word))) {
                    let statement = parser::whole(tokens, |parser| parser.parse_statement())?;
                    analysis.write(&statement, &Scope::default())?
                } else {
                    let query = parser::whole(tokens, |parser| parser.parse_query())?;
                    analysis.query(&query, &Scope::default())?
                };
                Ok((rows, query.into()))
            }
            Source::Table(name, columns) => {
                let query = table_query(analysis, name, columns.as_deref());
                let parts = guard::read(&query, &Limits::default())?;
                let mut tokens = parts.into_iter().flat_map(|part| part.tokens).collect::<Vec<_>>();
                tokens.iter_mut().for_each(|token| token.position = name.position);
                let parsed = parser::whole(&tokens, |parser| parser.parse_query())?;
                let rows = analysis.query(&parsed, &Scope::default())?;
                Ok((rows, query.into()))
            }
        }
    }
}

/// COPY of a table leaves generated columns out, and children's rows too.
fn table_query(analysis: &Analysis<'_>, name: &Name, columns: Option<&[String]>) -> String {
    let object = objects::relation(analysis, name);
    let list = match (columns, object.relation) {
        (Some(columns), _) => columns.iter().map(|c| quoted(c)).collect::<Vec<_>>().join(", "),
        (None, Some(relation)) => {
            let own = relation.columns.iter().filter(|column| !column.generated);
            own.map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ")
        }
        (None, None) => "*".to_owned(),
    };
    let table = name.parts.iter().map(|part| quoted(part)).collect::<Vec<_>>().join(".");
    format!("SELECT {list} FROM ONLY {table}")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn names(list: &[Token<'_>]) -> Result<Vec<String>, Refusal> {
    items(list).into_iter().map(|item| Reader::new(item).identifier()).collect()
}

/// COPY FROM adds rows whose values come from outside.
fn fill(
    analysis: &mut Analysis<'_>,
    name: &Name,
    columns: Option<&[String]>,
    condition: &[Token<'_>],
) -> Result<(), Refusal> {
    let object = objects::relation(analysis, name);
    let Some(relation) = object.relation else {
        if object.temporary {
            analysis.effect(Effect::Session, object.name);
            return Ok(());
        }
        return Err(unknown(RefusalKind::UnknownTable, &format!("relation \"{}\"", name.last()), name.position));
    };
    let mut targets = Vec::new();
    for wanted in columns.unwrap_or_default() {
        match relation.column(wanted) {
            Some(column) => targets.push(column),
            None => return Err(unknown(RefusalKind::UnknownColumn, &format!("column \"{wanted}\""), name.position)),
        }
    }
    if columns.is_none() {
        targets.extend(relation.columns.iter().filter(|column| !column.generated));
    }
    let targets = targets.into_iter().map(|column| write::Target {
        column: column.id,
        constant: true,
        position: Some(name.position),
    });
    write::inserted(analysis, relation, &targets.collect::<Vec<_>>(), Some(name.position))?;
    filtered(analysis, relation, condition, name.position)
}

/// COPY FROM ... WHERE sees the new row.
fn filtered<'a>(
    analysis: &mut Analysis<'a>,
    relation: &'a Relation,
    condition: &[Token<'_>],
    position: Position,
) -> Result<(), Refusal> {
    if condition.is_empty() {
        return Ok(());
    }
    let expression = parser::whole(condition, |parser| parser.parse_expr())?;
    let item = analysis.read_relation(&resolve::Named::Relation(relation), Some(position))?;
    let outer = Scope::default();
    let scope = outer.inner(resolve::From::of(item));
    analysis.condition(&expression, &scope, "COPY WHERE").map(drop)
}

fn unknown(kind: RefusalKind, construct: &str, position: Position) -> Refusal {
    Refusal { kind, construct: construct.into(), position: Some(position), hint: "name one that exists".into() }
}

/// COPY's options in both spellings.
#[derive(Default)]
struct Options<'t, 'a> {
    binary: bool,
    csv: bool,
    header: bool,
    delimiter: Option<u8>,
    null: Option<String>,
    quote: Option<u8>,
    escape: Option<u8>,
    force_quote: Option<Vec<String>>,
    condition: &'t [Token<'a>],
}

impl<'t, 'a> Options<'t, 'a> {
    fn read(&mut self, reader: &mut Reader<'t, 'a>) -> Result<(), Refusal> {
        reader.eat("using");
        reader.eat("with");
        if let Some(list) = reader.parentheses() {
            for item in items(list) {
                self.option(&mut Reader::new(item))?;
            }
        } else {
            while !reader.is_done() && reader.word() != "where" {
                self.option(reader)?;
            }
        }
        if reader.eat("where") {
            self.condition = reader.rest();
            return Ok(());
        }
        reader.end()
    }

    fn option(&mut self, reader: &mut Reader<'t, 'a>) -> Result<(), Refusal> {
        let position = reader.peek().map(|t| t.position);
        let word = reader.identifier()?;
        match word.as_str() {
            "format" => match reader.next().map(|t| t.value.to_ascii_lowercase()).as_deref() {
                Some("text") => {}
                Some("csv") => self.csv = true,
                Some("binary") => self.binary = true,
                _ => return Err(unsupported("COPY format", position, "use text, csv or binary")),
            },
            "binary" => self.binary = true,
            "csv" => self.csv = true,
            "header" => self.header = flag(reader),
            "freeze" => {
                flag(reader);
            }
            "delimiter" | "delimiters" => self.delimiter = Some(byte(reader)?),
            "quote" => self.quote = Some(byte(reader)?),
            "escape" => self.escape = Some(byte(reader)?),
            "null" => self.null = Some(value(reader)?),
            "encoding" => {
                if !matches!(value(reader)?.to_ascii_lowercase().as_str(), "utf8" | "utf-8" | "unicode") {
                    return Err(unsupported("COPY encoding", position, "only UTF8 passes"));
                }
            }
            "force_quote" | "force_not_null" | "force_null" => {
                let columns = columns(reader)?;
                if word == "force_quote" {
                    self.force_quote = Some(columns);
                }
            }
            "force" => {
                let quote = reader.eat("quote");
                if !quote && !reader.eat("not null") && !reader.eat("null") {
                    return Err(reader.unexpected("QUOTE"));
                }
                let columns = columns(reader)?;
                if quote {
                    self.force_quote = Some(columns);
                }
            }
            "on_error" | "reject_limit" | "log_verbosity" | "default" => {
                reader.next();
            }
            _ => return Err(unsupported("COPY option", position, "leave it out")),
        }
        Ok(())
    }

    fn format(&self, labels: &[Arc<str>]) -> CopyFormat {
        if self.binary {
            return CopyFormat::Binary;
        }
        if !self.csv {
            return CopyFormat::Text {
                delimiter: self.delimiter.unwrap_or(b'\t'),
                null: self.null.clone().unwrap_or_else(|| "\\N".to_owned()),
                header: self.header,
            };
        }
        let quote = self.quote.unwrap_or(b'"');
        let forced = |label: &Arc<str>| {
            self.force_quote.as_ref().is_some_and(|names| names.iter().any(|name| name == "*" || **name == **label))
        };
        CopyFormat::Csv {
            delimiter: self.delimiter.unwrap_or(b','),
            null: self.null.clone().unwrap_or_default(),
            header: self.header,
            quote,
            escape: self.escape.unwrap_or(quote),
            force_quote: labels.iter().map(forced).collect(),
        }
    }
}

/// An optional boolean (or MATCH); true when nothing follows.
fn flag(reader: &mut Reader<'_, '_>) -> bool {
    let Some(token) = reader.peek() else { return true };
    let known = token.value.to_ascii_lowercase();
    if matches!(&*known, "true" | "on" | "1" | "match" | "false" | "off" | "0") {
        reader.next();
        return !matches!(&*known, "false" | "off" | "0");
    }
    true
}

fn value(reader: &mut Reader<'_, '_>) -> Result<String, Refusal> {
    reader.eat("as");
    match reader.peek().filter(|t| t.kind.is_literal() && t.kind != Kind::Number) {
        Some(token) => {
            reader.next();
            Ok(token.value.clone().into_owned())
        }
        None => Err(reader.unexpected("a string")),
    }
}

fn byte(reader: &mut Reader<'_, '_>) -> Result<u8, Refusal> {
    let at = *reader;
    match value(reader)?.as_bytes() {
        [byte] => Ok(*byte),
        _ => Err(at.unexpected("one character")),
    }
}

/// Column names in or without parentheses, or `*`.
fn columns(reader: &mut Reader<'_, '_>) -> Result<Vec<String>, Refusal> {
    if reader.eat_mark("*") {
        return Ok(vec!["*".to_owned()]);
    }
    if let Some(list) = reader.parentheses() {
        return if list.first().is_some_and(|t| t.is("*")) { Ok(vec!["*".to_owned()]) } else { names(list) };
    }
    let mut found = vec![reader.identifier()?];
    while reader.eat_mark(",") {
        found.push(reader.identifier()?);
    }
    Ok(found)
}
