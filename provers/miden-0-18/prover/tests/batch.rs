//! Batches through the protocol. The kernel's proof does not bind what a batch changes, so the forgeries that matter are
//! true proofs beside other contents.

mod support;

use hierophant_prover_protocol::proto::Role;
use miden_objects::proto::{
    primitives::ExecutionProof,
    transaction::{ProposedBatch, ProvenBatch},
};
use prost::Message as _;
use support::{Host, assert_no_witness, assert_valid, batch, block, recipe, spoiled, transaction};

const KIND: &str = "batch";

#[tokio::test]
async fn what_is_proved_verifies_and_no_other_contents_do() {
    let (light, prover) = (Host::start(Role::Light, &[]).await, Host::start(Role::Prove, &[]).await);
    let witness = batch(recipe(0), 2).await;
    let proved = prover.prove(KIND, &witness).await.expect("proves");
    let record = proved.reply.record.clone().expect("a record");
    println!(
        "{} bytes of witness, {} of proof, proved in {} ms, peak {} bytes",
        witness.len(),
        proved.proof.len(),
        record.proving_ms,
        record.peak_memory_bytes
    );
    assert_valid(&light, KIND, &witness, &proved).await;
    let statement = proved.statement();

    // Part of the same batch, truly proved: a true proof of another batch.
    let mut message = ProposedBatch::decode(witness.as_slice()).expect("decodes");
    message.transactions.pop();
    let smaller = message.encode_to_vec();
    let others = prover.prove(KIND, &smaller).await.expect("proves");
    light
        .refuses(KIND, &witness, &others.proof, &statement, "not the witness's batch")
        .await;
    light
        .refuses(
            KIND,
            &smaller,
            &proved.proof,
            &others.statement(),
            "not the witness's batch",
        )
        .await;

    let message = ProvenBatch::decode(proved.proof.as_slice()).expect("decodes");
    let others = ProvenBatch::decode(others.proof.as_slice()).expect("decodes");
    let contents = [
        ProvenBatch {
            expiration_block_num: message.reference_block_num,
            ..message.clone()
        },
        ProvenBatch {
            account_updates: others.account_updates,
            ..message.clone()
        },
        ProvenBatch {
            input_notes: others.input_notes,
            ..message.clone()
        },
        ProvenBatch {
            transactions: others.transactions,
            ..message.clone()
        },
        ProvenBatch {
            reference_block_num: message.expiration_block_num,
            ..message.clone()
        },
    ];
    for forgery in contents {
        light
            .refuses(KIND, &witness, &forgery.encode_to_vec(), &statement, "")
            .await;
    }
    // The right contents with a proof of something else, of nothing, and with flipped bits.
    let encoded = message.proof.clone().expect("a proof").encoded;
    let flips = (0..10).map(|place| place * encoded.len() / 10).map(|at| {
        let mut flipped = encoded.clone();
        flipped[at] ^= 1;
        Some(ExecutionProof { encoded: flipped })
    });
    for proof in [others.proof, None].into_iter().chain(flips) {
        let forgery = ProvenBatch {
            proof,
            ..message.clone()
        };
        light
            .refuses(KIND, &witness, &forgery.encode_to_vec(), &statement, "")
            .await;
    }
    for (spoiled, _) in spoiled(&proved.proof) {
        light
            .refuses(KIND, &witness, &spoiled, &statement, "no proven batch")
            .await;
    }
}

#[tokio::test]
async fn the_precompiles_are_proved_when_asked_for_and_the_result_is_the_same() {
    let plain = Host::start(Role::Prove, &[]).await;
    let thorough = Host::start(Role::Prove, &[("batch_precompile_proof", "true")]).await;
    let witness = batch(recipe(3), 1).await;
    let quick = plain.prove(KIND, &witness).await.expect("proves");
    let slow = thorough.prove(KIND, &witness).await.expect("proves");
    assert_eq!(quick.statement(), slow.statement());
    let [quick, slow] = [quick, slow].map(|proved| proved.reply.record.expect("a record"));
    println!(
        "{} ms without, {} ms and {} bytes at its peak with",
        quick.proving_ms, slow.proving_ms, slow.peak_memory_bytes
    );
    assert!(slow.proving_ms > 2 * quick.proving_ms, "it was not proved");
}

#[tokio::test]
async fn a_batch_with_a_bad_transaction_proof_is_the_inputs_fault() {
    let (light, prover) = (Host::start(Role::Light, &[]).await, Host::start(Role::Prove, &[]).await);
    let unproven = miden_witnesses::unproven_batch(recipe(0), 2).await.expect("a chain");
    let unproven = ProposedBatch::from(unproven).encode_to_vec();
    assert_no_witness(&light, &prover, KIND, &unproven, "transaction").await;

    let mut message = ProposedBatch::decode(batch(recipe(0), 1).await.as_slice()).expect("decodes");
    let proof = message.transactions[0].proof.as_mut().expect("a proof");
    let middle = proof.encoded.len() / 2;
    proof.encoded[middle] ^= 1;
    assert_no_witness(&light, &prover, KIND, &message.encode_to_vec(), "").await;
}

#[tokio::test]
async fn bytes_that_are_no_batch_are_the_inputs_fault() {
    let (light, prover) = (Host::start(Role::Light, &[]).await, Host::start(Role::Prove, &[]).await);
    let witness = batch(recipe(0), 1).await;
    for (bytes, part) in spoiled(&witness) {
        assert_no_witness(&light, &prover, KIND, &bytes, part).await;
    }
    for other in [transaction(recipe(0)).await, block(recipe(0)).await] {
        assert_no_witness(&light, &prover, KIND, &other, "").await;
    }
}
