use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};

use crate::{Effect, Engine, HoldId, Position, Principal, SessionId, Verdict};

/// A 32-byte BLAKE3 hash, written as hex.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One fact of the log. The journal adds sequence, chain and hashes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Nanoseconds since 1970-01-01 UTC.
    pub time_ns: i64,
    /// The session that it belongs to; none for what the gateway does by itself.
    pub session: Option<SessionId>,
    /// The statement's number in that session; 0 where there is none.
    pub statement: u64,
    /// Whose doing it is.
    pub origin: Origin,
    /// What happened.
    pub event: Event,
}

/// Whose doing an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The client's statement.
    Client,
    /// The gateway's own statement (catalog loads, injected Describe, settings read back).
    Gateway,
}

/// What happened. `Begin` comes before the statement is sent, `End` after its last reply; a `Begin` without `End` reads "outcome unknown".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A session passed log-in (or, with `refused`, did not).
    SessionOpened(Box<SessionFacts>),
    /// A session ended.
    SessionClosed {
        /// Why, in words.
        reason: String,
    },
    /// Facts about a text under a policy, stored once per chain and referred to by their digest.
    Facts {
        /// The name that other entries use.
        id: Digest,
        /// The facts.
        facts: Box<Facts>,
    },
    /// A text was prepared.
    Prepare {
        /// The facts of its text.
        facts: Digest,
    },
    /// A statement is about to reach the server, or was refused.
    Begin {
        /// The facts of its text.
        facts: Digest,
        /// Its bind values.
        values: Vec<Value>,
    },
    /// A bound portal is executed (again).
    Execute,
    /// A statement ended.
    End(Box<Outcome>),
    /// A statement waits for a reviewer.
    Held {
        /// The request.
        hold: HoldId,
        /// Roles that may decide.
        reviewers: Vec<String>,
        /// When it expires, nanoseconds since 1970-01-01 UTC.
        expires_ns: i64,
    },
    /// A held statement's wait ended.
    Ruled {
        /// The request.
        hold: HoldId,
        /// `approved`, `denied`, `expired`, `cancelled`, `disconnected`, `stopped`.
        ruling: String,
        /// Who decided, when somebody did.
        reviewer: Option<Principal>,
        /// Their words.
        because: String,
    },
    /// Something that an operator must look at.
    Alarm {
        /// A short name of the kind, such as `cross_check`.
        kind: String,
        /// What was seen, without data of the database.
        detail: String,
    },
    /// Configuration or policies were loaded.
    Loaded {
        /// The policy version: a hash over all policy files.
        policy: String,
        /// What was loaded, in words.
        detail: String,
    },
}

/// What is known of a session from its start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionFacts {
    /// Who it is; for a refused log-in the claimed name with no roles.
    pub principal: Principal,
    /// The client's address.
    pub client: String,
    /// `application_name` as the client gave it.
    pub application: String,
    /// The database asked for, as the configuration names it.
    pub database: String,
    /// Its engine.
    pub engine: Engine,
    /// Whether the client's connection is encrypted.
    pub tls: bool,
    /// Why log-in was refused, when it was.
    pub refused: Option<String>,
}

/// What analysis and policy said of one text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// The text, its literals of masked columns replaced by keyed hashes.
    pub text: String,
    /// Hash of the text with every literal left out: equal for statements of one shape.
    pub fingerprint: String,
    /// Effects, each with the objects that it touches.
    pub effects: Vec<(Effect, Vec<String>)>,
    /// Columns read, `schema.table.column`.
    pub reads: Vec<String>,
    /// Columns written.
    pub writes: Vec<String>,
    /// Tables touched.
    pub tables: Vec<String>,
    /// The verdict; none for a statement that policy does not judge (the gateway's own).
    pub verdict: Option<Verdict>,
    /// The rule that decided, or the name of the built-in default.
    pub rule: String,
    /// Why it was refused or held.
    pub reason: String,
    /// The policy version.
    pub policy: String,
    /// Masks of the result, `column=masker`.
    pub masks: Vec<String>,
    /// Whether the verdict was only logged (`mode = "observe"`).
    pub observed: bool,
}

/// One bind value as the log keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// SQL NULL.
    Null,
    /// The text, of at most 4 KiB.
    Text(String),
    /// Binary, as hex, of at most 4 KiB.
    Binary(String),
    /// A value of a masked column: keyed hash, and the key's name.
    Hashed {
        /// First 16 bytes of the keyed hash, hex.
        hash: String,
        /// The key.
        key: String,
    },
    /// Longer than 4 KiB: length in bytes, and keyed hash.
    Long {
        /// Bytes.
        length: u64,
        /// First 16 bytes of the keyed hash, hex.
        hash: String,
        /// The key.
        key: String,
    },
}

/// How a statement ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// `ok`, `error`, `refused`, `denied`, `expired`, `cancelled`, `lost` (the server went away), `skipped` (an earlier error in its pipeline).
    pub status: Cow<'static, str>,
    /// SQLSTATE or errno.
    pub code: String,
    /// The message of a refusal by the gateway (never the server's text).
    pub detail: String,
    /// Where in the text, when a refusal names a place.
    pub position: Option<Position>,
    /// Rows sent to the client or changed.
    pub rows: u64,
    /// Bytes of results sent to the client.
    pub bytes: u64,
    /// From the moment it was sent (or refused) to its last reply, nanoseconds.
    pub duration_ns: u64,
    /// Fields masked.
    pub masked_fields: u64,
}
