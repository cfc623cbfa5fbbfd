//! One function for each reader of bytes that come from strangers: it must neither panic nor break its promise,
//! whatever the bytes are.

// A broken promise must stop the fuzzer, and that is what a panic does.
#![allow(clippy::panic, clippy::expect_used)]

pub mod mysql;

use std::{hint::black_box, sync::OnceLock};

use bytes::BytesMut;
use querygate_policy::{DatabaseName, PolicySet};
use querygate_postgres::{
    auth::{Channel, Password, ServerLogin, Step},
    backend::{self, Authentication},
    copy, frame, frontend,
    row::{self, Wrote},
    scram, startup,
};
use querygate_record::{Engine, ScramVerifier};
use querygate_sql::{Limits, analyse, catalog::Catalog, session::Settings};

/// A reader under test.
pub type Fuzzed = fn(&[u8]);

/// All readers by the names of their fuzzers.
pub const ALL: [(&str, Fuzzed); 10] = [
    ("copy", copy_rows),
    ("mysql_client", mysql::client),
    ("mysql_server", mysql::server),
    ("mysql_sql", mysql::sql),
    ("policy", policy),
    ("postgres_client", postgres_client),
    ("postgres_server", postgres_server),
    ("postgres_startup", postgres_startup),
    ("scram", scram_exchange),
    ("sql", sql),
];

/// Runs the reader with this name; false when there is none.
pub fn run(name: &str, input: &[u8]) -> bool {
    let found = ALL.iter().find(|(known, _)| *known == name);
    found.map(|(_, reader)| reader(input)).is_some()
}

type Next = fn(&mut BytesMut) -> Result<Option<frame::Frame>, frame::FrameError>;

/// Cuts a stream into frames. All bytes are accounted for, and each frame is again exactly one frame.
fn frames(input: &[u8], next: Next, mut each: impl FnMut(&frame::Frame)) {
    let mut buffer = BytesMut::from(input);
    let mut taken = 0;
    while let Ok(Some(frame)) = next(&mut buffer) {
        assert!(frame.bytes().len() > 4, "a frame has at least its header");
        taken += frame.bytes().len();
        assert_eq!(frame::Frame::new(frame.bytes().clone()).as_ref(), Some(&frame));
        each(&frame);
    }
    assert_eq!(taken + buffer.len(), input.len(), "bytes were lost or made up");
}

/// What a client sends after the start-up.
pub fn postgres_client(input: &[u8]) {
    frames(input, frame::next_client, |frame| {
        // An error is an answer too; what nobody looks at would not be computed.
        let _ = black_box(frontend::decode(frame));
    });
}

/// What a server sends, rows included: a row of which every field is kept is the same row.
pub fn postgres_server(input: &[u8]) {
    frames(input, frame::next_server, |frame| {
        let decoded = backend::decode(frame);
        if frame.kind() != backend::kind::DATA_ROW {
            return;
        }
        let mut out = BytesMut::new();
        let rewritten = row::rewrite(frame.bytes(), &mut out, |_, _, _| Ok::<_, ()>(Wrote::Keep));
        assert_eq!(rewritten.is_ok(), decoded.is_ok(), "the row's reader and its rewriter disagree");
        if rewritten.is_ok() {
            assert_eq!(&out[..], &frame.bytes()[..], "a kept row changed");
        }
    });
}

/// The first packet of a connection. A start-up packet that was understood means the same when it is written again.
pub fn postgres_startup(input: &[u8]) {
    let mut buffer = BytesMut::from(input);
    if let Ok(Some(startup::FirstPacket::Startup(packet))) = startup::next_first(&mut buffer) {
        let mut again = BytesMut::new();
        if packet.encode(&mut again).is_ok() {
            let read = startup::next_first(&mut again);
            assert_eq!(read, Ok(Some(startup::FirstPacket::Startup(packet))));
        }
    }
}

/// Both sides of a log-in: a client's messages to the gateway, and a server's to the gateway's own log-in.
///
/// The input holds two messages with `|` between them, which SCRAM's grammar gives no meaning.
pub fn scram_exchange(input: &[u8]) {
    let middle = input.iter().position(|byte| *byte == b'|').unwrap_or(input.len());
    let (first, last) = input.split_at(middle);
    let last = last.get(1..).unwrap_or_default();
    let verifier = ScramVerifier { iterations: 4096, salt: vec![7; 16], stored_key: [1; 32], server_key: [2; 32] };
    for (end_point, mechanism) in [(None, "SCRAM-SHA-256"), (Some(vec![9; 32]), "SCRAM-SHA-256-PLUS")] {
        if let Ok((_, waiting)) = scram::server::ServerFirst::new(end_point).client_first(mechanism, first, &verifier) {
            assert!(waiting.client_final(last).is_err(), "nobody can prove a password that does not exist");
        }
    }
    let login = ServerLogin::new("svc", Some(Password::new("secret".to_owned())), Channel::Plain);
    let offer = Authentication::Sasl { mechanisms: vec!["SCRAM-SHA-256"] };
    // A server may ask for any number of rounds, and each is work: more than a few thousand tell the fuzzer nothing.
    if rounds(first).is_some_and(|rounds| rounds > 5_000) {
        return;
    }
    let Ok(Step::Send(login, _)) = login.on(&offer) else { return };
    let Ok(Step::Send(login, _)) = login.on(&Authentication::SaslContinue(first)) else { return };
    let ended = login.on(&Authentication::SaslFinal(last));
    assert!(!matches!(ended, Ok(Step::Done)), "only AuthenticationOk ends a log-in");
}

/// The iteration count that a server's first message asks for.
fn rounds(message: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(message).ok()?;
    text.split(',').find_map(|part| part.strip_prefix("i=")?.parse().ok())
}

/// Rows of COPY, in text and CSV: what was read and written again reads the same.
pub fn copy_rows(input: &[u8]) {
    for options in [copy::Options::text(), copy::Options::csv()] {
        let codec = copy::Codec::new(options).expect("the server's own defaults are valid");
        let Ok(fields) = codec.split(input) else { continue };
        let borrowed: Vec<Option<&[u8]>> = fields.iter().map(|field| field.as_deref()).collect();
        let mut written = BytesMut::new();
        codec.join(&borrowed, &mut written);
        let again = codec.split(&written).expect("what was written can be read");
        assert_eq!(again, fields, "a row changed its meaning");
    }
}

/// A policy file: compiled, or refused with problems.
pub fn policy(input: &[u8]) {
    let Ok(folder) = tempfile::tempdir() else { return };
    if std::fs::write(folder.path().join("shop.toml"), input).is_err() {
        return;
    }
    let databases = [DatabaseName { name: "shop".into(), engine: Engine::Postgres }];
    match PolicySet::load(folder.path(), &databases, &std::sync::Arc::default()) {
        Ok(set) => assert!(!set.version().is_empty()),
        Err(problems) => assert!(!problems.to_string().is_empty()),
    }
}

fn catalog() -> &'static Catalog {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    CATALOG.get_or_init(|| {
        let snapshot = include_bytes!("../../crates/sql/tests/data/shop_catalog.json");
        Catalog::from_json(snapshot).expect("the sample catalog is valid")
    })
}

/// A statement's text: analysed or refused, always with at least one effect, and always within the text.
pub fn sql(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let settings = Settings { search_path: vec!["public".into()], user: "svc".into(), temporary: vec![] };
    for statement in analyse(text, catalog(), &settings, &Limits::default()) {
        assert!(text.get(statement.range.clone()).is_some(), "a statement lies outside its text");
    }
}
