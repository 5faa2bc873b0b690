//! Health and reflection.

use hierophant_miden_api::ServerSettings;
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use crate::support::{Behaviour, Listener, Stub, settings};

const B: &str = "remote_prover.Api";
const C: &str = "miden.remote_prover.v1.ProverService";

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.to_owned(),
    }
}

#[tokio::test]
async fn health_follows_the_handle_under_every_name() {
    let listener = Listener::start(&Stub::new(Behaviour::Prove), settings()).await;
    let mut client = HealthClient::new(listener.channel().await);
    for (serving, expected) in [
        (None, ServingStatus::NotServing),
        (Some(true), ServingStatus::Serving),
        (Some(false), ServingStatus::NotServing),
    ] {
        if let Some(serving) = serving {
            listener.health.serving(serving);
        }
        for name in ["", B, C] {
            let status = client.check(of(name)).await.unwrap().into_inner().status();
            assert_eq!(status, expected, "{name:?}");
        }
    }
    for unknown in ["remote_prover", "remote_prover.WorkerStatusApi", "x"] {
        let status = client.check(of(unknown)).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
        assert_eq!(client.watch(of(unknown)).await.unwrap_err().code(), Code::NotFound);
    }
}

#[tokio::test]
async fn a_generation_that_is_not_served_has_no_health() {
    let only_b = ServerSettings {
        generation_c: None,
        ..settings()
    };
    let listener = Listener::start(&Stub::new(Behaviour::Prove), only_b).await;
    let mut client = HealthClient::new(listener.channel().await);
    assert_eq!(client.check(of(C)).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn whoever_watches_is_told() {
    let listener = Listener::start(&Stub::new(Behaviour::Prove), settings()).await;
    let mut client = HealthClient::new(listener.channel().await);
    let mut states = client.watch(of(B)).await.unwrap().into_inner();
    assert_eq!(
        states.message().await.unwrap().unwrap().status(),
        ServingStatus::NotServing
    );
    listener.health.serving(true);
    assert_eq!(
        states.message().await.unwrap().unwrap().status(),
        ServingStatus::Serving
    );
}

#[tokio::test]
async fn reflection_lists_and_describes_what_is_served() {
    let served = ServerSettings {
        proxy_status: false,
        ..settings()
    };
    let listener = Listener::start(&Stub::new(Behaviour::Prove), served).await;
    let mut client = ServerReflectionClient::new(listener.channel().await);
    let ask = |what| ServerReflectionRequest {
        host: String::new(),
        message_request: Some(what),
    };
    let questions = [
        ask(MessageRequest::ListServices(String::new())),
        ask(MessageRequest::FileContainingSymbol(B.to_owned())),
        ask(MessageRequest::FileContainingSymbol(C.to_owned())),
    ];
    let answers = client
        .server_reflection_info(tokio_stream::iter(questions))
        .await
        .unwrap();
    let mut answers = answers.into_inner();
    let Some(MessageResponse::ListServicesResponse(list)) = answers.message().await.unwrap().unwrap().message_response
    else {
        panic!("a list was asked for");
    };
    let mut names: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
    names.sort();
    let expected = [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "miden.remote_prover.v1.ProverService",
        "miden.remote_prover.v1.WorkerStatusService",
        "remote_prover.Api",
        "remote_prover.WorkerStatusApi",
    ];
    assert_eq!(names, expected);
    for _ in 0..2 {
        let answer = answers.message().await.unwrap().unwrap().message_response;
        let Some(MessageResponse::FileDescriptorResponse(files)) = answer else {
            panic!("a file was asked for: {answer:?}");
        };
        assert!(!files.file_descriptor_proto.is_empty());
    }
}
