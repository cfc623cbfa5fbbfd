//! Times and sizes as people write them: `30s`, `64MiB`.

use std::time::Duration;

/// The longest time that a setting takes: ten years.
pub const MAX_DURATION: Duration = Duration::from_secs(3650 * 86_400);

/// The largest size that a setting takes: 1 PiB.
pub const MAX_BYTES: u64 = 1 << 50;

/// A time with its unit: `ms`, `s`, `m`, `h`, `d`.
///
/// ```
/// use querygate_policy::document::units::duration;
/// assert_eq!(duration("1500ms").unwrap().as_millis(), 1500);
/// assert_eq!(duration("30"), None);
/// ```
pub fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let time = Duration::from_millis(number.checked_mul(milliseconds)?);
    (time <= MAX_DURATION).then_some(time)
}

/// A size with its unit: `KiB`, `MiB`, `GiB`.
///
/// ```
/// use querygate_policy::document::units::bytes;
/// assert_eq!(bytes("2MiB"), Some(2 << 20));
/// assert_eq!(bytes("2MB"), None);
/// ```
pub fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let scale = match unit {
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(scale).filter(|n| *n <= MAX_BYTES)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit.trim_start()))
}
