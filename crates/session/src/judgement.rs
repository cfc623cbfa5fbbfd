//! What the session must know of a text, and whom it asks.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use querygate_policy::decision::{FieldPlan, MaskPlan, Refusal};
use querygate_record::{Barrier, Copy, Digest, Facts, HoldId, Named, TransactionChange, Value, Verdict};

/// Policy's answer for a whole text: what runs together is judged together, the strictest part counts.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The text that was judged.
    pub text: Arc<str>,
    /// Under which catalog, policy, roles and settings: the judge's own mark.
    pub stamp: u128,
    /// What becomes of it.
    pub verdict: Verdict,
    /// The words when it is refused.
    pub refusal: Option<Refusal>,
    /// The rule that decided.
    pub rule: Arc<str>,
    /// Who may approve.
    pub reviewers: Vec<String>,
    /// How long it waits for them.
    pub expires: Duration,
    /// How long it may wait inside an open transaction; none: it is refused there.
    pub hold_in_transaction: Option<Duration>,
    /// Its begin entry must be on disk before it is sent.
    pub durable: bool,
    /// It changes rows: durable too, unless an explicit transaction collects the change until its COMMIT.
    pub changes: bool,
    /// For the log.
    pub facts: Arc<Facts>,
    /// The digest of `facts`, once the log has computed it.
    pub facts_id: OnceLock<Digest>,
    /// Its statements, where it is refused because one of them decides what later ones mean: they are taken one by one, still together.
    pub apart: Option<Arc<[Box<str>]>>,
    /// Sent in place of the text.
    pub rewritten: Option<Arc<str>>,
    /// Its statements in order; none for an empty text.
    pub parts: Vec<Part>,
    /// The parameters whose values are hashed in the log: those of masked columns.
    pub hashed_parameters: Arc<[bool]>,
}

/// One statement of a text.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// Its kind, for messages and metrics.
    pub tag: &'static str,
    /// What must happen to its result.
    pub masks: Arc<MaskPlan>,
    /// COPY, where it is one.
    pub copy: Option<Copy>,
    /// A query that describes the columns that a COPY will send, for the cross-check.
    pub copy_probe: Option<Arc<str>>,
    /// What it does to the transaction.
    pub transaction: TransactionChange,
    /// Whether it changes a tracked setting.
    pub barrier: Barrier,
    /// The SQL-level name that it makes or uses.
    pub named: Option<Named>,
    /// It changes the catalog.
    pub defines: bool,
    /// The server looks up what it does when it runs, not when it is bound: COPY, commands, functions whose body was analysed.
    pub late: bool,
    /// Temporary relations that it makes.
    pub temporary: Vec<String>,
    /// Its answer may be any number of results: it calls a procedure where such show what they read.
    pub several_results: bool,
}

impl Part {
    /// Whether it is one statement that was understood, and not a text that passes unanalysed.
    pub(crate) fn is_understood(&self) -> bool {
        !self.tag.is_empty()
    }
}

impl Judgement {
    /// Whether any part may change tracked settings.
    pub fn is_barrier(&self) -> bool {
        self.parts.iter().any(|p| p.barrier.is_some())
    }

    /// Whether the catalog may be another once it has run: by a definition, or by the end of a transaction that made one.
    pub(crate) fn defines(&self) -> bool {
        self.parts.iter().any(|p| p.defines)
    }

    /// Whether it is judged again, to the same effect, before it runs.
    pub(crate) fn is_late(&self) -> bool {
        self.parts.iter().any(|p| p.late)
    }

    /// Whether another judgement of the same text lets the same happen: for a portal that was bound under the other.
    pub(crate) fn is_as(&self, other: &Judgement) -> bool {
        self.verdict <= other.verdict
            && self.rewritten == other.rewritten
            && self.facts == other.facts
            && self.parts.len() == other.parts.len()
            && self.parts.iter().zip(&other.parts).all(|(a, b)| a.copy == b.copy && masks_alike(&a.masks, &b.masks))
    }

