use base64::{Engine as _, engine::general_purpose::STANDARD};
use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
use proptest::prelude::*;
use querygate_record::ScramVerifier;
use sha2::Sha256;

use super::{
    client::{self, Binding},
    server::{ScramError, ServerFinal, ServerFirst, mock_verifier},
    *,
};
use crate::{backend, fixtures, frontend};

const ITERATIONS: u32 = 16;

fn verifier(password: &str) -> ScramVerifier {
    verifier_with(password, vec![3; 16], ITERATIONS)
}

pub(crate) fn verifier_with(password: &str, salt: Vec<u8>, iterations: u32) -> ScramVerifier {
    let mut salted = [0; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), &salt, iterations, &mut salted);
    let client_key = hmac(&salted, &[b"Client Key"]);
    let (stored_key, server_key) = (hash(&client_key), hmac(&salted, &[b"Server Key"]));
    ScramVerifier { iterations, salt, stored_key, server_key }
}

/// Our client against our server.
fn exchange(
    password: &str,
    stored: &ScramVerifier,
    client: Binding,
    server: Option<Vec<u8>>,
) -> Result<(), ScramError> {
    let client = client::ClientFirst::new(password, client.clone());
    let mechanism = if client.message().starts_with(b"p=") { SCRAM_SHA_256_PLUS } else { SCRAM_SHA_256 };
    let (server_first, server) = ServerFirst::new(server).client_first(mechanism, &client.message(), stored)?;
    let (client_final, client) = client.server_first(&server_first).unwrap();
    let server_final = server.client_final(&client_final)?;
    client.server_final(&server_final).unwrap();
    Ok(())
}

#[test]
fn the_right_password_is_proved_both_ways_with_and_without_binding() {
    let stored = verifier("pencil");
    let end_point = Some(vec![5; 32]);
    assert_eq!(exchange("pencil", &stored, Binding::None, None), Ok(()));
    assert_eq!(exchange("pencil", &stored, Binding::None, end_point.clone()), Ok(()));
    assert_eq!(exchange("pencil", &stored, Binding::NotOffered, None), Ok(()));
    assert_eq!(exchange("pencil", &stored, Binding::EndPoint(vec![5; 32]), end_point), Ok(()));
}

#[test]
fn a_wrong_password_and_an_unknown_account_fail_at_the_same_place_in_the_same_way() {
    let mock = mock_verifier("nobody", &[1; 32], ITERATIONS);
    for stored in [verifier("pencil"), mock.clone()] {
        assert_eq!(exchange("pen", &stored, Binding::None, None), Err(ScramError::WrongProof));
    }
    assert_eq!(mock, mock_verifier("nobody", &[1; 32], ITERATIONS));
    assert_ne!(mock.salt, mock_verifier("nobody2", &[1; 32], ITERATIONS).salt);
    assert_ne!(mock.salt, mock_verifier("nobody", &[2; 32], ITERATIONS).salt);
    assert_eq!(mock.salt.len(), 16);
}

#[test]
fn a_man_in_the_middle_of_tls_is_noticed() {
    let stored = verifier("pencil");
    let other = Binding::EndPoint(vec![6; 32]);
    assert_eq!(exchange("pencil", &stored, other, Some(vec![5; 32])), Err(ScramError::BindingMismatch));
    let stripped = exchange("pencil", &stored, Binding::NotOffered, Some(vec![5; 32]));
    assert_eq!(stripped, Err(ScramError::BindingStripped));
}

