//! INSERT, REPLACE, UPDATE and DELETE: what is written, and what failing or not would tell.

use std::sync::Arc;

use querygate_record::{Effect, Engine};
use sqlparser::ast::{
    Assignment, AssignmentTarget, BinaryOperator, Delete, Expr, FromTable, Ident, InTarget, Insert, ObjectName,
    OnInsert, SelectItem, SetExpr, TableFactor, TableObject, TableWithJoins, UnaryOperator, Update, Value,
};

use super::{
    delete_joined::is_joined,
    expression::unknown_column,
    reading::{Reading, parts, unsupported},
    scope::{Column, Scope, Source, same},
};
use crate::{
    catalog::{self, ConstraintKind, Relation, RelationKind},
    statement::{ColumnId, Compared, EffectOn, Origin, Refusal, Write},
};

/// Foreign keys that pass a deletion on are followed this deep.
pub const CASCADE_DEPTH: usize = 8;

impl<'c> Reading<'c> {
    /// Reads INSERT or REPLACE; the columns that its RETURNING shows come back.
    pub fn insert(&mut self, insert: &Insert) -> Result<Option<Vec<Column>>, Refusal> {
        let TableObject::TableName(name) = &insert.table else {
            return Err(unsupported("this target of INSERT", "name a table"));
        };
        let plain = insert.or.is_none()
            && !insert.overwrite
            && !insert.by_name
            && insert.partitioned.is_none()
            && insert.after_columns.is_empty()
            && insert.overriding.is_none()
            && insert.output.is_none()
            && insert.settings.is_none()
            && insert.table_alias.is_none();
        if !plain {
            return Err(unsupported("a clause of this INSERT", "leave it out"));
        }
        self.relations_read += 1;
        if self.is_temporary(name)? {
            return self.insert_temporary(insert).map(|()| None);
        }
        let relation = self.target(name)?;
        self.effect(Effect::Insert, &relation.qualified);
        if insert.replace_into {
            self.effect(Effect::Delete, &relation.qualified);
            self.consequences_of_delete(relation, &EffectOn::new(Effect::Delete, ""), CASCADE_DEPTH);
        }
        let columns: Vec<&catalog::Column> = match insert.columns.is_empty() {
            true => relation.columns.iter().collect(),
            false => insert.columns.iter().map(|name| column_of(relation, name)).collect::<Result<_, _>>()?,
        };
        let mut scope = Scope { sources: vec![own_source(relation)], ..Scope::within(None) };
        let constant = self.inserted(insert, &scope)?;
        if insert.assignments.is_empty() {
            self.write(columns.iter().map(|c| c.id), constant);
        }
        for assignment in &insert.assignments {
            self.assign_in(relation, assignment, &scope)?;
        }
        self.consequences_of_insert(relation);
        if let Some(alias) = &insert.insert_alias {
            let computed = |c: &catalog::Column| Column { name: Arc::clone(&c.name), origin: Origin::Computed };
            let alias = parts(&alias.row_alias)?.last().map(|a| a.value.clone()).unwrap_or_default();
            scope.sources.push(Source::listed(alias, relation.columns.iter().map(computed).collect()));
        }
        match &insert.on {
            None => {}
            Some(OnInsert::DuplicateKeyUpdate(assignments)) => {
                self.effect(Effect::Update, &relation.qualified);
                for assignment in assignments {
                    self.assign_in(relation, assignment, &scope)?;
                }
            }
            Some(_) => return Err(unsupported("ON CONFLICT", "use ON DUPLICATE KEY UPDATE")),
        }
        self.returning(insert.returning.as_deref(), relation)
    }

    /// The columns of RETURNING, which MariaDB alone knows: those of the one table that is changed.
    fn returning(&mut self, items: Option<&[SelectItem]>, relation: &Relation) -> Result<Option<Vec<Column>>, Refusal> {
        let Some(items) = items else { return Ok(None) };
        if self.catalog.engine() != Engine::Mariadb {
            return Err(unsupported("RETURNING", "leave it out, and read the rows"));
        }
        let source = own_source(relation);
        let scope = Scope { star: Some(source.columns.clone()), sources: vec![source], ..Scope::within(None) };
        let mut columns = Vec::new();
        for item in items {
            self.item(item, &scope, &mut columns)?;
        }
        self.effect(Effect::Read, &relation.qualified);
        Ok(Some(columns))
    }

