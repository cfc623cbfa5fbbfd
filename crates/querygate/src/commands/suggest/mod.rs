//! `querygate suggest`: which columns of a database seem to hold personal data, and a policy that masks them.

mod kind;
mod names;
mod policy_file;
mod proposal;
mod sample;
mod words;

use std::{collections::BTreeMap, fs, io::Write as _, path::PathBuf};

use clap::Args;
use querygate_gateway::{Own, OwnError};
use querygate_mask::FieldType;
use querygate_policy::{Policy, document::Source, field_type};
use querygate_record::Engine;
use querygate_sql::catalog::{Catalog, Relation, RelationKind};
use serde::Serialize;

use self::{
    names::Form,
    proposal::{Proposal, Seen},
    sample::Sampled,
};
use super::{
    Failure,
    output::{self, Table},
    place,
    server::{self, ServerError},
};
use crate::config::{Config, Database};

/// Most rows of a table that can be looked at.
const ROWS_MAX: u32 = 10_000;

/// Every column comment as one JSON object of `"<table OID>.<column number>": "comment"`.
const COMMENTS: &str = "SELECT coalesce(pg_catalog.json_object_agg(d.objoid || '.' || d.objsubid, d.description), '{}')::pg_catalog.text \
    FROM pg_catalog.pg_description d WHERE d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objsubid > 0 AND d.objoid >= 16384";

/// Which columns seem to hold personal data.
#[derive(Debug, Args)]
pub struct SuggestArguments {
    /// The database, as the configuration names it.
    #[arg(long)]
    database: String,
    /// Rows of each table whose values are looked at; 0: names, types and comments alone.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(0..=i64::from(ROWS_MAX)))]
    rows: u32,
    /// Write the policy to this file, which must not exist yet; "-" prints it in place of the report.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Print JSON.
    #[arg(long, conflicts_with = "policy")]
    json: bool,
}

/// What was found; never a value.
#[derive(Debug, Serialize)]
struct Report {
    database: String,
    /// Tables that were looked at.
    tables: usize,
    /// Columns that were looked at.
    columns: usize,
    proposals: Vec<Proposal>,
    /// Tables whose values could not be looked at, and why.
    not_sampled: Vec<NotSampled>,
}

#[derive(Debug, Serialize)]
struct NotSampled {
    table: String,
    reason: String,
}

/// Looks at a database and proposes masks.
pub fn suggest(config: &std::path::Path, arguments: &SuggestArguments) -> Result<(), Failure> {
    let config = Config::load(config)?;
    let Some(database) = config.database(&arguments.database) else {
        return Err(Failure::No(format!("no database {:?} is configured", arguments.database)));
    };
    if database.engine != Engine::Postgres {
        return Err(Failure::No(
            "suggest reads Postgres databases alone; list the columns of others by hand".to_owned(),
        ));
    }
    let (report, policy) = place::runtime()?.block_on(look(&config, database, arguments.rows))?;
    match &arguments.policy {
        Some(path) if path.as_os_str() == "-" => output::write(&policy),
        Some(path) => {
            let written = fs::File::create_new(path).and_then(|mut file| file.write_all(policy.as_bytes()));
            written.map_err(|e| Failure::wrong(format!("{} can't be written: {e}", path.display())))?;
            output::write(&format!(
                "{}written to {}: read it, then run `querygate check`\n",
                shown(&report),
                path.display()
            ))
        }
        None if arguments.json => output::json(&report),
        None => output::write(&format!("{}`--policy FILE` writes a policy with these masks\n", shown(&report))),
    }
}

async fn look(config: &Config, database: &Database, rows: u32) -> Result<(Report, String), Failure> {
    let failed = |error: ServerError| Failure::No(format!("database {:?}: {error}", database.name));
    let mut own = connect(database).await.map_err(failed)?;
    let catalog = server::catalog(&mut own).await.map_err(failed)?;
    let comments = comments(&mut own).await.map_err(|e| failed(e.into()))?;
    sample::prepare(&mut own).await.map_err(|e| failed(e.into()))?;
    let mut report = Report {
        database: database.name.clone(),
        tables: 0,
        columns: 0,
        proposals: Vec::new(),
        not_sampled: Vec::new(),
    };
    let tables = tables(&catalog);
    for relation in &tables {
        let types: Vec<FieldType> = relation.columns.iter().map(|column| field_type(&catalog, column)).collect();
        let sampled = match values(&mut own, database, relation, &types, rows).await {
            Ok(sampled) => sampled,
            Err(reason) => {
                report.not_sampled.push(NotSampled { table: relation.qualified.to_string(), reason });
                BTreeMap::new()
            }
        };
        report.tables += 1;
        report.columns += relation.columns.len();
        report.proposals.extend(propose(relation, &types, &comments, &sampled));
    }
    let masked = |relation: &&Relation| -> Vec<&Proposal> {
        report.proposals.iter().filter(|p| *p.table == *relation.qualified).collect()
    };
    let masked: Vec<_> =
        tables.iter().map(|r| (*r, masked(r))).filter(|(_, proposals)| !proposals.is_empty()).collect();
    let policy = policy_file::render(&database.name, &masked);
    check(config, &policy, database, &catalog)?;
    Ok((report, policy))
}

