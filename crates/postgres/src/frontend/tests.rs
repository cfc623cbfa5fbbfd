use bytes::BytesMut;
use pgwire::messages::{Message as _, copy, extendedquery, simplequery};
use proptest::prelude::*;

use super::*;
use crate::frame;

/// One of each message that has a body, as our encoders write it.
fn samples() -> Vec<BytesMut> {
    let bind = Bind {
        portal: "p",
        statement: "s",
        formats: vec![Format::Text, Format::Binary, Format::Text],
        values: vec![Some(b"one"), None, Some(b"")],
        result_formats: vec![Format::Binary],
    };
    let parse = Parse { name: "s", text: "SELECT $1, 'ä'", types: vec![23, 0] };
    let mut all = Vec::new();
    let mut add = |write: &dyn Fn(&mut BytesMut)| {
        let mut out = BytesMut::new();
        write(&mut out);
        all.push(out);
    };
    add(&|out| encode::bind(out, &bind).unwrap());
    add(&|out| encode::parse(out, &parse).unwrap());
    add(&|out| encode::close(out, Target::Portal, "p").unwrap());
    add(&|out| encode::describe(out, Target::Statement, "s").unwrap());
    add(&|out| encode::execute(out, "p", 100).unwrap());
    add(&|out| encode::query(out, "SELECT 1").unwrap());
    add(&|out| encode::copy_fail(out, "no").unwrap());
    add(&|out| out.extend_from_slice(b"F\0\0\0\x16\0\0\0\x07\0\x01\0\x01\0\x01\0\0\0\x02ab\0\0"));
    all
}

fn decoded(bytes: &[u8]) -> Result<Message<'_>, DecodeError> {
    let header = frame::peek(bytes, usize::MAX).unwrap().unwrap();
    assert_eq!(header.length, bytes.len());
    decode_body(header.kind, &bytes[frame::HEADER..])
}

#[test]
fn every_message_reads_back_as_written() {
    let all = samples();
    let Message::Bind(bind) = decoded(&all[0]).unwrap() else { panic!() };
    assert_eq!((bind.portal, bind.statement), ("p", "s"));
    assert_eq!(bind.values, [Some(&b"one"[..]), None, Some(b"")]);
    assert_eq!((bind.format(1), bind.format(2), bind.result_format(9)), (Format::Binary, Format::Text, Format::Binary));
    let parse = Parse { name: "s", text: "SELECT $1, 'ä'", types: vec![23, 0] };
    assert_eq!(decoded(&all[1]), Ok(Message::Parse(parse)));
    assert_eq!(decoded(&all[2]), Ok(Message::Close(Named { target: Target::Portal, name: "p" })));
    assert_eq!(decoded(&all[3]), Ok(Message::Describe(Named { target: Target::Statement, name: "s" })));
    assert_eq!(decoded(&all[4]), Ok(Message::Execute { portal: "p", max_rows: 100 }));
    assert_eq!(decoded(&all[5]), Ok(Message::Query { text: "SELECT 1" }));
    assert_eq!(decoded(&all[6]), Ok(Message::CopyFail { reason: "no" }));
    assert_eq!(decoded(&all[7]), Ok(Message::FunctionCall { function: 7 }));
    for (kind, message) in
        [(b'H', Message::Flush), (b'S', Message::Sync), (b'X', Message::Terminate), (b'c', Message::CopyDone)]
    {
        assert_eq!(decode_body(kind, b""), Ok(message));
        assert!(decode_body(kind, b"\0").is_err());
    }
}

#[test]
fn a_body_cut_at_any_length_or_with_a_surplus_byte_is_an_error() {
    for sample in samples() {
        let (kind, body) = (sample[0], &sample[frame::HEADER..]);
        for cut in 0..body.len() {
            assert!(decode_body(kind, &body[..cut]).is_err(), "{} cut at {cut}", char::from(kind));
        }
        let longer = [body, b"\0"].concat();
        let error = decode_body(kind, &longer).unwrap_err();
        assert_eq!(error.malformed().problem, Problem::Surplus { bytes: 1 }, "{}", char::from(kind));
    }
}

#[test]
fn errors_name_the_field_and_never_quote_it() {
    let error = decode_body(b'P', b"s\0SELECT \xff\0\0\0").unwrap_err();
    assert_eq!(error.to_string(), "the client sent a malformed message: Parse, text: not valid UTF-8 at byte 7");
    let error = decode_body(b'D', b"Qx\0").unwrap_err();
    assert_eq!(error.malformed().problem, Problem::BadValue { value: 0x51 });
    let error = decode_body(b'?', b"").unwrap_err();
    assert_eq!(error.malformed().problem, Problem::UnknownKind { kind: b'?' });
}

