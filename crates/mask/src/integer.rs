use std::fmt::Write as _;

use bytes::{BufMut, BytesMut};

/// The nearest multiple of `step`, ties away from zero; where that lies outside the type, the multiple towards zero.
fn round(value: i64, bytes: usize, step: u64) -> i64 {
    let (size, step) = (i128::from(value).abs(), i128::from(step.max(1)));
    let over = size % step;
    let toward_zero = size - over;
    let away = toward_zero + step;
    let sign = i128::from(value.signum());
    let rounded = if over * 2 >= step && fits(sign * away, bytes) { away } else { toward_zero };
    // At most as far from zero as the value or within the type, so it always fits.
    i64::try_from(sign * rounded).unwrap_or(0)
}

fn fits(value: i128, bytes: usize) -> bool {
    match bytes {
        2 => i16::try_from(value).is_ok(),
        4 => i32::try_from(value).is_ok(),
        _ => i64::try_from(value).is_ok(),
    }
}

/// Rounds the text form of an integer that has this many bytes in binary.
pub(crate) fn round_text(text: &str, bytes: usize, step: u64, out: &mut BytesMut) -> Option<()> {
    let value = text.parse().ok().filter(|value| fits(i128::from(*value), bytes))?;
    write!(out, "{}", round(value, bytes, step)).ok()
}

/// Rounds the binary form of an integer.
pub(crate) fn round_binary(value: &[u8], bytes: usize, step: u64, out: &mut BytesMut) -> Option<()> {
    if value.len() != bytes {
        return None;
    }
    match bytes {
        2 => out.put_i16(i16::try_from(round(i16::from_be_bytes(value.try_into().ok()?).into(), bytes, step)).ok()?),
        4 => out.put_i32(i32::try_from(round(i32::from_be_bytes(value.try_into().ok()?).into(), bytes, step)).ok()?),
        _ => out.put_i64(round(i64::from_be_bytes(value.try_into().ok()?), bytes, step)),
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rounding_goes_to_the_nearest_multiple_inside_the_type() {
        for (value, bytes, step, rounded) in [
            (149, 4, 100, 100),
            (150, 4, 100, 200),
            (-150, 4, 100, -200),
            (-149, 4, 100, -100),
            (32_767, 2, 100, 32_700),
            (-32_768, 2, 100, -32_700),
            (-32_768, 2, 32_768, -32_768),
            (30_000, 2, 40_000, 0),
            (i64::MAX, 8, 10, 9_223_372_036_854_775_800),
            (i64::MIN, 8, u64::MAX, 0),
            (i64::MAX, 8, 1, i64::MAX),
        ] {
            assert_eq!(round(value, bytes, step), rounded, "{value} by {step}");
        }
    }

    proptest! {
        #[test]
        fn a_rounded_integer_is_a_near_multiple_and_stays(value: i64, step in 1u64..) {
            let rounded = round(value, 8, step);
            prop_assert_eq!(i128::from(rounded) % i128::from(step), 0);
            prop_assert!((i128::from(rounded) - i128::from(value)).unsigned_abs() < u128::from(step));
            prop_assert_eq!(round(rounded, 8, step), rounded);
        }
    }
}