    /// The values or the query of an INSERT; whether all are constants.
    fn inserted(&mut self, insert: &Insert, scope: &Scope<'_>) -> Result<bool, Refusal> {
        let Some(source) = &insert.source else { return Ok(true) };
        if let SetExpr::Values(values) = &*source.body {
            let bare = source.with.is_none() && source.order_by.is_none() && source.limit_clause.is_none();
            if !bare {
                return Err(unsupported("a clause behind VALUES", "leave it out"));
            }
            let mut constant = true;
            for expr in values.rows.iter().flat_map(|row| row.content.iter()) {
                constant &= is_constant(expr);
                self.assigned(expr, scope)?;
            }
            return Ok(constant);
        }
        let construct: Arc<str> = "INSERT ... SELECT".into();
        for column in self.query(source, None)? {
            self.used_origin(&column.origin, &construct);
        }
        Ok(false)
    }

    fn insert_temporary(&mut self, insert: &Insert) -> Result<(), Refusal> {
        if insert.on.is_some() || !insert.assignments.is_empty() || insert.returning.is_some() {
            return Err(unsupported("this form of INSERT into a temporary table", "use VALUES or a query"));
        }
        self.effect(Effect::Session, "");
        let scope = Scope::within(None);
        self.inserted(insert, &scope).map(drop)
    }

    pub fn update(&mut self, update: &Update) -> Result<(), Refusal> {
        let plain = update.on_cluster.is_none()
            && update.from.is_none()
            && update.returning.is_none()
            && update.output.is_none()
            && update.or.is_none()
            && update.settings.is_none();
        if !plain {
            return Err(unsupported("a clause of this UPDATE", "leave it out"));
        }
        let mut scope = Scope::within(None);
        self.from(std::slice::from_ref(&update.table), &mut scope)?;
        let single = self.single(&update.table)?;
        let mut written: Vec<(&'c Relation, i16)> = Vec::new();
        for assignment in &update.assignments {
            let column = self.assign_through(assignment, &scope)?;
            let found = self.catalog.relation(column.table);
            written.extend(found.map(|relation| (relation, column.attribute)));
        }
        self.condition(update.selection.as_ref(), &scope)?;
        self.ordered(&update.order_by, &scope, &[])?;
        if let Some(limit) = &update.limit {
            self.expression(limit, &scope, &"LIMIT".into())?;
        }
        // A join doesn't bound.
        let joined = EffectOn { bounded: false, ..EffectOn::new(Effect::Update, "") };
        let change = single.map_or(joined, |relation| changed(Effect::Update, relation, update.selection.as_ref()));
        for (relation, attribute) in written {
            self.table(relation, true);
            self.effect_on(EffectOn { object: Arc::clone(&relation.qualified), ..change.clone() });
            self.consequences_of_update(relation, attribute);
        }
        Ok(())
    }

    /// Reads DELETE; the columns that its RETURNING shows come back.
    pub fn delete(&mut self, delete: &Delete) -> Result<Option<Vec<Column>>, Refusal> {
        let plain = delete.on_cluster.is_none() && delete.output.is_none() && delete.settings.is_none();
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        if plain && is_joined(delete) {
            return self.delete_joined(delete, from).map(|()| None);
        }
        let [table] = from.as_slice() else {
            return Err(unsupported("DELETE from several tables", "delete from one table at a time"));
        };
        if !plain || !table.joins.is_empty() {
            return Err(unsupported("this form of DELETE", "write DELETE FROM table WHERE ..."));
        }
        if let TableFactor::Table { name, .. } = &table.relation
            && self.is_temporary(name)?
        {
            if delete.returning.is_some() {
                return Err(unsupported("RETURNING of a temporary table", "leave it out, and read the rows"));
            }
            self.effect(Effect::Session, "");
            let mut scope = Scope::within(None);
            self.from(from, &mut scope)?;
            return self.condition(delete.selection.as_ref(), &scope).map(|()| None);
        }
        let mut scope = Scope::within(None);
        self.from(from, &mut scope)?;
        let relation = self.single(table)?.ok_or_else(|| unsupported("this target of DELETE", "name a table"))?;
        self.condition(delete.selection.as_ref(), &scope)?;
        self.ordered(&delete.order_by, &scope, &[])?;
        if let Some(limit) = &delete.limit {
            self.expression(limit, &scope, &"LIMIT".into())?;
        }
        let change = changed(Effect::Delete, relation, delete.selection.as_ref());
        self.table(relation, true);
        self.effect_on(change.clone());
        self.consequences_of_delete(relation, &change, CASCADE_DEPTH);
        self.returning(delete.returning.as_deref(), relation)
    }

    pub fn condition(&mut self, condition: Option<&Expr>, scope: &Scope<'_>) -> Result<(), Refusal> {
        condition.map_or(Ok(()), |condition| self.expression(condition, scope, &"WHERE".into()))
    }

    /// The one table that is changed; none where there are several.
    fn single(&mut self, table: &TableWithJoins) -> Result<Option<&'c Relation>, Refusal> {
        match &table.relation {
            TableFactor::Table { name, .. } if table.joins.is_empty() => self.target(name).map(Some),
            _ => Ok(None),
        }
    }

