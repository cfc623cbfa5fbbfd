//! User code that runs without being called by name: casts, domains' checks, types' own input.

use std::sync::Arc;

use querygate_record::Position;

use super::{Ty, oid};
use crate::{
    analysis::Analysis,
    catalog::{Cast, TypeKind},
};

/// Types inside types are followed this deep.
const TYPE_DEPTH: usize = 16;

impl Analysis<'_> {
    /// Converting something to this type: records the code that the type itself runs, and a user cast that could apply.
    pub(crate) fn converts(&mut self, from: Ty, to: Ty, position: Option<Position>) {
        let Some(target) = to.known() else { return };
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
            let source_is_built_in = self.catalog.type_by_oid(cast.source).is_some_and(|held| held.oid < crate::catalog::FIRST_USER_OID);
            targets.contains(&cast.target)
                && match from {
                    Ty::Oid(oid) => [oid, self.base_type(oid), bare(oid)].contains(&cast.source),
                    // A parameter is of a built-in type: others must be declared, which the session doesn't let through.
                    Ty::Parameter => source_is_built_in,
                    Ty::Literal => false,
                    Ty::Any => true,
                }
        };
        self.catalog.user_casts().filter(|cast| cast.function != 0 && fits(cast)).copied().collect()
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
            let relation = self.catalog.relation(held.relation).filter(|_| held.kind == TypeKind::Composite);
            let inner = [held.base, held.element, held.subtype].into_iter().filter(|oid| *oid != 0);
            let attributes = relation.into_iter().flat_map(|relation| relation.columns.iter().map(|column| column.type_oid));
            pending.extend(inner.chain(attributes).map(|oid| (oid, depth + 1)));
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
