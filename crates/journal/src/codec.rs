//! The bytes of one entry.
//!
//! A fixed head (what indexing and joining need, read without a decoder), then a body in MessagePack with named fields, so that fields can be
//! added to the vocabulary and old logs stay readable. The chain's hash covers exactly these bytes.

use querygate_record::{Digest, Entry, Event, Facts, Origin, Outcome, SessionFacts, SessionId, Value};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::chain_id::Head;

/// What kind of entry it is; the first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Opening,
    Begin,
    Prepare,
    Execute,
    End,
    Facts,
    SessionOpened,
    Other,
}

impl Kind {
    fn byte(self) -> u8 {
        match self {
            Kind::Opening => 0,
            Kind::Begin => 1,
            Kind::Prepare => 2,
            Kind::Execute => 3,
            Kind::End => 4,
            Kind::Facts => 5,
            Kind::SessionOpened => 6,
            Kind::Other => 7,
        }
    }

    fn from_byte(byte: u8) -> Option<Kind> {
        Some(match byte {
            0 => Kind::Opening,
            1 => Kind::Begin,
            2 => Kind::Prepare,
            3 => Kind::Execute,
            4 => Kind::End,
            5 => Kind::Facts,
            6 => Kind::SessionOpened,
            7 => Kind::Other,
            _ => return None,
        })
    }

    /// Whether a digest of facts stands before the body.
    fn has_digest(self) -> bool {
        matches!(self, Kind::Begin | Kind::Prepare | Kind::Facts)
    }
}

/// The first entry of a chain: ties it to everything that was written before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Opening {
    /// The run of the gateway that opened it.
    pub run: Uuid,
    /// The checkpoint that holds (with those before it) every head up to its time; 0 when there is none.
    pub checkpoint: u64,
    /// Its hash.
    pub checkpoint_hash: Digest,
    /// Heads that changed since that checkpoint.
    pub heads: Vec<Head>,
}

/// An entry taken apart as far as its head; the body is decoded on demand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw<'a> {
    pub kind: Kind,
    pub origin: Origin,
    pub time_ns: i64,
    pub session: Option<SessionId>,
    pub statement: u64,
    /// The facts that it refers to (or, for [`Kind::Facts`], carries).
    pub facts: Digest,
    body: &'a [u8],
}

const FROM_GATEWAY: u8 = 1;
const HAS_SESSION: u8 = 2;

/// Why bytes are not an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub &'static str);

/// Appends the bytes of `entry`. The output must grow without failing: encoding into memory has no other way to fail.
pub(crate) fn encode(entry: &Entry, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let Entry { time_ns, session, statement, origin, event } = entry;
    let head = |kind, out: &mut Vec<u8>| put_head(kind, *origin, *time_ns, *session, *statement, out);
    match event {
        Event::Begin { facts, values } => {
            head(Kind::Begin, out);
            out.extend_from_slice(&facts.0);
            if values.is_empty() { Ok(()) } else { put_body(values, out) }
        }
        Event::Prepare { facts } => {
            head(Kind::Prepare, out);
            out.extend_from_slice(&facts.0);
            Ok(())
        }
        Event::Execute => {
            head(Kind::Execute, out);
            Ok(())
        }
        Event::End(outcome) => {
            head(Kind::End, out);
            put_body(outcome, out)
        }
        Event::Facts { id, facts } => {
            head(Kind::Facts, out);
            out.extend_from_slice(&id.0);
            put_body(facts, out)
        }
        Event::SessionOpened(facts) => {
            head(Kind::SessionOpened, out);
            put_body(facts, out)
        }
        event => {
            head(Kind::Other, out);
            put_body(event, out)
        }
    }
}

/// Appends the bytes of a chain's first entry.
pub(crate) fn encode_opening(opening: &Opening, time_ns: i64, out: &mut Vec<u8>) -> Result<(), Malformed> {
    put_head(Kind::Opening, Origin::Gateway, time_ns, None, 0, out);
    put_body(opening, out)
}

/// Appends the bytes of a `Facts` whose body is already encoded.
pub(crate) fn encode_facts(id: &Digest, body: &[u8], time_ns: i64, out: &mut Vec<u8>) -> Result<(), Malformed> {
    put_head(Kind::Facts, Origin::Gateway, time_ns, None, 0, out);
    out.extend_from_slice(&id.0);
    out.extend_from_slice(body);
    Ok(())
}

/// The bytes of facts and the digest that names them.
pub(crate) fn digest_of(facts: &Facts, scratch: &mut Vec<u8>) -> Result<Digest, Malformed> {
    scratch.clear();
    put_body(facts, scratch)?;
    Ok(Digest(*blake3::keyed_hash(FACTS_DOMAIN, scratch).as_bytes()))
}

