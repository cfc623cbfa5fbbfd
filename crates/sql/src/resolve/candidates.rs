//! Which of several functions or operators of one name the server picks (`func_get_detail` and `func_select_candidate` in
//! `src/backend/parser/parse_func.c`). Where that can't be said for certain, all that remain are told.

use super::{Ty, oid};
use crate::{analysis::Analysis, catalog::TypeKind};

/// One function or operator, its parameters already as many as there are arguments.
#[derive(Clone, Debug)]
pub(crate) struct Candidate<T> {
    pub parameters: Vec<u32>,
    pub system: bool,
    pub what: T,
}

/// What the server picks.
#[derive(Clone, Debug)]
pub(crate) enum Choice<T> {
    /// No candidate takes these arguments.
    None,
    /// This one for certain.
    One(Candidate<T>),
    /// One of these.
    Doubt(Vec<Candidate<T>>),
}

/// Picks among candidates given in the order of the search path.
pub(crate) fn choose<T: Clone>(analysis: &Analysis<'_>, arguments: &[Ty], candidates: Vec<Candidate<T>>) -> Choice<T> {
    let mut distinct: Vec<Candidate<T>> = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        if !distinct.iter().any(|known| known.parameters == candidate.parameters) {
            distinct.push(candidate);
        }
    }
    let exact = |candidate: &Candidate<T>| {
        candidate.parameters.iter().zip(arguments).all(|(parameter, argument)| *argument == Ty::Oid(*parameter))
    };
    if let Some(found) = distinct.iter().find(|candidate| exact(candidate)) {
        return Choice::One(found.clone());
    }
    let mut possible: Vec<Candidate<T>> = distinct
        .into_iter()
        .filter(|candidate| {
            candidate
                .parameters
                .iter()
                .zip(arguments)
                .all(|(parameter, argument)| analysis.coercible(*argument, *parameter))
        })
        .collect();
    if possible.len() <= 1 {
        return possible.pop().map_or(Choice::None, Choice::One);
    }
    // A parameter is of a built-in type or left to the server, like a literal: a client that declares one of a user's types is refused.
    let unclear = |candidate: &Candidate<T>| {
        !candidate.system
            && candidate.parameters.iter().zip(arguments).any(|(parameter, argument)| match argument {
                Ty::Any => true,
                Ty::Parameter => *parameter < crate::catalog::FIRST_USER_OID,
                Ty::Oid(_) | Ty::Literal => false,
            })
    };
    if possible.iter().any(unclear) {
        return Choice::Doubt(possible);
    }
    select(analysis, arguments, possible)
}

fn select<T: Clone>(analysis: &Analysis<'_>, arguments: &[Ty], possible: Vec<Candidate<T>>) -> Choice<T> {
    let known: Vec<Option<u32>> = arguments.iter().map(|ty| ty.known().map(|oid| analysis.base_type(oid))).collect();
    let category = |oid: u32| analysis.catalog.type_by_oid(oid).map_or('X', |held| held.category);
    let preferred = |oid: u32| analysis.catalog.type_by_oid(oid).is_some_and(|held| held.preferred);
    let matching = |candidate: &Candidate<T>, fits: &dyn Fn(u32, u32) -> bool| {
        candidate
            .parameters
            .iter()
            .zip(&known)
            .filter(|(parameter, argument)| argument.is_some_and(|a| fits(a, **parameter)))
            .count()
    };
    let possible = best(possible, |candidate| matching(candidate, &|argument, parameter| argument == parameter));
    let possible = best(possible, |candidate| {
        matching(candidate, &|argument, parameter| {
            argument == parameter || (category(argument) == category(parameter) && preferred(parameter))
        })
    });
    if possible.len() == 1 || known.iter().all(Option::is_some) {
        return decided(possible);
    }
    let mut fitting = possible.clone();
    for (slot, _) in known.iter().enumerate().filter(|(_, argument)| argument.is_none()) {
        let types: Vec<u32> = possible.iter().filter_map(|candidate| candidate.parameters.get(slot).copied()).collect();
        let wanted = if types.iter().any(|oid| category(*oid) == 'S') {
            'S'
        } else {
            match types.first().map(|oid| category(*oid)) {
                Some(first) if types.iter().all(|oid| category(*oid) == first) => first,
                _ => {
                    fitting.clear();
                    break;
                }
            }
        };
        let only_preferred = types.iter().any(|oid| category(*oid) == wanted && preferred(*oid));
        fitting.retain(|candidate| {
            candidate
                .parameters
                .get(slot)
                .is_some_and(|oid| category(*oid) == wanted && (!only_preferred || preferred(*oid)))
        });
    }
    if fitting.len() == 1 {
        return decided(fitting);
    }
    let possible = if fitting.is_empty() { possible } else { fitting };
    // All known arguments of one type: the unknown ones are taken to be of it too.
    let mut types = known.iter().flatten();
    if let Some(first) = types.next().filter(|first| types.all(|other| other == *first)) {
        let same: Vec<Candidate<T>> = possible
            .iter()
            .filter(|candidate| {
                candidate.parameters.iter().all(|parameter| analysis.coercible(Ty::Oid(*first), *parameter))
            })
            .cloned()
            .collect();
        if same.len() == 1 {
            return decided(same);
        }
    }
    decided(possible)
}

fn best<T>(candidates: Vec<Candidate<T>>, score: impl Fn(&Candidate<T>) -> usize) -> Vec<Candidate<T>> {
    let Some(highest) = candidates.iter().map(&score).max() else { return candidates };
    candidates.into_iter().filter(|candidate| score(candidate) == highest).collect()
}

fn decided<T>(mut candidates: Vec<Candidate<T>>) -> Choice<T> {
    match candidates.len() {
        1 => candidates.pop().map_or(Choice::None, Choice::One),
        _ => Choice::Doubt(candidates),
    }
}

impl Analysis<'_> {
    /// A function's parameters for that many arguments; none if it can't be called with so many.
    pub(crate) fn parameters_for(
        &self,
        function: &crate::catalog::Function,
        count: usize,
        spread: bool,
    ) -> Option<Vec<u32>> {
        let declared = &function.arguments;
        if function.variadic != 0 && !spread && count >= declared.len() {
            let fixed = declared.len().saturating_sub(1);
            let mut parameters: Vec<u32> = declared.iter().take(fixed).copied().collect();
            let element = if function.variadic == oid::ANY { oid::ANY } else { function.variadic };
            parameters.resize(count, element);
            return Some(parameters);
        }
        let least = declared.len().saturating_sub(function.defaults).saturating_sub(usize::from(
            function.variadic != 0 && !spread && function.defaults == 0 && count + 1 == declared.len(),
        ));
        (least..=declared.len()).contains(&count).then(|| declared.iter().take(count).copied().collect())
    }

    /// Whether a type is a row.
    pub(crate) fn is_row(&self, ty: Ty) -> bool {
        ty.known().is_some_and(|found| {
            found == oid::RECORD || self.catalog.type_by_oid(found).is_some_and(|held| held.kind == TypeKind::Composite)
        })
    }
}
