//! What has been found of one statement while it is read.

use std::sync::Arc;

use foldhash::HashSet;
use querygate_record::{Barrier, Effect, Named, TransactionChange};
use sqlparser::ast::{Ident, ObjectName};

use super::scope::{Column, same};
use crate::{
    catalog::{Catalog, Relation},
    session::Settings,
    statement::{
        ColumnId, ColumnUse, EffectOn, Literal, Opaque, Origin, Output, Refusal, RefusalKind, Statement, TableUse,
        Write,
    },
};

/// Views over views are followed this deep.
pub const VIEW_DEPTH: usize = 16;

/// One statement being read.
pub struct Reading<'c> {
    pub catalog: &'c Catalog,
    pub settings: &'c Settings,
    pub effects: Vec<EffectOn>,
    pub reads: Vec<ColumnId>,
    pub writes: Vec<Write>,
    pub tables: Vec<TableUse>,
    pub uses: Vec<ColumnUse>,
    pub opaque: Vec<Opaque>,
    pub functions: Vec<String>,
    pub parameters: usize,
    pub temporary: Vec<String>,
    pub shifts_instants: bool,
    pub instead: Option<&'static str>,
    /// Settings by which texts are read get values that the text does not tell.
    pub settings_unknown: bool,
    /// CTEs that can be named now, the innermost last.
    pub ctes: Vec<(String, Vec<Column>)>,
    pub view_depth: usize,
    /// Names in expressions and relations that were read: a check on the reading itself.
    pub names_read: usize,
    pub relations_read: usize,
    /// What each query around the current place reads itself, the innermost last.
    pub levels: Vec<Vec<ColumnId>>,
    /// The next query's rows may come in any order: only whether there are some counts.
    pub any_order: bool,
    /// The next SELECT is the statement itself: what it shows goes to the client and nowhere else.
    pub outermost: bool,
    /// `*` stands for columns of temporary tables too, which are not listed: how many result columns there are is not known.
    pub unlisted_star: bool,
    seen: HashSet<(ColumnId, Arc<str>)>,
}

/// What a statement is, besides what was found in it.
pub struct Outcome {
    pub tag: &'static str,
    pub outputs: Option<Vec<Output>>,
    pub transaction: TransactionChange,
    pub barrier: Barrier,
    pub named: Option<Named>,
    pub secret: bool,
}

impl Outcome {
    pub fn of(tag: &'static str) -> Outcome {
        Outcome {
            tag,
            outputs: None,
            transaction: TransactionChange::None,
            barrier: Barrier::None,
            named: None,
            secret: false,
        }
    }
}

