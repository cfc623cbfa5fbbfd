//! A call's arguments: values in order, the aggregate's own ORDER BY among them.

use std::sync::Arc;

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgOperator, FunctionArgumentClause, FunctionArguments,
    Spanned, Value as Literal,
};

use super::Clause;
use crate::{
    analysis::Analysis,
    postgres::forms,
    resolve::{Scope, Value},
    statement::Refusal,
};

/// Evaluated arguments.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arguments {
    pub values: Vec<Value>,
    /// String constants among them, by place: what a setting's function needs to know.
    pub texts: Vec<Option<String>>,
    /// Some are passed by name, so their order says nothing.
    pub named: bool,
    /// The last is VARIADIC: an array for the rest.
    pub variadic: bool,
}

impl Analysis<'_> {
    /// Evaluates a call's arguments; every column among them is used by the call.
    pub(crate) fn arguments(
        &mut self,
        name: &str,
        call: &Function,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Arguments, Refusal> {
        let span = call.name.span();
        let construct: Arc<str> = format!("function {name}").into();
        let construct = clause.unwrap_or(&construct);
        let mut arguments = Arguments::default();
        let list = match &call.args {
            FunctionArguments::List(list) => list,
            FunctionArguments::None => return Ok(arguments),
            FunctionArguments::Subquery(query) => {
                let rows = self.query(query, scope)?;
                rows.columns.iter().for_each(|column| self.used(&column.value, construct));
                arguments
                    .values
                    .extend(rows.columns.iter().map(|column| Value::derived(column.value.ty, [&column.value])));
                return Ok(arguments);
            }
        };
        for argument in &list.args {
            let expr = match argument {
                FunctionArg::Unnamed(expr) => expr,
                FunctionArg::Named { arg, name, .. } if name.value == forms::VARIADIC => {
                    arguments.variadic = true;
                    arg
                }
                FunctionArg::ExprNamed { arg, name: Expr::Identifier(name), .. } if name.value == forms::VARIADIC => {
                    arguments.variadic = true;
                    arg
                }
                FunctionArg::Named { arg, operator, name } => {
                    if !names_argument(operator) {
                        let key = FunctionArgExpr::Expr(Expr::Identifier(name.clone()));
                        self.argument_value(&key, construct, &mut arguments, scope, clause)?;
                    }
                    arguments.named = true;
                    arg
                }
                FunctionArg::ExprNamed { name, arg, operator } => {
                    // `key : value` and `key VALUE value` of JSON_OBJECT compute the key.
                    if !names_argument(operator) || !matches!(name, Expr::Identifier(_)) {
                        let value = self.expression(name, scope, clause)?;
                        self.used(&value, construct);
                        arguments.values.push(value);
                    }
                    arguments.named = true;
                    arg
                }
            };
            self.argument_value(expr, construct, &mut arguments, scope, clause)?;
        }
        for part in &list.clauses {
            match part {
                FunctionArgumentClause::OrderBy(terms) => {
                    self.order_inputs(terms, scope, "aggregate ORDER BY")?;
                }
                FunctionArgumentClause::JsonNullClause(_) | FunctionArgumentClause::JsonReturningClause(_) => {}
                _ => return Err(self.unsupported(format!("clause of function {name}"), span)),
            }
        }
        let ordered = self.order_inputs(&call.within_group, scope, "WITHIN GROUP")?;
        arguments.values.extend(ordered);
        Ok(arguments)
    }

    fn argument_value(
        &mut self,
        expr: &FunctionArgExpr,
        construct: &str,
        arguments: &mut Arguments,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<(), Refusal> {
        match expr {
            FunctionArgExpr::Expr(expr) => {
                let value = self.expression(expr, scope, clause)?;
                self.used(&value, construct);
                arguments.texts.push(text_of(expr).or_else(|| self.named_setting(&value)));
                arguments.values.push(value);
            }
            // `count(*)` counts rows and reads no column.
            FunctionArgExpr::Wildcard => {}
            FunctionArgExpr::QualifiedWildcard(name) => {
                let item = self.qualifier(name, scope)?.clone();
                let row = self.whole_row(&item, self.position(name.span()));
                self.used(&row, construct);
                arguments
                    .values
                    .extend(item.columns.into_iter().map(|column| Value::derived(column.value.ty, [&column.value])));
            }
            FunctionArgExpr::WildcardWithOptions(options) => {
                return Err(self.unsupported("* with options", options.wildcard_token.0.span));
            }
        }
        Ok(())
    }
}

/// `name => value` and `name := value` name a parameter.
fn names_argument(operator: &FunctionArgOperator) -> bool {
    matches!(operator, FunctionArgOperator::RightArrow | FunctionArgOperator::Assignment)
}

/// A string constant's value.
pub(super) fn text_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Literal::SingleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => text_of(inner),
        _ => None,
    }
}
