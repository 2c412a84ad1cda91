// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sizes and times on the command line. A number without a unit is one of bytes or seconds.

use std::time::Duration;

/// A size in bytes: a whole number, with or without `K`, `M`, `G`, which stand for `KiB`, `MiB`, `GiB`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text, |c| c.is_ascii_digit());
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => Some(0),
        "k" | "kib" => Some(10),
        "m" | "mib" => Some(20),
        "g" | "gib" => Some(30),
        _ => None,
    };
    shift
        .and_then(|shift| number.parse::<u64>().ok()?.checked_mul(1 << shift))
        .ok_or_else(|| "not a size: give bytes, or KiB, MiB, GiB as in 16MiB".into())
}

/// A size for people to read.
pub(super) fn shown(bytes: u64) -> String {
    match bytes {
        0 => "0 bytes".into(),
        _ if bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} bytes"),
    }
}

/// A time other than 0: a number, with or without `ms`, `s`, `min`, `h`.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text, |c| !c.is_ascii_alphabetic() || matches!(c, 'e' | 'E'));
    let seconds = match unit.to_ascii_lowercase().as_str() {
        "" | "s" => Some(1.0),
        "ms" => Some(0.001),
        "m" | "min" => Some(60.0),
        "h" => Some(3600.0),
        _ => None,
    };
    seconds
        .and_then(|seconds| Some(number.parse::<f64>().ok()? * seconds))
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "not a time: give seconds, or ms, s, min, h as in 1.5s or 10min".into())
}

/// The number and its unit, between which there may be a blank.
fn split(text: &str, is_of_number: fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !is_of_number(c)).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number.trim_end(), unit.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [
            ("4096", 4096),
            ("4096B", 4096),
            ("64k", 65536),
            ("64 KiB", 65536),
            ("16MiB", 16 << 20),
            ("16M", 16 << 20),
            ("2G", 2 << 30),
            ("2gib", 2 << 30),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for wrong in ["", "M", "-1", "1T", "1.5M", "16MB", "1 6", "99999999999G"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_have_units() {
        for (text, milliseconds) in [
            ("0.5", 500),
            ("10", 10_000),
            ("1e1", 10_000),
            ("10s", 10_000),
            ("1.5 s", 1_500),
            ("500ms", 500),
            ("2min", 120_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
        ] {
            assert_eq!(time(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        assert_eq!(time("1e19"), Ok(Duration::from_secs(10_000_000_000_000_000_000)));
        for wrong in ["0", "0ms", "-1", "nan", "inf", "1d", "1e20", "s", "", "1s2"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
