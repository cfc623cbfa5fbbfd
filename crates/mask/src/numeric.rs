use std::fmt::Write as _;

use bytes::{BufMut, BytesMut};

/// Base of the digits of `numeric`: four decimal digits each (`NBASE` in src/backend/utils/adt/numeric.c).
const BASE: u16 = 10_000;

/// Most digits after the point (`NUMERIC_DSCALE_MAX`).
const SCALE_MAX: usize = 16_383;

/// Most base-10000 digits before the point: the weight is a 16-bit number.
const INTEGER_GROUPS_MAX: usize = 32_768;

const NEGATIVE: u16 = 0x4000;
const NOT_A_NUMBER: u16 = 0xc000;
const INFINITY: u16 = 0xd000;
const NEGATIVE_INFINITY: u16 = 0xf000;

/// A `numeric` value. Its integer part and its fraction are kept as base-10000 digits, most significant first, aligned at the
/// point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Numeric {
    negative: bool,
    integer: Vec<u16>,
    fraction: Vec<u16>,
    /// Digits shown after the point.
    scale: u16,
}

/// What a field of type `numeric` holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NumericField {
    Number(Numeric),
    /// NaN or an infinity.
    Special,
}

impl NumericField {
    /// One text for all forms of a number: 1.0 and 1.00, 0 and -0 are equal. `value` is the field in either format, for what is no number.
    pub(crate) fn shortest(&self, value: &[u8]) -> Vec<u8> {
        let NumericField::Number(number) = self else {
            return match value {
                b"NaN" | [_, _, _, _, 0xc0, ..] => b"NaN".to_vec(),
                b"Infinity" | [_, _, _, _, 0xd0, ..] => b"Infinity".to_vec(),
                _ => b"-Infinity".to_vec(),
            };
        };
        let mut text = BytesMut::new();
        number.write_text(&mut text);
        let mut shortest: &[u8] = &text;
        if shortest.contains(&b'.') {
            while let [before @ .., b'0'] = shortest {
                shortest = before;
            }
            shortest = shortest.strip_suffix(b".").unwrap_or(shortest);
        }
        if shortest == b"-0" { b"0".to_vec() } else { shortest.to_vec() }
    }

    /// Reads the text form. Exponents are not read: Postgres writes none.
    pub(crate) fn parse(text: &str) -> Option<NumericField> {
        match text {
            "NaN" | "Infinity" | "-Infinity" => Some(NumericField::Special),
            _ => Numeric::parse(text).map(NumericField::Number),
        }
    }

    /// Reads the binary form.
    pub(crate) fn decode(bytes: &[u8]) -> Option<NumericField> {
        let (header, digits) = bytes.split_first_chunk::<8>()?;
        let &[c0, c1, w0, w1, s0, s1, d0, d1] = header;
        let (count, weight) = (u16::from_be_bytes([c0, c1]), i16::from_be_bytes([w0, w1]));
        let (sign, scale) = (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]));
        if digits.len() != usize::from(count) * 2 {
            return None;
        }
        match sign {
            NOT_A_NUMBER | INFINITY | NEGATIVE_INFINITY if count == 0 => return Some(NumericField::Special),
            0 | NEGATIVE if usize::from(scale) <= SCALE_MAX => (),
            _ => return None,
        }
        let mut number = Numeric { negative: sign == NEGATIVE, integer: Vec::new(), fraction: Vec::new(), scale };
        let (pairs, _) = digits.as_chunks::<2>();
        let mut groups = pairs.iter().map(|pair| u16::from_be_bytes(*pair));
        let before_point = usize::try_from(i32::from(weight) + 1).unwrap_or(0);
        number.integer.extend(groups.by_ref().take(before_point));
        number.integer.resize(before_point, 0);
        let gap = usize::try_from(-i32::from(weight) - 1).unwrap_or(0);
        number.fraction.resize(gap, 0);
        number.fraction.extend(groups);
        let valid = number.integer.iter().chain(&number.fraction).all(|group| *group < BASE);
        valid.then(|| NumericField::Number(number.normalised()))
    }
}

impl Numeric {
    /// Zero, showing `scale` digits after the point.
    pub(crate) fn zero(scale: u16) -> Numeric {
        Numeric { negative: false, integer: Vec::new(), fraction: Vec::new(), scale }
    }

