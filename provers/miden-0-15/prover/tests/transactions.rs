//! Real transactions, proved and verified through the protocol; each proof takes seconds.
//!
//! `measure` prints what the steps take: `cargo test --release --test transactions -- --ignored --nocapture`.

mod support;

use std::time::{Duration, Instant};

use hierophant_prover_protocol::proto::{Role, failure::Class, program_fault::Cause};
use miden_protocol::{
    account::delta::AccountUpdateDetails,
    block::BlockNumber,
    transaction::{ProvenTransaction, TxAccountUpdate},
    utils::serde::{Deserializable as _, Serializable as _},
};
use miden_witnesses::{Recipe, Wallet};
use support::{Host, assert_failure, ecdsa, failure, transaction};

const KIND: &str = "transaction";

/// How many bits are changed, one at a time, all over a proof.
const FLIPS: usize = 24;

#[tokio::test]
async fn what_is_executed_is_proved_and_verified() {
    let (prover, light) = (Host::start(Role::Prove, &[]).await, Host::start(Role::Light, &[]).await);
    let witness = transaction(1).await;
    let executed = light.execute(KIND, &witness).await.expect("executes");
    assert_eq!(executed.fault, None);
    let executed = executed.record.expect("a record");
    assert!(executed.cycles.expect("counted") > 5_000, "{:?}", executed.cycles);

    let proved = prover.prove(KIND, &witness).await.expect("proves");
    let record = proved.reply.record.clone().expect("a record");
    assert_eq!(record.public_values_sha256, executed.public_values_sha256);
    assert_eq!(record.cycles, executed.cycles);
    assert!(record.proving_ms > 0 && record.peak_memory_bytes > 1 << 26);
    let phases: Vec<_> = proved.progress.iter().map(|step| step.phase.as_str()).collect();
    assert_eq!(phases, ["execute", "prove", "done"]);
    assert_eq!(proved.progress.last().map(|step| step.overall_bp), Some(10_000));

    // As the client reads it.
    let proven = ProvenTransaction::read_from_bytes(&proved.proof).expect("decodes");
    assert_eq!(proven.to_bytes(), proved.proof);

    for statement in [&executed.public_values_sha256[..], &[]] {
        let verdict = light.verify(KIND, &witness, &proved.proof, statement).await;
        assert!(verdict.valid, "{}", verdict.reason);
        assert_eq!(verdict.public_values_sha256, executed.public_values_sha256);
    }
}

#[tokio::test]
async fn forgeries_are_refused() {
    let (prover, light) = (Host::start(Role::Prove, &[]).await, Host::start(Role::Light, &[]).await);
    let witness = transaction(2).await;
    let proved = prover.prove(KIND, &witness).await.expect("proves");
    let (of, proof, statement) = ((KIND, &witness[..]), &proved.proof, &proved.statement());

    for place in (0..FLIPS).map(|step| step * (proof.len() - 1) / (FLIPS - 1)) {
        let mut flipped = proof.clone();
        flipped[place] ^= 1 << (place % 8);
        light.assert_refused(of, &flipped, statement, "").await;
    }
    let cut = &proof[..proof.len() - 1];
    let longer = [&proof[..], &[0]].concat();
    for other in [cut, &longer, &[], b"no proof"] {
        light
            .assert_refused(of, other, statement, "no proven transaction")
            .await;
    }

    let true_one = ProvenTransaction::read_from_bytes(proof).expect("decodes");
    let sooner = true_one.expiration_block_num().as_u32() - 1;
    let other_outputs = expiring(&true_one, sooner.into());
    light
        .assert_refused(of, &other_outputs, statement, "does not verify")
        .await;
    let other_details = with_details(proof, &true_one);
    light
        .assert_refused(of, &other_details, statement, "no proven transaction")
        .await;
    light.assert_refused(of, proof, &[7; 32], "does not state").await;
    light.assert_refused(of, proof, b"short", "does not state").await;

    let other_witness = transaction(3).await;
    let another = prover.prove(KIND, &other_witness).await.expect("proves").proof;
    light
        .assert_refused(of, &another, statement, "another transaction")
        .await;
    light
        .assert_refused((KIND, &other_witness), proof, &[], "another transaction")
        .await;
    let verdict = light.verify(KIND, &witness, proof, statement).await;
    assert!(verdict.valid, "the process is sound afterwards: {}", verdict.reason);
}

/// The same proof beside another expiration.
fn expiring(proven: &ProvenTransaction, expiration: BlockNumber) -> Vec<u8> {
    let rebuilt = ProvenTransaction::new(
        proven.account_update().clone(),
        proven.input_notes().iter().cloned(),
        proven.output_notes().iter().cloned(),
        proven.ref_block_num(),
        proven.ref_block_commitment(),
        proven.fee(),
        expiration,
        proven.proof().clone(),
    );
    rebuilt.expect("in itself consistent").to_bytes()
}

