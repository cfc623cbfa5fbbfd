//! What has been found so far in one statement: every part of the analysis adds to it, nothing takes away.

use std::sync::Arc;

use foldhash::{HashMap, HashSet};
use querygate_record::{Barrier, Effect, Position};
use sqlparser::{ast::Ident, tokenizer::Span};

use crate::{
    body::{BodyFound, Calls},
    catalog::{Catalog, Relation},
    query::NamedSetting,
    resolve::{Slot, Source, Value},
    session::Settings,
    statement::{ColumnId, ColumnUse, EffectOn, Opaque, Refusal, RefusalKind, TableUse, Write},
};

/// Views over views are followed this deep.
pub(crate) const VIEW_DEPTH: usize = 32;

/// Findings, in the order in which they were made, each once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    pub effects: Vec<EffectOn>,
    pub reads: Vec<ColumnId>,
    pub writes: Vec<Write>,
    pub tables: Vec<TableUse>,
    pub uses: Vec<ColumnUse>,
    pub opaque: Vec<Opaque>,
    pub functions: Vec<Arc<str>>,
    /// Functions called whose bodies are known to do nothing but this.
    pub bodies: Vec<BodyFound>,
    seen_reads: HashSet<ColumnId>,
    seen_uses: HashSet<(ColumnId, Arc<str>)>,
    seen_functions: HashSet<Arc<str>>,
}

/// The analysis of one statement under way.
#[derive(Debug)]
pub(crate) struct Analysis<'a> {
    pub catalog: &'a Catalog,
    pub settings: &'a Settings,
    pub found: Found,
    /// Literals by the position of their first character: the columns that each is compared with or written to.
    pub literals: HashMap<u32, Vec<ColumnId>>,
    /// The same for parameters, `$n` at n-1.
    pub parameters: Vec<Vec<ColumnId>>,
    /// Temporary relations that the statement makes.
    pub made_temporary: Vec<String>,
    /// The statement's query gives no rows to the client (SELECT INTO).
    pub no_rows: bool,
    /// What the statement does to tracked settings.
    pub barrier: Barrier,
    /// User types whose values the statement handles: what is of a type not known here is of one of these, or of the server's own.
    pub(crate) types: HashSet<u32>,
    /// A temporary table's columns may be of any type.
    pub(crate) any_type: bool,
    /// The next query is a view's own: what its columns compute counts for whoever refers to them.
    pub(crate) defer: bool,
    /// What the select list under way is known to read of `pg_settings`.
    pub(crate) named_setting: Option<NamedSetting>,
    /// It changes a tracked setting in the middle of itself.
    pub(crate) sets_midway: bool,
    /// The view whose text this is (`view schema.name`), and how many views deep.
    pub(crate) view: Option<Arc<str>>,
    pub(crate) view_depth: usize,
    pub(crate) calls: Calls<'a>,
}

/// The highest parameter number of the wire protocol.
const PARAMETERS: usize = 65_535;

impl Found {
    /// It touches a relation, be it in a function's body.
    pub(crate) fn reads_anything(&self) -> bool {
        !self.tables.is_empty() || !self.bodies.is_empty()
    }

    /// It only reads columns: nothing runs that could show by itself.
    pub(crate) fn only_reads(&self) -> bool {
        self.opaque.is_empty()
            && self.writes.is_empty()
            && self.effects.iter().all(|effect| effect.effect == Effect::Read)
    }
}

