//! What a client asks for: the first packet of each exchange (MySQL Internals, "Text Protocol", "Prepared Statements", "Utility Commands").

use crate::{Malformed, Problem, read::Reader};

/// First bytes of commands.
pub mod kind {
    /// End the session.
    pub const QUIT: u8 = 0x01;
    /// Change the current database.
    pub const INIT_DB: u8 = 0x02;
    /// Run a text.
    pub const QUERY: u8 = 0x03;
    /// Describe a table's columns.
    pub const FIELD_LIST: u8 = 0x04;
    /// A line about the server.
    pub const STATISTICS: u8 = 0x09;
    /// End another connection.
    pub const PROCESS_KILL: u8 = 0x0c;
    /// Is it there?
    pub const PING: u8 = 0x0e;
    /// Log in as another.
    pub const CHANGE_USER: u8 = 0x11;
    /// Prepare a text.
    pub const STMT_PREPARE: u8 = 0x16;
    /// Run a prepared statement.
    pub const STMT_EXECUTE: u8 = 0x17;
    /// A part of a parameter's value.
    pub const STMT_SEND_LONG_DATA: u8 = 0x18;
    /// Drop a prepared statement.
    pub const STMT_CLOSE: u8 = 0x19;
    /// Drop a statement's long data and cursor.
    pub const STMT_RESET: u8 = 0x1a;
    /// Several statements in one text: on or off.
    pub const SET_OPTION: u8 = 0x1b;
    /// Rows of a cursor.
    pub const STMT_FETCH: u8 = 0x1c;
    /// The session as after log-in.
    pub const RESET_CONNECTION: u8 = 0x1f;
}

/// A command. Texts are bytes: that they are UTF-8 is for the caller to demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// COM_CHANGE_USER; read by [`crate::login::change`], which needs the flags that both sides agreed on.
    ChangeUser,
    /// COM_FIELD_LIST.
    FieldList {
        /// The table.
        table: &'a [u8],
        /// A pattern for columns.
        wildcard: &'a [u8],
    },
    /// COM_INIT_DB.
    InitDb {
        /// The database.
        database: &'a [u8],
    },
    /// COM_PING.
    Ping,
    /// COM_PROCESS_KILL.
    ProcessKill {
        /// The connection.
        connection: u32,
    },
    /// COM_QUERY.
    Query {
        /// The text.
        text: &'a [u8],
    },
    /// COM_QUIT.
    Quit,
    /// COM_RESET_CONNECTION.
    ResetConnection,
    /// COM_SET_OPTION.
    SetOption {
        /// Whether several statements in one text are allowed from now on.
        multi_statements: bool,
    },
    /// COM_STATISTICS.
    Statistics,
    /// COM_STMT_CLOSE. It is not answered.
    StatementClose {
        /// The statement.
        statement: u32,
    },
    /// COM_STMT_EXECUTE; the values are read by [`crate::statement::execute`], which needs the number of parameters.
    StatementExecute {
        /// The statement.
        statement: u32,
        /// A cursor is asked for where it is not 0.
        cursor: u8,
        /// From the bitmap of NULLs on.
        values: &'a [u8],
    },
    /// COM_STMT_FETCH.
    StatementFetch {
        /// The statement.
        statement: u32,
        /// Rows, at most.
        rows: u32,
    },
    /// COM_STMT_SEND_LONG_DATA. It is not answered.
    StatementLongData {
        /// The statement.
        statement: u32,
        /// The parameter, from 0.
        parameter: u16,
        /// The next part of its value.
        data: &'a [u8],
    },
    /// COM_STMT_PREPARE.
    StatementPrepare {
        /// The text.
        text: &'a [u8],
    },
    /// COM_STMT_RESET.
    StatementReset {
        /// The statement.
        statement: u32,
    },
    /// One that the gateway does not know or does not let through.
    Other {
        /// Its first byte.
        kind: u8,
    },
}