    pub fn target(&mut self, name: &ObjectName) -> Result<&'c Relation, Refusal> {
        let relation = self.relation(name)?;
        if relation.kind == RelationKind::View {
            return Err(unsupported("a change through a view", "change its table"));
        }
        self.table(relation, true);
        Ok(relation)
    }

    pub fn is_temporary(&self, name: &ObjectName) -> Result<bool, Refusal> {
        let names = parts(name)?;
        names.last().map_or(Ok(false), |last| self.is_temporary_name(&last.value))
    }

    fn write(&mut self, columns: impl IntoIterator<Item = ColumnId>, constant: bool) {
        for column in columns {
            self.writes.push(Write { column, constant, position: None });
        }
    }

    fn assign_in(&mut self, relation: &Relation, assignment: &Assignment, scope: &Scope<'_>) -> Result<(), Refusal> {
        let column = column_of(relation, target_of(assignment)?)?.id;
        self.write([column], is_constant(&assignment.value));
        self.assigned(&assignment.value, scope)
    }

    fn assign_through(&mut self, assignment: &Assignment, scope: &Scope<'_>) -> Result<ColumnId, Refusal> {
        let name = target_of(assignment)?;
        let names = parts(name)?;
        let found = match names[..] {
            [column] => scope.unqualified(&column.value),
            [alias, column] => scope.qualified(&alias.value, &column.value),
            _ => None,
        };
        let column = match found.as_deref() {
            Some([Origin::Column { column, .. }]) => *column,
            Some(_) => return Err(unsupported("this target of an assignment", "name a table's column")),
            None => return Err(unknown_column(&name.to_string())),
        };
        self.write([column], is_constant(&assignment.value));
        self.assigned(&assignment.value, scope)?;
        Ok(column)
    }

    fn assigned(&mut self, expr: &Expr, scope: &Scope<'_>) -> Result<(), Refusal> {
        if is_default(expr) {
            self.names_read += 1;
            return Ok(());
        }
        self.expression(expr, scope, &"an assigned value".into())
    }

    fn triggers(&mut self, relation: &Relation, fires: impl Fn(&catalog::Trigger) -> bool) {
        for trigger in relation.triggers.iter().filter(|t| fires(t)) {
            self.opaque(format!("trigger {} on {}", trigger.name, relation.qualified), "");
        }
    }

    /// A row that is added is compared with the rows that its foreign keys point to.
    fn consequences_of_insert(&mut self, relation: &Relation) {
        self.triggers(relation, |t| t.insert);
        let foreign = relation.constraints.iter().filter(|c| c.kind == ConstraintKind::Foreign);
        for constraint in foreign {
            self.used_columns(constraint.target, &constraint.target_columns, "a foreign key");
        }
    }

    /// A column that is changed is compared with whatever shares a constraint, a unique key or a generated column with it.
    fn consequences_of_update(&mut self, relation: &Relation, attribute: i16) {
        self.triggers(relation, |t| t.update);
        for constraint in relation.constraints.iter().filter(|c| c.columns.contains(&attribute)) {
            let others: Vec<i16> = constraint.columns.iter().copied().filter(|c| *c != attribute).collect();
            self.used_columns(relation.oid, &others, "a constraint on the same row");
            if constraint.kind == ConstraintKind::Foreign {
                self.used_columns(constraint.target, &constraint.target_columns, "a foreign key");
            }
        }
        for index in relation.indexes.iter().filter(|i| i.unique && i.columns.contains(&attribute)) {
            let others: Vec<i16> = index.columns.iter().copied().filter(|c| *c != attribute).collect();
            self.used_columns(relation.oid, &others, "a unique key");
        }
        for generated in relation.columns.iter().filter(|c| c.generated_from.contains(&attribute)) {
            let others: Vec<i16> = generated.generated_from.iter().copied().filter(|c| *c != attribute).collect();
            self.used_columns(relation.oid, &others, "a generated column");
        }
        for (referencing, constraint) in self.referencing(relation) {
            if constraint.target_columns.contains(&attribute) {
                self.used_columns(referencing.oid, &constraint.columns, "a foreign key");
                if constraint.writes_on_update {
                    self.table(referencing, true);
                    self.effect(Effect::Update, &referencing.qualified);
                }
            }
        }
    }

    /// What a deletion passes on reaches as far as the deletion itself.
    pub fn consequences_of_delete(&mut self, relation: &Relation, change: &EffectOn, depth: usize) {
        self.triggers(relation, |t| t.delete);
        for (referencing, constraint) in self.referencing(relation) {
            self.used_columns(referencing.oid, &constraint.columns, "a foreign key");
            if !constraint.writes_on_delete {
                continue;
            }
            self.table(referencing, true);
            self.effect_on(EffectOn { object: Arc::clone(&referencing.qualified), ..change.clone() });
            match depth.checked_sub(1) {
                Some(depth) => self.consequences_of_delete(referencing, change, depth),
                None => self.opaque("a long chain of foreign keys", ""),
            }
        }
    }

    fn referencing(&self, relation: &Relation) -> Vec<(&'c Relation, &'c catalog::Constraint)> {
        let found = relation.referenced_by.iter().filter_map(|(oid, index)| {
            let referencing = self.catalog.relation(*oid)?;
            Some((referencing, referencing.constraints.get(*index)?))
        });
        found.collect()
    }

    fn used_columns(&mut self, table: u32, attributes: &[i16], construct: &str) {
        let construct: Arc<str> = construct.into();
        for attribute in attributes {
            self.used(ColumnId { table, attribute: *attribute }, &construct);
        }
    }
}

