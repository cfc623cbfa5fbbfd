//! Function calls: which function it is, whether it is known, and what it uses.

use std::sync::Arc;

use querygate_record::Position;
use sqlparser::ast::{Expr, Function, FunctionArguments, Spanned, WindowFrameBound, WindowSpec, WindowType};

use super::Clause;
use crate::{
    analysis::{Analysis, fold},
    catalog::{self, FunctionKind},
    functions::{self, Known},
    query::arguments::Arguments,
    resolve::{Candidate, Choice, Scope, Source, Ty, Value, choose, oid},
    statement::{EffectOn, Refusal, RefusalKind},
};

/// What a call gives.
#[derive(Clone, Debug)]
pub(crate) struct Called {
    pub value: Value,
    /// Its columns in FROM, where it has several.
    pub outputs: Vec<(Arc<str>, Ty)>,
}

impl Called {
    pub(crate) fn of(value: Value) -> Called {
        Called { value, outputs: Vec::new() }
    }
}

impl<'a> Analysis<'a> {
    /// A call as SQL writes it.
    pub(crate) fn call_function(
        &mut self,
        call: &Function,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Called, Refusal> {
        let span = call.name.span();
        if call.uses_odbc_syntax || !matches!(call.parameters, FunctionArguments::None) {
            return Err(self.unsupported("function call of another dialect", span));
        }
        let parts: Option<Vec<_>> = call.name.0.iter().map(|part| part.as_ident()).collect();
        let (schema, ident) = match parts.as_deref() {
            Some([name]) => (None, *name),
            Some([schema, name] | [_, schema, name]) => (Some(fold(schema)), *name),
            _ => return Err(self.unsupported("function name", span)),
        };
        let name = fold(ident);
        let keyword = schema.is_none() && ident.quote_style.is_none();
        if keyword && let Some(called) = self.keyword_call(&name, call, scope, clause)? {
            return Ok(called);
        }
        let arguments = self.arguments(&name, call, scope, clause)?;
        self.surroundings(call, scope, clause)?;
        self.resolve_call(schema.as_deref(), &name, &arguments, clause, self.position(span))
    }

    /// What the grammar treats apart: no function of that name is looked up.
    fn keyword_call(
        &mut self,
        name: &str,
        call: &Function,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Option<Called>, Refusal> {
        let list = match &call.args {
            FunctionArguments::None => {
                let ty = match name {
                    "current_date" => oid::DATE,
                    "current_time" => oid::TIMETZ,
                    "current_timestamp" => oid::TIMESTAMPTZ,
                    "localtime" => oid::TIME,
                    "localtimestamp" => oid::TIMESTAMP,
                    "current_user" | "current_role" | "session_user" | "user" | "current_catalog"
                    | "current_schema" | "system_user" => oid::NAME,
                    _ => return Ok(None),
                };
                return Ok(Some(Called::of(Value::constant(Ty::Oid(ty)))));
            }
            FunctionArguments::Subquery(query) if name == "array" => {
                let rows = self.query(query, scope)?;
                rows.columns.iter().for_each(|column| self.used(&column.value, clause.unwrap_or("ARRAY")));
                let ty = rows.columns.first().map_or(Ty::Any, |column| self.array_of(column.value.ty));
                return Ok(Some(Called::of(Value::derived(ty, rows.columns.iter().map(|column| &column.value)))));
            }
            FunctionArguments::Subquery(_) => return Ok(None),
            FunctionArguments::List(list) => list,
        };
        if !matches!(
            name,
            "coalesce"
                | "greatest"
                | "least"
                | "nullif"
                | "row"
                | "grouping"
                | "current_time"
                | "current_timestamp"
                | "localtime"
                | "localtimestamp"
        ) {
            return Ok(None);
        }
        let construct = match name {
            "coalesce" => "COALESCE",
            "greatest" => "GREATEST",
            "least" => "LEAST",
            "nullif" => "NULLIF",
            "row" => "ROW",
            "grouping" => "GROUPING",
            _ => "CURRENT_TIMESTAMP",
        };
        if !list.clauses.is_empty() || call.over.is_some() || call.filter.is_some() {
            return Err(self.unsupported(construct, call.name.span()));
        }
        let arguments = self.arguments(construct, call, scope, Some(clause.unwrap_or(construct)))?;
        let ty = match name {
            "row" => Ty::Oid(oid::RECORD),
            "grouping" => Ty::Oid(oid::INT4),
            "current_time" => Ty::Oid(oid::TIMETZ),
            "current_timestamp" => Ty::Oid(oid::TIMESTAMPTZ),
            "localtime" => Ty::Oid(oid::TIME),
            "localtimestamp" => Ty::Oid(oid::TIMESTAMP),
            "nullif" => match arguments.values.as_slice() {
                [a, b] => {
                    self.operator("=", None, Some(a), b, Some(clause.unwrap_or(construct)));
                    a.ty
                }
                _ => Ty::Any,
            },
            _ => self.brought_together(arguments.values.iter().map(|value| value.ty)),
        };
        let result = Value::derived(ty, &arguments.values);
        self.settle(&arguments.values, &result);
        Ok(Some(Called::of(result)))
    }

    /// FILTER and OVER.
    fn surroundings(&mut self, call: &Function, scope: &Scope<'_>, _clause: Clause) -> Result<(), Refusal> {
        if let Some(filter) = &call.filter {
            self.condition(filter, scope, "FILTER")?;
        }
        if let Some(WindowType::WindowSpec(spec)) = &call.over {
            self.window(spec, scope)?;
        }
        Ok(())
    }

    /// A window's PARTITION BY, ORDER BY and frame.
    pub(crate) fn window(&mut self, spec: &WindowSpec, scope: &Scope<'_>) -> Result<(), Refusal> {
        for term in &spec.partition_by {
            self.condition(term, scope, "PARTITION BY")?;
        }
        self.order_inputs(&spec.order_by, scope, "window ORDER BY")?;
        let Some(frame) = &spec.window_frame else { return Ok(()) };
        for bound in [Some(&frame.start_bound), frame.end_bound.as_ref()].into_iter().flatten() {
            if let WindowFrameBound::Preceding(Some(offset)) | WindowFrameBound::Following(Some(offset)) = bound {
                self.condition(offset, scope, "window frame")?;
            }
        }
        Ok(())
    }

    /// A call with arguments that are already values.
    pub(crate) fn named_function(
        &mut self,
        schema: Option<&str>,
        name: &str,
        values: &[Value],
        clause: Clause,
        position: Option<Position>,
    ) -> Result<Called, Refusal> {
        let construct = format!("function {name}");
        values.iter().for_each(|value| self.used(value, clause.unwrap_or(&construct)));
        let arguments = Arguments { values: values.to_vec(), ..Arguments::default() };
        self.resolve_call(schema, name, &arguments, clause, position)
    }

    fn resolve_call(
        &mut self,
        schema: Option<&str>,
        name: &str,
        arguments: &Arguments,
        clause: Clause,
        position: Option<Position>,
    ) -> Result<Called, Refusal> {
        let types: Vec<Ty> = arguments.values.iter().map(|value| value.ty).collect();
        let candidates = self.candidates(schema, name, arguments);
        if candidates.is_empty() {
            return self.not_a_function(schema, name, arguments, clause, position);
        }
        let chosen =
            if arguments.named { Choice::Doubt(candidates.clone()) } else { choose(self, &types, candidates.clone()) };
        let (functions, certain) = match chosen {
            Choice::One(candidate) => (vec![candidate], true),
            Choice::Doubt(candidates) => (candidates, false),
            Choice::None => (candidates, false),
        };
        let mut ty = None;
        for candidate in &functions {
            self.runs(candidate.what, arguments, position);
            if certain {
                for (argument, parameter) in types.iter().zip(&candidate.parameters) {
                    self.implicit_code(*argument, *parameter, position);
                }
            }
            if candidate.system {
                self.casts_inside(candidate.what, &types, &candidate.parameters, position);
            }
            let this = self.result_type(candidate.what.returns, &candidate.parameters, &types);
            for oid in this.known().into_iter().chain(candidate.what.outputs.iter().map(|(_, oid)| *oid)) {
                self.handles(oid);
            }
            ty = match ty {
                None => Some(this),
                Some(held) if held == this => Some(this),
                Some(_) => Some(Ty::Any),
            };
        }
        let result = Value::derived(ty.unwrap_or(Ty::Any), &arguments.values);
        self.settle(&arguments.values, &result);
        let slots = if result.columns().is_empty() { result.slots.clone() } else { Vec::new() };
        let outputs =
            functions.first().map_or_else(Vec::new, |candidate| self.function_columns(candidate.what, result.ty));
        Ok(Called { value: Value { slots, position, ..result }, outputs })
    }

    /// Functions of that name that the search path shows, and that could be called with so many arguments; all of that name
    /// where none fits, so that the server's complaint is its own.
    fn candidates(
        &self,
        schema: Option<&str>,
        name: &str,
        arguments: &Arguments,
    ) -> Vec<Candidate<&'a catalog::Function>> {
        let catalog = self.catalog;
        let reachable: Vec<&str> = match schema {
            Some(schema) => vec![schema],
            None => catalog::schemas_of(&self.settings.search_path).collect(),
        };
        let all: Vec<&catalog::Function> = reachable
            .iter()
            .flat_map(|schema| {
                catalog
                    .functions(name)
                    .filter(move |function| *function.schema == **schema && function.kind != FunctionKind::Procedure)
            })
            .collect();
        let count = arguments.values.len();
        let fitting: Vec<Candidate<&catalog::Function>> = all
            .iter()
            .filter_map(|function| {
                let parameters = if arguments.named {
                    (function.arguments.len() >= count || function.variadic != 0).then(|| vec![oid::ANY; count])
                } else {
                    self.parameters_for(function, count, arguments.variadic)
                }?;
                Some(Candidate { parameters, system: function.system, what: *function })
            })
            .collect();
        if fitting.is_empty() {
            return all
                .iter()
                .map(|function| Candidate {
                    parameters: function.arguments.clone(),
                    system: function.system,
                    what: *function,
                })
                .collect();
        }
        fitting
    }

    /// A name that is no function: a column in functional notation, or a type's name as a cast.
    fn not_a_function(
        &mut self,
        schema: Option<&str>,
        name: &str,
        arguments: &Arguments,
        clause: Clause,
        position: Option<Position>,
    ) -> Result<Called, Refusal> {
        if let [value] = arguments.values.as_slice() {
            if let Source::Row(columns) = &value.source
                && let Some(column) = columns.iter().find(|column| &*column.name == name)
            {
                let value = column.value.clone();
                self.used(&value, clause.unwrap_or("functional notation"));
                return Ok(Called::of(Value::derived(value.ty, [&value])));
            }
            if self.is_row(value.ty) || value.ty == Ty::Any {
                let relation = value
                    .ty
                    .known()
                    .and_then(|oid| self.catalog.type_by_oid(oid))
                    .and_then(|held| self.catalog.relation(held.relation));
                if let Some(column) = relation.and_then(|relation| relation.column(name)) {
                    return Ok(Called::of(Value::derived(Ty::Oid(column.type_oid), [value])));
                }
            }
            let named = match schema {
                Some(schema) => self.catalog.type_in(schema, name),
                None => self.catalog.type_on_path(&self.settings.search_path, name),
            };
            if let Some(oid) = named.map(|held| held.oid) {
                self.converts(value.ty, Ty::Oid(oid), position);
                return Ok(Called::of(Value::derived(Ty::Oid(oid), [value])));
            }
        }
        Err(Refusal {
            kind: RefusalKind::UnknownFunction,
            construct: schema
                .map_or_else(|| format!("function {name}"), |schema| format!("function {schema}.{name}"))
                .into(),
            position,
            hint: "call a function that exists; a new one is known a moment after it was made".into(),
        })
    }

    /// Records what running a function means.
    fn runs(&mut self, function: &catalog::Function, arguments: &Arguments, position: Option<Position>) {
        self.function(&function.qualified);
        let construct = format!("function {}", function.qualified);
        if !function.system {
            if let Some(effect) = functions::extension_effect(&function.name) {
                self.effect(effect, Arc::clone(&function.qualified));
            }
            if !self.takes_body(function, arguments.values.len(), arguments.named) {
                self.call(construct, Arc::clone(&function.qualified), position);
            }
            return;
        }
        match functions::built_in(&function.name) {
            Known::Pure => {}
            Known::Acts { effect, bounded } => {
                self.effect_on(EffectOn { bounded, ..EffectOn::new(effect, Arc::clone(&function.qualified)) });
            }
            Known::Setting => self.setting_call(function, arguments, position),
            Known::Opaque(effect) => {
                if let Some(effect) = effect {
                    self.effect(effect, Arc::clone(&function.qualified));
                }
                self.opaque(construct, Arc::clone(&function.qualified), position);
            }
        }
    }

    /// The columns that a function gives in FROM.
    fn function_columns(&self, function: &catalog::Function, result: Ty) -> Vec<(Arc<str>, Ty)> {
        if function.outputs.len() > 1 || (function.outputs.len() == 1 && function.set) {
            return function.outputs.iter().map(|(name, oid)| (Arc::clone(name), Ty::Oid(*oid))).collect();
        }
        let held = result.known().and_then(|oid| self.catalog.type_by_oid(self.base_type(oid)));
        let relation = held.and_then(|held| self.catalog.relation(held.relation));
        relation.map_or_else(Vec::new, |relation| {
            relation.columns.iter().map(|column| (Arc::clone(&column.name), Ty::Oid(column.type_oid))).collect()
        })
    }

    /// Functions with a syntax of their own; they are looked up like others, so that a user's of the same name counts.
    pub(crate) fn special_call(&mut self, expr: &Expr, scope: &Scope<'_>, clause: Clause) -> Result<Value, Refusal> {
        let (name, parts): (&str, Vec<&Expr>) = match expr {
            Expr::AtTimeZone { timestamp, time_zone } => ("timezone", vec![time_zone, timestamp]),
            Expr::Extract { expr: inner, .. } => return self.extract(inner, scope, clause),
            Expr::Ceil { expr: inner, .. } => ("ceil", vec![inner]),
            Expr::Floor { expr: inner, .. } => ("floor", vec![inner]),
            Expr::Position { expr: inner, r#in } => ("position", vec![r#in, inner]),
            Expr::Substring { expr: inner, substring_from, substring_for, shorthand, .. } => (
                if *shorthand { "substr" } else { "substring" },
                std::iter::once(inner).chain(substring_from).chain(substring_for).map(|part| &**part).collect(),
            ),
            Expr::Trim { trim_where, trim_what, expr: inner, trim_characters } => {
                let name = match trim_where {
                    Some(sqlparser::ast::TrimWhereField::Leading) => "ltrim",
                    Some(sqlparser::ast::TrimWhereField::Trailing) => "rtrim",
                    _ => "btrim",
                };
                let inner: &Expr = inner;
                (
                    name,
                    std::iter::once(inner)
                        .chain(trim_what.as_deref())
                        .chain(trim_characters.iter().flatten())
                        .collect(),
                )
            }
            Expr::Overlay { expr: inner, overlay_what, overlay_from, overlay_for } => (
                "overlay",
                [Some(inner), Some(overlay_what), Some(overlay_from), overlay_for.as_ref()]
                    .into_iter()
                    .flatten()
                    .map(|part| &**part)
                    .collect(),
            ),
            other => return Err(self.unsupported("call", other.span())),
        };
        let mut values = Vec::with_capacity(parts.len());
        for part in parts {
            values.push(self.expression(part, scope, clause)?);
        }
        let position = self.position(expr.span());
        Ok(self.named_function(None, name, &values, clause, position)?.value)
    }

    fn extract(&mut self, inner: &Expr, scope: &Scope<'_>, clause: Clause) -> Result<Value, Refusal> {
        let value = self.expression(inner, scope, clause)?;
        self.used(&value, clause.unwrap_or("EXTRACT"));
        let known = Value::constant(Ty::Oid(oid::TEXT));
        let called =
            self.named_function(None, "extract", &[known, value.clone()], clause, self.position(inner.span()))?;
        Ok(Value { ty: Ty::Oid(oid::NUMERIC), ..called.value })
    }
}
