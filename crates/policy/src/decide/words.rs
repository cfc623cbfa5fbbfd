//! What a client is told. Each text says what is refused and why; each hint what would pass, so that an agent can act on it.

use querygate_record::{Effect, Position, Verdict};
use querygate_sql::statement::{self, ColumnUse, EXPLAINED_SIZES, Opaque, Statement, Write};

use super::{effects::Item, is_system};
use crate::{Refusal, RefusalKind, bind::RefusedTable, file::Rule};

/// Why a rule, or the default, holds or refuses a statement.
pub(super) fn reason(statement: &Statement, item: &Item<'_>, rule: Option<&Rule>) -> String {
    if let Some(rule) = rule {
        return rule.reason.clone().unwrap_or_else(|| rule.name.to_string());
    }
    let (tag, on) = (if statement.tag.is_empty() { "the statement" } else { statement.tag }, object(item));
    match item.effect {
        Effect::Update | Effect::Delete => format!("{tag} is not bounded by {}{on}", bounds(item, "a key")),
        Effect::Call => format!("the function {} is neither known nor trusted", item.object),
        effect => format!("{tag} has the effect `{effect}`{on}, which no rule allows"),
    }
}

/// What would bound a change.
fn bounds(item: &Item<'_>, keys: &str) -> String {
    item.bounded_by.map_or_else(|| keys.to_owned(), |columns| columns.join(" and "))
}

fn object(item: &Item<'_>) -> String {
    if item.object.is_empty() { String::new() } else { format!(" on {}", item.object) }
}

/// A refusal, or the words for a hold that can't be.
pub(super) fn blocked(
    statement: &Statement,
    item: &Item<'_>,
    rule: Option<&Rule>,
    reason: &str,
    verdict: Verdict,
    reviewers: &[String],
) -> Refusal {
    if let Some(why) = statement.unanalysed.as_ref().filter(|_| item.effect == Effect::Unanalysed) {
        return not_understood(why);
    }
    let name = rule.map_or_else(|| format!("default for `{}`", item.effect), |r| format!("rule {:?}", r.name));
    let unbounded = matches!(item.effect, Effect::Update | Effect::Delete) && !item.bounded;
    let detail =
        format!("{name}; effect `{}`{}{}", item.effect, object(item), if unbounded { ", not bounded" } else { "" });
    let what = bounds(item, "every column of a unique key, or of a foreign key,");
    let bound = format!("compare {what} by = or IN with constants or parameters");
    let hint = match (unbounded, verdict) {
        (true, Verdict::Approve) => format!("{bound}, or have it approved by one of: {}", reviewers.join(", ")),
        (true, _) => format!("{bound}, or ask whoever writes the policy"),
        (false, Verdict::Approve) => format!("have it approved by one of: {}", reviewers.join(", ")),
        (false, _) => "ask whoever writes the policy for a rule that allows it".to_owned(),
    };
    let position = None;
    Refusal { kind: RefusalKind::Blocked, message: format!("blocked by policy: {reason}"), detail, hint, position }
}

/// A text that analysis gave up on.
pub(super) fn not_understood(why: &statement::Refusal) -> Refusal {
    use statement::RefusalKind as Why;
    let kind = match why.kind {
        Why::TooComplex => RefusalKind::TooComplex,
        Why::Unparsed | Why::Unsupported => RefusalKind::NotAnalysable,
        Why::UnknownTable => RefusalKind::UnknownTable,
        Why::UnknownColumn => RefusalKind::UnknownColumn,
        Why::UnknownFunction => RefusalKind::UnknownFunction,
        Why::Ambiguous => RefusalKind::Ambiguous,
    };
    let message = match why.kind {
        Why::Unparsed | Why::Unsupported => format!("cannot be analysed: {}", why.construct),
        Why::UnknownTable | Why::UnknownColumn | Why::UnknownFunction => format!("{} does not exist", why.construct),
        Why::Ambiguous => format!("{} is ambiguous", why.construct),
        Why::TooComplex => why.construct.to_string(),
    };
    let detail = format!("effect `unanalysed`{}", at(why.position));
    let hint = if why.hint.is_empty() { "rewrite the statement without it".to_owned() } else { why.hint.to_string() };
    Refusal { kind, message, detail, hint, position: why.position }
}

