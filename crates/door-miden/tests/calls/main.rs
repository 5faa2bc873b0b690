//! The life of a call, over a real core.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use hierophant_domain::{FailureClass, Request, RequestState, attempt::Fence};
use hierophant_door_miden::DoorSettings;
use hierophant_miden_api::Refusal;
use support::{FAULTY, GARBAGE, Network, Worker, eventually, patient, proof};

/// Soon, and long enough for a caller to come back.
const SOON: Duration = Duration::from_millis(500);

fn all_are(state: RequestState) -> impl Fn(&[Arc<Request>]) -> Option<()> {
    move |requests| requests.iter().all(|request| request.state == state).then_some(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_answered_with_its_proof_and_the_witness_goes() {
    let network = Network::start(patient()).await;
    let mut worker = Worker::join(&network, 1).await;
    let call = network.call("one");
    let task = worker.lease().await;
    assert_eq!(network.blobs(), 1, "the witness is stored");
    assert_eq!(worker.prove(&task).await, Fence::Pass);
    assert_eq!(call.await.unwrap(), Ok(proof("one")));
    // The proof is small and lies in its row.
    eventually("the witness is gone", async || (network.blobs() == 0).then_some(())).await;
    assert!(network.requests().await[0].private);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_witness_is_proved_once_until_the_grace_is_over() {
    let network = Network::start(DoorSettings {
        grace: SOON,
        ..patient()
    })
    .await;
    let mut worker = Worker::join(&network, 1).await;
    let calls = [network.call("one"), network.call("one")];
    let task = worker.lease().await;
    worker.prove(&task).await;
    for call in calls {
        assert_eq!(call.await.unwrap(), Ok(proof("one")));
    }
    assert_eq!(
        network.call("one").await.unwrap(),
        Ok(proof("one")),
        "a finished proof answers"
    );
    assert_eq!(network.requests().await.len(), 1);
    let ended = network.requests().await[0].ended_at.unwrap();
    eventually("the grace is over", async || {
        let now = hierophant_core::ports::Clients::now(network.core());
        (now.since(ended).0 > 500).then_some(())
    })
    .await;
    let call = network.call("one");
    let task = worker.lease().await;
    worker.prove(&task).await;
    assert_eq!(call.await.unwrap(), Ok(proof("one")));
    assert_eq!(network.requests().await.len(), 2, "it is proved anew");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_callers_on_a_queue_of_ten() {
    let network = Network::start(DoorSettings { queue: 10, ..patient() }).await;
    let mut calls: Vec<_> = (0..1000)
        .map(|number| network.call(&format!("witness {number}")))
        .collect();
    let refused = eventually("the others are refused", async || {
        let ended = calls.iter().filter(|call| call.is_finished()).count();
        (ended == 990).then_some(ended)
    })
    .await;
    assert_eq!(refused, 990);
    let (over, waiting): (Vec<_>, Vec<_>) = calls.drain(..).partition(tokio::task::JoinHandle::is_finished);
    for answer in join_all(over).await {
        assert!(matches!(answer.unwrap(), Err(Refusal::QueueFull(_))));
    }
    let mut worker = Worker::join(&network, 1).await;
    for _ in 0..waiting.len() {
        let task = worker.lease().await;
        worker.prove(&task).await;
    }
    for answer in join_all(waiting).await {
        assert!(answer.unwrap().is_ok());
    }
    assert_eq!(network.requests().await.len(), 10);
}

/// A first worker's first lease is of a caller who comes now and stays: none before it cost any proving.
async fn the_first_lease_is_of_who_stays(network: &Network) {
    let mut worker = Worker::join(network, 1).await;
    let call = network.call("stayed");
    let task = worker.lease().await;
    worker.prove(&task).await;
    assert_eq!(
        call.await.unwrap(),
        Ok(proof("stayed")),
        "the first lease is of the one who stayed"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queued_call_leaves_with_its_caller_and_costs_no_proving() {
    let network = Network::start(DoorSettings { queue: 1, ..patient() }).await;
    let call = network.call("left");
    network.until_accepted().await;
    call.abort();
    network
        .until_requests("it is cancelled", all_are(RequestState::Cancelled))
        .await;
    eventually("its witness is gone", async || (network.blobs() == 0).then_some(())).await;
    the_first_lease_is_of_who_stays(&network).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_leaves_while_its_request_is_made_leaves_none_behind() {
    let network = Network::start(patient()).await;
    for moment in 0..60 {
        let call = network.call(&format!("left at {moment}"));
        // Each at another moment of looking, storing and accepting.
        tokio::time::sleep(Duration::from_micros(100 * moment)).await;
        call.abort();
        let _ = call.await;
    }
    eventually("nothing is in hand", async || (network.in_hand() == 0).then_some(())).await;
    let is_open = |request: &Arc<Request>| request.state == RequestState::Open;
    assert!(!network.requests().await.iter().any(is_open), "none is left behind");
    the_first_lease_is_of_who_stays(&network).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_proof_is_stopped_after_the_grace() {
    let network = Network::start(DoorSettings {
        grace: SOON,
        ..patient()
    })
    .await;
    let mut worker = Worker::join(&network, 1).await;
    let call = network.call("left");
    let task = worker.lease().await;
    call.abort();
    worker.revoked(&task).await;
    network
        .until_requests("it is cancelled", all_are(RequestState::Cancelled))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_comes_back_joins_the_running_proof() {
    let network = Network::start(patient()).await;
    let mut worker = Worker::join(&network, 1).await;
    let call = network.call("back");
    let task = worker.lease().await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    let again = network.call("back");
    worker.prove(&task).await;
    assert_eq!(again.await.unwrap(), Ok(proof("back")));
    assert_eq!(network.requests().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_keeps_what_is_open_for_its_callers() {
    let mut network = Network::start(patient()).await;
    let call = network.call("over a restart");
    network.until_accepted().await;
    network.stop();
    assert!(
        matches!(call.await.unwrap(), Err(Refusal::Unavailable(_))),
        "an orderly stop says so"
    );
    network.close().await;
    network.open().await;
    let mut worker = Worker::join(&network, 1).await;
    let task = worker.lease().await;
    let again = network.call("over a restart");
    worker.prove(&task).await;
    assert_eq!(again.await.unwrap(), Ok(proof("over a restart")));
    assert_eq!(network.requests().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_comes_back_for_after_a_restart_is_given_up() {
    let mut network = Network::start(patient()).await;
    let call = network.call("over a restart");
    network.until_accepted().await;
    network.stop();
    assert!(call.await.unwrap().is_err());
    network.close().await;
    network.settings.grace = SOON;
    network.open().await;
    network
        .until_requests("it is cancelled", all_are(RequestState::Cancelled))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_in_the_queue_and_time_of_a_proof_end() {
    let network = Network::start(DoorSettings {
        queue_timeout: SOON,
        ..patient()
    })
    .await;
    assert!(matches!(
        network.call("waits").await.unwrap(),
        Err(Refusal::TimedOut(_))
    ));
    let network = Network::start(DoorSettings {
        proof_timeout: SOON,
        ..patient()
    })
    .await;
    let mut worker = Worker::join(&network, 1).await;
    let call = network.call("slow");
    let task = worker.lease().await;
    worker.revoked(&task).await;
    assert!(matches!(call.await.unwrap(), Err(Refusal::TimedOut(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_witnesses_are_refused_by_the_light_role_alone() {
    let network = Network::start(patient()).await;
    let garbage = network.call(GARBAGE).await.unwrap();
    assert!(matches!(garbage, Err(Refusal::Undecodable(_))), "{garbage:?}");
    let faulty = network.call(FAULTY).await.unwrap();
    assert!(matches!(faulty, Err(Refusal::Failed(_))), "{faulty:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_blames_the_witness_is_not_believed() {
    let network = Network::start(patient()).await;
    let mut liar = Worker::join(&network, 1).await;
    let call = network.call("good");
    let task = liar.lease().await;
    liar.fail(&task, FailureClass::Input).await;
    let mut honest = Worker::join(&network, 2).await;
    let task = honest.lease().await;
    honest.prove(&task).await;
    assert_eq!(call.await.unwrap(), Ok(proof("good")));
}
