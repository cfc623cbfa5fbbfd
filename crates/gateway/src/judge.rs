//! Judges one session's texts: analysis and policy under the session's present settings, remembered by exact text and by shape.

use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};

use querygate_mask::Rendering;
use querygate_policy::{Bound, Decision, LiteralKey, Pattern, Refusal, RefusalKind, RoleView, Together};
use querygate_record::{Barrier, Engine, Named, Principal, TransactionChange, Value, Verdict};
use querygate_session::{Judge, Judgement, Question};
use querygate_sql::{self as analysis, Shape, session::Settings, statement::Statement};

use crate::{
    inside::{Holds, Inside, Job, is_control},
    metrics::Metrics,
    mysql,
    parts::{either, part},
    refusals::{Unread, apart, pieces, pinned_setting, unmaskable_copy, unreadable},
    remembered::{Cache, Known, REMEMBERED_TEXT_MAX},
    settings::Tracked,
    world::{DatabaseState, World, view_key},
};

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
    /// The text, by its key, for whose unknown names the catalog was looked at last.
    looked_for: Option<[u8; 32]>,
    /// What the open transaction defined.
    inside: Inside,
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
            looked_for: None,
            inside: Inside::default(),
        };
        judge.restamp();
        judge.settle_inside();
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

    fn is_mysql(&self) -> bool {
        self.database.settings.engine != Engine::Postgres
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

    /// What the transaction defines from now on is its own.
    fn settle_inside(&mut self) {
        let shared = self.database.world.load().as_ref().map(|w| w.version);
        self.inside.settled(shared.filter(|_| !self.database.is_behind()));
    }

    /// An answer about the catalog that is to be read, on a thread of its own.
    pub fn catalog_job(&mut self) -> Option<Job> {
        let shared = self.database.world.load_full()?;
        self.inside.job(&shared, self.database.settings.mode)
    }

    /// That answer has been read, or can't be.
    pub fn catalog_read(&mut self, world: Option<Arc<World>>) {
        self.inside.read(world);
    }

    /// Follows the world that holds: the database's present one, or that of the open transaction. None: it is not there yet.
    fn follow(&mut self, control: bool) -> Option<Result<(), Unread>> {
        let Some(shared) = self.database.world.load_full() else {
            // Whoever took it away ends the session. Until then an open transaction can be ended.
            return Some(if control { Ok(()) } else { Err(Unread::Away) });
        };
        if !control {
            self.inside.begins(shared.version);
        }
        let world = match self.inside.holds(shared.version) {
            Holds::Shared => shared,
            Holds::Own(world) => world,
            _ if control => shared,
            Holds::Unknown => return None,
            Holds::Unreadable => return Some(Err(Unread::Snapshot)),
        };
        if !Arc::ptr_eq(&world, &self.world) {
            self.view = world.view(&self.principal);
            self.world = world;
            self.restamp();
        }
        Some(Ok(()))
    }

    fn key(&self, text: &[u8]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.stamp.to_le_bytes());
        hasher.update(text);
        *hasher.finalize().as_bytes()
    }

    fn literal_key(&self) -> LiteralKey<'_> {
        LiteralKey { bytes: &self.hash_key.key, name: &self.hash_key.name }
    }

    /// As another text of the same shape was judged, or anew.
    fn judge_by_shape(&self, text: &str) -> Arc<Judgement> {
        let started = Instant::now();
        let shape = Shape::of(text, self.world.bound.catalog(), &analysis::Limits::default());
        let short = shape.as_ref().filter(|_| text.len() <= REMEMBERED_TEXT_MAX);
        let key = short.and_then(|shape| shape.key).map(|key| self.key(&key));
        let known = key.and_then(|key| self.cache.borrow().shapes.get(&key).cloned());
        let known = known.zip(shape.as_ref()).and_then(|(k, shape)| k.judgement(text, shape, self.literal_key()));
        let judgement = match known {
            Some(judgement) => {
                debug_assert!(judgement.is_equal(&self.judge_anew(text, shape.as_ref()).0), "judged otherwise: {text}");
                Arc::new(judgement)
            }
            None => {
                let (judgement, pattern) = self.judge_anew(text, shape.as_ref());
                let judgement = Arc::new(judgement);
                if let Some((key, pattern)) = key.zip(pattern) {
                    let known = Arc::new(Known { judgement: judgement.clone(), pattern });
                    self.cache.borrow_mut().shapes.insert(key, known);
                }
                judgement
            }
        };
        self.metrics.judged(started.elapsed());
        judgement
    }

    fn judge_anew(&self, text: &str, shape: Option<&Shape<'_>>) -> (Judgement, Option<Pattern>) {
        let catalog = self.world.bound.catalog();
        let statements = self.world.bound.analyse(text, catalog, self.settings(), &self.limits);
        let decisions: Vec<Decision> =
            statements.iter().map(|s| self.world.bound.decide(s, &self.principal, &self.view)).collect();
        let together: Vec<(&Statement, &Decision)> = statements.iter().zip(&decisions).collect();
        let facts = self.world.bound.facts(text, shape, &together, &self.view, self.literal_key());
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
            apart: None,
            rewritten: self.instead_of(text, &statements),
            parts: together.iter().map(|(s, d)| part(s, d, self.database.settings.engine)).collect(),
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
        judgement.apart = pieces(&judgement, &statements).filter(|_| !self.is_mysql());
        let shared = judgement.refusal.is_none() && judgement.rewritten.is_none() && judgement.apart.is_none();
        let shape = shape.filter(|shape| shared && shape.key.is_some() && text.len() <= REMEMBERED_TEXT_MAX);
        let pattern = shape.and_then(|shape| self.world.bound.pattern(shape, &together, &self.view));
        (judgement, pattern)
    }

    /// What the server gets in place of a text of one statement.
    fn instead_of(&self, text: &str, statements: &[Statement]) -> Option<Arc<str>> {
        match statements {
            [Statement { instead: Some(instead), .. }] => Some(Arc::from(*instead)),
            _ => self.tracked.application_name(text, statements, &self.principal).map(Arc::from),
        }
    }

    /// What a text can't be analysed for because a setting changes inside it, or because values are written in a way that masks don't know.
    fn refuse_barrier(&self, judgement: &Judgement, statements: &[Statement]) -> Option<Refusal> {
        let last = judgement.parts.len().checked_sub(1)?;
        let sets = self.setting_changed_in_transaction || judgement.is_barrier();
        for part in judgement.parts.get(..last).unwrap_or_default() {
            use TransactionChange as Change;
            let returns = sets && !matches!(part.transaction, Change::None | Change::Begin | Change::Savepoint);
            if part.barrier == Barrier::Unknown || returns {
                return Some(apart(part.tag));
            }
        }
        // What a name means, and what a function does, after a definition is known once that has run.
        let defined = judgement.parts.iter().position(|part| part.defines);
        let apart_from = |uses: &dyn Fn(&Statement) -> bool| {
            let at = defined.filter(|at| statements.iter().skip(at + 1).any(uses))?;
            Some(apart(judgement.parts.get(at).map_or("", |part| part.tag)))
        };
        if let Some(refusal) = apart_from(&|s| s.by_body) {
            return Some(refusal);
        }
        if !self.view.is_masked() {
            return None;
        }
        if let Some(refusal) = apart_from(&|s| !s.tables.is_empty() || matches!(s.named, Some(Named::Execute(_)))) {
            return Some(refusal);
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
        let control = is_control(text);
        match self.catalog {
            _ if control => {}
            Seen::Changed => return None,
            Seen::Unreadable => {
                // The statement after this one looks again.
                self.catalog = Seen::Changed;
                return Some(unreadable(text, self.stamp, Unread::Away));
            }
            // Another session's statement changed it.
            Seen::Current if self.database.is_behind() => {
                self.catalog = Seen::Changed;
                return None;
            }
            Seen::Current if self.database.is_outdated() => return Some(unreadable(text, self.stamp, Unread::Away)),
            Seen::Current => {}
        }
        if let Err(why) = self.follow(control)? {
            return Some(unreadable(text, self.stamp, why));
        }
        let key = self.key(text.as_bytes());
        if text.len() <= REMEMBERED_TEXT_MAX
            && let Some(found) = self.cache.borrow().texts.get(&key)
        {
            return Some(found.clone());
        }
        let judgement = self.judge_by_shape(text);
        if self.is_mysql() && names_unknown(&judgement) && self.looked_for != Some(key) {
            // Somebody else may just have made it: one look before it is said not to exist.
            self.looked_for = Some(key);
            self.catalog = Seen::Changed;
            return None;
        }
        if text.len() <= REMEMBERED_TEXT_MAX {
            self.cache.borrow_mut().texts.insert(key, judgement.clone());
        }
        Some(judgement)
    }

    fn is_current(&self, judgement: &Judgement) -> bool {
        let world = self.database.world.load();
        let holds = world.as_ref().map_or(Holds::Unknown, |shared| self.inside.holds(shared.version));
        let same = match &holds {
            Holds::Shared => world.as_ref().is_some_and(|w| Arc::ptr_eq(w, &self.world)),
            Holds::Own(own) => Arc::ptr_eq(own, &self.world),
            Holds::Unknown | Holds::Unreadable => false,
        };
        same && self.catalog == Seen::Current
            && !self.database.is_behind()
            && !self.database.is_outdated()
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
        let key = self.literal_key();
        let logged = |(index, value): (usize, &Option<&[u8]>)| {
            let hashed = judgement.hashed_parameters.get(index).copied().unwrap_or(unknown);
            Bound::value(*value, format(index), hashed, key)
        };
        values.iter().enumerate().map(logged).collect()
    }

    fn settings_read(&mut self, row: &[Option<&[u8]>]) -> bool {
        let read = match self.is_mysql() {
            true => mysql::settings::hold(row, &self.database.settings.database),
            false => self.tracked.read(row),
        };
        self.setting_changed_in_transaction = false;
        self.restamp();
        read
    }

    fn completed(&mut self, judgement: &Judgement, index: usize) {
        let Some(part) = judgement.parts.get(index) else { return };
        self.setting_changed_in_transaction |= part.barrier.is_some();
        if part.defines && self.is_mysql() {
            // Definitions commit at once, whatever transaction is open.
            self.database.note_definition();
            self.catalog = Seen::Changed;
        }
        match part.transaction {
            _ if self.is_mysql() => {}
            TransactionChange::Begin if !self.defined => self.settle_inside(),
            // Back to a savepoint: what was defined since then is gone.
            TransactionChange::RollbackTo if self.defined => self.inside.changed(),
            _ => {}
        }
        if part.defines && !self.is_mysql() {
            self.defined = true;
            self.inside.changed();
        }
        if !part.temporary.is_empty() {
            self.tracked.add_temporary(&part.temporary);
            self.restamp();
        }
    }

    fn is_inside(&self) -> bool {
        self.defined
    }

    fn question(&mut self, text: &str, failed: bool) -> Option<Question> {
        let shared = self.database.world.load().as_ref().map(|w| w.version)?;
        if is_control(text) { None } else { self.inside.question(shared, failed) }
    }

    fn answered(&mut self, question: Question, row: &[Option<&[u8]>]) -> bool {
        let shared = self.database.world.load_full();
        shared.is_some_and(|shared| self.inside.answered(question, row, &shared))
    }

    fn settled(&mut self) {
        if std::mem::take(&mut self.defined) {
            self.database.note_definition();
            self.catalog = Seen::Changed;
        }
        self.settle_inside();
    }
}

/// Whether a text is refused for a name that the catalog does not have.
fn names_unknown(judgement: &Judgement) -> bool {
    let kind = judgement.refusal.as_ref().map(|refusal| refusal.kind);
    matches!(kind, Some(RefusalKind::UnknownTable | RefusalKind::UnknownColumn))
}
