//! What the session is told of each statement of a text.

use std::sync::Arc;

use querygate_policy::Decision;
use querygate_record::{Barrier, Effect, Engine};
use querygate_session::Part;
use querygate_sql::{mysql, statement::Statement};

/// One statement, analysed and judged.
pub fn part(statement: &Statement, decision: &Decision, engine: Engine) -> Part {
    Part {
        tag: statement.tag,
        masks: Arc::new(decision.masks.clone()),
        copy: statement.copy.clone(),
        copy_probe: statement.copy_query.clone(),
        transaction: statement.transaction,
        barrier: barrier(statement),
        named: statement.named.clone(),
        defines: statement.effects.iter().any(|e| changes_catalog(e.effect)),
        late: statement.by_body
            || statement.copy.is_some()
            || statement.effects.iter().any(|e| changes_catalog(e.effect)),
        temporary: statement.temporary.clone(),
        several_results: engine != Engine::Postgres && statement.tag == mysql::CALL,
    }
}

/// Code that was not analysed may change any setting.
fn barrier(statement: &Statement) -> Barrier {
    let unknown = statement.effects.iter().any(|e| matches!(e.effect, Effect::Call | Effect::Unanalysed));
    if unknown && !statement.barrier.is_some() { Barrier::Unknown } else { statement.barrier.clone() }
}

fn changes_catalog(effect: Effect) -> bool {
    matches!(
        effect,
        Effect::Alter
            | Effect::Call
            | Effect::Define
            | Effect::DefineCode
            | Effect::Drop
            | Effect::Maintain
            | Effect::Privilege
            | Effect::Server
            | Effect::Unanalysed
    )
}

/// Parameters that any statement of the text wants hashed.
pub fn either(each: impl Iterator<Item = Vec<bool>>) -> Arc<[bool]> {
    let mut all: Vec<bool> = Vec::new();
    for hashed in each {
        all.resize(all.len().max(hashed.len()), false);
        all.iter_mut().zip(hashed).for_each(|(all, hashed)| *all |= hashed);
    }
    all.into()
}