/// A construct whose reads can't be named, for a role from which something is masked.
pub(super) fn opaque(opaque: &Opaque) -> Refusal {
    let trust = match opaque.object.is_empty() || is_system(&opaque.object) {
        true => "leave it out".to_owned(),
        false => format!("leave it out, or have {} trusted by the policy (`[functions] trust`)", opaque.object),
    };
    Refusal {
        kind: RefusalKind::NotAnalysable,
        message: format!("cannot be analysed: {}", opaque.construct),
        detail: format!(
            "what it reads cannot be named, and columns of this database are masked from you{}",
            at(opaque.position)
        ),
        hint: trust,
        position: opaque.position,
    }
}

/// A time zone for the session of somebody from whom an instant is masked but for its year or month.
pub(super) fn shifted(name: &str) -> Refusal {
    Refusal {
        kind: RefusalKind::NotAnalysable,
        message: "cannot be analysed on masked values: SET time_zone".to_owned(),
        detail: format!(
            "column {name} is masked from you but for its year or month, which would shift with the time zone"
        ),
        hint: "leave the time zone as it is, and convert on your side".to_owned(),
        position: None,
    }
}

/// A masked column that is used other than as a plain result column.
pub(super) fn masked_use(statement: &Statement, used: &ColumnUse, name: &str) -> Refusal {
    let (construct, column) = (&used.construct, short(name));
    Refusal {
        kind: RefusalKind::NotAnalysable,
        message: format!("cannot be analysed on masked values: column {column} in {construct}"),
        detail: format!("column {name} is masked from you; it is used in {construct}{}", at(used.position)),
        hint: match statement.tag {
            "SELECT" | "UPDATE" | "DELETE" | "INSERT" | "MERGE" => {
                format!("select {column} as a plain result column, or leave it out of {construct}")
            }
            _ if *used.construct == *EXPLAINED_SIZES => {
                "write EXPLAIN (COSTS OFF), without BUFFERS and MEMORY: the rest comes from the sizes of stored values"
                    .to_owned()
            }
            _ => format!("leave {column} out"),
        },
        position: used.position,
    }
}

/// A write to a masked column.
pub(super) fn masked_write(write: &Write, name: &str, keep: bool) -> Refusal {
    let column = short(name);
    let why = match keep {
        true => format!("the policy says write.{column} = \"keep\", which this version refuses"),
        false => "what was read masked could be written back over the original".to_owned(),
    };
    Refusal {
        kind: RefusalKind::Blocked,
        message: format!("blocked by policy: column {column} is masked from you and may not be written"),
        detail: format!("column {name}; {why}"),
        hint: format!(
            "leave {column} out of the columns that are written, or ask for `write.{column} = \"allow\"`",
            column = last(name)
        ),
        position: write.position,
    }
}

/// A table that may not be touched at all.
pub(super) fn refused_table(table: &RefusedTable) -> Refusal {
    Refusal {
        kind: RefusalKind::Blocked,
        message: format!("blocked by policy: table {} may not be used", table.name),
        detail: format!("table {}: {}", table.name, table.reason),
        hint: "leave the table out, or ask whoever writes the policy to list it".to_owned(),
        position: None,
    }
}

/// A temporary relation with the name of a masked one.
pub(super) fn hiding(name: &str) -> Refusal {
    Refusal {
        kind: RefusalKind::Blocked,
        message: format!("blocked by policy: a temporary relation may not be named {name}"),
        detail: format!("columns of a permanent relation named {name} are masked from you"),
        hint: "choose another name".to_owned(),
        position: None,
    }
}

/// A column that may not be read at all.
pub(super) fn refused_column(name: &str) -> Refusal {
    Refusal {
        kind: RefusalKind::Blocked,
        message: format!("blocked by policy: column {} may not be read", short(name)),
        detail: format!(
            "column {name} has no mask that can be applied, or the policy refuses columns that it does not list"
        ),
        hint: format!("leave {} out, naming the columns that you need instead of *", last(name)),
        position: None,
    }
}

/// A masked column that may be absent because of an outer join.
pub(super) fn nullable_side(name: &str, masker: &str) -> Refusal {
    let column = short(name);
    Refusal {
        kind: RefusalKind::NotAnalysable,
        message: format!("cannot be analysed on masked values: column {column} on the nullable side of an outer join"),
        detail: format!("column {name}: masker `{masker}` would hide whether there was a row"),
        hint: format!("use an inner join, or leave {column} out"),
        position: None,
    }
}

fn at(position: Option<Position>) -> String {
    position.map(|p| format!(", at character {}", p.0)).unwrap_or_default()
}

/// `table.column` of `schema.table.column`.
fn short(name: &str) -> &str {
    name.split_once('.').map_or(name, |(_, rest)| if rest.contains('.') { rest } else { name })
}

fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}
