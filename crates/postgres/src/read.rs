//! A cursor over one message's body: every read is checked, and the body must be used up exactly.

use std::str;

use crate::error::{Malformed, Problem};

/// Reads a body front to back. Errors name the message and the field that was being read.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    message: &'static str,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(body: &'a [u8], message: &'static str) -> Reader<'a> {
        Reader { rest: body, message }
    }

    pub(crate) fn error(&self, field: &'static str, problem: Problem) -> Malformed {
        Malformed { message: self.message, field, problem }
    }

    pub(crate) fn take(&mut self, count: usize, field: &'static str) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or_else(|| self.error(field, Problem::EndsEarly))?;
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| self.error(field, Problem::EndsEarly))?;
        self.rest = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, Malformed> {
        self.array::<1>(field).map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16, Malformed> {
        self.array(field).map(u16::from_be_bytes)
    }

    pub(crate) fn i16(&mut self, field: &'static str) -> Result<i16, Malformed> {
        self.array(field).map(i16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, Malformed> {
        self.array(field).map(u32::from_be_bytes)
    }

    pub(crate) fn i32(&mut self, field: &'static str) -> Result<i32, Malformed> {
        self.array(field).map(i32::from_be_bytes)
    }

    /// Bytes up to a NUL, which is taken too.
    pub(crate) fn terminated(&mut self, field: &'static str) -> Result<&'a [u8], Malformed> {
        let end = memchr::memchr(0, self.rest).ok_or_else(|| self.error(field, Problem::NoTerminator))?;
        let text = self.take(end, field)?;
        self.take(1, field)?;
        Ok(text)
    }

    /// Text up to a NUL, which is taken too.
    pub(crate) fn text(&mut self, field: &'static str) -> Result<&'a str, Malformed> {
        let bytes = self.terminated(field)?;
        str::from_utf8(bytes).map_err(|error| self.error(field, Problem::NotUtf8 { at: error.valid_up_to() }))
    }

    /// A value with its length in front; the length -1 is NULL.
    pub(crate) fn value(&mut self, field: &'static str) -> Result<Option<&'a [u8]>, Malformed> {
        match self.i32(field)? {
            -1 => Ok(None),
            length => match usize::try_from(length) {
                Ok(count) => self.take(count, field).map(Some),
                Err(_) => Err(self.error(field, Problem::BadValue { value: length.into() })),
            },
        }
    }

    /// As many items as a count in two bytes says. Nothing is reserved beyond what the body could hold.
    pub(crate) fn list<T>(
        &mut self,
        field: &'static str,
        item_bytes_min: usize,
        mut item: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count = usize::from(self.u16(field)?);
        if count.saturating_mul(item_bytes_min) > self.rest.len() {
            return Err(self.error(field, Problem::EndsEarly));
        }
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// Everything that is left.
    pub(crate) fn remaining(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// The body must end here.
    pub(crate) fn finish<T>(self, value: T) -> Result<T, Malformed> {
        match self.rest.len() {
            0 => Ok(value),
            bytes => Err(self.error("end", Problem::Surplus { bytes })),
        }
    }
}
