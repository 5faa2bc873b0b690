//! Real proofs through the protocol: minutes and up to 14 GB each, so they run only when asked for:
//! `cargo test --release --test proving -- --ignored --test-threads=1`. They are kept for the tests of `forgeries.rs`
//! and for whoever needs a proof. `PROVER_SP1_OPTIONS` and `PROVER_SP1_ENV` (`name=value,...`) set what is to be measured.

mod support;

use std::time::Instant;

use hierophant_prover_protocol::proto::{Role, failure::Class, program_fault::Cause};
use sha2::{Digest as _, Sha256};
use support::{
    Host, assert_input, failure, fibonacci_values, guest, kept_proof, number, pairs_from, processor_ticks, program,
    stdin, verify_call,
};

async fn prove_and_keep(kind: &str) {
    let options = pairs_from("PROVER_SP1_OPTIONS");
    let options: Vec<_> = options
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let started = Instant::now();
    let host = Host::start(Role::Prove, &options).await;
    println!("ready after {:?}, {} ticks", started.elapsed(), processor_ticks(&host));
    let uploads = (program(&guest("fibonacci")), number(100));
    let key = host.setup(&uploads.0).await.expect("sets up");

    let failed = host
        .prove(kind, (&program(&guest("exit-one")), &stdin(&[])), &[0; 32])
        .await;
    let failed = failure(failed);
    assert_eq!(failed.class(), Class::Program);
    assert_eq!(failed.fault.expect("a fault").cause(), Cause::NonZeroExit);
    assert_input(host.prove(kind, (&uploads.0, &uploads.1), &[7; 32]).await, "vk hash");

    let (started, ticks) = (Instant::now(), processor_ticks(&host));
    let (reply, proof, progress) = host
        .prove(kind, (&uploads.0, &uploads.1), &key.program_id)
        .await
        .expect("proves");
    let record = reply.record.expect("a record");
    let ticks = processor_ticks(&host) - ticks;
    println!(
        "{kind}: {:?}, {ticks} ticks, {record:?}, {} bytes",
        started.elapsed(),
        proof.len()
    );
    for step in &progress {
        println!("  {} {}/{} {}", step.phase, step.done, step.total, step.overall_bp);
    }
    assert_eq!(
        record.public_values_sha256,
        Sha256::digest(fibonacci_values(100)).to_vec()
    );
    assert!(record.proving_ms > 0 && record.peak_memory_bytes > 1 << 30);
    let mut overall: Vec<_> = progress.iter().map(|step| step.overall_bp).collect();
    assert!(overall.is_sorted(), "{overall:?}");
    overall.dedup();
    assert!(overall.len() >= 5, "{overall:?}");

    let verdict = host
        .verify(verify_call(&host, kind, &proof, &key))
        .await
        .expect("verifies");
    assert!(verdict.valid, "{}", verdict.reason);
    let path = kept_proof(kind);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("makes the folder");
    std::fs::write(&path, &proof).expect("keeps the proof");
}

#[tokio::test]
#[ignore = "takes minutes and 9 GB"]
async fn core() {
    prove_and_keep("core").await;
}

#[tokio::test]
#[ignore = "takes ten minutes and 14 GB"]
async fn compressed() {
    prove_and_keep("compressed").await;
}
