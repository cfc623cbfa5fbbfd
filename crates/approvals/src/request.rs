use std::{mem::size_of, sync::Arc};

use querygate_record::{Effect, HoldId, Principal, StatementId, Value};
use serde::{Deserialize, Serialize};

/// What a reviewer is asked: one statement with its values, as the log's facts show them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The statement.
    pub statement: StatementId,
    /// Who wants to run it.
    pub principal: Principal,
    /// Where, as the configuration names the database.
    pub database: String,
    /// The text, its literals of masked columns replaced by keyed hashes.
    pub text: String,
    /// Its bind values, likewise.
    pub values: Vec<Value>,
    /// Its effects, each with the objects that it touches.
    pub effects: Vec<(Effect, Vec<String>)>,
    /// The tables that it touches.
    pub tables: Vec<String>,
    /// The rule that wants an approval.
    pub rule: String,
    /// The rule's reason.
    pub reason: String,
    /// Roles that may decide; `*` is everybody.
    pub reviewers: Vec<String>,
    /// When it was asked, nanoseconds since 1970-01-01 UTC.
    pub asked_ns: i64,
    /// When it expires, nanoseconds since 1970-01-01 UTC: from then on nobody can decide.
    pub expires_ns: i64,
}

impl Request {
    /// A request about nothing but the statement's identity, to be filled in. As it is, no desk takes it: it names no reviewers.
    pub fn for_statement(statement: StatementId) -> Request {
        Request {
            statement,
            principal: Principal::local("", []),
            database: String::new(),
            text: String::new(),
            values: Vec::new(),
            effects: Vec::new(),
            tables: Vec::new(),
            rule: String::new(),
            reason: String::new(),
            reviewers: Vec::new(),
            asked_ns: 0,
            expires_ns: 0,
        }
    }

    /// Bytes that it takes in memory, near enough to bound the desk by.
    pub(crate) fn bytes(&self) -> usize {
        let value = |v: &Value| match v {
            Value::Text(s) | Value::Binary(s) => s.len(),
            _ => 0,
        };
        let objects: usize =
            self.effects.iter().flat_map(|(_, objects)| objects).map(|o| o.len() + size_of::<String>()).sum();
        let tables: usize = self.tables.iter().map(|t| t.len() + size_of::<String>()).sum();
        let values: usize = self.values.iter().map(|v| value(v) + size_of::<Value>()).sum();
        size_of::<Request>() + self.text.len() + values + objects + tables
    }
}

/// A request that waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// Its id.
    pub id: HoldId,
    /// What is asked.
    pub request: Arc<Request>,
}
