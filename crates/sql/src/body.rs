//! What a SQL function's body does, analysed as part of the statement that calls it. Only bodies of nothing but SELECTs that only read
//! are understood; what else runs is user code like any other.

use std::{cell::Cell, rc::Rc, sync::Arc};

use foldhash::HashMap;
use sqlparser::ast::Query;

use crate::{
    Limits,
    analysis::{Analysis, Found},
    catalog::{Body, Function, FunctionKind},
    guard,
    postgres::parser,
    resolve::{Column, From, Item, Scope, Ty, Value},
    session::{self, Settings},
    statement::Refusal,
};

/// Functions that call functions are followed this deep.
const DEPTH_MAX: usize = 16;

/// Bodies that are looked at for one statement.
const BODIES_MAX: usize = 64;

/// What the analysis of bodies keeps track of, down through functions and views.
#[derive(Clone, Debug)]
pub(crate) struct Calls<'a> {
    /// Settings that hold while the statement runs, under which texts of functions without a path of their own are read. Not known where a view's
    /// definition is looked at, which is kept for everybody.
    pub runtime: Option<&'a Settings>,
    /// Types of the parameters of the function whose body this is.
    pub parameters: Option<Rc<[Ty]>>,
    /// Functions whose bodies this is inside of.
    inside: Vec<u32>,
    /// How many more bodies may be looked at.
    left: Rc<Cell<usize>>,
    /// What was found of each function, with and without its default arguments.
    known: HashMap<(u32, bool), Option<Arc<Found>>>,
}

impl<'a> Calls<'a> {
    pub(crate) fn new(runtime: &'a Settings) -> Calls<'a> {
        Calls {
            runtime: Some(runtime),
            parameters: None,
            inside: Vec::new(),
            left: Rc::new(Cell::new(BODIES_MAX)),
            known: HashMap::default(),
        }
    }

    /// The same inside a view's definition.
    pub(crate) fn in_view(&self) -> Calls<'a> {
        Calls {
            runtime: None,
            parameters: None,
            inside: self.inside.clone(),
            left: Rc::clone(&self.left),
            known: HashMap::default(),
        }
    }

    /// No body is looked at: each call is user code.
    pub(crate) fn none(&self) -> Calls<'a> {
        Calls { left: Rc::new(Cell::new(0)), known: HashMap::default(), ..self.clone() }
    }

    /// Whether so many bodies were looked at that some may have been left out.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.left.get() == 0
    }
}

/// What a function's body does.
#[derive(Clone, Debug)]
pub(crate) struct BodyFound {
    /// `schema.name`.
    pub function: Arc<str>,
    pub found: Arc<Found>,
}

