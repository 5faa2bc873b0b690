//! Batches and blocks through the protocol: this line has no proof of either.

mod support;

use hierophant_prover_protocol::proto::{Role, failure::Class, program_fault::Cause};
use miden_protocol::{
    batch::ProvenBatch,
    utils::serde::{Deserializable as _, Serializable as _},
};
use support::{Host, ecdsa, failure};

#[tokio::test]
async fn a_batch_is_what_follows_from_its_transactions() {
    let (prover, light) = (Host::start(Role::Prove, &[]).await, Host::start(Role::Light, &[]).await);
    let witness = miden_witnesses::batch(ecdsa(1), 2).await.expect("proves").to_bytes();
    let executed = light.execute("batch", &witness).await.expect("answers");
    assert_eq!(executed.fault, None);
    let statement = executed.record.expect("a record").public_values_sha256;

    let proved = prover.prove("batch", &witness).await.expect("proves");
    assert_eq!(proved.statement(), statement);
    let batch = ProvenBatch::read_from_bytes(&proved.proof).expect("decodes");
    assert_eq!(batch.transactions().as_slice().len(), 2);
    for known in [&statement[..], &[]] {
        let verdict = light.verify("batch", &witness, &proved.proof, known).await;
        assert!(verdict.valid, "{}", verdict.reason);
        assert_eq!(verdict.public_values_sha256, statement);
    }

    let of = ("batch", &witness[..]);
    let other = miden_witnesses::batch(ecdsa(2), 1).await.expect("proves").to_bytes();
    let other = prover.prove("batch", &other).await.expect("proves").proof;
    light.assert_refused(of, &other, &statement, "not the batch").await;
    light
        .assert_refused(of, &[&proved.proof[..], &[0]].concat(), &statement, "no proven batch")
        .await;
    light.assert_refused(of, &[], &statement, "no proven batch").await;
    light
        .assert_refused(of, &proved.proof, &[7; 32], "does not state")
        .await;
    let mut flipped = proved.proof.clone();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    light.assert_refused(of, &flipped, &statement, "batch").await;
}

#[tokio::test]
async fn a_batch_with_a_bad_transaction_proof_is_the_programs_fault() {
    let prover = Host::start(Role::Prove, &[]).await;
    let witness = miden_witnesses::unproven_batch(ecdsa(3), 2)
        .await
        .expect("executes")
        .to_bytes();
    let failed = failure(prover.prove("batch", &witness).await);
    assert_eq!(failed.class(), Class::Program, "{}", failed.message);
    assert!(failed.message.contains("transaction 0x"), "{}", failed.message);
    let fault = prover.execute("batch", &witness).await.expect("answers").fault;
    assert_eq!(fault.map(|fault| fault.cause()), Some(Cause::AbnormalExit));
    prover
        .assert_refused(("batch", &witness), &[], &[], "is not valid")
        .await;
}

#[tokio::test]
async fn a_block_has_an_empty_proof_in_both_layouts() {
    let prover = Host::start(Role::Prove, &[]).await;
    let block = miden_witnesses::block(ecdsa(4), 2).await.expect("executes");
    let mut statements = Vec::new();
    for witness in [block.client_layout(), block.worker_layout()] {
        let executed = prover.execute("block", &witness).await.expect("answers");
        let statement = executed.record.expect("a record").public_values_sha256;
        let proved = prover.prove("block", &witness).await.expect("proves");
        assert_eq!((&proved.proof[..], proved.statement()), (&[][..], statement.clone()));
        for known in [&statement[..], &[]] {
            let verdict = prover.verify("block", &witness, &[], known).await;
            assert!(verdict.valid, "{}", verdict.reason);
        }
        prover
            .assert_refused(("block", &witness), &[0], &statement, "is empty")
            .await;
        prover
            .assert_refused(("block", &witness), &[], &[7; 32], "does not state")
            .await;
        statements.push(statement);
    }
    assert_ne!(statements[0], statements[1], "each is of its own bytes");
}
