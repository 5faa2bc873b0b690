//! Many calls at once, and statuses meanwhile.

use futures::future::join_all;
use hierophant_miden_api::proto::b::worker_status_api_client::WorkerStatusApiClient;
use hierophant_miden_api::{Kind, Refusal};
use tokio::task::JoinSet;
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::support::{Behaviour, Listener, Stub, b_request, proof_of, settings};

/// Calls that a listener takes at once.
const CALLS_MAX: usize = 4_096;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_callers_get_their_own_proofs() {
    let listener = Listener::start(&Stub::new(Behaviour::Prove), settings()).await;
    let clients = join_all((0..10).map(|_| listener.b())).await;
    let mut calls = JoinSet::new();
    for n in 0..1_000 {
        let mut client = clients[n % clients.len()].clone();
        calls.spawn(async move {
            let witness = format!("witness {n}");
            let answer = client.prove(b_request(0, witness.clone())).await.unwrap();
            assert_eq!(
                answer.into_inner().payload,
                proof_of(Kind::Transaction, witness.as_bytes())
            );
        });
    }
    assert_eq!(calls.join_all().await.len(), 1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_refusals_are_a_thousand_answers() {
    let stub = Stub::new(Behaviour::Refuse(Refusal::QueueFull("full".to_owned())));
    let listener = Listener::start(&stub, settings()).await;
    let client = listener.b().await;
    let answers = join_all((0..1_000).map(|_| {
        let mut client = client.clone();
        async move { client.prove(b_request(0, "witness")).await.unwrap_err().code() }
    }));
    let answers = answers.await;
    assert!(answers.iter().all(|code| *code == Code::ResourceExhausted));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_house_refuses_one_more_and_still_says_how_it_is() {
    let stub = Stub::new(Behaviour::Hang);
    let listener = Listener::start(&stub, settings()).await;
    listener.health.serving(true);
    let clients = join_all((0..8).map(|_| listener.b())).await;
    let mut calls = JoinSet::new();
    for n in 0..CALLS_MAX {
        let mut client = clients[n % clients.len()].clone();
        calls.spawn(async move { client.prove(b_request(0, "witness")).await });
    }
    stub.until_running(CALLS_MAX).await;

    let refused = listener.b().await.prove(b_request(0, "witness")).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("4096 calls are in hand"), "{refused:?}");
    let channel = listener.channel().await;
    for _ in 0..100 {
        WorkerStatusApiClient::new(channel.clone()).status(()).await.unwrap();
        let health = HealthClient::new(channel.clone())
            .check(HealthCheckRequest::default())
            .await;
        assert_eq!(health.unwrap().into_inner().status, 1);
    }

    calls.abort_all();
    stub.until_running(0).await;
    let room_again = tokio::spawn({
        let mut client = listener.b().await;
        async move { client.prove(b_request(0, "witness")).await }
    });
    stub.until_running(1).await;
    room_again.abort();
}
