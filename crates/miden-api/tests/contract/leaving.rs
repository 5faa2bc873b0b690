//! Callers that leave, and callers whose time is over: their proof is dropped.

use std::time::{Duration, Instant};

use tonic::Request;

use crate::{
    support::{Behaviour, Listener, PATIENCE, Stub, b_request, c_request, frame, settings},
    web,
};

#[tokio::test]
async fn a_native_caller_that_leaves_takes_its_call_along() {
    let stub = Stub::new(Behaviour::Hang);
    let listener = Listener::start(&stub, settings()).await;
    let (mut b, mut c) = (listener.b().await, listener.c().await);
    let first = tokio::spawn(async move { b.prove(b_request(0, "witness")).await });
    let second = tokio::spawn(async move { c.prove(c_request("witness")).await });
    stub.until_running(2).await;
    first.abort();
    stub.until_running(1).await;
    second.abort();
    stub.until_running(0).await;
}

#[tokio::test]
async fn a_native_caller_that_stays_connected_may_leave_one_call_of_many() {
    let stub = Stub::new(Behaviour::Hang);
    let listener = Listener::start(&stub, settings()).await;
    let client = listener.b().await;
    let calls: Vec<_> = (0..3)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move { client.prove(b_request(0, "witness")).await })
        })
        .collect();
    stub.until_running(3).await;
    calls[1].abort();
    stub.until_running(2).await;
    assert!(!calls[0].is_finished() && !calls[2].is_finished());
}

#[tokio::test]
async fn a_browser_that_leaves_takes_its_call_along() {
    let stub = Stub::new(Behaviour::Hang);
    let listener = Listener::start(&stub, settings()).await;
    let request = web::post(&listener, "/remote_prover.Api/Prove", frame(&b_request(0, "witness")));
    let call = tokio::spawn(request.send());
    stub.until_running(1).await;
    call.abort();
    stub.until_running(0).await;
}

#[tokio::test]
async fn a_clients_timeout_ends_its_call_with_the_code_of_upstream() {
    let stub = Stub::new(Behaviour::Hang);
    let listener = Listener::start(&stub, settings()).await;
    let begun = Instant::now();
    // tonic's own client would give up first: over gRPC-Web the server's answer is seen.
    let request = web::post(&listener, "/remote_prover.Api/Prove", frame(&b_request(0, "witness")));
    let answer = request.header("grpc-timeout", "100m").send().await.unwrap();
    assert_eq!(answer.headers()["grpc-status"], "1");
    assert!(begun.elapsed() >= Duration::from_millis(100) && begun.elapsed() < PATIENCE);
    stub.until_running(0).await;

    let mut native = Request::new(b_request(0, "witness"));
    native.set_timeout(Duration::from_millis(50));
    assert!(listener.b().await.prove(native).await.is_err());
    stub.until_running(0).await;
}
