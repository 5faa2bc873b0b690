//! Batches: a STARK of the batch kernel.
//!
//! That kernel binds the reference block and the batch's id, and not yet what the batch changes. So a result is verified in
//! both ways: its proof, and its contents against those that the witness gives.

use miden_kit::{Digest, Executed, Fault};
use miden_objects::{DecodeMessage as _, VerifyWith as _, proto};
use miden_processor::ExecutionError;
use miden_protocol::{batch::ProposedBatch, batch::ProvenBatch, errors::ProvenBatchError};
use miden_tx_batch::{BatchExecutor, BatchVerifier, LocalBatchProver};
use miden_wire_0_18::{SECURITY_LEVEL, causes, lists::PROVEN_BATCH, strict};
use prost::Message as _;

use crate::line::{digest, invalid, options, prover};

/// What batches need, made once.
pub(crate) struct Batches {
    prover: LocalBatchProver,
    verifier: BatchVerifier,
}

impl Batches {
    pub(crate) fn start(precompile_proof: bool) -> Self {
        Self {
            prover: LocalBatchProver::new(prover()).skip_precompile_proof_generation(!precompile_proof),
            verifier: BatchVerifier::new(SECURITY_LEVEL),
        }
    }

    /// Runs the kernel. The transactions' proofs were verified when the witness was decoded.
    pub(crate) fn execute(batch: &ProposedBatch, max_cycles: u64) -> Result<Executed, Fault> {
        BatchExecutor::new()
            .with_execution_options(options(max_cycles))
            .execute(batch.clone())
            .map_err(|error| match error {
                ProvenBatchError::BatchKernelExecutionFailed(ExecutionError::CycleLimitExceeded(_)) => {
                    Fault::CycleLimit(max_cycles)
                }
                error => invalid("the batch does not execute", &error),
            })?;
        Ok(Executed {
            statement: digest(&proposed_statement(batch)),
            cycles: None,
        })
    }

    pub(crate) fn prove(&self, batch: ProposedBatch) -> Result<Vec<u8>, String> {
        let proven = BatchExecutor::new()
            .execute(batch)
            .and_then(|executed| self.prover.prove(executed))
            .map_err(|error| causes(&error))?;
        Ok(proto::transaction::ProvenBatch::from(proven).encode_to_vec())
    }

    pub(crate) fn verify(&self, batch: &ProposedBatch, proof: &[u8]) -> Result<Digest, String> {
        let fields = strict::<proto::transaction::ProvenBatch>(proof, PROVEN_BATCH)
            .map_err(|error| causes(&error))
            .and_then(|message| message.decode_fields().map_err(|error| causes(&error)))
            .map_err(|cause| format!("the result is no proven batch: {cause}"))?;
        let proven = fields
            .verify_with(batch)
            .map_err(|error| format!("the result is not the witness's batch: {}", causes(&error)))?;
        self.verifier
            .verify(&proven)
            .map_err(|error| format!("the proof does not verify: {}", causes(&error)))?;
        Ok(digest(&proven_statement(&proven)))
    }
}

/// What the proof of a proposed batch will state.
fn proposed_statement(batch: &ProposedBatch) -> proto::transaction::ProvenBatch {
    let header = batch.reference_block_header();
    proto::transaction::ProvenBatch {
        reference_block_commitment: Some(header.commitment().into()),
        reference_block_num: Some(header.block_num().into()),
        account_updates: batch.account_updates().values().map(Into::into).collect(),
        input_notes: batch.input_notes().iter().map(Into::into).collect(),
        output_notes: batch.output_notes().iter().map(Into::into).collect(),
        expiration_block_num: Some(batch.batch_expiration_block_num().into()),
        transactions: batch.transaction_headers().as_slice().iter().map(Into::into).collect(),
        proof: None,
    }
}

/// What a proven batch states: everything but the proof.
fn proven_statement(proven: &ProvenBatch) -> proto::transaction::ProvenBatch {
    proto::transaction::ProvenBatch {
        proof: None,
        ..proven.into()
    }
}
