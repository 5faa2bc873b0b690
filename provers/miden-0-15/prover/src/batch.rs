//! Batches: this line has no proof of them. Each transaction's proof is verified natively, and the batch is what follows
//! from the transactions; so a result is checked by computing it again.

use miden_kit::{Digest, Executed, Fault};
use miden_protocol::batch::{ProposedBatch, ProvenBatch};
use miden_protocol::errors::ProvenBatchError;
use miden_protocol::utils::serde::Serializable as _;
use miden_tx_batch_prover::LocalBatchProver;
use sha2::{Digest as _, Sha256};

use crate::{decoding::decode, line::SECURITY_BITS};

/// Verifies every transaction's proof and computes the batch.
pub(crate) fn execute(proposed: &ProposedBatch) -> Result<Executed, Fault> {
    let batch = prove_natively(proposed.clone()).map_err(Fault::Invalid)?;
    Ok(Executed {
        statement: statement(&batch),
        cycles: None,
    })
}

/// What the client gets.
pub(crate) fn prove(proposed: ProposedBatch) -> Result<Vec<u8>, String> {
    prove_natively(proposed).map(|batch| batch.to_bytes())
}

/// Takes exactly the batch that follows from the transactions.
pub(crate) fn verify(proposed: &ProposedBatch, proof: &[u8]) -> Result<Digest, String> {
    let found: ProvenBatch = decode(proof).map_err(|error| format!("it is no proven batch: {error}"))?;
    let expected = prove_natively(proposed.clone())?;
    if found == expected {
        return Ok(statement(&found));
    }
    Err("it is not the batch of these transactions".into())
}

fn prove_natively(proposed: ProposedBatch) -> Result<ProvenBatch, String> {
    LocalBatchProver::new(SECURITY_BITS)
        .prove(proposed)
        .map_err(|error| match &error {
            ProvenBatchError::TransactionVerificationFailed { transaction_id, source } => {
                let causes = source.source().map_or_else(String::new, |cause| format!(": {cause}"));
                format!("the proof of the batch's transaction {transaction_id} is not valid: {source}{causes}")
            }
            ProvenBatchError::InvalidBatchExpirationBlockNum { .. } => {
                format!("no batch follows from these transactions: {error}")
            }
        })
}

/// SHA-256 of the encoded batch: it holds no proof.
fn statement(batch: &ProvenBatch) -> Digest {
    Sha256::digest(batch.to_bytes()).into()
}
