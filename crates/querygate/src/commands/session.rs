//! `querygate session list|kill`.

use std::path::Path;

use clap::Subcommand;
use querygate_console::api::{KillSession, ListSessions};
use querygate_record::SessionId;

use super::{
    Failure,
    output::{self, Table},
    place::Place,
};

/// The open sessions of the running gateway.
#[derive(Debug, Subcommand)]
pub enum SessionCommand {
    /// List them, oldest first.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// End one at once.
    Kill {
        /// Its id, as `session list` shows it.
        id: SessionId,
    },
}

/// Runs it.
pub fn session(config: &Path, command: &SessionCommand) -> Result<(), Failure> {
    let place = Place::find(config)?;
    match command {
        SessionCommand::List { json } => list(&place, *json),
        SessionCommand::Kill { id } => {
            place.call(&KillSession { id: *id })?;
            output::write(&format!("session {id} is ended\n"))
        }
    }
}

fn list(place: &Place, json: bool) -> Result<(), Failure> {
    let mut sessions = place.call(&ListSessions {})?;
    sessions.sort_by_key(|session| session.opened_ns);
    if json {
        return output::json(&sessions);
    }
    let mut table =
        Table::new(&["SESSION", "ACCOUNT", "DATABASE", "CLIENT", "APPLICATION", "OPEN FOR", "STATE", "STATEMENTS"]);
    for session in sessions {
        table.row([
            session.id.to_string(),
            session.principal.identity.subject,
            session.database,
            session.client,
            session.application,
            output::since(session.opened_ns),
            session.state,
            session.statements.to_string(),
        ]);
    }
    output::write(&table.render("no sessions are open"))
}
