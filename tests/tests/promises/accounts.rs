//! Wrong password, unknown account, disabled account: whoever asks can't tell them apart.

use std::time::{Duration, Instant};

use querygate_testkit::{
    Error,
    wire::{RawClient, message, startup},
};

use crate::stage::{POLICY, Stage, code, eventually, secret};

/// Runs a SCRAM exchange with a proof that is wrong; returns all that the gateway said, without what differs in each exchange.
fn failed(stage: &Stage, account: &str) -> Result<(Vec<(u8, String)>, usize), Error> {
    let mut client = RawClient::connect(stage.gateway.address())?;
    client.send(&startup(&[("user", account), ("database", "shop")]))?;
    let offered = client.expect(b'R')?;
    let first = b"n,,n=,r=abcdefghijklmnopqrstuvwx";
    let length = u32::try_from(first.len()).unwrap().to_be_bytes();
    client.send(&message(b'p', &[b"SCRAM-SHA-256\0".as_slice(), &length, first].concat()))?;
    let challenge = client.expect(b'R')?;
    let challenge = String::from_utf8_lossy(&challenge.body[4..]).into_owned();
    let nonce = challenge.split(',').next().unwrap().to_owned();
    let proof = format!("c=biws,{nonce},p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    client.send(&message(b'p', proof.as_bytes()))?;
    let mut said = vec![(offered.tag, format!("{:?}", offered.body))];
    let iterations = challenge.rsplit(',').next().unwrap().to_owned();
    let salt = challenge.split(",s=").nth(1).unwrap().split(',').next().unwrap().len();
    said.push((b'R', iterations));
    for frame in client.read_to_end()? {
        said.push((frame.tag, String::from_utf8_lossy(&frame.body).replace(account, "ACCOUNT")));
    }
    Ok((said, salt))
}

fn salt(stage: &Stage, account: &str) -> Result<String, Error> {
    let mut client = RawClient::connect(stage.gateway.address())?;
    client.send(&startup(&[("user", account), ("database", "shop")]))?;
    client.expect(b'R')?;
    let first = b"n,,n=,r=abcdefghijklmnopqrstuvwx";
    let length = u32::try_from(first.len()).unwrap().to_be_bytes();
    client.send(&message(b'p', &[b"SCRAM-SHA-256\0".as_slice(), &length, first].concat()))?;
    let challenge = client.expect(b'R')?;
    let text = String::from_utf8_lossy(&challenge.body[4..]).into_owned();
    Ok(text.split(",s=").nth(1).unwrap().split(',').next().unwrap().to_owned())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[test]
fn wrong_unknown_and_disabled_look_alike_in_bytes_and_time() -> Result<(), Error> {
    // So many failures in a row would be slowed down, all alike; here the exchange itself is timed.
    let stage = Stage::with(POLICY, |setup| setup.listen("tls = \"off\"\nfailed_logins = 1000"))?;
    let created = ["account", "create", "made", "--role", "agent", "--secret-file", "-"];
    stage.gateway.command(&created, "made-sEcret-Pa55")?.ok()?;
    let made = stage.gateway.login("made", "made-sEcret-Pa55", "shop");
    eventually("the account", || RawClient::login(&made).is_ok());
    stage.gateway.command(&["account", "disable", "made"], "")?.ok()?;
    eventually("the account's end", || RawClient::login(&made).is_err());

    let wrong = failed(&stage, "agent")?;
    assert_eq!(wrong, failed(&stage, "nobody")?);
    assert_eq!(wrong, failed(&stage, "made")?);
    assert!(wrong.0.last().unwrap().1.contains("28P01"), "{wrong:?}");
    // An invented salt stays the same, or it would tell that it is invented.
    assert_eq!(salt(&stage, "nobody")?, salt(&stage, "nobody")?);
    assert_ne!(salt(&stage, "nobody")?, salt(&stage, "somebody")?);

    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..25 {
        for (index, account) in ["agent", "nobody", "made"].iter().enumerate() {
            let since = Instant::now();
            failed(&stage, account)?;
            times[index].push(since.elapsed());
        }
    }
    let [wrong, unknown, disabled] = times.map(median);
    for other in [unknown, disabled] {
        let (less, more) = (wrong.min(other), wrong.max(other));
        assert!(
            more < less * 2 + Duration::from_millis(2),
            "wrong {wrong:?}, unknown {unknown:?}, disabled {disabled:?}"
        );
    }
    Ok(())
}

#[test]
fn a_disabled_account_loses_its_sessions_and_a_refused_log_in_is_in_the_log() -> Result<(), Error> {
    let stage = Stage::open()?;
    stage
        .gateway
        .command(&["account", "create", "made", "--role", "agent", "--secret-file", "-"], &secret("made"))?
        .ok()?;
    let mut open = stage.client("made")?;
    stage.gateway.command(&["account", "disable", "made"], "")?.ok()?;
    assert_eq!(code(&open.read_to_end()?), "57P01");
    assert!(stage.client("made").is_err());
    eventually("the log's entry", || {
        stage.log().iter().any(|row| row["subject"] == "made" && row.to_string().contains("authentication failed"))
    });
    Ok(())
}
