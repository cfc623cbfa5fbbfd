use std::sync::Arc;

use querygate_gateway::{ConnectError, Own, OwnError};
use querygate_policy::{Bound, Policy};
use querygate_record::Engine;

use super::{Finding, login};
use crate::{
    commands::server::{self, ServerError},
    config::Database,
};

/// The most names that one line lists.
const NAMES_MAX: usize = 20;

/// Checks one database: its server, the gateway's login there, and its policy against its tables.
pub(super) async fn check(database: &Database, policy: Option<&Arc<Policy>>) -> Vec<Finding> {
    match look(database, policy).await {
        Ok(findings) => findings,
        Err(error) => vec![unreachable(database, &error)],
    }
}

async fn look(database: &Database, policy: Option<&Arc<Policy>>) -> Result<Vec<Finding>, ServerError> {
    if database.engine != Engine::Postgres {
        let catalog = server::mysql_catalog(database).await?;
        let bound = policy.map(|policy| server::bind(database, policy, &catalog));
        return Ok(bound.iter().flat_map(|bound| policy_and_tables(database, bound)).collect());
    }
    let upstream = server::upstream(database)?;
    let mut own = Own::connect(&upstream).await?;
    let catalog = server::catalog(&mut own).await?;
    let bound = policy.map(|policy| server::bind(database, policy, &catalog));
    let mut findings = login::check(database, &mut own, bound.as_ref()).await?;
    findings.extend(login::pooler(database, &upstream, &mut own).await?);
    findings.extend(bound.iter().flat_map(|bound| policy_and_tables(database, bound)));
    Ok(findings)
}

fn unreachable(database: &Database, error: &ServerError) -> Finding {
    let remedy = match error {
        ServerError::Ask(OwnError::Connect(ConnectError::Refused { message, .. }))
            if message.contains("unsupported startup parameter") =>
        {
            "a pooler answers there: give the server's own address, since Querygate needs sessions of its own"
                .to_owned()
        }
        ServerError::Ask(OwnError::Connect(ConnectError::Refused { .. } | ConnectError::Login(_))) => {
            format!(
                "check `user`, `password` and `database` of [[database]] {:?}, and the server's pg_hba.conf",
                database.name
            )
        }
        ServerError::Ask(OwnError::Connect(ConnectError::Tls { .. })) | ServerError::Tls(_) => {
            format!("check `tls` of [[database]] {:?} and the server's certificate", database.name)
        }
        ServerError::Ask(OwnError::Refused(_)) => {
            "let the login read the system catalogs, as every role may by default".to_owned()
        }
        _ => format!("check `address` of [[database]] {:?}, and that the server runs", database.name),
    };
    Finding::problem(&database.name, error.to_string(), remedy)
}

fn policy_and_tables(database: &Database, bound: &Bound) -> Vec<Finding> {
    let name = &database.name;
    let mut findings: Vec<Finding> = bound.problems().iter().map(|p| Finding::of(p, Some(name))).collect();
    let unlisted = bound.unlisted_tables();
    if !unlisted.is_empty() {
        let shown: Vec<&str> = unlisted.iter().take(NAMES_MAX).map(|t| &**t).collect();
        let more = match unlisted.len().saturating_sub(NAMES_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let message = format!("the policy has no section for {}{more}", shown.join(", "));
        findings.push(Finding::warning(
            name,
            message,
            "what they show is said by `unlisted_tables`: see that you mean it",
        ));
    }
    findings
}
