//! One large result, read by a client that only counts.

use std::{
    io::{Read, Write},
    time::Instant,
};

use super::{client, stand::Stand};
use crate::{
    cpu,
    error::Error,
    result::{Cell, ROWS, Sample, Work},
};

const READ_BYTES: usize = 256 * 1024;
/// Bytes of a packet's header: length and sequence.
const HEADER: usize = 4;
/// COM_QUERY.
const QUERY: u8 = 3;
/// What begins the packet behind the definitions, and the one behind the rows; and how long it is at most (EOF).
const EOF: u8 = 0xfe;
const EOF_LENGTH: usize = 8;
const ERR: u8 = 0xff;

/// Reads the table once; gives the result's bytes too. Throughput counts the rows of the table, so that a mask that makes them shorter gains nothing by it.
pub fn measure(stand: &Stand, cell: Cell) -> Result<(Sample, u64), Error> {
    let Work::Rows { masked } = cell.work else { return Err(Error::Empty("a load that is none of rows".to_owned())) };
    let mut stream = client::connect(&stand.login(cell.place, masked))?;
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

/// Sends a statement and counts rows and bytes to the end of its result.
fn read(stream: &mut client::Stream, sql: &str) -> Result<(u64, u64), Error> {
    let length = u32::try_from(sql.len() + 1).unwrap_or(u32::MAX).to_le_bytes();
    let [a, b, c, _] = length;
    let packet = [&[a, b, c, 0, QUERY], sql.as_bytes()].concat();
    stream.write_all(&packet).and_then(|()| stream.flush()).map_err(Error::io("send"))?;
    let mut counter = Counter::default();
    let mut buffer = vec![0; READ_BYTES];
    let mut bytes = 0;
    while !counter.ended {
        let count = stream.read(&mut buffer).map_err(Error::io("read"))?;
        if count == 0 || counter.failed {
            return Err(Error::Empty(format!("an error in place of a result of {sql}")));
        }
        bytes += count as u64;
        counter.take(buffer.get(..count).unwrap_or_default());
    }
    Ok((counter.rows, bytes))
}

/// Finds packets however they are cut, and keeps nothing of them. Packets are shorter than 16 MiB here.
#[derive(Debug, Default)]
struct Counter {
    header: Vec<u8>,
    /// Bytes of the present packet's payload that are still to come.
    payload: usize,
    /// The length of the present packet, whose first byte is still to come.
    first: Option<usize>,
    eofs: u8,
    rows: u64,
    ended: bool,
    failed: bool,
}

impl Counter {
    fn take(&mut self, mut bytes: &[u8]) {
        while let Some(&byte) = bytes.first() {
            if let Some(length) = self.first.take() {
                self.begins(byte, length);
            }
            if self.payload > 0 {
                let skipped = self.payload.min(bytes.len());
                self.payload -= skipped;
                bytes = bytes.get(skipped..).unwrap_or_default();
                continue;
            }
            let wanted = (HEADER - self.header.len()).min(bytes.len());
            let (head, rest) = bytes.split_at(wanted);
            self.header.extend_from_slice(head);
            bytes = rest;
            if let [a, b, c, _] = *self.header.as_slice() {
                self.payload = u32::from_le_bytes([a, b, c, 0]) as usize;
                self.first = Some(self.payload).filter(|length| *length > 0);
                self.header.clear();
            }
        }
    }

    fn begins(&mut self, byte: u8, length: usize) {
        if byte == EOF && length <= EOF_LENGTH {
            self.eofs += 1;
            self.ended = self.eofs == 2;
        } else if self.eofs == 1 {
            self.rows += 1;
        }
        self.failed |= byte == ERR && self.eofs == 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_however_they_are_cut() {
        let packet = |payload: &[u8]| [&[payload.len() as u8, 0, 0, 9], payload].concat();
        let eof = [EOF, 0, 0, 2, 0];
        let parts = [packet(&[1]), packet(b"def"), packet(&eof), packet(b"\x01a"), packet(b"\x02bb"), packet(&eof)];
        let bytes = parts.concat();
        for size in 1..bytes.len() {
            let mut counter = Counter::default();
            for chunk in bytes.chunks(size) {
                counter.take(chunk);
            }
            assert_eq!((counter.rows, counter.ended, counter.failed), (2, true, false), "in chunks of {size}");
        }
    }
}
