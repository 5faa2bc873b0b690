//! The messages of the contract `miden.remote_prover.v1`, and the way between their bytes and the protocol's objects.
//!
//! Most messages come from the published crate `miden-objects`; `messages` holds those of the contract itself. What must
//! stay true: whatever the bytes are, decoding ends in a value or in a sentence; what it allocates is bounded by the bytes
//! that are there, and no byte is ignored. Not here: whether a proof is true (a batch's transactions aside).

pub mod block;
pub mod lists;
pub mod messages;
mod strict;

use std::fmt::Display;

use miden_objects::{DecodeMessageExt as _, proto};
use miden_protocol::{
    MIN_PROOF_SECURITY_LEVEL,
    batch::ProposedBatch,
    transaction::{ProvenTransaction, TransactionInputs},
    vm::ExecutionProof,
};

pub use crate::strict::{StrictError, strict};

/// Bits of security that every proof must have, in every client and node of this line.
pub const SECURITY_LEVEL: u32 = MIN_PROOF_SECURITY_LEVEL;

/// Why bytes are no object: the causes from the outermost in, parted by colons.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DecodeError(String);

impl DecodeError {
    /// Collects an error and all that caused it.
    pub fn new(error: &dyn std::error::Error) -> Self {
        Self(causes(error))
    }

    /// Says it in words.
    pub fn words(words: impl Display) -> Self {
        Self(words.to_string())
    }
}

impl From<StrictError> for DecodeError {
    fn from(error: StrictError) -> Self {
        Self::new(&error)
    }
}

/// An error and all that caused it, parted by colons; a cause that its error repeats is left out.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
        next = cause.source();
    }
    text
}

/// Reads a `transaction.TransactionInputs`. Its chain is checked for consistency, not trusted.
pub fn transaction_inputs(bytes: &[u8]) -> Result<TransactionInputs, DecodeError> {
    strict::<proto::transaction::TransactionInputs>(bytes, lists::TRANSACTION_INPUTS)?
        .decode_and_build_unchecked()
        .map_err(|error| DecodeError::new(&error))
}

/// Reads a `transaction.ProposedBatch` and verifies the proof of each of its transactions.
pub fn proposed_batch(bytes: &[u8]) -> Result<ProposedBatch, DecodeError> {
    strict::<proto::transaction::ProposedBatch>(bytes, lists::PROPOSED_BATCH)?
        .decode_and_verify_with(SECURITY_LEVEL)
        .map_err(|error| DecodeError::new(&error))
}

/// Reads a `transaction.ProvenTransaction`; its proof is not verified.
pub fn proven_transaction(bytes: &[u8]) -> Result<ProvenTransaction, DecodeError> {
    strict::<proto::transaction::ProvenTransaction>(bytes, lists::PROVEN_TRANSACTION)?
        .decode_and_build_unchecked()
        .map_err(|error| DecodeError::new(&error))
}

/// Reads a `primitives.ExecutionProof`; it is not verified.
pub fn execution_proof(bytes: &[u8]) -> Result<ExecutionProof, DecodeError> {
    strict::<proto::primitives::ExecutionProof>(bytes, &[])?
        .try_into()
        .map_err(|error: miden_objects::ConversionError| DecodeError::new(&error))
}
