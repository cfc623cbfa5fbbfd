//! What policy says of one statement for one principal.

use std::{sync::Arc, time::Duration};

use querygate_mask::FieldMask;
use querygate_record::{Position, Verdict};
use querygate_sql::statement::ColumnId;

use crate::MaskedColumns;

/// The answer to "may this principal run this statement, and what does it see of the result".
#[derive(Clone, Debug)]
pub struct Decision {
    /// What becomes of it.
    pub verdict: Verdict,
    /// The rule's name; `default: <effect>` for a built-in default.
    pub rule: Arc<str>,
    /// Why it is held or refused, in words for the client, the reviewer and the log; empty where it is allowed.
    pub reason: Arc<str>,
    /// What the client is told when it is refused. Also there when the verdict is [`Verdict::Approve`], for the case that it can't be held.
    pub refusal: Option<Refusal>,
    /// Who may approve, when the verdict is [`Verdict::Approve`].
    pub reviewers: Vec<String>,
    /// How long it waits for them.
    pub expires: Duration,
    /// How long it may wait inside an open transaction; none: there it is refused, since its locks would wait for a human.
    pub hold_in_transaction: Option<Duration>,
    /// What must happen to the result.
    pub masks: MaskPlan,
    /// Whether `mode = "observe"` turned a refusal or hold into a pass; `rule` and `refusal` say what would have been.
    pub observed: bool,
    /// Whether the log must be on disk before it is sent, under `balanced` durability, in whatever transaction it runs.
    pub durable: bool,
    /// It changes rows: the log must be on disk before it is sent too, unless an explicit transaction collects the change until its COMMIT.
    pub changes: bool,
    /// Functions and tables that it was let use because policy trusts them, `schema.name`.
    pub trusted: Vec<Arc<str>>,
}

/// The words of a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which kind, for the SQLSTATE.
    pub kind: RefusalKind,
    /// The message: `blocked by policy: <reason>`, `cannot be analysed: <construct>` ...
    pub message: String,
    /// The rule's name and the effect or column that matched.
    pub detail: String,
    /// What would pass.
    pub hint: String,
    /// Where in the text.
    pub position: Option<Position>,
}

/// Kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// Policy says no: 42501 / 1227.
    Blocked,
    /// It can't be analysed, or can't be given its meaning on masked values: 0A000 / 1235.
    NotAnalysable,
    /// Too complex: 54000.
    TooComplex,
    /// A table that doesn't exist: 42P01.
    UnknownTable,
    /// A column that doesn't exist: 42703.
    UnknownColumn,
    /// A function that doesn't exist: 42883.
    UnknownFunction,
    /// An ambiguous name: 42702.
    Ambiguous,
}

/// What must happen to a statement's result before the client sees it.
#[derive(Clone, Debug, Default)]
pub struct MaskPlan {
    /// One per result column, in order; empty when nothing is masked or the statement gives no known columns.
    pub fields: Vec<Option<FieldPlan>>,
    /// Indexes of the masked ones, ascending.
    pub masked: Vec<usize>,
    /// Whether errors and notices are replaced by the canonical text of their SQLSTATE: the statement touches a table with masks.
    pub canonical_errors: bool,
    /// The cross-check: columns that are masked from the principal. The server must not name one of them where `fields` has no mask.
    pub masked_columns: Arc<MaskedColumns>,
}

impl MaskPlan {
    /// A plan for a result with these fields.
    pub fn new(fields: Vec<Option<FieldPlan>>, canonical_errors: bool, masked_columns: Arc<MaskedColumns>) -> MaskPlan {
        let masked = fields.iter().enumerate().filter_map(|(index, field)| field.as_ref().map(|_| index)).collect();
        MaskPlan { fields, masked, canonical_errors, masked_columns }
    }
}

/// A masked result column.
#[derive(Clone, Debug)]
pub struct FieldPlan {
    /// The column that it comes from.
    pub column: ColumnId,
    /// `schema.table.column`, for the log.
    pub name: Arc<str>,
    /// The compiled mask.
    pub mask: Arc<FieldMask>,
}
