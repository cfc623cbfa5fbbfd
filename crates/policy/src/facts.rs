//! What the log keeps of a text: everything but the values of masked columns.

use std::{borrow::Cow, collections::BTreeMap, collections::BTreeSet, ops::Range};

use querygate_record::{Effect, Facts, Named, Position, Value, Verdict};
use querygate_sql::{
    Shape,
    statement::{ColumnId, Literal, Statement},
};

use crate::{Bound, Decision, RoleView};

/// The longest bind value that is kept as it is, in bytes.
pub const MAX_VALUE_BYTES: usize = 4096;
/// Bytes of a keyed hash that the log keeps.
const HASH_BYTES: usize = 16;

/// The key under which values of masked columns are hashed, and its name. Equal values have equal hashes under one key, so that the log can be
/// searched for a value by who has the key.
#[derive(Clone, Copy)]
pub struct LiteralKey<'a> {
    /// The key.
    pub bytes: &'a [u8; 32],
    /// Its name, written beside each hash.
    pub name: &'a str,
}

impl LiteralKey<'_> {
    /// The keyed hash of a value, as the log writes it.
    pub fn hash(&self, value: &[u8]) -> String {
        blake3::keyed_hash(self.bytes, value).to_hex().chars().take(2 * HASH_BYTES).collect()
    }
}

/// What is left out of a text.
pub(crate) enum Cut {
    Hash(Range<usize>),
    Secret(Range<usize>),
}

impl Cut {
    fn range(&self) -> &Range<usize> {
        match self {
            Cut::Hash(range) | Cut::Secret(range) => range,
        }
    }
}

impl Bound {
    /// The facts of a text whose statements were judged, for a principal with this view. `shape` is the text's, where it can be cut into tokens.
    pub fn facts(
        &self,
        text: &str,
        shape: Option<&Shape<'_>>,
        parts: &[(&Statement, &Decision)],
        view: &RoleView,
        key: LiteralKey<'_>,
    ) -> Facts {
        let logged = match shape {
            Some(_) => write(text, &self.cuts(parts, view), key),
            None => untokenised(text, parts, key),
        };
        let (mut effects, mut reads, mut writes) =
            (BTreeMap::<Effect, BTreeSet<String>>::new(), BTreeSet::new(), BTreeSet::new());
        let mut tables = BTreeSet::new();
        for (statement, _) in parts {
            for on in &statement.effects {
                let objects = effects.entry(on.effect).or_default();
                objects.extend(Some(on.object.to_string()).filter(|o| !o.is_empty()));
                // What defines, alters or drops a table touches it, though it reads no column.
                let (schema, name) = on.object.split_once('.').unwrap_or(("", &on.object));
                let named = self.catalog.relation_in(schema, name);
                tables.extend(named.map(|relation| relation.qualified.to_string()));
            }
            reads.extend(statement.reads.iter().filter_map(|c| self.catalog.name_of(*c)));
            writes.extend(statement.writes.iter().filter_map(|w| self.catalog.name_of(w.column)));
            tables.extend(statement.tables.iter().map(|t| t.name.to_string()));
        }
        let deciding = parts.iter().map(|(_, d)| *d).rev().max_by_key(|d| d.verdict);
        let masks = parts.iter().flat_map(|(_, d)| d.masks.fields.iter().flatten());
        let masks: BTreeSet<String> = masks.map(|f| format!("{}={}", f.name, f.mask.masker())).collect();
        Facts {
            text: logged,
            fingerprint: shape.map(Shape::fingerprint).unwrap_or_default(),
            effects: effects.into_iter().map(|(effect, objects)| (effect, objects.into_iter().collect())).collect(),
            reads: reads.into_iter().collect(),
            writes: writes.into_iter().collect(),
            tables: tables.into_iter().collect(),
            verdict: Some(deciding.map_or(Verdict::Allow, |d| d.verdict)),
            rule: deciding.map(|d| d.rule.to_string()).unwrap_or_default(),
            reason: deciding.map(|d| d.reason.to_string()).unwrap_or_default(),
            policy: self.policy.version.to_string(),
            masks: masks.into_iter().collect(),
            observed: parts.iter().any(|(_, d)| d.observed),
        }
    }

