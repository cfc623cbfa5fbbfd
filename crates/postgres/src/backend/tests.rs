use bytes::BytesMut;
use pgwire::messages::{copy, data, extendedquery, response, startup};
use proptest::prelude::*;

use super::{
    encode::{ErrorReport, Severity},
    *,
};
use crate::{frame, startup::CancelKey};

fn written(write: impl FnOnce(&mut BytesMut)) -> BytesMut {
    let mut out = BytesMut::new();
    write(&mut out);
    out
}

fn column(name: &str) -> ColumnDescription {
    ColumnDescription {
        name: name.to_owned(),
        table: 16_384,
        attribute: -1,
        type_oid: 25,
        size: -1,
        modifier: 7,
        format: Format::Binary,
    }
}

/// One of each message that has a body.
fn samples() -> Vec<BytesMut> {
    let report = ErrorReport { detail: Some("d"), position: Some(8), ..ErrorReport::default() };
    let copied = CopyResponse { format: Format::Binary, columns: vec![Format::Binary; 2] };
    let key = CancelKey { process: 7, secret: vec![1; 4] };
    let notification = Notification { process: 7, channel: "c", payload: "p" };
    vec![
        written(encode::authentication_ok),
        written(|out| out.extend_from_slice(b"R\0\0\0\x0c\0\0\0\x05salt")),
        written(|out| encode::authentication_sasl(out, &["A", "B"])),
        written(|out| encode::backend_key_data(out, &key)),
        written(|out| encode::command_complete(out, "INSERT 0 5")),
        written(|out| encode::copy_out_response(out, &copied).unwrap()),
        written(|out| encode::copy_in_response(out, &copied).unwrap()),
        written(|out| encode::data_row(out, [Some(&b"a"[..]), None].into_iter()).unwrap()),
        written(|out| encode::error(out, &report)),
        written(|out| encode::notice(out, &report)),
        written(|out| out.extend_from_slice(b"V\0\0\0\x0a\0\0\0\x02ab")),
        written(|out| encode::negotiate_protocol_version(out, 2, &["_pq_.x"])),
        written(|out| encode::notification_response(out, &notification).unwrap()),
        written(|out| encode::parameter_description(out, &[23, 25]).unwrap()),
        written(|out| encode::parameter_status(out, "TimeZone", "UTC")),
        written(|out| encode::ready_for_query(out, Status::Failed)),
        written(|out| encode::row_description(out, &[column("a"), column("")]).unwrap()),
    ]
}

fn decoded(bytes: &[u8]) -> Message<'_> {
    let header = frame::peek_server(bytes).unwrap().unwrap();
    assert_eq!(header.length, bytes.len());
    decode_body(header.kind, &bytes[frame::HEADER..]).unwrap()
}

#[test]
fn every_message_reads_back_as_written() {
    let all = samples();
    let copied = CopyResponse { format: Format::Binary, columns: vec![Format::Binary; 2] };
    let read: Vec<_> = all.iter().map(|bytes| decoded(bytes)).collect();
    assert_eq!(read[0], Message::Authentication(Authentication::Ok));
    assert_eq!(read[1], Message::Authentication(Authentication::Md5Password { salt: *b"salt" }));
    assert_eq!(read[2], Message::Authentication(Authentication::Sasl { mechanisms: vec!["A", "B"] }));
    assert_eq!(read[3], Message::BackendKeyData(CancelKey { process: 7, secret: vec![1; 4] }));
    assert!(matches!(read[4], Message::CommandComplete(tag) if tag.rows() == Some(5)));
    assert_eq!(read[5], Message::CopyOutResponse(copied.clone()));
    assert_eq!(read[6], Message::CopyInResponse(copied));
    assert!(matches!(read[7], Message::DataRow(_)));
    assert_eq!(read[10], Message::FunctionCallResponse(Some(b"ab")));
    assert_eq!(read[11], Message::NegotiateProtocolVersion(Negotiation { minor: 2, options: vec!["_pq_.x"] }));
    assert_eq!(read[12], Message::NotificationResponse(Notification { process: 7, channel: "c", payload: "p" }));
    assert_eq!(read[13], Message::ParameterDescription(vec![23, 25]));
    assert_eq!(read[14], Message::ParameterStatus { name: "TimeZone", value: "UTC" });
    assert_eq!(read[15], Message::ReadyForQuery(Status::Failed));
    assert_eq!(read[16], Message::RowDescription(vec![column("a"), column("")]));
}

