//! The proposals as a policy file that loads.

use std::{collections::BTreeMap, fmt::Write as _};

use querygate_sql::catalog::Relation;

use super::proposal::Proposal;

/// The whole file.
pub fn render(database: &str, tables: &[(&Relation, Vec<&Proposal>)]) -> String {
    let mut text = format!(
        "# Proposed by `querygate suggest`: names and samples tell much, not everything. Read it, change it, then run `querygate check`.\n\n\
         database        = {}\n\
         connect         = [\"agent\", \"dba\"]  # who may open it: your own roles\n\
         reviewers       = [\"dba\"]\n\
         unlisted        = \"redact\"          # columns of the tables below that no line names\n\
         unlisted_tables = \"clear\"           # tables in which nothing was found\n",
        string(database)
    );
    for (relation, proposals) in tables {
        let masked: BTreeMap<&str, &&Proposal> = proposals.iter().map(|p| (p.column.as_str(), p)).collect();
        let clear: Vec<String> =
            relation.columns.iter().filter(|c| !masked.contains_key(&*c.name)).map(|c| string(&c.name)).collect();
        let _ = write!(
            text,
            "\n[table.{}]\nclear     = [{}]\nclear_for = [\"dba\"]\n",
            string(&relation.qualified),
            clear.join(", ")
        );
        for column in &relation.columns {
            let Some(proposal) = masked.get(&*column.name) else { continue };
            let masker =
                if proposal.masker.starts_with('{') { proposal.masker.clone() } else { string(&proposal.masker) };
            let _ = writeln!(text, "mask.{} = {masker}  # {}", string(&column.name), proposal.kind.words());
        }
    }
    text
}

/// A TOML string: JSON's escapes are among TOML's.
fn string(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}