    /// Whether another judgement of the same text says the same in everything: for who must not judge twice what is judged alike.
    pub fn is_equal(&self, other: &Judgement) -> bool {
        let whole = |j: &Judgement| (j.stamp, j.rule.clone(), j.expires, j.hold_in_transaction, j.durable, j.changes);
        let part = |p: &Part| {
            let Part { tag, transaction, barrier, named, defines, late, temporary, several_results, .. } = p.clone();
            (tag, transaction, barrier, named, defines, late, temporary, several_results)
        };
        self.is_as(other)
            && other.is_as(self)
            && whole(self) == whole(other)
            && self.reviewers == other.reviewers
            && self.hashed_parameters == other.hashed_parameters
            && self.parts.iter().map(part).eq(other.parts.iter().map(part))
    }

    /// Whether it is one statement whose answer may be any number of results.
    pub(crate) fn has_several_results(&self) -> bool {
        matches!(self.parts.as_slice(), [part] if part.several_results)
    }

    /// The plan of the statement at `index`; nothing masked beyond the end.
    pub fn masks(&self, index: usize) -> Option<&Arc<MaskPlan>> {
        self.parts.get(index).map(|p| &p.masks)
    }
}

fn masks_alike(a: &MaskPlan, b: &MaskPlan) -> bool {
    let field = |f: &Option<FieldPlan>| f.as_ref().map(|f| (f.column, f.mask.clone()));
    a.canonical_errors == b.canonical_errors && a.fields.iter().map(field).eq(b.fields.iter().map(field))
}

/// Judges texts under the session's present settings, catalog and policy. The driver implements it; a simulation plays it.
pub trait Judge {
    /// The judgement of a text; none while the catalog is being loaded (the message is presented again).
    fn judge(&mut self, text: &str) -> Option<Arc<Judgement>>;

    /// Whether a judgement still holds: same catalog, policy and settings.
    fn is_current(&self, judgement: &Judgement) -> bool;

    /// Whether something is masked from the principal.
    fn is_masked(&self) -> bool;

    /// Bind values as the log keeps them.
    fn values(&mut self, judgement: &Judgement, formats: &[i16], values: &[Option<&[u8]>]) -> Vec<Value>;

    /// Takes the row that the settings query returned. False if it can't be understood.
    fn settings_read(&mut self, row: &[Option<&[u8]>]) -> bool;

    /// Whether the open transaction may see other definitions than everybody else: then its end changes what holds.
    fn is_inside(&self) -> bool {
        false
    }

    /// What must be asked on the session's own connection before this text can be judged; none: nothing. `failed`: the
    /// transaction has failed, so the server answers nothing.
    fn question(&mut self, _text: &str, _failed: bool) -> Option<Question> {
        None
    }

    /// Takes a row of the answer: of the first statement of the question, then of its last but one. False if it can't be understood.
    fn answered(&mut self, _question: Question, _row: &[Option<&[u8]>]) -> bool {
        false
    }

    /// A statement succeeded: temporary objects, the catalog, may have changed.
    fn completed(&mut self, judgement: &Judgement, part: usize);

    /// No transaction is open any more: what was defined is there for everybody, or gone.
    fn settled(&mut self) {}
}

/// What a session's own connection is asked about the catalog as the open transaction sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Whether it differs from what is known.
    Fingerprint,
    /// The whole of it.
    Catalog,
}

impl Question {
    /// How many statements ask it: settings are kept and pinned, the question, settings are given back.
    pub const STATEMENTS: usize = 4;

    /// Whether the row of that statement is part of the answer.
    pub(crate) fn is_answered_by(statement: usize) -> bool {
        statement == 0 || statement == 2
    }
}

/// A question to reviewers.
#[derive(Clone, Debug)]
pub struct HoldRequest {
    /// The statement's number.
    pub number: u64,
    /// What is asked for.
    pub judgement: Arc<Judgement>,
    /// Its bind values as the log keeps them.
    pub values: Vec<Value>,
    /// How long it may wait.
    pub wait: Duration,
}

/// How a wait for reviewers ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// It may run, once.
    Approved {
        /// Who said so.
        by: String,
        /// Their words.
        because: String,
    },
    /// It may not.
    Denied {
        /// Who said so.
        by: String,
        /// Their words.
        because: String,
    },
    /// Nobody answered in time.
    Expired,
    /// The request could not be made.
    Unavailable {
        /// Why, for the client.
        reason: String,
    },
}

/// A request that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Asked, its id not known yet.
    Asked,
    /// Waiting under this id.
    Waiting(HoldId),
}
