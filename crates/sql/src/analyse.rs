//! The entry: a text becomes statements.

use querygate_record::{Barrier, Effect, TransactionChange};

use crate::{
    catalog::Catalog,
    session::Settings,
    statement::{EffectOn, Refusal, RefusalKind, Statement},
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
pub fn analyse(text: &str, _catalog: &Catalog, _settings: &Settings, _limits: &Limits) -> Vec<Statement> {
    vec![not_understood(
        0..text.len(),
        Refusal { kind: RefusalKind::Unsupported, construct: "statement".into(), position: None, hint: "".into() },
    )]
}

/// The one place where "not understood" becomes the effect `unanalysed`.
fn not_understood(range: std::ops::Range<usize>, refusal: Refusal) -> Statement {
    let effect = EffectOn { effect: Effect::Unanalysed, object: "".into(), bounded: true, columns: Vec::new() };
    Statement {
        range,
        tag: "",
        effects: vec![effect],
        reads: Vec::new(),
        writes: Vec::new(),
        tables: Vec::new(),
        outputs: None,
        uses: Vec::new(),
        opaque: Vec::new(),
        functions: Vec::new(),
        unanalysed: Some(refusal),
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
