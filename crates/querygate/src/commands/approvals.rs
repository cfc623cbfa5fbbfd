//! `querygate approvals list|show|approve|deny`.

use std::path::Path;

use clap::{Args, Subcommand};
use querygate_approvals::{Decision, Filter, Held};
use querygate_console::api::{DecideApproval, ListApprovals, ShowApproval};
use querygate_record::HoldId;

use super::{
    Failure,
    output::{self, Table},
    place::Place,
    secret::Acting,
    words,
};

/// The statements that wait for a reviewer.
#[derive(Debug, Subcommand)]
pub enum ApprovalsCommand {
    /// List them, oldest first.
    List {
        /// Only of this database.
        #[arg(long)]
        database: Option<String>,
        /// Only of this account.
        #[arg(long)]
        subject: Option<String>,
        /// Only those that somebody with this role may decide; may be given more than once.
        #[arg(long)]
        role: Vec<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show one with its text, values, and what it would do.
    Show {
        /// Its id, as `approvals list` and the waiting client show it.
        id: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Let exactly this statement with exactly these values run once.
    Approve(Ruling),
    /// Refuse it.
    Deny(Ruling),
}

/// A decision, by somebody, for a reason.
#[derive(Debug, Args)]
pub struct Ruling {
    /// The request's id.
    id: String,
    /// Why: for the log, and for whoever asked.
    #[arg(long, value_name = "WORDS")]
    because: String,
    #[command(flatten)]
    acting: Acting,
}

/// Runs it.
pub fn approvals(config: &Path, command: ApprovalsCommand) -> Result<(), Failure> {
    let place = Place::find(config)?;
    match command {
        ApprovalsCommand::List { database, subject, role, json } => {
            let roles = Some(role).filter(|roles| !roles.is_empty());
            list(&place, Filter { database, subject, roles }, json)
        }
        ApprovalsCommand::Show { id, json } => show(&place, id, json),
        ApprovalsCommand::Approve(ruling) => decide(&place, Decision::Approve, ruling),
        ApprovalsCommand::Deny(ruling) => decide(&place, Decision::Deny, ruling),
    }
}

fn list(place: &Place, filter: Filter, json: bool) -> Result<(), Failure> {
    let waiting = place.call(&ListApprovals { filter })?;
    if json {
        return output::json(&waiting);
    }
    let mut table = Table::new(&["ID", "ACCOUNT", "DATABASE", "WAITS FOR", "EXPIRES IN", "REVIEWERS", "STATEMENT"]);
    for Held { id, request } in waiting {
        table.row([
            id.to_string(),
            request.principal.identity.subject.clone(),
            request.database.clone(),
            output::since(request.asked_ns),
            output::until(request.expires_ns),
            request.reviewers.join(", "),
            output::shortened(&request.text),
        ]);
    }
    output::write(&table.render("nothing waits"))
}

fn show(place: &Place, id: String, json: bool) -> Result<(), Failure> {
    let held = place.call(&ShowApproval { id: HoldId(id) })?;
    if json {
        return output::json(&held);
    }
    let request = &held.request;
    output::write(&output::facts(&[
        ("request", held.id.to_string()),
        ("account", words::principal(&request.principal)),
        ("database", request.database.clone()),
        ("statement", request.statement.to_string()),
        ("text", request.text.clone()),
        ("values", words::values(&request.values)),
        ("effects", words::effects(&request.effects)),
        ("tables", request.tables.join(", ")),
        ("rule", request.rule.clone()),
        ("reason", request.reason.clone()),
        ("reviewers", request.reviewers.join(", ")),
        ("asked", format!("{}, {} ago", output::time(request.asked_ns), output::since(request.asked_ns))),
        ("expires", format!("{}, in {}", output::time(request.expires_ns), output::until(request.expires_ns))),
    ]))
}

fn decide(place: &Place, decision: Decision, ruling: Ruling) -> Result<(), Failure> {
    let (account, secret) = ruling.acting.credentials()?;
    let id = HoldId(ruling.id);
    let call = DecideApproval { id: id.clone(), decision, because: ruling.because, account, secret };
    let decided = place.call(&call)?;
    let word = match decision {
        Decision::Approve => "approved",
        Decision::Deny => "denied",
    };
    output::write(&format!("{id} is {word} by {}\n", decided.by.identity))
}
