//! Both generations: calls, codes and statuses.

use bytes::Bytes;
use hierophant_miden_api::{
    Health, Kind, Line, Refusal, ServerSettings, WorkerStatus,
    proto::{
        b::{proxy_status_api_client::ProxyStatusApiClient, worker_status_api_client::WorkerStatusApiClient},
        c::{
            ProveRequest, ProxyStatusRequest, WorkerStatusRequest, prove_request, prove_response,
            proxy_status_service_client::ProxyStatusServiceClient,
            worker_status_service_client::WorkerStatusServiceClient,
        },
    },
};
use tonic::Code;

use crate::support::{Behaviour, Listener, Stub, b_request, c_request, proof_of, settings};

#[tokio::test]
async fn generation_b_proves_every_kind() {
    let stub = Stub::new(Behaviour::Prove);
    let listener = Listener::start(&stub, settings()).await;
    let mut client = listener.b().await;
    for kind in Kind::ALL {
        let answer = client.prove(b_request(kind.number(), "witness")).await.unwrap();
        assert_eq!(answer.into_inner().payload, proof_of(kind, b"witness"));
    }
    let calls = stub.seen();
    assert_eq!(calls.iter().map(|call| call.kind).collect::<Vec<_>>(), Kind::ALL);
    assert!(
        calls
            .iter()
            .all(|call| call.line == Line::V0_15 && call.witness == "witness")
    );
}

#[tokio::test]
async fn generation_c_proves_every_kind() {
    let stub = Stub::new(Behaviour::Prove);
    let listener = Listener::start(&stub, settings()).await;
    let mut client = listener.c().await;
    let witness = Bytes::from_static(b"witness");
    let asked = [
        prove_request::Request::Transaction(witness.clone()),
        prove_request::Request::Batch(witness.clone()),
        prove_request::Request::Block(witness),
    ];
    for (kind, request) in Kind::ALL.into_iter().zip(asked) {
        let answer = client.prove(ProveRequest { request: Some(request) }).await.unwrap();
        let proof = proof_of(kind, b"witness");
        let expected = match kind {
            Kind::Transaction => prove_response::Proof::Transaction(proof),
            Kind::Batch => prove_response::Proof::Batch(proof),
            Kind::Block => prove_response::Proof::Block(proof),
        };
        assert_eq!(answer.into_inner().proof, Some(expected));
    }
    assert!(stub.seen().iter().all(|call| call.line == Line::V0_18));
}

