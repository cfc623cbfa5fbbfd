//! The bytes of one entry.
//!
//! A fixed head (what indexing and joining need, read without a decoder), then a body in MessagePack, so that fields can be added to the vocabulary
//! and old logs stay readable: with the names of its fields, except for an outcome, which every statement has and whose names would be most of
//! it. The reader takes both forms. The chain's hash covers exactly these bytes.

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
            put_values(outcome, out)
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

/// A body without the names of its fields, for what is written once or more for each statement. Fields may only be added at its end.
fn put_values<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), Malformed> {
    value.serialize(&mut rmp_serde::Serializer::new(out)).map_err(|_| Malformed("cannot be encoded"))
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use querygate_record::{Effect, Engine, HoldId, Position, Principal, Subject, Verdict};

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![Just(String::new()), "\\PC{0,40}", Just("x".repeat(70_000))]
    }

    fn digest() -> impl Strategy<Value = Digest> {
        any::<[u8; 32]>().prop_map(Digest)
    }

    fn principal() -> impl Strategy<Value = Principal> {
        let subject = || (text(), text()).prop_map(|(issuer, subject)| Subject { issuer, subject });
        let lists = (prop::collection::vec(text(), 0..3), prop::collection::vec(subject(), 0..3));
        (subject(), lists).prop_map(|(identity, (roles, on_behalf_of))| Principal { identity, roles, on_behalf_of })
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            text().prop_map(Value::Text),
            text().prop_map(Value::Binary),
            (text(), text()).prop_map(|(hash, key)| Value::Hashed { hash, key }),
            (any::<u64>(), text(), text()).prop_map(|(length, hash, key)| Value::Long { length, hash, key }),
        ]
    }

    fn facts() -> impl Strategy<Value = Facts> {
        let names = || prop::collection::vec(text(), 0..3);
        let effects = prop::collection::vec((prop::sample::select(Effect::ALL), names()), 0..3);
        let verdict = prop::option::of(prop::sample::select(vec![Verdict::Allow, Verdict::Approve, Verdict::Block]));
        (text(), effects, names(), names(), verdict, any::<bool>()).prop_map(
            |(text, effects, reads, masks, verdict, observed)| Facts {
                text,
                effects,
                tables: reads.clone(),
                reads,
                masks,
                verdict,
                observed,
                ..Facts::default()
            },
        )
    }

    fn event() -> impl Strategy<Value = Event> {
        let session = (principal(), text(), any::<bool>(), prop::option::of(text())).prop_map(
            |(principal, client, tls, refused)| {
                let (application, database) = (client.clone(), client.clone());
                SessionFacts { principal, client, application, database, engine: Engine::Mariadb, tls, refused }
            },
        );
        let outcome = (text(), any::<u64>(), prop::option::of(any::<u32>())).prop_map(|(status, rows, position)| {
            Outcome { status: status.into(), rows, position: position.map(Position), ..Outcome::default() }
        });
        let hold = || text().prop_map(HoldId);
        prop_oneof![
            session.prop_map(|facts| Event::SessionOpened(Box::new(facts))),
            text().prop_map(|reason| Event::SessionClosed { reason }),
            (digest(), facts()).prop_map(|(id, facts)| Event::Facts { id, facts: Box::new(facts) }),
            digest().prop_map(|facts| Event::Prepare { facts }),
            (digest(), prop::collection::vec(value(), 0..4)).prop_map(|(facts, values)| Event::Begin { facts, values }),
            Just(Event::Execute),
            outcome.prop_map(|outcome| Event::End(Box::new(outcome))),
            (hold(), prop::collection::vec(text(), 0..3), any::<i64>())
                .prop_map(|(hold, reviewers, expires_ns)| Event::Held { hold, reviewers, expires_ns }),
            (hold(), text(), prop::option::of(principal())).prop_map(|(hold, ruling, reviewer)| Event::Ruled {
                hold,
                because: ruling.clone(),
                ruling,
                reviewer
            }),
            (text(), text()).prop_map(|(kind, detail)| Event::Alarm { kind, detail }),
            (text(), text()).prop_map(|(policy, detail)| Event::Loaded { policy, detail }),
        ]
    }

    prop_compose! {
        fn entry()(
            time_ns in any::<i64>(), session in prop::option::of(any::<u128>()), statement in any::<u64>(), gateway in any::<bool>(), event in event(),
        ) -> Entry {
            let origin = if gateway { Origin::Gateway } else { Origin::Client };
            Entry { time_ns, session: session.map(|id| SessionId(Uuid::from_u128(id))), statement, origin, event }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn an_entry_reads_back_as_written(entry in entry()) {
            let mut bytes = Vec::new();
            encode(&entry, &mut bytes).unwrap();
            prop_assert_eq!(Raw::parse(&bytes).unwrap().decode().unwrap(), Content::Entry(entry));
        }

        #[test]
        fn an_edited_or_cut_entry_is_read_or_refused_without_panic(entry in entry(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
            let mut bytes = Vec::new();
            encode(&entry, &mut bytes).unwrap();
            let at = at.index(bytes.len());
            if cut { bytes.truncate(at) } else { bytes[at] = byte }
            if let Ok(raw) = Raw::parse(&bytes) {
                let _ = raw.decode();
                let _ = raw.is_hold();
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0_u8..9) {
            let bytes = [&[kind][..], &bytes].concat();
            if let Ok(raw) = Raw::parse(&bytes) {
                let _ = raw.decode();
            }
        }
    }

    #[test]
    fn one_digest_names_one_set_of_facts_whoever_encodes_them() {
        let facts = Facts { text: "SELECT 1".to_owned(), ..Facts::default() };
        let (mut body, mut direct, mut whole) = (Vec::new(), Vec::new(), Vec::new());
        let id = digest_of(&facts, &mut body).unwrap();
        encode_facts(&id, &body, 5, &mut direct).unwrap();
        let event = Event::Facts { id, facts: Box::new(facts) };
        encode(&Entry { time_ns: 5, session: None, statement: 0, origin: Origin::Gateway, event }, &mut whole).unwrap();
        assert_eq!(direct, whole);
    }

    /// Logs outlive versions of the gateway: these are bytes that version 1 wrote. If this fails, make the new field optional (`serde(default)`) instead.
    #[test]
    fn entries_of_the_first_version_are_still_read() {
        let written = WRITTEN.lines().map(|line| {
            let hex = line.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
            hex.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect::<Vec<u8>>()
        });
        let read: Vec<_> = written.map(|bytes| Raw::parse(&bytes).unwrap().decode().unwrap()).collect();
        let expected: Vec<_> = samples().into_iter().map(Content::Entry).collect();
        assert_eq!(read, expected);
    }

    const WRITTEN: &str = include_str!("../tests/entries-1.hex");

    fn samples() -> Vec<Entry> {
        let principal = Principal {
            identity: Subject { issuer: "local".to_owned(), subject: "agent-7".to_owned() },
            roles: vec!["agent".to_owned()],
            on_behalf_of: vec![Subject { issuer: "https://idp".to_owned(), subject: "ann".to_owned() }],
        };
        let opened = SessionFacts {
            principal: principal.clone(),
            client: "10.0.0.9:4242".to_owned(),
            application: "psql".to_owned(),
            database: "shop".to_owned(),
            engine: Engine::Postgres,
            tls: true,
            refused: None,
        };
        let facts = Facts {
            text: "DELETE FROM orders".to_owned(),
            fingerprint: "ab12".to_owned(),
            effects: vec![(Effect::Delete, vec!["public.orders".to_owned()])],
            reads: vec!["public.orders.id".to_owned()],
            writes: vec!["public.orders.note".to_owned()],
            tables: vec!["public.orders".to_owned()],
            verdict: Some(Verdict::Approve),
            rule: "bulk".to_owned(),
            reason: "changes every row".to_owned(),
            policy: "v1".to_owned(),
            masks: vec!["note=redact".to_owned()],
            observed: false,
        };
        let id = Digest([9; 32]);
        let hashed = Value::Hashed { hash: "00ff".to_owned(), key: "k1".to_owned() };
        let long = Value::Long { length: 5000, hash: "00ff".to_owned(), key: "k1".to_owned() };
        let hold = HoldId("h-9".to_owned());
        let outcome = Outcome { status: "ok".into(), rows: 3, position: Some(Position(7)), ..Outcome::default() };
        let events = vec![
            Event::SessionOpened(Box::new(opened)),
            Event::Facts { id, facts: Box::new(facts) },
            Event::Prepare { facts: id },
            Event::Begin {
                facts: id,
                values: vec![Value::Null, Value::Text("a".to_owned()), Value::Binary("ff".to_owned()), hashed, long],
            },
            Event::Held { hold: hold.clone(), reviewers: vec!["dba".to_owned()], expires_ns: 5 },
            Event::Ruled { hold, ruling: "approved".to_owned(), reviewer: Some(principal), because: "ok".to_owned() },
            Event::Execute,
            Event::End(Box::new(outcome)),
            Event::SessionClosed { reason: "bye".to_owned() },
            Event::Alarm { kind: "cross_check".to_owned(), detail: "seen".to_owned() },
            Event::Loaded { policy: "v1".to_owned(), detail: "all".to_owned() },
        ];
        let session = Some(SessionId(Uuid::from_u128(77)));
        events
            .into_iter()
            .map(|event| Entry { time_ns: -3, session, statement: 1, origin: Origin::Client, event })
            .collect()
    }

    #[test]
    #[ignore = "prints the fixture of the test above when a format is made"]
    fn print_samples() {
        for entry in samples() {
            let mut bytes = Vec::new();
            encode(&entry, &mut bytes).unwrap();
            println!("{}", bytes.iter().map(|b| format!("{b:02x}")).collect::<String>());
        }
    }
}
