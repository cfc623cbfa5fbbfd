//! `querygate policy test`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use querygate_policy::{Case, Outcome, Policy};
use serde_json::json;

use super::{Failure, output, place, server};
use crate::config::Config;

/// The policies.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Run the tests that stand beside the policies (`shop.test.toml` beside `shop.toml`) against the databases' definitions as they are now.
    Test {
        /// A folder of policies other than the configured one.
        folder: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Runs it. Exit code 1 where a test fails.
pub fn policy(config: &Path, command: &PolicyCommand) -> Result<(), Failure> {
    let PolicyCommand::Test { folder, json } = command;
    let config = Config::load(config)?;
    let folder = folder.as_deref().unwrap_or(&config.policies);
    let policies = config.policies_of(folder)?;
    let mut outcomes = Vec::new();
    for policy in policies.policies() {
        let cases: Vec<&Case> = policies.cases(policy.database()).collect();
        if !cases.is_empty() {
            outcomes.extend(run(&config, policy, &cases)?);
        }
    }
    if outcomes.is_empty() {
        let remedy = "write [[case]] tables into NAME.test.toml beside the policy NAME.toml";
        return Err(Failure::wrong(format!("{} holds no tests\n{remedy}", folder.display())));
    }
    report(&outcomes, *json)
}

fn run(config: &Config, policy: &std::sync::Arc<Policy>, cases: &[&Case]) -> Result<Vec<Outcome>, Failure> {
    let name = policy.database();
    let database =
        config.database(name).ok_or_else(|| Failure::wrong(format!("no database {name:?} is configured")))?;
    let bound = place::runtime()?.block_on(server::bound(database, policy));
    let bound =
        bound.map_err(|e| Failure::wrong(format!("the definitions of database {name:?} can't be read: {e}")))?;
    Ok(bound.run(cases.iter().copied(), bound.catalog()))
}

fn report(outcomes: &[Outcome], json: bool) -> Result<(), Failure> {
    let failed = outcomes.iter().filter(|o| !o.failures.is_empty()).count();
    if json {
        let one = |o: &Outcome| json!({ "place": o.case.place, "roles": o.case.principal.roles, "sql": o.case.sql, "passed": o.failures.is_empty(), "failures": o.failures });
        let all: Vec<_> = outcomes.iter().map(one).collect();
        output::json(&json!({ "passed": outcomes.len() - failed, "failed": failed, "cases": all }))?;
    } else {
        output::write(&outcomes.iter().map(shown).collect::<String>())?;
    }
    let total = output::count(outcomes.len() as u64, "test");
    match failed {
        0 if json => Ok(()),
        0 => output::write(&format!("{total} passed\n")),
        _ if json => Err(Failure::No(String::new())),
        _ => Err(Failure::No(format!("{failed} of {total} failed"))),
    }
}

fn shown(outcome: &Outcome) -> String {
    let Case { place, principal, sql, .. } = &outcome.case;
    let word = if outcome.failures.is_empty() { "pass" } else { "FAIL" };
    let failures = outcome.failures.iter().map(|failure| format!("      {}\n", output::one_line(failure)));
    let roles = principal.roles.join(", ");
    format!("{word}  {place}  {roles}: {}\n{}", output::shortened(sql), failures.collect::<String>())
}
