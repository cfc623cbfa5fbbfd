//! Judges one session's texts: analysis and policy under the session's present settings, remembered by exact text.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use querygate_mask::Rendering;
use querygate_policy::{Bound, Decision, LiteralKey, Refusal, RefusalKind, RoleView, Together};
use querygate_record::{
    Barrier, CopyDirection, CopyFormat, Effect, Facts, Principal, TransactionChange, Value, Verdict,
};
use querygate_session::{Judge, Judgement, Part};
use querygate_sql::{self as analysis, analyse, session::Settings, statement::Statement};

use crate::{
    metrics::Metrics,
    settings::Tracked,
    world::{DatabaseState, World, view_key},
};

/// Judgements that one event loop remembers.
const REMEMBERED_MAX: usize = 4096;
/// Longer texts are judged each time.
const REMEMBERED_TEXT_MAX: usize = 16 * 1024;

/// Judgements by exact text, shared by the sessions of one event loop.
pub type Cache = Rc<RefCell<quick_cache::unsync::Cache<[u8; 32], Arc<Judgement>>>>;

/// An empty cache.
pub fn cache() -> Cache {
    Rc::new(RefCell::new(quick_cache::unsync::Cache::new(REMEMBERED_MAX)))
}

/// The key of the log's hashes.
#[derive(Clone)]
pub struct HashKey {
    /// 32 bytes.
    pub key: [u8; 32],
    /// Its name.
    pub name: Arc<str>,
}

/// What a judge judges for.
pub struct Subject {
    /// Where.
    pub database: Arc<DatabaseState>,
    /// Whom.
    pub principal: Arc<Principal>,
    /// The present state of policy and catalog.
    pub world: Arc<World>,
    /// The event loop's judgements.
    pub cache: Cache,
    /// The key of the log's hashes.
    pub hash_key: HashKey,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Bytes of one text.
    pub statement_max: usize,
}

/// One session's judge.
pub struct SessionJudge {
    database: Arc<DatabaseState>,
    principal: Arc<Principal>,
    world: Arc<World>,
    view: Arc<RoleView>,
    tracked: Tracked,
    /// Under what it judges now: catalog, policy, roles and settings.
    stamp: u128,
    cache: Cache,
    hash_key: HashKey,
    limits: analysis::Limits,
    metrics: Arc<Metrics>,
    setting_changed_in_transaction: bool,
    /// Something was defined that others see once its transaction has ended.
    defined: bool,
    catalog: Seen,
}

/// Whether the catalog is as this session's statements left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// As far as is known.
    Current,
    /// A statement changed it: look at it before the next judgement.
    Changed,
    /// It could not be looked at: the next judgement refuses.
    Unreadable,
}

impl SessionJudge {
    /// A judge for a session that has just begun.
    pub fn new(subject: Subject) -> SessionJudge {
        let Subject { database, principal, world, cache, hash_key, metrics, statement_max } = subject;
        let mut judge = SessionJudge {
            view: world.view(&principal),
            limits: analysis::Limits { bytes: statement_max, ..analysis::Limits::default() },
            tracked: Tracked::default(),
            database,
            principal,
            world,
            stamp: 0,
            cache,
            hash_key,
            metrics,
            setting_changed_in_transaction: false,
            defined: false,
            catalog: Seen::Current,
        };
        judge.restamp();
        judge
    }

    /// Whether the catalog must be looked at before the next judgement.
    pub fn wants_catalog(&self) -> bool {
        self.catalog == Seen::Changed
    }

    /// The catalog has been looked at, or could not be.
    pub fn catalog_seen(&mut self, read: bool) {
        self.catalog = if read { Seen::Current } else { Seen::Unreadable };
    }

    /// How instants are written now.
    pub fn rendering(&self) -> &Rendering {
        self.tracked.rendering()
    }

    /// The settings under which texts are analysed.
    fn settings(&self) -> &Settings {
        self.tracked.settings()
    }

