//! Which values a parameter of a function or an operator could take without a written cast.

use super::{Ty, oid};
use crate::{
    analysis::Analysis,
    catalog::{Cast, CastContext, FIRST_USER_OID, TypeKind},
};

impl Analysis<'_> {
    /// Whether the server might pass a value of `from` for a parameter of type `to`. False only where it certainly can't.
    pub(crate) fn coercible(&self, from: Ty, to: u32) -> bool {
        let Ty::Oid(from) = from else { return from != Ty::Any || self.could_be(to) };
        if from == to || to == oid::ANY {
            return true;
        }
        let base = self.base_type(from);
        if base == to {
            return true;
        }
        let (Some(source), Some(target)) = (self.catalog.type_by_oid(base), self.catalog.type_by_oid(to)) else {
            return true;
        };
        if target.kind == TypeKind::Pseudo {
            return match to {
                oid::ANYARRAY | oid::ANYCOMPATIBLEARRAY => source.element != 0 || source.kind == TypeKind::Pseudo,
                oid::ANYENUM => source.kind == TypeKind::Enum,
                oid::ANYRANGE | oid::ANYCOMPATIBLERANGE => source.kind == TypeKind::Range,
                oid::ANYMULTIRANGE | oid::ANYCOMPATIBLEMULTIRANGE => source.kind == TypeKind::Multirange,
                oid::ANYNONARRAY | oid::ANYCOMPATIBLENONARRAY => source.element == 0,
                oid::ANYELEMENT | oid::ANYCOMPATIBLE => true,
                oid::RECORD => source.kind == TypeKind::Composite || base == oid::RECORD,
                _ => source.kind == TypeKind::Pseudo,
            };
        }
        if source.kind == TypeKind::Pseudo {
            // A record becomes any composite, and any array passes for a polymorphic result.
            return true;
        }
        let implicit = self.catalog.cast(base, to).or_else(|| self.catalog.cast(from, to));
        if implicit.is_some_and(|cast| cast.context == CastContext::Implicit) {
            return true;
        }
        if source.element != 0 && target.element != 0 {
            return self.coercible(Ty::Oid(source.element), target.element);
        }
        // A child table's row passes for its parent's.
        source.kind == TypeKind::Composite && target.kind == TypeKind::Composite
    }

    /// Whether a value of unknown type could pass for that type. It is of the server's own types or of one that the statement handles.
    fn could_be(&self, to: u32) -> bool {
        let Some(target) = self.catalog.type_by_oid(to).filter(|held| held.oid >= FIRST_USER_OID) else { return true };
        let closed = target.element == 0
            && matches!(target.kind, TypeKind::Base | TypeKind::Enum | TypeKind::Range | TypeKind::Multirange);
        let cast = |cast: &Cast| cast.target == to && cast.context == CastContext::Implicit;
        !closed || self.any_type || self.types.contains(&to) || self.catalog.user_casts().any(cast)
    }

    /// The result type of a polymorphic function or operator, from what its arguments are.
    pub(crate) fn result_type(&self, result: u32, parameters: &[u32], arguments: &[Ty]) -> Ty {
        let Some(held) = self.catalog.type_by_oid(result) else { return Ty::Any };
        if held.kind != TypeKind::Pseudo {
            return Ty::Oid(result);
        }
        let element = parameters.iter().zip(arguments).find_map(|(parameter, argument)| {
            let known = argument.known()?;
            match *parameter {
                oid::ANYELEMENT | oid::ANYNONARRAY | oid::ANYENUM | oid::ANYCOMPATIBLE | oid::ANYCOMPATIBLENONARRAY => {
                    Some(Ty::Oid(known))
                }
                oid::ANYARRAY | oid::ANYCOMPATIBLEARRAY => Some(self.element_of(*argument)),
                oid::ANYRANGE | oid::ANYCOMPATIBLERANGE | oid::ANYMULTIRANGE | oid::ANYCOMPATIBLEMULTIRANGE => self
                    .catalog
                    .type_by_oid(self.base_type(known))
                    .filter(|held| held.subtype != 0)
                    .map(|held| Ty::Oid(held.subtype)),
                _ => None,
            }
        });
        match (result, element) {
            (
                oid::ANYELEMENT | oid::ANYNONARRAY | oid::ANYENUM | oid::ANYCOMPATIBLE | oid::ANYCOMPATIBLENONARRAY,
                Some(element),
            ) => element,
            (oid::ANYARRAY | oid::ANYCOMPATIBLEARRAY, Some(element)) => self.array_of(element),
            (oid::ANYRANGE | oid::ANYMULTIRANGE | oid::ANYCOMPATIBLERANGE | oid::ANYCOMPATIBLEMULTIRANGE, _) => {
                let same = parameters.iter().zip(arguments).find(|(parameter, _)| **parameter == result);
                same.map_or(Ty::Any, |(_, argument)| *argument)
            }
            (oid::RECORD, _) => Ty::Oid(oid::RECORD),
            _ => Ty::Any,
        }
    }

    /// The type that CASE, COALESCE, UNION and VALUES give to what they bring together.
    pub(crate) fn common_type(&self, types: impl IntoIterator<Item = Ty>) -> Ty {
        let mut common: Option<u32> = None;
        for ty in types {
            match (ty, common) {
                (Ty::Literal, _) => {}
                (Ty::Oid(oid), None) => common = Some(oid),
                (Ty::Oid(oid), Some(held)) if oid == held => {}
                (Ty::Oid(new), Some(held)) => {
                    let (Some(a), Some(b)) =
                        (self.catalog.type_by_oid(self.base_type(new)), self.catalog.type_by_oid(self.base_type(held)))
                    else {
                        return Ty::Any;
                    };
                    if a.category != b.category || !(self.coercible(ty, held) || self.coercible(Ty::Oid(held), new)) {
                        return Ty::Any;
                    }
                    if !b.preferred && self.coercible(Ty::Oid(held), new) && !self.coercible(ty, held)
                        || a.preferred && !b.preferred
                    {
                        common = Some(new);
                    }
                }
                _ => return Ty::Any,
            }
        }
        common.map_or(Ty::Oid(oid::TEXT), Ty::Oid)
    }
}
