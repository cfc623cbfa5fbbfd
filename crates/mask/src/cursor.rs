/// Reads a short ASCII text from the left, byte by byte.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str) -> Cursor<'a> {
        Cursor { rest: text.as_bytes() }
    }

    pub(crate) fn at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes this byte if it comes next.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Takes this byte, which must come next.
    pub(crate) fn expect(&mut self, byte: u8) -> Option<()> {
        self.eat(byte).then_some(())
    }

    /// Takes this word if it comes next.
    pub(crate) fn eat_word(&mut self, word: &str) -> bool {
        match self.rest.strip_prefix(word.as_bytes()) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Takes a run of digits whose length (at most 18) must lie within these bounds.
    pub(crate) fn number(&mut self, fewest: usize, most: usize) -> Option<i64> {
        self.digits(fewest, most).map(|(value, _)| value)
    }

    /// Takes one to six digits of a fraction of a second.
    pub(crate) fn microseconds(&mut self) -> Option<i64> {
        let (value, count) = self.digits(1, 6)?;
        Some((count..6).fold(value, |value, _| value * 10))
    }

    fn digits(&mut self, fewest: usize, most: usize) -> Option<(i64, usize)> {
        let count = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if !(fewest..=most.min(18)).contains(&count) {
            return None;
        }
        let (digits, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some((digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0')), count))
    }
}
