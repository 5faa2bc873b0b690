//! gRPC-Web and CORS, as browsers use them.

use std::sync::Once;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::{Buf as _, Bytes};
use hierophant_miden_api::{
    Kind, Refusal,
    proto::b::{Proof, WorkerStatus},
};
use prost::Message as _;
use reqwest::{Method, RequestBuilder, StatusCode};

use crate::support::{Behaviour, Listener, Stub, b_request, frame, proof_of, settings};

const PROVE: &str = "/remote_prover.Api/Prove";
const ORIGIN: &str = "https://wallet.example";

fn client() -> reqwest::Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        rustls::crypto::ring::default_provider().install_default().unwrap();
    });
    reqwest::Client::builder().http1_only().build().unwrap()
}

/// A call of a page of another origin, over HTTP/1.1.
pub(crate) fn post(listener: &Listener, path: &str, body: Bytes) -> RequestBuilder {
    client()
        .post(listener.url(path))
        .header("content-type", "application/grpc-web+proto")
        .header("x-grpc-web", "1")
        .header("origin", ORIGIN)
        .body(body)
}

/// The message and the trailers of an answer.
fn parts(mut body: Bytes) -> (Bytes, String) {
    let mut message = Bytes::new();
    let mut trailers = String::new();
    while body.has_remaining() {
        let flag = body.get_u8();
        let length = body.get_u32() as usize;
        let content = body.split_to(length);
        if flag == 0x80 {
            trailers = String::from_utf8(content.to_vec()).unwrap();
        } else {
            message = content;
        }
    }
    (message, trailers)
}

#[tokio::test]
async fn a_page_of_another_origin_gets_its_proof() {
    let stub = Stub::new(Behaviour::Prove);
    let listener = Listener::start(&stub, settings()).await;
    let answer = post(&listener, PROVE, frame(&b_request(1, "witness")))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let headers = answer.headers().clone();
    assert_eq!(headers["content-type"], "application/grpc-web+proto");
    assert_eq!(headers["access-control-allow-origin"], ORIGIN);
    assert_eq!(headers["access-control-allow-credentials"], "true");
    let exposed = headers["access-control-expose-headers"].to_str().unwrap();
    assert_eq!(exposed, "grpc-status,grpc-message,grpc-status-details-bin");
    let (message, trailers) = parts(answer.bytes().await.unwrap());
    let proof = Proof::decode(message).unwrap();
    assert_eq!(proof.payload, proof_of(Kind::Batch, b"witness"));
    assert!(trailers.contains("grpc-status:0"), "{trailers:?}");
    assert_eq!(stub.seen()[0].caller.address, Some([127, 0, 0, 1].into()));
}

#[tokio::test]
async fn the_text_form_is_spoken_too() {
    let listener = Listener::start(&Stub::new(Behaviour::Prove), settings()).await;
    let body = STANDARD.encode(frame(&b_request(0, "witness")));
    let request = client().post(listener.url(PROVE)).body(body);
    let answer = request
        .header("content-type", "application/grpc-web-text")
        .header("accept", "application/grpc-web-text")
        .send()
        .await
        .unwrap();
    let text = answer.text().await.unwrap();
    // Each frame is padded by itself, so that padding may stand in the middle.
    let groups = text.as_bytes().chunks(4);
    let whole: Vec<u8> = groups.flat_map(|group| STANDARD.decode(group).unwrap()).collect();
    let (message, _) = parts(whole.into());
    assert_eq!(
        Proof::decode(message).unwrap().payload,
        proof_of(Kind::Transaction, b"witness")
    );
}

#[tokio::test]
async fn a_preflight_is_answered_as_upstream_does() {
    let listener = Listener::start(&Stub::new(Behaviour::Prove), settings()).await;
    for path in [
        PROVE,
        "/miden.remote_prover.v1.ProverService/Prove",
        "/remote_prover.WorkerStatusApi/Status",
    ] {
        let answer = client()
            .request(Method::OPTIONS, listener.url(path))
            .header("origin", ORIGIN)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type,x-grpc-web")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("access-control-allow-origin"), ORIGIN);
        assert_eq!(header("access-control-allow-credentials"), "true");
        assert_eq!(header("access-control-max-age"), "86400");
        assert_eq!(header("access-control-allow-methods"), "POST,OPTIONS");
        let allowed = "x-grpc-web,content-type,x-user-agent,grpc-timeout";
        assert_eq!(header("access-control-allow-headers"), allowed);
    }
}

#[tokio::test]
async fn a_page_reads_why_it_was_refused() {
    let stub = Stub::new(Behaviour::Refuse(Refusal::QueueFull("try again".to_owned())));
    let listener = Listener::start(&stub, settings()).await;
    let answer = post(&listener, PROVE, frame(&b_request(0, "witness")))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["grpc-status"], "8");
    assert_eq!(answer.headers()["grpc-message"], "try%20again");
    assert_eq!(answer.headers()["access-control-allow-origin"], ORIGIN);
    assert!(answer.headers().contains_key("x-request-id"));
}

#[tokio::test]
async fn statuses_are_reached_from_a_page() {
    let listener = Listener::start(&Stub::new(Behaviour::Hang), settings()).await;
    let answer = post(&listener, "/remote_prover.WorkerStatusApi/Status", frame(&()))
        .send()
        .await
        .unwrap();
    let (message, _) = parts(answer.bytes().await.unwrap());
    assert_eq!(
        WorkerStatus::decode(message).unwrap().version,
        "0.15.0+hierophant.0.1.0"
    );
}

#[tokio::test]
async fn what_is_no_call_is_refused_by_http() {
    let stub = Stub::new(Behaviour::Prove);
    let listener = Listener::start(&stub, settings()).await;
    let get = client().get(listener.url(PROVE)).send().await.unwrap();
    assert_eq!(get.status(), StatusCode::BAD_REQUEST);
    let json = client()
        .post(listener.url(PROVE))
        .header("content-type", "application/json");
    assert_eq!(json.body("{}").send().await.unwrap().status(), StatusCode::BAD_REQUEST);
    let wrong = client()
        .get(listener.url(PROVE))
        .header("content-type", "application/grpc-web");
    assert_eq!(wrong.send().await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
    let nothing = post(&listener, "/no.Such/Call", frame(&())).send().await.unwrap();
    assert_eq!(nothing.headers()["grpc-status"], "12");
    assert!(stub.seen().is_empty());
}
