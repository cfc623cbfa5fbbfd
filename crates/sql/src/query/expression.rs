//! Expressions. Every form that the parser knows and the server has is named here; the rest is refused by name.

use sqlparser::ast::{
    AccessExpr, Array, CaseWhen, DataType, Expr, InTarget, Query, Spanned, Subscript, Value as Literal, ValueWithSpan,
};

use super::{Clause, operator::Operands};
use crate::{
    analysis::{Analysis, fold},
    resolve::{Scope, Slot, Source, Ty, Value, oid},
    statement::Refusal,
};

impl Analysis<'_> {
    /// An expression's value. A bare column comes back as it is: what becomes of it is the caller's affair.
    pub(crate) fn expression(&mut self, expr: &Expr, scope: &Scope<'_>, clause: Clause) -> Result<Value, Refusal> {
        match expr {
            Expr::Identifier(ident) => self.identifier(ident, scope),
            Expr::CompoundIdentifier(parts) => self.compound(parts, scope, clause),
            Expr::Nested(inner) => self.expression(inner, scope, clause),
            Expr::Value(value) => self.literal(value),
            Expr::BinaryOp { .. } => self.chain(expr, scope, clause),
            Expr::Function(function) => Ok(self.call_function(function, scope, clause)?.value),
            Expr::Cast { expr: inner, data_type, format: None, .. } => self.cast(inner, data_type, scope, clause),
            Expr::Subquery(query) => self.subquery(query, scope, clause),
            Expr::Case { operand, conditions, else_result, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref(), scope, clause)
            }
            Expr::Tuple(parts) => self.parts("ROW", parts, Ty::Oid(oid::RECORD), scope, clause),
            Expr::Array(Array { elem, .. }) => self.array(elem, scope, clause),
            Expr::CompoundFieldAccess { root, access_chain } => self.access(root, access_chain, scope, clause),
            Expr::Exists { subquery, .. } => {
                // Whether there is a row: no column of the subquery's own list is read.
                self.query(subquery, scope)?;
                Ok(Value::constant(Ty::Oid(oid::BOOL)))
            }
            Expr::IsNull(inner) | Expr::IsNotNull(inner) => self.test("IS NULL", inner, scope, clause),
            Expr::IsTrue(inner)
            | Expr::IsNotTrue(inner)
            | Expr::IsFalse(inner)
            | Expr::IsNotFalse(inner)
            | Expr::IsUnknown(inner)
            | Expr::IsNotUnknown(inner) => self.test("IS TRUE", inner, scope, clause),
            Expr::IsJson { expr: inner, .. } => self.test("IS JSON", inner, scope, clause),
            Expr::IsNormalized { expr: inner, .. } => self.test("IS NORMALIZED", inner, scope, clause),
            Expr::In { expr: left, target, .. } => self.membership(left, target, scope, clause),
            Expr::IsDistinctFrom(..)
            | Expr::IsNotDistinctFrom(..)
            | Expr::Between { .. }
            | Expr::Like { .. }
            | Expr::ILike { .. }
            | Expr::SimilarTo { .. }
            | Expr::AnyOp { .. }
            | Expr::AllOp { .. }
            | Expr::UnaryOp { .. } => self.comparison(expr, scope, clause),
            Expr::AtTimeZone { .. }
            | Expr::Extract { .. }
            | Expr::Ceil { .. }
            | Expr::Floor { .. }
            | Expr::Position { .. }
            | Expr::Substring { .. }
            | Expr::Trim { .. }
            | Expr::Overlay { .. } => self.special_call(expr, scope, clause),
            Expr::Collate { expr: inner, .. } => {
                let value = self.expression(inner, scope, clause)?;
                self.used(&value, clause.unwrap_or("COLLATE"));
                Ok(Value::derived(value.ty, [&value]))
            }
            Expr::TypedString(typed) => {
                let ty = self.data_type(&typed.data_type);
                let value = self.literal(&typed.value)?;
                self.converts(Ty::Literal, ty, self.position(typed.value.span));
                self.refuse_unknown_type(ty, &typed.data_type)?;
                Ok(Value { ty, ..value })
            }
            Expr::Interval(interval) => {
                let value = self.expression(&interval.value, scope, clause)?;
                self.used(&value, clause.unwrap_or("INTERVAL"));
                Ok(Value::derived(Ty::Oid(oid::INTERVAL), [&value]))
            }
            Expr::GroupingSets(sets) | Expr::Cube(sets) | Expr::Rollup(sets) => {
                for part in sets.iter().flatten() {
                    self.condition(part, scope, "GROUP BY")?;
                }
                Ok(Value::constant(Ty::Any))
            }
            other => Err(self.unsupported("expression of a form that is not known", other.span())),
        }
    }

    fn literal(&mut self, value: &ValueWithSpan) -> Result<Value, Refusal> {
        let position = self.position(value.span);
        let literal = |ty: Ty| Value {
            slots: position.map(|position| Slot::Literal(position.0)).into_iter().collect(),
            position,
            ..Value::constant(ty)
        };
        Ok(match &value.value {
            Literal::Number(digits, _) => literal(Ty::Oid(number_type(digits))),
            Literal::SingleQuotedString(_)
            | Literal::DollarQuotedString(_)
            | Literal::EscapedStringLiteral(_)
            | Literal::UnicodeStringLiteral(_) => literal(Ty::Literal),
            Literal::NationalStringLiteral(_) => literal(Ty::Oid(oid::BPCHAR)),
            Literal::SingleQuotedByteStringLiteral(_) | Literal::HexStringLiteral(_) => literal(Ty::Oid(oid::BIT)),
            Literal::Boolean(_) => Value::constant(Ty::Oid(oid::BOOL)),
            Literal::Null => Value::constant(Ty::Literal),
            Literal::Placeholder(name) => {
                let number = name.strip_prefix('$').and_then(|digits| digits.parse::<usize>().ok());
                let Some(number) = number else { return Err(self.unsupported("parameter", value.span)) };
                if let Some(own) = &self.calls.parameters {
                    let ty = number.checked_sub(1).and_then(|at| own.get(at)).copied();
                    return Ok(Value::constant(ty.unwrap_or(Ty::Any)));
                }
                Value { slots: vec![Slot::Parameter(number)], position, ..Value::constant(Ty::Parameter) }
            }
            _ => return Err(self.unsupported("literal of another dialect", value.span)),
        })
    }

    fn cast(
        &mut self,
        inner: &Expr,
        data_type: &DataType,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Value, Refusal> {
        let value = self.expression(inner, scope, clause)?;
        let ty = self.data_type(data_type);
        self.refuse_unknown_type(ty, data_type)?;
        if value.ty == ty && is_bare(ty, data_type) {
            // The server drops a cast to the type that a value has, so a column stays a plain one.
            return Ok(value);
        }
        self.used(&value, clause.unwrap_or("cast"));
        self.converts(value.ty, ty, value.position);
        let mut result = Value::derived(ty, [&value]);
        result.position = value.position;
        Ok(result)
    }

    /// A type that the catalog doesn't have could run anything.
    fn refuse_unknown_type(&mut self, ty: Ty, data_type: &DataType) -> Result<(), Refusal> {
        if ty != Ty::Any {
            return Ok(());
        }
        Err(self.unsupported(format!("type {data_type}, which is not known"), sqlparser::tokenizer::Span::empty()))
    }

    fn subquery(&mut self, query: &Query, scope: &Scope<'_>, clause: Clause) -> Result<Value, Refusal> {
        let rows = self.query(query, scope)?;
        for column in &rows.columns {
            self.used(&column.value, clause.unwrap_or("subquery"));
        }
        let ty = match rows.columns.as_slice() {
            [column] => column.value.ty,
            _ => Ty::Oid(oid::RECORD),
        };
        Ok(Value::derived(ty, rows.columns.iter().map(|column| &column.value)))
    }

    fn case(
        &mut self,
        operand: Option<&Expr>,
        conditions: &[CaseWhen],
        otherwise: Option<&Expr>,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Value, Refusal> {
        let construct = clause.unwrap_or("CASE");
        let operand = operand.map(|operand| self.expression(operand, scope, clause)).transpose()?;
        let mut results = Vec::with_capacity(conditions.len() + 1);
        let mut tests = Vec::with_capacity(conditions.len());
        for CaseWhen { condition, result } in conditions {
            let condition = self.expression(condition, scope, clause)?;
            let test = match &operand {
                Some(operand) => self.operator("=", None, Some(operand), &condition, Some(construct)),
                None => {
                    self.used(&condition, construct);
                    condition
                }
            };
            tests.push(test);
            results.push(self.expression(result, scope, clause)?);
        }
        if let Some(otherwise) = otherwise {
            results.push(self.expression(otherwise, scope, clause)?);
        }
        results.iter().for_each(|result| self.used(result, construct));
        let ty = self.brought_together(results.iter().map(|value| value.ty));
        let mut value = Value::derived(ty, results.iter().chain(&tests));
        // What a result says is not what a condition compares: only the results' literals are still open.
        value.slots = results.iter().flat_map(|result| result.slots.iter().copied()).collect();
        Ok(value)
    }

    /// ROW(...) and its like: every part is used by it.
    pub(crate) fn parts(
        &mut self,
        construct: &'static str,
        parts: &[Expr],
        ty: Ty,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Value, Refusal> {
        let mut values = Vec::with_capacity(parts.len());
        for part in parts {
            let value = self.expression(part, scope, clause)?;
            self.used(&value, clause.unwrap_or(construct));
            values.push(value);
        }
        Ok(Value::derived(ty, &values))
    }

    fn array(&mut self, elements: &[Expr], scope: &Scope<'_>, clause: Clause) -> Result<Value, Refusal> {
        let mut values = Vec::with_capacity(elements.len());
        for element in elements {
            let value = self.expression(element, scope, clause)?;
            self.used(&value, clause.unwrap_or("ARRAY"));
            values.push(value);
        }
        let ty = match self.brought_together(values.iter().map(|value| value.ty)) {
            Ty::Oid(element) => self.array_of(Ty::Oid(element)),
            other => other,
        };
        Ok(Value::derived(ty, &values))
    }

    fn test(
        &mut self,
        construct: &'static str,
        inner: &Expr,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Value, Refusal> {
        let value = self.expression(inner, scope, clause)?;
        self.used(&value, clause.unwrap_or(construct));
        let result = Value::derived(Ty::Oid(oid::BOOL), [&value]);
        self.settle(std::slice::from_ref(&value), &result);
        Ok(result)
    }

    fn membership(
        &mut self,
        left: &Expr,
        target: &InTarget,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Value, Refusal> {
        let left_value = self.expression(left, scope, clause)?;
        match target {
            InTarget::List(list) => {
                let mut values = Vec::with_capacity(list.len());
                for element in list {
                    values.push(self.expression(element, scope, clause)?);
                }
                let mut seen: Vec<Ty> = Vec::new();
                for value in &values {
                    if !seen.contains(&value.ty) {
                        seen.push(value.ty);
                        self.operator("=", None, Some(&left_value), value, Some(clause.unwrap_or("IN")));
                    }
                    self.used(value, clause.unwrap_or("IN"));
                }
                let result = Value::derived(Ty::Oid(oid::BOOL), values.iter().chain([&left_value]));
                self.settle(&values, &result);
                Ok(Value { slots: Vec::new(), ..result })
            }
            InTarget::Subquery(query) => {
                let rows = self.subquery(query, scope, Some(clause.unwrap_or("IN")))?;
                Ok(self.operator("=", None, Some(&left_value), &rows, Some(clause.unwrap_or("IN"))))
            }
            InTarget::Unnest(_) | InTarget::Table { .. } => Err(self.unsupported("IN of another dialect", left.span())),
        }
    }

    /// `(row).field`, `array[i]`, `array[i:j]`, and chains of them.
    fn access(
        &mut self,
        root: &Expr,
        chain: &[AccessExpr],
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Value, Refusal> {
        let mut value = self.expression(root, scope, clause)?;
        for step in chain {
            value = match step {
                AccessExpr::Dot(Expr::Identifier(ident)) => self.field_of(&value, &fold(ident), clause)?,
                AccessExpr::Dot(other) => return Err(self.unsupported("field selection", other.span())),
                AccessExpr::Subscript(subscript) => self.subscript(&value, subscript, scope, clause)?,
            };
        }
        Ok(value)
    }

    fn field_of(&mut self, value: &Value, name: &std::sync::Arc<str>, clause: Clause) -> Result<Value, Refusal> {
        if let Source::Row(columns) = &value.source
            && let Some(column) = columns.iter().find(|column| column.name == *name)
        {
            return Ok(Value { position: value.position, ..column.value.clone() });
        }
        self.used(value, clause.unwrap_or("field selection"));
        let relation = value
            .ty
            .known()
            .and_then(|oid| self.catalog.type_by_oid(self.base_type(oid)))
            .and_then(|held| self.catalog.relation(held.relation));
        if let Some(column) = relation.and_then(|relation| relation.column(name)) {
            return Ok(Value::derived(Ty::Oid(column.type_oid), [value]));
        }
        if self.catalog.functions(name).next().is_some() {
            return Ok(self.named_function(None, name, std::slice::from_ref(value), clause, value.position)?.value);
        }
        match value.ty {
            Ty::Oid(oid::RECORD) | Ty::Any => Ok(Value::derived(Ty::Any, [value])),
            _ => Err(self.unknown_name(name, value.position)),
        }
    }

    fn subscript(
        &mut self,
        value: &Value,
        subscript: &Subscript,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Value, Refusal> {
        let construct = clause.unwrap_or("subscript");
        self.used(value, construct);
        let (bounds, ty) = match subscript {
            Subscript::Index { index } => {
                let jsonb = value.ty.known().is_some_and(|oid| self.base_type(oid) == oid::JSONB);
                (vec![index], if jsonb { Ty::Oid(oid::JSONB) } else { self.element_of(value.ty) })
            }
            Subscript::Slice { lower_bound, upper_bound, stride } => {
                (lower_bound.iter().chain(upper_bound).chain(stride).collect(), value.ty)
            }
        };
        let mut parts = vec![value.clone()];
        for bound in bounds {
            let bound = self.expression(bound, scope, clause)?;
            self.used(&bound, construct);
            parts.push(bound);
        }
        let result = Value::derived(ty, &parts);
        self.settle(&parts, &result);
        Ok(Value { slots: Vec::new(), ..result })
    }

    /// Literals that met columns belong to them.
    pub(crate) fn settle(&mut self, parts: &[Value], result: &Value) {
        if let Source::Derived(columns) = &result.source
            && !columns.is_empty()
        {
            self.belongs(parts, columns);
        }
    }

    /// A chain of operators of one precedence is a tree as deep as it is long: it is walked from its first operand, not by recursion.
    fn chain(&mut self, expr: &Expr, scope: &Scope<'_>, clause: Clause) -> Result<Value, Refusal> {
        let mut steps = Vec::new();
        let mut first = expr;
        while let Expr::BinaryOp { left, op, right } = first {
            steps.push((op, &**right));
            first = left;
        }
        let mut value = self.expression(first, scope, clause)?;
        for (op, right) in steps.into_iter().rev() {
            let right = self.right_operand(right, scope, clause)?;
            value = self.binary(op, Operands { left: Some(&value), right: &right }, clause);
        }
        Ok(value)
    }
}

/// Whether a type is written without a modifier; `char` and `bit` mean a length of 1, and `interval` may name fields.
fn is_bare(ty: Ty, data_type: &DataType) -> bool {
    !matches!(ty, Ty::Any | Ty::Oid(oid::BPCHAR | oid::BIT | oid::INTERVAL)) && !data_type.to_string().contains('(')
}

/// The type of a number as the server reads it.
/// The type that the server gives a number (`make_const`).
pub(crate) fn number_type(digits: &str) -> u32 {
    if digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_') {
        match digits.replace('_', "").parse::<i128>() {
            Ok(value) if value <= i128::from(i32::MAX) => oid::INT4,
            Ok(value) if value <= i128::from(i64::MAX) => oid::INT8,
            _ => oid::NUMERIC,
        }
    } else if digits.starts_with("0x")
        || digits.starts_with("0o")
        || digits.starts_with("0b")
        || digits.starts_with("0X")
    {
        oid::INT8
    } else {
        oid::NUMERIC
    }
}
