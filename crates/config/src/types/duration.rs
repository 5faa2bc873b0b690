//! Spans of time as people write them: `15s`, `1h30m`, `250ms`, `24h`; `0` means none.

use std::time::Duration;

use crate::{
    raw::Raw,
    value::{Mismatch, Value, text},
};

/// Longest span: a hundred years. A longer one would overflow clocks when it is added to the present.
pub const DURATION_MAX: Duration = Duration::from_hours(24 * 36_500);

/// Units from the largest to the smallest, in milliseconds. `min` is read as well as `m`.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

const EXPECTED: &str =
    "a duration such as \"250ms\", \"15s\", \"1h30m\" or \"2d\" (units d, h, m, s, ms), at most 36500d";

/// Reads a span: numbers with units, each unit once, from the largest to the smallest; or `0`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut total: u64 = 0;
    while !rest.is_empty() || total == 0 && rest == text {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let (unit, after) = after.split_at(after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len()));
        let unit = if unit == "min" { "m" } else { unit };
        // The iterator goes on where it stopped: a unit that is repeated or too large is not found any more.
        let (_, millis) = units.find(|(name, _)| *name == unit)?;
        total = number.parse::<u64>().ok()?.checked_mul(*millis)?.checked_add(total)?;
        rest = after;
    }
    let span = Duration::from_millis(total);
    (span <= DURATION_MAX).then_some(span)
}

/// Writes a span so that [`parse_duration`] reads the same, down to the millisecond.
pub fn format_duration(span: Duration) -> String {
    let mut left = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let mut written = String::new();
    for (unit, millis) in UNITS {
        let count = left / millis;
        left %= millis;
        if count > 0 {
            written += &count.to_string();
            written += unit;
        }
    }
    if written.is_empty() { "0".to_owned() } else { written }
}

impl Value for Duration {
    fn type_name() -> String {
        "duration".to_owned()
    }

    fn from_raw(raw: &Raw) -> Result<Self, Mismatch> {
        let read = if *raw == Raw::Integer(0) {
            Some(Self::ZERO)
        } else {
            text(raw).and_then(parse_duration)
        };
        read.ok_or_else(|| Mismatch::of(EXPECTED))
    }

    fn to_raw(&self) -> Raw {
        Raw::String(format_duration(*self))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, millis) in [
            ("0", 0),
            ("0s", 0),
            ("15s", 15_000),
            ("300min", 18_000_000),
            ("4h", 14_400_000),
            ("1h30m", 5_400_000),
            ("1d1ms", 86_400_001),
            ("36500d", 3_153_600_000_000),
        ] {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn refuses_all_else() {
        for text in [
            "",
            "s",
            "15",
            "15 s",
            "-1s",
            "1.5h",
            "1s1s",
            "1s1h",
            "1x",
            "1hour",
            "36500d1ms",
            "99999999999999999999s",
            "18446744073709551615d",
            "1s ",
            "１s",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
        assert!(Duration::from_raw(&Raw::Integer(15)).is_err(), "a number has no unit");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(millis in 0..=3_153_600_000_000_u64) {
            let span = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&format_duration(span)), Some(span));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = parse_duration(&text);
        }
    }
}
