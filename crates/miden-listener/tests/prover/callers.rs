//! Who comes, waits, leaves and comes back.

use std::time::Duration;

use futures::future::join_all;
use hierophant_miden_api::{Kind, Refusal};

use crate::bench::{Bench, NEEDS, PATIENCE, witness};

/// A proof that outlasts every test.
const ENDLESS: &str = "prove_ms=600000";

/// Lets a call begin: it is in the queue afterwards.
async fn begins(call: &mut (impl Future<Output = Result<bytes::Bytes, Refusal>> + Unpin)) {
    let ended = tokio::time::timeout(Duration::ZERO, call).await;
    assert!(ended.is_err(), "it was answered at once: {ended:?}");
}

#[tokio::test]
async fn a_proof_is_made_verified_and_sent() {
    let bench = Bench::start(|_| {}).await;
    let proof = bench.prove("").await.unwrap();
    let text = String::from_utf8(proof.to_vec()).unwrap();
    assert!(
        text.starts_with("mock-proof-1\nsystem=mock\nkind=transaction\n"),
        "{text}"
    );
    let batch = bench.prove_bytes(Kind::Batch, witness("")).await.unwrap();
    assert!(String::from_utf8(batch.to_vec()).unwrap().contains("kind=batch"));
    assert_eq!(bench.prover.in_hand(), (0, 0));
}

#[tokio::test]
async fn of_a_thousand_callers_on_a_queue_of_ten_ten_are_served() {
    let bench = Bench::new(|_| {});
    // Nothing is proved before all have asked.
    let calls =
        join_all((0..1000_u16).map(|number| bench.prove_bytes(Kind::Transaction, number.to_be_bytes().to_vec())));
    let start = async {
        bench.in_hand(10, 0).await;
        bench.prover.start().await.unwrap();
    };
    let (answers, ()) = tokio::join!(calls, start);
    assert!(answers[..10].iter().all(Result::is_ok), "the first ten");
    for refused in &answers[10..] {
        let Err(Refusal::QueueFull(why)) = refused else {
            panic!("{refused:?}")
        };
        assert!(why.contains("10 proofs are in hand"), "{why}");
    }
}

#[tokio::test]
async fn the_same_witness_asked_twice_at_once_is_proved_once() {
    let bench = Bench::new(|settings| settings.capacity = 1);
    let (mut first, mut second) = (Box::pin(bench.prove("")), Box::pin(bench.prove("")));
    begins(&mut first).await;
    begins(&mut second).await;
    assert_eq!(bench.prover.in_hand(), (1, 0));
    assert!(matches!(bench.prove("cycles=1").await, Err(Refusal::QueueFull(_))));
    bench.prover.start().await.unwrap();
    let (first, second) = tokio::join!(first, second);
    assert_eq!(first.unwrap(), second.unwrap());
}

#[tokio::test]
async fn a_caller_that_leaves_the_queue_makes_room_at_once_and_costs_no_proof() {
    let bench = Bench::new(|settings| settings.capacity = 1);
    let mut gone = Box::pin(bench.prove(ENDLESS));
    begins(&mut gone).await;
    drop(gone);
    assert_eq!(bench.prover.in_hand(), (0, 0));
    let start = async { bench.prover.start().await.unwrap() };
    let (proof, ()) = tokio::join!(bench.prove(""), start);
    proof.unwrap();
}

#[tokio::test]
async fn a_proof_whose_caller_left_is_stopped_after_the_grace() {
    let bench = Bench::start(|settings| settings.abandon_grace = Duration::from_millis(100)).await;
    let mut large = witness("hang=busy");
    large.resize(200_000, b'w');
    let mut gone = Box::pin(bench.prove_bytes(Kind::Transaction, large));
    begins(&mut gone).await;
    bench.in_hand(0, 1).await;
    drop(gone);
    assert_eq!(bench.prover.in_hand(), (0, 1), "the grace has begun");
    bench.in_hand(0, 0).await;
    let left = bench
        .scratch()
        .into_iter()
        .filter(|path| path.ends_with("witness") || path.ends_with("proof"));
    assert_eq!(left.count(), 0);
    bench.prove("").await.unwrap();
}

