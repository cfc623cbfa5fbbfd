//! What the tests of this crate share: a real catalog, policies from text, and statements put together by hand.

use std::sync::{Arc, OnceLock};

use querygate_mask::{KEY_BYTES, MaskKey, MaskKeys};
use querygate_record::{Barrier, Effect, Engine, Principal, TransactionChange};
use querygate_sql::{
    catalog::Catalog,
    statement::{ColumnId, ColumnUse, EffectOn, Opaque, Origin, Output, Statement, TableUse, Write},
};

use crate::{
    Bound, DatabaseName, Decision, Mode, Policy,
    document::{Problems, Source},
    file::PolicyFile,
};

/// The catalog of a real database; its schema is that of the examples in `crates/sql/tests/data`.
pub(crate) fn catalog() -> Arc<Catalog> {
    static CATALOG: OnceLock<Arc<Catalog>> = OnceLock::new();
    let read = || Arc::new(Catalog::from_json(include_bytes!("../../sql/tests/data/shop_catalog.json")).unwrap());
    Arc::clone(CATALOG.get_or_init(read))
}

/// One key, named `k`.
pub(crate) fn keys() -> Arc<MaskKeys> {
    let key = MaskKey::new("k", zeroize::Zeroizing::new([7; KEY_BYTES]));
    Arc::new([key].into_iter().collect())
}

pub(crate) fn read(text: &str) -> (Option<PolicyFile>, Problems) {
    let databases = [DatabaseName { name: "shop".to_owned(), engine: Engine::Postgres }];
    PolicyFile::read(Source::new("shop.toml", text), &databases, &keys())
}

/// A policy of the database `shop`, whose file holds these lines besides.
pub(crate) fn policy(lines: &str) -> Arc<Policy> {
    let (file, problems) = read(&format!("database = 'shop'\nconnect = ['*']\n{lines}"));
    assert!(!problems.has_errors(), "{problems}");
    Arc::new(Policy { file: file.unwrap(), version: "v1".into(), keys: keys() })
}

pub(crate) fn bound(lines: &str) -> Bound {
    policy(lines).bind(&catalog(), Mode::default(), None)
}

pub(crate) fn with_roles(roles: &[&str]) -> Principal {
    Principal::local("somebody", roles.iter().map(|r| (*r).to_owned()))
}

pub(crate) fn column(table: &str, name: &str) -> ColumnId {
    let (schema, table) = table.split_once('.').unwrap();
    catalog().relation_in(schema, table).unwrap().column(name).unwrap().id
}

pub(crate) fn table(name: &str) -> u32 {
    let (schema, table) = name.split_once('.').unwrap();
    catalog().relation_in(schema, table).unwrap().oid
}

pub(crate) fn on(effect: Effect, object: &str) -> EffectOn {
    EffectOn::new(effect, object)
}

pub(crate) fn unbounded(effect: Effect, object: &str) -> EffectOn {
    EffectOn { bounded: false, ..on(effect, object) }
}

/// A statement that does nothing but have these effects.
pub(crate) fn statement(effects: &[EffectOn]) -> Statement {
    Statement {
        range: 0..0,
        tag: "SELECT",
        effects: effects.to_vec(),
        reads: Vec::new(),
        writes: Vec::new(),
        tables: Vec::new(),
        outputs: None,
        uses: Vec::new(),
        opaque: Vec::new(),
        functions: Vec::new(),
        bodies: Vec::new(),
        by_body: false,
        unanalysed: None,
        literals: Vec::new(),
        parameters: Vec::new(),
        transaction: TransactionChange::None,
        barrier: Barrier::None,
        copy: None,
        copy_query: None,
        named: None,
        shifts_instants: false,
        instead: None,
        temporary: Vec::new(),
    }
}

/// A query that shows these columns as they are.
pub(crate) fn select(name: &str, columns: &[&str]) -> Statement {
    let ids: Vec<ColumnId> = columns.iter().map(|c| column(name, c)).collect();
    let output = |(name, column): (&&str, &ColumnId)| Output {
        name: (*name).into(),
        origin: Origin::Column { column: *column, nullable_side: false },
    };
    Statement {
        outputs: Some(columns.iter().zip(&ids).map(output).collect()),
        reads: ids,
        tables: vec![TableUse { relation: table(name), name: name.into(), written: false }],
        ..statement(&[on(Effect::Read, name)])
    }
}

/// A query that uses a column in a WHERE.
pub(crate) fn filter(name: &str, used: &str) -> Statement {
    let column = column(name, used);
    let used = ColumnUse { column, construct: "WHERE".into(), position: Some(querygate_record::Position(33)) };
    Statement { uses: vec![used], reads: vec![column], ..select(name, &["id"]) }
}

/// A query that calls a function whose reads can't be named.
pub(crate) fn call(object: &str) -> Statement {
    let opaque = Opaque { construct: format!("function {object}").into(), object: object.into(), position: None };
    Statement { opaque: vec![opaque], ..statement(&[on(Effect::Read, ""), on(Effect::Call, object)]) }
}

/// An UPDATE of one column, by key.
pub(crate) fn update(name: &str, written: &str) -> Statement {
    let write = Write { column: column(name, written), constant: true, position: None };
    let tables = vec![TableUse { relation: table(name), name: name.into(), written: true }];
    Statement { writes: vec![write], tables, tag: "UPDATE", ..statement(&[on(Effect::Update, name)]) }
}

pub(crate) fn decide(bound: &Bound, statement: &Statement, roles: &[&str]) -> Decision {
    let principal = with_roles(roles);
    bound.decide(statement, &principal, &bound.view(&principal))
}
