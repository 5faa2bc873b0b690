//! The Range header of RFC 9110, for one range of bytes.

use std::ops::Range;

/// What a Range header asks of a blob.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Everything: there is no header, or one that a server ignores (another unit, several ranges, bad syntax).
    Whole,
    /// These bytes, at least one, all of them within the blob.
    Part(Range<u64>),
    /// None of the blob's bytes: 416.
    Nothing,
}

/// Reads a header's value for a blob of `size` bytes.
pub(super) fn wanted(header: Option<&str>, size: u64) -> Wanted {
    let Some((first, last)) = header.and_then(|value| value.strip_prefix("bytes=")?.split_once('-')) else {
        return Wanted::Whole;
    };
    let (first, last) = (first.trim(), last.trim());
    let range = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Some(first), None) if last.is_empty() => first..size,
        (None, Some(suffix)) if first.is_empty() => size.saturating_sub(suffix)..size,
        _ => return Wanted::Whole,
    };
    if range.is_empty() {
        Wanted::Nothing
    } else {
        Wanted::Part(range)
    }
}

/// Digits only: `u64::from_str` would take a sign. More than fits is as good as the largest.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges() {
        let cases = [
            (None, Wanted::Whole),
            (Some("bytes=0-0"), Wanted::Part(0..1)),
            (Some("bytes=9-9"), Wanted::Part(9..10)),
            (Some("bytes=3-"), Wanted::Part(3..10)),
            (Some("bytes=3-1000"), Wanted::Part(3..10)),
            (Some("bytes=3-99999999999999999999999"), Wanted::Part(3..10)),
            (Some("bytes=-1"), Wanted::Part(9..10)),
            (Some("bytes=-10"), Wanted::Part(0..10)),
            (Some("bytes=-1000"), Wanted::Part(0..10)),
            (Some("bytes=-0"), Wanted::Nothing),
            (Some("bytes=10-"), Wanted::Nothing),
            (Some("bytes=10-10"), Wanted::Nothing),
            (Some("bytes=99999999999999999999999-"), Wanted::Nothing),
            (Some("bytes=5-4"), Wanted::Whole),
            (Some("bytes=-"), Wanted::Whole),
            (Some("bytes="), Wanted::Whole),
            (Some("bytes=+1-2"), Wanted::Whole),
            (Some("bytes=0-1,3-4"), Wanted::Whole),
            (Some("lines=0-1"), Wanted::Whole),
        ];
        for (header, expected) in cases {
            assert_eq!(wanted(header, 10), expected, "{header:?}");
        }
    }

    #[test]
    fn an_empty_blob_has_no_ranges() {
        assert_eq!(wanted(None, 0), Wanted::Whole);
        for header in ["bytes=0-0", "bytes=0-", "bytes=-1"] {
            assert_eq!(wanted(Some(header), 0), Wanted::Nothing, "{header}");
        }
    }
}