#[test]
fn messages_without_a_body_have_none() {
    for (write, message) in [
        (encode::bind_complete as fn(&mut BytesMut), Message::BindComplete),
        (encode::close_complete, Message::CloseComplete),
        (encode::copy_done, Message::CopyDone),
        (encode::empty_query_response, Message::EmptyQueryResponse),
        (encode::no_data, Message::NoData),
        (encode::parse_complete, Message::ParseComplete),
        (encode::portal_suspended, Message::PortalSuspended),
    ] {
        let bytes = written(write);
        assert_eq!(decoded(&bytes), message);
        assert!(decode_body(bytes[0], b"\0").is_err());
    }
    assert!(matches!(decode_body(b'?', b"").unwrap_err().malformed().problem, Problem::UnknownKind { kind: b'?' }));
}

#[test]
fn a_body_cut_at_any_length_or_with_a_surplus_byte_is_an_error() {
    for sample in samples() {
        let (kind, body) = (sample[0], &sample[frame::HEADER..]);
        for cut in 0..body.len() {
            assert!(decode_body(kind, &body[..cut]).is_err(), "{} cut at {cut}", char::from(kind));
        }
        // A key for cancellation is as long as its frame says.
        if kind != kind::BACKEND_KEY_DATA {
            let longer = [body, b"\0"].concat();
            let problem = decode_body(kind, &longer).unwrap_err().malformed().problem;
            assert_eq!(problem, Problem::Surplus { bytes: 1 }, "{}", char::from(kind));
        }
    }
}

#[test]
fn an_error_keeps_its_fields_whatever_they_are() {
    let report = ErrorReport {
        severity: Severity::Fatal,
        code: "42501",
        message: "blocked by policy",
        detail: Some("rule"),
        hint: Some("ask"),
        position: Some(15),
    };
    let bytes = written(|out| encode::error(out, &report));
    let Message::ErrorResponse(fields) = decoded(&bytes) else { panic!() };
    assert_eq!((fields.code(), &*fields.message(), fields.position()), ("42501", "blocked by policy", Some(15)));
    assert_eq!(fields.get(Fields::HINT).as_deref(), Some("ask"));
    assert!(fields.ends_connection());

    // Before the log-in is over, texts are in the server's own encoding; a code that is none tells nothing.
    let Message::ErrorResponse(fields) = decode_body(b'E', b"SFEHLER\0VERROR\0Cab\xff\0M\xe4\0\0").unwrap() else {
        panic!()
    };
    assert_eq!((fields.code(), &*fields.severity(), &*fields.message()), ("XX000", "ERROR", "\u{fffd}"));
    assert_eq!(fields.iter().count(), 4);
    assert!(!fields.ends_connection());
    let endless: Vec<u8> = b"Mx\0".repeat(65).into_iter().chain([0]).collect();
    assert!(matches!(decode_body(b'E', &endless).unwrap_err().malformed().problem, Problem::TooMany { .. }));
}

#[test]
fn a_report_can_be_passed_on_with_fields_left_out() {
    let bytes =
        written(|out| encode::error(out, &ErrorReport { code: "22012", position: Some(8), ..ErrorReport::default() }));
    let Message::ErrorResponse(fields) = decoded(&bytes) else { panic!() };
    let same = written(|out| encode::report(out, kind::ERROR_RESPONSE, fields.iter()).unwrap());
    assert_eq!(same, bytes);
    let kept = fields.iter().filter(|(letter, _)| *letter != Fields::POSITION);
    let less = written(|out| encode::report(out, kind::ERROR_RESPONSE, kept).unwrap());
    assert!(matches!(decoded(&less), Message::ErrorResponse(f) if f.position().is_none() && f.code() == "22012"));
    let mut out = BytesMut::new();
    assert!(encode::report(&mut out, kind::ERROR_RESPONSE, [(b'M', &b"a\0b"[..])].into_iter()).is_err());
    assert!(out.is_empty());
}

