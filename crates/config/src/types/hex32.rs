//! Thirty-two bytes in hexadecimal.

use std::{fmt, str::FromStr};

use crate::{
    raw::Raw,
    value::{Mismatch, Value, text},
};

/// Thirty-two bytes, written as 64 hexadecimal digits with or without `0x`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hex32(pub [u8; 32]);

impl FromStr for Hex32 {
    type Err = Mismatch;

    fn from_str(text: &str) -> Result<Self, Mismatch> {
        let digits = text.strip_prefix("0x").unwrap_or(text).as_bytes();
        let parse = || {
            let mut bytes = [0; 32];
            let (pairs, []) = digits.as_chunks::<2>() else {
                return None;
            };
            if pairs.len() != bytes.len() {
                return None;
            }
            for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
                *byte = digit(*high)? << 4 | digit(*low)?;
            }
            Some(Self(bytes))
        };
        parse().ok_or_else(|| Mismatch::of("64 hexadecimal digits"))
    }
}

fn digit(character: u8) -> Option<u8> {
    char::from(character)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

impl fmt::Display for Hex32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Value for Hex32 {
    fn type_name() -> String {
        "32 bytes in hexadecimal".to_owned()
    }

    fn from_raw(raw: &Raw) -> Result<Self, Mismatch> {
        text(raw)
            .ok_or_else(|| Mismatch::of("a string of 64 hexadecimal digits"))
            .and_then(str::parse)
    }

    fn to_raw(&self) -> Raw {
        Raw::String(self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_exactly_thirty_two_bytes() {
        let word = Hex32([0xdd; 32]);
        assert_eq!(word.to_string().parse(), Ok(word));
        assert_eq!("DD".repeat(32).parse(), Ok(word));
        for text in [
            String::new(),
            "dd".repeat(31),
            "dd".repeat(33),
            "d".repeat(63),
            format!("{}zz", "dd".repeat(31)),
        ] {
            assert!(text.parse::<Hex32>().is_err(), "{text}");
        }
    }
}
