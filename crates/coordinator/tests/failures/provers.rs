//! Provers that die, hang or lie about the program: another worker finishes, and the operator knows whose prover it was.

use std::path::Path;

use hierophant_door_sp1::proto::types::{ExecutionStatus, ProofRequestError};
use hierophant_testkit::Cluster;

use crate::support::{PATIENCE, client::Client, mock, operator, setup};

/// A mark that makes a script apply once.
fn once(cluster: &Cluster) -> String {
    let folder: &Path = cluster.folder();
    format!("once={}", folder.join("happened").display())
}

/// The prover of whichever of two workers is first comes to grief by `script`; the other finishes.
async fn another_finishes(script: &str, reason: &str) {
    let mut cluster = Cluster::start(setup()).await;
    cluster.add_worker(&[]).await;
    cluster.add_worker(&[]).await;
    cluster.wait_for_workers(2, PATIENCE).await;
    let client = Client::new(&cluster, 1);
    let (wish, id) = client.ask_scripted(&format!("{script},{}", once(&cluster))).await;
    client.proven(&wish, &id).await;
    let seen = operator::assert_fulfilled_once(&cluster, &id).await;
    assert_eq!(operator::states(&seen), ["failed", "won"], "{seen}");
    let attempts = operator::attempts(&seen);
    assert!(operator::reason(&attempts[0]).contains(reason), "{seen}");
    assert_ne!(attempts[0]["worker_id"], attempts[1]["worker_id"], "{seen}");
    for number in 0..2 {
        // Its prover is there again, and a dead prover is no lie.
        let worker = operator::worker_until(&cluster, number, "a worker whose prover is ready", |worker| {
            worker["capabilities"].as_array().is_some_and(|all| !all.is_empty())
        });
        assert_eq!(worker.await["strikes"], 0);
    }
    cluster.finish(PATIENCE).await;
}

#[tokio::test]
async fn a_prover_is_killed_by_the_system() {
    another_finishes(
        "crash=kill",
        "was killed by signal 9, probably by the system for want of memory",
    )
    .await;
}

#[tokio::test]
async fn a_prover_aborts() {
    another_finishes("crash=abort", "was killed by signal 6").await;
}

#[tokio::test]
async fn a_prover_panics() {
    another_finishes("crash=panic", "panic").await;
}

#[tokio::test]
async fn a_prover_breaks_the_protocol() {
    another_finishes("garbage=1", "broke the protocol").await;
}

#[tokio::test]
async fn a_prover_hangs_without_a_heartbeat() {
    another_finishes("hang=silent", "was silent for").await;
}

#[tokio::test]
async fn a_prover_works_for_longer_than_it_may() {
    let setup = setup().coordinator("workers.proof_timeout", "2s");
    let mut cluster = Cluster::start(setup).await;
    cluster
        .add_worker(&[("name", "worker-0".into()), mock::worker("prove_ms=600000")])
        .await;
    cluster.wait_for_workers(1, PATIENCE).await;
    let client = Client::new(&cluster, 1);
    let (wish, id) = client.ask_scripted("").await;
    let slow = operator::worker_until(&cluster, 0, "a strike", |worker| worker["strikes"] == 1).await;
    assert!(
        slow["strike_reasons"].to_string().contains("took longer than"),
        "{slow}"
    );
    cluster.add_worker(&[]).await;
    client.proven(&wish, &id).await;
    let seen = operator::assert_fulfilled_once(&cluster, &id).await;
    assert_eq!(operator::states(&seen), ["failed", "won"], "{seen}");
    cluster.finish(PATIENCE).await;
}

#[tokio::test]
async fn a_request_kills_every_prover() {
    let mut cluster = Cluster::start(setup()).await;
    for _ in 0..3 {
        cluster.add_worker(&[]).await;
    }
    cluster.wait_for_workers(3, PATIENCE).await;
    let client = Client::new(&cluster, 1);
    let (poison, poison_id) = client.ask_scripted("crash=kill").await;
    let (execution, details, trace) = client.unfulfilled(&poison_id).await;
    assert_ne!(
        execution,
        ExecutionStatus::Unexecutable,
        "nobody has shown that the program is at fault"
    );
    assert_eq!(details.error(), ProofRequestError::ProvingFailure);
    assert!(trace.contains("the prover failed on 3 different workers"), "{trace}");
    let seen = operator::request(&cluster, &poison_id).await;
    assert_eq!(operator::states(&seen), ["failed", "failed", "failed"], "{seen}");
    assert_eq!(seen["failure"]["class"], "prover", "{seen}");
    // Others are proved as before.
    let wish = client.wish(&poison.elf, "harmless").await;
    let id = client.ask(&wish).await;
    client.proven(&wish, &id).await;
    cluster.finish(PATIENCE).await;
}

#[tokio::test]
async fn a_check_dies_and_is_repeated() {
    let mut cluster = Cluster::start(setup()).await;
    cluster.add_worker(&[]).await;
    let client = Client::new(&cluster, 1);
    let (wish, id) = client
        .ask_scripted(&format!("crash=kill,at=execute,{}", once(&cluster)))
        .await;
    client.proven(&wish, &id).await;
    let seen = operator::assert_fulfilled_once(&cluster, &id).await;
    assert_eq!(operator::states(&seen), ["won"], "its death settles nothing: {seen}");
    cluster.finish(PATIENCE).await;
}

#[tokio::test]
async fn a_worker_lies_that_the_program_failed() {
    let mut cluster = Cluster::start(setup()).await;
    cluster.add_worker(&[mock::worker("fail=program")]).await;
    cluster.wait_for_workers(1, PATIENCE).await;
    let client = Client::new(&cluster, 1);
    let (wish, id) = client.ask_scripted("").await;
    let liar = operator::worker_until(&cluster, 0, "a strike", |worker| worker["strikes"] == 1).await;
    assert!(
        liar["strike_reasons"]
            .to_string()
            .contains("said that the program failed"),
        "{liar}"
    );
    let open = operator::request(&cluster, &id).await;
    assert_eq!(open["state"], "open", "a worker's word ends nothing: {open}");
    cluster.add_worker(&[]).await;
    client.proven(&wish, &id).await;
    let seen = operator::assert_fulfilled_once(&cluster, &id).await;
    assert_eq!(operator::states(&seen), ["failed", "won"], "{seen}");
    cluster.finish(PATIENCE).await;
}
