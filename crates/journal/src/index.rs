//! What can be found without reading every entry: segments (runs of a chain's entries), and for each term the segments in which it occurs. It is built
//! behind, from what is already written, never on a statement's way, and can be made anew from the batches alone.

use querygate_record::{Digest, Effect, Facts, SessionFacts, SessionId, Verdict};

use crate::chain_id::ChainId;

/// A segment is sealed when it has this many entries ...
pub(crate) const SEGMENT_ENTRIES: u64 = 2048;
/// ... or this many bytes.
pub(crate) const SEGMENT_BYTES: u64 = 1 << 20;

/// Something to search for: its kind and the start of its hash. Two terms of one hash only cost a segment read in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Term([u8; 17]);

impl Term {
    fn new(kind: u8, name: &[u8]) -> Term {
        let mut term = [kind; 17];
        let hash = blake3::hash(name);
        term.iter_mut().skip(1).zip(hash.as_bytes()).for_each(|(to, from)| *to = *from);
        Term(term)
    }

    pub fn subject(name: &str) -> Term {
        Term::new(b's', name.as_bytes())
    }

    pub fn database(name: &str) -> Term {
        Term::new(b'd', name.as_bytes())
    }

    pub fn table(name: &str) -> Term {
        Term::new(b't', name.as_bytes())
    }

    pub fn column(name: &str) -> Term {
        Term::new(b'c', name.as_bytes())
    }

    pub fn effect(effect: Effect) -> Term {
        Term::new(b'e', effect.name().as_bytes())
    }

    pub fn verdict(verdict: Verdict) -> Term {
        Term::new(b'v', verdict.name().as_bytes())
    }

    pub fn session(session: SessionId) -> Term {
        Term::new(b'i', session.0.as_bytes())
    }

    /// Everything by which a session is found.
    pub fn of_session(facts: &SessionFacts) -> impl Iterator<Item = Term> + '_ {
        let acts_for = facts.principal.on_behalf_of.iter().map(|s| Term::subject(&s.subject));
        [Term::subject(&facts.principal.identity.subject), Term::database(&facts.database)].into_iter().chain(acts_for)
    }

    /// Everything by which a statement's facts are found.
    pub fn of_facts(facts: &Facts) -> impl Iterator<Item = Term> + '_ {
        let tables = facts.tables.iter().flat_map(|name| last_parts(name)).map(Term::table);
        let columns = facts.reads.iter().chain(&facts.writes).flat_map(|name| last_parts(name)).map(Term::column);
        let effects = facts.effects.iter().map(|(effect, _)| Term::effect(*effect));
        tables.chain(columns).chain(effects).chain(facts.verdict.map(Term::verdict))
    }
}

/// `a.b.c`, `b.c`, `c`.
fn last_parts(name: &str) -> impl Iterator<Item = &str> {
    let after_dots = name.match_indices('.').filter_map(|(at, _)| name.get(at + 1..));
    [name].into_iter().chain(after_dots)
}

/// A run of entries of one chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub chain: ChainId,
    pub first: u64,
    pub last: u64,
    pub min_ns: i64,
    pub max_ns: i64,
}

impl Segment {
    const VALUE: usize = 24;

    pub fn value(&self) -> [u8; Segment::VALUE] {
        let mut value = [0; Segment::VALUE];
        let parts = [self.last.to_be_bytes(), self.min_ns.to_be_bytes(), self.max_ns.to_be_bytes()];
        value.iter_mut().zip(parts.iter().flatten()).for_each(|(to, from)| *to = *from);
        value
    }

    /// Reads a segment from the end of a key (chain, first) and its value.
    pub fn read(key: &[u8], value: &[u8]) -> Option<Segment> {
        let (_, place) = key.split_at_checked(key.len().checked_sub(24)?)?;
        let (chain, first) = crate::store::read_batch_key(place)?;
        let (last, rest) = value.split_first_chunk()?;
        let (min, rest) = rest.split_first_chunk()?;
        Some(Segment {
            chain,
            first,
            last: u64::from_be_bytes(*last),
            min_ns: i64::from_be_bytes(*min),
            max_ns: i64::from_be_bytes(*rest.first_chunk()?),
        })
    }
}

/// Keys of the index.
pub(crate) mod key {
    use super::{ChainId, Digest, SessionId, Term};

    fn join<const N: usize>(parts: [&[u8]; N]) -> Vec<u8> {
        parts.concat()
    }

    /// How far a chain is indexed: the number of the first entry that is not.
    pub fn progress(chain: ChainId) -> Vec<u8> {
        join([b"p", chain.0.as_bytes()])
    }

    /// A segment of a chain, all segments when cut off after `g`.
    pub fn segment(chain: ChainId, first: u64) -> Vec<u8> {
        join([b"g", chain.0.as_bytes(), &first.to_be_bytes()])
    }

    /// Where segments begin.
    pub const SEGMENTS: &[u8] = b"g";

    /// The segments of a term.
    pub fn term(term: Term) -> Vec<u8> {
        join([b"t", &term.0])
    }

    /// A segment in which a term occurs.
    pub fn posting(term: Term, chain: ChainId, first: u64) -> Vec<u8> {
        join([b"t", &term.0, chain.0.as_bytes(), &first.to_be_bytes()])
    }

    /// Where a session's first entry is.
    pub fn session(session: SessionId) -> Vec<u8> {
        join([b"s", session.0.as_bytes()])
    }

    /// Where a chain's facts are.
    pub fn facts(chain: ChainId, digest: &Digest) -> Vec<u8> {
        join([b"f", chain.0.as_bytes(), &digest.0])
    }

    /// Waits for a reviewer and their ends, which other chains than the statement's may hold.
    pub fn holds(session: SessionId, statement: u64) -> Vec<u8> {
        join([b"h", session.0.as_bytes(), &statement.to_be_bytes()])
    }

    /// One of them.
    pub fn hold(session: SessionId, statement: u64, chain: ChainId, sequence: u64) -> Vec<u8> {
        [holds(session, statement), crate::store::batch_key(chain, sequence).to_vec()].concat()
    }

    /// A statement without an end when its segment was sealed.
    pub fn open(chain: ChainId, session: Option<SessionId>, statement: u64) -> Vec<u8> {
        let session = session.map_or([0; 16], |id| *id.0.as_bytes());
        join([b"o", chain.0.as_bytes(), &session, &statement.to_be_bytes()])
    }

    /// Entries that belong to a row of an earlier segment.
    pub fn links(chain: ChainId, row: u64) -> Vec<u8> {
        join([b"l", chain.0.as_bytes(), &row.to_be_bytes()])
    }

    /// One such entry.
    pub fn link(chain: ChainId, row: u64, event: u64) -> Vec<u8> {
        join([b"l", chain.0.as_bytes(), &row.to_be_bytes(), &event.to_be_bytes()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_found_by_each_of_its_last_parts() {
        assert_eq!(
            last_parts("public.customers.email").collect::<Vec<_>>(),
            ["public.customers.email", "customers.email", "email"]
        );
    }
}
