//! FROM: which relations a query reads, and what their columns come from.

use std::sync::Arc;

use querygate_record::Effect;
use sqlparser::ast::{Ident, Join, JoinConstraint, JoinOperator, ObjectName, TableAlias, TableFactor, TableWithJoins};

use super::{
    reading::{Reading, VIEW_DEPTH, parts, unsupported},
    scope::{Column, Columns, Scope, Source, same},
};
use crate::{
    catalog::{Relation, RelationKind},
    statement::{Origin, Refusal},
};

/// The server's own databases.
const SYSTEM: &[&str] = &["information_schema", "mysql", "performance_schema", "sys"];

/// What a relation of `information_schema` holds.
enum Described {
    /// Definitions, and nothing of what is stored.
    Whole,
    /// Definitions in some columns, more in others.
    By(&'static Columns),
    /// More than that.
    No,
}

fn described(table: &str) -> Described {
    match table {
        "applicable_roles"
        | "character_sets"
        | "collation_character_set_applicability"
        | "collations"
        | "columns"
        | "enabled_roles"
        | "engines"
        | "key_column_usage"
        | "keywords"
        | "parameters"
        | "referential_constraints"
        | "routines"
        | "schemata"
        | "table_constraints"
        | "views" => Described::Whole,
        "tables" => Described::By(&TABLES),
        "statistics" => Described::By(&STATISTICS),
        _ => Described::No,
    }
}

const TABLES: Columns = Columns {
    shown: &[
        "table_catalog",
        "table_schema",
        "table_name",
        "table_type",
        "engine",
        "version",
        "row_format",
        "table_collation",
        "create_options",
        "table_comment",
        "temporary",
    ],
    hidden: &[
        "auto_increment",
        "avg_row_length",
        "check_time",
        "checksum",
        "create_time",
        "data_free",
        "data_length",
        "index_length",
        "max_data_length",
        "max_index_length",
        "table_rows",
        "update_time",
    ],
};

const STATISTICS: Columns = Columns {
    shown: &[
        "table_catalog",
        "table_schema",
        "table_name",
        "non_unique",
        "index_schema",
        "index_name",
        "seq_in_index",
        "column_name",
        "collation",
        "sub_part",
        "packed",
        "nullable",
        "index_type",
        "comment",
        "index_comment",
        "is_visible",
        "ignored",
        "expression",
    ],
    hidden: &["cardinality"],
};

/// Which side of an outer join may be absent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Absent {
    Neither,
    Left,
    Right,
}