#[test]
fn debug_output_shows_no_text_and_no_value() {
    let all = samples();
    for sample in &all {
        let shown = format!("{:?}", decoded(sample).unwrap());
        assert!(shown.chars().all(|c| c.is_ascii_alphabetic()), "{shown}");
    }
    let Message::Bind(bind) = decoded(&all[0]).unwrap() else { panic!() };
    assert_eq!(format!("{bind:?}"), r#"Bind { portal: "p", statement: "s", values: 3, .. }"#);
    let Message::Parse(parse) = decoded(&all[1]).unwrap() else { panic!() };
    assert_eq!(format!("{parse:?}"), r#"Parse { name: "s", types: [23, 0], .. }"#);
    assert_eq!(format!("{:?}", Secret(b"s3cret")), "Secret");
}

#[test]
fn a_bind_whose_formats_fit_no_rule_is_refused() {
    let refused = |body: &[u8]| decode_body(b'B', body).unwrap_err().malformed();
    // Two formats for one value.
    let two = refused(b"\0\0\0\x02\0\0\0\0\0\x01\0\0\0\x01x\0\0");
    assert_eq!((two.field, two.problem), ("value formats", Problem::TooMany { count: 2, limit: 1 }));
    // A format that is neither text nor binary.
    assert_eq!(refused(b"\0\0\0\x01\0\x02\0\0\0\0").problem, Problem::BadValue { value: 2 });
    // A length of -2.
    assert_eq!(refused(b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0").problem, Problem::BadValue { value: -2 });
    // A count that promises more than the body could hold reserves nothing.
    assert_eq!(refused(b"\0\0\0\0\xff\xff\0\0\0\0").problem, Problem::EndsEarly);
}

#[test]
fn a_negative_row_limit_is_none_as_for_the_server() {
    assert_eq!(decode_body(b'E', b"\0\xff\xff\xff\xff"), Ok(Message::Execute { portal: "", max_rows: 0 }));
    assert!(encode::execute(&mut BytesMut::new(), "", u32::MAX).is_err());
}

#[test]
fn what_another_encoder_writes_is_read_the_same() {
    let mut out = BytesMut::new();
    simplequery::Query::new("SELECT 1".to_owned()).encode(&mut out).unwrap();
    assert_eq!(decoded(&out), Ok(Message::Query { text: "SELECT 1" }));

    let mut out = BytesMut::new();
    extendedquery::Parse::new(Some("s".to_owned()), "SELECT $1".to_owned(), vec![25]).encode(&mut out).unwrap();
    assert_eq!(decoded(&out), Ok(Message::Parse(Parse { name: "s", text: "SELECT $1", types: vec![25] })));

    let mut out = BytesMut::new();
    let values = vec![Some(bytes::Bytes::from_static(b"v")), None];
    let theirs = extendedquery::Bind::new(None, Some("s".to_owned()), vec![0, 1], values, vec![1]);
    theirs.encode(&mut out).unwrap();
    let ours = Bind {
        portal: "",
        statement: "s",
        formats: vec![Format::Text, Format::Binary],
        values: vec![Some(b"v"), None],
        result_formats: vec![Format::Binary],
    };
    assert_eq!(decoded(&out), Ok(Message::Bind(ours.clone())));
    let mut again = BytesMut::new();
    encode::bind(&mut again, &ours).unwrap();
    assert_eq!(again, out);

    let mut out = BytesMut::new();
    copy::CopyFail::new("no".to_owned()).encode(&mut out).unwrap();
    assert_eq!(decoded(&out), Ok(Message::CopyFail { reason: "no" }));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(kind in any::<u8>(), body in proptest::collection::vec(any::<u8>(), 0..120)) {
        let _ = decode_body(kind, &body);
    }

    #[test]
    fn no_mutation_of_a_real_message_makes_it_panic(which in 0_usize..8, at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut sample = samples().swap_remove(which);
        let place = frame::HEADER + at.index(sample.len() - frame::HEADER);
        sample[place] = byte;
        let _ = decode_body(sample[0], &sample[frame::HEADER..]);
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(body in proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), any::<u8>()], 0..60)) {
        if let Ok(Message::Bind(bind)) = decode_body(kind::BIND, &body) {
            let mut out = BytesMut::new();
            encode::bind(&mut out, &bind).unwrap();
            prop_assert_eq!(&out[frame::HEADER..], &body[..]);
        }
        if let Ok(Message::Parse(parse)) = decode_body(kind::PARSE, &body) {
            let mut out = BytesMut::new();
            encode::parse(&mut out, &parse).unwrap();
            prop_assert_eq!(&out[frame::HEADER..], &body[..]);
        }
    }
}