#[tokio::test]
async fn who_comes_back_within_the_grace_joins_the_running_proof() {
    let bench = Bench::start(|settings| settings.capacity = 1).await;
    let script = "prove_ms=1500";
    let mut gone = Box::pin(bench.prove(script));
    begins(&mut gone).await;
    bench.in_hand(0, 1).await;
    drop(gone);
    assert!(
        matches!(bench.prove("").await, Err(Refusal::QueueFull(_))),
        "it runs still"
    );
    // With room for one proof only, this is the one that runs.
    bench.prove(script).await.unwrap();
}

#[tokio::test]
async fn a_proof_that_ended_in_its_grace_is_given_to_who_comes_back() {
    let bench = Bench::start(|_| {}).await;
    let script = "prove_ms=300";
    let mut gone = Box::pin(bench.prove(script));
    begins(&mut gone).await;
    bench.in_hand(0, 1).await;
    drop(gone);
    bench.in_hand(0, 0).await;
    // A drained prover begins nothing new.
    bench.prover.drain().await;
    assert!(matches!(bench.prove("").await, Err(Refusal::Unavailable(_))));
    bench.prove(script).await.unwrap();
}

#[tokio::test]
async fn time_in_the_queue_counts() {
    let bench = Bench::start(|settings| settings.timeout = Duration::from_millis(500)).await;
    let (running, waiting) = tokio::join!(bench.prove(ENDLESS), bench.prove("cycles=1"));
    for refusal in [running, waiting] {
        let Err(Refusal::TimedOut(why)) = refusal else {
            panic!("{refusal:?}")
        };
        assert!(why.contains("500ms"), "{why}");
    }
    bench.in_hand(0, 0).await;
    bench.prove("").await.unwrap();
}

#[tokio::test]
async fn proofs_run_at_once_only_while_memory_allows() {
    for (memory_bytes, at_once) in [(2 * NEEDS - 1, 1), (2 * NEEDS, 2)] {
        let bench = Bench::start(|settings| {
            (settings.parallel, settings.memory_bytes) = (2, memory_bytes);
        })
        .await;
        let calls = join_all(["prove_ms=1000", "prove_ms=1001"].map(|script| bench.prove(script)));
        let seen = bench.in_hand(2 - at_once, at_once);
        let (proofs, ()) = tokio::join!(calls, seen);
        assert!(proofs.iter().all(Result::is_ok), "{proofs:?}");
    }
}

#[tokio::test]
async fn a_drain_finishes_what_runs_and_what_waits() {
    let bench = Bench::start(|_| {}).await;
    let calls = join_all(["prove_ms=500", "prove_ms=501"].map(|script| bench.prove(script)));
    let drain = async {
        bench.in_hand(1, 1).await;
        tokio::time::timeout(PATIENCE, bench.prover.drain()).await.unwrap();
    };
    let (proofs, ()) = tokio::join!(calls, drain);
    assert!(proofs.iter().all(Result::is_ok), "{proofs:?}");
}

#[tokio::test]
async fn at_the_end_everybody_is_answered_and_no_process_is_left() {
    let bench = Bench::start(|settings| settings.parallel = 2).await;
    let calls = join_all([ENDLESS, "hang=busy", "cycles=1"].map(|script| bench.prove(script)));
    let end = async {
        bench.in_hand(2, 1).await;
        bench.prover.end().await;
    };
    let (answers, ()) = tokio::join!(calls, end);
    for answer in answers {
        assert!(matches!(answer, Err(Refusal::Unavailable(_))), "{answer:?}");
    }
    assert_eq!(hierophant_testkit::leftovers(bench.folder.path()), []);
}