impl Reading<'_> {
    /// Reads FROM into a scope, one relation after the other: later ones see earlier ones where they are lateral.
    pub fn from(&mut self, from: &[TableWithJoins], scope: &mut Scope<'_>) -> Result<(), Refusal> {
        for item in from {
            self.joined(item, scope)?;
        }
        Ok(())
    }

    fn joined(&mut self, item: &TableWithJoins, scope: &mut Scope<'_>) -> Result<(), Refusal> {
        let first = scope.sources.len();
        let before = scope.star.take();
        scope.star = Some(Vec::new());
        self.factor(&item.relation, scope)?;
        for join in &item.joins {
            self.join(join, first, scope)?;
        }
        scope.star = before.zip(scope.star.take()).map(|(mut all, more)| {
            all.extend(more);
            all
        });
        Ok(())
    }

    fn join(&mut self, join: &Join, first: usize, scope: &mut Scope<'_>) -> Result<(), Refusal> {
        let (constraint, absent) = match &join.join_operator {
            JoinOperator::Join(c)
            | JoinOperator::Inner(c)
            | JoinOperator::CrossJoin(c)
            | JoinOperator::StraightJoin(c) => (c, Absent::Neither),
            JoinOperator::Left(c) | JoinOperator::LeftOuter(c) => (c, Absent::Right),
            JoinOperator::Right(c) | JoinOperator::RightOuter(c) => (c, Absent::Left),
            _ => return Err(unsupported("this kind of join", "use JOIN, LEFT JOIN or RIGHT JOIN")),
        };
        if join.global {
            return Err(unsupported("GLOBAL JOIN", "use JOIN"));
        }
        let second = scope.sources.len();
        let left_star = scope.star.take();
        scope.star = Some(Vec::new());
        self.factor(&join.relation, scope)?;
        let right_star = scope.star.take();
        let range = match absent {
            Absent::Neither => 0..0,
            Absent::Left => first..second,
            Absent::Right => second..scope.sources.len(),
        };
        for column in scope.sources.get_mut(range).into_iter().flatten().flat_map(|s| &mut s.columns) {
            may_be_absent(column);
        }
        let stars = left_star.zip(right_star).map(|(mut left, mut right)| {
            match absent {
                Absent::Neither => {}
                Absent::Left => left.iter_mut().for_each(may_be_absent),
                Absent::Right => right.iter_mut().for_each(may_be_absent),
            }
            (left, right)
        });
        match constraint {
            JoinConstraint::On(condition) => {
                let on = "JOIN ... ON".into();
                self.expression(condition, scope, &on)?;
                scope.star = stars.map(|(left, right)| [left, right].concat());
            }
            JoinConstraint::None => scope.star = stars.map(|(left, right)| [left, right].concat()),
            JoinConstraint::Using(columns) => {
                let mut names = Vec::new();
                for name in columns {
                    let [column] = parts(name)?[..] else {
                        return Err(unsupported("a qualified name in USING", "write the column's name alone"));
                    };
                    if scope.sources.iter().any(|s| s.tells_more(&column.value)) {
                        self.opaque(format!("column {} of a system table", column.value.to_lowercase()), "");
                    }
                    names.push(column.value.clone());
                }
                self.common(&names, (first, second), absent, stars, scope);
            }
            JoinConstraint::Natural => {
                let Some((left, right)) = &stars else {
                    return Err(unsupported("NATURAL JOIN of a system table", "use JOIN ... ON"));
                };
                let shared = left.iter().filter(|l| right.iter().any(|r| same(&l.name, &r.name)));
                let names: Vec<String> = shared.map(|c| c.name.to_string()).collect();
                self.common(&names, (first, second), absent, stars, scope);
            }
            JoinConstraint::UsingAlias(..) => return Err(unsupported("USING ... AS", "use USING alone")),
        }
        Ok(())
    }

    /// The columns that a join compares by name: all of them are used. `*` shows them first, once.
    fn common(
        &mut self,
        names: &[String],
        (first, second): (usize, usize),
        absent: Absent,
        stars: Option<(Vec<Column>, Vec<Column>)>,
        scope: &mut Scope<'_>,
    ) {
        let construct: Arc<str> = "JOIN ... USING".into();
        let joined = scope.sources.get(first..).unwrap_or_default();
        debug_assert!(second >= first);
        for column in joined.iter().flat_map(|s| &s.columns).filter(|c| names.iter().any(|n| same(n, &c.name))) {
            self.used_origin(&column.origin, &construct);
        }
        // The order under RIGHT JOIN is not the same in all versions.
        scope.star = stars.filter(|_| absent != Absent::Left).map(|(left, right)| {
            let is_common = |c: &Column| names.iter().any(|n| same(n, &c.name));
            let mut all: Vec<Column> = left.iter().filter(|c| is_common(c)).cloned().collect();
            all.extend(left.into_iter().filter(|c| !is_common(c)));
            all.extend(right.into_iter().filter(|c| !is_common(c)));
            all
        });
    }

    fn factor(&mut self, factor: &TableFactor, scope: &mut Scope<'_>) -> Result<(), Refusal> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                with_hints,
                version: None,
                with_ordinality: false,
                partitions: _,
                json_path: None,
                sample: None,
                index_directives: _,
                inheritance: None,
            } if with_hints.is_empty() => {
                let source = self.named(name, alias.as_ref())?;
                add(scope, source);
                Ok(())
            }
            TableFactor::Derived { lateral, subquery, alias: Some(alias), sample: None } => {
                let columns = match lateral {
                    true => {
                        let around = Scope { star: None, ..scope.clone() };
                        self.query(subquery, Some(&around))?
                    }
                    false => self.query(subquery, scope.outer)?,
                };
                add(scope, Source::listed(alias.name.value.clone(), renamed(columns, alias)?));
                Ok(())
            }
            TableFactor::JsonTable { json_expr, alias: Some(alias), columns: _, json_path: _ } => {
                let around = Scope { star: None, ..scope.clone() };
                self.expression(json_expr, &around, &"JSON_TABLE".into())?;
                // Its columns are computed; their names are not needed to know that.
                add(scope, Source::open(alias.name.value.clone()));
                Ok(())
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => self.joined(table_with_joins, scope),
            _ => Err(unsupported("this form in FROM", "name tables, views or queries in parentheses")),
        }
    }

    /// A table, a view, a CTE or one of the server's own.
    pub fn named(&mut self, name: &ObjectName, alias: Option<&TableAlias>) -> Result<Source, Refusal> {
        self.relations_read += 1;
        let names = parts(name)?;
        let Some(last) = names.last() else { return Err(unsupported("an empty name", "name a table")) };
        if alias.is_some_and(|a| !a.columns.is_empty() || a.at.is_some()) {
            return Err(unsupported("column aliases of a table", "use AS in the list of columns"));
        }
        let alias = alias.map_or_else(|| last.value.clone(), |a| a.name.value.clone());
        if let [only] = names[..]
            && only.quote_style.is_none()
            && only.value.eq_ignore_ascii_case("dual")
        {
            // The word is reserved: a table of that name is written in backticks.
            return Ok(Source::listed(alias, Vec::new()));
        }
        if let [only] = names[..]
            && let Some(columns) = self.cte(&only.value)?
        {
            return Ok(Source::listed(alias, columns));
        }
        if let [database, table] = names[..]
            && SYSTEM.contains(&database.value.to_lowercase().as_str())
        {
            return self.system(&database.value, &table.value, alias);
        }
        if let [only] = names[..]
            && self.is_temporary_name(&only.value)?
        {
            // What a temporary table holds was read under the same masks, or is a constant.
            return Ok(Source { temporary: true, ..Source::open(alias) });
        }
        let relation = self.relation(name)?;
        let columns = self.columns_of(relation)?;
        Ok(Source::listed(alias, columns))
    }

    fn system(&mut self, database: &str, table: &str, alias: String) -> Result<Source, Refusal> {
        let (database, table) = (database.to_lowercase(), table.to_lowercase());
        let name = format!("{database}.{table}");
        self.effect(Effect::Read, &name);
        let described = if database == "information_schema" { described(&table) } else { Described::No };
        let system = match described {
            Described::Whole => None,
            Described::By(columns) => Some(columns),
            Described::No => {
                self.opaque(format!("system table {name}"), "");
                None
            }
        };
        Ok(Source { system, ..Source::open(alias) })
    }

    /// The columns that reading a relation gives; a view's come from its tables.
    pub fn columns_of(&mut self, relation: &Relation) -> Result<Vec<Column>, Refusal> {
        self.table(relation, false);
        self.effect(Effect::Read, &relation.qualified);
        if relation.kind != RelationKind::View {
            let column = |c: &crate::catalog::Column| Column {
                name: Arc::clone(&c.name),
                origin: Origin::Column { column: c.id, nullable_side: false },
            };
            return Ok(relation.columns.iter().map(column).collect());
        }
        let inside = relation.view.as_deref().filter(|_| self.view_depth < VIEW_DEPTH);
        let expanded = inside.map(|text| self.view(text));
        match expanded {
            Some(Ok(columns)) if columns.len() == relation.columns.len() => {
                let named = columns.into_iter().zip(&relation.columns);
                Ok(named.map(|(c, of)| Column { name: Arc::clone(&of.name), origin: c.origin }).collect())
            }
            _ => {
                self.opaque(format!("view {}", relation.qualified), &relation.qualified);
                let column =
                    |c: &crate::catalog::Column| Column { name: Arc::clone(&c.name), origin: Origin::Computed };
                Ok(relation.columns.iter().map(column).collect())
            }
        }
    }
}

fn add(scope: &mut Scope<'_>, source: Source) {
    match &mut scope.star {
        Some(star) if !source.open => star.extend(source.columns.iter().cloned()),
        star => *star = None,
    }
    scope.sources.push(source);
}

fn may_be_absent(column: &mut Column) {
    if let Origin::Column { nullable_side, .. } = &mut column.origin {
        *nullable_side = true;
    }
}

/// The columns of a derived table or CTE under the names that its alias gives them.
pub fn renamed(columns: Vec<Column>, alias: &TableAlias) -> Result<Vec<Column>, Refusal> {
    let names: Vec<&Ident> = alias.columns.iter().map(|c| &c.name).collect();
    if alias.at.is_some() || (!names.is_empty() && names.len() != columns.len()) {
        return Err(unsupported("another number of column names than columns", "name every column, or none"));
    }
    if names.is_empty() {
        return Ok(columns);
    }
    let named = names.into_iter().zip(columns);
    Ok(named.map(|(name, column)| Column { name: name.value.as_str().into(), ..column }).collect())
}
