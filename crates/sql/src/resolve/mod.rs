//! Names to what they mean: relations, columns, types, functions and operators, as the server resolves them.

mod candidates;
mod code;
mod coerce;
mod relation;
mod scope;
mod types;

pub(crate) use candidates::{Candidate, Choice, choose};
pub(crate) use relation::{Named, temporary};
pub(crate) use scope::{Column, Cte, From, Item, Scope, Slot, Source, Value};
pub(crate) use types::{Ty, oid};