fn own_source(relation: &Relation) -> Source {
    let column = |c: &catalog::Column| Column {
        name: Arc::clone(&c.name),
        origin: Origin::Column { column: c.id, nullable_side: false },
    };
    Source::listed(relation.name.to_string(), relation.columns.iter().map(column).collect())
}

fn column_of<'r>(relation: &'r Relation, name: &ObjectName) -> Result<&'r catalog::Column, Refusal> {
    let names: Vec<&Ident> = parts(name)?;
    let found = names.last().and_then(|last| relation.columns.iter().find(|c| same(&c.name, &last.value)));
    found.ok_or_else(|| unknown_column(&name.to_string()))
}

fn target_of(assignment: &Assignment) -> Result<&ObjectName, Refusal> {
    match &assignment.target {
        AssignmentTarget::ColumnName(name) => Ok(name),
        AssignmentTarget::Tuple(_) => Err(unsupported("an assignment to several columns", "assign one by one")),
    }
}

fn is_default(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(name) if name.quote_style.is_none() && name.value.eq_ignore_ascii_case("default"))
}

fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Value(_) | Expr::TypedString(_) => true,
        Expr::Prefixed { value, .. } => is_constant(value),
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } | Expr::Nested(expr) => {
            is_constant(expr)
        }
        _ => is_default(expr),
    }
}

