//! Protobuf that leaves nothing out.
//!
//! Protobuf itself ignores fields that it does not know and merges what is said twice. A prover that did so would prove
//! something else than its client meant; so bytes that do not come back in their length when they are written again are
//! refused. Order of fields is not looked at: other encoders may choose another.

use prost::Message;

use crate::lists::{List, too_short};

/// Why bytes are no message.
#[derive(Debug, thiserror::Error)]
pub enum StrictError {
    /// Damaged, cut off, or of another type.
    #[error("not the message's protobuf")]
    Protobuf(#[from] prost::DecodeError),
    /// A list whose elements hold too little to be real.
    #[error("one of its {0} is too short to be one")]
    TooShort(&'static str),
    /// Unknown fields, repetitions or padding.
    #[error("of {given} bytes {known} are understood: there are fields of another version, or fields said twice")]
    NotAllKnown {
        /// Length of the bytes.
        given: usize,
        /// Length of what was understood of them.
        known: usize,
    },
}

/// Decodes all of `bytes` as one message that has these lists.
///
/// # Errors
///
/// [`StrictError`] when they are damaged, or hold more than the message that is understood.
pub fn strict<M: Message + Default>(bytes: &[u8], lists: &'static [List]) -> Result<M, StrictError> {
    if let Some(name) = too_short(bytes, lists) {
        return Err(StrictError::TooShort(name));
    }
    let message = M::decode(bytes)?;
    let known = message.encoded_len();
    if known == bytes.len() {
        return Ok(message);
    }
    Err(StrictError::NotAllKnown {
        given: bytes.len(),
        known,
    })
}

#[cfg(test)]
mod tests {
    use miden_objects::proto::blockchain::BlockNumber;

    use super::*;

    fn number(bytes: &[u8]) -> Result<BlockNumber, StrictError> {
        strict(bytes, &[])
    }

    #[test]
    fn only_what_is_understood_to_the_last_byte_is_taken() {
        let bytes = BlockNumber { block_num: 7 }.encode_to_vec();
        assert_eq!(number(&bytes).expect("decodes").block_num, 7);
        // An unknown field 15, the known one twice, and padding of its key.
        let unknown = [bytes.as_slice(), &[0x78, 0x01]].concat();
        let twice = [bytes.as_slice(), bytes.as_slice()].concat();
        let padded = [&[bytes[0] | 0x80, 0x00], &bytes[1..]].concat();
        for wrong in [unknown, twice, padded] {
            let error = number(&wrong).expect_err("refused");
            assert!(matches!(error, StrictError::NotAllKnown { .. }), "{error}");
        }
        for wrong in [&bytes[..3], &[0], &[0xff; 12]] {
            let error = number(wrong).expect_err("refused");
            assert!(matches!(error, StrictError::Protobuf(_)), "{error}");
        }
    }
}
