//! Masks spread to whatever shows the same values, and are compiled for each column's own type.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};
use querygate_mask::{FieldMask, Masker, NullRule};
use querygate_sql::statement::ColumnId;

use super::{
    Bound, MaskedColumn,
    columns::{Reason, Reasons, Treatment, Way},
    derived::derived,
};
use crate::{document::Severity, field_type::field_type};

/// Inheritance is followed this deep; the catalog names each table's own parents.
const MAX_INHERITANCE_DEPTH: usize = 64;

impl Bound {
    /// Adds to the reasons of each column those of its partitions, children and parents, and those of the columns that it is derived from.
    pub(super) fn spread(&mut self, mut reasons: Reasons) -> Reasons {
        let mut more: Vec<(ColumnId, Reason)> = Vec::new();
        for (column, own) in &reasons {
            for reason in own.iter().filter(|r| r.treatment != Treatment::Clear) {
                let kin = self.catalog.descendants(*column).into_iter().chain(self.catalog.ancestors(*column));
                let way = if reason.way == Way::Named { Way::Inherited } else { Way::Unlisted };
                more.extend(kin.map(|other| (other, Reason { way, ..reason.clone() })));
            }
        }
        more.sort_by_key(|(column, _)| *column);
        more.into_iter().for_each(|(column, reason)| reasons.entry(column).or_default().push(reason));
        let mut more: Vec<(ColumnId, Reason)> = Vec::new();
        for derived in derived(&self.catalog, &|function| self.trusts(function)) {
            for from in
                derived.from.iter().filter_map(|c| reasons.get(c)).flatten().filter(|r| r.treatment != Treatment::Clear)
            {
                // What is computed from masked values shows a constant: the masker may not fit its type, or tell of the value.
                let redacted = Treatment::Mask(Masker::Redact, NullRule::default());
                let treatment = if derived.plain { from.treatment.clone() } else { redacted };
                more.push((derived.column, Reason { way: Way::Inherited, treatment, ..from.clone() }));
            }
        }
        more.into_iter().for_each(|(column, reason)| reasons.entry(column).or_default().push(reason));
        self.spread_refused();
        reasons
    }

    /// Whoever may not touch a table may not touch its partitions and children either.
    fn spread_refused(&mut self) {
        let mut level: Vec<u32> = self.refused.keys().copied().collect();
        for _ in 0..MAX_INHERITANCE_DEPTH {
            let mut next = Vec::new();
            for (table, child) in level.iter().flat_map(|t| self.catalog.children(*t).iter().map(move |c| (t, *c))) {
                let (Some(refused), Some(relation)) = (self.refused.get(table).cloned(), self.catalog.relation(child))
                else {
                    continue;
                };
                let name = Arc::clone(&relation.qualified);
                self.refused.entry(child).or_insert(super::RefusedTable { name, ..refused });
                next.push(child);
            }
            if next.is_empty() {
                break;
            }
            level = next;
        }
    }

    /// Every table that a table inherits from.
    pub(super) fn ancestors_of(&self, table: u32) -> Vec<u32> {
        let mut all = Vec::new();
        let mut level = vec![table];
        for _ in 0..MAX_INHERITANCE_DEPTH {
            level = level.iter().flat_map(|t| self.catalog.parents(*t)).copied().filter(|t| !all.contains(t)).collect();
            if level.is_empty() {
                break;
            }
            all.extend(&level);
        }
        all
    }

    /// One mask for each column, chosen among its reasons.
    pub(super) fn compile(&mut self, reasons: Reasons) {
        let mut reasons: Vec<(ColumnId, Vec<Reason>)> = reasons.into_iter().collect();
        reasons.sort_by_key(|(column, _)| *column);
        let mut masked = HashMap::new();
        for (column, reasons) in reasons {
            let Some(name) = self.catalog.name_of(column) else { continue };
            let hiding: Vec<&Reason> = reasons.iter().filter(|r| r.treatment != Treatment::Clear).collect();
            if hiding.is_empty() {
                continue;
            }
            if let Some(clear) = reasons.iter().find(|r| r.treatment == Treatment::Clear && r.way == Way::Named) {
                self.overruled(&name, clear);
            }
            let mut clear_for: Vec<Arc<[String]>> = hiding.iter().map(|r| Arc::clone(&r.clear_for)).collect();
            clear_for.dedup();
            let mask = self.mask(column, &name, &hiding);
            masked.insert(column, MaskedColumn { name: name.into(), mask, clear_for });
        }
        self.columns = masked;
    }

    fn overruled(&mut self, name: &str, clear: &Reason) {
        let span = clear.span.clone().unwrap_or(0..0);
        let message = format!("{name} is listed as clear, but shows values of a masked column: it is masked");
        self.report(Severity::Warning, span, message, "mask it here too, or clear the other column".to_owned());
    }

    /// The most deliberate reason decides; where equally deliberate ones differ, the column is redacted, or refused if one of them says so.
    fn mask(&mut self, column: ColumnId, name: &str, reasons: &[&Reason]) -> Option<Arc<FieldMask>> {
        let way = reasons.iter().map(|r| r.way).max()?;
        let mut deciding = reasons.iter().filter(|r| r.way == way);
        let first = deciding.next()?;
        let span = first.span.clone().unwrap_or(0..0);
        let redact = Treatment::Mask(Masker::Redact, NullRule::Keep);
        let chosen = match deciding.clone().any(|r| r.treatment != first.treatment) {
            false => first.treatment.clone(),
            true if first.treatment == Treatment::Refuse || deciding.any(|r| r.treatment == Treatment::Refuse) => {
                Treatment::Refuse
            }
            true => redact,
        };
        let Treatment::Mask(masker, nulls) = chosen else { return None };
        let found = self.catalog.column(column)?;
        match FieldMask::compile_with(&masker, nulls, &field_type(&self.catalog, found), &self.policy.keys) {
            Ok(mask) => {
                if let Some(warning) = mask.warning().filter(|_| way == Way::Named) {
                    self.report(
                        Severity::Warning,
                        span,
                        format!("{name}: {warning}"),
                        "see the list of maskers".to_owned(),
                    );
                }
                Some(Arc::new(mask))
            }
            Err(error) => {
                let remedy = "choose another masker; until then whatever reads the column is refused".to_owned();
                self.report(Severity::Error, span, format!("{name}: {error}"), remedy);
                None
            }
        }
    }
}
