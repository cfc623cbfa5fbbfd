//! FROM: tables, derived tables, functions and their aliases.

use std::sync::Arc;

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgumentList, FunctionArguments, ObjectName, Query, Spanned, TableAlias,
    TableFactor, TableSampleKind, TableWithJoins,
};

use super::{call::Called, unknown_column};
use crate::{
    analysis::{Analysis, fold},
    resolve::{Column, From, Item, Scope, Ty, Value, oid},
    statement::Refusal,
};

/// Tables, subqueries and functions in one FROM.
const FROM_ITEMS: usize = 300;

/// Columns of them all.
const FROM_COLUMNS: usize = 20_000;

impl Analysis<'_> {
    /// A FROM list. `outer` holds what is visible outside it; LATERAL items also see those to their left.
    pub(crate) fn clause_from(&mut self, list: &[TableWithJoins], outer: &Scope<'_>) -> Result<From, Refusal> {
        let mut from = From::default();
        for tables in list {
            let part = self.tables(tables, outer, &from)?;
            from = from.join(part);
            self.bounded_from(&from)?;
        }
        Ok(from)
    }

    /// Items see those before them, so the work grows with the square of their number.
    fn bounded_from(&self, from: &From) -> Result<(), Refusal> {
        if from.items.len() > FROM_ITEMS || from.columns.len() > FROM_COLUMNS {
            return Err(self.too_many("FROM of too many tables"));
        }
        Ok(())
    }

    /// One table with its joins.
    pub(crate) fn tables(
        &mut self,
        tables: &TableWithJoins,
        outer: &Scope<'_>,
        siblings: &From,
    ) -> Result<From, Refusal> {
        let mut left = self.factor(&tables.relation, outer, siblings)?;
        for join in &tables.joins {
            let visible = siblings.clone().join(left.clone());
            let right = self.factor(&join.relation, outer, &visible)?;
            left = self.join(left, right, &join.join_operator, outer)?;
            self.bounded_from(&left)?;
        }
        Ok(left)
    }

    /// One item of FROM.
    pub(crate) fn factor(&mut self, factor: &TableFactor, outer: &Scope<'_>, siblings: &From) -> Result<From, Refusal> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                with_hints,
                version,
                with_ordinality,
                partitions,
                json_path,
                sample,
                index_directives,
                inheritance: _,
            } => {
                let foreign = !with_hints.is_empty()
                    || version.is_some()
                    || *with_ordinality
                    || !partitions.is_empty()
                    || json_path.is_some()
                    || !index_directives.is_empty();
                if foreign {
                    return Err(self.unsupported("table options of another dialect", factor.span()));
                }
                let item = self.table_item(name, outer)?;
                self.sampled(sample.as_ref(), &item);
                Ok(From::of(self.aliased(item, alias.as_ref())?))
            }
            TableFactor::Table { name, alias, args: Some(args), with_ordinality, .. } => {
                self.table_function(name, &args.args, alias.as_ref(), *with_ordinality, &outer.inner(siblings.clone()))
            }
            TableFactor::Function { lateral: _, name, args, with_ordinality, alias } => {
                self.table_function(name, args, alias.as_ref(), *with_ordinality, &outer.inner(siblings.clone()))
            }
            TableFactor::UNNEST { alias, array_exprs, with_offset, with_offset_alias, with_ordinality } => {
                if *with_offset || with_offset_alias.is_some() {
                    return Err(self.unsupported("WITH OFFSET", factor.span()));
                }
                self.unnest(array_exprs, alias.as_ref(), *with_ordinality, &outer.inner(siblings.clone()))
            }
            TableFactor::Derived { lateral, subquery, alias, sample: None } => self.derived(
                subquery,
                alias.as_ref(),
                &if *lateral { outer.inner(siblings.clone()) } else { outer.inner(From::default()) },
            ),
            TableFactor::NestedJoin { table_with_joins, alias } => {
                let inner = self.tables(table_with_joins, outer, siblings)?;
                match alias {
                    None => Ok(inner),
                    Some(_) => {
                        let item = Item {
                            name: None,
                            schema: None,
                            relation: None,
                            row_type: Ty::Any,
                            columns: inner.columns,
                            open: inner.open,
                        };
                        Ok(From::of(self.aliased(item, alias.as_ref())?))
                    }
                }
            }
            _ => Err(self.unsupported("table expression", factor.span())),
        }
    }

    fn table_item(&mut self, name: &ObjectName, outer: &Scope<'_>) -> Result<Item, Refusal> {
        if let [part] = name.0.as_slice()
            && let Some(ident) = part.as_ident()
            && let Some(cte) = outer.cte(&fold(ident))
        {
            if cte.pending {
                return Err(self.unsupported(format!("reference to {} before its definition", cte.name), ident.span));
            }
            let (name, columns, open) = (Arc::clone(&cte.name), cte.columns.clone(), cte.open);
            return Ok(Item { name: Some(name), schema: None, relation: None, row_type: Ty::Any, columns, open });
        }
        let named = self.named(name)?;
        let position = self.position(name.span());
        self.read_relation(&named, position)
    }

    fn derived(&mut self, subquery: &Query, alias: Option<&TableAlias>, env: &Scope<'_>) -> Result<From, Refusal> {
        let rows = self.query(subquery, env)?;
        let item = Item {
            name: None,
            schema: None,
            relation: None,
            row_type: Ty::Any,
            columns: rows.columns,
            open: rows.open,
        };
        Ok(From::of(self.aliased(item, alias)?))
    }

    /// Samples are taken by page, and what fits on a page hangs on every value of the row.
    fn sampled(&mut self, sample: Option<&TableSampleKind>, item: &Item) {
        if sample.is_some() {
            item.columns.iter().for_each(|column| self.used(&column.value, "TABLESAMPLE"));
        }
    }

    /// The alias hides the relation's own name, and renames its first columns.
    pub(crate) fn aliased(&mut self, mut item: Item, alias: Option<&TableAlias>) -> Result<Item, Refusal> {
        let Some(alias) = alias else { return Ok(item) };
        if alias.at.is_some() {
            return Err(self.unsupported("alias with AT", alias.name.span));
        }
        item.name = Some(fold(&alias.name));
        item.schema = None;
        for (at, named) in alias.columns.iter().enumerate() {
            let name = fold(&named.name);
            match item.columns.get_mut(at) {
                Some(column) => column.name = name,
                None if item.open => item.columns.push(unknown_column(name)),
                None => {}
            }
        }
        Ok(item)
    }

    fn unnest(
        &mut self,
        arrays: &[Expr],
        alias: Option<&TableAlias>,
        ordinality: bool,
        env: &Scope<'_>,
    ) -> Result<From, Refusal> {
        let mut columns = Vec::with_capacity(arrays.len() + 1);
        for array in arrays {
            let value = self.expression(array, env, None)?;
            self.used(&value, "function unnest");
            columns.push(Column { name: "unnest".into(), value: Value::derived(self.element_of(value.ty), [&value]) });
        }
        self.function(&"pg_catalog.unnest".into());
        if let ([column], Some(alias)) = (columns.as_mut_slice(), alias) {
            column.name = fold(&alias.name);
        }
        self.function_item("unnest".into(), columns, alias, ordinality)
    }

    fn table_function(
        &mut self,
        name: &ObjectName,
        args: &[FunctionArg],
        alias: Option<&TableAlias>,
        ordinality: bool,
        env: &Scope<'_>,
    ) -> Result<From, Refusal> {
        let call = Function {
            name: name.clone(),
            uses_odbc_syntax: false,
            parameters: FunctionArguments::None,
            args: FunctionArguments::List(FunctionArgumentList {
                duplicate_treatment: None,
                args: args.to_vec(),
                clauses: Vec::new(),
            }),
            within_group: Vec::new(),
            filter: None,
            null_treatment: None,
            over: None,
        };
        let Called { value, outputs, .. } = self.call_function(&call, env, None)?;
        let own: Arc<str> = name.0.last().and_then(|part| part.as_ident()).map_or_else(|| "?column?".into(), fold);
        let columns = if let Some(definitions) =
            alias.filter(|alias| alias.columns.iter().any(|column| column.data_type.is_some()))
        {
            let typed = definitions.columns.iter().map(|column| {
                let ty = column.data_type.as_ref().map_or(Ty::Any, |data_type| self.data_type(data_type));
                self.converts(Ty::Literal, ty, None);
                Column { name: fold(&column.name), value: Value::derived(ty, [&value]) }
            });
            typed.collect()
        } else if outputs.is_empty() {
            let label = alias.map_or_else(|| Arc::clone(&own), |alias| fold(&alias.name));
            let mut columns = vec![Column { name: label, value: Value::derived(value.ty, [&value]) }];
            if value.ty == Ty::Oid(oid::RECORD) || value.ty == Ty::Any {
                // A record of unknown shape: PG wants a column list, and without one it has none that could be named.
                columns = alias
                    .map_or(columns, |alias| {
                        alias
                            .columns
                            .iter()
                            .map(|c| Column { name: fold(&c.name), value: Value::derived(Ty::Any, [&value]) })
                            .collect::<Vec<_>>()
                    })
                    .into_iter()
                    .collect();
                if columns.is_empty() {
                    columns.push(Column {
                        name: alias.map_or_else(|| Arc::clone(&own), |alias| fold(&alias.name)),
                        value: Value::derived(Ty::Any, [&value]),
                    });
                }
            }
            columns
        } else {
            outputs.into_iter().map(|(name, ty)| Column { name, value: Value::derived(ty, [&value]) }).collect()
        };
        self.function_item(own, columns, alias, ordinality)
    }

    fn function_item(
        &mut self,
        own: Arc<str>,
        mut columns: Vec<Column>,
        alias: Option<&TableAlias>,
        ordinality: bool,
    ) -> Result<From, Refusal> {
        if ordinality {
            columns.push(Column { name: "ordinality".into(), value: Value::constant(Ty::Oid(oid::INT8)) });
        }
        let item = Item { name: Some(own), schema: None, relation: None, row_type: Ty::Any, columns, open: false };
        Ok(From::of(self.aliased(item, alias)?))
    }
}