impl Analysis<'_> {
    /// Takes a call of a function for what its body does. False: that can't be told, so it is user code.
    pub(crate) fn takes_body(&mut self, function: &Function, given: usize, named: bool) -> bool {
        let defaults = function.defaults > 0 && (named || given < function.arguments.len());
        let key = (function.oid, defaults);
        let found = match self.calls.known.get(&key) {
            Some(known) => known.clone(),
            None => {
                let found = self.called(function, defaults).map(Arc::new);
                self.calls.known.insert(key, found.clone());
                found
            }
        };
        let Some(found) = found else { return false };
        if !self.found.bodies.iter().any(|body| Arc::ptr_eq(&body.found, &found)) {
            self.found.bodies.push(BodyFound { function: Arc::clone(&function.qualified), found });
        }
        true
    }

    fn called(&self, function: &Function, defaults: bool) -> Option<Found> {
        let body = self.readable(function)?;
        self.calls.left.set(self.calls.left.get().saturating_sub(1));
        let mut found = self.body_found(function, body)?;
        if defaults {
            let defaults = Arc::new(self.defaults_found(function)?);
            found.bodies.push(BodyFound { function: Arc::clone(&function.qualified), found: defaults });
        }
        Some(found)
    }

    fn readable<'f>(&self, function: &'f Function) -> Option<&'f Body> {
        let calls = &self.calls;
        let follows = !calls.is_exhausted() && calls.inside.len() < DEPTH_MAX && !calls.inside.contains(&function.oid);
        let plain = function.kind == FunctionKind::Function && &*function.language == "sql";
        function.body.as_ref().filter(|_| follows && plain)
    }

    fn body_found(&self, function: &Function, body: &Body) -> Option<Found> {
        let own = own_settings(function)?;
        let runtime = match &own {
            // Settings that the function brings hold for what it calls, too.
            Some(path) => {
                let known = self.calls.runtime.map(|s| s.temporary.clone());
                // What temporary relations there are is not known in a view; where they come last, they hide nothing.
                let last = path.last().is_some_and(|schema| schema == "pg_temp");
                let temporary = known.or_else(|| last.then(Vec::new))?;
                Some(Settings { search_path: path.clone(), user: String::new(), temporary })
            }
            // Its owner's rights make another path of the caller's, where that names `$user`.
            None if function.definer => None,
            None => self.calls.runtime.cloned(),
        };
        let printed =
            Settings { search_path: vec!["pg_catalog".to_owned()], user: String::new(), temporary: Vec::new() };
        let names = if body.parsed { &printed } else { runtime.as_ref()? };
        let text = if body.parsed { unwrapped(&body.text)? } else { body.text.to_string() };
        let mut inside = self.inside(function, names, runtime.as_ref());
        inside.run_body(function, &text).ok()?;
        inside.only_reads()
    }

    /// Expressions of default arguments, as the server prints them: `1, now(), schema.f()`.
    fn defaults_found(&self, function: &Function) -> Option<Found> {
        let text = format!("SELECT {}", function.default_texts.as_deref()?);
        let printed =
            Settings { search_path: vec!["pg_catalog".to_owned()], user: String::new(), temporary: Vec::new() };
        let mut inside = self.inside(function, &printed, self.calls.runtime);
        inside.run_body(function, &text).ok()?;
        inside.only_reads()
    }

    fn inside<'s>(&'s self, function: &Function, names: &'s Settings, runtime: Option<&'s Settings>) -> Analysis<'s> {
        let mut inside = Analysis::new(self.catalog, names);
        inside.view = Some(format!("function {}", function.qualified).into());
        inside.view_depth = self.view_depth;
        let mut stack = self.calls.inside.clone();
        stack.push(function.oid);
        inside.calls = Calls {
            runtime,
            parameters: Some(function.arguments.iter().map(|oid| self.parameter_type(*oid)).collect()),
            inside: stack,
            left: Rc::clone(&self.calls.left),
            known: HashMap::default(),
        };
        inside
    }

    /// A polymorphic parameter may be of any type.
    fn parameter_type(&self, oid: u32) -> Ty {
        let pseudo = self.catalog.type_by_oid(oid).is_none_or(|held| held.kind == crate::catalog::TypeKind::Pseudo);
        if pseudo { Ty::Any } else { Ty::Oid(oid) }
    }

    fn run_body(&mut self, function: &Function, text: &str) -> Result<(), Refusal> {
        let scope = Scope { from: From::of(self.parameters_as_item(function)), ..Scope::default() };
        for query in queries(text)? {
            let rows = self.query(&query, &scope)?;
            if rows.open {
                return Err(self.unsupported("columns that are not known", sqlparser::tokenizer::Span::empty()));
            }
            for column in &rows.columns {
                self.used(&column.value, "its result");
                self.given_back(function, column.value.ty);
            }
        }
        Ok(())
    }

    /// A result is converted to what the function returns.
    fn given_back(&mut self, function: &Function, ty: Ty) {
        let row = self.catalog.type_by_oid(function.returns).and_then(|held| self.catalog.relation(held.relation));
        let targets: Vec<u32> = match row {
            Some(row) => row.columns.iter().map(|column| column.type_oid).collect(),
            None if function.outputs.is_empty() => vec![function.returns],
            None => function.outputs.iter().map(|(_, oid)| *oid).collect(),
        };
        for target in targets {
            self.converts(ty, Ty::Oid(target), None);
        }
    }

    /// Names in a body mean columns first, then the function's own parameters.
    fn parameters_as_item(&self, function: &Function) -> Item {
        let types = self.calls.parameters.iter().flat_map(|types| types.iter());
        let columns = function.parameters.iter().zip(types).filter(|(name, _)| !name.is_empty());
        Item {
            name: Some(Arc::clone(&function.name)),
            schema: None,
            relation: None,
            row_type: Ty::Any,
            columns: columns.map(|(name, ty)| Column { name: Arc::clone(name), value: Value::constant(*ty) }).collect(),
            open: false,
        }
    }

    /// What was found, if nothing but reading was.
    fn only_reads(self) -> Option<Found> {
        let quiet = !self.barrier.is_some() && self.made_temporary.is_empty() && !self.sets_midway;
        let reads = |found: &Found| found.only_reads() && found.bodies.iter().all(|body| body.found.only_reads());
        (quiet && reads(&self.found)).then_some(self.found)
    }
}

/// The function's own search path, where it has one; `None` where it has settings that change more, or depend on who runs it.
fn own_settings(function: &Function) -> Option<Option<Vec<String>>> {
    let mut own = None;
    for setting in &function.settings {
        let (name, value) = setting.split_once('=')?;
        if name != "search_path" || value.contains("$user") {
            return None;
        }
        own = Some(session::search_path(value, ""));
    }
    Some(own)
}

/// The statements of a body that was parsed when it was defined: `BEGIN ATOMIC ... END`, or `RETURN expression`.
fn unwrapped(text: &str) -> Option<String> {
    let text = text.trim();
    if let Some(expression) = text.strip_prefix("RETURN ") {
        return Some(format!("SELECT {expression}"));
    }
    Some(text.strip_prefix("BEGIN ATOMIC")?.strip_suffix("END")?.to_owned())
}

/// The queries that a body is made of; another statement is none.
fn queries(text: &str) -> Result<Vec<Query>, Refusal> {
    let parts = guard::read(text, &Limits::default())?;
    let parts = parts.iter().filter(|part| !part.tokens.is_empty());
    parts.map(|part| parser::whole(&part.tokens, |parser| parser.parse_query()).map(|query| *query)).collect()
}

#[cfg(test)]
mod tests;
