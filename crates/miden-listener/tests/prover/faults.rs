//! Provers that die, hang, lie and cannot be started.

use std::time::Duration;

use hierophant_miden_api::{Kind, Refusal};
use hierophant_miden_listener::{Prover, StartError};
use hierophant_testkit::wait_until;

use crate::bench::{Bench, NEEDS, PATIENCE, settings};

#[tokio::test]
async fn a_prover_that_dies_once_costs_a_second_try_and_no_caller() {
    for misbehaviour in [
        "crash=kill",
        "crash=exit:7",
        "crash=panic",
        "garbage=1",
        "lie=forged",
        "lie=other_values",
    ] {
        let bench = Bench::start(|_| {}).await;
        let script = format!("{misbehaviour},once={}", bench.mark());
        bench
            .prove(&script)
            .await
            .unwrap_or_else(|refusal| panic!("{misbehaviour}: {refusal}"));
        assert!(
            std::path::Path::new(&bench.mark()).exists(),
            "{misbehaviour} did not happen"
        );
    }
}

#[tokio::test]
async fn a_proof_that_never_comes_right_fails_after_two_tries() {
    let bench = Bench::start(|_| {}).await;
    for (misbehaviour, said) in [
        ("crash=kill", "want of memory"),
        ("fail=prover", "demands this failure"),
        ("lie=forged", "does not verify"),
        ("lie=truncated", "does not verify"),
        ("lie=other_values", "does not verify"),
        ("lie=other_kind", "does not verify"),
        ("lie=other_program", "does not verify"),
        ("at=verify,crash=kill", "could not be checked"),
    ] {
        let Err(Refusal::Failed(why)) = bench.prove(misbehaviour).await else {
            panic!("{misbehaviour}: a proof")
        };
        assert!(why.contains("2 tries") && why.contains(said), "{misbehaviour}: {why}");
    }
    bench.prove("").await.unwrap();
}

#[tokio::test]
async fn a_check_that_dies_once_is_made_again() {
    let bench = Bench::start(|_| {}).await;
    let script = format!("at=verify,crash=kill,once={}", bench.mark());
    bench.prove(&script).await.unwrap();
}

#[tokio::test]
async fn what_the_witness_is_to_blame_for_is_not_tried_again() {
    for failure in ["input", "program", "unsupported"] {
        let bench = Bench::start(|_| {}).await;
        // A second try would succeed.
        let script = format!("fail={failure},once={}", bench.mark());
        let refusal = bench.prove(&script).await.unwrap_err();
        let expected = match failure {
            "input" => matches!(refusal, Refusal::Undecodable(_)),
            "program" => matches!(refusal, Refusal::Failed(_)),
            _ => matches!(refusal, Refusal::Unserved(_)),
        };
        assert!(expected, "{failure}: {refusal:?}");
        assert!(refusal.to_string().contains("demands this failure"), "{refusal}");
    }
}

#[tokio::test]
async fn a_prover_that_hangs_past_the_timeout_is_killed() {
    for hang in ["hang=busy", "hang=silent"] {
        let bench = Bench::start(|settings| settings.timeout = Duration::from_millis(500)).await;
        let refusal = bench.prove(hang).await.unwrap_err();
        assert!(matches!(refusal, Refusal::TimedOut(_)), "{hang}: {refusal:?}");
        bench.in_hand(0, 0).await;
        bench.prove("").await.unwrap();
    }
}

#[tokio::test]
async fn callers_that_come_and_go_do_not_keep_a_hanging_prover() {
    let bench = Bench::start(|settings| settings.timeout = Duration::from_secs(1)).await;
    let script = format!("hang=busy,once={}", bench.mark());
    // No call lasts as long as its time: only the proof's own limit can end the first one.
    wait_until(
        "a proof by another process",
        PATIENCE,
        async || match tokio::time::timeout(Duration::from_millis(100), bench.prove(&script)).await {
            Ok(Ok(proof)) => Ok(proof),
            other => Err(format!("{other:?}")),
        },
    )
    .await;
}

#[tokio::test]
async fn a_prover_that_takes_too_much_memory_is_ended() {
    let bench = Bench::start(|settings| {
        settings.prover_args[1] = "mock=v1:transaction,batch:1000".into();
        settings.memory_bytes = 64 << 20;
    })
    .await;
    let refusal = bench.prove("memory=200000000,prove_ms=600000").await.unwrap_err();
    assert!(refusal.to_string().contains("of memory, over its limit"), "{refusal}");
}

#[tokio::test]
async fn a_prover_that_is_killed_with_nothing_to_do_is_started_again() {
    let bench = Bench::start(|_| {}).await;
    let before = bench.prover.readiness();
    assert_eq!(before.borrow().check(), Ok(()));
    for process in hierophant_testkit::leftovers(bench.folder.path()) {
        let pid = rustix::process::Pid::from_raw(process.pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
    bench.prove("").await.unwrap();
}

/// Why a prover with these settings does not start.
async fn refused(change: impl FnOnce(&mut hierophant_miden_listener::ProofSettings)) -> StartError {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(&folder);
    change(&mut settings);
    let prover = Prover::new(settings).unwrap();
    let error = prover.start().await.unwrap_err();
    assert!(prover.readiness().borrow().check().is_err());
    prover.end().await;
    assert_eq!(hierophant_testkit::leftovers(folder.path()), []);
    error
}

#[tokio::test]
async fn a_prover_that_cannot_do_what_is_served_is_refused_at_the_start() {
    let cases = [
        (
            refused(|s| s.prover = "/nonexistent/prover".into()).await,
            "/nonexistent/prover",
        ),
        (refused(|s| s.kinds = vec![Kind::Block]).await, "no kind block"),
        (refused(|s| s.system = "another".into()).await, "does not serve another"),
        (refused(|s| s.memory_bytes = NEEDS - 1).await, "--memory allows"),
        (
            refused(|s| s.prover_args[1] = "mock=v1:!transaction,batch".into()).await,
            "transaction is not available",
        ),
    ];
    for (error, said) in cases {
        let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
        let text: Vec<_> = causes.map(ToString::to_string).collect();
        assert!(text.join(": ").contains(said), "{text:?}");
    }
}
