//! Blocks through the protocol: the result is a proof of the block kernel, for the batches and the chain of the witness.

mod support;

use hierophant_prover_protocol::proto::Role;
use miden_objects::proto::primitives::ExecutionProof;
use miden_wire_0_18::messages::BlockProofRequest;
use prost::Message as _;
use support::{Host, assert_no_witness, assert_valid, block, recipe, spoiled, transaction};

const KIND: &str = "block";

#[tokio::test]
async fn what_is_proved_verifies_for_its_own_block_alone() {
    let (light, prover) = (Host::start(Role::Light, &[]).await, Host::start(Role::Prove, &[]).await);
    let witness = block(recipe(0)).await;
    let other = block(recipe(1)).await;
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

    let others = prover.prove(KIND, &other).await.expect("proves");
    assert_ne!(others.statement(), statement);
    light
        .refuses(KIND, &witness, &others.proof, &statement, "does not verify")
        .await;
    light
        .refuses(KIND, &other, &proved.proof, &others.statement(), "does not verify")
        .await;

    let encoded = ExecutionProof::decode(proved.proof.as_slice())
        .expect("decodes")
        .encoded;
    for at in (0..40).map(|place| place * encoded.len() / 40) {
        let mut flipped = encoded.clone();
        flipped[at] ^= 1;
        let forgery = ExecutionProof { encoded: flipped }.encode_to_vec();
        light.refuses(KIND, &witness, &forgery, &statement, "").await;
    }
    for encoded in [Vec::new(), vec![2], [encoded.as_slice(), &[0]].concat()] {
        let forgery = ExecutionProof { encoded }.encode_to_vec();
        light
            .refuses(KIND, &witness, &forgery, &statement, "no execution proof")
            .await;
    }
    for (spoiled, _) in spoiled(&proved.proof) {
        light
            .refuses(KIND, &witness, &spoiled, &statement, "no execution proof")
            .await;
    }
}

#[tokio::test]
async fn a_time_that_the_kernel_does_not_bind_is_in_the_statement() {
    let light = Host::start(Role::Light, &[]).await;
    let witness = block(recipe(0)).await;
    let mut message = BlockProofRequest::decode(witness.as_slice()).expect("decodes");
    message.timestamp += 1;
    let later = message.encode_to_vec();
    assert_ne!(light.states(KIND, &witness).await.0, light.states(KIND, &later).await.0);
}

#[tokio::test]
async fn bytes_that_are_no_block_are_the_inputs_fault() {
    let (light, prover) = (Host::start(Role::Light, &[]).await, Host::start(Role::Prove, &[]).await);
    let witness = block(recipe(0)).await;
    for (bytes, part) in spoiled(&witness) {
        assert_no_witness(&light, &prover, KIND, &bytes, part).await;
    }
    assert_no_witness(&light, &prover, KIND, &transaction(recipe(0)).await, "").await;

    let good = BlockProofRequest::decode(witness.as_slice()).expect("decodes");
    let inputs = good.block_inputs.clone().expect("inputs");
    let mut twice = inputs.clone();
    twice.account_witnesses.push(inputs.account_witnesses[0].clone());
    let mut without = inputs.clone();
    without.nullifier_witnesses.clear();
    for (inputs, part) in [
        (Some(twice), "named before"),
        (Some(without), ""),
        (None, "block_inputs is missing"),
    ] {
        let message = BlockProofRequest {
            block_inputs: inputs,
            ..good.clone()
        };
        assert_no_witness(&light, &prover, KIND, &message.encode_to_vec(), part).await;
    }
    let past = BlockProofRequest { timestamp: 0, ..good };
    assert_no_witness(&light, &prover, KIND, &past.encode_to_vec(), "").await;
}
