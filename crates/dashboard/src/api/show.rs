//! How values are shown: times in RFC 3339, spans in seconds, big numbers as text, bytes in hexadecimal.

use std::fmt::Write as _;

use hierophant_domain::{Resources, Timestamp, time::Millis};
use serde::Serialize;

/// A time in RFC 3339, UTC, with milliseconds. What lies outside of the years that it can name (-9999 to 9999) is
/// shown as their first or last moment: clients may ask for a deadline at the end of time.
pub(crate) fn time(at: Timestamp) -> String {
    let end = if at.0 < 0 {
        jiff::Timestamp::MIN
    } else {
        jiff::Timestamp::MAX
    };
    format!("{:.3}", jiff::Timestamp::from_millisecond(at.0).unwrap_or(end))
}

/// A span in seconds.
pub(crate) fn seconds(span: Millis) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "spans are far below 2^53 ms, which is 285,000 years"
    )]
    let millis = span.0 as f64;
    millis / 1000.0
}

/// A count as text: it may be larger than the numbers of a JSON reader (2^53), as `u64::MAX` is a legal cycle limit.
pub(crate) fn big(value: Option<u64>) -> Option<String> {
    value.map(|value| value.to_string())
}

/// Bytes in hexadecimal, with 0x before them.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold("0x".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Space.
#[derive(Debug, Serialize)]
pub(crate) struct Space {
    memory_bytes: u64,
    shared_memory_bytes: u64,
    devices: u32,
}

impl From<Resources> for Space {
    fn from(of: Resources) -> Self {
        Self {
            memory_bytes: of.memory,
            shared_memory_bytes: of.shared_memory,
            devices: of.devices,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_can_be_shown() {
        assert_eq!(time(Timestamp(1_700_000_000_123)), "2023-11-14T22:13:20.123Z");
        assert_eq!(time(Timestamp(0)), "1970-01-01T00:00:00.000Z");
        assert!(
            time(Timestamp(i64::MAX)).starts_with("9999-12-30T"),
            "{}",
            time(Timestamp(i64::MAX))
        );
        assert!(
            time(Timestamp(i64::MIN)).starts_with("-009999-01-02T"),
            "{}",
            time(Timestamp(i64::MIN))
        );
    }

    #[test]
    fn bytes_are_hexadecimal() {
        assert_eq!(hex(&[]), "0x");
        assert_eq!(hex(&[0, 0xab]), "0x00ab");
    }
}
