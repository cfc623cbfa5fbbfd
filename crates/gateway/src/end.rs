//! How a session ends, and what is said of it.

use crate::log::LogAway;

/// How a session ends.
#[derive(Debug)]
pub struct End {
    /// For the log.
    pub status: &'static str,
    /// For the log.
    pub reason: String,
    /// SQLSTATE and words for the client, where it is told.
    pub farewell: Option<(&'static str, String)>,
}

/// The log can't be written.
pub fn log_away(away: &LogAway) -> End {
    let words = "the access log can't be written, so nothing may run; tell the gateway's administrator".to_owned();
    End { status: "refused", reason: away.to_string(), farewell: Some(("58030", words)) }
}

/// The gateway stops.
pub fn stopping() -> End {
    let words = "the gateway is stopping".to_owned();
    End { status: "ended", reason: words.clone(), farewell: Some(("57P01", words)) }
}