/// Decodes a command.
pub fn decode(payload: &[u8]) -> Result<Command<'_>, Malformed> {
    let mut reader = Reader::new("command", payload);
    let kind = reader.u8("kind")?;
    let command = match kind {
        kind::CHANGE_USER => {
            reader.rest();
            Command::ChangeUser
        }
        kind::FIELD_LIST => Command::FieldList { table: reader.nul_bytes("table")?, wildcard: reader.rest() },
        kind::INIT_DB => Command::InitDb { database: reader.rest() },
        kind::PING => Command::Ping,
        kind::PROCESS_KILL => Command::ProcessKill { connection: reader.u32("connection")? },
        kind::QUERY => Command::Query { text: reader.rest() },
        kind::QUIT => Command::Quit,
        kind::RESET_CONNECTION => Command::ResetConnection,
        kind::SET_OPTION => match reader.u16("option")? {
            option @ (0 | 1) => Command::SetOption { multi_statements: option == 0 },
            other => return Err(reader.wrong("option", Problem::BadValue { value: u64::from(other) })),
        },
        kind::STATISTICS => Command::Statistics,
        kind::STMT_CLOSE => Command::StatementClose { statement: reader.u32("statement")? },
        kind::STMT_EXECUTE => execute(&mut reader)?,
        kind::STMT_FETCH => Command::StatementFetch { statement: reader.u32("statement")?, rows: reader.u32("rows")? },
        kind::STMT_SEND_LONG_DATA => Command::StatementLongData {
            statement: reader.u32("statement")?,
            parameter: reader.u16("parameter")?,
            data: reader.rest(),
        },
        kind::STMT_PREPARE => Command::StatementPrepare { text: reader.rest() },
        kind::STMT_RESET => Command::StatementReset { statement: reader.u32("statement")? },
        other => {
            reader.rest();
            Command::Other { kind: other }
        }
    };
    reader.finish()?;
    Ok(command)
}

fn execute<'a>(reader: &mut Reader<'a>) -> Result<Command<'a>, Malformed> {
    let statement = reader.u32("statement")?;
    let cursor = reader.u8("cursor")?;
    match reader.u32("iterations")? {
        1 => Ok(Command::StatementExecute { statement, cursor, values: reader.rest() }),
        other => Err(reader.wrong("iterations", Problem::BadValue { value: u64::from(other) })),
    }
}

/// What a command is called, for messages.
pub fn name(kind: u8) -> &'static str {
    match kind {
        0x05 => "COM_CREATE_DB",
        0x06 => "COM_DROP_DB",
        0x07 => "COM_REFRESH",
        0x08 => "COM_SHUTDOWN",
        0x0a => "COM_PROCESS_INFO",
        0x0d => "COM_DEBUG",
        kind::CHANGE_USER => "COM_CHANGE_USER",
        0x12 => "COM_BINLOG_DUMP",
        0x13 => "COM_TABLE_DUMP",
        0x15 => "COM_REGISTER_SLAVE",
        0x1d => "COM_DAEMON",
        0x1e => "COM_BINLOG_DUMP_GTID",
        0x20 => "COM_CLONE",
        0xfa => "COM_STMT_BULK_EXECUTE",
        _ => "this command",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_to_their_last_byte() {
        assert_eq!(decode(b"\x03SELECT 1"), Ok(Command::Query { text: b"SELECT 1" }));
        assert_eq!(decode(b"\x02shop"), Ok(Command::InitDb { database: b"shop" }));
        assert_eq!(decode(b"\x0e"), Ok(Command::Ping));
        assert_eq!(decode(b"\x0c\x07\x01\0\0"), Ok(Command::ProcessKill { connection: 263 }));
        assert_eq!(decode(b"\x1b\x00\x00"), Ok(Command::SetOption { multi_statements: true }));
        assert_eq!(decode(b"\x04t\0a%"), Ok(Command::FieldList { table: b"t", wildcard: b"a%" }));
        assert_eq!(
            decode(b"\x17\x05\0\0\0\x01\x01\0\0\0rest"),
            Ok(Command::StatementExecute { statement: 5, cursor: 1, values: b"rest" })
        );
        assert_eq!(decode(b"\x08"), Ok(Command::Other { kind: 8 }));
    }

    #[test]
    fn short_long_and_odd_commands_are_errors() {
        for bytes in [
            &b""[..],
            b"\x0e\0",
            b"\x01x",
            b"\x04t",
            b"\x19\x01\0\0",
            b"\x19\x01\0\0\0\0",
            b"\x1b\x02\0",
            b"\x17\x05\0\0\0\0\x02\0\0\0",
            b"\x1c\x01\0\0\0\x01",
        ] {
            assert!(decode(bytes).is_err(), "{bytes:?}");
        }
    }
}