#[test]
fn a_mechanism_and_a_message_that_contradict_each_other_are_refused() {
    let stored = verifier("pencil");
    let first = |end_point: bool, mechanism: &str, message: &[u8]| {
        let exchange = ServerFirst::new(end_point.then(|| vec![5; 32]));
        exchange.client_first(mechanism, message, &stored).map(|_| ()).unwrap_err()
    };
    assert_eq!(first(false, SCRAM_SHA_256_PLUS, b"n,,n=,r=a"), ScramError::Mechanism);
    assert_eq!(first(true, "PLAIN", b"n,,n=,r=a"), ScramError::Mechanism);
    assert_eq!(first(true, SCRAM_SHA_256_PLUS, b"n,,n=,r=a"), ScramError::BindingUnfit);
    assert_eq!(first(true, SCRAM_SHA_256, b"p=tls-server-end-point,,n=,r=a"), ScramError::BindingUnfit);
    assert_eq!(first(false, SCRAM_SHA_256, b"p=tls-server-end-point,,n=,r=a"), ScramError::BindingUnfit);
    for malformed in [
        &b""[..],
        b"n",
        b"n,",
        b"n,,",
        b"n,,r=a",
        b"n,,n=",
        b"n,,n=,r=",
        b"n,,n=,r=a\x01",
        b"n,a=bob,n=,r=a",
        b"n,,m=x,n=,r=a",
        b"q,,n=,r=a",
        b"p=tls-unique,,n=,r=a",
        b"n,,n=\xff,r=a",
        &[b'n'; 5000],
    ] {
        assert!(matches!(first(true, SCRAM_SHA_256, malformed), ScramError::Malformed { .. }), "{malformed:?}");
    }
}

fn final_state() -> (String, ServerFinal) {
    let (answer, state) =
        ServerFirst::new(None).client_first(SCRAM_SHA_256, b"n,,n=,r=abc", &verifier("pencil")).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    (attribute(&answer, 'r').unwrap().0.to_owned(), state)
}

#[test]
fn a_final_message_must_carry_the_same_nonce_and_header_and_a_whole_proof() {
    let proof = STANDARD.encode([0; 32]);
    let answer = |message: &dyn Fn(&str) -> String| {
        let (nonce, state) = final_state();
        state.client_final(message(&nonce).as_bytes()).unwrap_err()
    };
    assert_eq!(answer(&|nonce| format!("c=biws,r={nonce},p={proof}")), ScramError::WrongProof);
    assert_eq!(answer(&|nonce| format!("c=eSws,r={nonce},p={proof}")), ScramError::BindingMismatch);
    for message in [
        &(|_: &str| format!("c=biws,r=abc,p={proof}")) as &dyn Fn(&str) -> String,
        &|nonce| format!("c=biws,r={nonce}"),
        &|nonce| format!("c=biws,r={nonce},p=AAAA"),
        &|nonce| format!("c=!,r={nonce},p={proof}"),
        &|nonce| format!("r={nonce},p={proof}"),
        &|_| format!("c=biws,p={proof}"),
        &|_| String::new(),
    ] {
        assert!(matches!(answer(message), ScramError::Malformed { .. }));
    }
}

#[test]
fn another_implementation_of_the_client_is_understood() {
    let bound = || ChannelBinding::tls_server_end_point(vec![5; 32]);
    for (binding, mechanism, end_point) in [
        (ChannelBinding::unsupported(), SCRAM_SHA_256, None),
        (ChannelBinding::unrequested(), SCRAM_SHA_256, None),
        (bound(), SCRAM_SHA_256_PLUS, Some(vec![5; 32])),
    ] {
        let mut theirs = ScramSha256::new("pâß pencil".as_bytes(), binding);
        let ours = ServerFirst::new(end_point);
        let (first, ours) = ours.client_first(mechanism, theirs.message(), &verifier("pâß pencil")).unwrap();
        theirs.update(&first).unwrap();
        let last = ours.client_final(theirs.message()).unwrap();
        theirs.finish(&last).unwrap();
    }
}

