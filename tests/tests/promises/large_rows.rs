//! Rows of any size, in little memory.

use std::{fs, io::Read};

use querygate_testkit::{
    Error,
    wire::{RawClient, query},
};

use crate::stage::{Stage, code, rows, words};

const MEBIBYTE: usize = 1024 * 1024;
/// What the gateway may take for a row that it does not have to hold, with what it takes for itself meanwhile.
const SPARE_KIB: u64 = 48 * 1024;

/// The most memory that the gateway has had, in KiB.
fn most_memory(stage: &Stage) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", stage.gateway.process().unwrap())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Runs a statement and reads its answer without keeping it: the lengths of its messages, by type.
fn lengths(client: RawClient, sql: &str) -> Result<Vec<(u8, usize)>, Error> {
    let mut client = client;
    client.send(&query(sql))?;
    let mut stream = client.into_stream().unwrap();
    let (mut found, mut piece) = (Vec::new(), vec![0; MEBIBYTE]);
    loop {
        let mut header = [0; 5];
        stream.read_exact(&mut header).map_err(Error::io("read a header"))?;
        let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
        found.push((header[0], length));
        let mut left = length - 4;
        while left > 0 {
            let most = left.min(piece.len());
            left -= stream.read(&mut piece[..most]).map_err(Error::io("read a body"))?;
        }
        if header[0] == b'Z' {
            return Ok(found);
        }
    }
}

#[test]
fn a_row_of_500_mb_streams_through_little_memory() -> Result<(), Error> {
    let stage = Stage::open()?;
    let size = 500 * MEBIBYTE;
    let sql = format!("SELECT repeat('x', {size}) AS large, 1 AS one");
    // Twice: the first may fill what stays.
    for _ in 0..2 {
        let before = most_memory(&stage);
        let found = lengths(stage.client("agent")?, &sql)?;
        let row = found.iter().find(|(tag, _)| *tag == b'D').unwrap();
        assert_eq!(row.1, 4 + 2 + 4 + size + 4 + 1);
        assert_eq!(found.iter().map(|(tag, _)| *tag as char).collect::<String>(), "TDCZ");
        let grown = most_memory(&stage) - before;
        assert!(grown < SPARE_KIB, "the gateway took {grown} KiB more");
    }
    Ok(())
}

#[test]
fn a_large_row_is_masked_and_one_that_is_too_large_fails_its_statement_alone() -> Result<(), Error> {
    let stage = Stage::open()?;
    let large = |size: usize| format!("SELECT id, ssn, repeat('x', {size}) AS large FROM customers WHERE id = 1");
    let copied = |size: usize, format: &str| format!("COPY ({}) TO STDOUT (FORMAT {format})", large(size));
    let mut agent = stage.client("agent")?;
    let whole = agent.query(&large(60 * MEBIBYTE))?;
    let row = whole.iter().find(|frame| frame.tag == b'D').unwrap();
    assert!(row.body.len() > 60 * MEBIBYTE && row.body.windows(11).take(64).any(|w| w == b"*******0001"));
    for too_large in [
        large(65 * MEBIBYTE),
        copied(65 * MEBIBYTE, "text"),
        copied(65 * MEBIBYTE, "csv"),
        copied(65 * MEBIBYTE, "binary"),
    ] {
        let said = agent.query(&too_large)?;
        assert_eq!(code(&said), "54000", "{too_large}");
        assert!(words(&said).starts_with("a row in which columns are masked has more than"), "{}", words(&said));
        assert!(!said.iter().any(|frame| frame.body.windows(7).any(|w| w == b"900-00-")));
        assert_eq!(rows(&agent.query("SELECT 7")?), "7");
    }
    agent.query("BEGIN")?;
    assert_eq!(code(&agent.query(&large(65 * MEBIBYTE))?), "54000");
    assert_eq!(code(&agent.query("SELECT 7")?), "25P02");
    agent.query("ROLLBACK")?;
    assert_eq!(rows(&agent.query("SELECT 7")?), "7");
    let alarms = stage.log().iter().filter(|row| row["kind"] == "alarm").count();
    assert_eq!(alarms, 0);
    Ok(())
}