impl<'c> Reading<'c> {
    pub fn new(catalog: &'c Catalog, settings: &'c Settings) -> Reading<'c> {
        Reading {
            catalog,
            settings,
            effects: Vec::new(),
            reads: Vec::new(),
            writes: Vec::new(),
            tables: Vec::new(),
            uses: Vec::new(),
            opaque: Vec::new(),
            functions: Vec::new(),
            parameters: 0,
            temporary: Vec::new(),
            shifts_instants: false,
            instead: None,
            settings_unknown: false,
            ctes: Vec::new(),
            view_depth: 0,
            names_read: 0,
            relations_read: 0,
            levels: Vec::new(),
            any_order: false,
            outermost: false,
            unlisted_star: false,
            seen: HashSet::default(),
        }
    }

    pub fn effect(&mut self, effect: Effect, object: &str) {
        self.effect_on(EffectOn::new(effect, object));
    }

    pub fn effect_on(&mut self, effect: EffectOn) {
        if !self.effects.contains(&effect) {
            self.effects.push(effect);
        }
    }

    pub fn opaque(&mut self, construct: impl Into<Arc<str>>, object: &str) {
        let opaque = Opaque { construct: construct.into(), object: object.into(), position: None };
        if !self.opaque.contains(&opaque) {
            self.opaque.push(opaque);
        }
    }

    pub fn table(&mut self, relation: &Relation, written: bool) {
        match self.tables.iter_mut().find(|t| t.relation == relation.oid) {
            Some(known) => known.written |= written,
            None => {
                self.tables.push(TableUse { relation: relation.oid, name: Arc::clone(&relation.qualified), written })
            }
        }
    }

    pub fn read(&mut self, column: ColumnId) {
        if let Some(level) = self.levels.last_mut() {
            level.push(column);
        }
        if !self.reads.contains(&column) {
            self.reads.push(column);
        }
    }

    pub fn used(&mut self, column: ColumnId, construct: &Arc<str>) {
        self.read(column);
        if self.seen.insert((column, Arc::clone(construct))) {
            self.uses.push(ColumnUse { column, construct: Arc::clone(construct), position: None });
        }
    }

    pub fn used_origin(&mut self, origin: &Origin, construct: &Arc<str>) {
        if let Origin::Column { column, .. } = origin {
            self.used(*column, construct);
        }
    }

    /// Every column of a table counts as used.
    pub fn used_whole(&mut self, relation: &Relation, construct: &str) {
        let construct: Arc<str> = construct.into();
        for column in &relation.columns {
            self.used(column.id, &construct);
        }
    }

    /// The relation that a name means, in the session's own database.
    pub fn relation(&mut self, name: &ObjectName) -> Result<&'c Relation, Refusal> {
        let parts = parts(name)?;
        let (database, table) = match parts.as_slice() {
            [table] => (None, *table),
            [database, table] => (Some(*database), *table),
            _ => return Err(unsupported("a name of more than two parts", "write database.table")),
        };
        self.relation_named(database.map(|d| d.value.as_str()), &table.value)
    }

    /// The same by its parts.
    pub fn relation_named(&mut self, database: Option<&str>, table: &str) -> Result<&'c Relation, Refusal> {
        if let Some(database) = database
            && !self.is_own(database)
        {
            return Err(other_database(database));
        }
        let found = match self.catalog.relation_in("", table) {
            None if self.catalog.folds_names() => self.catalog.relation_in("", &table.to_lowercase()),
            found => found,
        };
        found.ok_or_else(|| Refusal {
            kind: RefusalKind::UnknownTable,
            construct: format!("table {table}").into(),
            position: None,
            hint: "check the name; its case counts on most servers".into(),
        })
    }

    /// Whether a name means a temporary table of this session. Where a table has the name, too, which one it means depends on what was dropped.
    pub fn is_temporary_name(&self, name: &str) -> Result<bool, Refusal> {
        let mut alike = self.settings.temporary.iter().filter(|t| same(t, name)).peekable();
        if alike.peek().is_none() {
            return Ok(false);
        }
        let folds = self.catalog.folds_names();
        let namesake = self.catalog.relations().any(|r| *r.name == *name || (folds && same(&r.name, name)));
        if namesake {
            let hint = "give the temporary table another name, in a new session";
            return Err(unsupported("a name that a table and a temporary table have", hint));
        }
        Ok(folds || alike.any(|t| t == name))
    }

    /// The columns of the CTE that a name means; none: it means no CTE. The servers differ in whether a CTE's name has a case.
    pub fn cte(&self, name: &str) -> Result<Option<Vec<Column>>, Refusal> {
        match self.ctes.iter().rev().find(|(cte, _)| same(cte, name)) {
            None => Ok(None),
            Some((cte, columns)) if cte == name => Ok(Some(columns.clone())),
            Some(_) => {
                Err(unsupported("a name that differs from a query's in WITH by its case alone", "write both alike"))
            }
        }
    }

    pub fn is_own(&self, database: &str) -> bool {
        let own = self.catalog.database();
        database == own || (self.catalog.folds_names() && database.to_lowercase() == own.to_lowercase())
    }

    /// Everything that was found of a statement, in one.
    pub fn finish(mut self, range: std::ops::Range<usize>, outcome: Outcome, literals: Vec<Literal>) -> Statement {
        for effect in self.effects.iter_mut().filter(|e| e.effect == Effect::Read) {
            let relation = self.tables.iter().find(|table| table.name == effect.object);
            let columns = self.reads.iter().filter(|c| relation.is_some_and(|t| t.relation == c.table));
            effect.columns = columns.filter_map(|id| self.catalog.column(*id)).map(|c| Arc::clone(&c.name)).collect();
        }
        Statement {
            range,
            tag: outcome.tag,
            outputs: outcome.outputs,
            transaction: outcome.transaction,
            barrier: outcome.barrier,
            named: outcome.named,
            effects: self.effects,
            reads: self.reads,
            writes: self.writes,
            tables: self.tables,
            uses: self.uses,
            opaque: self.opaque,
            functions: self.functions,
            parameters: vec![Vec::new(); self.parameters],
            temporary: self.temporary,
            shifts_instants: self.shifts_instants,
            instead: self.instead,
            literals,
            ..crate::analyse::empty()
        }
    }
}

pub fn unsupported(construct: &str, hint: &str) -> Refusal {
    Refusal { kind: RefusalKind::Unsupported, construct: construct.into(), position: None, hint: hint.into() }
}

pub fn other_database(name: &str) -> Refusal {
    unsupported(&format!("another database ({name})"), "connect to that database through the gateway")
}

/// The identifiers of a name.
pub fn parts(name: &ObjectName) -> Result<Vec<&Ident>, Refusal> {
    name.0
        .iter()
        .map(|part| part.as_ident().ok_or_else(|| unsupported("a computed name", "write the name itself")))
        .collect()
}
