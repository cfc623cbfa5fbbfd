//! What the policy says of each column that it reaches by name.

use std::{collections::BTreeSet, ops::Range, sync::Arc};

use foldhash::{HashMap, HashMapExt};
use querygate_mask::{Masker, NullRule};
use querygate_sql::{
    catalog::{Relation, RelationKind},
    statement::ColumnId,
};

use super::{Bound, RefusedTable};
use crate::{
    document::{Severity, nearest},
    file::{TableSection, Unlisted},
};

/// How a column came to be masked; the more deliberate way decides by which masker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// No line names it.
    Unlisted,
    /// It shows another column's values.
    Inherited,
    /// A line names it.
    Named,
}

/// What becomes of a column's values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Treatment {
    Clear,
    Mask(Masker, NullRule),
    Refuse,
}

/// One reason why a column is masked.
#[derive(Clone, Debug)]
pub(super) struct Reason {
    pub way: Way,
    pub treatment: Treatment,
    pub clear_for: Arc<[String]>,
    pub span: Option<Range<usize>>,
}

pub(super) type Reasons = HashMap<ColumnId, Vec<Reason>>;

/// Whether it is a table of the user's that holds rows itself.
pub(super) fn holds_rows(relation: &Relation) -> bool {
    let kind = matches!(relation.kind, RelationKind::Table | RelationKind::Partitioned | RelationKind::Foreign);
    kind && !relation.system
}

impl Bound {
    /// One reason per column that a section or a default for unlisted ones reaches.
    pub(super) fn bind_columns(&mut self, earlier: Option<&Bound>) -> Reasons {
        let mut reasons = Reasons::new();
        let catalog = Arc::clone(&self.catalog);
        let policy = Arc::clone(&self.policy);
        let mut listed: HashMap<u32, &TableSection> = HashMap::new();
        for section in &policy.file.tables {
            match catalog.relation_in(&section.schema, &section.name) {
                Some(relation) => {
                    listed.insert(relation.oid, section);
                    self.bind_section(section, relation, earlier, &mut reasons);
                }
                None => self.missing_table(section, earlier, &mut reasons),
            }
        }
        for relation in catalog.relations().filter(|r| holds_rows(r) && !listed.contains_key(&r.oid)) {
            let ancestor = self.ancestors_of(relation.oid).into_iter().find_map(|oid| listed.get(&oid).copied());
            self.bind_unlisted(relation, ancestor, &mut reasons);
        }
        reasons
    }

    fn bind_section(
        &mut self,
        section: &TableSection,
        relation: &Relation,
        earlier: Option<&Bound>,
        reasons: &mut Reasons,
    ) {
        if !holds_rows(relation) {
            let what = kind(relation);
            let message = format!("{} is a {what}: what it shows is masked where its tables are", section.qualified());
            self.report(
                Severity::Error,
                section.span.clone(),
                message,
                "mask the columns of the tables that it reads".to_owned(),
            );
            return;
        }
        let clear_for: Arc<[String]> = section.clear_for.as_slice().into();
        let catalog = Arc::clone(&self.catalog);
        let mut displaced = BTreeSet::new();
        for column in section.columns() {
            let found = relation.column(column).map(|c| c.id);
            let before = earlier.and_then(|e| e.identity(section, column)).filter(|id| catalog.column(*id).is_some());
            if let Some(id) = before.or(found) {
                self.identities.insert((section.qualified(), column.value.clone()), id);
                let elsewhere = if found.is_some() { before != found } else { id.table != relation.oid };
                displaced.extend((before.is_some() && elsewhere).then_some(id.table));
            }
            if found.is_none() {
                self.missing_column(section, relation, column, earlier, reasons);
            }
        }
        for column in &relation.columns {
            let mask = section.masks.iter().find(|m| *m.column.value == *column.name);
            let (way, treatment, span) = match mask {
                Some(m) => (Way::Named, Treatment::Mask(m.masker.clone(), m.nulls), Some(m.column.span.clone())),
                None if section.clear.iter().any(|c| *c.value == *column.name) => (Way::Named, Treatment::Clear, None),
                None => (Way::Unlisted, treatment(section.unlisted(self.policy.file.unlisted)), None),
            };
            let reason = Reason { way, treatment, clear_for: Arc::clone(&clear_for), span };
            reasons.entry(column.id).or_default().push(reason);
        }
        for (column, rule) in &section.write {
            self.write.extend(relation.column(column).map(|c| (c.id, *rule)));
        }
        for table in displaced {
            self.keep_displaced(section, table, reasons);
        }
    }

