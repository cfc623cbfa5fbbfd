//! What escapes inside Postgres's string forms mean (`scan.l`, states `xe`, `xeu`; `parser.c`, `str_udeescape`).

/// Reads the inside of `E'...'` up to and with its closing quote: the value, and how many bytes were used.
///
/// # Errors
/// Names what is wrong.
pub fn escaped(text: &str) -> Result<(String, usize), &'static str> {
    let mut bytes = Vec::new();
    let mut rest = text.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        match c {
            '\'' if rest.peek().is_some_and(|(_, c)| *c == '\'') => {
                rest.next();
                bytes.push(b'\'');
            }
            '\'' => {
                let value = String::from_utf8(bytes).map_err(|_| "byte escape that is not UTF-8")?;
                return if value.contains('\0') { Err("zero byte in a string") } else { Ok((value, at + 1)) };
            }
            '\\' => {
                let (_, escape) = rest.next().ok_or("unterminated string")?;
                match escape {
                    'b' => bytes.push(8),
                    'f' => bytes.push(12),
                    'n' => bytes.push(b'\n'),
                    'r' => bytes.push(b'\r'),
                    't' => bytes.push(b'\t'),
                    '0'..='7' => {
                        let mut code = escape.to_digit(8).unwrap_or_default();
                        for _ in 0..2 {
                            let Some(digit) = rest.peek().and_then(|(_, c)| c.to_digit(8)) else { break };
                            rest.next();
                            code = code * 8 + digit;
                        }
                        bytes.push((code & 0xff) as u8);
                    }
                    'x' if rest.peek().is_some_and(|(_, c)| c.is_ascii_hexdigit()) => {
                        let mut code = 0;
                        for _ in 0..2 {
                            let Some(digit) = rest.peek().and_then(|(_, c)| c.to_digit(16)) else { break };
                            rest.next();
                            code = code * 16 + digit;
                        }
                        bytes.push((code & 0xff) as u8);
                    }
                    'u' | 'U' => {
                        let mut code = 0;
                        for _ in 0..if escape == 'u' { 4 } else { 8 } {
                            let digit = rest.next().and_then(|(_, c)| c.to_digit(16)).ok_or("Unicode escape")?;
                            code = code * 16 + digit;
                        }
                        // A surrogate is refused with the rest: pairs of them have a shorter spelling.
                        let c = char::from_u32(code).ok_or("Unicode escape")?;
                        bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    }
                    other => bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
                }
            }
            other => bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Err("unterminated string")
}

/// What the inside of `U&'...'` or `U&"..."` means with the default escape character; `None` if an escape is invalid.
pub fn unicode(text: &str) -> Option<String> {
    let mut value = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '\\' {
            value.push(c);
            continue;
        }
        if rest.next_if_eq(&'\\').is_some() {
            value.push('\\');
            continue;
        }
        let digits = if rest.next_if_eq(&'+').is_some() { 6 } else { 4 };
        let mut code = 0;
        for _ in 0..digits {
            code = code * 16 + rest.next()?.to_digit(16)?;
        }
        value.push(char::from_u32(code).filter(|c| *c != '\0')?);
    }
    Some(value)
}
