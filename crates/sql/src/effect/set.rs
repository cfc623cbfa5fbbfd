//! SET, RESET, SHOW, DISCARD and channels.

use querygate_record::{Barrier, Effect, Named, Position};

use super::{Outcome, Reader, session, transaction, unsupported};
use crate::{
    analysis::Analysis,
    postgres::lexer::Kind,
    settings::{self, Change},
    statement::{Refusal, RefusalKind},
};

pub(super) fn set(analysis: &mut Analysis<'_>, reader: &mut Reader<'_, '_>) -> Result<Outcome, Refusal> {
    reader.next();
    let outcome = Outcome::tagged("SET");
    if reader.eat("session characteristics as transaction") {
        transaction::modes(reader)?;
        session(analysis, "");
        return Ok(outcome);
    }
    if reader.eat("transaction") {
        if reader.eat("snapshot") {
            reader.next();
            reader.end()?;
        } else {
            transaction::modes(reader)?;
        }
        session(analysis, "");
        return Ok(outcome);
    }
    if reader.eat("constraints") {
        session(analysis, "");
        return Ok(outcome);
    }
    let local = reader.eat("local");
    if !local && !matches!(ahead(reader, 1), "authorization") {
        reader.eat("session");
    }
    if reader.eat("session authorization") {
        return authorization(analysis, reader);
    }
    let position = reader.peek().map(|t| t.position);
    let name = if reader.eat("time zone") {
        "timezone".to_owned()
    } else if reader.eat("names") {
        "client_encoding".to_owned()
    } else if reader.eat("schema") {
        "search_path".to_owned()
    } else if reader.eat("xml option") {
        "xmloption".to_owned()
    } else if reader.word() == "role" && !matches!(ahead(reader, 1), "to") && !next_is_equal(reader) {
        reader.next();
        "role".to_owned()
    } else if reader.word() == "seed" && !matches!(ahead(reader, 1), "to") && !next_is_equal(reader) {
        reader.next();
        "seed".to_owned()
    } else {
        let name = reader.name()?.text().to_lowercase();
        if !reader.eat("to") && !reader.eat_mark("=") {
            return Err(reader.unexpected("TO"));
        }
        name
    };
    let values = values(reader, &name)?;
    change(analysis, &name, &values, position)?;
    Ok(Outcome { barrier: settings::barrier(&name, &values, local), ..outcome })
}

fn ahead<'t>(reader: &Reader<'t, '_>, by: usize) -> &'t str {
    reader.rest().get(by).filter(|t| t.kind == Kind::Word).map_or("", |t| &*t.value)
}

fn next_is_equal(reader: &Reader<'_, '_>) -> bool {
    reader.rest().get(1).is_some_and(|t| t.is("="))
}

/// Only the way back to the login's own identity is harmless.
fn authorization(analysis: &mut Analysis<'_>, reader: &mut Reader<'_, '_>) -> Result<Outcome, Refusal> {
    let barrier = if reader.eat("default") {
        session(analysis, "session_authorization");
        Barrier::Unknown
    } else {
        reader.next();
        analysis.effect(Effect::Privilege, "session_authorization");
        Barrier::Unknown
    };
    reader.end()?;
    Ok(Outcome { barrier, ..Outcome::tagged("SET SESSION AUTHORIZATION") })
}

/// Values between commas; none for DEFAULT and LOCAL.
fn values(reader: &mut Reader<'_, '_>, name: &str) -> Result<Vec<String>, Refusal> {
    if (reader.eat("default") || (name == "timezone" && reader.eat("local"))) && reader.is_done() {
        return Ok(Vec::new());
    }
    let mut values = Vec::new();
    loop {
        if name == "timezone" && reader.word() == "interval" {
            let position = reader.peek().map(|t| t.position);
            return Err(unsupported("SET TIME ZONE INTERVAL", position, "give the zone's name"));
        }
        let sign = if reader.eat_mark("-") {
            "-"
        } else {
            reader.eat_mark("+");
            ""
        };
        match reader.peek() {
            Some(t)
                if t.name().is_some()
                    || matches!(t.kind, Kind::String | Kind::EscapeString | Kind::Number | Kind::DollarString) =>
            {
                values.push(format!("{sign}{}", t.value));
                reader.next();
            }
            _ => return Err(reader.unexpected("a value")),
        }
        if !reader.eat_mark(",") {
            break;
        }
    }
    reader.end()?;
    Ok(values)
}