    /// A section's name that now means something else than it did: what it meant is still there, keeps its masks, and its table is refused.
    fn keep_displaced(&mut self, section: &TableSection, table: u32, reasons: &mut Reasons) {
        let catalog = Arc::clone(&self.catalog);
        let Some(relation) = catalog.relation(table) else { return };
        let message =
            format!("{} means something else than before: that is now in {}", section.qualified(), relation.qualified);
        let remedy =
            "name both in the policy, or drop the old one; until then it is refused to those who don't see it in clear";
        self.report(Severity::Error, section.span.clone(), message, remedy.to_owned());
        let reason = format!("it, or a column of it, was what the policy calls {}", section.qualified());
        self.refuse_table(relation, reason.into(), section.clear_for.as_slice().into());
        self.mask_known(section, table, &|bound, column| bound.identity(section, column), reasons);
    }

    fn bind_unlisted(&mut self, relation: &Relation, ancestor: Option<&TableSection>, reasons: &mut Reasons) {
        let unlisted =
            ancestor.map_or(self.policy.file.unlisted_tables, |section| section.unlisted(self.policy.file.unlisted));
        let clear_for: Arc<[String]> = ancestor.map(|s| s.clear_for.as_slice()).unwrap_or_default().into();
        if unlisted == Unlisted::Refuse && ancestor.is_none() {
            let reason = "the policy does not list it".into();
            self.refuse_table(relation, reason, clear_for);
            return;
        }
        for column in &relation.columns {
            let inherited = ancestor.is_some() && !self.catalog.ancestors(column.id).is_empty();
            if unlisted != Unlisted::Clear && !inherited {
                let reason = Reason {
                    way: Way::Unlisted,
                    treatment: treatment(unlisted),
                    clear_for: Arc::clone(&clear_for),
                    span: None,
                };
                reasons.entry(column.id).or_default().push(reason);
            }
        }
    }

    /// A section whose table is gone: if it is known which table it was, that one keeps its masks and is refused.
    fn missing_table(&mut self, section: &TableSection, earlier: Option<&Bound>, reasons: &mut Reasons) {
        let catalog = Arc::clone(&self.catalog);
        let names: Vec<&str> = catalog.relations().filter(|r| holds_rows(r)).map(|r| &*r.qualified).collect();
        let remedy = match nearest(&section.qualified(), names) {
            Some(meant) => format!("did you mean [table.{meant:?}]?"),
            None => "correct the name, or take the section out".to_owned(),
        };
        self.report(
            Severity::Error,
            section.span.clone(),
            format!("table {} does not exist", section.qualified()),
            remedy,
        );
        let known =
            section.columns().filter_map(|c| earlier?.identity(section, c).filter(|id| catalog.column(*id).is_some()));
        let tables: BTreeSet<u32> = known.map(|id| id.table).collect();
        for table in &tables {
            self.keep_renamed(section, *table, earlier, reasons);
        }
        if tables.is_empty() {
            self.refuse_lookalikes(section);
        }
    }

