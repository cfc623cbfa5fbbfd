//! Functions that read and change settings: which setting it is decides, and only a constant names it.

use std::sync::Arc;

use querygate_record::{Barrier, Effect, Position};
use sqlparser::ast::{BinaryOperator, Expr, Select};

use super::arguments::{Arguments, text_of};
use crate::{
    analysis::Analysis,
    catalog,
    resolve::{Scope, Source, Value},
    settings::{self, Change},
    statement::ColumnId,
};

/// A column of which every row that a select list is computed for has this value.
#[derive(Clone, Debug)]
pub(crate) struct NamedSetting {
    column: ColumnId,
    setting: String,
}

impl Analysis<'_> {
    /// `current_setting` and `set_config` are what their setting is, and only a constant names it.
    pub(crate) fn setting_call(
        &mut self,
        function: &catalog::Function,
        arguments: &Arguments,
        position: Option<Position>,
    ) {
        let text = |at: usize| arguments.texts.get(at).cloned().flatten();
        let construct = format!("function {}", function.qualified);
        let name = text(0).map(|name| name.to_ascii_lowercase());
        if &*function.name == "current_setting" {
            if !name.is_some_and(|name| settings::is_readable(&name)) {
                self.opaque(construct, Arc::clone(&function.qualified), position);
            }
            return;
        }
        let Some(name) = name else {
            self.barrier = Barrier::Unknown;
            self.effect(Effect::Unanalysed, construct.clone());
            self.opaque(construct, "", position);
            return;
        };
        match settings::change(&name) {
            Change::Listed => self.effect(Effect::Session, name),
            // It takes effect in the middle of its own statement, so that may read no table.
            Change::Tracked => {
                self.barrier = Barrier::Unknown;
                self.effect(Effect::Session, name);
                self.sets_midway = true;
            }
            Change::Pinned(values)
                if text(1).is_some_and(|value| values.contains(&value.to_ascii_lowercase().as_str())) =>
            {
                self.effect(Effect::Session, name);
            }
            Change::Privilege => self.effect(Effect::Privilege, name),
            Change::Pinned(_) | Change::Unlisted => {
                self.effect(Effect::Unanalysed, name);
                self.opaque(construct, "", position);
            }
        }
    }

    /// `SELECT set_config(name, ..) FROM pg_settings WHERE name = 'x'`, by which tools change a setting only where the server has it, names
    /// the setting as a constant does: rows of other settings don't reach the select list.
    pub(crate) fn names_a_setting(&self, select: &Select, scope: &Scope<'_>) -> Option<NamedSetting> {
        // A schema before pg_catalog may have another `=` for texts.
        if self.settings.search_path.iter().skip(1).any(|schema| schema == "pg_catalog") {
            return None;
        }
        let [item] = scope.from.items.as_slice() else { return None };
        let view = self.catalog.relation_in("pg_catalog", "pg_settings")?;
        if item.relation != Some(view.oid) || item.open {
            return None;
        }
        let Source::Plain { column, .. } = item.columns.iter().find(|column| &*column.name == "name")?.value.source
        else {
            return None;
        };
        let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = select.selection.as_ref()? else { return None };
        let Expr::Identifier(name) = &**left else { return None };
        (crate::analysis::fold(name).as_ref() == "name").then_some(())?;
        Some(NamedSetting { column, setting: text_of(right)? })
    }

    /// The constant that this value must be in the select list under way.
    pub(crate) fn named_setting(&self, value: &Value) -> Option<String> {
        let known = self.named_setting.as_ref()?;
        matches!(value.source, Source::Plain { column, .. } if column == known.column).then(|| known.setting.clone())
    }
}
