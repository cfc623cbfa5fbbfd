//! The name that the server gives a result column (`FigureColname` in `src/backend/parser/parse_target.c`).

use std::sync::Arc;

use sqlparser::ast::{AccessExpr, Expr, Query, SelectItem, SetExpr};

use crate::{
    analysis::{Analysis, fold},
    resolve::Value,
};

/// A select item's label where it has no alias.
pub(super) fn label(analysis: &Analysis<'_>, expr: &Expr, value: &Value) -> Arc<str> {
    figure(analysis, expr, value).unwrap_or_else(|| "?column?".into())
}

fn figure(analysis: &Analysis<'_>, expr: &Expr, value: &Value) -> Option<Arc<str>> {
    let fixed = |name: &str| Some(Arc::from(name));
    match expr {
        Expr::Identifier(ident) => Some(fold(ident)),
        Expr::CompoundIdentifier(parts) => parts.last().map(fold),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => figure(analysis, inner, value),
        Expr::CompoundFieldAccess { root, access_chain } => {
            let field = access_chain.iter().rev().find_map(|step| match step {
                AccessExpr::Dot(Expr::Identifier(ident)) => Some(fold(ident)),
                _ => None,
            });
            field.or_else(|| figure(analysis, root, value))
        }
        Expr::Function(function) => function.name.0.last().and_then(|part| part.as_ident()).map(fold),
        Expr::Cast { expr: inner, data_type, .. } => {
            let own = match &**inner {
                Expr::Value(_) => None,
                inner => figure(analysis, inner, value),
            };
            own.or_else(|| type_name(analysis, data_type))
        }
        Expr::TypedString(typed) => type_name(analysis, &typed.data_type),
        Expr::Interval(_) => fixed("interval"),
        Expr::Case { else_result, .. } => {
            else_result.as_deref().and_then(|inner| strong(analysis, inner, value)).or_else(|| fixed("case"))
        }
        Expr::Exists { .. } => fixed("exists"),
        Expr::Array(_) => fixed("array"),
        Expr::Tuple(_) => fixed("row"),
        Expr::Extract { .. } => fixed("extract"),
        Expr::Substring { shorthand, .. } => fixed(if *shorthand { "substr" } else { "substring" }),
        Expr::Position { .. } => fixed("position"),
        Expr::Overlay { .. } => fixed("overlay"),
        Expr::AtTimeZone { .. } => fixed("timezone"),
        Expr::Ceil { .. } => fixed("ceil"),
        Expr::Floor { .. } => fixed("floor"),
        Expr::Trim { trim_where, .. } => fixed(match trim_where {
            Some(sqlparser::ast::TrimWhereField::Leading) => "ltrim",
            Some(sqlparser::ast::TrimWhereField::Trailing) => "rtrim",
            _ => "btrim",
        }),
        Expr::Subquery(query) => subquery(analysis, query, value),
        _ => None,
    }
}

/// The names that go before `case`: columns and functions, not types.
fn strong(analysis: &Analysis<'_>, expr: &Expr, value: &Value) -> Option<Arc<str>> {
    match expr {
        Expr::Cast { .. } | Expr::TypedString(_) | Expr::Value(_) | Expr::Case { .. } => None,
        other => figure(analysis, other, value),
    }
}

fn type_name(analysis: &Analysis<'_>, data_type: &sqlparser::ast::DataType) -> Option<Arc<str>> {
    let held = analysis.data_type(data_type).known().and_then(|oid| analysis.catalog.type_by_oid(oid))?;
    // An array's type goes by its element's name.
    let shown = analysis.catalog.type_by_oid(held.element).unwrap_or(held);
    Some(Arc::clone(&shown.name))
}

fn subquery(analysis: &Analysis<'_>, query: &Query, value: &Value) -> Option<Arc<str>> {
    let SetExpr::Select(select) = &*query.body else { return None };
    match select.projection.first()? {
        SelectItem::ExprWithAlias { alias, .. } => Some(fold(alias)),
        SelectItem::UnnamedExpr(expr) => figure(analysis, expr, value),
        _ => None,
    }
}
