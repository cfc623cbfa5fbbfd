//! Readers of MySQL's protocol and dialect.

use std::{hint::black_box, sync::OnceLock};

use bytes::BytesMut;
use querygate_mysql::{
    capability::PLUGIN_AUTH_LENENC,
    column::Column,
    command::{self, Command},
    greeting::Greeting,
    login::{self, First},
    packet,
    response::{self, Failure, Head, OK, Success},
    row::{self, Wrote},
    statement::{self, Prepared},
    value::Type,
};
use querygate_record::Engine;
use querygate_sql::{Limits, analyse, catalog::Catalog, session::Settings};

/// One packet, at most: larger ones tell a fuzzer nothing more.
const PACKET_MAX: usize = 1 << 20;
/// Parameters and columns that executions and rows are read with.
const COLUMNS: usize = 3;

/// Cuts a stream into packets. Written again, a packet is the same bytes but for the way in which it came in parts.
fn packets(input: &[u8], mut each: impl FnMut(usize, &[u8])) {
    let (mut at, mut sequence, mut number) = (0, 0, 0);
    while let Ok(Some(found)) = packet::next(input.get(at..).unwrap_or_default(), sequence, PACKET_MAX) {
        assert!(found.length >= packet::HEADER && found.length <= input.len() - at, "a packet of an impossible length");
        let (mut again, mut counted) = (BytesMut::new(), sequence);
        packet::write(&mut again, &mut counted, &found.payload);
        assert_eq!(input.get(at..at + found.length), Some(&again[..]), "a packet changed");
        each(number, &found.payload);
        at += found.length;
        number += 1;
        // A new exchange begins wherever the next packet says so.
        sequence = input.get(at + packet::HEADER - 1).copied().unwrap_or_default();
    }
}

/// What a client sends: its log-in, then commands, with the values of an execution.
pub fn client(input: &[u8]) {
    packets(input, |number, payload| {
        if number == 0
            && let Ok(First::Login(login)) = login::decode(payload)
            && login.capabilities & PLUGIN_AUTH_LENENC != 0
        {
            assert!(login::decode(&login.encode()).is_ok(), "a log-in can't be read again");
        }
        if let Ok(Command::StatementExecute { values, .. }) = command::decode(payload) {
            for long in [[false; COLUMNS], [true, false, true]] {
                let _ = black_box(statement::execute(values, COLUMNS, &[], &long));
            }
        }
    });
}

/// What a server sends: its greeting, answers of every kind, definitions and rows. A row of which every field is kept is the same row.
pub fn server(input: &[u8]) {
    packets(input, |number, payload| {
        if number == 0 {
            let _ = black_box(Greeting::decode(payload));
        }
        let _ = black_box((login::step(payload), Prepared::decode(payload), Failure::decode(payload)));
        for tracks in [false, true] {
            let Ok(success) = Success::decode(payload, tracks) else { continue };
            let _ = black_box(success.changes_with(response::tracked::GTIDS, Some((b"a", b"b"))));
            assert!(Success::decode(&success.encode(OK, tracks), tracks).is_ok(), "an OK packet can't be read again");
        }
        if let Ok(column) = Column::decode(payload) {
            assert_eq!(Column::decode(&column.encode()), Ok(column), "a definition changed");
        }
        if let Ok(Head::Columns(columns)) = response::head(payload) {
            black_box(columns);
        }
        rows(payload);
    });
}

fn rows(payload: &[u8]) {
    let keep = |_: usize, _: Option<&[u8]>, _: &mut BytesMut| Ok::<_, ()>(Wrote::Keep);
    let (mut out, fields) = (BytesMut::new(), row::text_fields(payload, COLUMNS));
    let rewritten = row::rewrite_text(payload, COLUMNS, &mut out, keep);
    assert_eq!(rewritten.is_ok(), fields.is_ok(), "the row's reader and its rewriter disagree");
    if let Ok(fields) = fields {
        assert_eq!(row::text_fields(&out, COLUMNS), Ok(fields), "a kept row changed");
    }
    // The first bytes choose the types, so that all of them are met.
    let Some((kinds, payload)) = payload.split_at_checked(COLUMNS) else { return };
    let types: Vec<Type> =
        kinds.iter().map(|&kind| Type { kind, unsigned: kind & 1 == 1, decimals: kind % 32 }).collect();
    let mut out = BytesMut::new();
    if row::rewrite_binary(payload, &types, &mut out, keep).is_ok() {
        let mut again = BytesMut::new();
        assert!(row::rewrite_binary(&out, &types, &mut again, keep).is_ok(), "a kept row can't be read again");
        assert_eq!(out, again, "a kept row changed");
    }
}

/// The catalog of a small shop, as both servers would give it.
fn catalogs() -> &'static [Catalog; 2] {
    static CATALOGS: OnceLock<[Catalog; 2]> = OnceLock::new();
    CATALOGS.get_or_init(|| [of(Engine::Mysql, "9.7.4"), of(Engine::Mariadb, "10.11.18-MariaDB")])
}

fn of(engine: Engine, version: &str) -> Catalog {
    let row = |fields: &[&str]| fields.iter().map(|field| Some((*field).to_owned())).collect::<Vec<_>>();
    let column = |table: &str, name: &str, place: &str| {
        row(&[table, "BASE TABLE", name, place, "varchar", "varchar(40)", "YES", "40", "", "", "0", ""])
    };
    let columns = vec![
        column("customers", "id", "1"),
        column("customers", "email", "2"),
        column("customers", "ssn", "3"),
        column("orders", "id", "1"),
        column("orders", "total", "2"),
    ];
    let answers = [vec![row(&[version, "0", "shop"])], columns, vec![], vec![], vec![], vec![], vec![], vec![]];
    Catalog::from_mysql(engine, &answers).unwrap_or_else(|error| panic!("the sample catalog is not valid: {error}"))
}

/// A text as both servers read it: analysed or refused, and always within the text.
pub fn sql(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let settings = Settings { search_path: vec![], user: String::new(), temporary: vec!["tmp".into()] };
    for catalog in catalogs() {
        for statement in analyse(text, catalog, &settings, &Limits::default()) {
            assert!(text.get(statement.range.clone()).is_some(), "a statement lies outside its text");
            assert!(
                statement.unanalysed.is_none() || !statement.effects.is_empty(),
                "what is not understood has no effect"
            );
        }
    }
}
