//! The words of the gateway's own refusals, for the client.

use querygate_policy::decision::RefusalKind;
use querygate_record::Verdict;

use crate::{event::Report, judgement::Judgement};

/// The report of a judgement that refuses; none if it lets through or holds.
pub(crate) fn report(judgement: &Judgement) -> Option<Report> {
    if judgement.verdict != Verdict::Block {
        return None;
    }
    let Some(refusal) = &judgement.refusal else {
        return Some(Report { code: "42501", message: "blocked by policy".to_owned(), ..Report::default() });
    };
    Some(Report {
        code: code(refusal.kind),
        message: refusal.message.clone(),
        detail: refusal.detail.clone(),
        hint: refusal.hint.clone(),
        position: refusal.position.map_or(0, |p| p.0),
    })
}

fn code(kind: RefusalKind) -> &'static str {
    match kind {
        RefusalKind::Blocked => "42501",
        RefusalKind::NotAnalysable => "0A000",
        RefusalKind::TooComplex => "54000",
        RefusalKind::UnknownTable => "42P01",
        RefusalKind::UnknownColumn => "42703",
        RefusalKind::UnknownFunction => "42883",
        RefusalKind::Ambiguous => "42702",
    }
}

pub(crate) fn duplicate(name: &str) -> Report {
    plain("42P05", format!("prepared statement \"{name}\" already exists"))
}

pub(crate) fn duplicate_portal(name: &str) -> Report {
    plain("42P03", format!("cursor \"{name}\" already exists"))
}

pub(crate) fn no_statement(name: &str) -> Report {
    if name.is_empty() {
        return plain("26000", "unnamed prepared statement does not exist".to_owned());
    }
    plain("26000", format!("prepared statement \"{name}\" does not exist"))
}

pub(crate) fn no_cursor(name: &str) -> Report {
    plain("34000", format!("portal \"{name}\" does not exist"))
}

pub(crate) fn not_now() -> Report {
    Report {
        hint: "Send it again.".to_owned(),
        ..plain("40001", "the catalog changed while the statement was looked up".to_owned())
    }
}

pub(crate) fn changed() -> Report {
    Report {
        hint: "Prepare the statement again.".to_owned(),
        // The words that drivers know: they prepare again by themselves.
        ..plain("0A000", "cached plan must not change result type".to_owned())
    }
}

pub(crate) fn too_many_names() -> Report {
    Report {
        hint: "Close or deallocate statements and cursors that are no longer used.".to_owned(),
        ..plain("54000", format!("more than {} prepared statements or cursors", crate::names::NAMES_MAX))
    }
}

pub(crate) fn too_long(limit: usize) -> Report {
    Report {
        hint: "Send data as bind values or by COPY; the limit is the setting limits.statement.".to_owned(),
        ..plain("54000", format!("the statement is longer than {limit} bytes"))
    }
}

pub(crate) fn not_text() -> Report {
    Report {
        hint: "client_encoding is UTF8 through the gateway.".to_owned(),
        ..plain("22021", "invalid byte sequence for encoding \"UTF8\"".to_owned())
    }
}

pub(crate) fn unsupported(what: &str) -> Report {
    Report {
        hint: "Send the same as SQL.".to_owned(),
        ..plain("0A000", format!("{what} is not supported through the gateway"))
    }
}

fn plain(code: &'static str, message: String) -> Report {
    Report { code, message, ..Report::default() }
}