#[test]
fn debug_output_shows_no_text_and_no_value() {
    for sample in samples() {
        let shown = format!("{:?}", decoded(&sample));
        assert!(shown.chars().all(|c| c.is_ascii_alphabetic()), "{shown}");
    }
    let Message::ErrorResponse(fields) = decode_body(b'E', b"C22012\0Msecret\0\0").unwrap() else { panic!() };
    assert_eq!(format!("{fields:?}"), r#"Fields { code: "22012", .. }"#);
    let notification = Notification { process: 7, channel: "c", payload: "secret" };
    assert_eq!(format!("{notification:?}"), r#"Notification { process: 7, channel: "c", .. }"#);
}

#[test]
fn own_texts_are_cut_at_a_character_and_can_not_end_early() {
    let long = "ä".repeat(encode::OWN_TEXT_MAX);
    let report = ErrorReport { message: &long, detail: Some("a\0b"), ..ErrorReport::default() };
    let bytes = written(|out| encode::error(out, &report));
    let Message::ErrorResponse(fields) = decoded(&bytes) else { panic!() };
    assert_eq!(fields.bytes(Fields::MESSAGE).unwrap().len(), encode::OWN_TEXT_MAX);
    assert_eq!(fields.get(Fields::DETAIL).as_deref(), Some("a\u{fffd}b"));
}

#[test]
fn what_can_not_be_encoded_leaves_nothing_behind() {
    let mut out = BytesMut::from(&b"before"[..]);
    let bad = [column("a"), column("a\0b")];
    assert_eq!(encode::row_description(&mut out, &bad), Err(crate::EncodeError::ZeroByte { field: "column name" }));
    let many = vec![None; 65_536];
    assert!(matches!(encode::data_row(&mut out, many.into_iter()), Err(crate::EncodeError::TooMany { .. })));
    assert_eq!(&out[..], b"before");
}

#[test]
fn what_is_not_supported_is_told_by_its_code() {
    let kerberos = decode_body(b'R', b"\0\0\0\x07").unwrap();
    assert_eq!(kerberos, Message::Authentication(Authentication::Unsupported { code: 7 }));
    let mechanisms: Vec<u8> = b"\0\0\0\x0a".iter().copied().chain(b"X\0".repeat(17)).chain([0]).collect();
    assert!(decode_body(b'R', &mechanisms).is_err());
}

fn theirs(message: impl pgwire::messages::Message) -> BytesMut {
    written(|out| message.encode(out).unwrap())
}

#[test]
fn what_another_encoder_writes_is_read_the_same() {
    let bytes = theirs(startup::Authentication::MD5Password(b"salt".to_vec()));
    assert_eq!(decoded(&bytes), Message::Authentication(Authentication::Md5Password { salt: *b"salt" }));
    let bytes = theirs(startup::Authentication::SASL(vec!["SCRAM-SHA-256".to_owned()]));
    assert_eq!(decoded(&bytes), Message::Authentication(Authentication::Sasl { mechanisms: vec!["SCRAM-SHA-256"] }));
    let bytes = theirs(startup::ParameterStatus::new("a".to_owned(), "b".to_owned()));
    assert_eq!(decoded(&bytes), Message::ParameterStatus { name: "a", value: "b" });
    let bytes = theirs(response::CommandComplete::new("SELECT 3".to_owned()));
    assert!(matches!(decoded(&bytes), Message::CommandComplete(tag) if tag.rows() == Some(3)));
    let field = data::FieldDescription::new("a".to_owned(), 16_384, -1, 25, -1, 7, 1);
    let bytes = theirs(data::RowDescription::new(vec![field]));
    assert_eq!(decoded(&bytes), Message::RowDescription(vec![column("a")]));
    let bytes = theirs(data::ParameterDescription::new(vec![23]));
    assert_eq!(decoded(&bytes), Message::ParameterDescription(vec![23]));
    let bytes = theirs(response::ErrorResponse::new(vec![(b'C', "22012".to_owned()), (b'M', "m".to_owned())]));
    assert!(matches!(decoded(&bytes), Message::ErrorResponse(fields) if fields.code() == "22012"));
    let bytes = theirs(response::NotificationResponse::new(7, "c".to_owned(), "p".to_owned()));
    assert_eq!(decoded(&bytes), Message::NotificationResponse(Notification { process: 7, channel: "c", payload: "p" }));
    let bytes = theirs(copy::CopyOutResponse::new(0, 2, vec![0, 0]));
    let text = CopyResponse { format: Format::Text, columns: vec![Format::Text; 2] };
    assert_eq!(decoded(&bytes), Message::CopyOutResponse(text));
    let bytes = theirs(extendedquery::PortalSuspended::new());
    assert_eq!(decoded(&bytes), Message::PortalSuspended);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(kind in any::<u8>(), body in proptest::collection::vec(any::<u8>(), 0..120)) {
        let _ = decode_body(kind, &body);
    }

    #[test]
    fn no_mutation_of_a_real_message_makes_it_panic(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut sample = which.get(&samples()).clone();
        let place = frame::HEADER + at.index(sample.len() - frame::HEADER);
        sample[place] = byte;
        let _ = decode_body(sample[0], &sample[frame::HEADER..]);
    }
}
