//! Decodes Miden's native encoding from strangers.
//!
//! What must stay true: a length is held against what the bytes can hold before anything is made of it, and no byte is left
//! over. Miden's own `read_from_bytes` does neither.

use miden_protocol::utils::serde::{BudgetedReader, ByteReader as _, Deserializable, SliceReader};

/// How many times its own length an encoding may announce.
///
/// A reader with a budget takes a count of elements only if that many of their *smallest* encodings fit what is left of
/// it. Where a type does not say how small its encoding can be, its size in memory is taken instead, which is up to
/// some ten times more for nested values. Nothing is reserved for a count: memory grows with the elements that are there.
const BUDGET_FACTOR: usize = 16;

/// Decodes all of `bytes`.
pub(crate) fn decode<T: Deserializable>(bytes: &[u8]) -> Result<T, String> {
    let budget = bytes.len().saturating_mul(BUDGET_FACTOR);
    let mut reader = BudgetedReader::new(SliceReader::new(bytes), budget);
    let value = reader.read().map_err(|error| error.to_string())?;
    let read = budget - reader.remaining();
    match bytes.len().saturating_sub(read) {
        0 => Ok(value),
        left => Err(format!("{left} bytes follow it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_all_or_nothing() {
        assert_eq!(decode::<Vec<u8>>(&[5, 7, 8]), Ok(vec![7, 8]));
        let error = decode::<Vec<u8>>(&[5, 7, 8, 9]).expect_err("one too many");
        assert_eq!(error, "1 bytes follow it");
        decode::<Vec<u8>>(&[5, 7]).expect_err("one too few");
        decode::<Vec<u8>>(&[]).expect_err("nothing");
    }

    #[test]
    fn refuses_a_length_that_is_not_there_at_once() {
        // A length of nine bytes: a zero, then the number.
        let hostile = [&[0_u8][..], &(1_u64 << 60).to_le_bytes(), &[0; 64]].concat();
        let error = decode::<Vec<Vec<u8>>>(&hostile).expect_err("2^60 elements");
        assert!(error.contains("1152921504606846976"), "{error}");
    }
}
