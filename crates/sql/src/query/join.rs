//! Joins: conditions, merged columns, and which side may be missing.

use std::sync::Arc;

use sqlparser::ast::{JoinConstraint, JoinOperator, ObjectName};

use super::unknown_column;
use crate::{
    analysis::{Analysis, fold},
    resolve::{Column, From, Item, Scope, Ty, Value},
    statement::Refusal,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Inner,
    Left,
    Right,
    Full,
}

impl Analysis<'_> {
    pub(crate) fn join(
        &mut self,
        left: From,
        right: From,
        operator: &JoinOperator,
        outer: &Scope<'_>,
    ) -> Result<From, Refusal> {
        let (kind, constraint) = match operator {
            JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) | JoinOperator::CrossJoin(constraint) => {
                (Kind::Inner, constraint)
            }
            JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => (Kind::Left, constraint),
            JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => (Kind::Right, constraint),
            JoinOperator::FullOuter(constraint) => (Kind::Full, constraint),
            _ => return Err(self.unsupported("join of another dialect", sqlparser::tokenizer::Span::empty())),
        };
        let names: Vec<Arc<str>> = match constraint {
            JoinConstraint::On(condition) => {
                let scope = outer.inner(left.clone().join(right.clone()));
                self.condition(condition, &scope, "JOIN")?;
                Vec::new()
            }
            JoinConstraint::None => Vec::new(),
            JoinConstraint::Using(columns) | JoinConstraint::UsingAlias(columns, _) => self.using(columns)?,
            JoinConstraint::Natural => {
                if left.open || right.open {
                    return Err(
                        self.unsupported("NATURAL JOIN with a temporary table", sqlparser::tokenizer::Span::empty())
                    );
                }
                let shared =
                    left.columns.iter().filter(|column| right.columns.iter().any(|other| other.name == column.name));
                shared.map(|column| Arc::clone(&column.name)).collect()
            }
        };
        let left = if matches!(kind, Kind::Right | Kind::Full) { left.nullable() } else { left };
        let right = if matches!(kind, Kind::Left | Kind::Full) { right.nullable() } else { right };
        let merged = self.merge(&left, &right, &names, kind)?;
        let mut joined = merge_into(left, right, &merged);
        if let JoinConstraint::UsingAlias(_, alias) = constraint {
            joined.items.push(Item {
                name: Some(fold(alias)),
                schema: None,
                relation: None,
                row_type: Ty::Any,
                columns: merged,
                open: false,
            });
        }
        Ok(joined)
    }

    fn using(&mut self, columns: &[ObjectName]) -> Result<Vec<Arc<str>>, Refusal> {
        let mut names = Vec::with_capacity(columns.len());
        for column in columns {
            match column.0.as_slice() {
                [part] if part.as_ident().is_some() => names.extend(part.as_ident().map(fold)),
                _ => return Err(self.unsupported("USING", sqlparser::tokenizer::Span::empty())),
            }
        }
        Ok(names)
    }

    /// The columns that USING or NATURAL compares and merges.
    fn merge(&mut self, left: &From, right: &From, names: &[Arc<str>], kind: Kind) -> Result<Vec<Column>, Refusal> {
        let mut merged = Vec::with_capacity(names.len());
        for name in names {
            let a = self.side(left, name)?;
            let b = self.side(right, name)?;
            self.column_read(&a);
            self.column_read(&b);
            let result = self.operator("=", None, Some(&a), &b, Some("JOIN USING"));
            let value = match kind {
                // Sides of two types are brought to one, so neither is a plain column any more.
                Kind::Inner | Kind::Left if a.ty == b.ty => a,
                Kind::Right if a.ty == b.ty => b,
                _ => Value::derived(self.common_type([a.ty, b.ty]), [&a, &b, &result]),
            };
            merged.push(Column { name: Arc::clone(name), value });
        }
        Ok(merged)
    }

    fn side(&mut self, from: &From, name: &Arc<str>) -> Result<Value, Refusal> {
        let mut found = from.columns.iter().filter(|column| column.name == *name);
        match (found.next(), found.next()) {
            (Some(column), None) => Ok(column.value.clone()),
            (None, _) if from.open => Ok(unknown_column(Arc::clone(name)).value),
            (None, _) => Err(self.unknown_name(name, None)),
            (Some(_), Some(_)) => Err(self.ambiguous_name(name, None)),
        }
    }
}

/// `*` gives the merged columns first, then the rest of either side.
fn merge_into(left: From, right: From, merged: &[Column]) -> From {
    let is_merged = |column: &Column| merged.iter().any(|other| other.name == column.name);
    let rest = left.columns.into_iter().chain(right.columns).filter(|column| !is_merged(column));
    let columns = merged.iter().cloned().chain(rest).collect();
    let items = left.items.into_iter().chain(right.items).collect();
    From { items, columns, open: left.open || right.open }
}
