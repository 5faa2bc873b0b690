//! The caller's side, against listeners of both generations and against hosts that behave badly.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, routing::post};
use bytes::Bytes;
use hierophant_domain::TraceContext;
use hierophant_miden_api::{
    Generation, Kind, MESSAGE_BYTES, Refusal, ServerSettings,
    client::{ANSWER_BYTES, CallContext, RemoteError, RemoteWorker, WorkerInfo},
    server,
};
use http::{Request, StatusCode};
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use crate::support::{Behaviour, Listener, PATIENCE, Stub, proof_of, serve, serve_on, settings};

const SHORT: Duration = Duration::from_millis(200);

fn worker(address: SocketAddr, generation: Generation) -> RemoteWorker {
    RemoteWorker::connect_lazy(&address.to_string(), generation).unwrap()
}

async fn prove(worker: &RemoteWorker, timeout: Duration) -> Result<Bytes, RemoteError> {
    let witness = Bytes::from_static(b"witness");
    worker
        .prove(Kind::Batch, witness, CallContext::default(), timeout)
        .await
}

#[tokio::test]
async fn both_generations_prove_and_say_who_they_are() {
    let stub = Stub::new(Behaviour::Prove);
    let listener = Listener::start(&stub, settings()).await;
    let trace = TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
    let context = CallContext {
        request_id: "request-7",
        trace: Some(&trace),
    };
    for (generation, version) in [
        (Generation::B, "0.15.0+hierophant.0.1.0"),
        (Generation::C, "0.18.0+hierophant.0.1.0"),
    ] {
        let worker = worker(listener.address, generation);
        for kind in Kind::ALL {
            let proof = worker
                .prove(kind, Bytes::from_static(b"witness"), context, PATIENCE)
                .await;
            assert_eq!(proof, Ok(proof_of(kind, b"witness")));
        }
        let info = WorkerInfo {
            version: version.to_owned(),
            kind: Kind::Transaction,
        };
        assert_eq!(worker.status(PATIENCE).await, Ok(info));
    }
    let calls = stub.seen();
    assert_eq!(calls.len(), 6);
    for call in calls {
        assert_eq!(call.caller.request_id, context.request_id);
        assert_eq!(call.caller.trace.as_ref(), context.trace);
    }
}

#[tokio::test]
async fn health_is_what_the_worker_says() {
    let listener = Listener::start(&Stub::new(Behaviour::Prove), settings()).await;
    let worker = worker(listener.address, Generation::B);
    assert!(!worker.healthy(PATIENCE).await);
    listener.health.serving(true);
    assert!(worker.healthy(PATIENCE).await);
}

#[tokio::test]
async fn without_a_health_service_the_status_decides() {
    let proving: Arc<Stub> = Stub::new(Behaviour::Prove);
    let whole = server(proving, settings()).unwrap().into_router();
    let whole = whole.map_request(|request: Request<Body>| request);
    let status_alone = Router::new().route_service("/remote_prover.WorkerStatusApi/Status", whole);
    let (address, _stop) = serve(status_alone).await;
    assert!(worker(address, Generation::B).healthy(PATIENCE).await);
    assert!(!worker(address, Generation::C).healthy(PATIENCE).await);
}

#[tokio::test]
async fn refusals_are_sorted_by_what_to_do_next() {
    let text = || "words".to_owned();
    let table = [
        (Refusal::QueueFull(text()), RemoteError::Busy(text())),
        (Refusal::Undecodable(text()), RemoteError::Refused(text())),
        (Refusal::Failed(text()), RemoteError::Failed(text())),
        (Refusal::TimedOut(text()), RemoteError::TimedOut(text())),
        (Refusal::Unavailable(text()), RemoteError::Unreachable(text())),
    ];
    for (refusal, expected) in table {
        let listener = Listener::start(&Stub::new(Behaviour::Refuse(refusal)), settings()).await;
        for generation in [Generation::B, Generation::C] {
            let answer = prove(&worker(listener.address, generation), PATIENCE).await;
            assert_eq!(answer, Err(expected.clone()));
        }
    }
}

#[tokio::test]
async fn another_generation_is_unreachable() {
    let only_b = ServerSettings {
        generation_c: None,
        ..settings()
    };
    let listener = Listener::start(&Stub::new(Behaviour::Prove), only_b).await;
    let worker = worker(listener.address, Generation::C);
    assert!(matches!(
        prove(&worker, PATIENCE).await,
        Err(RemoteError::Unreachable(_))
    ));
    assert!(matches!(
        worker.status(PATIENCE).await,
        Err(RemoteError::Unreachable(_))
    ));
}

