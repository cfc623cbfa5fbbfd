//! Large results: one plain SELECT of the whole wide table, read by a client that only counts.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use querygate_testkit::wire::{RawClient, query};

use super::stand::Stand;
use crate::{
    cpu,
    error::Error,
    result::{Cell, ROWS, Sample, Work},
};

const READ_BYTES: usize = 256 * 1024;
/// How long the next bytes may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
/// Bytes of a header: kind and length.
const HEADER: usize = 5;

/// Reads the table once; gives the result's bytes too. Throughput counts the rows of the table, so that a mask that makes them shorter gains nothing by it.
pub fn measure(stand: &Stand, cell: Cell) -> Result<(Sample, u64), Error> {
    let Work::Rows { masked } = cell.work else { return Err(Error::Empty("a load that is none of rows".to_owned())) };
    let client = RawClient::login(&stand.target(cell.place, masked))?;
    let mut stream = client.into_stream().ok_or_else(|| Error::Empty("a log-in with more than was read".to_owned()))?;
    stream.set_read_timeout(Some(ANSWER_LIMIT)).map_err(Error::io("set a time limit"))?;
    let process = stand.process(cell.place);
    // The gateway asks some things before its first statement: they are no part of this.
    read(&mut stream, "SELECT id FROM wide WHERE id = 1")?;
    let before = process.and_then(cpu::used);
    let started = Instant::now();
    let (rows, bytes) = read(&mut stream, "SELECT * FROM wide")?;
    let took = started.elapsed();
    let used = process.and_then(cpu::used).zip(before).map(|(after, before)| after.saturating_sub(before));
    if rows != ROWS {
        return Err(Error::Empty(format!("a result of {rows} rows")));
    }
    let per_second = ROWS as f64 / took.as_secs_f64();
    let cpu_us = used.map(|used| used.as_secs_f64() * 1e6 / ROWS as f64);
    Ok((Sample { per_second, p50_us: None, p99_us: None, cpu_us, machine_us: None }, bytes))
}

/// Sends a statement and counts rows and bytes until the server is ready again.
fn read(stream: &mut TcpStream, sql: &str) -> Result<(u64, u64), Error> {
    stream.write_all(&query(sql)).map_err(Error::io("send"))?;
    let mut counter = Counter::default();
    let mut buffer = vec![0; READ_BYTES];
    let mut bytes = 0;
    while !counter.ready {
        let count = stream.read(&mut buffer).map_err(Error::io("read"))?;
        if count == 0 {
            return Err(Error::Empty(format!("a connection that was closed in the middle of {sql}")));
        }
        bytes += count as u64;
        counter.take(buffer.get(..count).unwrap_or_default());
    }
    Ok((counter.rows, bytes))
}

/// Finds frames however they are cut, and keeps nothing of them.
#[derive(Debug, Default)]
struct Counter {
    header: Vec<u8>,
    /// Bytes of the present frame's body that are still to come.
    body: usize,
    rows: u64,
    /// The present or last frame is ReadyForQuery.
    closing: bool,
    /// ReadyForQuery is in to its last byte.
    ready: bool,
}

impl Counter {
    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let skipped = self.body.min(bytes.len());
            self.body -= skipped;
            bytes = bytes.get(skipped..).unwrap_or_default();
            self.ready = self.closing && self.body == 0;
            let wanted = (HEADER - self.header.len()).min(bytes.len());
            let (head, rest) = bytes.split_at(wanted);
            self.header.extend_from_slice(head);
            bytes = rest;
            if let [kind, a, b, c, d] = *self.header.as_slice() {
                self.body = (u32::from_be_bytes([a, b, c, d]) as usize).saturating_sub(HEADER - 1);
                self.rows += u64::from(kind == b'D');
                self.closing = kind == b'Z';
                self.ready = false;
                self.header.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use querygate_testkit::wire::message;

    use super::*;

    #[test]
    fn rows_are_counted_however_they_are_cut() {
        let parts = [message(b'T', b"xyz"), message(b'D', b"DDDD"), message(b'D', b""), message(b'Z', b"I")];
        let bytes = parts.concat();
        for size in 1..bytes.len() {
            let mut counter = Counter::default();
            for chunk in bytes.chunks(size) {
                assert!(!counter.ready);
                counter.take(chunk);
            }
            assert_eq!((counter.rows, counter.ready), (2, true), "in chunks of {size}");
        }
    }
}
