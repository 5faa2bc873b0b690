//! Sizes in bytes as people write them: `64MiB`, `14GB`, `512B`; `0` means none.

use std::{fmt, str::FromStr};

use crate::{
    raw::Raw,
    value::{Mismatch, Value, text},
};

/// A number of bytes. The whole range of `u64` is legal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// The units, from the one preferred in writing to the one least preferred.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1000),
    ("B", 1),
];

const EXPECTED: &str = "a size such as \"64MiB\" or \"14GB\" (units B, KB, MB, GB, TB, KiB, MiB, GiB, TiB)";

impl ByteSize {
    /// So many KiB; saturates.
    pub const fn kib(count: u64) -> Self {
        Self(count.saturating_mul(1 << 10))
    }

    /// So many MiB; saturates.
    pub const fn mib(count: u64) -> Self {
        Self(count.saturating_mul(1 << 20))
    }

    /// So many GiB; saturates.
    pub const fn gib(count: u64) -> Self {
        Self(count.saturating_mul(1 << 30))
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = Mismatch;

    fn from_str(text: &str) -> Result<Self, Mismatch> {
        if text == "0" {
            return Ok(Self(0));
        }
        let parse = || {
            let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
            let (_, bytes) = UNITS.iter().find(|(name, _)| *name == unit)?;
            number.parse::<u64>().ok()?.checked_mul(*bytes)
        };
        parse().map(Self).ok_or_else(|| Mismatch::of(EXPECTED))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0");
        }
        // The last unit is one byte, so one of them always divides.
        let fitting = UNITS.iter().find(|(_, bytes)| self.0.is_multiple_of(*bytes));
        let (unit, bytes) = fitting.expect("every number is a multiple of one");
        write!(f, "{}{unit}", self.0 / bytes)
    }
}

impl Value for ByteSize {
    fn type_name() -> String {
        "size".to_owned()
    }

    fn from_raw(raw: &Raw) -> Result<Self, Mismatch> {
        match (raw, text(raw)) {
            (Raw::Integer(0), _) => Ok(Self(0)),
            (_, Some(text)) => text.parse(),
            _ => Err(Mismatch::of(EXPECTED)),
        }
    }

    fn to_raw(&self) -> Raw {
        Raw::String(self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, bytes) in [
            ("0", 0),
            ("0B", 0),
            ("512B", 512),
            ("64MiB", 64 << 20),
            ("14GB", 14_000_000_000),
            ("4GiB", 4 << 30),
            ("18446744073709551615B", u64::MAX),
            ("16777215TiB", 16_777_215 << 40),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        assert_eq!(ByteSize::gib(4).to_string(), "4GiB");
        assert_eq!(ByteSize(14_000_000_000).to_string(), "13671875KiB");
        assert_eq!(ByteSize(1500).to_string(), "1500B");
        assert_eq!(ByteSize(15_000_000_000_000_001).to_string(), "15000000000000001B");
    }

    #[test]
    fn refuses_all_else() {
        for text in [
            "",
            "64",
            "MiB",
            "64 MiB",
            "1.5GiB",
            "-1B",
            "64mib",
            "16777216TiB",
            "18446744073709551616B",
        ] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
        assert!(ByteSize::from_raw(&Raw::Integer(64)).is_err(), "a number has no unit");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(bytes: u64) {
            prop_assert_eq!(ByteSize(bytes).to_string().parse(), Ok(ByteSize(bytes)));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = text.parse::<ByteSize>();
        }
    }
}
