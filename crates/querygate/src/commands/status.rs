//! `querygate status` and `querygate reload`.

use std::path::Path;

use querygate_console::api::{DatabaseStatus, GetStatus, Reload, Status};

use super::{
    Failure,
    output::{self, Table},
    place::Place,
};

/// Shows how the running gateway is. Exit code 1 where it is not ready to take sessions.
pub fn status(config: &Path, json: bool) -> Result<(), Failure> {
    let status = Place::find(config)?.call(&GetStatus {})?;
    if json {
        output::json(&status)?;
    } else {
        output::write(&shown(&status))?;
    }
    match status.not_ready {
        Some(why) if !json => Err(Failure::No(format!("not ready: {why}"))),
        Some(_) => Err(Failure::No(String::new())),
        None => Ok(()),
    }
}

fn shown(status: &Status) -> String {
    let mut databases = Table::new(&["DATABASE", "ENGINE", "STATE"]);
    for DatabaseStatus { name, engine, problem } in &status.databases {
        let state = problem.as_deref().filter(|p| !p.is_empty()).unwrap_or("ok");
        databases.row([name.clone(), super::engine(*engine).to_owned(), state.to_owned()]);
    }
    let facts = output::facts(&[
        ("version", status.version.clone()),
        ("running for", output::since(status.started_ns)),
        ("policy", status.policy.clone()),
        ("sessions", status.sessions.to_string()),
        ("held", format!("{} (`querygate approvals list` shows them)", output::count(status.held, "statement"))),
    ]);
    format!("{facts}\n{}", databases.render("no databases"))
}

/// Has the running gateway read configuration and policies anew.
pub fn reload(config: &Path, json: bool) -> Result<(), Failure> {
    let reloaded = Place::find(config)?.call(&Reload {})?;
    if json {
        return output::json(&reloaded);
    }
    for warning in &reloaded.warnings {
        eprintln!("{warning}");
    }
    let changes = match reloaded.changes.as_slice() {
        [] => "nothing changed\n".to_owned(),
        changes => changes.iter().map(|change| format!("{change}\n")).collect(),
    };
    output::write(&format!("reloaded, policy {}\n{changes}", reloaded.policy))
}
