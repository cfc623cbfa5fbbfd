//! What a client can say in the extended protocol, and what the answers hold.

#![allow(dead_code, reason = "each test file uses what it needs")]
#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use querygate_testkit::{
    Error,
    wire::{Frame, RawClient, message},
};

fn text(value: &str) -> Vec<u8> {
    let mut bytes = value.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

fn count(of: usize) -> [u8; 2] {
    u16::try_from(of).unwrap().to_be_bytes()
}

/// Parse, with types left to the server.
pub fn parse(name: &str, sql: &str) -> Vec<u8> {
    message(b'P', &[text(name), text(sql), vec![0, 0]].concat())
}

/// Bind of text values, results in one format (0 text, 1 binary).
pub fn bind_as(format: u16, portal: &str, statement: &str, values: &[&str]) -> Vec<u8> {
    let mut body = [text(portal), text(statement), vec![0, 0], count(values.len()).to_vec()].concat();
    for value in values {
        body.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
        body.extend(value.as_bytes());
    }
    body.extend([0, 1]);
    body.extend(format.to_be_bytes());
    message(b'B', &body)
}

/// Bind of text values, results as text.
pub fn bind(portal: &str, statement: &str, values: &[&str]) -> Vec<u8> {
    bind_as(0, portal, statement, values)
}

/// Execute; 0 rows are all of them.
pub fn execute(portal: &str, rows: u32) -> Vec<u8> {
    message(b'E', &[text(portal), rows.to_be_bytes().to_vec()].concat())
}

/// Describe a statement (`b'S'`) or a portal (`b'P'`).
pub fn describe(what: u8, name: &str) -> Vec<u8> {
    message(b'D', &[vec![what], text(name)].concat())
}

/// Close a statement (`b'S'`) or a portal (`b'P'`).
pub fn close(what: u8, name: &str) -> Vec<u8> {
    message(b'C', &[vec![what], text(name)].concat())
}

/// Sync.
pub fn sync() -> Vec<u8> {
    message(b'S', &[])
}

/// Flush.
pub fn flush() -> Vec<u8> {
    message(b'H', &[])
}

/// Parse, Bind and Execute of one statement by the unnamed names.
pub fn run(sql: &str) -> Vec<u8> {
    [parse("", sql), bind("", "", &[]), execute("", 0)].concat()
}

/// CopyData.
pub fn copy_data(data: &str) -> Vec<u8> {
    message(b'd', data.as_bytes())
}

/// CopyDone.
pub fn copy_done() -> Vec<u8> {
    message(b'c', &[])
}

/// CopyFail.
pub fn copy_fail(why: &str) -> Vec<u8> {
    message(b'f', &text(why))
}

/// The fields of a DataRow.
pub fn fields(row: &Frame) -> Vec<Option<Vec<u8>>> {
    let (_, mut rest) = row.body.split_at(2);
    let mut all = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            all.push(None);
            rest = after;
            continue;
        };
        let (value, after) = after.split_at(length);
        all.push(Some(value.to_vec()));
        rest = after;
    }
    all
}

/// All rows as text: fields joined by `|`, rows by a space.
pub fn rows(frames: &[Frame]) -> String {
    let row = |frame: &Frame| -> String {
        let fields = fields(frame).into_iter().map(|f| String::from_utf8_lossy(&f.unwrap_or_default()).into_owned());
        fields.collect::<Vec<_>>().join("|")
    };
    frames.iter().filter(|f| f.tag == b'D').map(row).collect::<Vec<_>>().join(" ")
}

/// One line for each message: its type, and of errors, notices, tags and states what they say.
pub fn told(frames: &[Frame]) -> Vec<String> {
    let line = |frame: &Frame| {
        let tag = char::from(frame.tag);
        match frame.tag {
            b'E' | b'N' => {
                let field = |code| frame.field(code).unwrap_or_default();
                format!("{tag} {} {} {}", field(b'V'), field(b'C'), field(b'M'))
            }
            b'K' | b'R' => tag.to_string(),
            _ => format!("{tag} {}", String::from_utf8_lossy(&frame.body).escape_debug()),
        }
    };
    frames.iter().map(line).collect()
}

/// The code of the first error.
pub fn code(frames: &[Frame]) -> String {
    frames.iter().find(|f| f.tag == b'E').and_then(|f| f.field(b'C')).unwrap_or_default()
}

/// The transaction's state as the last ReadyForQuery tells it: `I`, `T` or `E`.
pub fn state(frames: &[Frame]) -> char {
    frames.iter().rev().find(|f| f.tag == b'Z').and_then(|f| f.body.first()).map_or('?', |state| char::from(*state))
}

/// Sends everything at once and reads as many ReadyForQuery as it asks for.
pub fn say(client: &mut RawClient, messages: &[Vec<u8>], ready: usize) -> Result<Vec<Frame>, Error> {
    client.send(&messages.concat())?;
    let mut all = Vec::new();
    for _ in 0..ready {
        all.extend(client.read_until(b'Z')?);
    }
    Ok(all)
}
