use std::fmt::Write as _;

use bytes::BytesMut;

/// Largest step of `round` on floats: up to here each integer is a `double precision` value.
pub(crate) const STEP_MAX: u64 = 1 << 53;

/// Decimal exponents from which Postgres writes `1e+15` and `1e+06` (`double_to_shortest_decimal_bufn`,
/// `float_to_shortest_decimal_bufn` in src/common).
const FLOAT8_SCIENTIFIC_FROM: i32 = 15;
const FLOAT4_SCIENTIFIC_FROM: i32 = 6;

/// Digits after the first one that tell any two floats apart.
const PLACES_MAX: usize = 16;

/// Exponents below this are written as `1e-05`.
const SMALLEST_FIXED: i32 = -4;

/// The nearest multiple of `step`, ties away from zero; never -0, so that the sign of what was rounded to 0 does not show.
pub(crate) fn round(value: f64, step: u64) -> f64 {
    if !value.is_finite() {
        return value;
    }
    // Each operation is exact, or rounds once from the true multiple: `%` is exact, and so is `step - over` (Sterbenz).
    let (size, step) = (value.abs(), step as f64);
    let over = size % step;
    let rounded = if over * 2.0 >= step { size + (step - over) } else { size - over };
    if rounded == 0.0 { 0.0 } else { rounded.copysign(value) }
}

/// A float that can be taken apart.
pub(crate) trait Float: Copy {
    /// Fraction bits of the format.
    const FRACTION_BITS: u32;
    /// Decimal exponent from which the scientific form is written.
    const SCIENTIFIC_FROM: i32;
    /// Bits with the sign cleared, widened.
    fn size_bits(self) -> u64;
    /// Bias of the exponent, fraction included: the value is `mantissa * 2^(exponent - BIAS)`.
    const BIAS: i32;
    /// The value.
    fn widened(self) -> f64;
    /// Shortest digits that read back, or this many after the point, halves to even.
    fn scientific(self, places: Option<usize>) -> String;
    /// Whether the text reads back as this value.
    fn reads_back(self, text: &str) -> bool;
}

macro_rules! float {
    ($type:ty, $fraction:literal, $from:expr, $bias:literal) => {
        impl Float for $type {
            const FRACTION_BITS: u32 = $fraction;
            const SCIENTIFIC_FROM: i32 = $from;
            const BIAS: i32 = $bias;

            fn size_bits(self) -> u64 {
                self.abs().to_bits().into()
            }

            fn widened(self) -> f64 {
                self.into()
            }

            fn scientific(self, places: Option<usize>) -> String {
                match places {
                    Some(places) => format!("{self:.places$e}"),
                    None => format!("{self:e}"),
                }
            }

            fn reads_back(self, text: &str) -> bool {
                text.parse() == Ok(self)
            }
        }
    };
}

float!(f32, 23, FLOAT4_SCIENTIFIC_FROM, 150);
float!(f64, 52, FLOAT8_SCIENTIFIC_FROM, 1075);

/// Reads a float as Postgres writes it.
pub(crate) fn parse<F: std::str::FromStr>(text: &str) -> Option<F> {
    let digit = |byte: u8| byte.is_ascii_digit() || b"+-.e".contains(&byte);
    let plain = text.bytes().all(digit) || matches!(text, "NaN" | "Infinity" | "-Infinity");
    if plain { text.parse().ok() } else { None }
}

/// Appends a float as Postgres writes it with `extra_float_digits >= 1`.
pub(crate) fn write<F: Float>(value: F, out: &mut BytesMut) {
    let wide = value.widened();
    if wide.is_nan() {
        return out.extend_from_slice(b"NaN");
    }
    if wide.is_infinite() {
        return out.extend_from_slice(if wide > 0.0 { b"Infinity" } else { b"-Infinity" });
    }
    let shortest = shortest(value);
    let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent >= F::SCIENTIFIC_FROM || exponent < SMALLEST_FIXED {
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(out, "{digits}e{sign}{:02}", exponent.unsigned_abs());
    } else {
        write_fixed(digits, exponent, out);
    }
}

fn write_fixed(digits: &str, exponent: i32, out: &mut BytesMut) {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    out.extend_from_slice(sign.as_bytes());
    let digits = digits.bytes().filter(u8::is_ascii_digit);
    if exponent < 0 {
        out.extend_from_slice(b"0.");
        let end = out.len() + exponent.unsigned_abs() as usize - 1;
        out.resize(end, b'0');
        return out.extend(digits);
    }
    let mut position = 0;
    for digit in digits {
        if position == exponent + 1 {
            out.extend_from_slice(b".");
        }
        out.extend_from_slice(&[digit]);
        position += 1;
    }
    let missing = usize::try_from(exponent + 1 - position).unwrap_or(0);
    let end = out.len() + missing;
    out.resize(end, b'0');
}

/// The shortest digits strictly nearer to the value than to its neighbours, the last digit even where two are as near.
///
/// Rust's shortest form tells where to start, but differs twice: of two equally near decimals it takes the larger, and it takes
/// one that lies exactly between two floats where that reads back (Postgres writes 1e23 as 9.999999999999999e+22). The nearest
/// decimal of that length is no substitute by itself: below a power of two floats lie closer, so that it may miss the value.
fn shortest<F: Float>(value: F) -> String {
    let text = value.scientific(None);
    let digits = text.bytes().take_while(|byte| *byte != b'e').filter(u8::is_ascii_digit).count();
    let first = digits.saturating_sub(1);
    let fits = |decimal: &String| value.reads_back(decimal) && !between_neighbours(value, decimal);
    let nearest = value.scientific(Some(first));
    [nearest, text.clone()]
        .into_iter()
        .find(fits)
        .or_else(|| (digits..=PLACES_MAX).map(|places| value.scientific(Some(places))).find(fits))
        .unwrap_or(text)
}

