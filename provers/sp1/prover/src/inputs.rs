//! Turns uploaded blobs into values: an optional zstd frame around bincode.
//!
//! What must stay true: whatever the bytes are, decoding ends in a value or in a sentence. It never allocates more
//! than the caller's limit plus what the bytes themselves hold, and never ignores bytes that it does not understand.
//! Contract: clients of SP1 6 upload one zstd frame over bincode 1.3 (fixed-width integers), older ones bare bincode.

use std::io::Read as _;

use bincode::Options as _;
use serde::de::DeserializeOwned;

/// First bytes of a zstd frame. A bare upload starts with a little-endian u64 count, which would have to be above
/// 4.2 billion to look like this.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Largest window that a frame may ask for, as a power of two: 128 MiB, zstd's own default limit.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// Why a blob cannot be decoded; reads after "the input program: ".
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum DecodeError {
    /// Beyond the option `max_decoded_bytes`.
    #[error("it decodes to more than {limit} bytes (option max_decoded_bytes)")]
    TooLarge {
        /// The option's value.
        limit: u64,
    },
    /// The zstd frame is damaged or cut off.
    #[error("its zstd frame is damaged or cut off: {0}")]
    Zstd(String),
    /// Something follows the zstd frame.
    #[error("something follows its zstd frame")]
    AfterFrame,
    /// The bincode inside is cut off, too long or of another type.
    #[error("it is not the bincode of {expected}: {reason}")]
    Bincode {
        /// What was expected, for people.
        expected: &'static str,
        /// bincode's words.
        reason: String,
    },
}

/// Takes the optional zstd frame off; at most `limit` bytes come out.
pub(crate) fn unpack(bytes: Vec<u8>, limit: u64) -> Result<Vec<u8>, DecodeError> {
    if !bytes.starts_with(&ZSTD_MAGIC) {
        return if bytes.len() as u64 > limit {
            Err(DecodeError::TooLarge { limit })
        } else {
            Ok(bytes)
        };
    }
    let damaged = |error: std::io::Error| DecodeError::Zstd(error.to_string());
    let mut decoder = zstd::Decoder::with_buffer(bytes.as_slice())
        .map_err(damaged)?
        .single_frame();
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(damaged)?;
    let mut plain = Vec::new();
    // One byte more than allowed tells "exactly the limit" from "beyond it".
    (&mut decoder)
        .take(limit.saturating_add(1))
        .read_to_end(&mut plain)
        .map_err(damaged)?;
    if plain.len() as u64 > limit {
        return Err(DecodeError::TooLarge { limit });
    }
    if !decoder.finish().is_empty() {
        return Err(DecodeError::AfterFrame);
    }
    Ok(plain)
}

/// Decodes all of `bytes`.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8], expected: &'static str) -> Result<T, DecodeError> {
    // The limit makes bincode compare every length with what is left before it allocates.
    bincode::DefaultOptions::new()
        .with_fixint_encoding()
        .with_limit(bytes.len() as u64)
        .reject_trailing_bytes()
        .deserialize(bytes)
        .map_err(|error| DecodeError::Bincode {
            expected,
            reason: error.to_string(),
        })
}

/// Takes the ELF out of an unpacked program: a u64 length and the bytes.
pub(crate) fn elf_of(unpacked: &[u8]) -> Result<&[u8], DecodeError> {
    let wrong = |reason: String| DecodeError::Bincode {
        expected: "a program's bytes",
        reason,
    };
    let (length, elf) = unpacked
        .split_first_chunk::<8>()
        .ok_or_else(|| wrong("it has fewer than 8 bytes".into()))?;
    let length = u64::from_le_bytes(*length);
    if length != elf.len() as u64 {
        return Err(wrong(format!("it announces {length} bytes and holds {}", elf.len())));
    }
    Ok(elf)
}

#[cfg(test)]
#[path = "inputs_tests.rs"]
mod tests;