    pub(crate) fn parse(text: &str) -> Option<Numeric> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (integer, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let point_without_digits = digits.ends_with('.');
        if integer.is_empty() || point_without_digits || !all_digits(integer) || !all_digits(fraction) {
            return None;
        }
        if integer.len() > INTEGER_GROUPS_MAX * 4 || fraction.len() > SCALE_MAX {
            return None;
        }
        let group = |chunk: &[u8]| chunk.iter().fold(0, |value, digit| value * 10 + u16::from(digit - b'0'));
        let mut parsed = Numeric {
            negative,
            integer: integer.as_bytes().rchunks(4).map(group).collect(),
            fraction: Vec::with_capacity(fraction.len().div_ceil(4)),
            scale: u16::try_from(fraction.len()).ok()?,
        };
        parsed.integer.reverse();
        for chunk in fraction.as_bytes().chunks(4) {
            let missing = 4 - chunk.len();
            parsed.fraction.push((0..missing).fold(group(chunk), |value, _| value * 10));
        }
        Some(parsed.normalised())
    }

    fn normalised(mut self) -> Numeric {
        let leading = self.integer.iter().take_while(|group| **group == 0).count();
        self.integer.drain(..leading);
        while self.fraction.last() == Some(&0) {
            self.fraction.pop();
        }
        self.negative &= !self.is_zero();
        self
    }

    fn is_zero(&self) -> bool {
        self.integer.is_empty() && self.fraction.is_empty()
    }

    /// Decimal digits of the integer part.
    fn integer_digits(&self) -> usize {
        match self.integer.split_first() {
            Some((first, rest)) => 1 + first.checked_ilog10().unwrap_or(0) as usize + rest.len() * 4,
            None => 0,
        }
    }

    /// The nearest multiple of `step`, ties away from zero, showing `scale` digits after the point. Where that would have more
    /// than `digits_max` digits before the point, the multiple on the other side, which has not.
    pub(crate) fn rounded(&self, step: u64, digits_max: usize, scale: u16) -> Numeric {
        let step = u128::from(step);
        let over =
            self.integer.iter().fold(0u128, |over, group| (over * u128::from(BASE) + u128::from(*group)) % step.max(1));
        let half = self.fraction.first().is_some_and(|group| *group >= BASE / 2);
        let mut lower = Numeric { fraction: Vec::new(), scale, ..self.clone() };
        lower.subtract(over);
        if over * 2 + u128::from(half) >= step {
            let mut upper = lower.clone();
            upper.add(step);
            let upper = upper.normalised();
            if upper.integer_digits() <= digits_max && upper.integer.len() <= INTEGER_GROUPS_MAX {
                return upper;
            }
        }
        lower.normalised()
    }

    /// Takes an amount, no larger than the integer part, away from its size.
    fn subtract(&mut self, mut amount: u128) {
        let base = u128::from(BASE);
        for group in self.integer.iter_mut().rev() {
            let digit = u128::from(*group);
            let taken = amount % base;
            amount /= base;
            let (left, borrow) = if digit >= taken { (digit - taken, 0) } else { (digit + base - taken, 1) };
            *group = u16::try_from(left).unwrap_or_default();
            amount += borrow;
            if amount == 0 {
                break;
            }
        }
    }

    /// Adds an amount to the size of the integer part.
    fn add(&mut self, mut amount: u128) {
        let base = u128::from(BASE);
        for group in self.integer.iter_mut().rev() {
            amount += u128::from(*group);
            *group = u16::try_from(amount % base).unwrap_or_default();
            amount /= base;
            if amount == 0 {
                return;
            }
        }
        while amount > 0 {
            self.integer.insert(0, u16::try_from(amount % base).unwrap_or_default());
            amount /= base;
        }
    }

