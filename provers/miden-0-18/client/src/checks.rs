//! What a client makes sure of before it believes an answer, with the published verifiers.
//!
//! Not here: the statement that the coordinator computes; a client knows what its witness says, and no more.

use anyhow::{Context as _, ensure};
use miden_kit::Kind;
use miden_objects::{DecodeMessage as _, VerifyWith as _, proto};
use miden_protocol::{
    Word,
    block::{BlockKernel, BlockOutputs},
    crypto::SequentialCommit as _,
    transaction::TransactionVerifier,
};
use miden_tx_batch::BatchVerifier;
use miden_verifier::{ExecutionClaim, Verifier};
use miden_wire_0_18::{
    SECURITY_LEVEL, block::proposed_block, execution_proof, lists::PROVEN_BATCH, proposed_batch, proven_transaction,
    strict, transaction_inputs,
};

/// Verifies a proof of a witness; returns the id of what is proved, which a block has none of.
pub(crate) fn check(kind: Kind, witness: &[u8], proof: &[u8]) -> anyhow::Result<String> {
    match kind {
        Kind::Transaction => transaction(witness, proof),
        Kind::Batch => batch(witness, proof),
        Kind::Block => block(witness, proof),
    }
}

fn transaction(witness: &[u8], proof: &[u8]) -> anyhow::Result<String> {
    let inputs = transaction_inputs(witness).context("the witness is no transaction")?;
    let proven = proven_transaction(proof).context("the answer is no proven transaction")?;
    // A batch settles the precompiles that a transaction leaves open; the verifier has computed that they hold.
    let _open_precompiles = TransactionVerifier::new(SECURITY_LEVEL)
        .verify(&proven)
        .context("the proof does not verify")?;
    let (account, header) = (inputs.account(), inputs.block_header());
    ensure!(proven.account_id() == account.id(), "the proof is of another account");
    ensure!(
        proven.account_update().initial_state_commitment() == account.initial_commitment(),
        "the proof begins in another state of the account"
    );
    ensure!(
        proven.input_notes().commitment() == inputs.input_notes().commitment(),
        "the proof consumes other notes"
    );
    ensure!(
        proven.ref_block_commitment() == header.commitment(),
        "the proof is on another block"
    );
    Ok(proven.id().to_hex())
}

fn batch(witness: &[u8], proof: &[u8]) -> anyhow::Result<String> {
    let proposed = proposed_batch(witness).context("the witness is no batch")?;
    let proven = strict::<proto::transaction::ProvenBatch>(proof, PROVEN_BATCH)
        .context("the answer is no proven batch")?
        .decode_fields()
        .context("the answer is no proven batch")?
        .verify_with(&proposed)
        .context("the answer is another batch")?;
    BatchVerifier::new(SECURITY_LEVEL)
        .verify(&proven)
        .context("the proof does not verify")?;
    Ok(proven.id().to_hex())
}

fn block(witness: &[u8], proof: &[u8]) -> anyhow::Result<String> {
    let block = proposed_block(witness).context("the witness is no block")?;
    let proof = execution_proof(proof).context("the answer is no execution proof")?;
    let inputs =
        BlockKernel::build_input_stack(block.prev_block_header().commitment(), block.batches().to_commitment());
    let outputs = BlockOutputs::new(Word::empty(), Word::empty()).into_stack_outputs();
    let claim = ExecutionClaim::from_program_info(BlockKernel::program_info(), inputs, outputs);
    let outcome = Verifier::new()
        .with_min_conjectured_security_level_per_stark(SECURITY_LEVEL)
        .verify(&claim, &proof)
        .context("the proof does not verify")?;
    ensure!(outcome.is_complete(), "the proof leaves something open");
    Ok(String::new())
}
