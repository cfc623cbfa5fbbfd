//! `querygate check`: everything that can be found wrong before a client finds it.

mod database;
mod login;

use std::path::Path;

use querygate_console::printable;
use querygate_policy::{
    PolicySet,
    document::{Problem, Problems, Severity},
};
use querygate_record::Principal;
use serde::Serialize;

use super::{Failure, account, output, place};
use crate::config::Config;

/// One thing that is wrong, or deserves a look.
#[derive(Clone, Debug, Serialize)]
struct Finding {
    /// `problem` or `warning`.
    severity: &'static str,
    /// The database that it is about.
    database: Option<String>,
    /// File, line and column, where it has a place in a file.
    place: Option<String>,
    message: String,
    remedy: String,
    /// The problem with the lines of its file.
    #[serde(skip)]
    rendered: Option<String>,
}

impl Finding {
    fn problem(database: &str, message: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding::new("problem", database, message.into(), remedy.into())
    }

    fn warning(database: &str, message: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding::new("warning", database, message.into(), remedy.into())
    }

    fn new(severity: &'static str, database: &str, message: String, remedy: String) -> Finding {
        let database = Some(database.to_owned());
        Finding { severity, database, place: None, message, remedy, rendered: None }
    }

    fn of(problem: &Problem, database: Option<&str>) -> Finding {
        let file = problem.source.name();
        let mut one = Problems::default();
        one.push(problem.clone());
        Finding {
            severity: if problem.severity == Severity::Error { "problem" } else { "warning" },
            database: database.map(str::to_owned),
            place: Some(match problem.place() {
                Some((line, column)) => format!("{file}:{line}:{column}"),
                None => file.to_owned(),
            }),
            message: problem.message.clone(),
            remedy: problem.remedy.clone().unwrap_or_default(),
            rendered: Some(one.render(false)),
        }
    }

    fn is_problem(&self) -> bool {
        self.severity == "problem"
    }

    fn shown(&self) -> String {
        if let Some(rendered) = &self.rendered {
            return rendered.clone();
        }
        let about = self.database.as_deref().map(|d| format!("database {d}: ")).unwrap_or_default();
        // A server's words are in it.
        printable(&format!("{}: {about}{}\n  {}\n", self.severity, self.message, self.remedy)).into_owned()
    }
}

/// Checks configuration, policies and each database's server. Exit code 1 where there is a problem, 2 where configuration or policies can't be loaded.
pub fn check(path: &Path, json: bool) -> Result<(), Failure> {
    let config = Config::load(path)?;
    let policies = config.policy_set()?;
    let mut findings: Vec<Finding> = config.warnings.iter().map(|p| Finding::of(p, None)).collect();
    findings.extend(policies.warnings().iter().map(|p| Finding::of(p, None)));
    findings.extend(accounts(&config, &policies));
    let runtime = place::runtime()?;
    for database in &config.databases {
        findings.extend(runtime.block_on(database::check(database, policies.database(&database.name))));
    }
    report(&config, &findings, json)
}

/// Accounts that can do nothing, which is seldom meant. Accounts made by the command line count only where the data folder exists already.
fn accounts(config: &Config, policies: &PolicySet) -> Vec<Finding> {
    if !config.data_dir.exists() {
        return Vec::new();
    }
    let accounts = match account::open(config) {
        Ok(accounts) => accounts.list(),
        Err(Failure::No(words) | Failure::Wrong(words)) => {
            let (message, remedy) = words.split_once('\n').unwrap_or((&words, ""));
            return vec![Finding { database: None, ..Finding::problem("", message, remedy) }];
        }
        Err(Failure::ReaderGone) => Vec::new(),
    };
    let useless = accounts.iter().filter(|account| {
        let principal = Principal::local(&account.name, account.roles.iter().cloned());
        account.enabled && !policies.policies().any(|policy| policy.may_connect(&principal))
    });
    let complain = |account: &querygate_identity::Account| {
        let message = format!("account {} ({}) may open no database", account.name, account.roles.join(", "));
        let remedy = "name one of its roles in a policy's `connect`, or disable it";
        Finding { database: None, ..Finding::warning("", message, remedy) }
    };
    useless.map(complain).collect()
}

fn report(config: &Config, findings: &[Finding], json: bool) -> Result<(), Failure> {
    let problems = findings.iter().filter(|f| f.is_problem()).count();
    let warnings = findings.len() - problems;
    if json {
        output::json(&serde_json::json!({ "problems": problems, "warnings": warnings, "findings": findings }))?;
        return if problems == 0 { Ok(()) } else { Err(Failure::No(String::new())) };
    }
    let mut text: String = findings.iter().map(|finding| finding.shown() + "\n").collect();
    let databases = output::count(config.databases.len() as u64, "database");
    let summary = format!(
        "{} and {databases} checked: {}, {}",
        config.path.display(),
        output::count(problems as u64, "problem"),
        output::count(warnings as u64, "warning"),
    );
    if problems == 0 {
        text.push_str(&(summary + "\n"));
        return output::write(&text);
    }
    output::write(&text)?;
    Err(Failure::No(summary))
}