async fn connect(database: &Database) -> Result<Own, ServerError> {
    Ok(Own::connect(&server::upstream(database)?).await?)
}

async fn comments(own: &mut Own) -> Result<BTreeMap<String, String>, OwnError> {
    let answer = own.ask(COMMENTS).await?;
    serde_json::from_str(&answer).map_err(|e| OwnError::Protocol(e.to_string()))
}

/// Tables of users that hold rows themselves, in the order of their names; partitions and children have the masks of their parents.
fn tables(catalog: &Catalog) -> Vec<&Relation> {
    let holds = |r: &&Relation| {
        let kind = matches!(r.kind, RelationKind::Table | RelationKind::Partitioned | RelationKind::Foreign);
        kind && !r.system && catalog.parents(r.oid).is_empty()
    };
    let mut tables: Vec<&Relation> = catalog.relations().filter(holds).collect();
    tables.sort_by(|a, b| a.qualified.cmp(&b.qualified));
    tables
}

/// What the detectors find in some values of a table. Foreign tables are not asked: their values lie elsewhere.
async fn values(
    own: &mut Own,
    database: &Database,
    relation: &Relation,
    types: &[FieldType],
    rows: u32,
) -> Result<BTreeMap<i16, Sampled>, String> {
    if rows == 0 {
        return Ok(BTreeMap::new());
    }
    if relation.kind == RelationKind::Foreign {
        return Err("a foreign table".to_owned());
    }
    let columns: Vec<(i16, &str, Form)> =
        relation.columns.iter().zip(types).map(|(c, t)| (c.id.attribute, &*c.name, Form::of(t))).collect();
    match sample::table(own, relation, &columns, rows).await {
        Ok(sampled) => Ok(sampled),
        // The server's words may repeat a value; its code says enough.
        Err(OwnError::Refused(words)) => Err(words.split(' ').next().unwrap_or_default().to_owned()),
        Err(error) => {
            // The connection is of no use any more.
            let again = async {
                let mut again = connect(database).await?;
                sample::prepare(&mut again).await?;
                Ok::<Own, ServerError>(again)
            };
            if let Ok(again) = again.await {
                *own = again;
            }
            Err(error.to_string())
        }
    }
}

fn propose(
    relation: &Relation,
    types: &[FieldType],
    comments: &BTreeMap<String, String>,
    sampled: &BTreeMap<i16, Sampled>,
) -> Vec<Proposal> {
    let mut proposals = Vec::new();
    for (column, field_type) in relation.columns.iter().zip(types) {
        let sampled = sampled.get(&column.id.attribute);
        let comment = comments.get(&format!("{}.{}", relation.oid, column.id.attribute));
        let seen = Seen {
            table: &relation.name,
            column: &column.name,
            comment: comment.map(String::as_str),
            field_type,
            sampled,
        };
        let Some((kind, reason, masker)) = proposal::propose(&seen) else { continue };
        proposals.push(Proposal {
            table: relation.qualified.to_string(),
            column: column.name.to_string(),
            type_name: field_type.to_string(),
            kind,
            masker: masker.to_string(),
            reason,
            sampled: sampled.filter(|s| s.values > 0).cloned(),
        });
    }
    proposals
}

/// What is handed out must load, and fit the database.
fn check(config: &Config, policy: &str, database: &Database, catalog: &std::sync::Arc<Catalog>) -> Result<(), Failure> {
    let source = Source::new("the proposed policy", policy);
    let (policy, _) = Policy::read(source, &config.database_names(), "proposed")?;
    let bound = server::bind(database, &std::sync::Arc::new(policy), catalog);
    match bound.problems().has_errors() {
        true => Err(Failure::wrong(bound.problems().render(false))),
        false => Ok(()),
    }
}

fn shown(report: &Report) -> String {
    let mut table = Table::new(&["COLUMN", "TYPE", "HOLDS", "MASK", "BECAUSE OF", "FOUND IN VALUES"]);
    for proposal in &report.proposals {
        let found = proposal.sampled.as_ref().map(found).unwrap_or_default();
        let reason = serde_json::to_value(proposal.reason).unwrap_or_default();
        table.row([
            format!("{}.{}", proposal.table, proposal.column),
            proposal.type_name.clone(),
            proposal.kind.words().to_owned(),
            proposal.masker.clone(),
            reason.as_str().unwrap_or_default().to_owned(),
            found,
        ]);
    }
    let mut text = table.render("nothing that seems personal");
    for table in &report.not_sampled {
        text.push_str(&format!("{}: values not looked at ({})\n", table.table, table.reason));
    }
    text.push_str(&format!("{} of {} columns in {} tables\n", report.proposals.len(), report.columns, report.tables));
    text
}

/// `email in 3 of 200`.
fn found(sampled: &Sampled) -> String {
    let one = |(what, count): (&String, &usize)| format!("{what} in {count} of {}", sampled.values);
    sampled.within.iter().map(one).collect::<Vec<_>>().join(", ")
}