    fn restamp(&mut self) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.world.version);
        let roles = view_key(&self.principal);
        hasher.update(&(roles.len() as u64).to_le_bytes());
        hasher.update(&roles);
        self.tracked.hash_into(&mut hasher);
        let mut stamp = [0; 16];
        hasher.finalize_xof().fill(&mut stamp);
        self.stamp = u128::from_le_bytes(stamp);
    }

    /// Follows the database's present world. False when there is none.
    fn follow(&mut self) -> bool {
        let world = self.database.world.load();
        let Some(world) = world.as_ref() else { return false };
        if !Arc::ptr_eq(world, &self.world) {
            self.world = world.clone();
            self.view = self.world.view(&self.principal);
            self.restamp();
        }
        true
    }

    fn key(&self, text: &str) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.stamp.to_le_bytes());
        hasher.update(text.as_bytes());
        *hasher.finalize().as_bytes()
    }

    fn judge_anew(&self, text: &str) -> Judgement {
        let started = Instant::now();
        let catalog = self.world.bound.catalog();
        let statements = analyse(text, catalog, self.settings(), &self.limits);
        let decisions: Vec<Decision> =
            statements.iter().map(|s| self.world.bound.decide(s, &self.principal, &self.view)).collect();
        let together: Vec<(&Statement, &Decision)> = statements.iter().zip(&decisions).collect();
        let key = LiteralKey { bytes: &self.hash_key.key, name: &self.hash_key.name };
        let facts = self.world.bound.facts(text, &together, &self.view, key);
        let all = Together::of(&decisions);
        let hashed = statements.iter().map(|s| self.world.bound.hashed_parameters(s, &self.view));
        let mut judgement = Judgement {
            text: text.into(),
            stamp: self.stamp,
            verdict: all.as_ref().map_or(Verdict::Allow, |a| a.verdict),
            refusal: all.as_ref().and_then(|a| a.refusal.clone()),
            rule: all.as_ref().map_or_else(|| Arc::from(""), |a| a.rule.clone()),
            reviewers: all.as_ref().map(|a| a.reviewers.clone()).unwrap_or_default(),
            expires: all.as_ref().map(|a| a.expires).unwrap_or_default(),
            hold_in_transaction: all.as_ref().and_then(|a| a.hold_in_transaction),
            durable: all.as_ref().is_some_and(|a| a.durable),
            changes: all.as_ref().is_some_and(|a| a.changes),
            facts: Arc::new(facts),
            facts_id: OnceLock::new(),
            rewritten: self.tracked.application_name(text, &statements, &self.principal).map(Arc::from),
            parts: together.iter().map(|(s, d)| part(s, d)).collect(),
            hashed_parameters: either(hashed),
        };
        if judgement.verdict != Verdict::Block
            && let Some(refusal) = self.refuse_barrier(&judgement, &statements)
        {
            judgement.verdict = Verdict::Block;
            let mut facts = (*judgement.facts).clone();
            facts.verdict = Some(Verdict::Block);
            facts.reason = refusal.message.clone();
            judgement.facts = Arc::new(facts);
            judgement.refusal = Some(refusal);
        }
        self.metrics.judged(started.elapsed());
        judgement
    }

    /// The refusal of everything while the catalog can't be read.
    fn unreadable(&self, text: &str) -> Arc<Judgement> {
        let refusal = Refusal {
            kind: RefusalKind::NotAnalysable,
            message: "cannot be analysed: the database's catalog can't be read".to_owned(),
            detail: "What the statement would touch is not known for certain.".to_owned(),
            hint: "Send it again; if this goes on, tell the gateway's administrator.".to_owned(),
            position: None,
        };
        let facts = Facts {
            text: format!("{} bytes, not analysed", text.len()),
            effects: vec![(Effect::Unanalysed, Vec::new())],
            verdict: Some(Verdict::Block),
            rule: "default: unanalysed".to_owned(),
            reason: refusal.message.clone(),
            ..Facts::default()
        };
        Arc::new(Judgement {
            text: text.into(),
            stamp: self.stamp,
            verdict: Verdict::Block,
            refusal: Some(refusal),
            rule: "default: unanalysed".into(),
            reviewers: Vec::new(),
            expires: Duration::ZERO,
            hold_in_transaction: None,
            durable: false,
            changes: false,
            facts: Arc::new(facts),
            facts_id: OnceLock::new(),
            rewritten: None,
            parts: Vec::new(),
            hashed_parameters: Arc::default(),
        })
    }

    /// What a text can't be analysed for because a setting changes inside it, or because values are written in a way that masks don't know.
    fn refuse_barrier(&self, judgement: &Judgement, statements: &[Statement]) -> Option<Refusal> {
        let last = judgement.parts.len().checked_sub(1)?;
        let sets = self.setting_changed_in_transaction || judgement.is_barrier();
        for part in judgement.parts.get(..last).unwrap_or_default() {
            let returns = sets && !matches!(part.transaction, TransactionChange::None | TransactionChange::Begin);
            if part.barrier == Barrier::Unknown || returns {
                return Some(apart(part.tag));
            }
        }
        if !self.view.is_masked() {
            return None;
        }
        // Alone, it is settled before anything masked is written.
        let alone = last == 0 && judgement.parts.iter().all(|part| part.masks.fields.is_empty());
        for statement in statements.iter().filter(|_| !alone) {
            if let Barrier::Constant { setting, values, .. } = &statement.barrier
                && let Some(pinned) =
                    Tracked::unpinned(setting, values).or_else(|| self.tracked.other_rendering(setting, values))
            {
                return Some(pinned_setting(setting, pinned));
            }
        }
        if let Some(refusal) = judgement.parts.iter().find_map(unmaskable_copy) {
            return Some(refusal);
        }
        let styled = judgement.parts.iter().flat_map(|part| &part.masks.fields).flatten().any(|f| f.mask.is_styled());
        match self.tracked.unrenderable() {
            Some((setting, pinned)) if styled => Some(pinned_setting(setting, pinned)),
            _ => None,
        }
    }
}

