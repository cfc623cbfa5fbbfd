//! Expressions: every column that one names counts as used, whatever becomes of its value.

use std::sync::Arc;

use querygate_record::Effect;
use sqlparser::ast::{
    CeilFloorKind, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArguments, InTarget,
    NamedWindowDefinition, NamedWindowExpr, Query, Value, WindowFrameBound, WindowSpec, WindowType,
};

use super::{
    functions::{Known, known},
    reading::{Reading, parts, unsupported},
    scope::Scope,
};
use crate::statement::{Origin, Refusal, RefusalKind};

impl Reading<'_> {
    /// Reads an expression inside some construct.
    pub fn expression(&mut self, expr: &Expr, scope: &Scope<'_>, construct: &Arc<str>) -> Result<(), Refusal> {
        match expr {
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => {
                for origin in self.name(expr, scope)? {
                    self.used_origin(&origin, construct);
                }
                Ok(())
            }
            Expr::Value(value) => self.value(&value.value),
            Expr::Prefixed { value, .. } => self.expression(value, scope, construct),
            Expr::TypedString(_) => Ok(()),
            Expr::IsFalse(e)
            | Expr::IsNotFalse(e)
            | Expr::IsTrue(e)
            | Expr::IsNotTrue(e)
            | Expr::IsNull(e)
            | Expr::IsNotNull(e)
            | Expr::IsUnknown(e)
            | Expr::IsNotUnknown(e)
            | Expr::Nested(e) => self.expression(e, scope, construct),
            Expr::UnaryOp { expr, .. }
            | Expr::Cast { expr, format: None, .. }
            | Expr::Collate { expr, .. }
            | Expr::Extract { expr, .. } => self.expression(expr, scope, construct),
            Expr::Convert { expr, styles, .. } if styles.is_empty() => self.expression(expr, scope, construct),
            Expr::Ceil { expr, field } | Expr::Floor { expr, field } => match field {
                CeilFloorKind::Scale(_) => Err(unsupported("CEIL or FLOOR with a scale", "use TRUNCATE or ROUND")),
                CeilFloorKind::DateTimeField(_) => self.expression(expr, scope, construct),
            },
            Expr::BinaryOp { left, right, .. } => self.all([&**left, right], scope, construct),
            Expr::Between { expr, low, high, .. } => self.all([&**expr, low, high], scope, construct),
            Expr::Like { expr, pattern, escape_char, any: false, .. } => {
                self.all([&**expr, pattern].into_iter().chain(escape_char.as_deref()), scope, construct)
            }
            Expr::RLike { expr, pattern, .. } => self.all([&**expr, pattern], scope, construct),
            Expr::MemberOf(member) => self.all([&*member.value, &member.array], scope, construct),
            Expr::AnyOp { left, right, .. } | Expr::AllOp { left, right, .. } => {
                self.all([&**left, right], scope, construct)
            }
            Expr::Position { expr, r#in } => self.all([&**expr, r#in], scope, construct),
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                let rest = substring_from.as_deref().into_iter().chain(substring_for.as_deref());
                self.all(std::iter::once(&**expr).chain(rest), scope, construct)
            }
            Expr::Trim { expr, trim_what, trim_characters, .. } => {
                let rest = trim_what.as_deref().into_iter().chain(trim_characters.iter().flatten());
                self.all(std::iter::once(&**expr).chain(rest), scope, construct)
            }
            Expr::Case { operand, conditions, else_result, .. } => {
                let branches = conditions.iter().flat_map(|when| [&when.condition, &when.result]);
                self.all(operand.as_deref().into_iter().chain(branches).chain(else_result.as_deref()), scope, construct)
            }
            Expr::Tuple(items) => self.all(items, scope, construct),
            Expr::Interval(interval) => self.expression(&interval.value, scope, construct),
            Expr::In { expr, target, global: false, .. } => {
                self.expression(expr, scope, construct)?;
                match target {
                    InTarget::List(items) => self.all(items, scope, construct),
                    InTarget::Subquery(query) => self.subquery(query, scope, construct),
                    _ => Err(unsupported("this form of IN", "use IN (values) or IN (query)")),
                }
            }
            Expr::Exists { subquery, .. } => {
                self.any_order = true;
                self.query(subquery, Some(scope)).map(drop)
            }
            Expr::Subquery(query) => self.subquery(query, scope, construct),
            Expr::Function(function) => self.function_call(function, scope),
            Expr::MatchAgainst { columns, match_value, .. } => {
                let used = "MATCH ... AGAINST".into();
                for name in columns {
                    let names = parts(name)?;
                    let origins = match names[..] {
                        [column] => scope.unqualified(&column.value),
                        [alias, column] => scope.qualified(&alias.value, &column.value),
                        _ => None,
                    };
                    let origins = origins.ok_or_else(|| unknown_column(&name.to_string()))?;
                    origins.iter().for_each(|o| self.used_origin(o, &used));
                }
                self.value(&match_value.value)
            }
            _ => Err(unsupported("an expression of this form", "write it in another way")),
        }
    }

    fn all<'e>(
        &mut self,
        expressions: impl IntoIterator<Item = &'e Expr>,
        scope: &Scope<'_>,
        construct: &Arc<str>,
    ) -> Result<(), Refusal> {
        expressions.into_iter().try_for_each(|expr| self.expression(expr, scope, construct))
    }

    /// A query inside an expression: what it shows flows into the expression.
    fn subquery(&mut self, query: &Query, scope: &Scope<'_>, construct: &Arc<str>) -> Result<(), Refusal> {
        self.any_order = true;
        for column in self.query(query, Some(scope))? {
            self.used_origin(&column.origin, construct);
        }
        Ok(())
    }

    fn value(&mut self, value: &Value) -> Result<(), Refusal> {
        if let Value::Placeholder(_) = value {
            self.parameters += 1;
        }
        Ok(())
    }

    /// What a name may mean.
    pub fn name(&mut self, expr: &Expr, scope: &Scope<'_>) -> Result<Vec<Origin>, Refusal> {
        self.names_read += 1;
        let names: Vec<&str> = match expr {
            Expr::Identifier(name) => vec![&name.value],
            Expr::CompoundIdentifier(names) => names.iter().map(|n| n.value.as_str()).collect(),
            _ => return Err(unsupported("an expression of this form", "write a column's name")),
        };
        if let [.., column] = names[..] {
            let alias = names.len().checked_sub(2).and_then(|at| names.get(at)).copied();
            self.shown_by_system(scope, alias, column);
        }
        let found = match names[..] {
            [variable] if variable.starts_with('@') => return self.variable(variable),
            [column] => scope.unqualified(column),
            [alias, column] => scope.qualified(alias, column),
            [database, table, column] if self.is_own(database) => scope.qualified(table, column),
            [database, table, column] if scope.sources.iter().any(|s| s.open) && database != table => {
                scope.qualified(table, column)
            }
            _ => None,
        };
        found.ok_or_else(|| unknown_column(&names.join(".")))
    }

    /// Notes a name that may be one of the columns that tell of what is stored.
    pub fn shown_by_system(&mut self, scope: &Scope<'_>, alias: Option<&str>, column: &str) {
        if !column.starts_with('@') && scope.may_tell_more(alias, column) {
            self.opaque(format!("column {} of a system table", column.to_lowercase()), "");
        }
    }

    /// User variables hold constants alone: nothing else may be put into them. System variables that tell of other statements are not known.
    fn variable(&mut self, name: &str) -> Result<Vec<Origin>, Refusal> {
        if let Some(system) = name.strip_prefix("@@") {
            let system = system.to_ascii_lowercase();
            let bare = ["session.", "local.", "global."].iter().find_map(|s| system.strip_prefix(s)).unwrap_or(&system);
            if !super::set::is_readable(bare) {
                self.opaque(format!("variable @@{bare}"), "");
            }
        }
        Ok(vec![Origin::Computed])
    }

    fn function_call(&mut self, function: &Function, scope: &Scope<'_>) -> Result<(), Refusal> {
        let Function { name, uses_odbc_syntax, parameters, args, within_group, filter, null_treatment: _, over } =
            function;
        if *uses_odbc_syntax
            || !matches!(parameters, FunctionArguments::None)
            || !within_group.is_empty()
            || filter.is_some()
        {
            return Err(unsupported("this form of function call", "write name(arguments)"));
        }
        let names = parts(name)?;
        let called = match names[..] {
            [function] => function.value.to_ascii_lowercase(),
            [database, function] if self.is_own(&database.value) => {
                self.user_function(&function.value);
                function.value.to_ascii_lowercase()
            }
            _ => return Err(unsupported("a function of another database", "leave it out")),
        };
        if names.len() == 1 {
            self.called(&called);
        }
        let construct: Arc<str> = format!("function {called}").into();
        match args {
            FunctionArguments::None => {}
            FunctionArguments::Subquery(query) => self.subquery(query, scope, &construct)?,
            FunctionArguments::List(list) => {
                for argument in &list.args {
                    match argument {
                        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => self.argument(expr, scope, &construct)?,
                        FunctionArg::Unnamed(FunctionArgExpr::Wildcard) if called == "count" => {}
                        _ => return Err(unsupported("an argument of this form", "write an expression")),
                    }
                }
                for clause in &list.clauses {
                    match clause {
                        FunctionArgumentClause::OrderBy(by) => self.ordered(by, scope, &[])?,
                        FunctionArgumentClause::Separator(_) | FunctionArgumentClause::IgnoreOrRespectNulls(_) => {}
                        _ => return Err(unsupported("a clause of this form in a function call", "leave it out")),
                    }
                }
            }
        }
        match over {
            None => Ok(()),
            Some(WindowType::NamedWindow(_)) => Ok(()),
            Some(WindowType::WindowSpec(window)) => self.window(window, scope),
        }
    }

    /// Units such as DAY stand as names among the arguments of some functions.
    fn argument(&mut self, expr: &Expr, scope: &Scope<'_>, construct: &Arc<str>) -> Result<(), Refusal> {
        const UNITS: &[&str] = &["microsecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year"];
        const TAKES_UNIT: &[&str] = &["function timestampdiff", "function timestampadd", "function get_format"];
        if let Expr::Identifier(name) = expr
            && TAKES_UNIT.contains(&&**construct)
            && name.quote_style.is_none()
            && (UNITS.contains(&name.value.to_ascii_lowercase().as_str()) || &**construct == "function get_format")
            && scope.unqualified(&name.value).is_none()
        {
            self.names_read += 1;
            return Ok(());
        }
        self.expression(expr, scope, construct)
    }

    fn called(&mut self, name: &str) {
        self.functions.push(name.to_owned());
        match known(name) {
            Some(Known::Pure) if !self.catalog.functions(name).any(|_| true) => {}
            Some(Known::Session) if !self.catalog.functions(name).any(|_| true) => self.effect(Effect::Session, name),
            Some(Known::Effect(effect)) => {
                self.effect(effect, name);
                self.opaque(format!("function {name}"), "");
            }
            _ => self.user_function(name),
        }
    }

    fn user_function(&mut self, name: &str) {
        self.effect(Effect::Call, name);
        self.opaque(format!("function {name}"), name);
    }

    pub fn named_window(&mut self, window: &NamedWindowDefinition, scope: &Scope<'_>) -> Result<(), Refusal> {
        match &window.1 {
            NamedWindowExpr::WindowSpec(spec) => self.window(spec, scope),
            NamedWindowExpr::NamedWindow(_) => Ok(()),
        }
    }

    fn window(&mut self, window: &WindowSpec, scope: &Scope<'_>) -> Result<(), Refusal> {
        let construct = "OVER".into();
        self.all(&window.partition_by, scope, &construct)?;
        self.ordered(&window.order_by, scope, &[])?;
        let Some(frame) = &window.window_frame else { return Ok(()) };
        for bound in std::iter::once(&frame.start_bound).chain(&frame.end_bound) {
            if let WindowFrameBound::Preceding(Some(expr)) | WindowFrameBound::Following(Some(expr)) = bound {
                self.expression(expr, scope, &construct)?;
            }
        }
        Ok(())
    }
}

pub fn unknown_column(name: &str) -> Refusal {
    Refusal {
        kind: RefusalKind::UnknownColumn,
        construct: format!("column {name}").into(),
        position: None,
        hint: "check the name".into(),
    }
}
