//! Real exchanges, kept in `proto-fixtures/postgres`: each is decoded to its last byte.

use std::{collections::BTreeSet, fs, path::PathBuf};

use bytes::BytesMut;

use crate::{
    backend::{self, Authentication, Fields},
    copy::{Codec, ForceQuote, Options},
    frame::{self, Frame},
    frontend,
    row::{self, Wrote},
    startup::{self, FirstPacket},
};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../proto-fixtures/postgres")
}

fn names() -> BTreeSet<String> {
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|e| e == "client"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

fn bytes(name: &str, side: &str) -> BytesMut {
    BytesMut::from(&fs::read(folder().join(format!("{name}.{side}"))).unwrap()[..])
}

/// What the client sent: packets first, then frames.
pub(crate) fn client(name: &str) -> (Vec<FirstPacket>, Vec<Frame>) {
    let mut buffer = bytes(name, "client");
    let mut packets = Vec::new();
    while !matches!(packets.last(), Some(FirstPacket::Startup(_) | FirstPacket::Cancel(_))) {
        packets.push(startup::next_first(&mut buffer).unwrap().unwrap());
    }
    let frames = std::iter::from_fn(|| frame::next_client(&mut buffer).unwrap()).collect();
    assert!(buffer.is_empty(), "{name}: {} bytes left", buffer.len());
    (packets, frames)
}

/// What the server sent.
pub(crate) fn server(name: &str) -> Vec<Frame> {
    let mut buffer = bytes(name, "server");
    if client(name).0.first() == Some(&FirstPacket::Ssl) {
        assert_eq!(&buffer.split_to(1)[..], b"N");
    }
    let frames = std::iter::from_fn(|| frame::next_server(&mut buffer).unwrap()).collect();
    assert!(buffer.is_empty(), "{name}: {} bytes left", buffer.len());
    frames
}

#[test]
fn every_exchange_is_understood_completely_and_together_they_show_every_message() {
    let (mut from_clients, mut from_servers) = (BTreeSet::new(), BTreeSet::new());
    for name in names() {
        for frame in client(&name).1 {
            frontend::decode(&frame).unwrap_or_else(|error| panic!("{name}: {error}"));
            from_clients.insert(frame.kind());
        }
        for frame in server(&name) {
            backend::decode(&frame).unwrap_or_else(|error| panic!("{name}: {error}"));
            from_servers.insert(frame.kind());
        }
    }
    assert_eq!(from_clients, b"BCDEFHPQSXcdfp".iter().copied().collect());
    // All but CopyBothResponse, which is for replication.
    assert_eq!(from_servers, b"123ACDEGHIKNRSTVZcdnstv".iter().copied().collect());
}

#[test]
fn encoding_what_was_decoded_gives_the_same_bytes() {
    for name in names() {
        for frame in client(&name).1 {
            let mut out = BytesMut::new();
            match frontend::decode(&frame).unwrap() {
                frontend::Message::Bind(bind) => frontend::encode::bind(&mut out, &bind).unwrap(),
                frontend::Message::Parse(parse) => frontend::encode::parse(&mut out, &parse).unwrap(),
                frontend::Message::Query { text } => frontend::encode::query(&mut out, text).unwrap(),
                frontend::Message::Execute { portal, max_rows } => {
                    frontend::encode::execute(&mut out, portal, max_rows).unwrap();
                }
                _ => continue,
            }
            assert_eq!(out, frame.bytes(), "{name}");
        }
        for frame in server(&name) {
            let mut out = BytesMut::new();
            match backend::decode(&frame).unwrap() {
                backend::Message::RowDescription(columns) => {
                    backend::encode::row_description(&mut out, &columns).unwrap();
                }
                backend::Message::BackendKeyData(key) => backend::encode::backend_key_data(&mut out, &key),
                backend::Message::CommandComplete(tag) => backend::encode::command_complete(&mut out, tag.text()),
                backend::Message::ParameterStatus { name, value } => {
                    backend::encode::parameter_status(&mut out, name, value);
                }
                backend::Message::NegotiateProtocolVersion(negotiation) => {
                    let (minor, options) = (negotiation.minor, &negotiation.options);
                    backend::encode::negotiate_protocol_version(&mut out, minor, options);
                }
                backend::Message::DataRow(_) => {
                    row::rewrite(frame.bytes(), &mut out, |_, _, _| Ok::<_, ()>(Wrote::Keep)).unwrap();
                }
                _ => continue,
            }
            assert_eq!(out, frame.bytes(), "{name}");
        }
    }
}

#[test]
fn start_up_packets_read_back_as_written() {
    for name in names() {
        let packets = client(&name).0;
        let whole = bytes(&name, "client");
        let mut out = BytesMut::new();
        for packet in &packets {
            match packet {
                FirstPacket::Startup(startup) => startup.encode(&mut out).unwrap(),
                FirstPacket::Cancel(key) => startup::cancel_request(&mut out, key).unwrap(),
                FirstPacket::Ssl => startup::ssl_request(&mut out),
                FirstPacket::GssEnc => panic!("{name}: not asked for"),
            }
        }
        assert!(whole.starts_with(&out), "{name}");
    }
}

#[test]
fn each_way_to_log_in_is_recognised() {
    let asked = |name: &str| {
        let frames = server(name);
        match backend::decode(&frames[0]).unwrap() {
            backend::Message::Authentication(step) => format!("{step:?}"),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(asked("cleartext"), format!("{:?}", Authentication::CleartextPassword));
    assert!(asked("md5").starts_with("Md5Password"));
    assert_eq!(asked("scram"), r#"Sasl { mechanisms: ["SCRAM-SHA-256"] }"#);
    assert_eq!(asked("simple"), "Ok");
}

#[test]
fn errors_keep_what_the_server_said() {
    let codes = |name: &str| -> Vec<String> {
        let frames = server(name);
        let errors = frames.iter().filter(|frame| frame.kind() == backend::kind::ERROR_RESPONSE);
        errors
            .map(|frame| match backend::decode(frame).unwrap() {
                backend::Message::ErrorResponse(fields) => {
                    assert!(fields.get(Fields::ROUTINE).is_some());
                    fields.code().to_owned()
                }
                other => panic!("{other:?}"),
            })
            .collect()
    };
    assert_eq!(codes("simple"), ["22012", "25P02", "23505", "42703", "23514"]);
    assert_eq!(codes("extended"), ["22012", "26000"]);
    assert_eq!(codes("wrong-password"), ["28P01"]);
    assert_eq!(codes("cancelled"), ["57014"]);
    assert_eq!(codes("no-database"), ["3D000"]);
    assert_eq!(codes("terminated"), ["57P01"]);
}

#[test]
fn rows_of_a_real_copy_split_and_join_to_the_same_bytes() {
    let csv = Options { header: true, force_quote: ForceQuote::Columns(vec![2]), ..Options::csv() };
    let odd = Options { delimiter: b'|', null: b"NULL".to_vec(), quote: b'\'', escape: b'\\', ..Options::csv() };
    // The fourth COPY of the exchange is binary.
    let of_each = [
        Some(Options::text()),
        Some(csv),
        Some(odd),
        None,
        Some(Options::text()),
        Some(Options::csv()),
        Some(Options::csv()),
    ];
    let (mut copy, mut row, mut rows) = (0, 0, 0);
    for frame in server("copy-out") {
        match frame.kind() {
            backend::kind::COPY_DONE => (copy, row) = (copy + 1, 0),
            backend::kind::COPY_DATA => {
                let Some(options) = of_each.get(copy).cloned().flatten() else { continue };
                // Names in a header are not force-quoted.
                let is_header = options.header && row == 0;
                let force_quote = if is_header { ForceQuote::None } else { options.force_quote.clone() };
                let codec = Codec::new(Options { force_quote, ..options }).unwrap();
                let fields = codec.split(frame.body()).unwrap();
                let borrowed: Vec<_> = fields.iter().map(|field| field.as_deref()).collect();
                let mut out = BytesMut::new();
                codec.join(&borrowed, &mut out);
                assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(frame.body()));
                (row, rows) = (row + 1, rows + 1);
            }
            _ => {}
        }
    }
    assert_eq!((copy, rows), (7, 3 + 4 + 3 + 1 + 1 + 1));
}
