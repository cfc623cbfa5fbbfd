use jiff::Timestamp;
use querygate_journal::{Hold, Row};
use querygate_record::{Event, Origin, Subject, Value};
use serde::Serialize;
use serde_json::json;

/// A row with the names under which it leaves the gateway: [the crate's documentation](crate) lists them. Serialise it for lists with `--json` as well.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "the crate's documentation describes each field")]
pub struct Line<'a> {
    pub kind: &'static str,
    pub time: String,
    pub chain: String,
    pub sequence: u64,
    pub session: Option<String>,
    pub statement: Option<u64>,
    pub origin: Origin,
    pub subject: Option<&'a str>,
    pub issuer: Option<&'a str>,
    pub roles: &'a [String],
    pub on_behalf_of: &'a [Subject],
    pub client: Option<&'a str>,
    pub application: Option<&'a str>,
    pub database: Option<&'a str>,
    pub engine: Option<querygate_record::Engine>,
    pub tls: Option<bool>,
    pub text: Option<&'a str>,
    pub values: Vec<serde_json::Value>,
    pub fingerprint: Option<&'a str>,
    pub effects: Vec<EffectLine<'a>>,
    pub tables: &'a [String],
    pub columns_read: &'a [String],
    pub columns_written: &'a [String],
    pub verdict: Option<&'static str>,
    pub rule: Option<&'a str>,
    pub reason: Option<&'a str>,
    pub policy: Option<&'a str>,
    pub observed: Option<bool>,
    pub masks: &'a [String],
    pub hold: Option<HoldLine<'a>>,
    pub executions: u64,
    pub status: Option<&'a str>,
    pub code: Option<&'a str>,
    pub detail: Option<&'a str>,
    pub position: Option<u32>,
    pub rows: Option<u64>,
    pub bytes: Option<u64>,
    pub duration_ns: Option<u64>,
    pub masked_fields: Option<u64>,
    pub ended: Option<String>,
    pub end_sequence: Option<u64>,
    pub end_hash: Option<String>,
    pub previous: String,
    pub hash: String,
    pub event: Option<serde_json::Value>,
}

/// An effect and what it touches.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "as above")]
pub struct EffectLine<'a> {
    pub effect: &'static str,
    pub objects: &'a [String],
}

/// A wait for a reviewer.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "as above")]
pub struct HoldLine<'a> {
    pub id: &'a str,
    pub time: String,
    pub reviewers: &'a [String],
    pub expires: String,
    pub ruling: Option<&'a str>,
    pub ruled: Option<String>,
    pub reviewer: Option<&'a Subject>,
    pub because: Option<&'a str>,
}

impl<'a> From<&'a Row> for Line<'a> {
    fn from(row: &'a Row) -> Line<'a> {
        let session = row.session_facts.as_deref();
        let principal = session.map(|s| &s.principal);
        let facts = row.facts.as_deref();
        let outcome = row.outcome.as_ref();
        Line {
            kind: row.kind.name(),
            time: time(row.time_ns),
            chain: row.chain.to_string(),
            sequence: row.sequence,
            session: row.session.map(|s| s.to_string()),
            statement: (row.statement != 0).then_some(row.statement),
            origin: row.origin,
            subject: principal.map(|p| p.identity.subject.as_str()),
            issuer: principal.map(|p| p.identity.issuer.as_str()),
            roles: principal.map_or(&[], |p| &p.roles),
            on_behalf_of: principal.map_or(&[], |p| &p.on_behalf_of),
            client: session.map(|s| s.client.as_str()),
            application: session.map(|s| s.application.as_str()),
            database: session.map(|s| s.database.as_str()),
            engine: session.map(|s| s.engine),
            tls: session.map(|s| s.tls),
            text: facts.map(|f| f.text.as_str()),
            values: row.values.iter().map(value).collect(),
            fingerprint: facts.and_then(|f| some(&f.fingerprint)),
            effects: facts.map_or_else(Vec::new, |f| {
                f.effects.iter().map(|(effect, objects)| EffectLine { effect: effect.name(), objects }).collect()
            }),
            tables: facts.map_or(&[], |f| &f.tables),
            columns_read: facts.map_or(&[], |f| &f.reads),
            columns_written: facts.map_or(&[], |f| &f.writes),
            verdict: facts.and_then(|f| f.verdict).map(|v| v.name()),
            rule: facts.and_then(|f| some(&f.rule)),
            reason: facts.and_then(|f| some(&f.reason)),
            policy: facts.and_then(|f| some(&f.policy)),
            observed: facts.map(|f| f.observed),
            masks: facts.map_or(&[], |f| &f.masks),
            hold: row.hold.as_ref().map(HoldLine::from),
            executions: row.executions,
            status: some(row.status()),
            code: outcome.and_then(|o| some(&o.code)),
            detail: outcome.and_then(|o| some(&o.detail)),
            position: outcome.and_then(|o| o.position).map(|p| p.0),
            rows: outcome.map(|o| o.rows),
            bytes: outcome.map(|o| o.bytes),
            duration_ns: outcome.map(|o| o.duration_ns),
            masked_fields: outcome.map(|o| o.masked_fields),
            ended: row.end.map(|(_, _, at)| time(at)),
            end_sequence: row.end.map(|(sequence, _, _)| sequence),
            end_hash: row.end.map(|(_, hash, _)| hash.to_string()),
            previous: row.previous.to_string(),
            hash: row.hash.to_string(),
            event: row.event.as_ref().and_then(event),
        }
    }
}

impl<'a> From<&'a Hold> for HoldLine<'a> {
    fn from(hold: &'a Hold) -> HoldLine<'a> {
        let ruling = hold.ruling.as_ref();
        HoldLine {
            id: &hold.id.0,
            time: time(hold.time_ns),
            reviewers: &hold.reviewers,
            expires: time(hold.expires_ns),
            ruling: ruling.map(|r| r.ruling.as_str()),
            ruled: ruling.map(|r| time(r.time_ns)),
            reviewer: ruling.and_then(|r| r.reviewer.as_ref()).map(|p| &p.identity),
            because: ruling.and_then(|r| some(&r.because)),
        }
    }
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// RFC 3339 in UTC, always with nine digits, so that text sorts as time.
fn time(ns: i64) -> String {
    Timestamp::from_nanosecond(ns.into()).map_or_else(|_| ns.to_string(), |at| format!("{at:.9}"))
}

/// A text is itself and NULL is `null`; everything else is an object that says what it is.
fn value(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Text(text) => json!(text),
        Value::Binary(hex) => json!({ "binary": hex }),
        Value::Hashed { hash, key } => json!({ "hash": hash, "key": key }),
        Value::Long { length, hash, key } => json!({ "length": length, "hash": hash, "key": key }),
    }
}

fn event(event: &Event) -> Option<serde_json::Value> {
    match event {
        // The fields of the session say all but this.
        Event::SessionOpened(facts) => facts.refused.as_ref().map(|why| json!({ "refused": why })),
        Event::SessionClosed { reason } => Some(json!({ "reason": reason })),
        Event::Alarm { kind, detail } => Some(json!({ "alarm": kind, "detail": detail })),
        Event::Loaded { policy, detail } => Some(json!({ "policy": policy, "detail": detail })),
        other => serde_json::to_value(other).ok(),
    }
}