/// Records what changing a setting is. Also for `set_config`.
///
/// # Errors
/// The setting isn't one that a client may change, or not to this value.
pub(crate) fn change(
    analysis: &mut Analysis<'_>,
    name: &str,
    values: &[String],
    position: Option<Position>,
) -> Result<(), Refusal> {
    let refused = |construct: String, hint: String| {
        Err(Refusal { kind: RefusalKind::Unsupported, construct: construct.into(), position, hint: hint.into() })
    };
    match settings::change(name) {
        Change::Listed | Change::Tracked => session(analysis, name),
        Change::Privilege => analysis.effect(Effect::Privilege, name),
        Change::Pinned(allowed) => {
            if !values.iter().all(|value| allowed.contains(&value.to_lowercase().as_str())) {
                return refused(
                    format!("setting {name} to another value"),
                    format!("it stays {}", allowed.first().unwrap_or(&"")),
                );
            }
            session(analysis, name);
        }
        Change::Unlisted => {
            return refused(
                format!("setting {name} is not listed"),
                "leave it, or ask the operator to set it for the login".to_owned(),
            );
        }
    }
    Ok(())
}

pub(super) fn reset(analysis: &mut Analysis<'_>, reader: &mut Reader<'_, '_>) -> Result<Outcome, Refusal> {
    reader.next();
    let position = reader.peek().map(|t| t.position);
    let name = if reader.eat("all") {
        "all".to_owned()
    } else if reader.eat("session authorization") {
        "session_authorization".to_owned()
    } else if reader.eat("time zone") {
        "timezone".to_owned()
    } else if reader.eat("transaction isolation level") {
        "transaction_isolation".to_owned()
    } else {
        reader.name()?.text().to_lowercase()
    };
    reader.end()?;
    match name.as_str() {
        "all" | "session_authorization" => session(analysis, &name),
        other => change(analysis, other, &[], position)?,
    }
    let barrier = match settings::change(&name) {
        Change::Listed => Barrier::None,
        _ => Barrier::Unknown,
    };
    Ok(Outcome { barrier, ..Outcome::tagged("RESET") })
}

pub(super) fn show(analysis: &mut Analysis<'_>, reader: &mut Reader<'_, '_>) -> Result<Outcome, Refusal> {
    reader.next();
    let position = reader.peek().map(|t| t.position);
    let name = if reader.eat("all") {
        "all".to_owned()
    } else if reader.eat("time zone") {
        "timezone".to_owned()
    } else if reader.eat("session authorization") {
        "session_authorization".to_owned()
    } else if reader.eat("transaction isolation level") {
        "transaction_isolation".to_owned()
    } else {
        reader.name()?.text().to_lowercase()
    };
    reader.end()?;
    if !settings::is_readable(&name) {
        return Err(unsupported(
            &format!("setting {name} is not listed"),
            position,
            "only the server's own settings can be read",
        ));
    }
    session(analysis, &name);
    Ok(Outcome::tagged("SHOW"))
}

pub(super) fn discard(analysis: &mut Analysis<'_>, reader: &mut Reader<'_, '_>) -> Result<Outcome, Refusal> {
    reader.next();
    let (named, barrier) = if reader.eat("all") {
        (Some(Named::Deallocate(None)), Barrier::Unknown)
    } else if reader.eat("temp") || reader.eat("temporary") {
        (None, Barrier::Unknown)
    } else if reader.eat("plans") || reader.eat("sequences") {
        (None, Barrier::None)
    } else {
        return Err(reader.unexpected("ALL"));
    };
    reader.end()?;
    session(analysis, "");
    Ok(Outcome { named, barrier, ..Outcome::tagged("DISCARD") })
}

pub(super) fn channel(analysis: &mut Analysis<'_>, reader: &mut Reader<'_, '_>) -> Result<Outcome, Refusal> {
    let tag = match reader.next().map(|t| &*t.value) {
        Some("listen") => "LISTEN",
        Some("unlisten") => "UNLISTEN",
        _ => "NOTIFY",
    };
    let channel = if tag == "UNLISTEN" && reader.eat_mark("*") { "*".to_owned() } else { reader.identifier()? };
    if tag == "NOTIFY" && reader.eat_mark(",") && !reader.next().is_some_and(|t| t.kind.is_literal()) {
        return Err(reader.unexpected("a payload"));
    }
    reader.end()?;
    session(analysis, &channel);
    Ok(Outcome::tagged(tag))
}
