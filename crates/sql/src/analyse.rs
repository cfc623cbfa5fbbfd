//! The entry: a text becomes statements.

use std::{ops::Range, sync::Arc};

use foldhash::HashMap;
use querygate_record::{Barrier, Effect, Engine, TransactionChange};

use crate::{
    analysis::Analysis,
    body::BodyFound,
    catalog::Catalog,
    effect::{self, Outcome},
    guard::{self, Part},
    literals::literals,
    mysql,
    session::Settings,
    statement::{Body, ColumnId, EffectOn, Literal, Refusal, RefusalKind, Statement, TableUse},
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

/// Analyses a text as the catalog's engine reads it: one [`Statement`] per statement of the text, in order. Never panics. A text that can't be
/// parsed is one statement over the whole text with [`Statement::unanalysed`] set and the effect `unanalysed`.
pub fn analyse(text: &str, catalog: &Catalog, settings: &Settings, limits: &Limits) -> Vec<Statement> {
    if catalog.engine() != Engine::Postgres {
        return mysql::analyse(text, catalog, settings, limits);
    }
    let parts = match guard::read(text, limits) {
        Ok(parts) => parts,
        Err(refusal) => return vec![not_understood(0..text.len(), Vec::new(), refusal)],
    };
    let mut settings = settings.clone();
    let mut statements: Vec<Statement> = Vec::with_capacity(parts.len());
    for part in &parts {
        let mut statement = understand(text, part, catalog, &settings);
        if statement.unanalysed.as_ref().is_some_and(|refusal| refusal.kind == RefusalKind::Unparsed) {
            let literals = parts.iter().flat_map(|part| literals(&part.tokens, &HashMap::default(), false)).collect();
            return statement
                .unanalysed
                .map(|refusal| not_understood(0..text.len(), literals, refusal))
                .into_iter()
                .collect();
        }
        if undone(&statements, &statement) {
            statement.barrier = Barrier::Unknown;
        }
        carry(&mut settings, &statement);
        statements.push(statement);
    }
    statements
}

/// One statement of the text.
fn understand(text: &str, part: &Part<'_>, catalog: &Catalog, settings: &Settings) -> Statement {
    let mut analysis = Analysis::new(catalog, settings);
    match effect::statement(&mut analysis, text, &part.tokens) {
        Ok(outcome) if analysis.sets_midway && analysis.found.reads_anything() => {
            analysis.opaque("function pg_catalog.set_config", "", None);
            finished(part, outcome, analysis)
        }
        Ok(outcome) => finished(part, outcome, analysis),
        Err(refusal) => not_understood(part.range.clone(), literals(&part.tokens, &HashMap::default(), false), refusal),
    }
}

/// Whether a statement takes back what an earlier one of the text set or made.
fn undone(earlier: &[Statement], statement: &Statement) -> bool {
    let any = |held: &Statement| held.barrier.is_some() || !held.temporary.is_empty();
    let local = |held: &Statement| matches!(held.barrier, Barrier::Constant { local: true, .. });
    match statement.transaction {
        TransactionChange::Rollback | TransactionChange::RollbackTo => earlier.iter().any(any),
        TransactionChange::Commit => earlier.iter().any(local),
        TransactionChange::None
        | TransactionChange::Begin
        | TransactionChange::Savepoint
        | TransactionChange::Release => false,
    }
}

/// What a statement sets or makes counts for those after it in the same text.
fn carry(settings: &mut Settings, statement: &Statement) {
    settings.temporary.extend(statement.temporary.iter().cloned());
    if let Barrier::Constant { setting, values, .. } = &statement.barrier
        && setting == "search_path"
    {
        let named = |value: &String| if value == "$user" { settings.user.clone() } else { value.clone() };
        settings.search_path = values.iter().map(named).filter(|schema| !schema.is_empty()).collect();
    }
}

/// Everything that was found of a statement, in one.
fn finished(part: &Part<'_>, outcome: Outcome, analysis: Analysis<'_>) -> Statement {
    let barrier = if outcome.barrier.is_some() { outcome.barrier } else { analysis.barrier.clone() };
    let temporary = outcome.temporary.into_iter().chain(analysis.made_temporary.iter().cloned()).collect();
    let mut statement = Statement {
        range: part.range.clone(),
        tag: outcome.tag,
        outputs: outcome.outputs,
        literals: literals(&part.tokens, &analysis.literals, outcome.secret),
        transaction: outcome.transaction,
        barrier,
        copy: outcome.copy,
        copy_query: outcome.copy_query,
        named: outcome.named,
        temporary,
        ..empty()
    };
    fill(&mut statement, analysis);
    statement
}

/// Moves what was found into the statement.
fn fill(statement: &mut Statement, analysis: Analysis<'_>) {
    let Analysis { catalog, found, parameters, .. } = analysis;
    statement.effects = found.effects;
    name_columns(catalog, &mut statement.effects, &found.tables, &found.reads);
    statement.reads = found.reads;
    statement.writes = found.writes;
    statement.tables = found.tables;
    statement.uses = found.uses;
    statement.opaque = found.opaque;
    statement.by_body = !found.bodies.is_empty();
    statement.bodies = bodies(catalog, &found.bodies);
    statement.functions = found.functions.iter().map(ToString::to_string).collect();
    statement.parameters = parameters;
}

/// What the bodies of functions do, those that they call among them.
fn bodies(catalog: &Catalog, found: &[BodyFound]) -> Vec<Body> {
    let made = found.iter().map(|BodyFound { function, found }| {
        let mut body = Body {
            function: Arc::clone(function),
            effects: found.effects.clone(),
            reads: found.reads.clone(),
            tables: found.tables.clone(),
            uses: found.uses.clone(),
            functions: found.functions.clone(),
        };
        name_columns(catalog, &mut body.effects, &body.tables, &body.reads);
        bodies(catalog, &found.bodies).into_iter().for_each(|inner| body.add(inner));
        body
    });
    made.collect()
}

/// Names the columns that each effect reads.
fn name_columns(catalog: &Catalog, effects: &mut [EffectOn], tables: &[TableUse], reads: &[ColumnId]) {
    for effect in effects.iter_mut().filter(|effect| effect.effect == Effect::Read && effect.columns.is_empty()) {
        let relation = tables.iter().find(|table| table.name == effect.object);
        let columns = reads.iter().filter(|column| relation.is_some_and(|table| table.relation == column.table));
        effect.columns = columns.filter_map(|id| catalog.column(*id)).map(|column| Arc::clone(&column.name)).collect();
    }
}

/// The one place where "not understood" becomes the effect `unanalysed`.
pub(crate) fn not_understood(range: Range<usize>, literals: Vec<Literal>, refusal: Refusal) -> Statement {
    let effect = EffectOn::new(Effect::Unanalysed, "");
    Statement { range, effects: vec![effect], unanalysed: Some(refusal), literals, ..empty() }
}

pub(crate) fn empty() -> Statement {
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
        bodies: Vec::new(),
        by_body: false,
        unanalysed: None,
        literals: Vec::new(),
        parameters: Vec::new(),
        transaction: TransactionChange::None,
        barrier: Barrier::None,
        copy: None,
        copy_query: None,
        named: None,
        temporary: Vec::new(),
        shifts_instants: false,
        instead: None,
    }
}
