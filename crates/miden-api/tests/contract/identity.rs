//! Who calls: request ids, traces and addresses, as the prover's side sees them.

use hierophant_domain::TraceContext;
use hierophant_miden_api::{Caller, ServerSettings, parse_network};
use tonic::Request;

use crate::support::{Behaviour, Listener, Stub, b_request, settings};

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Calls with headers; returns the caller that was seen, and the id in the answer.
async fn call(settings: ServerSettings, headers: &[(&'static str, &str)]) -> (Caller, String) {
    let stub = Stub::new(Behaviour::Prove);
    let listener = Listener::start(&stub, settings).await;
    let mut request = Request::new(b_request(0, "witness"));
    for (name, value) in headers {
        request.metadata_mut().append(*name, value.parse().unwrap());
    }
    let answer = listener.b().await.prove(request).await.unwrap();
    let echoed = answer
        .metadata()
        .get("x-request-id")
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    let [call] = stub.seen().try_into().unwrap();
    (call.caller, echoed)
}

#[tokio::test]
async fn a_callers_id_and_trace_are_handed_on_and_the_id_comes_back() {
    let (caller, echoed) = call(settings(), &[("x-request-id", "wallet-7"), ("traceparent", TRACE)]).await;
    assert_eq!(caller.request_id, "wallet-7");
    assert_eq!(echoed, "wallet-7");
    assert_eq!(caller.trace.as_ref().map(TraceContext::as_str), Some(TRACE));
    assert_eq!(caller.address, Some([127, 0, 0, 1].into()));
}

#[tokio::test]
async fn without_a_sound_id_there_is_a_new_one() {
    let unsound = "x".repeat(65);
    for headers in [
        &[][..],
        &[("x-request-id", unsound.as_str())],
        &[("x-request-id", "two words")],
    ] {
        let (caller, echoed) = call(settings(), headers).await;
        assert_eq!(caller.request_id, echoed);
        assert!(uuid::Uuid::parse_str(&echoed).is_ok(), "{echoed}");
    }
}

#[tokio::test]
async fn an_unsound_trace_is_not_handed_on() {
    let (caller, _) = call(settings(), &[("traceparent", "00-0-0-01")]).await;
    assert_eq!(caller.trace, None);
}

#[tokio::test]
async fn a_refusal_carries_the_id_too() {
    let listener = Listener::start(&Stub::new(Behaviour::Prove), settings()).await;
    let mut request = Request::new(b_request(9, "witness"));
    request
        .metadata_mut()
        .insert("x-request-id", "wallet-8".parse().unwrap());
    let status = listener.b().await.prove(request).await.unwrap_err();
    assert_eq!(status.metadata().get("x-request-id").unwrap(), "wallet-8");
}

#[tokio::test]
async fn a_forwarded_address_counts_behind_a_trusted_proxy_alone() {
    let forwarded = &[("x-forwarded-for", "6.6.6.6, 203.0.113.9")][..];
    let (caller, _) = call(settings(), forwarded).await;
    assert_eq!(caller.address, Some([127, 0, 0, 1].into()));
    let trusting = ServerSettings {
        trusted_proxies: vec![parse_network("127.0.0.0/8").unwrap()],
        ..settings()
    };
    let (caller, _) = call(trusting, forwarded).await;
    assert_eq!(caller.address, Some([203, 0, 113, 9].into()));
}

#[tokio::test]
async fn headers_of_other_miden_services_are_tolerated() {
    let accept = "application/vnd.miden; version=0.15.0; genesis=0x00";
    let (caller, _) = call(
        settings(),
        &[("accept", accept), ("x-unknown", "1"), ("x-request-id", "a")],
    )
    .await;
    assert_eq!(caller.request_id, "a");
}
