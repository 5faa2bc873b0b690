//! Real proofs through the protocol: minutes and up to 14 GB each, so they run only when asked for:
//! `cargo test --release --test proving -- --ignored --test-threads=1 core compressed`. They are kept for the tests of
//! `forgeries.rs` and for whoever needs a proof.
//!
//! `measure` prints what starting, core and compressed take; `PROVER_SP1_OPTIONS` and `PROVER_SP1_ENV`
//! (`name=value,...`) set what is to be measured.

mod support;

use std::{fmt::Write as _, time::Instant};

use hierophant_prover_protocol::proto::{Progress, Role, failure::Class, program_fault::Cause};
use sha2::{Digest as _, Sha256};
use support::{
    Host, assert_input, failure, fibonacci_values, forget_peak_memory, guest, kept_proof, number, pairs_from,
    peak_memory_bytes, processor_time, program, stdin, verify_call,
};

/// Fewest rising values that a proof of one shard shows while it is made.
const RISING_MIN: usize = 5;

async fn start() -> Host {
    let options = pairs_from("PROVER_SP1_OPTIONS");
    let options: Vec<_> = options
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    Host::start(Role::Prove, &options).await
}

/// Proves, looks at the record and the progress, verifies, and keeps the proof.
async fn prove_and_keep(host: &Host, kind: &str) {
    let uploads = (program(&guest("fibonacci")), number(100));
    let key = host.setup(&uploads.0).await.expect("sets up");
    let (reply, proof, progress) = host
        .prove(kind, (&uploads.0, &uploads.1), &key.program_id)
        .await
        .expect("proves");
    let record = reply.record.expect("a record");
    assert_eq!(
        record.public_values_sha256,
        Sha256::digest(fibonacci_values(100)).to_vec()
    );
    assert!(record.proving_ms > 0 && record.peak_memory_bytes > 1 << 30);
    assert_rises(&progress);

    let verdict = host
        .verify(verify_call(host, kind, &proof, &key))
        .await
        .expect("verifies");
    assert!(verdict.valid, "{}", verdict.reason);
    let path = kept_proof(kind);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("makes the folder");
    std::fs::write(&path, &proof).expect("keeps the proof");
}

#[track_caller]
fn assert_rises(progress: &[Progress]) {
    let shown = progress.iter().fold(String::new(), |mut text, step| {
        let _ = write!(
            text,
            "{} {}/{} {}; ",
            step.phase, step.done, step.total, step.overall_bp
        );
        text
    });
    println!("progress: {shown}");
    let mut overall: Vec<_> = progress.iter().map(|step| step.overall_bp).collect();
    assert!(overall.is_sorted(), "{shown}");
    overall.dedup();
    assert!(overall.len() >= RISING_MIN, "{shown}");
}

async fn refuses_what_it_cannot_prove(host: &Host) {
    let uploads = (program(&guest("fibonacci")), number(100));
    let failed = host
        .prove("core", (&program(&guest("exit-one")), &stdin(&[])), &[0; 32])
        .await;
    let failed = failure(failed);
    assert_eq!(failed.class(), Class::Program);
    assert_eq!(failed.fault.expect("a fault").cause(), Cause::NonZeroExit);
    assert_input(host.prove("core", (&uploads.0, &uploads.1), &[7; 32]).await, "vk hash");
}

#[tokio::test]
#[ignore = "takes minutes and 9 GB"]
async fn core() {
    let host = start().await;
    refuses_what_it_cannot_prove(&host).await;
    prove_and_keep(&host, "core").await;
}

#[tokio::test]
#[ignore = "takes ten minutes and 14 GB"]
async fn compressed() {
    prove_and_keep(&start().await, "compressed").await;
}

#[tokio::test]
#[ignore = "measures, for a quarter of an hour"]
async fn measure() {
    let began = Instant::now();
    let host = start().await;
    println!("| step | wall s | processor s | peak GB |\n|---|---|---|---|");
    let row = |step: &str, began: Instant, before: f64| {
        let processor = processor_time(&host).as_secs_f64() - before;
        let (wall, peak) = (began.elapsed().as_secs_f64(), peak_memory_bytes(&host));
        #[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
        let gigabytes = peak as f64 / 1e9;
        println!("| {step} | {wall:.0} | {processor:.0} | {gigabytes:.2} |");
    };
    row("start", began, 0.0);
    // Remembered by the process, as of every program after its first proof.
    host.setup(&program(&guest("fibonacci"))).await.expect("sets up");
    for kind in ["core", "compressed"] {
        forget_peak_memory(&host);
        let (began, before) = (Instant::now(), processor_time(&host).as_secs_f64());
        prove_and_keep(&host, kind).await;
        row(kind, began, before);
    }
}
