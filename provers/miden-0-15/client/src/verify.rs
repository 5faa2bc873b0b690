//! Verifies what was answered, with Miden's own code.

use anyhow::{Context as _, bail, ensure};
use miden_kit::{
    Kind,
    client::{Event, KindName, VerifyArguments},
};
use miden_protocol::{
    MIN_PROOF_SECURITY_LEVEL,
    batch::{ProposedBatch, ProvenBatch},
    transaction::{ProvenTransaction, TransactionInputs},
};
use miden_tx::TransactionVerifier;
use miden_tx_batch_prover::LocalBatchProver;

use crate::files;

/// Verifies a proof in a file.
pub(crate) fn run(arguments: &VerifyArguments) -> anyhow::Result<()> {
    let id = match arguments.kind {
        KindName::Transaction => {
            let proven = files::decode(&arguments.proof)?;
            transaction(&files::decode(&arguments.witness)?, &proven)?;
            proven.id().to_hex()
        }
        KindName::Batch => {
            let proven = files::decode(&arguments.proof)?;
            batch(files::decode(&arguments.witness)?, &proven)?;
            proven.id().to_hex()
        }
        KindName::Block => {
            let proof = files::read(&arguments.proof)?;
            ensure!(
                proof.is_empty(),
                "the proof of a block is empty; this one has {} bytes",
                proof.len()
            );
            String::new()
        }
    };
    Event::Verified {
        kind: Kind::from(arguments.kind),
        id,
    }
    .print();
    Ok(())
}

/// Verifies a transaction's proof, and that it is for these inputs.
pub(crate) fn transaction(inputs: &TransactionInputs, proven: &ProvenTransaction) -> anyhow::Result<()> {
    TransactionVerifier::new(MIN_PROOF_SECURITY_LEVEL)
        .verify(proven)
        .context("the proof does not verify")?;
    let update = proven.account_update();
    let same = inputs.account().id() == proven.account_id()
        && inputs.account().initial_commitment() == update.initial_state_commitment()
        && inputs.input_notes().commitment() == proven.input_notes().commitment()
        && inputs.block_header().block_num() == proven.ref_block_num()
        && inputs.block_header().commitment() == proven.ref_block_commitment();
    ensure!(same, "the proof is of another transaction");
    Ok(())
}

/// Verifies that a batch is the one that follows from its transactions.
pub(crate) fn batch(proposed: ProposedBatch, proven: &ProvenBatch) -> anyhow::Result<()> {
    let expected = LocalBatchProver::new(MIN_PROOF_SECURITY_LEVEL).prove(proposed)?;
    if expected == *proven {
        return Ok(());
    }
    bail!("the answer is another batch");
}