    /// Which parameters' values are hashed: those that meet masked columns, and those that meet no known column in a statement that uses one.
    pub fn hashed_parameters(&self, statement: &Statement, view: &RoleView) -> Vec<bool> {
        let unknown = self.hides_unknown(statement, view);
        statement.parameters.iter().map(|columns| self.hides(columns, unknown)).collect()
    }

    /// One bind value as the log keeps it. `format` is the wire's: 0 text, 1 binary.
    pub fn value(value: Option<&[u8]>, format: i16, hashed: bool, key: LiteralKey<'_>) -> Value {
        let Some(bytes) = value else { return Value::Null };
        let (hash, name) = (|| key.hash(bytes), key.name.to_owned());
        if hashed {
            return Value::Hashed { hash: hash(), key: name };
        }
        if bytes.len() > MAX_VALUE_BYTES {
            return Value::Long { length: bytes.len() as u64, hash: hash(), key: name };
        }
        match std::str::from_utf8(bytes) {
            Ok(text) if format == 0 => Value::Text(text.to_owned()),
            _ => Value::Binary(bytes.iter().map(|b| format!("{b:02x}")).collect()),
        }
    }

    pub(crate) fn cuts(&self, parts: &[(&Statement, &Decision)], view: &RoleView) -> Vec<Cut> {
        let mut cuts = Vec::new();
        for (statement, _) in parts {
            let unknown = self.hides_unknown(statement, view);
            let cut = |literal: &Literal| match literal.secret {
                true => Some(Cut::Secret(literal.range.clone())),
                false => self.hides(&literal.columns, unknown).then(|| Cut::Hash(literal.range.clone())),
            };
            cuts.extend(statement.literals.iter().filter_map(cut));
        }
        cuts
    }

    /// Whether a literal or value may be one of a masked column's.
    fn hides(&self, columns: &[ColumnId], unknown: bool) -> bool {
        if columns.is_empty() { unknown } else { columns.iter().any(|c| self.is_masked_from_somebody(*c)) }
    }

    /// Whether a literal of which no column is known may be one of a masked column's: the statement uses such a column beyond showing it, could
    /// not be analysed, hands values to a text that was prepared before, or holds something that can't be named, written by somebody from whom
    /// columns are masked.
    fn hides_unknown(&self, statement: &Statement, view: &RoleView) -> bool {
        let used = statement.uses.iter().map(|u| u.column).chain(statement.writes.iter().map(|w| w.column));
        let masked = used.into_iter().any(|c| self.is_masked_from_somebody(c));
        let unanalysed = statement.unanalysed.is_some() && !self.columns.is_empty();
        let executes = matches!(statement.named, Some(Named::Execute(_))) && !self.columns.is_empty();
        masked
            || unanalysed
            || executes
            || (view.is_masked() && (!statement.opaque.is_empty() || statement.unanalysed.is_some()))
    }
}

/// A text that can't be cut into tokens, so that its literals aren't known: its length and hash, and where that failed.
fn untokenised(text: &str, parts: &[(&Statement, &Decision)], key: LiteralKey<'_>) -> String {
    let position = parts.iter().find_map(|(s, _)| s.unanalysed.as_ref()?.position);
    let at = position.map(|Position(p)| format!(", character {p}")).unwrap_or_default();
    format!("<text of {} bytes{at}, hash:{}:{}>", text.len(), key.name, key.hash(text.as_bytes()))
}

/// The text with what is cut replaced.
pub(crate) fn write(text: &str, cuts: &[Cut], key: LiteralKey<'_>) -> String {
    let mut cuts: Vec<&Cut> = cuts.iter().collect();
    cuts.sort_by_key(|cut| cut.range().start);
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    for cut in cuts {
        let (Some(before), Some(literal)) = (text.get(at..cut.range().start), text.get(cut.range().clone())) else {
            continue;
        };
        out.push_str(before);
        match cut {
            Cut::Hash(_) => out.push_str(&format!("<hash:{}:{}>", key.name, key.hash(meaning(literal).as_bytes()))),
            Cut::Secret(_) => out.push_str("<secret>"),
        }
        at = cut.range().end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// The value of a plain string literal, so that it has the hash of the same bind value; other literals count as they are written.
fn meaning(literal: &str) -> Cow<'_, str> {
    match literal.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        Some(inside) if inside.contains("''") => Cow::Owned(inside.replace("''", "'")),
        Some(inside) => Cow::Borrowed(inside),
        None => Cow::Borrowed(literal),
    }
}

#[cfg(test)]
mod tests;