#[test]
fn a_server_that_does_not_know_the_password_is_an_impostor() {
    let start = || client::ClientFirst::new("pencil", Binding::None);
    let nonce = |client: &client::ClientFirst| {
        let message = String::from_utf8(client.message()).unwrap();
        attribute(message.strip_prefix("n,,n=,").unwrap(), 'r').unwrap().0.to_owned()
    };
    let answered = |rest: &str| {
        let client = start();
        let message = format!("r={}{rest}", nonce(&client));
        client.server_first(message.as_bytes()).map(|(_, state)| state)
    };
    let impostor = format!("v={}", STANDARD.encode([0; 32]));
    let last = |message: &str| answered("x,s=AAAA,i=1").unwrap().server_final(message.as_bytes());
    assert_eq!(last(&impostor), Err(client::ScramError::WrongSignature));
    assert_eq!(last("e=other-error"), Err(client::ScramError::Refused));
    assert!(matches!(last("v=AAAA"), Err(client::ScramError::Malformed { .. })));

    let too_many = client::ScramError::TooManyIterations { iterations: 4_000_000_000 };
    assert_eq!(answered("x,s=AAAA,i=4000000000").unwrap_err(), too_many);
    for rest in [",s=AAAA,i=1", "x,s=,i=1", "x,s=!,i=1", "x,s=AAAA,i=0", "x,s=AAAA,i=-1", "x,s=AAAA", "x"] {
        assert!(matches!(answered(rest), Err(client::ScramError::Malformed { .. })), "{rest}");
    }
    assert!(start().server_first(b"r=other,s=AAAA,i=1").is_err());
    assert!(start().server_first(b"m=x,r=other,s=AAAA,i=1").is_err());
}

#[test]
fn the_example_of_the_rfc_gives_its_proof() {
    // RFC 7677, section 3.
    let mut salted = [0; 32];
    let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
    pbkdf2::pbkdf2_hmac::<Sha256>(b"pencil", &salt, 4096, &mut salted);
    let client_key = hmac(&salted, &[b"Client Key"]);
    let auth_message = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
        r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
        c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    let proof = xor(&client_key, &hmac(&hash(&client_key), &[auth_message.as_bytes()]));
    assert_eq!(STANDARD.encode(proof), "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    let signature = hmac(&hmac(&salted, &[b"Server Key"]), &[auth_message.as_bytes()]);
    assert_eq!(STANDARD.encode(signature), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

#[test]
fn a_real_exchange_is_repeated_byte_for_byte_from_both_sides() {
    let sent = fixtures::client("scram").1;
    let initial = frontend::password::sasl_initial(sent[0].body()).unwrap();
    let (client_first, client_final) = (initial.data.unwrap(), frontend::password::sasl_response(sent[1].body()));
    let answered = fixtures::server("scram");
    let step = |frame| match backend::decode(frame).unwrap() {
        backend::Message::Authentication(
            backend::Authentication::SaslContinue(data) | backend::Authentication::SaslFinal(data),
        ) => data,
        other => panic!("{other:?}"),
    };
    let (server_first, server_final) = (step(&answered[1]), step(&answered[2]));

    let nonce = std::str::from_utf8(client_first).unwrap().strip_prefix("n,,n=,r=").unwrap();
    let mut client = client::ClientFirst::new("pencil", Binding::None);
    client.nonce = nonce.to_owned();
    assert_eq!(client.message(), client_first);
    let (last, client) = client.server_first(server_first).unwrap();
    assert_eq!(last, client_final);
    client.server_final(server_final).unwrap();

    let text = std::str::from_utf8(server_first).unwrap();
    let (both, rest) = attribute(text, 'r').unwrap();
    let (salt, rest) = attribute(rest, 's').unwrap();
    let (salt, iterations) = (STANDARD.decode(salt).unwrap(), attribute(rest, 'i').unwrap().0.parse().unwrap());
    let mut server = ServerFirst::new(None);
    server.nonce = both.strip_prefix(nonce).unwrap().to_owned();
    let stored = verifier_with("pencil", salt, iterations);
    let (first, server) = server.client_first(initial.mechanism, client_first, &stored).unwrap();
    assert_eq!(first, server_first);
    assert_eq!(server.client_final(client_final).unwrap(), server_final);
}

#[test]
fn debug_output_shows_no_secret() {
    let client = client::ClientFirst::new("pencil", Binding::None);
    assert_eq!(format!("{client:?}"), "ClientFirst { .. }");
    assert_eq!(format!("{:?}", final_state().1), "ServerFinal { .. }");
}

proptest! {
    #[test]
    fn no_message_makes_it_panic(message in "[nyp=,rcvsieAB1 ]{0,40}", bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        for message in [message.as_bytes(), &bytes] {
            let _ = ServerFirst::new(Some(vec![5; 32])).client_first(SCRAM_SHA_256, message, &verifier("x"));
            let _ = final_state().1.client_final(message);
            let _ = client::ClientFirst::new("x", Binding::None).server_first(message);
        }
    }
}