impl Judge for SessionJudge {
    fn judge(&mut self, text: &str) -> Option<Arc<Judgement>> {
        match self.catalog {
            Seen::Changed => return None,
            Seen::Unreadable => {
                // The statement after this one looks again.
                self.catalog = Seen::Changed;
                return Some(self.unreadable(text));
            }
            // Another session's statement changed it.
            Seen::Current if self.database.is_behind() => {
                self.catalog = Seen::Changed;
                return None;
            }
            Seen::Current if self.database.is_outdated() => return Some(self.unreadable(text)),
            Seen::Current => {}
        }
        if !self.follow() {
            return None;
        }
        let key = self.key(text);
        if text.len() <= REMEMBERED_TEXT_MAX
            && let Some(found) = self.cache.borrow().get(&key)
        {
            return Some(found.clone());
        }
        let judgement = Arc::new(self.judge_anew(text));
        if text.len() <= REMEMBERED_TEXT_MAX {
            self.cache.borrow_mut().insert(key, judgement.clone());
        }
        Some(judgement)
    }

    fn is_current(&self, judgement: &Judgement) -> bool {
        let world = self.database.world.load();
        self.catalog == Seen::Current
            && !self.database.is_behind()
            && !self.database.is_outdated()
            && world.as_ref().is_some_and(|w| Arc::ptr_eq(w, &self.world))
            && judgement.stamp == self.stamp
    }

    fn is_masked(&self) -> bool {
        self.view.is_masked()
    }

    fn values(&mut self, judgement: &Judgement, formats: &[i16], values: &[Option<&[u8]>]) -> Vec<Value> {
        let format = |index: usize| match formats {
            [] => 0,
            [one] => *one,
            each => each.get(index).copied().unwrap_or(0),
        };
        // Where the text was not analysed, no parameter's column is known.
        let unknown = judgement.hashed_parameters.is_empty() && self.view.is_masked();
        let key = LiteralKey { bytes: &self.hash_key.key, name: &self.hash_key.name };
        let logged = |(index, value): (usize, &Option<&[u8]>)| {
            let hashed = judgement.hashed_parameters.get(index).copied().unwrap_or(unknown);
            Bound::value(*value, format(index), hashed, key)
        };
        values.iter().enumerate().map(logged).collect()
    }

