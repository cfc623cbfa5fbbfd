//! MySQL's numbers for the gateway's own errors.

use querygate_mysql::response::Failure;
use querygate_session::Report;

/// The error packet for a report: message, detail and hint in one text, since there is no other place for them.
pub fn failure(report: &Report) -> Failure {
    let parts = [&report.message, &report.detail, &report.hint];
    let said: Vec<&str> = parts.into_iter().map(|p| p.as_str()).filter(|p| !p.is_empty()).collect();
    coded(report.code, &said.join("; "))
}

/// The error packet for a SQLSTATE of the gateway's own.
pub fn coded(code: &str, message: &str) -> Failure {
    let (number, sqlstate) = number(code);
    Failure { code: number, sqlstate: sqlstate.to_owned(), message: message.to_owned() }
}

/// A text without a statement: Postgres answers it as a success, so no SQLSTATE of the gateway's own stands for it.
const EMPTY: &str = "empty";

/// The answer to a text without a statement.
pub fn empty() -> Report {
    Report { code: EMPTY, message: "Query was empty".to_owned(), ..Report::default() }
}

/// The answer to KILL of a connection that the client does not have.
pub fn no_connection(number: u32) -> Failure {
    let message = format!("Unknown thread id: {number}; you have no connection through the gateway of that number");
    Failure { code: 1094, sqlstate: "HY000".to_owned(), message }
}

/// Rows are fetched of what has no cursor (ER_STMT_HAS_NO_OPEN_CURSOR).
pub fn no_cursor(statement: u32) -> Failure {
    Failure {
        code: 1421,
        sqlstate: "HY000".to_owned(),
        message: format!("The statement ({statement}) has no open cursor."),
    }
}

/// MySQL's number and SQLSTATE (MySQL Server Error Message Reference).
fn number(code: &str) -> (u16, &'static str) {
    match code {
        "0A000" => (1235, "42000"),
        "08006" => (2013, "HY000"),
        "08P01" => (1835, "HY000"),
        "22021" => (1300, "HY000"),
        "26000" => (1243, "HY000"),
        "25P03" | "57P05" => (4031, "HY000"),
        "28000" => (1045, "28000"),
        "3D000" => (1049, "42000"),
        "40001" => (1213, "40001"),
        EMPTY => (1065, "42000"),
        "42501" => (1227, "42000"),
        "42702" => (1052, "23000"),
        "42703" => (1054, "42S22"),
        "42883" => (1305, "42000"),
        "42P01" => (1146, "42S02"),
        "53300" => (1040, "08004"),
        // Not with the SQLSTATE that belongs to it: to drivers 08S01 says that the connection is gone.
        "54000" => (1153, "42000"),
        "57014" => (1317, "70100"),
        "57P01" | "57P03" => (1053, "08S01"),
        "58030" => (1030, "HY000"),
        _ => (1105, "HY000"),
    }
}

/// What stands in place of an error's words where they might show values: its number says what happened.
pub fn canonical(failure: &Failure) -> Failure {
    let words = match failure.code {
        1048 => "a column can't be NULL",
        1062 => "a duplicate entry for a key",
        1205 => "the wait for a lock took too long; try restarting the transaction",
        1213 => "a deadlock was found; try restarting the transaction",
        1264 => "a value is out of range for its column",
        1317 => "the statement was interrupted",
        1365 => "division by 0",
        1366 => "an incorrect value for a column",
        1406 => "a value is too long for its column",
        1451 | 1452 => "a foreign key fails",
        3024 | 1969 => "the statement took too long",
        3819 | 4025 => "a CHECK constraint fails",
        _ => "the statement failed; its error is not told in words, because it touches masked columns",
    };
    Failure { message: words.to_owned(), ..failure.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_documentation_promises_has_its_number() {
        for (code, number) in
            [("42501", 1227), ("0A000", 1235), ("57014", 1317), ("58030", 1030), ("54000", 1153), ("3D000", 1049)]
        {
            assert_eq!(coded(code, "").code, number);
        }
    }

    #[test]
    fn a_canonical_error_keeps_its_number_and_nothing_of_its_words() {
        let told = Failure { code: 1062, sqlstate: "23000".into(), message: "Duplicate entry '078-05-1120'".into() };
        let canonical = canonical(&told);
        assert_eq!((canonical.code, canonical.sqlstate.as_str()), (1062, "23000"));
        assert!(!canonical.message.contains("078"));
    }

    #[test]
    fn a_report_is_told_whole() {
        let report =
            Report { code: "42501", message: "no".into(), detail: "why".into(), hint: "how".into(), position: 0 };
        assert_eq!(failure(&report).message, "no; why; how");
    }
}
