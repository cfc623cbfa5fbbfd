//! Encoders for what the gateway itself says to a server. When one fails, `out` is as it was before.

use bytes::{BufMut, BytesMut};

use super::{Bind, Parse, Target, kind};
use crate::{error::EncodeError, format::Format, write};

/// Bind.
pub fn bind(out: &mut BytesMut, bind: &Bind<'_>) -> Result<(), EncodeError> {
    write::frame(out, kind::BIND, |out| {
        write::text(out, bind.portal, "portal name")?;
        write::text(out, bind.statement, "statement name")?;
        formats(out, &bind.formats)?;
        write::count(out, bind.values.len(), "values")?;
        for value in &bind.values {
            write::value(out, *value, "value")?;
        }
        formats(out, &bind.result_formats)
    })
}

/// Close.
pub fn close(out: &mut BytesMut, target: Target, name: &str) -> Result<(), EncodeError> {
    named(out, kind::CLOSE, target, name)
}

/// CopyData.
pub fn copy_data(out: &mut BytesMut, data: &[u8]) -> Result<(), EncodeError> {
    write::frame(out, kind::COPY_DATA, |out| {
        out.put_slice(data);
        Ok(())
    })
}

/// CopyDone.
pub fn copy_done(out: &mut BytesMut) {
    write::empty(out, kind::COPY_DONE);
}

/// CopyFail.
pub fn copy_fail(out: &mut BytesMut, reason: &str) -> Result<(), EncodeError> {
    write::frame(out, kind::COPY_FAIL, |out| write::text(out, reason, "reason"))
}

/// Describe.
pub fn describe(out: &mut BytesMut, target: Target, name: &str) -> Result<(), EncodeError> {
    named(out, kind::DESCRIBE, target, name)
}

/// Execute; `max_rows` 0 stands for no limit.
pub fn execute(out: &mut BytesMut, portal: &str, max_rows: u32) -> Result<(), EncodeError> {
    let max_rows = i32::try_from(max_rows).map_err(|_| EncodeError::TooLong { field: "row limit" })?;
    write::frame(out, kind::EXECUTE, |out| {
        write::text(out, portal, "portal name")?;
        out.put_i32(max_rows);
        Ok(())
    })
}

/// Flush.
pub fn flush(out: &mut BytesMut) {
    write::empty(out, kind::FLUSH);
}

/// Parse.
pub fn parse(out: &mut BytesMut, parse: &Parse<'_>) -> Result<(), EncodeError> {
    write::frame(out, kind::PARSE, |out| {
        write::text(out, parse.name, "statement name")?;
        write::text(out, parse.text, "text")?;
        write::count(out, parse.types.len(), "parameter types")?;
        parse.types.iter().for_each(|oid| out.put_u32(*oid));
        Ok(())
    })
}

/// Query.
pub fn query(out: &mut BytesMut, text: &str) -> Result<(), EncodeError> {
    write::frame(out, kind::QUERY, |out| write::text(out, text, "text"))
}

/// Sync.
pub fn sync(out: &mut BytesMut) {
    write::empty(out, kind::SYNC);
}

/// Terminate.
pub fn terminate(out: &mut BytesMut) {
    write::empty(out, kind::TERMINATE);
}

fn named(out: &mut BytesMut, kind: u8, target: Target, name: &str) -> Result<(), EncodeError> {
    write::frame(out, kind, |out| {
        out.put_u8(target.letter());
        write::text(out, name, "name")
    })
}

fn formats(out: &mut BytesMut, formats: &[Format]) -> Result<(), EncodeError> {
    write::count(out, formats.len(), "formats")?;
    formats.iter().for_each(|format| out.put_i16(format.code()));
    Ok(())
}