/// Whether a decimal is exactly half-way between this float and the next one up or down. Such a decimal equals an odd number
/// times a power of two, so that the odd parts and the powers can be compared apart.
fn between_neighbours<F: Float>(value: F, text: &str) -> bool {
    let Some((decimal_odd, decimal_power)) = odd_part_of_decimal(text) else { return false };
    let bits = value.size_bits();
    let (fraction, biased) = (bits & ((1 << F::FRACTION_BITS) - 1), bits >> F::FRACTION_BITS);
    let biased = i32::try_from(biased).unwrap_or(0);
    let mantissa = u128::from(if biased > 0 { fraction | 1 << F::FRACTION_BITS } else { fraction });
    let power = biased.max(1) - F::BIAS;
    let below = if fraction == 0 && biased > 1 {
        (mantissa * 4 - 1, power - 2)
    } else {
        ((mantissa * 2).saturating_sub(1), power - 1)
    };
    [(mantissa * 2 + 1, power - 1), below].contains(&(decimal_odd, decimal_power))
}

/// `odd * 2^power` for a decimal of at most 18 digits; none where it is no such number, or its odd part is too long to be half-way
/// between two floats.
fn odd_part_of_decimal(text: &str) -> Option<(u128, i32)> {
    let (digits, exponent) = text.split_once('e')?;
    let (integer, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let places = i32::try_from(fraction.len()).ok()?;
    let exponent = exponent.parse::<i32>().ok()? - places;
    let value: u128 = format!("{}{fraction}", integer.trim_start_matches('-')).parse().ok()?;
    if value == 0 {
        return None;
    }
    let power_of_five = 5u128.checked_pow(exponent.unsigned_abs())?;
    let scaled = if exponent >= 0 {
        value.checked_mul(power_of_five)?
    } else if value.is_multiple_of(power_of_five) {
        value / power_of_five
    } else {
        return None;
    };
    let twos = scaled.trailing_zeros();
    Some((scaled >> twos, exponent + i32::try_from(twos).ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text<F: Float>(value: F) -> String {
        let mut out = BytesMut::new();
        write(value, &mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn doubles_are_written_as_postgres_15_writes_them() {
        for (value, written) in [
            (1e15, "1e+15"),
            (1e14, "100000000000000"),
            (123_456_789_012_345.0, "123456789012345"),
            (1_234_567_890_123_456.0, "1.234567890123456e+15"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (1e23, "9.999999999999999e+22"),
            (9e22, "9e+22"),
            (5e-324, "5e-324"),
            (9_007_199_254_740_993.0, "9.007199254740992e+15"),
            (1_152_921_504_606_846_976.0, "1.152921504606847e+18"),
            (-0.0, "-0"),
            (0.0, "0"),
            (-1234.5, "-1234.5"),
            (1e22, "1e+22"),
            (2f64.powi(172), "5.986310706507379e+51"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(text(value), written);
        }
    }

    #[test]
    fn reals_are_written_as_postgres_15_writes_them() {
        for (value, written) in [
            (1e6f32, "1e+06"),
            (123_456.0, "123456"),
            (1_234_567.0, "1.234567e+06"),
            (1e5, "100000"),
            (16_777_216.0, "1.6777216e+07"),
            (33_554_432.0, "3.3554432e+07"),
            (67_108_864.0, "6.7108864e+07"),
            (8_589_934_592.0, "8.589935e+09"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (0.1, "0.1"),
            (2_565_537.0 / 8.0, "320692.12"),
            (2f32.powi(87), "1.5474251e+26"),
            (f32::MAX, "3.4028235e+38"),
            (f32::MIN_POSITIVE, "1.1754944e-38"),
        ] {
            assert_eq!(text(value), written);
        }
    }

    #[test]
    fn rounding_goes_to_the_nearest_multiple_and_ties_away_from_zero() {
        for (value, step, rounded) in [
            (149.99, 100, 100.0),
            (150.0, 100, 200.0),
            (-150.0, 100, -200.0),
            (0.5, 1, 1.0),
            (0.49999999999999994, 1, 0.0),
            (4_503_599_627_370_497.5, 1, 4_503_599_627_370_498.0),
            (f64::MAX, 100, f64::MAX),
        ] {
            assert_eq!(round(value, step).to_bits(), rounded.to_bits(), "{value} by {step}");
        }
        assert_eq!(round(-49.0, 100).to_bits(), 0.0f64.to_bits());
        assert!(round(f64::NAN, 100).is_nan());
        assert_eq!(round(f64::INFINITY, 100), f64::INFINITY);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            let back: f64 = text(value).parse().unwrap();
            prop_assert!(back == value || value.is_nan());
            let value = f32::from_bits(bits as u32);
            let back: f32 = text(value).parse().unwrap();
            prop_assert!(back == value || value.is_nan());
        }

        #[test]
        fn rounding_twice_is_rounding_once(bits in any::<u64>(), size in -1e18f64..1e18, step in 1u64..STEP_MAX) {
            for value in [f64::from_bits(bits), size] {
                let once = round(value, step);
                prop_assert!(once.is_nan() || round(once, step).to_bits() == once.to_bits());
            }
        }
    }
}
