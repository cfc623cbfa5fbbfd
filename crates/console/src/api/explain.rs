use querygate_record::{Effect, Position, Verdict};
use serde::{Deserialize, Serialize};

/// What would become of a text, without running it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    /// The database, as the configuration names it.
    pub database: String,
    /// A subject, or `role:R` for somebody with that role alone.
    pub acting_as: String,
    /// The text.
    pub sql: String,
}

/// What would become of a text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The policy version that says so.
    pub policy: String,
    /// The roles that were judged.
    pub roles: Vec<String>,
    /// Each statement of the text, in order.
    pub statements: Vec<Explained>,
}

/// What would become of one statement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explained {
    /// Its text.
    pub text: String,
    /// What becomes of it.
    pub verdict: Verdict,
    /// Whether the verdict would only be logged (`mode = "observe"`).
    pub observed: bool,
    /// The rule that decides, or the name of the built-in default.
    pub rule: String,
    /// Why, in words: what matched, or what can't be analysed.
    pub why: String,
    /// What would pass, when this doesn't.
    pub hint: String,
    /// Where in the text the reason lies, when it has a place.
    pub position: Option<Position>,
    /// Its effects, each with the objects that it touches.
    pub effects: Vec<(Effect, Vec<String>)>,
    /// The tables that it touches.
    pub tables: Vec<String>,
    /// The columns that it reads, `schema.table.column`.
    pub reads: Vec<String>,
    /// The columns that it writes.
    pub writes: Vec<String>,
    /// The columns of its result, in order.
    pub columns: Vec<ExplainedColumn>,
    /// Who may approve it, when it needs that.
    pub reviewers: Vec<String>,
}

/// One column of a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedColumn {
    /// Its name in the result.
    pub name: String,
    /// The columns that it comes from, `schema.table.column`.
    pub from: Vec<String>,
    /// The masker, as a policy writes it; none for a value in clear.
    pub mask: Option<String>,
    /// Whether the masked value still shows which values are NULL.
    pub shows_nulls: bool,
}
