use std::collections::BTreeSet;

use querygate_gateway::{Own, OwnError, POOLED, POOLED_REMEDY, Upstream};
use querygate_policy::Bound;
use querygate_record::Principal;
use serde::Deserialize;

use super::Finding;
use crate::{commands::server::ServerError, config::Database};

/// The oldest server that is tested against, as `server_version_num`.
const OLDEST_SERVER: u32 = 140_000;

/// What the gateway's login may do, as one JSON object. `owns` are tables of users that it owns, itself or through a role; a superuser counts as an owner only
/// of its own.
const LOGIN: &str = "\
SELECT pg_catalog.json_build_object(
  'user', r.rolname, 'superuser', r.rolsuper, 'bypassrls', r.rolbypassrls, 'createrole', r.rolcreaterole, 'replication', r.rolreplication,
  'encoding', pg_catalog.current_setting('server_encoding'),
  'programs', ARRAY(SELECT g.rolname FROM pg_catalog.pg_roles g WHERE NOT r.rolsuper AND g.rolname IN
    ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files') AND pg_catalog.pg_has_role(r.oid, g.oid, 'USAGE')),
  'owns', ARRAY(SELECT c.oid::pg_catalog.int8 FROM pg_catalog.pg_class c WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'f', 'm')
    AND (c.relowner = r.oid OR (NOT r.rolsuper AND pg_catalog.pg_has_role(r.oid, c.relowner, 'USAGE')))))::pg_catalog.text
FROM pg_catalog.pg_roles r WHERE r.rolname = CURRENT_USER";

#[derive(Debug, Deserialize)]
struct Login {
    user: String,
    superuser: bool,
    bypassrls: bool,
    createrole: bool,
    replication: bool,
    encoding: String,
    programs: Vec<String>,
    owns: Vec<u32>,
}

/// What the gateway's login may do beyond what the gateway needs.
pub(super) async fn check(
    database: &Database,
    own: &mut Own,
    bound: Option<&Bound>,
) -> Result<Vec<Finding>, ServerError> {
    let answer = own.ask(LOGIN).await?;
    let login: Login = serde_json::from_str(&answer).map_err(|e| OwnError::Protocol(e.to_string()))?;
    let name = &database.name;
    let warn = |message: String, remedy: String| Finding::warning(name, message, remedy);
    let user = quoted(&login.user);
    let mut findings = Vec::new();
    if login.superuser {
        let remedy = format!(
            "log in as a role with just the rights that clients need: CREATE ROLE querygate LOGIN PASSWORD '...'; GRANT ... TO querygate; or ALTER ROLE {user} NOSUPERUSER"
        );
        findings.push(warn(
            format!("the gateway logs in as {user}, a superuser: what slips through may do anything"),
            remedy,
        ));
    } else {
        let attributes = [
            (login.bypassrls, "BYPASSRLS", "sees through row-level security"),
            (login.createrole, "CREATEROLE", "may make and change roles"),
            (login.replication, "REPLICATION", "may copy the whole server"),
        ];
        for (_, attribute, may) in attributes.into_iter().filter(|(has, _, _)| *has) {
            findings.push(warn(
                format!("the gateway's login {user} has {attribute}: it {may}"),
                format!("ALTER ROLE {user} NO{attribute}"),
            ));
        }
    }
    for role in &login.programs {
        let remedy = format!("REVOKE {role} FROM {user}");
        findings.push(warn(
            format!("the gateway's login {user} has {role}: it reaches the server's files or programs"),
            remedy,
        ));
    }
    findings.extend(bound.and_then(|bound| owned(name, &user, &login, bound)));
    findings.extend(bound.and_then(|bound| old(name, bound)));
    if login.encoding != "UTF8" {
        let message = format!("the database's encoding is {}: texts that are no UTF-8 can't pass", login.encoding);
        findings.push(warn(message, "move the data to a database with ENCODING 'UTF8'".to_owned()));
    }
    Ok(findings)
}

/// Masked tables that the login owns: whatever runs as their owner may drop row security, triggers and the tables themselves.
fn owned(database: &str, user: &str, login: &Login, bound: &Bound) -> Option<Finding> {
    let stranger = bound.view(&Principal::local("", []));
    let tables = login.owns.iter().filter(|oid| stranger.masks_table(**oid));
    let names: BTreeSet<String> =
        tables.filter_map(|oid| bound.catalog().relation(*oid)).map(|r| r.qualified.to_string()).collect();
    let first = names.first()?.clone();
    let all = names.into_iter().collect::<Vec<_>>().join(", ");
    let remedy = format!(
        "give them to another role and grant what clients need: ALTER TABLE {first} OWNER TO ...; GRANT SELECT, INSERT, UPDATE, DELETE ON {first} TO {user}"
    );
    Some(Finding::warning(database, format!("the gateway's login {user} owns masked tables: {all}"), remedy))
}

fn old(database: &str, bound: &Bound) -> Option<Finding> {
    let version = bound.catalog().server_version();
    (version < OLDEST_SERVER).then(|| {
        let message = format!("the server is Postgres {}, older than what Querygate is tested with", version / 10_000);
        Finding::warning(database, message, "upgrade it to 14 or later")
    })
}

/// Whether a pooler hands one server process to several clients in turns: then settings that the gateway pins are somebody else's a moment later.
pub(super) async fn pooler(
    database: &Database,
    upstream: &Upstream,
    first: &mut Own,
) -> Result<Option<Finding>, ServerError> {
    let shared = first.shares_its_session(upstream).await?;
    Ok(shared.then(|| Finding::problem(&database.name, POOLED, POOLED_REMEDY)))
}

fn quoted(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}
