//! What is done here, without a network: witnesses, proofs, verdicts.

use std::{fs, time::Instant};

use anyhow::{Context as _, bail, ensure};
use miden_block_prover::{BlockExecutor, LocalBlockProver};
use miden_kit::{
    Kind,
    client::{self, Event, Layout, LocalArguments, VerifyArguments, WitnessArguments},
};
use miden_objects::proto;
use miden_tx::LocalTransactionProver;
use miden_tx_batch::{BatchExecutor, LocalBatchProver};
use miden_wire_0_18::{block, proposed_batch, transaction_inputs};
use miden_witnesses::{Recipe, Wallet};
use prost::Message as _;

use crate::checks::check;

/// Makes a witness on a mock chain.
pub(crate) async fn witness(arguments: &WitnessArguments) -> anyhow::Result<()> {
    ensure!(
        arguments.layout == Layout::Client,
        "a block of this line has one layout; leave --layout away"
    );
    let recipe = Recipe {
        wallet: match arguments.wallet {
            client::Wallet::Ecdsa => Wallet::Ecdsa,
            client::Wallet::Falcon => Wallet::Falcon,
        },
        notes: arguments.notes.into(),
        seed: arguments.seed,
    };
    let transactions = arguments.transactions.into();
    let kind = Kind::from(arguments.kind);
    let bytes = match kind {
        Kind::Transaction => {
            let inputs = if arguments.unprovable {
                miden_witnesses::unsigned_transaction(recipe)?
            } else {
                Box::pin(miden_witnesses::transaction(recipe)).await?
            };
            proto::transaction::TransactionInputs::from(inputs).encode_to_vec()
        }
        Kind::Batch => {
            let batch = if arguments.unprovable {
                Box::pin(miden_witnesses::unproven_batch(recipe, transactions)).await?
            } else {
                Box::pin(miden_witnesses::batch(recipe, transactions)).await?
            };
            proto::transaction::ProposedBatch::from(batch).encode_to_vec()
        }
        Kind::Block if arguments.unprovable => bail!("every block that decodes can be proved in this line"),
        Kind::Block => {
            let (block, inputs) = Box::pin(miden_witnesses::block(recipe, transactions)).await?;
            block::request(&block, &inputs).encode_to_vec()
        }
    };
    fs::write(&arguments.out, &bytes).with_context(|| format!("cannot write {}", arguments.out.display()))?;
    Event::Made {
        what: format!("the witness of a {kind}"),
        bytes: bytes.len(),
    }
    .print();
    Ok(())
}

/// Proves here, and verifies.
pub(crate) fn local(arguments: &LocalArguments) -> anyhow::Result<()> {
    let kind = Kind::from(arguments.kind);
    let witness = fs::read(&arguments.witness).context("cannot read the witness")?;
    let began = Instant::now();
    let proof = match kind {
        Kind::Transaction => {
            let proven = LocalTransactionProver::default().prove(transaction_inputs(&witness)?)?;
            proto::transaction::ProvenTransaction::from(proven).encode_to_vec()
        }
        Kind::Batch => {
            let executed = BatchExecutor::new().execute(proposed_batch(&witness)?)?;
            let proven = LocalBatchProver::default().prove(executed)?;
            proto::transaction::ProvenBatch::from(proven).encode_to_vec()
        }
        Kind::Block => {
            let executed = BlockExecutor::new().execute(block::proposed_block(&witness)?)?;
            let proof = LocalBlockProver::default().prove(executed)?;
            proto::primitives::ExecutionProof::from(proof).encode_to_vec()
        }
    };
    let seconds = began.elapsed().as_secs_f64();
    let id = check(kind, &witness, &proof)?;
    fs::write(&arguments.out, &proof).with_context(|| format!("cannot write {}", arguments.out.display()))?;
    Event::Proved {
        kind,
        seconds,
        bytes: proof.len(),
        id,
    }
    .print();
    Ok(())
}

/// Verifies a proof in a file.
pub(crate) fn verify(arguments: &VerifyArguments) -> anyhow::Result<()> {
    let kind = Kind::from(arguments.kind);
    let witness = fs::read(&arguments.witness).context("cannot read the witness")?;
    let proof = fs::read(&arguments.proof).context("cannot read the proof")?;
    let id = check(kind, &witness, &proof)?;
    Event::Verified { kind, id }.print();
    Ok(())
}
