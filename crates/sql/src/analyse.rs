//! The entry: a text becomes statements.

use std::{ops::Range, sync::Arc};

use querygate_record::{Barrier, Effect, TransactionChange};

use crate::{
    analysis::Analysis,
    catalog::Catalog,
    guard::{self, Part},
    postgres::parser,
    query::Rows,
    resolve::{Column, Scope, Source},
    session::Settings,
    statement::{EffectOn, Origin, Output, Refusal, RefusalKind, Statement},
};

/// How large a text may be. A text over a limit is refused before it is parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole text.
    pub bytes: usize,
    /// Tokens of the whole text, blanks not counted.
    pub tokens: usize,
    /// Tokens of one statement that chain expressions (operators, AND, OR, `::`, UNION ...): the parser's tree of a longer chain can't be dropped safely.
    pub operators: usize,
    /// Nested parentheses, brackets and subqueries.
    pub depth: usize,
    /// Statements in one text.
    pub statements: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { bytes: 1 << 20, tokens: 200_000, operators: 300, depth: 50, statements: 1_000 }
    }
}

/// Analyses a Postgres text: one [`Statement`] per statement of the text, in order. Never panics. A text that can't be
/// parsed is one statement over the whole text with [`Statement::unanalysed`] set and the effect `unanalysed`.
pub fn analyse(text: &str, catalog: &Catalog, settings: &Settings, limits: &Limits) -> Vec<Statement> {
    let parts = match guard::read(text, limits) {
        Ok(parts) => parts,
        Err(refusal) => return vec![not_understood(0..text.len(), "", refusal)],
    };
    let mut settings = settings.clone();
    let mut statements = Vec::with_capacity(parts.len());
    for part in &parts {
        let statement = match understand(part, catalog, &mut settings) {
            Ok(statement) => statement,
            Err(refusal) if refusal.kind == RefusalKind::Unparsed => return vec![not_understood(0..text.len(), "", refusal)],
            Err(refusal) => not_understood(part.range.clone(), "", refusal),
        };
        statements.push(statement);
    }
    statements
}

/// One statement of the text. What it makes or sets counts for those after it.
fn understand(part: &Part<'_>, catalog: &Catalog, settings: &mut Settings) -> Result<Statement, Refusal> {
    let mut analysis = Analysis::new(catalog, settings);
    let query = parser::whole(&part.tokens, |parser| parser.parse_query())?;
    let rows = analysis.query(&query, &Scope::default())?;
    let mut statement = Statement { range: part.range.clone(), tag: "SELECT", outputs: (!analysis.no_rows).then(|| outputs(&rows)).flatten(), ..empty() };
    fill(&mut statement, analysis);
    Ok(statement)
}

/// A query's result columns as policy and wire need them; none where some aren't known.
pub(crate) fn outputs(rows: &Rows) -> Option<Vec<Output>> {
    let output = |column: &Column| Output {
        name: Arc::clone(&column.name),
        origin: match column.value.source {
            Source::Plain { column, nullable_side } => Origin::Column { column, nullable_side },
            Source::Derived(_) | Source::Row(_) => Origin::Computed,
        },
    };
    (!rows.open).then(|| rows.columns.iter().map(output).collect())
}

/// Moves what was found into the statement.
fn fill(statement: &mut Statement, analysis: Analysis<'_>) {
    let Analysis { catalog, found, parameters, .. } = analysis;
    statement.effects = found.effects;
    for effect in statement.effects.iter_mut().filter(|effect| effect.effect == Effect::Read && effect.columns.is_empty()) {
        let relation = found.tables.iter().find(|table| table.name == effect.object);
        let columns = found.reads.iter().filter(|column| relation.is_some_and(|table| table.relation == column.table));
        effect.columns = columns.filter_map(|id| catalog.column(*id)).map(|column| Arc::clone(&column.name)).collect();
    }
    statement.reads = found.reads;
    statement.writes = found.writes;
    statement.tables = found.tables;
    statement.uses = found.uses;
    statement.opaque = found.opaque;
    statement.functions = found.functions.iter().map(ToString::to_string).collect();
    statement.parameters = parameters;
}

/// The one place where "not understood" becomes the effect `unanalysed`.
fn not_understood(range: Range<usize>, tag: &'static str, refusal: Refusal) -> Statement {
    let effect = EffectOn { effect: Effect::Unanalysed, object: "".into(), bounded: true, columns: Vec::new() };
    Statement { range, tag, effects: vec![effect], unanalysed: Some(refusal), ..empty() }
}

fn empty() -> Statement {
    Statement {
        range: 0..0,
        tag: "",
        effects: Vec::new(),
        reads: Vec::new(),
        writes: Vec::new(),
        tables: Vec::new(),
        outputs: None,
        uses: Vec::new(),
        opaque: Vec::new(),
        functions: Vec::new(),
        unanalysed: None,
        literals: Vec::new(),
        parameters: Vec::new(),
        transaction: TransactionChange::None,
        barrier: Barrier::None,
        copy: None,
        copy_query: None,
        named: None,
        temporary: Vec::new(),
    }
}

impl Analysis<'_> {
    /// A data-modifying part of a query; its RETURNING columns.
    pub(crate) fn write(&mut self, statement: &sqlparser::ast::Statement, _scope: &Scope<'_>) -> Result<Rows, Refusal> {
        use sqlparser::ast::Spanned;
        Err(self.unsupported("writing query", statement.span()))
    }
}
