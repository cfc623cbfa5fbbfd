//! Common table expressions.

use sqlparser::ast::{Query, SetExpr, Spanned, With};

use super::Rows;
use crate::{
    analysis::{Analysis, fold},
    query::{operation, unknown_column},
    resolve::{Column, Cte, From, Scope, Value},
    statement::Refusal,
};

impl Analysis<'_> {
    /// Adds a WITH clause's names to the scope, each analysed once, where it stands.
    pub(crate) fn with(&mut self, with: &With, scope: &mut Scope<'_>) -> Result<(), Refusal> {
        if with.recursive {
            // Under RECURSIVE a later name is already visible: until it is analysed, naming it is refused.
            for cte in &with.cte_tables {
                scope.ctes.push(Cte { name: fold(&cte.alias.name), columns: Vec::new(), open: false, pending: true });
            }
        }
        for cte in &with.cte_tables {
            if cte.from.is_some() {
                return Err(self.unsupported("CTE of another dialect", cte.span()));
            }
            let name = fold(&cte.alias.name);
            let names: Vec<_> = cte.alias.columns.iter().map(|column| fold(&column.name)).collect();
            let mut rows = match (with.recursive, &*cte.query.body) {
                (true, SetExpr::SetOperation { .. }) => self.recursive(&cte.query, &name, &names, scope)?,
                _ => self.query(&cte.query, scope)?,
            };
            rename(&mut rows, &names);
            scope.ctes.retain(|known| known.name != name || !known.pending);
            scope.ctes.push(Cte { name, columns: rows.columns, open: rows.open, pending: false });
        }
        Ok(())
    }

    /// A recursive CTE: the first arm gives the columns that the second one sees.
    fn recursive(
        &mut self,
        query: &Query,
        name: &str,
        names: &[std::sync::Arc<str>],
        outer: &Scope<'_>,
    ) -> Result<Rows, Refusal> {
        let mut scope = outer.inner(From::default());
        if let Some(with) = &query.with {
            self.with(with, &mut scope)?;
        }
        let SetExpr::SetOperation { left, op, right, .. } = &*query.body else {
            return self.query(query, outer);
        };
        self.refuse_query_clauses(query)?;
        let first = self.set_expression(left, &scope)?;
        for column in &first.columns {
            self.used(&column.value, "recursive query");
        }
        let mut seen = Rows { columns: first.columns.iter().map(derived).collect(), open: first.open };
        rename(&mut seen, names);
        let mut inner = scope.inner(From::default());
        inner.ctes.push(Cte { name: name.into(), columns: seen.columns, open: seen.open, pending: false });
        let second = self.set_expression(right, &inner)?;
        let rows = self.unite(first, &second, operation(op));
        self.order_outputs(query.order_by.as_ref(), &rows)?;
        self.limits(query, &scope)?;
        Ok(rows)
    }
}

/// Alias names replace the first columns' own.
pub(crate) fn rename(rows: &mut Rows, names: &[std::sync::Arc<str>]) {
    for (at, name) in names.iter().enumerate() {
        match rows.columns.get_mut(at) {
            Some(column) => column.name = name.clone(),
            None if rows.open => rows.columns.push(unknown_column(name.clone())),
            None => {}
        }
    }
}

fn derived(column: &Column) -> Column {
    Column { name: column.name.clone(), value: Value::derived(column.value.ty, [&column.value]) }
}