/// A change of the table's rows that a condition names: bounded, if it compares every column of a unique key, or of a foreign key, with constants
/// or parameters.
fn changed(effect: Effect, relation: &Relation, condition: Option<&Expr>) -> EffectOn {
    let fixed = condition.map_or_else(Vec::new, |condition| fixed_columns(relation, condition, true));
    let has_all = |columns: &[i16]| !columns.is_empty() && columns.iter().all(|c| fixed.contains(c));
    let unique = relation.indexes.iter().any(|i| i.unique && !i.partial && !i.expressions && has_all(&i.keys));
    let foreign = relation.constraints.iter().any(|c| c.kind == ConstraintKind::Foreign && has_all(&c.columns));
    let names = fixed.iter().filter_map(|c| relation.attribute(*c)).map(|c| Arc::clone(&c.name));
    EffectOn {
        bounded: unique || foreign,
        compared: Some(Compared { table: Arc::clone(&relation.qualified), columns: names.collect() }),
        ..EffectOn::new(effect, Arc::clone(&relation.qualified))
    }
}

/// Whether a condition compares every column of the primary key with one constant or parameter.
pub fn is_one_row(relation: &Relation, condition: Option<&Expr>) -> bool {
    let fixed = condition.map_or_else(Vec::new, |condition| fixed_columns(relation, condition, false));
    let primary = relation.indexes.iter().find(|i| i.primary && !i.keys.is_empty());
    primary.is_some_and(|i| i.keys.iter().all(|key| fixed.contains(key)))
}

/// The columns that every row that meets a condition has in common, with `lists` also those of which it lists the values.
fn fixed_columns(relation: &Relation, condition: &Expr, lists: bool) -> Vec<i16> {
    match condition {
        Expr::Nested(inner) => fixed_columns(relation, inner, lists),
        // XOR binds weaker than AND for the servers, and stronger for the parser.
        Expr::BinaryOp { left, op: BinaryOperator::And, right } if !has_xor(left) && !has_xor(right) => {
            let mut fixed = fixed_columns(relation, left, lists);
            fixed.extend(fixed_columns(relation, right, lists));
            fixed
        }
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
            let compared = [(left, right), (right, left)];
            let fixed = compared.into_iter().find_map(|(c, v)| fixed_by(relation, c, std::slice::from_ref(&**v)));
            fixed.into_iter().collect()
        }
        Expr::In { expr, target: InTarget::List(items), negated: false, global: false } if lists => {
            fixed_by(relation, expr, items).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

fn has_xor(expr: &Expr) -> bool {
    match expr {
        Expr::BinaryOp { left, op, right } => *op == BinaryOperator::Xor || has_xor(left) || has_xor(right),
        _ => false,
    }
}

/// The column that such a comparison fixes. A text column compared with a number would match many values.
fn fixed_by(relation: &Relation, expr: &Expr, values: &[Expr]) -> Option<i16> {
    let name = match expr {
        Expr::Identifier(name) => name,
        Expr::CompoundIdentifier(names) => names.last()?,
        _ => return None,
    };
    let column = relation.columns.iter().find(|c| same(&c.name, &name.value))?;
    let is_text = catalog::is_text(column.type_oid);
    let fits = |value: &Expr| match value {
        Expr::Value(v) if is_text => matches!(v.value, Value::SingleQuotedString(_)),
        value => is_constant(value) && !is_default(value),
    };
    values.iter().all(fits).then_some(column.id.attribute)
}
