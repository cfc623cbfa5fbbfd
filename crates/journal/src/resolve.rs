//! Finds single entries, and the facts and sessions that others refer to.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use foldhash::fast::RandomState;
use querygate_record::{Digest, Facts, SessionFacts, SessionId};

use crate::{
    Error,
    batch::{Frame, Frames},
    chain_id::ChainId,
    codec::{Kind, Malformed, Raw},
    index::key,
    store::{Family, Store, read_batch_key},
};

/// Facts, and sessions, kept at hand in each of two generations ...
const REMEMBERED_MAX: usize = 16_384;
/// ... unless their texts are long: bytes of one generation.
const REMEMBERED_BYTES_MAX: usize = 16 << 20;

/// What entries refer to, as far as it was needed.
#[derive(Default)]
pub(crate) struct Resolver {
    /// What the index does not have yet; kept for as long as the resolver lives.
    new_facts: HashMap<Digest, Arc<Facts>, RandomState>,
    new_sessions: HashMap<SessionId, Arc<SessionFacts>, RandomState>,
    facts: Recent<Digest, Arc<Facts>>,
    sessions: Recent<SessionId, Arc<SessionFacts>>,
}

/// The values used last: at least a generation of them.
struct Recent<K, V> {
    young: HashMap<K, V, RandomState>,
    young_bytes: usize,
    old: HashMap<K, V, RandomState>,
}

/// How much memory a value takes, roughly, bytes.
trait Weigh {
    fn bytes(&self) -> usize;
}

impl Weigh for Arc<Facts> {
    fn bytes(&self) -> usize {
        let names = [&self.reads, &self.writes, &self.tables, &self.masks];
        self.text.len() + names.into_iter().flatten().map(|name| name.len() + 24).sum::<usize>()
    }
}

impl Weigh for Arc<SessionFacts> {
    fn bytes(&self) -> usize {
        self.application.len() + self.principal.roles.iter().map(|role| role.len() + 24).sum::<usize>()
    }
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Recent { young: HashMap::default(), young_bytes: 0, old: HashMap::default() }
    }
}

impl<K: Copy + Eq + Hash, V: Clone + Weigh> Recent<K, V> {
    fn find(&mut self, key: &K) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let value = self.old.remove(key)?;
        self.keep(*key, value.clone());
        Some(value)
    }

    fn keep(&mut self, key: K, value: V) {
        if self.young.len() >= REMEMBERED_MAX || self.young_bytes >= REMEMBERED_BYTES_MAX {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += value.bytes();
        self.young.insert(key, value);
    }
}

impl Resolver {
    /// Remembers what an entry defines, as long as it is used.
    pub fn learn(&mut self, raw: &Raw<'_>) -> Result<(), Malformed> {
        match (raw.kind, raw.session) {
            (Kind::Facts, _) if self.facts.find(&raw.facts).is_none() => {
                self.facts.keep(raw.facts, Arc::new(raw.facts_body()?));
            }
            (Kind::SessionOpened, Some(session)) => self.sessions.keep(session, Arc::new(raw.session_facts()?)),
            _ => {}
        }
        Ok(())
    }

    /// Keeps what an entry that is not indexed yet defines.
    pub fn keep(&mut self, raw: &Raw<'_>) -> Result<(), Malformed> {
        match (raw.kind, raw.session) {
            (Kind::Facts, _) => {
                self.new_facts.insert(raw.facts, Arc::new(raw.facts_body()?));
            }
            (Kind::SessionOpened, Some(session)) => {
                self.new_sessions.insert(session, Arc::new(raw.session_facts()?));
            }
            _ => {}
        }
        Ok(())
    }

    /// The facts that a digest names in a chain.
    pub fn facts(&mut self, store: &Store, chain: ChainId, digest: &Digest) -> Result<Option<Arc<Facts>>, Error> {
        if let Some(known) = self.new_facts.get(digest) {
            return Ok(Some(known.clone()));
        }
        if let Some(known) = self.facts.find(digest) {
            return Ok(Some(known));
        }
        let mut found = None;
        if let Some(place) = store.get(Family::Index, &key::facts(chain, digest))? {
            let sequence = place.try_into().map_or(0, u64::from_be_bytes);
            found = with_entry(store, chain, sequence, |_, raw| match raw.kind {
                Kind::Facts => raw.facts_body().map(Some),
                _ => Ok(None),
            })?;
        }
        let found = found.flatten().map(Arc::new);
        found.iter().for_each(|found| self.facts.keep(*digest, found.clone()));
        Ok(found)
    }

    /// What is known of a session.
    pub fn session(&mut self, store: &Store, session: SessionId) -> Result<Option<Arc<SessionFacts>>, Error> {
        if let Some(known) = self.new_sessions.get(&session) {
            return Ok(Some(known.clone()));
        }
        if let Some(known) = self.sessions.find(&session) {
            return Ok(Some(known));
        }
        let mut found = None;
        let place = store.get(Family::Index, &key::session(session))?;
        if let Some((chain, sequence)) = place.and_then(|place| read_batch_key(&place)) {
            found = with_entry(store, chain, sequence, |_, raw| match raw.kind {
                Kind::SessionOpened => raw.session_facts().map(Some),
                _ => Ok(None),
            })?;
        }
        let found = found.flatten().map(Arc::new);
        found.iter().for_each(|found| self.sessions.keep(session, found.clone()));
        Ok(found)
    }
}

/// Looks at one entry; none if the chain has no such number.
pub(crate) fn with_entry<T>(
    store: &Store,
    chain: ChainId,
    sequence: u64,
    look: impl FnOnce(&Frame<'_>, &Raw<'_>) -> Result<T, Malformed>,
) -> Result<Option<T>, Error> {
    let Some((first, value)) = store.batch_at(chain, sequence)? else { return Ok(None) };
    for frame in Frames::parse(chain, first, &value).map_err(|e| store.bad_batch(chain, first, e))? {
        let frame = frame.map_err(|e| store.bad_batch(chain, first, e))?;
        if frame.sequence == sequence {
            let seen = Raw::parse(frame.bytes).and_then(|raw| look(&frame, &raw));
            return seen.map(Some).map_err(|e| store.bad_entry(chain, sequence, e));
        }
    }
    Ok(None)
}