    /// The value as a column of this precision and scale holds it: rounded, ties away from zero; none when it is too large.
    pub(crate) fn within(&self, precision: u16, scale: i16) -> Option<Numeric> {
        let rounded = match u16::try_from(scale) {
            Ok(scale) => self.at_scale(scale),
            Err(_) => self.rounded(10u64.checked_pow(scale.unsigned_abs().into())?, usize::MAX, 0),
        };
        let digits_max = i32::from(precision) - i32::from(scale);
        let leading_zeros_of_fraction = rounded.fraction_leading_zeros();
        let fits = if rounded.is_zero() {
            true
        } else if digits_max >= 0 {
            rounded.integer_digits() <= usize::try_from(digits_max).ok()?
        } else {
            rounded.integer.is_empty() && leading_zeros_of_fraction >= usize::try_from(-digits_max).ok()?
        };
        fits.then_some(rounded)
    }

    fn fraction_leading_zeros(&self) -> usize {
        let whole = self.fraction.iter().take_while(|group| **group == 0).count();
        let part = self.fraction.get(whole).map_or(0, |group| 3 - group.checked_ilog10().unwrap_or(0) as usize);
        whole * 4 + part
    }

    /// Rounded to this many digits after the point, ties away from zero.
    fn at_scale(&self, scale: u16) -> Numeric {
        let mut rounded = Numeric { scale, ..self.clone() };
        let whole = usize::from(scale) / 4;
        let unit = 10u16.pow(4 - u32::from(scale % 4));
        let Some(group) = rounded.fraction.get_mut(whole) else { return rounded };
        let over = *group % unit;
        *group -= over;
        let mut carry = if over >= unit / 2 { unit } else { 0 };
        rounded.fraction.truncate(whole + 1);
        for group in rounded.fraction.iter_mut().rev() {
            let sum = *group + carry;
            *group = sum % BASE;
            carry = sum / BASE;
        }
        rounded.add(carry.into());
        rounded.normalised()
    }

    /// Appends the text form.
    pub(crate) fn write_text(&self, out: &mut BytesMut) {
        if self.negative {
            out.put_u8(b'-');
        }
        match self.integer.split_first() {
            Some((first, rest)) => {
                let _ = write!(out, "{first}");
                write_groups(rest.iter(), out);
            }
            None => out.put_u8(b'0'),
        }
        let scale = usize::from(self.scale);
        if scale > 0 {
            out.put_u8(b'.');
            let end = out.len() + scale;
            write_groups(self.fraction.iter().take(scale.div_ceil(4)), out);
            out.resize(end, b'0');
        }
    }

    /// Appends the binary form.
    pub(crate) fn write_binary(&self, out: &mut BytesMut) {
        let mut groups = self.integer.iter().chain(&self.fraction).copied().collect::<Vec<_>>();
        while groups.last() == Some(&0) {
            groups.pop();
        }
        let leading = groups.iter().take_while(|group| **group == 0).count();
        let weight = if groups.is_empty() { 0 } else { self.integer.len() as i64 - 1 - leading as i64 };
        out.put_u16(u16::try_from(groups.len() - leading).unwrap_or(u16::MAX));
        out.put_i16(i16::try_from(weight).unwrap_or_default());
        out.put_u16(if self.negative { NEGATIVE } else { 0 });
        out.put_u16(self.scale);
        groups.iter().skip(leading).for_each(|group| out.put_u16(*group));
    }
}