#[tokio::test]
async fn time_is_bounded_and_the_call_is_cancelled() {
    let stub = Stub::new(Behaviour::Hang);
    let listener = Listener::start(&stub, settings()).await;
    let worker = worker(listener.address, Generation::B);
    assert!(matches!(prove(&worker, SHORT).await, Err(RemoteError::TimedOut(_))));
    stub.until_running(0).await;

    let call = tokio::spawn(async move { prove(&worker, PATIENCE).await });
    stub.until_running(1).await;
    call.abort();
    stub.until_running(0).await;
}

#[tokio::test]
async fn a_host_that_accepts_and_says_nothing_costs_the_timeout_and_no_more() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let worker = worker(silent.local_addr().unwrap(), Generation::B);
    assert!(matches!(prove(&worker, SHORT).await, Err(RemoteError::TimedOut(_))));
    assert!(matches!(worker.status(SHORT).await, Err(RemoteError::TimedOut(_))));
    assert!(!worker.healthy(SHORT).await);
}

#[tokio::test]
async fn a_worker_that_dies_is_unreachable_and_is_found_again() {
    let stub = Stub::new(Behaviour::Hang);
    let listener = Listener::start(&stub, settings()).await;
    let address = listener.address;
    let worker = worker(address, Generation::B);
    let call = tokio::spawn({
        let worker = worker.clone();
        async move { prove(&worker, PATIENCE).await }
    });
    stub.until_running(1).await;
    drop(listener);
    let answer = call.await.unwrap();
    assert!(matches!(answer, Err(RemoteError::Unreachable(_))), "{answer:?}");
    stub.until_running(0).await;
    let answer = prove(&worker, PATIENCE).await;
    assert!(matches!(answer, Err(RemoteError::Unreachable(_))), "{answer:?}");
    assert!(!worker.healthy(PATIENCE).await);

    let again = server(Stub::new(Behaviour::Prove), settings()).unwrap().into_router();
    let (_, _stop) = serve_on(address, again).await;
    assert_eq!(prove(&worker, PATIENCE).await, Ok(proof_of(Kind::Batch, b"witness")));
}

#[tokio::test]
async fn answers_of_other_servers_are_understood() {
    let answering = |status: StatusCode| Router::new().fallback(post(move || async move { status }));
    for (status, unreachable) in [
        // What upstream's older workers answer to a panic.
        (StatusCode::INTERNAL_SERVER_ERROR, false),
        // What upstream's proxy answers when its worker is away.
        (StatusCode::BAD_GATEWAY, true),
        (StatusCode::NOT_FOUND, true),
    ] {
        let (address, _stop) = serve(answering(status)).await;
        let error = prove(&worker(address, Generation::B), PATIENCE).await.unwrap_err();
        let (expected, other) = (
            matches!(error, RemoteError::Unreachable(_)),
            matches!(error, RemoteError::Failed(_)),
        );
        assert_eq!((expected, other), (unreachable, !unreachable), "{status}: {error:?}");
    }
}

#[tokio::test]
async fn a_message_over_the_workers_limit_is_no_fault_of_the_witness() {
    let listener = Listener::start(&Stub::new(Behaviour::Prove), settings()).await;
    let worker = worker(listener.address, Generation::C);
    let witness = Bytes::from(vec![1; MESSAGE_BYTES]);
    let answer = worker
        .prove(Kind::Batch, witness, CallContext::default(), PATIENCE)
        .await;
    assert!(
        matches!(&answer, Err(RemoteError::Other(text)) if text.starts_with("OutOfRange")),
        "{answer:?}"
    );
}

#[tokio::test]
async fn an_answer_at_the_limit_is_taken_and_one_byte_more_is_not() {
    let large = ServerSettings {
        max_message_bytes: ANSWER_BYTES * 2,
        ..settings()
    };
    let listener = Listener::start(&Stub::new(Behaviour::Prove), large).await;
    let worker = worker(listener.address, Generation::B);
    // One byte of tag and four of length go before so long a proof.
    let longest = ANSWER_BYTES - 5 - proof_of(Kind::Batch, b"").len();
    for (length, taken) in [(longest, true), (longest + 1, false)] {
        let witness = Bytes::from(vec![1; length]);
        let answer = worker
            .prove(Kind::Batch, witness, CallContext::default(), PATIENCE)
            .await;
        assert_eq!(answer.is_ok(), taken, "{length}");
        assert!(taken || matches!(answer, Err(RemoteError::Other(_))));
    }
}