#[tokio::test]
async fn a_kind_that_is_unknown_or_not_served_is_refused_before_anything_else() {
    let stub = Stub::new(Behaviour::Prove);
    let served = ServerSettings {
        kinds: [Kind::Transaction, Kind::Batch].into(),
        ..settings()
    };
    let listener = Listener::start(&stub, served).await;
    let mut b = listener.b().await;
    for (number, name) in [(7, "7"), (-1, "-1"), (3, "3"), (2, "block")] {
        let status = b.prove(b_request(number, "witness")).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        let text = format!("unsupported proof type {name}: served here: transaction, batch");
        assert_eq!(status.message(), text);
    }
    let mut c = listener.c().await;
    let block = ProveRequest {
        request: Some(prove_request::Request::Block(Bytes::new())),
    };
    for request in [block, ProveRequest { request: None }] {
        let status = c.prove(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(
            status.message().contains("served here: transaction, batch"),
            "{status:?}"
        );
    }
    assert!(stub.seen().is_empty());
}

#[tokio::test]
async fn every_refusal_has_its_code_in_both_generations() {
    let text = || "words".to_owned();
    let table = [
        (Refusal::Undecodable(text()), Code::InvalidArgument),
        (Refusal::Unserved(text()), Code::InvalidArgument),
        (Refusal::QueueFull(text()), Code::ResourceExhausted),
        (Refusal::TooOften(text()), Code::ResourceExhausted),
        (Refusal::TimedOut(text()), Code::Cancelled),
        (Refusal::Failed(text()), Code::Internal),
        (Refusal::Unavailable(text()), Code::Unavailable),
    ];
    for (refusal, code) in table {
        let listener = Listener::start(&Stub::new(Behaviour::Refuse(refusal)), settings()).await;
        let b = listener.b().await.prove(b_request(0, "witness")).await.unwrap_err();
        let c = listener.c().await.prove(c_request("witness")).await.unwrap_err();
        assert_eq!((b.code(), b.message()), (code, "words"));
        assert_eq!((c.code(), c.message()), (code, "words"));
    }
}

#[tokio::test]
async fn a_long_refusal_is_cut_to_what_clients_take() {
    let refusal = Refusal::Failed("é".repeat(100_000));
    let listener = Listener::start(&Stub::new(Behaviour::Refuse(refusal)), settings()).await;
    let status = listener.b().await.prove(b_request(0, "witness")).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert_eq!(status.message(), "é".repeat(1_024));
}

#[tokio::test]
async fn statuses_name_version_first_kind_and_workers() {
    let worker = |n: usize, health| WorkerStatus {
        name: format!("worker-{n}"),
        version: "0.15.2".to_owned(),
        health,
    };
    let mut workers = vec![
        worker(0, Health::Unknown),
        worker(1, Health::Healthy),
        worker(2, Health::Unhealthy),
    ];
    workers.extend((3..1_001).map(|n| worker(n, Health::Healthy)));
    let stub = Stub::with_workers(Behaviour::Hang, workers);
    let served = ServerSettings {
        kinds: [Kind::Block, Kind::Batch].into(),
        ..settings()
    };
    let listener = Listener::start(&stub, served).await;
    let channel = listener.channel().await;

    let status = WorkerStatusApiClient::new(channel.clone())
        .status(())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (status.version.as_str(), status.supported_proof_type),
        ("0.15.0+hierophant.0.1.0", 1)
    );
    let mut client = WorkerStatusServiceClient::new(channel.clone());
    let status = client.status(WorkerStatusRequest {}).await.unwrap().into_inner();
    assert_eq!(
        (status.version.as_str(), status.supported_proof_type),
        ("0.18.0+hierophant.0.1.0", 1)
    );

    let b = ProxyStatusApiClient::new(channel.clone())
        .status(())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (b.version.as_str(), b.supported_proof_type),
        ("0.15.0+hierophant.0.1.0", 1)
    );
    assert_eq!(b.workers.len(), 1_000);
    let health: Vec<i32> = b.workers.iter().take(3).map(|worker| worker.status).collect();
    assert_eq!(health, [0, 1, 2]);
    let mut client = ProxyStatusServiceClient::new(channel);
    let c = client.status(ProxyStatusRequest {}).await.unwrap().into_inner();
    assert_eq!(
        (c.version.as_str(), c.supported_proof_type),
        ("0.18.0+hierophant.0.1.0", 1)
    );
    assert_eq!(c.workers.len(), 1_000);
    assert_eq!(
        (c.workers[1].name.as_str(), c.workers[1].version.as_str()),
        ("worker-1", "0.15.2")
    );
}

#[tokio::test]
async fn what_is_not_mounted_is_unimplemented() {
    let only_b = ServerSettings {
        generation_c: None,
        proxy_status: false,
        ..settings()
    };
    let listener = Listener::start(&Stub::new(Behaviour::Prove), only_b).await;
    let channel = listener.channel().await;
    let c = listener.c().await.prove(c_request("witness")).await.unwrap_err();
    let mut worker = WorkerStatusServiceClient::new(channel.clone());
    let worker = worker.status(WorkerStatusRequest {}).await.unwrap_err();
    let proxy = ProxyStatusApiClient::new(channel.clone()).status(()).await.unwrap_err();
    for status in [c, worker, proxy] {
        assert_eq!(status.code(), Code::Unimplemented);
    }
    assert!(WorkerStatusApiClient::new(channel).status(()).await.is_ok());

    let only_c = ServerSettings {
        generation_b: None,
        ..settings()
    };
    let listener = Listener::start(&Stub::new(Behaviour::Prove), only_c).await;
    let b = listener.b().await.prove(b_request(0, "witness")).await.unwrap_err();
    assert_eq!(b.code(), Code::Unimplemented);
    assert!(listener.c().await.prove(c_request("witness")).await.is_ok());
}
