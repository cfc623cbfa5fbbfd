//! SQLSTATEs: those that the gateway itself answers with, and for every one a text that may be shown where the server's own text may not,
//! since it can quote data.

mod texts;

use texts::TEXTS;

/// The server did not take the connection.
pub const CONNECTION_DOES_NOT_EXIST: &str = "08003";
/// The connection to the server is lost.
pub const CONNECTION_FAILURE: &str = "08006";
/// The server can't be reached.
pub const UNABLE_TO_CONNECT: &str = "08001";
/// The peer broke the protocol.
pub const PROTOCOL_VIOLATION: &str = "08P01";
/// Not built, or not analysable.
pub const FEATURE_NOT_SUPPORTED: &str = "0A000";
/// A value that a parameter can't have.
pub const INVALID_PARAMETER_VALUE: &str = "22023";
/// A transaction already failed.
pub const IN_FAILED_TRANSACTION: &str = "25P02";
/// A session waited too long inside a transaction.
pub const IDLE_IN_TRANSACTION_TIMEOUT: &str = "25P03";
/// No such prepared statement.
pub const INVALID_STATEMENT_NAME: &str = "26000";
/// This identity may not open this session.
pub const INVALID_AUTHORIZATION_SPECIFICATION: &str = "28000";
/// The password is wrong.
pub const INVALID_PASSWORD: &str = "28P01";
/// No such portal.
pub const INVALID_CURSOR_NAME: &str = "34000";
/// No such database, or not for this identity.
pub const INVALID_CATALOG_NAME: &str = "3D000";
/// Not permitted.
pub const INSUFFICIENT_PRIVILEGE: &str = "42501";
/// The text is not a statement.
pub const SYNTAX_ERROR: &str = "42601";
/// A prepared statement of this name exists already.
pub const DUPLICATE_STATEMENT: &str = "42P05";
/// No such setting.
pub const UNDEFINED_OBJECT: &str = "42704";
/// Too many sessions.
pub const TOO_MANY_CONNECTIONS: &str = "53300";
/// A limit of the configuration was reached.
pub const CONFIGURATION_LIMIT_EXCEEDED: &str = "53400";
/// A statement is too long or too complex.
pub const PROGRAM_LIMIT_EXCEEDED: &str = "54000";
/// Not possible in this state.
pub const OBJECT_NOT_IN_PREREQUISITE_STATE: &str = "55000";
/// Cancelled, by a user or a limit.
pub const QUERY_CANCELED: &str = "57014";
/// An administrator ended the session.
pub const ADMIN_SHUTDOWN: &str = "57P01";
/// The server is starting or stopping.
pub const CANNOT_CONNECT_NOW: &str = "57P03";
/// The log, or another file, can't be written.
pub const IO_ERROR: &str = "58030";
/// A defect.
pub const INTERNAL_ERROR: &str = "XX000";

/// The text of a class or code that nobody documented.
const UNKNOWN: &str = "error";

/// The canonical text of a SQLSTATE: what its code says and nothing more, the class's where the code is not a documented one.
///
/// ```
/// use querygate_postgres::sqlstate;
/// assert_eq!(sqlstate::canonical("22012"), "division by zero");
/// assert_eq!(sqlstate::canonical("22XYZ"), "data exception");
/// ```
pub fn canonical(code: &str) -> &'static str {
    find(code).or_else(|| find(&class(code))).map_or(UNKNOWN, |(_, text)| text)
}

/// The documented SQLSTATE nearest to a code: itself, its class, or `XX000`. A function may raise any five letters, so a code that is
/// not documented can carry data.
pub fn documented(code: &str) -> &'static str {
    find(code).or_else(|| find(&class(code))).map_or(INTERNAL_ERROR, |(code, _)| code)
}

fn find(code: &str) -> Option<(&'static str, &'static str)> {
    TEXTS.binary_search_by_key(&code, |(known, _)| known).ok().and_then(|place| TEXTS.get(place)).copied()
}

/// The generic code of a code's class.
fn class(code: &str) -> String {
    format!("{}000", code.get(..2).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_text_and_is_found() {
        assert!(TEXTS.is_sorted_by(|a, b| a.0 < b.0));
        for (code, text) in TEXTS {
            assert_eq!((canonical(code), documented(code)), (*text, *code));
            assert!(!text.is_empty() && !text.ends_with('.'));
        }
    }

    #[test]
    fn what_is_not_documented_falls_back_to_its_class_and_tells_nothing() {
        assert_eq!((canonical("P0999"), documented("P0999")), ("error in a function", "P0000"));
        assert_eq!((canonical("SSN12"), documented("SSN12")), (UNKNOWN, INTERNAL_ERROR));
        for odd in ["", "2", "é", "22é", "22012x"] {
            assert!(find(documented(odd)).is_some(), "{odd}");
        }
    }
}
