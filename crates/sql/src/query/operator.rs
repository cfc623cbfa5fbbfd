//! Operators: who uses which column, whether one could be a user's, and what type comes out.

use sqlparser::ast::{BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Spanned, UnaryOperator};

use super::Clause;
use crate::{
    analysis::Analysis,
    catalog,
    postgres::forms,
    resolve::{Candidate, Choice, Scope, Ty, Value, choose, oid},
    statement::Refusal,
};

/// One or two operands.
#[derive(Clone, Copy)]
pub(crate) struct Operands<'v> {
    pub left: Option<&'v Value>,
    pub right: &'v Value,
}

impl Analysis<'_> {
    pub(crate) fn binary(&mut self, op: &BinaryOperator, operands: Operands<'_>, clause: Clause) -> Value {
        let Operands { left, right } = operands;
        match op {
            BinaryOperator::And | BinaryOperator::Or => {
                let construct =
                    clause.unwrap_or(if matches!(op, BinaryOperator::And) { "operator AND" } else { "operator OR" });
                for operand in left.into_iter().chain([right]) {
                    self.used(operand, construct);
                    self.implicit_code(operand.ty, oid::BOOL, operand.position);
                }
                // Each side stands for itself: a literal of one says nothing of a column of the other.
                let result = Value::derived(Ty::Oid(oid::BOOL), left.into_iter().chain([right]));
                Value { slots: Vec::new(), ..result }
            }
            BinaryOperator::PGCustomBinaryOperator(parts) => {
                let (name, schema) = match parts.as_slice() {
                    [name] => (name.as_str(), None),
                    [schema, name] | [_, schema, name] => (name.as_str(), Some(schema.as_str())),
                    _ => ("", None),
                };
                self.operator(name, schema, left, right, clause)
            }
            BinaryOperator::NotEq => self.operator("<>", None, left, right, clause),
            BinaryOperator::Eq => self.operator("=", None, left, right, clause),
            BinaryOperator::Overlaps => self.operator("OVERLAPS", None, left, right, clause),
            other => self.operator(&other.to_string(), None, left, right, clause),
        }
    }

    /// An operator by name. Its operands are used; literals among them belong to the columns among them.
    pub(crate) fn operator(
        &mut self,
        name: &str,
        schema: Option<&str>,
        left: Option<&Value>,
        right: &Value,
        clause: Clause,
    ) -> Value {
        let operands: Vec<Value> = left.into_iter().chain([right]).cloned().collect();
        let named = format!("operator {name}");
        let construct = clause.unwrap_or(&named);
        for operand in &operands {
            self.used(operand, construct);
        }
        let ty = self.operator_type(name, schema, left.map(|value| value.ty), right);
        let result = Value::derived(ty, &operands);
        self.settle(&operands, &result);
        let slots = if result.columns().is_empty() { result.slots.clone() } else { Vec::new() };
        Value { slots, position: operands.iter().find_map(|operand| operand.position), ..result }
    }

    /// Which operator the server picks, and its result's type. A user's is code that runs.
    fn operator_type(&mut self, name: &str, schema: Option<&str>, left: Option<Ty>, right: &Value) -> Ty {
        let catalog = self.catalog;
        let prefix = left.is_none();
        let reachable: Vec<&str> = match schema {
            Some(schema) => vec![schema],
            None => catalog::schemas_of(&self.settings.search_path).collect(),
        };
        let named = || {
            let in_reach = reachable
                .iter()
                .flat_map(|schema| catalog.operators(name).iter().filter(move |o| *o.schema == **schema));
            in_reach.filter(|operator| (operator.left == 0) == prefix)
        };
        let arguments: Vec<Ty> = left.into_iter().chain([right.ty]).collect();
        if let Some(found) = exact_with_literal(self, &arguments, named) {
            return self.chosen(found, &arguments, right);
        }
        let candidates: Vec<Candidate<&catalog::Operator>> = named()
            .map(|operator| Candidate {
                parameters: if prefix { vec![operator.right] } else { vec![operator.left, operator.right] },
                system: operator.system,
                what: operator,
            })
            .collect();
        match choose(self, &arguments, candidates.clone()) {
            Choice::One(candidate) => self.chosen(candidate.what, &arguments, right),
            Choice::Doubt(candidates) => {
                let mut result = None;
                for candidate in &candidates {
                    let ty = self.chosen(candidate.what, &arguments, right);
                    result = match result {
                        None => Some(ty),
                        Some(held) if held == ty => Some(ty),
                        Some(_) => Some(Ty::Any),
                    };
                }
                result.unwrap_or(Ty::Any)
            }
            Choice::None => {
                for candidate in candidates.iter().filter(|candidate| !candidate.system) {
                    self.chosen(candidate.what, &arguments, right);
                }
                Ty::Any
            }
        }
    }

    fn chosen(&mut self, operator: &catalog::Operator, arguments: &[Ty], right: &Value) -> Ty {
        let parameters = if operator.left == 0 { vec![operator.right] } else { vec![operator.left, operator.right] };
        if !operator.system {
            let function = self.catalog.function_name(operator.function);
            self.call(format!("operator {}", operator.name), function, right.position);
        }
        for (argument, parameter) in arguments.iter().zip(&parameters) {
            self.implicit_code(*argument, *parameter, right.position);
        }
        if let Some(function) = self.catalog.function(operator.function).filter(|_| operator.system) {
            self.casts_inside(function, arguments, &parameters, right.position);
        }
        self.handles(operator.result);
        self.result_type(operator.result, &parameters, arguments)
    }

    /// Comparisons that have a syntax of their own, and prefix operators.
    pub(crate) fn comparison(&mut self, expr: &Expr, scope: &Scope<'_>, clause: Clause) -> Result<Value, Refusal> {
        match expr {
            Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => {
                self.pair("=", left, right, scope, Some(clause.unwrap_or("IS DISTINCT FROM")))
            }
            Expr::Between { expr: inner, low, high, .. } => {
                let construct = Some(clause.unwrap_or("BETWEEN"));
                let value = self.expression(inner, scope, clause)?;
                let low = self.expression(low, scope, clause)?;
                let high = self.expression(high, scope, clause)?;
                // SYMMETRIC compares with each end both ways.
                let mut results = Vec::new();
                for (name, end) in [(">=", &low), ("<=", &high), (">=", &high), ("<=", &low)] {
                    results.push(self.operator(name, None, Some(&value), end, construct));
                }
                Ok(Value { slots: Vec::new(), ..Value::derived(Ty::Oid(oid::BOOL), &results) })
            }
            Expr::Like { any, expr: left, pattern, escape_char, .. } => {
                self.pattern(("~~", "LIKE", *any), [left, pattern], escape_char.as_deref(), scope, clause)
            }
            Expr::ILike { any, expr: left, pattern, escape_char, .. } => {
                self.pattern(("~~*", "ILIKE", *any), [left, pattern], escape_char.as_deref(), scope, clause)
            }
            Expr::SimilarTo { expr: left, pattern, escape_char, .. } => {
                self.pattern(("~", "SIMILAR TO", false), [left, pattern], escape_char.as_deref(), scope, clause)
            }
            Expr::AnyOp { left, compare_op, right, .. } | Expr::AllOp { left, compare_op, right } => {
                let left = self.expression(left, scope, clause)?;
                let right = self.expression(right, scope, clause)?;
                let right = self.each_of(right);
                Ok(self.binary(compare_op, Operands { left: Some(&left), right: &right }, clause))
            }
            Expr::UnaryOp { op, expr: inner } => {
                let value = self.expression(inner, scope, clause)?;
                Ok(match op {
                    UnaryOperator::Not => {
                        self.used(&value, clause.unwrap_or("operator NOT"));
                        self.implicit_code(value.ty, oid::BOOL, value.position);
                        Value { slots: Vec::new(), ..Value::derived(Ty::Oid(oid::BOOL), [&value]) }
                    }
                    other => self.operator(&other.to_string(), None, None, &value, clause),
                })
            }
            other => Err(self.unsupported("comparison of another dialect", other.span())),
        }
    }

    /// What stands right of an operator: a value, or ANY or ALL of some.
    pub(crate) fn right_operand(&mut self, expr: &Expr, scope: &Scope<'_>, clause: Clause) -> Result<Value, Refusal> {
        let Expr::Function(call) = expr else { return self.expression(expr, scope, clause) };
        if !matches!(call.name.0.as_slice(), [part] if part.as_ident().is_some_and(|name| name.value == forms::ANY_OF))
        {
            return self.expression(expr, scope, clause);
        }
        let FunctionArguments::List(list) = &call.args else {
            return Err(self.unsupported("ANY of nothing", expr.span()));
        };
        let [FunctionArg::Unnamed(FunctionArgExpr::Expr(array))] = list.args.as_slice() else {
            return Err(self.unsupported("ANY of several", expr.span()));
        };
        let value = self.expression(array, scope, clause)?;
        Ok(self.each_of(value))
    }

    /// An array's elements are compared; a subquery's value has its own type already.
    fn each_of(&self, value: Value) -> Value {
        let element = self.element_of(value.ty);
        if element == Ty::Any { value } else { Value { ty: element, ..value } }
    }

    fn pair(
        &mut self,
        name: &str,
        left: &Expr,
        right: &Expr,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Value, Refusal> {
        let left = self.expression(left, scope, clause)?;
        let right = self.expression(right, scope, clause)?;
        Ok(self.operator(name, None, Some(&left), &right, clause))
    }

    fn pattern(
        &mut self,
        (name, word, any): (&str, &'static str, bool),
        [left, pattern]: [&Expr; 2],
        escape: Option<&Expr>,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Value, Refusal> {
        let construct = clause.unwrap_or(word);
        let left = self.expression(left, scope, clause)?;
        let mut pattern = self.right_operand(pattern, scope, clause)?;
        if any {
            pattern = self.each_of(pattern);
        }
        if let Some(escape) = escape {
            let escape = self.expression(escape, scope, clause)?;
            self.used(&pattern, construct);
            self.used(&escape, construct);
            pattern = Value::derived(pattern.ty, [&pattern, &escape]);
        }
        Ok(self.operator(name, None, Some(&left), &pattern, Some(construct)))
    }
}

/// `binary_oper_exact`: an untyped literal is first taken to be of the other side's type.
fn exact_with_literal<'c, I: Iterator<Item = &'c catalog::Operator>>(
    analysis: &Analysis<'_>,
    arguments: &[Ty],
    named: impl Fn() -> I,
) -> Option<&'c catalog::Operator> {
    let (a, b) = match arguments {
        [Ty::Literal, Ty::Oid(b)] => (*b, *b),
        [Ty::Oid(a), Ty::Literal] => (*a, *a),
        [Ty::Oid(a), Ty::Oid(b)] => (*a, *b),
        _ => return None,
    };
    let find = |a: u32, b: u32| named().find(|operator| (operator.left, operator.right) == (a, b));
    find(a, b).or_else(|| {
        let base = analysis.base_type(a);
        (base != a && a == b).then(|| find(base, base)).flatten()
    })
}
