//! `querygate explain`: what would become of a text, by the running gateway or by what it would load when it starts.

use std::path::Path;

use clap::Args;
use querygate_console::api::{Explain, Explained, ExplainedColumn, Explanation};
use querygate_record::{Principal, Verdict};

use super::{
    Failure, account,
    output::{self, Table},
    place::{self, Place},
    server, words,
};
use crate::{
    config::Config,
    serve::{self, acting_as},
};

/// What would become of a statement, without running it.
#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// The database, as the configuration names it.
    #[arg(long)]
    database: String,
    /// Who asks: an account, or role:NAME for somebody with that role alone.
    #[arg(long = "as", value_name = "WHO")]
    acting_as: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// The statement, or several.
    sql: String,
}

/// Shows it. Exit code 0 whatever the verdict is.
pub fn explain(config: &Path, arguments: ExplainArguments) -> Result<(), Failure> {
    let ExplainArguments { database, acting_as, json, sql } = arguments;
    let call = Explain { database, acting_as, sql };
    let explanation = match Place::find(config)?.call_if_running(&call)? {
        Some(explanation) => explanation,
        None => by_ourselves(config, &call)?,
    };
    if json {
        return output::json(&explanation);
    }
    output::write(&shown(&explanation))
}

fn by_ourselves(path: &Path, call: &Explain) -> Result<Explanation, Failure> {
    let config = Config::load(path)?;
    let policies = config.policy_set()?;
    let database = config.database(&call.database).ok_or_else(|| {
        let known: Vec<&str> = config.databases.iter().map(|d| d.name.as_str()).collect();
        Failure::No(format!("no database {:?} is configured\nthere is: {}", call.database, known.join(", ")))
    })?;
    let policy = policies
        .database(&database.name)
        .ok_or_else(|| Failure::No(format!("no policy names database {:?}: it opens to nobody", database.name)))?;
    let principal = principal(&config, &call.acting_as)?;
    let bound = place::runtime()?.block_on(server::bound(database, policy)).map_err(Failure::wrong)?;
    Ok(serve::explain(&bound, &principal, &call.sql))
}

fn principal(config: &Config, name: &str) -> Result<Principal, Failure> {
    if let Some(role) = name.strip_prefix("role:") {
        return Ok(Principal::local(name, [role.to_owned()]));
    }
    acting_as(&account::open(config)?, name).map_err(|e| Failure::No(format!("{e}\n{}", e.remedy)))
}

fn shown(explanation: &Explanation) -> String {
    let head = output::facts(&[
        ("policy", explanation.policy.clone()),
        ("roles", if explanation.roles.is_empty() { "none".to_owned() } else { explanation.roles.join(", ") }),
    ]);
    let statements = explanation.statements.iter().map(statement);
    let statements: Vec<String> = statements.collect();
    match statements.is_empty() {
        true => format!("{head}\nthe text holds no statement\n"),
        false => format!("{head}\n{}", statements.join("\n")),
    }
}

fn statement(explained: &Explained) -> String {
    let verdict = match explained.verdict {
        Verdict::Allow => "allow",
        Verdict::Approve => "approve: it waits until a reviewer decides",
        Verdict::Block => "block",
    };
    let observed = if explained.observed { " (would only be logged: the database is in observe mode)" } else { "" };
    let facts = output::facts(&[
        ("statement", explained.text.clone()),
        ("verdict", format!("{verdict}{observed}")),
        ("rule", explained.rule.clone()),
        ("why", explained.why.clone()),
        ("position", explained.position.map(|p| format!("character {}", p.0)).unwrap_or_default()),
        ("hint", explained.hint.clone()),
        ("reviewers", explained.reviewers.join(", ")),
        ("effects", words::effects(&explained.effects)),
        ("tables", explained.tables.join(", ")),
        ("reads", explained.reads.join(", ")),
        ("writes", explained.writes.join(", ")),
    ]);
    if explained.columns.is_empty() || explained.verdict == Verdict::Block {
        return facts;
    }
    let mut columns = Table::new(&["COLUMN", "FROM", "SHOWN AS"]);
    for column in &explained.columns {
        columns.row([column.name.clone(), column.from.join(", "), shown_as(column)]);
    }
    format!("{facts}\n{}", columns.render(""))
}

fn shown_as(column: &ExplainedColumn) -> String {
    match &column.mask {
        None => "it is".to_owned(),
        Some(mask) if column.shows_nulls => format!("{mask} (shows which values are NULL)"),
        Some(mask) => mask.clone(),
    }
}