impl<'a> Analysis<'a> {
    pub(crate) fn new(catalog: &'a Catalog, settings: &'a Settings) -> Analysis<'a> {
        Analysis {
            catalog,
            settings,
            found: Found::default(),
            literals: HashMap::default(),
            parameters: Vec::new(),
            made_temporary: Vec::new(),
            no_rows: false,
            barrier: Barrier::None,
            types: HashSet::default(),
            any_type: false,
            defer: false,
            named_setting: None,
            sets_midway: false,
            view: None,
            view_depth: 0,
            calls: Calls::new(settings),
        }
    }

    /// Where a span starts. The lexer puts each token's character number into its column; texts of views have no place in the client's text.
    pub(crate) fn position(&self, span: Span) -> Option<Position> {
        (self.view.is_none() && span.start.column > 0)
            .then(|| Position(u32::try_from(span.start.column).unwrap_or(u32::MAX)))
    }

    /// A refusal of what the parser knows but the analysis doesn't.
    pub(crate) fn unsupported(&self, construct: impl Into<Arc<str>>, span: Span) -> Refusal {
        Refusal {
            kind: RefusalKind::Unsupported,
            construct: construct.into(),
            position: self.position(span),
            hint: "".into(),
        }
    }

    /// An effect on an object; `bounded` matters for update, delete and merge alone.
    pub(crate) fn effect(&mut self, effect: Effect, object: impl Into<Arc<str>>) {
        self.effect_on(EffectOn::new(effect, object));
    }

    /// An effect with everything that is known of it.
    pub(crate) fn effect_on(&mut self, effect: EffectOn) {
        if !self.found.effects.contains(&effect) {
            self.found.effects.push(effect);
        }
    }

    /// A construct whose reads can't be named. `object` is what policy may trust; empty for none.
    pub(crate) fn opaque(
        &mut self,
        construct: impl Into<Arc<str>>,
        object: impl Into<Arc<str>>,
        position: Option<Position>,
    ) {
        let opaque = Opaque { construct: self.within_view(construct.into()), object: object.into(), position };
        if !self.found.opaque.iter().any(|known| known.construct == opaque.construct && known.object == opaque.object) {
            self.found.opaque.push(opaque);
        }
    }

    /// User code that runs: opaque, and the effect `call`.
    pub(crate) fn call(
        &mut self,
        construct: impl Into<Arc<str>>,
        object: impl Into<Arc<str>>,
        position: Option<Position>,
    ) {
        let object = object.into();
        self.effect(Effect::Call, Arc::clone(&object));
        self.opaque(construct, object, position);
    }

    /// A function that is called, `schema.name`.
    pub(crate) fn function(&mut self, name: &Arc<str>) {
        if self.found.seen_functions.insert(Arc::clone(name)) {
            self.found.functions.push(Arc::clone(name));
        }
    }

    /// A column whose value is read.
    pub(crate) fn read(&mut self, column: ColumnId) {
        if self.found.seen_reads.insert(column) {
            self.found.reads.push(column);
        }
    }

    /// A relation that is touched.
    pub(crate) fn table(&mut self, relation: &Relation, written: bool) {
        match self.found.tables.iter_mut().find(|table| table.relation == relation.oid) {
            Some(table) => table.written |= written,
            None => self.found.tables.push(TableUse {
                relation: relation.oid,
                name: Arc::clone(&relation.qualified),
                written,
            }),
        }
    }

    /// A column used otherwise than as a plain result column.
    pub(crate) fn column_use(&mut self, column: ColumnId, construct: impl Into<Arc<str>>, position: Option<Position>) {
        let construct = self.within_view(construct.into());
        if self.found.seen_uses.insert((column, Arc::clone(&construct))) {
            self.found.uses.push(ColumnUse { column, construct, position });
        }
    }

    /// A value that goes into a construct: whatever table columns it still is become uses of it.
    pub(crate) fn used(&mut self, value: &Value, construct: &str) {
        match &value.source {
            Source::Plain { column, .. } => {
                self.column_use(*column, construct, value.position);
                self.generated_use(*column, value.position);
            }
            Source::Row(columns) => {
                for column in columns.iter() {
                    if let Source::Plain { column, .. } = column.value.source {
                        self.read(column);
                        self.column_use(column, "whole row", value.position);
                    }
                }
            }
            Source::Derived(_) => {}
        }
    }

    /// Using a generated column uses the columns that it is computed from. As a plain result column it is masked like any other.
    fn generated_use(&mut self, column: ColumnId, position: Option<Position>) {
        let catalog = self.catalog;
        let Some(relation) = catalog.relation(column.table) else { return };
        let Some(held) = relation.attribute(column.attribute).filter(|held| held.generated) else { return };
        for from in held.generated_from.iter().filter_map(|number| relation.attribute(*number)) {
            self.column_use(from.id, format!("generated column {}", held.name), position);
        }
    }

    /// Literals and parameters of `values` belong to those columns (they are compared with them, or written to them).
    pub(crate) fn belongs(&mut self, values: &[Value], columns: &[ColumnId]) {
        for slot in values.iter().flat_map(|value| &value.slots) {
            let held = match *slot {
                Slot::Literal(position) if self.view.is_none() => self.literals.entry(position).or_default(),
                Slot::Parameter(number) if (1..=PARAMETERS).contains(&number) => {
                    if self.parameters.len() < number {
                        self.parameters.resize(number, Vec::new());
                    }
                    match self.parameters.get_mut(number - 1) {
                        Some(held) => held,
                        None => continue,
                    }
                }
                _ => continue,
            };
            for column in columns {
                if !held.contains(column) {
                    held.push(*column);
                }
            }
        }
    }

    /// Takes over which columns another analysis' literals and parameters belong to.
    pub(crate) fn take_slots(&mut self, within: Analysis<'_>) {
        for (position, columns) in within.literals {
            let held = self.literals.entry(position).or_default();
            held.extend(columns.into_iter().filter(|column| !held.contains(column)).collect::<Vec<_>>());
        }
        if self.parameters.len() < within.parameters.len() {
            self.parameters.resize(within.parameters.len(), Vec::new());
        }
        for (held, columns) in self.parameters.iter_mut().zip(within.parameters) {
            held.extend(columns.into_iter().filter(|column| !held.contains(column)).collect::<Vec<_>>());
        }
    }

    /// Does something whose findings are kept apart.
    pub(crate) fn apart<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> (T, Found) {
        let outside = std::mem::take(&mut self.found);
        let result = act(self);
        (result, std::mem::replace(&mut self.found, outside))
    }

    /// Takes over what another analysis (a view's) found.
    pub(crate) fn absorb(&mut self, found: &Found) {
        for effect in &found.effects {
            self.effect_on(effect.clone());
        }
        for column in &found.reads {
            self.read(*column);
        }
        for table in &found.tables {
            if !self.found.tables.iter().any(|known| known.relation == table.relation) {
                self.found.tables.push(table.clone());
            }
        }
        for used in &found.uses {
            if self.found.seen_uses.insert((used.column, Arc::clone(&used.construct))) {
                self.found.uses.push(used.clone());
            }
        }
        for opaque in &found.opaque {
            if !self.found.opaque.contains(opaque) {
                self.found.opaque.push(opaque.clone());
            }
        }
        for function in &found.functions {
            self.function(function);
        }
        for body in &found.bodies {
            if !self.found.bodies.iter().any(|known| Arc::ptr_eq(&known.found, &body.found)) {
                self.found.bodies.push(body.clone());
            }
        }
    }

    /// Attaches to a view's column what computing it does; what does more than read counts at once.
    pub(crate) fn attach(&mut self, mut value: Value, found: Found) -> Value {
        // The server computes volatile functions though nobody asks, and a set decides how many rows there are.
        let shows = |name: &Arc<str>| {
            let bare = name.rsplit('.').next().unwrap_or(name);
            self.catalog.functions(bare).any(|function| function.set || function.volatility == 'v')
        };
        if !found.only_reads() || found.functions.iter().any(shows) {
            self.absorb(&found);
            return value;
        }
        value.deferred = Some(Arc::new(found));
        value
    }

    fn within_view(&self, construct: Arc<str>) -> Arc<str> {
        match &self.view {
            Some(view) if !construct.starts_with("view ") && !construct.starts_with("materialized view ") => {
                format!("{view}: {construct}").into()
            }
            _ => construct,
        }
    }
}

/// A name as the server takes it: unquoted ones fold to lower case.
pub(crate) fn fold(ident: &Ident) -> Arc<str> {
    if ident.quote_style.is_some() || !ident.value.bytes().any(|byte| byte.is_ascii_uppercase()) {
        ident.value.as_str().into()
    } else {
        ident.value.to_ascii_lowercase().into()
    }
}