/// Keeps digests of facts apart from every other hash of the log.
const FACTS_DOMAIN: &[u8; 32] = b"querygate log: facts, version 1.";

fn put_head(kind: Kind, origin: Origin, time_ns: i64, session: Option<SessionId>, statement: u64, out: &mut Vec<u8>) {
    let mut flags = 0;
    if origin == Origin::Gateway {
        flags |= FROM_GATEWAY;
    }
    if session.is_some() {
        flags |= HAS_SESSION;
    }
    out.extend_from_slice(&[kind.byte(), flags]);
    out.extend_from_slice(&time_ns.to_le_bytes());
    out.extend_from_slice(&statement.to_le_bytes());
    if let Some(session) = session {
        out.extend_from_slice(session.0.as_bytes());
    }
}

fn put_body<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let mut serializer = rmp_serde::Serializer::new(out).with_struct_map();
    value.serialize(&mut serializer).map_err(|_| Malformed("cannot be encoded"))
}

impl<'a> Raw<'a> {
    /// Takes the head off.
    pub fn parse(bytes: &'a [u8]) -> Result<Raw<'a>, Malformed> {
        let (&[kind, flags], rest) = bytes.split_first_chunk().ok_or(Malformed("shorter than an entry's head"))?;
        let kind = Kind::from_byte(kind).ok_or(Malformed("of a kind that this version does not know"))?;
        if flags & !(FROM_GATEWAY | HAS_SESSION) != 0 {
            return Err(Malformed("with flags that this version does not know"));
        }
        let (time, rest) = rest.split_first_chunk().ok_or(Malformed("shorter than an entry's head"))?;
        let (statement, rest) = rest.split_first_chunk().ok_or(Malformed("shorter than an entry's head"))?;
        let (session, rest) = match flags & HAS_SESSION {
            0 => (None, rest),
            _ => {
                let (id, rest) = rest.split_first_chunk().ok_or(Malformed("shorter than its session"))?;
                (Some(SessionId(Uuid::from_bytes(*id))), rest)
            }
        };
        let (facts, body) = match kind.has_digest() {
            false => (Digest::default(), rest),
            true => {
                let (id, rest) = rest.split_first_chunk().ok_or(Malformed("shorter than its digest"))?;
                (Digest(*id), rest)
            }
        };
        let origin = if flags & FROM_GATEWAY == 0 { Origin::Client } else { Origin::Gateway };
        let (time_ns, statement) = (i64::from_le_bytes(*time), u64::from_le_bytes(*statement));
        Ok(Raw { kind, origin, time_ns, session, statement, facts, body })
    }

    /// The entry, or its opening for a chain's first.
    pub fn decode(&self) -> Result<Content, Malformed> {
        let event = match self.kind {
            Kind::Opening => return Ok(Content::Opening(get_body(self.body)?)),
            Kind::Begin => Event::Begin { facts: self.facts, values: self.values()? },
            Kind::Prepare => Event::Prepare { facts: self.facts },
            Kind::Execute => Event::Execute,
            Kind::End => Event::End(Box::new(self.outcome()?)),
            Kind::Facts => Event::Facts { id: self.facts, facts: Box::new(self.facts_body()?) },
            Kind::SessionOpened => Event::SessionOpened(Box::new(self.session_facts()?)),
            Kind::Other => get_body(self.body)?,
        };
        let Raw { origin, time_ns, session, statement, .. } = *self;
        Ok(Content::Entry(Entry { time_ns, session, statement, origin, event }))
    }

    /// Whether it is a wait for a reviewer or its end: part of a statement's row.
    pub fn is_hold(&self) -> Result<bool, Malformed> {
        let is_hold = |content| match content {
            Content::Entry(entry) => matches!(entry.event, Event::Held { .. } | Event::Ruled { .. }),
            Content::Opening(_) => false,
        };
        if self.kind == Kind::Other { self.decode().map(is_hold) } else { Ok(false) }
    }

    /// The bind values of a `Begin`.
    pub fn values(&self) -> Result<Vec<Value>, Malformed> {
        if self.body.is_empty() { Ok(Vec::new()) } else { get_body(self.body) }
    }

    /// The outcome of an `End`.
    pub fn outcome(&self) -> Result<Outcome, Malformed> {
        get_body(self.body)
    }

    /// The facts of a `Facts`.
    pub fn facts_body(&self) -> Result<Facts, Malformed> {
        get_body(self.body)
    }

    /// The facts of a `SessionOpened`.
    pub fn session_facts(&self) -> Result<SessionFacts, Malformed> {
        get_body(self.body)
    }
}

/// What an entry's bytes say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    /// A chain's first entry.
    Opening(Opening),
    /// Any other.
    Entry(Entry),
}

pub(crate) fn get_body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Malformed> {
    rmp_serde::from_slice(bytes).map_err(|_| Malformed("with a body that cannot be read"))
}
