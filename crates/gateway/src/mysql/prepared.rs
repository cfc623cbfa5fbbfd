//! What the driver keeps of prepared statements: the server's numbers of them and the session's names, types of parameters, long data.

use std::collections::{BTreeMap, HashMap};

use bytes::BufMut;
use querygate_mysql::{
    command::{self, Command, kind},
    statement::{self, Bound},
    value::Type,
};

use super::wire::{Awaits, Mysql, Next, Results};
use crate::driver::Driver;

/// CURSOR_TYPE_READ_ONLY.
const READ_ONLY: u8 = 1;

/// Bytes of parameters that were sent as long data and not executed yet, of one session.
pub const LONG_DATA_MAX: usize = 64 * 1024 * 1024;

/// A prepared statement.
#[derive(Debug, Default)]
pub struct Statement {
    /// The session's name of it.
    pub name: String,
    /// How many parameters it has.
    pub parameters: usize,
    /// Their types at the last execution.
    pub types: Vec<Type>,
    /// Where its columns come from.
    pub origins: Vec<(u32, i16)>,
    /// Values that were sent as long data, by parameter.
    pub long: BTreeMap<u16, Vec<u8>>,
    /// A cursor is open on it: the types of its columns.
    pub cursor: Option<Vec<Type>>,
}

/// All of a session.
#[derive(Debug, Default)]
pub struct Statements {
    by_number: HashMap<u32, Statement>,
    named: u64,
    long_bytes: usize,
}

impl Statements {
    /// A name for a statement that is about to be prepared.
    pub fn next_name(&mut self) -> String {
        self.named += 1;
        self.last_name()
    }

    /// The last such name.
    pub fn last_name(&self) -> String {
        format!("stmt-{}", self.named)
    }

    /// Notes what the server has prepared.
    pub fn insert(&mut self, number: u32, statement: Statement) {
        self.by_number.insert(number, statement);
    }

    /// The statement of that number.
    pub fn get(&self, number: u32) -> Option<&Statement> {
        self.by_number.get(&number)
    }

    /// The statement of that name.
    pub fn named(&self, name: &str) -> Option<&Statement> {
        self.by_number.values().find(|s| s.name == name)
    }

    /// Forgets all, but not how many there were: names are never used again.
    pub fn clear(&mut self) {
        self.by_number.clear();
        self.long_bytes = 0;
    }

    /// Forgets one.
    pub fn remove(&mut self, number: u32) -> Option<Statement> {
        self.forget_long(number);
        self.by_number.remove(&number)
    }

    /// Notes that a statement has a cursor, or none any more.
    pub fn keep_cursor(&mut self, number: u32, types: Option<Vec<Type>>) {
        if let Some(statement) = self.by_number.get_mut(&number) {
            statement.cursor = types;
        }
    }

    /// Forgets long data.
    pub fn forget_long(&mut self, number: u32) {
        if let Some(statement) = self.by_number.get_mut(&number) {
            let bytes: usize = statement.long.values().map(Vec::len).sum();
            self.long_bytes = self.long_bytes.saturating_sub(bytes);
            statement.long.clear();
        }
    }

    /// Keeps a part of a value; false where there would be too much of it. Data for what does not exist is dropped, as the server does.
    pub fn keep_long(&mut self, number: u32, parameter: u16, data: &[u8]) -> bool {
        let Some(statement) = self.by_number.get_mut(&number).filter(|s| usize::from(parameter) < s.parameters) else {
            return true;
        };
        self.long_bytes += data.len();
        statement.long.entry(parameter).or_default().extend_from_slice(data);
        self.long_bytes <= LONG_DATA_MAX
    }

    /// The values of an execution, long data among them.
    pub fn bound(&self, number: u32, values: &[u8]) -> Result<Bound, querygate_mysql::Malformed> {
        let Some(statement) = self.by_number.get(&number) else { return Ok(Bound::default()) };
        let count = statement.parameters;
        let long: Vec<bool> =
            (0..count).map(|i| u16::try_from(i).is_ok_and(|i| statement.long.contains_key(&i))).collect();
        let mut bound = statement::execute(values, count, &statement.types, &long)?;
        for (parameter, data) in &statement.long {
            if let Some(value) = bound.values.get_mut(usize::from(*parameter)) {
                *value = Some(data.clone());
            }
        }
        Ok(bound)
    }

    fn keep_types(&mut self, number: u32, types: Vec<Type>) {
        if let Some(statement) = self.by_number.get_mut(&number) {
            statement.types = types;
        }
    }
}

impl Driver<Mysql> {
    /// Puts an execution before the server: first the long data that it needs, then itself. Where results have bounds it gets no cursor: all its
    /// rows come at once, and count together.
    pub(super) fn execute(&mut self, frame: &[u8]) {
        let Ok(Command::StatementExecute { statement, cursor, values }) = command::decode(frame) else { return };
        self.wire.statements.keep_cursor(statement, None);
        let cursor = if cursor == READ_ONLY && !self.session.is_capped() { READ_ONLY } else { 0 };
        if let Ok(bound) = self.wire.statements.bound(statement, values) {
            self.wire.statements.keep_types(statement, bound.types);
        }
        let long: Vec<(u16, Vec<u8>)> = self
            .wire
            .statements
            .get(statement)
            .map(|s| s.long.iter().map(|(parameter, data)| (*parameter, data.clone())).collect())
            .unwrap_or_default();
        for (parameter, data) in long {
            let mut packet = vec![kind::STMT_SEND_LONG_DATA];
            packet.put_u32_le(statement);
            packet.put_u16_le(parameter);
            packet.extend_from_slice(&data);
            self.tell_server(&packet);
        }
        self.wire.statements.forget_long(statement);
        let mut packet = vec![kind::STMT_EXECUTE];
        packet.put_u32_le(statement);
        packet.put_u8(cursor);
        packet.put_u32_le(1);
        packet.extend_from_slice(values);
        self.tell_server(&packet);
        self.wire.awaits = Awaits::Results(Results { execution: Some(statement), ..Results::default() });
    }

    /// Asks for rows of a cursor, which come by themselves.
    pub(super) fn fetch(&mut self, frame: &[u8]) {
        let Ok(Command::StatementFetch { statement, .. }) = command::decode(frame) else { return };
        let Some(found) = self.wire.statements.get(statement) else { return };
        self.wire.awaits = Awaits::Results(Results {
            next: Next::Rows,
            types: found.cursor.clone().unwrap_or_default(),
            origins: found.origins.clone(),
            execution: Some(statement),
            ..Results::default()
        });
        self.tell_server(frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_data_stands_in_for_the_value_until_the_execution_and_is_bounded() {
        let mut statements = Statements::default();
        statements.insert(5, Statement { name: "s".into(), parameters: 2, ..Statement::default() });
        assert!(statements.keep_long(5, 1, b"ab") && statements.keep_long(5, 1, b"cd"));
        assert!(statements.keep_long(5, 2, b"no such parameter") && statements.keep_long(6, 0, b"no such statement"));
        let bound = statements.bound(5, b"\0\x01\x03\0\xfc\0\x07\0\0\0").unwrap();
        assert_eq!(bound.values, [Some(b"7".to_vec()), Some(b"abcd".to_vec())]);
        assert!(!statements.keep_long(5, 0, &vec![0; LONG_DATA_MAX]));
        statements.forget_long(5);
        assert!(statements.keep_long(5, 0, &vec![0; LONG_DATA_MAX]));
    }
}
