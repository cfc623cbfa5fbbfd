//! User code that runs without being called by name: casts, domains' checks, types' own input.

use std::sync::Arc;

use querygate_record::Position;

use super::{Ty, oid};
use crate::{
    analysis::Analysis,
    catalog::{Cast, Function, TypeKind},
};

/// Types inside types are followed this deep.
const TYPE_DEPTH: usize = 16;

impl Analysis<'_> {
    /// Converting something to this type: records the code that the type itself runs, and a user cast that could apply.
    pub(crate) fn converts(&mut self, from: Ty, to: Ty, position: Option<Position>) {
        let Some(target) = to.known() else { return };
        self.handles(target);
        self.type_code(target, position);
        let casts: Vec<Cast> = self.user_casts(from, target);
        for cast in casts {
            let name = self.catalog.function_name(cast.function);
            self.call(format!("cast by {name}"), name, position);
        }
    }

    /// User casts with a function that might turn `from` into `to`.
    fn user_casts(&self, from: Ty, to: u32) -> Vec<Cast> {
        let bare = |oid: u32| {
            let base = self.base_type(oid);
            self.catalog.type_by_oid(base).filter(|held| held.element != 0).map_or(base, |held| held.element)
        };
        let targets = [to, self.base_type(to), bare(to)];
        let fits = |cast: &Cast| {
            let source_is_built_in =
                self.catalog.type_by_oid(cast.source).is_some_and(|held| held.oid < crate::catalog::FIRST_USER_OID);
            targets.contains(&cast.target)
                && match from {
                    Ty::Oid(oid) => [oid, self.base_type(oid), bare(oid)].contains(&cast.source),
                    // A parameter is of a built-in type: others must be declared, which the session doesn't let through.
                    Ty::Parameter => source_is_built_in,
                    Ty::Literal => false,
                    Ty::Any => source_is_built_in || self.any_type || self.types.contains(&cast.source),
                }
        };
        self.catalog.user_casts().filter(|cast| cast.function != 0 && fits(cast)).copied().collect()
    }

    /// A type whose values the statement handles, and those inside it.
    pub(crate) fn handles(&mut self, type_oid: u32) {
        let mut pending = vec![type_oid];
        while let Some(oid) = pending.pop() {
            if oid < crate::catalog::FIRST_USER_OID || !self.types.insert(oid) {
                continue;
            }
            pending.extend(self.types_inside(oid));
        }
    }

    fn types_inside(&self, oid: u32) -> Vec<u32> {
        let Some(held) = self.catalog.type_by_oid(oid) else { return Vec::new() };
        let relation = self.catalog.relation(held.relation).filter(|_| held.kind == TypeKind::Composite);
        let attributes =
            relation.into_iter().flat_map(|relation| relation.columns.iter().map(|column| column.type_oid));
        [held.base, held.element, held.subtype].into_iter().filter(|oid| *oid != 0).chain(attributes).collect()
    }

    /// Code that making a value of this type runs.
    pub(crate) fn type_code(&mut self, type_oid: u32, position: Option<Position>) {
        let mut pending = vec![(type_oid, 0)];
        while let Some((oid, depth)) = pending.pop() {
            if depth > TYPE_DEPTH || oid < crate::catalog::FIRST_USER_OID {
                continue;
            }
            let Some(held) = self.catalog.type_by_oid(oid) else { continue };
            if held.kind == TypeKind::Base && held.element == 0 && held.code.is_some() {
                let name: Arc<str> = format!("{}.{}", held.schema, held.name).into();
                self.call(format!("type {name}"), name, position);
            }
            for check in &held.checks {
                for function in &check.functions {
                    let name = self.catalog.function_name(*function);
                    self.call(format!("domain {}.{} CHECK {}", held.schema, held.name, check.name), name, position);
                }
            }
            pending.extend(self.types_inside(oid).into_iter().map(|oid| (oid, depth + 1)));
        }
    }

    /// The common type of values that CASE, COALESCE, UNION or VALUES bring together; a user cast may run on the way.
    pub(crate) fn brought_together(&mut self, types: impl IntoIterator<Item = Ty>) -> Ty {
        let types: Vec<Ty> = types.into_iter().collect();
        let common = self.common_type(types.iter().copied());
        if let Ty::Oid(target) = common {
            for ty in types {
                self.implicit_code(ty, target, None);
            }
        }
        common
    }

    /// The server's own functions that cast an argument of any type: those written in SQL (`text || anything`, `quote_literal`) to text, and
    /// those that make JSON to `json`.
    pub(crate) fn casts_inside(
        &mut self,
        function: &Function,
        arguments: &[Ty],
        parameters: &[u32],
        position: Option<Position>,
    ) {
        let polymorphic =
            |parameter: u32| self.catalog.type_by_oid(parameter).is_some_and(|held| held.kind == TypeKind::Pseudo);
        if &*function.language == "sql" {
            let cast: Vec<Ty> = arguments
                .iter()
                .zip(parameters)
                .filter(|(_, parameter)| polymorphic(**parameter))
                .map(|(ty, _)| *ty)
                .collect();
            for ty in cast {
                self.converts(ty, Ty::Oid(oid::TEXT), position);
            }
        } else if function.name.contains("json") {
            let cast: Vec<Ty> = arguments
                .iter()
                .zip(parameters)
                .filter(|(_, parameter)| polymorphic(**parameter))
                .map(|(ty, _)| *ty)
                .collect();
            for ty in cast {
                // A row's and an array's parts are cast one by one.
                let whole = ty
                    .known()
                    .and_then(|oid| self.catalog.type_by_oid(oid))
                    .is_some_and(|held| held.element == 0 && matches!(held.kind, TypeKind::Base | TypeKind::Enum));
                let from = if whole { ty } else { Ty::Any };
                self.converts(from, Ty::Oid(oid::JSON), position);
                self.converts(from, Ty::Oid(oid::JSONB), position);
            }
        }
    }

    /// An operand or argument whose type has user casts that apply by themselves might go through one.
    pub(crate) fn implicit_code(&mut self, from: Ty, to: u32, position: Option<Position>) {
        if from.known() != Some(to) && to != oid::ANY && from != Ty::Any {
            for cast in self.user_casts(from, to) {
                let name = self.catalog.function_name(cast.function);
                self.call(format!("cast by {name}"), name, position);
            }
        }
    }
}
