//! GRANT, REVOKE, REASSIGN OWNED, SECURITY LABEL: who may do what.

use std::sync::Arc;

use querygate_record::Effect;

use super::{Outcome, Reader, objects};
use crate::{analysis::Analysis, statement::Refusal};

pub(super) fn statement(analysis: &mut Analysis<'_>, reader: &mut Reader<'_, '_>) -> Result<Outcome, Refusal> {
    let tag = match reader.next().map(|t| &*t.value) {
        Some("grant") => "GRANT",
        Some("revoke") => "REVOKE",
        Some("reassign") => "REASSIGN OWNED",
        _ => "SECURITY LABEL",
    };
    reader.until(&["on"]);
    if !reader.eat("on") {
        analysis.effect(Effect::Privilege, "");
        return Ok(Outcome::tagged(tag));
    }
    let table = reader.eat("table");
    let all = reader.eat("all");
    match reader.tables().ok().filter(|_| !all) {
        // What isn't a table's name here begins with its kind: FUNCTION, SCHEMA, ALL TABLES IN SCHEMA ...
        Some(names) if table || matches!(reader.word(), "to" | "from") => {
            for name in names {
                let object = objects::relation(analysis, &name);
                if let Some(relation) = object.relation {
                    analysis.table(relation, true);
                }
                analysis.effect(Effect::Privilege, object.name);
            }
        }
        _ => analysis.effect(Effect::Privilege, Arc::from("")),
    }
    Ok(Outcome::tagged(tag))
}