fn write_groups<'a>(groups: impl Iterator<Item = &'a u16>, out: &mut BytesMut) {
    for group in groups {
        let _ = write!(out, "{group:04}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Numeric {
        Numeric::parse(text).unwrap()
    }

    fn text(number: &Numeric) -> String {
        let mut out = BytesMut::new();
        number.write_text(&mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    fn binary(number: &Numeric) -> Vec<u8> {
        let mut out = BytesMut::new();
        number.write_binary(&mut out);
        out.to_vec()
    }

    #[test]
    fn binary_forms_are_those_of_numeric_send() {
        for (value, hex) in [
            ("0", "0000000000000000"),
            ("0.00", "0000000000000002"),
            ("-1234567.891", "0003000140000003007b11d722ce"),
            ("0.00012", "0002ffff00000005000107d0"),
        ] {
            let bytes = binary(&number(value));
            assert_eq!(bytes.iter().map(|b| format!("{b:02x}")).collect::<String>(), hex);
            assert_eq!(NumericField::decode(&bytes), Some(NumericField::Number(number(value))));
        }
        for special in ["00000000c0000000", "00000000d0000020", "00000000f0000020"] {
            let bytes = u64::from_str_radix(special, 16).unwrap().to_be_bytes();
            assert_eq!(NumericField::decode(&bytes), Some(NumericField::Special));
        }
    }

    #[test]
    fn rounding_goes_to_the_nearest_multiple_and_ties_away_from_zero() {
        for (value, step, rounded) in [
            ("149.99", 100, "100"),
            ("150", 100, "200"),
            ("-150.00", 100, "-200"),
            ("-49.9", 100, "0"),
            ("2.5", 1, "3"),
            ("-2.5", 1, "-3"),
            ("2.4999", 1, "2"),
            ("0.00005", 1, "0"),
            ("1.4999999999999999999999999", 3, "0"),
            ("1.5", 3, "3"),
            ("99999999999999999999999999999999", 1000, "100000000000000000000000000000000"),
            ("123456789012345678901234567890", 18_446_744_073_709_551_615, "123456789016708575194414247945"),
            ("100000000", 30_000, "99990000"),
        ] {
            assert_eq!(text(&number(value).rounded(step, usize::MAX, 0)), rounded, "{value} by {step}");
        }
    }

    #[test]
    fn what_rounds_out_of_the_type_takes_the_multiple_inside() {
        assert_eq!(text(&number("999.99").rounded(1000, 3, 2)), "0.00");
        assert_eq!(text(&number("999.99").rounded(30, 3, 2)), "990.00");
        assert_eq!(text(&number("-996").rounded(10, 3, 0)), "-990");
    }

    #[test]
    fn a_constant_takes_the_precision_of_its_column() {
        let within = |value: &str, p, s| number(value).within(p, s).map(|n| text(&n));
        assert_eq!(within("1.005", 5, 2).as_deref(), Some("1.01"));
        assert_eq!(within("-999.995", 5, 2), None);
        assert_eq!(within("999.994", 5, 2).as_deref(), Some("999.99"));
        assert_eq!(within("7", 5, 2).as_deref(), Some("7.00"));
        assert_eq!(within("12345", 3, -2).as_deref(), Some("12300"));
        assert_eq!(within("99950", 3, -2), None);
        assert_eq!(within("0.0099", 2, 4).as_deref(), Some("0.0099"));
        assert_eq!(within("0.0199", 2, 4), None);
        assert_eq!(within("9.99996", 10, 4).as_deref(), Some("10.0000"));
        assert_eq!(within("0.00005", 10, 4).as_deref(), Some("0.0001"));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for bad in ["", "-", "1e5", "1.", ".5", "--1", "1.2.3", "0x10", " 1", "+1", "١"] {
            assert_eq!(NumericField::parse(bad), None, "{bad}");
        }
        for bad in
            [&[0u8; 7][..], &[0, 1, 0, 0, 0, 0, 0, 0], &[0, 1, 0, 0, 0, 0, 0, 0, 0x27, 0x10], &[0, 0, 0, 0, 1, 0, 0, 0]]
        {
            assert_eq!(NumericField::decode(bad), None);
        }
    }

    proptest! {
        #[test]
        fn text_and_binary_hold_the_same_number(value in "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?") {
            let parsed = number(&value);
            let back = NumericField::decode(&binary(&parsed)).unwrap();
            prop_assert_eq!(back, NumericField::Number(parsed.clone()));
            let written = text(&parsed);
            prop_assert!(written == value || parsed.is_zero());
        }

        #[test]
        fn rounding_agrees_with_128_bit_arithmetic_and_is_stable(hundredths in -1_000_000_000_000i128..1_000_000_000_000, step in 1u64..5_000) {
            let sign = if hundredths < 0 { "-" } else { "" };
            let size = hundredths.unsigned_abs();
            let value = number(&format!("{sign}{}.{:02}", size / 100, size % 100));
            let unit = u128::from(step) * 100;
            let expected = (size + unit / 2) / unit * u128::from(step);
            let rounded = value.rounded(step, usize::MAX, 0);
            let sign = if expected == 0 { "" } else { sign };
            prop_assert_eq!(text(&rounded), format!("{sign}{expected}"));
            prop_assert_eq!(rounded.rounded(step, usize::MAX, 0), rounded);
        }
    }
}