/// The same commitments and proof, and details that take back one asset of the change.
fn with_details(proof: &[u8], proven: &ProvenTransaction) -> Vec<u8> {
    let update = proven.account_update();
    let AccountUpdateDetails::Delta(delta) = update.details() else {
        panic!("the wallet is public");
    };
    let mut delta = delta.clone();
    let asset = delta.vault().added_assets().next().expect("the note's asset");
    delta.vault_mut().remove_asset(asset).expect("it is there");
    let other = TxAccountUpdate::new(
        update.account_id(),
        update.initial_state_commitment(),
        update.final_state_commitment(),
        update.account_delta_commitment(),
        AccountUpdateDetails::Delta(delta),
    )
    .expect("held against its commitment only in a whole transaction");
    // The update is what a proven transaction begins with.
    [&other.to_bytes()[..], &proof[update.to_bytes().len()..]].concat()
}

#[tokio::test]
async fn a_limit_of_cycles_is_inclusive() {
    let light = Host::start(Role::Light, &[]).await;
    let witness = transaction(4).await;
    let record = light.execute(KIND, &witness).await.expect("executes").record;
    let cycles = record.and_then(|record| record.cycles).expect("counted");
    // The count is taken at the kernel's last event, a few cycles before the end.
    for (limit, cause) in [
        (cycles + 1_000, None),
        (cycles - 1, Some(Cause::CycleLimit)),
        (0, Some(Cause::CycleLimit)),
    ] {
        let reply = light
            .execute_within(KIND, &witness, Some(limit))
            .await
            .expect("answers");
        assert_eq!(
            reply.fault.map(|fault| fault.cause()),
            cause,
            "limit {limit} of {cycles}"
        );
    }
    let strict = Host::start(Role::Prove, &[("max_cycles", "1000")]).await;
    let failed = failure(strict.prove(KIND, &witness).await);
    assert_eq!(failed.class(), Class::Program, "{}", failed.message);
    assert_eq!(failed.fault.expect("a fault").cause(), Cause::CycleLimit);
}

#[tokio::test]
async fn a_witness_that_does_not_execute_is_the_programs_fault() {
    let prover = Host::start(Role::Prove, &[]).await;
    let witness = miden_witnesses::unsigned_transaction(ecdsa(5))
        .expect("a witness")
        .to_bytes();
    let began = Instant::now();
    let failed = failure(prover.prove(KIND, &witness).await);
    assert!(began.elapsed() < Duration::from_secs(2), "before anything is proved");
    assert_eq!(failed.class(), Class::Program, "{}", failed.message);
    assert_eq!(failed.fault.expect("a fault").cause(), Cause::AbnormalExit);
    let reply = prover.execute(KIND, &witness).await.expect("answers");
    let fault = reply.fault.expect("a fault");
    assert!(fault.message.contains("does not execute"), "{}", fault.message);
}

#[tokio::test]
async fn the_light_role_does_not_prove() {
    let light = Host::start(Role::Light, &[]).await;
    assert_failure(light.prove(KIND, &[]).await, Class::Unsupported, &["prove"]);
    let batches = Host::start(Role::Prove, &[("kinds", "batch")]).await;
    assert_failure(batches.prove(KIND, &[]).await, Class::Unsupported, &["transaction"]);
}

#[tokio::test]
#[ignore = "measures"]
async fn measure() {
    const ROUNDS: u32 = 50;
    for (name, recipe) in [
        ("ECDSA, 1 note", ecdsa(9)),
        (
            "Falcon, 1 note",
            Recipe {
                wallet: Wallet::Falcon,
                ..ecdsa(9)
            },
        ),
    ] {
        let began = Instant::now();
        let prover = Host::start(Role::Prove, &[]).await;
        let light = Host::start(Role::Light, &[]).await;
        println!("{name}: both started in {:?}", began.elapsed() / 2);
        let witness = miden_witnesses::transaction(recipe).await.expect("executes").to_bytes();
        let proved = prover.prove(KIND, &witness).await.expect("proves");
        let record = proved.reply.record.clone().expect("a record");
        println!(
            "witness {} bytes, proof {} bytes, {record:?}",
            witness.len(),
            proved.proof.len()
        );
        let statement = proved.statement();
        let mut executions = Vec::new();
        let mut verdicts = Vec::new();
        for _ in 0..ROUNDS {
            let began = Instant::now();
            light.execute(KIND, &witness).await.expect("executes");
            executions.push(began.elapsed());
            let began = Instant::now();
            assert!(light.verify(KIND, &witness, &proved.proof, &statement).await.valid);
            verdicts.push(began.elapsed());
        }
        for (step, mut times) in [("execute", executions), ("verify", verdicts)] {
            println!("first {step} {:?}", times[0]);
            times.sort();
            println!(
                "{step} p50 {:?} max {:?}",
                times[times.len() / 2],
                times[times.len() - 1]
            );
        }
        println!(
            "peak: prover {} light {}",
            prover.peak_memory_bytes(),
            light.peak_memory_bytes()
        );
    }
}