    fn settings_read(&mut self, row: &[Option<&[u8]>]) -> bool {
        let read = self.tracked.read(row);
        self.setting_changed_in_transaction = false;
        self.restamp();
        read
    }

    fn completed(&mut self, judgement: &Judgement, index: usize) {
        let Some(part) = judgement.parts.get(index) else { return };
        self.setting_changed_in_transaction |= part.barrier.is_some();
        if part.defines {
            self.defined = true;
            self.catalog = Seen::Changed;
        }
        if !part.temporary.is_empty() {
            self.tracked.add_temporary(&part.temporary);
            self.restamp();
        }
    }

    fn settled(&mut self) {
        if std::mem::take(&mut self.defined) {
            self.database.note_definition();
            self.catalog = Seen::Changed;
        }
    }
}

fn part(statement: &Statement, decision: &Decision) -> Part {
    Part {
        tag: statement.tag,
        masks: Arc::new(decision.masks.clone()),
        copy: statement.copy.clone(),
        copy_probe: statement.copy_query.clone(),
        transaction: statement.transaction,
        barrier: barrier(statement),
        named: statement.named.clone(),
        defines: statement.effects.iter().any(|e| changes_catalog(e.effect)),
        temporary: statement.temporary.clone(),
    }
}

/// Code that was not analysed may change any setting.
fn barrier(statement: &Statement) -> Barrier {
    let unknown = statement.effects.iter().any(|e| matches!(e.effect, Effect::Call | Effect::Unanalysed));
    if unknown && !statement.barrier.is_some() { Barrier::Unknown } else { statement.barrier.clone() }
}

fn changes_catalog(effect: Effect) -> bool {
    matches!(
        effect,
        Effect::Alter
            | Effect::Call
            | Effect::Define
            | Effect::DefineCode
            | Effect::Drop
            | Effect::Maintain
            | Effect::Privilege
            | Effect::Unanalysed
    )
}

/// Parameters that any statement of the text wants hashed.
fn either(each: impl Iterator<Item = Vec<bool>>) -> Arc<[bool]> {
    let mut all: Vec<bool> = Vec::new();
    for hashed in each {
        all.resize(all.len().max(hashed.len()), false);
        all.iter_mut().zip(hashed).for_each(|(all, hashed)| *all |= hashed);
    }
    all.into()
}

/// A COPY whose rows can't be told apart or rewritten.
fn unmaskable_copy(part: &Part) -> Option<Refusal> {
    let copy = part.copy.as_ref()?;
    if !crate::postgres::masks_any(&part.masks) || copy.direction != CopyDirection::ToStdout {
        return None;
    }
    if copy.format == CopyFormat::Binary {
        return None;
    }
    let (message, hint) = match crate::postgres::copy_codec(copy) {
        None => ("COPY in this format cannot be masked", "Use the text or CSV format."),
        // A secret that equals the text for NULL would look like one: a question with an answer.
        Some(codec) if codec.has_ambiguous_null() => (
            "COPY with this text for NULL cannot be masked",
            "Leave NULL out, or quote all columns with FORCE_QUOTE * in CSV.",
        ),
        Some(_) => return None,
    };
    Some(Refusal {
        kind: RefusalKind::NotAnalysable,
        message: message.to_owned(),
        detail: "A masked column is among those copied.".to_owned(),
        hint: hint.to_owned(),
        position: None,
    })
}

fn apart(tag: &str) -> Refusal {
    Refusal {
        kind: RefusalKind::NotAnalysable,
        message: format!(
            "cannot be analysed: {tag} may change a setting that decides what the statements after it mean"
        ),
        detail: "The settings that the following statements run under are known only after it ran.".to_owned(),
        hint: "Send the statements one by one.".to_owned(),
        position: None,
    }
}

fn pinned_setting(setting: &str, value: &str) -> Refusal {
    Refusal {
        kind: RefusalKind::NotAnalysable,
        message: format!("cannot be analysed: masked values are only written with {setting} = {value}"),
        detail: "A masked date, instant or interval is among the results, or the setting changes in the same text."
            .to_owned(),
        hint: format!("SET {setting} = {value}"),
        position: None,
    }
}
