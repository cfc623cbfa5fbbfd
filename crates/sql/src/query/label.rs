//! The name that the server gives a result column (`FigureColname` in `src/backend/parser/parse_target.c`).

use std::sync::Arc;

use sqlparser::ast::{AccessExpr, Expr, Query, SelectItem, SetExpr, TrimWhereField};

use crate::analysis::{Analysis, fold};

/// A select item's label where it has no alias.
pub(super) fn label(analysis: &Analysis<'_>, expr: &Expr) -> Arc<str> {
    figure(analysis, expr).map_or_else(|| "?column?".into(), |(name, _)| name)
}

/// A name, and whether it is a strong one: a column's or a function's, not a type's.
type Figured = Option<(Arc<str>, bool)>;

fn figure(analysis: &Analysis<'_>, expr: &Expr) -> Figured {
    let strong = |name: &str| Some((Arc::from(name), true));
    let weak = |name: Option<Arc<str>>| name.map(|name| (name, false));
    match expr {
        Expr::Identifier(ident) => Some((fold(ident), true)),
        Expr::CompoundIdentifier(parts) => parts.last().map(|ident| (fold(ident), true)),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => figure(analysis, inner),
        Expr::CompoundFieldAccess { root, access_chain } => {
            let field = access_chain.iter().rev().find_map(|step| match step {
                AccessExpr::Dot(Expr::Identifier(ident)) => Some((fold(ident), true)),
                _ => None,
            });
            field.or_else(|| figure(analysis, root))
        }
        Expr::Function(function) => {
            function.name.0.last().and_then(|part| part.as_ident()).map(|ident| (fold(ident), true))
        }
        Expr::Cast { expr: inner, data_type, .. } => match figure(analysis, inner) {
            Some((name, true)) => Some((name, true)),
            inner => weak(type_name(analysis, data_type)).or(inner),
        },
        Expr::TypedString(typed) => weak(type_name(analysis, &typed.data_type)),
        Expr::Interval(_) => weak(Some("interval".into())),
        Expr::Case { else_result, .. } => match else_result.as_deref().and_then(|inner| figure(analysis, inner)) {
            Some((name, true)) => Some((name, true)),
            _ => weak(Some("case".into())),
        },
        Expr::Exists { .. } => strong("exists"),
        Expr::Array(_) => strong("array"),
        Expr::Tuple(_) => strong("row"),
        Expr::Extract { .. } => strong("extract"),
        Expr::Substring { shorthand, .. } => strong(if *shorthand { "substr" } else { "substring" }),
        Expr::Position { .. } => strong("position"),
        Expr::Overlay { .. } => strong("overlay"),
        Expr::AtTimeZone { .. } => strong("timezone"),
        Expr::Ceil { .. } => strong("ceil"),
        Expr::Floor { .. } => strong("floor"),
        Expr::Trim { trim_where, .. } => strong(match trim_where {
            Some(TrimWhereField::Leading) => "ltrim",
            Some(TrimWhereField::Trailing) => "rtrim",
            _ => "btrim",
        }),
        Expr::Subquery(query) => subquery(analysis, query),
        _ => None,
    }
}

fn type_name(analysis: &Analysis<'_>, data_type: &sqlparser::ast::DataType) -> Option<Arc<str>> {
    let held = analysis.data_type(data_type).known().and_then(|oid| analysis.catalog.type_by_oid(oid))?;
    // An array's type goes by its element's name.
    let shown = analysis.catalog.type_by_oid(held.element).unwrap_or(held);
    Some(Arc::clone(&shown.name))
}

fn subquery(analysis: &Analysis<'_>, query: &Query) -> Figured {
    let SetExpr::Select(select) = &*query.body else { return None };
    match select.projection.first()? {
        SelectItem::ExprWithAlias { alias, .. } => Some((fold(alias), true)),
        SelectItem::UnnamedExpr(expr) => figure(analysis, expr).map(|(name, _)| (name, true)),
        _ => None,
    }
}
