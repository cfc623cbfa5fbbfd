//! The disk under the log fills up: nothing runs that can't be logged, and everything runs again once there is room.

use std::{fs, io::Write, path::PathBuf};

use querygate_testkit::{
    Error,
    wire::{RawClient, query, startup},
};

use crate::stage::{POLICY, Stage, code, eventually, rows, secret};

/// A file system in memory for the gateway alone, in a name space of its own: no rights are needed where the system lets users have such.
const SMALL_DISK: [&str; 7] = [
    "unshare",
    "--user",
    "--map-root-user",
    "--mount",
    "sh",
    "-c",
    "mount -t tmpfs -o size=400m none data && exec \"$0\" \"$@\"",
];

/// Bytes of one statement, so that the log grows fast.
const TEXT_BYTES: usize = 200_000;

#[test]
fn a_full_disk_stops_traffic_with_a_clear_error_and_room_lets_it_go_on() -> Result<(), Error> {
    let stage = Stage::with(POLICY, |setup| setup.folder("data").inside(&SMALL_DISK))?;
    let data = PathBuf::from(format!("/proc/{}/root", stage.gateway.process().unwrap()))
        .join(stage.gateway.data().strip_prefix("/").unwrap());
    let mut agent = stage.client("agent")?;
    assert_eq!(code(&agent.query("INSERT INTO done VALUES (1)")?), "");

    let filler = data.join("filler");
    fill(&filler);
    let mut number = 100;
    let refused = loop {
        number += 1;
        // What is left of blocks that were already given to the log's files fills up, too.
        let answer = write(&stage, number)?;
        if !answer.is_empty() {
            break answer;
        }
        assert!(number < 2_000, "the disk does not fill up");
    };
    assert_eq!(refused, "58030");
    assert_eq!(stage.truth(&format!("SELECT count(*) FROM orders WHERE id = {number}")), "0", "it ran unlogged");
    assert_eq!(stage.gateway.page("/readyz")?.0, 503);
    assert_eq!(stage.gateway.page("/healthz")?.0, 200);
    eventually("entries that wait", || stage.metric("querygate_log_queue_bytes") > 0.0);

    fs::remove_file(&filler).unwrap();
    eventually("recovery", || write(&stage, number).is_ok_and(|answer| answer.is_empty()));
    eventually("readiness", || stage.gateway.page("/readyz").is_ok_and(|(status, _)| status == 200));
    eventually("an empty queue", || stage.metric("querygate_log_queue_bytes") == 0.0);
    assert_eq!(rows(&stage.client("agent")?.query("SELECT id FROM orders WHERE id = 1")?), "1");
    Ok(())
}

fn fill(path: &std::path::Path) {
    let mut file = fs::File::create(path).unwrap();
    for size in [64 << 10, 4 << 10, 512, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

/// One row over a session of its own, since the end of the log ends a session, and begins none. Returns the error's SQLSTATE, empty where there is
/// none.
fn write(stage: &Stage, number: u32) -> Result<String, Error> {
    let mut client = RawClient::connect(stage.gateway.address())?;
    client.send(&startup(&[("user", "agent"), ("database", "shop")]))?;
    client.scram(&secret("agent"))?;
    let refused = answer(&mut client)?;
    if !refused.is_empty() {
        return Ok(refused);
    }
    client.send(&query(&format!("INSERT INTO orders VALUES ({number}, '{}')", noise(number))))?;
    answer(&mut client)
}

/// The SQLSTATE of the error that comes before the server is ready; empty where none does.
fn answer(client: &mut RawClient) -> Result<String, Error> {
    loop {
        let frame = client.read()?;
        match frame.tag {
            b'E' => return Ok(frame.field(b'C').unwrap_or_default()),
            b'Z' => return Ok(String::new()),
            _ => {}
        }
    }
}

/// Text that can't be compressed much.
fn noise(seed: u32) -> String {
    let mut state = u64::from(seed);
    let mut letter = || {
        // Knuth's linear congruential generator (MMIX).
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'A' + u8::try_from(state >> 59).unwrap())
    };
    (0..TEXT_BYTES).map(|_| letter()).filter(|letter| *letter != '\\').collect()
}