    /// Nothing is known of a missing table: it may have been renamed while no gateway ran. Whatever table the policy does not list and has every
    /// column that the section names is refused, as if it were the one.
    fn refuse_lookalikes(&mut self, section: &TableSection) {
        let catalog = Arc::clone(&self.catalog);
        let policy = Arc::clone(&self.policy);
        let listed = |r: &Relation| policy.file.tables.iter().any(|t| t.schema == *r.schema && t.name == *r.name);
        let alike = |r: &&Relation| holds_rows(r) && !listed(r) && section.columns().all(|c| r.column(c).is_some());
        for relation in catalog.relations().filter(alike).filter(|_| !section.masks.is_empty()) {
            let reason = format!("it looks like {}, which the policy lists and does not exist", section.qualified());
            self.refuse_table(relation, reason.into(), section.clear_for.as_slice().into());
        }
    }

    /// A name of the policy that the table does not have: whoever sees masks can't use the table until one of the two is put right.
    fn missing_column(
        &mut self,
        section: &TableSection,
        relation: &Relation,
        column: &crate::document::Located<String>,
        earlier: Option<&Bound>,
        reasons: &mut Reasons,
    ) {
        let remedy = match nearest(column, relation.columns.iter().map(|c| &*c.name)) {
            Some(meant) => format!("did you mean {meant:?}? Until then the table is refused to those who don't see it in clear"),
            None => "correct the name, or take the line out; until then the table is refused to those who don't see it in clear".to_owned(),
        };
        let message = format!("table {} has no column {:?}", section.qualified(), column.value);
        self.report(Severity::Error, column.span.clone(), message, remedy);
        self.keep_renamed(section, relation.oid, earlier, reasons);
    }

    fn keep_renamed(&mut self, section: &TableSection, table: u32, earlier: Option<&Bound>, reasons: &mut Reasons) {
        let catalog = Arc::clone(&self.catalog);
        let Some(relation) = catalog.relation(table) else { return };
        let clear_for: Arc<[String]> = section.clear_for.as_slice().into();
        let reason = "its policy names columns or tables that don't exist".into();
        self.refuse_table(relation, reason, clear_for);
        self.mask_known(section, table, &|_, column| earlier.and_then(|e| e.identity(section, column)), reasons);
    }

    /// Masks the columns of a table that are known to be the section's, whatever they are called now.
    fn mask_known(
        &mut self,
        section: &TableSection,
        table: u32,
        known: &dyn Fn(&Bound, &str) -> Option<ColumnId>,
        reasons: &mut Reasons,
    ) {
        let clear_for: Arc<[String]> = section.clear_for.as_slice().into();
        for mask in &section.masks {
            let Some(id) = known(self, &mask.column).filter(|id| id.table == table) else { continue };
            self.identities.insert((section.qualified(), mask.column.value.clone()), id);
            let treatment = Treatment::Mask(mask.masker.clone(), mask.nulls);
            let span = Some(mask.column.span.clone());
            reasons.entry(id).or_default().push(Reason {
                way: Way::Named,
                treatment,
                clear_for: Arc::clone(&clear_for),
                span,
            });
        }
    }

    fn refuse_table(&mut self, relation: &Relation, reason: Arc<str>, clear_for: Arc<[String]>) {
        let name = Arc::clone(&relation.qualified);
        self.refused.entry(relation.oid).or_insert(RefusedTable { name, reason, clear_for });
    }

    fn identity(&self, section: &TableSection, column: &str) -> Option<ColumnId> {
        self.identities.get(&(section.qualified(), column.to_owned())).copied()
    }
}

fn kind(relation: &Relation) -> &'static str {
    match relation.kind {
        RelationKind::View => "view",
        RelationKind::MaterializedView => "materialised view",
        RelationKind::Sequence => "sequence",
        RelationKind::Composite => "composite type",
        RelationKind::Table | RelationKind::Partitioned | RelationKind::Foreign => "system table",
    }
}

fn treatment(unlisted: Unlisted) -> Treatment {
    match unlisted {
        Unlisted::Clear => Treatment::Clear,
        Unlisted::Redact => Treatment::Mask(Masker::Redact, NullRule::Keep),
        Unlisted::Refuse => Treatment::Refuse,
    }
}
