//! Finds single entries, and the facts and sessions that others refer to.

use std::{collections::HashMap, sync::Arc};

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

/// Facts and sessions kept at hand, each; beyond this all are forgotten and read again.
const REMEMBERED_MAX: usize = 16_384;

/// What entries refer to, as far as it was needed.
#[derive(Default)]
pub(crate) struct Resolver {
    /// What the index does not have yet; kept for as long as the resolver lives.
    new_facts: HashMap<Digest, Arc<Facts>, RandomState>,
    new_sessions: HashMap<SessionId, Arc<SessionFacts>, RandomState>,
    facts: HashMap<Digest, Option<Arc<Facts>>, RandomState>,
    sessions: HashMap<SessionId, Option<Arc<SessionFacts>>, RandomState>,
}

impl Resolver {
    /// Remembers what an entry defines.
    pub fn learn(&mut self, raw: &Raw<'_>) -> Result<(), Malformed> {
        match (raw.kind, raw.session) {
            (Kind::Facts, _) if !matches!(self.facts.get(&raw.facts), Some(Some(_))) => {
                let facts = Arc::new(raw.facts_body()?);
                make_room(&mut self.facts);
                self.facts.insert(raw.facts, Some(facts));
            }
            (Kind::SessionOpened, Some(session)) => {
                let facts = Arc::new(raw.session_facts()?);
                make_room(&mut self.sessions);
                self.sessions.insert(session, Some(facts));
            }
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
        if let Some(known) = self.facts.get(digest) {
            return Ok(known.clone());
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
        make_room(&mut self.facts);
        self.facts.insert(*digest, found.clone());
        Ok(found)
    }

    /// What is known of a session.
    pub fn session(&mut self, store: &Store, session: SessionId) -> Result<Option<Arc<SessionFacts>>, Error> {
        if let Some(known) = self.new_sessions.get(&session) {
            return Ok(Some(known.clone()));
        }
        if let Some(known) = self.sessions.get(&session) {
            return Ok(known.clone());
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
        make_room(&mut self.sessions);
        self.sessions.insert(session, found.clone());
        Ok(found)
    }
}

fn make_room<K, V>(map: &mut HashMap<K, V, RandomState>) {
    if map.len() >= REMEMBERED_MAX {
        map.clear();
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
