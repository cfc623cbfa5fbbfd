//! What masks ask of a statement: its reads known, its masked columns nothing but plain result columns.

use std::sync::Arc;

use querygate_mask::Masker;
use querygate_sql::statement::{ColumnId, Origin, Output, Statement, Write};

use super::words;
use crate::{Bound, FieldPlan, MaskPlan, Refusal, RoleView, bind::MaskedColumn, file::WriteRule};

/// Who refuses, as the log names it, and the words.
pub(super) type Refused = (Arc<str>, Refusal);

impl Bound {
    /// The plan for a statement's result, or why it can't be given its meaning on masked values.
    pub(super) fn plan(&self, statement: &Statement, view: &RoleView) -> Result<MaskPlan, Refused> {
        if !view.is_masked() {
            return Ok(self.empty_plan(view));
        }
        if let Some(why) = &statement.unanalysed {
            return Err(("masked: unanalysed".into(), words::not_understood(why)));
        }
        self.check_tables(statement, view)?;
        self.check_temporary(statement, view)?;
        self.check_opaque(statement)?;
        self.check_instants(statement, view)?;
        self.check_uses(statement, view)?;
        self.check_writes(statement, view)?;
        let fields = match &statement.outputs {
            Some(outputs) => self.fields(outputs, view)?,
            None => Vec::new(),
        };
        let canonical_errors = statement.tables.iter().any(|t| view.masks_table(t.relation));
        Ok(MaskPlan::new(fields, canonical_errors, Arc::clone(view.masked_columns())))
    }

    fn check_tables(&self, statement: &Statement, view: &RoleView) -> Result<(), Refused> {
        match statement.tables.iter().find_map(|t| view.refused.get(&t.relation)) {
            Some(table) => Err((format!("table: {}", table.name).into(), words::refused_table(table))),
            None => Ok(()),
        }
    }

    /// A temporary relation would hide the table of the same name, and with it the masks, from whoever reads the statements that follow.
    fn check_temporary(&self, statement: &Statement, view: &RoleView) -> Result<(), Refused> {
        let hides = |name: &&String| {
            let namesakes = self.catalog.relations().filter(|r| *r.name == ***name);
            namesakes.into_iter().any(|r| view.masks_table(r.oid) || view.refused.contains_key(&r.oid))
        };
        match statement.temporary.iter().find(hides) {
            Some(name) => Err((format!("temporary: {name}").into(), words::hiding(name))),
            None => Ok(()),
        }
    }

    fn check_opaque(&self, statement: &Statement) -> Result<(), Refused> {
        match statement.opaque.iter().find(|o| !self.trusts(&o.object)) {
            Some(opaque) => Err((format!("masked: {}", opaque.construct).into(), words::opaque(opaque))),
            None => Ok(()),
        }
    }

    /// Of an instant that keeps its year or month, another time zone shows on which side of their borders it lies.
    fn check_instants(&self, statement: &Statement, view: &RoleView) -> Result<(), Refused> {
        let keeps_part = |column: &&MaskedColumn| {
            column.mask.as_ref().is_some_and(|mask| matches!(mask.masker(), Masker::Year | Masker::Month))
        };
        match view.columns.values().find(keeps_part).filter(|_| statement.shifts_instants) {
            Some(column) => Err((format!("mask: {}", column.name).into(), words::shifted(&column.name))),
            None => Ok(()),
        }
    }

    fn check_uses(&self, statement: &Statement, view: &RoleView) -> Result<(), Refused> {
        match statement.uses.iter().find_map(|used| Some((used, view.columns.get(&used.column)?))) {
            Some((used, column)) => {
                Err((format!("mask: {}", column.name).into(), words::masked_use(statement, used, &column.name)))
            }
            None => Ok(()),
        }
    }

    fn check_writes(&self, statement: &Statement, view: &RoleView) -> Result<(), Refused> {
        let refused = |write: &&Write| {
            view.columns.contains_key(&write.column) && self.write_rule(write.column) != Some(WriteRule::Allow)
        };
        let Some(write) = statement.writes.iter().find(refused) else { return Ok(()) };
        let name = view.columns.get(&write.column).map(|c| Arc::clone(&c.name)).unwrap_or_default();
        let keep = self.write_rule(write.column) == Some(WriteRule::Keep);
        Err((format!("write: {name}").into(), words::masked_write(write, &name, keep)))
    }

    /// The rule of the column itself, or of one that it inherits from.
    fn write_rule(&self, column: ColumnId) -> Option<WriteRule> {
        let own = self.write.get(&column).copied();
        own.or_else(|| self.catalog.ancestors(column).into_iter().find_map(|a| self.write.get(&a).copied()))
    }

    /// One entry per result column; empty where nothing is masked.
    fn fields(&self, outputs: &[Output], view: &RoleView) -> Result<Vec<Option<FieldPlan>>, Refused> {
        let fields: Vec<Option<FieldPlan>> = outputs.iter().map(|o| self.field(o, view)).collect::<Result<_, _>>()?;
        Ok(if fields.iter().any(Option::is_some) { fields } else { Vec::new() })
    }

    fn field(&self, output: &Output, view: &RoleView) -> Result<Option<FieldPlan>, Refused> {
        let Origin::Column { column, nullable_side } = output.origin else { return Ok(None) };
        let Some(masked) = view.columns.get(&column) else { return Ok(None) };
        let rule = || format!("mask: {}", masked.name).into();
        let Some(mask) = &masked.mask else { return Err((rule(), words::refused_column(&masked.name))) };
        if nullable_side && !mask.keeps_null() && !mask.yields_null() {
            return Err((rule(), words::nullable_side(&masked.name, mask.masker().name())));
        }
        Ok(Some(FieldPlan { column, name: Arc::clone(&masked.name), mask: Arc::clone(mask) }))
    }
}
