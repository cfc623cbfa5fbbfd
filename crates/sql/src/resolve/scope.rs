//! What is visible at a place of a query, and what a value is.

use std::sync::Arc;

use querygate_record::Position;

use super::Ty;
use crate::{analysis::Found, statement::ColumnId};

/// What an expression's value is.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub ty: Ty,
    pub source: Source,
    /// Literals and parameters in it that belong to no column yet.
    pub slots: Vec<Slot>,
    pub position: Option<Position>,
    /// A view's column: what computing it does, which counts once something refers to it.
    pub deferred: Option<Arc<Found>>,
}

/// Where a value comes from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// A table's column, untouched. Putting it to any use but a result column is a use.
    Plain {
        column: ColumnId,
        /// NULL may mean that an outer join found no row.
        nullable_side: bool,
    },
    /// Computed from these columns, whose uses are recorded.
    Derived(Arc<[ColumnId]>),
    /// A whole row; selecting a field of it gives that column.
    Row(Arc<[Column]>),
}

/// A literal (by the position of its first character) or a parameter (by its number).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    Literal(u32),
    Parameter(usize),
}

impl Value {
    /// A value that no column goes into.
    pub(crate) fn constant(ty: Ty) -> Value {
        Value { ty, source: Source::Derived(Arc::new([])), slots: Vec::new(), position: None, deferred: None }
    }

    /// A value computed from others.
    pub(crate) fn derived<'v>(ty: Ty, from: impl IntoIterator<Item = &'v Value>) -> Value {
        let mut columns = Vec::new();
        let mut slots = Vec::new();
        for value in from {
            value.add_columns(&mut columns);
            slots.extend(value.slots.iter().copied());
        }
        Value { ty, source: Source::Derived(columns.into()), slots, position: None, deferred: None }
    }

    /// The table columns that it comes from.
    pub(crate) fn columns(&self) -> Vec<ColumnId> {
        let mut columns = Vec::new();
        self.add_columns(&mut columns);
        columns
    }

    fn add_columns(&self, columns: &mut Vec<ColumnId>) {
        let mut add = |column: ColumnId| {
            if !columns.contains(&column) {
                columns.push(column);
            }
        };
        match &self.source {
            Source::Plain { column, .. } => add(*column),
            Source::Derived(from) => from.iter().copied().for_each(add),
            Source::Row(row) => {
                for column in row.iter() {
                    column.value.add_columns(columns);
                }
            }
        }
    }

    /// The same value seen through the nullable side of an outer join.
    pub(crate) fn nullable(mut self) -> Value {
        if let Source::Plain { nullable_side, .. } = &mut self.source {
            *nullable_side = true;
        }
        self
    }
}

/// A column of a query's result, of a relation or of a FROM item.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub name: Arc<str>,
    pub value: Value,
}

/// Something in FROM that a qualified name can refer to.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// Alias or relation name; none for what can't be referred to.
    pub name: Option<Arc<str>>,
    /// Its schema, where it has no alias.
    pub schema: Option<Arc<str>>,
    /// The relation's OID, for system columns.
    pub relation: Option<u32>,
    pub row_type: Ty,
    pub columns: Vec<Column>,
    /// It has columns that aren't known (a temporary table).
    pub open: bool,
}

/// The result of FROM, or of a part of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct From {
    pub items: Vec<Item>,
    /// What `*` gives and what unqualified names see, in order.
    pub columns: Vec<Column>,
    /// Some item has columns that aren't known.
    pub open: bool,
}

impl From {
    pub(crate) fn of(item: Item) -> From {
        From { columns: item.columns.clone(), open: item.open, items: vec![item] }
    }

    /// Both, side by side.
    pub(crate) fn join(mut self, other: From) -> From {
        self.items.extend(other.items);
        self.columns.extend(other.columns);
        self.open |= other.open;
        self
    }

    /// Everything in it may be NULL because an outer join found no row.
    pub(crate) fn nullable(mut self) -> From {
        for column in self.columns.iter_mut().chain(self.items.iter_mut().flat_map(|item| &mut item.columns)) {
            column.value = column.value.clone().nullable();
        }
        self
    }
}

/// A common table expression, or a name that stands for rows (OLD and NEW of a trigger's transition).
#[derive(Clone, Debug)]
pub(crate) struct Cte {
    pub name: Arc<str>,
    pub columns: Vec<Column>,
    pub open: bool,
    /// It is visible (WITH RECURSIVE) but not analysed yet.
    pub pending: bool,
}

/// What names mean at one level of a query; outer levels behind it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope<'p> {
    pub parent: Option<&'p Scope<'p>>,
    pub from: From,
    pub ctes: Vec<Cte>,
}

impl<'p> Scope<'p> {
    /// A level inside this one.
    pub(crate) fn inner<'q>(&'q self, from: From) -> Scope<'q>
    where
        'p: 'q,
    {
        Scope { parent: Some(self), from, ctes: Vec::new() }
    }

    /// This level and those outside it.
    pub(crate) fn levels(&self) -> impl Iterator<Item = &Scope<'p>> {
        let mut next = Some(self);
        std::iter::from_fn(move || {
            let this = next?;
            next = this.parent;
            Some(this)
        })
    }

    /// The CTE of that name.
    pub(crate) fn cte(&self, name: &str) -> Option<&Cte> {
        self.levels().find_map(|level| level.ctes.iter().rev().find(|cte| &*cte.name == name))
    }

    /// The FROM item that a qualifier means: the nearest.
    pub(crate) fn item(&self, schema: Option<&str>, name: &str) -> Option<&Item> {
        self.levels().find_map(|level| {
            level.from.items.iter().find(|item| {
                item.name.as_deref() == Some(name) && (schema.is_none() || item.schema.as_deref() == schema)
            })
        })
    }
}
