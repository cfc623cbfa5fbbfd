use std::fmt::Write;

use querygate_journal::{Hold, Row, RowKind};
use querygate_record::{Event, Origin, Outcome};

use crate::commands::{output, words};

/// A row as people read a list: a line of facts, and the text below it.
pub fn brief(row: &Row) -> String {
    let mut line = output::time(row.time_ns);
    let mut add = |word: &str| {
        if !word.is_empty() {
            line.push_str("  ");
            line.push_str(&output::one_line(word));
        }
    };
    add(&who(row));
    match row.kind {
        RowKind::Statement | RowKind::Prepare => {
            add(if row.kind == RowKind::Prepare { "prepared" } else { "" });
            statement(row, &mut add);
        }
        _ => add(&event(row)),
    }
    line.push('\n');
    if let Some(facts) = row.facts.as_deref().filter(|f| !f.text.is_empty()) {
        // Writing to a string can't fail.
        let _ = writeln!(line, "    {}", output::shortened(&facts.text));
    }
    line
}

fn statement(row: &Row, add: &mut impl FnMut(&str)) {
    let facts = row.facts.as_deref();
    let observed = facts.is_some_and(|f| f.observed);
    if let Some(verdict) = facts.and_then(|f| f.verdict) {
        add(&format!("{verdict}{}", if observed { " (observed)" } else { "" }));
    }
    add(&row.hold.as_ref().map(ruling).unwrap_or_default());
    add(&match &row.outcome {
        Some(outcome) => ended(row.status(), outcome),
        None => row.status().to_owned(),
    });
    // Columns by their last name here; `show` has the whole.
    let last = |mask: &String| mask.rsplit_once('.').map_or(mask.as_str(), |(_, last)| last).to_owned();
    let masks = facts.map(|f| f.masks.iter().map(last).collect::<Vec<_>>().join(", ")).unwrap_or_default();
    add(&if masks.is_empty() { masks } else { format!("masked: {masks}") });
    add(&row.id().map(|id| id.to_string()).unwrap_or_default());
}

fn ended(status: &str, outcome: &Outcome) -> String {
    let code = if outcome.code.is_empty() { String::new() } else { format!(" {}", outcome.code) };
    match status {
        "ok" => format!("ok, {}, {}", output::count(outcome.rows, "row"), output::duration(outcome.duration_ns)),
        _ => format!("{status}{code}"),
    }
}

fn ruling(hold: &Hold) -> String {
    match &hold.ruling {
        None => format!("waits as {}", hold.id),
        Some(ruling) => match &ruling.reviewer {
            Some(reviewer) => format!("{} by {}", ruling.ruling, reviewer.identity),
            None => ruling.ruling.clone(),
        },
    }
}

/// `agent@shop`; `querygate` for what the gateway does by itself, `querygate for agent@shop` in somebody's session.
fn who(row: &Row) -> String {
    let session = row.session_facts.as_deref().map(|s| format!("{}@{}", s.principal.identity.subject, s.database));
    match (row.origin, row.kind, session) {
        (_, _, None) => "querygate".to_owned(),
        (Origin::Gateway, RowKind::Statement | RowKind::Prepare, Some(session)) => format!("querygate for {session}"),
        (_, _, Some(session)) => session,
    }
}

fn event(row: &Row) -> String {
    match &row.event {
        Some(Event::SessionOpened(facts)) => match &facts.refused {
            Some(why) => format!("log-in refused from {}: {why}", facts.client),
            None => format!("session opened from {} ({})", facts.client, if facts.tls { "TLS" } else { "no TLS" }),
        },
        Some(Event::SessionClosed { reason }) => format!("session closed: {reason}"),
        Some(Event::Alarm { kind, detail }) => format!("ALARM {kind}: {detail}"),
        Some(Event::Loaded { policy, detail }) if policy.is_empty() => detail.clone(),
        Some(Event::Loaded { policy, detail }) => format!("{detail} (policy {policy})"),
        _ => row.kind.name().to_owned(),
    }
}

/// Everything that is known of a row.
pub fn whole(row: &Row) -> String {
    let session = row.session_facts.as_deref();
    let facts = row.facts.as_deref();
    let text = |get: fn(&querygate_record::Facts) -> String| facts.map(get).unwrap_or_default();
    let mut pairs = vec![
        ("statement", row.id().map(|id| id.to_string()).unwrap_or_default()),
        ("kind", row.kind.name().to_owned()),
        ("origin", if row.origin == Origin::Gateway { "the gateway itself".to_owned() } else { String::new() }),
        ("time", output::time(row.time_ns)),
        ("account", session.map(|s| words::principal(&s.principal)).unwrap_or_default()),
        (
            "client",
            session.map(|s| format!("{}, {}", s.client, if s.tls { "TLS" } else { "no TLS" })).unwrap_or_default(),
        ),
        ("application", session.map(|s| s.application.clone()).unwrap_or_default()),
        ("database", session.map(|s| s.database.clone()).unwrap_or_default()),
        ("text", text(|f| f.text.clone())),
        ("values", words::values(&row.values)),
        ("effects", text(|f| words::effects(&f.effects))),
        ("tables", text(|f| f.tables.join(", "))),
        ("reads", text(|f| f.reads.join(", "))),
        ("writes", text(|f| f.writes.join(", "))),
        ("verdict", text(|f| f.verdict.map(|v| v.name().to_owned()).unwrap_or_default())),
        ("rule", text(|f| f.rule.clone())),
        ("reason", text(|f| f.reason.clone())),
        ("observed", text(|f| if f.observed { "the verdict was only logged".to_owned() } else { String::new() })),
        ("policy", text(|f| f.policy.clone())),
        ("masks", text(|f| f.masks.join(", "))),
    ];
    pairs.extend(row.hold.iter().flat_map(hold));
    pairs.push(("status", row.status().to_owned()));
    pairs.extend(row.outcome.iter().flat_map(outcome));
    pairs.push(("event", if facts.is_none() { event(row) } else { String::new() }));
    pairs.push(("entry", format!("{} of chain {}", row.sequence, row.chain)));
    pairs.push(("hash", row.hash.to_string()));
    pairs.push(("end entry", row.end.map(|(sequence, hash, _)| format!("{sequence}, {hash}")).unwrap_or_default()));
    output::facts(&pairs)
}

fn hold(hold: &Hold) -> Vec<(&'static str, String)> {
    let ruling = hold.ruling.as_ref();
    vec![
        ("request", format!("{}, asked {}, for {}", hold.id, output::time(hold.time_ns), hold.reviewers.join(", "))),
        ("ruling", ruling.map(|r| format!("{}, {}", self::ruling(hold), output::time(r.time_ns))).unwrap_or_default()),
        ("because", ruling.map(|r| r.because.clone()).unwrap_or_default()),
    ]
}

fn outcome(outcome: &Outcome) -> Vec<(&'static str, String)> {
    vec![
        ("code", outcome.code.clone()),
        ("detail", outcome.detail.clone()),
        ("position", outcome.position.map(|p| format!("character {}", p.0)).unwrap_or_default()),
        ("rows", format!("{}, {} bytes", outcome.rows, outcome.bytes)),
        ("duration", output::duration(outcome.duration_ns)),
        ("masked fields", outcome.masked_fields.to_string()),
    ]
}
