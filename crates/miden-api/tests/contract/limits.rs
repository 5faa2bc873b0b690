//! Sizes and rates, at the edge and one beyond.

use std::num::NonZeroU32;

use hierophant_miden_api::{
    MESSAGE_BYTES, RateLimit, Refusal, ServerSettings, parse_network,
    proto::b::worker_status_api_client::WorkerStatusApiClient,
};
use prost::Message as _;
use tonic::{Code, Request};

use crate::support::{Behaviour, Listener, Stub, b_request, c_request, settings};

/// A witness with which a message is exactly `limit` bytes long.
fn filling(limit: usize, encoded_len: impl Fn(Vec<u8>) -> usize) -> Vec<u8> {
    let overhead = encoded_len(vec![1; limit]) - limit;
    let witness = vec![1; limit - overhead];
    assert_eq!(encoded_len(witness.clone()), limit);
    witness
}

#[tokio::test]
async fn a_message_at_the_limit_is_taken_and_one_byte_more_is_not() {
    for limit in [1_000, MESSAGE_BYTES] {
        let stub = Stub::new(Behaviour::Prove);
        let limited = ServerSettings {
            max_message_bytes: limit,
            ..settings()
        };
        let listener = Listener::start(&stub, limited).await;
        let mut b = listener.b().await.max_decoding_message_size(limit * 2);
        let mut c = listener.c().await.max_decoding_message_size(limit * 2);
        let mut witness = filling(limit, |witness| b_request(0, witness).encoded_len());
        assert_eq!(filling(limit, |witness| c_request(witness).encoded_len()), witness);
        b.prove(b_request(0, witness.clone())).await.unwrap();
        c.prove(c_request(witness.clone())).await.unwrap();

        witness.push(1);
        let too_much = [
            b.prove(b_request(0, witness.clone())).await.unwrap_err(),
            c.prove(c_request(witness)).await.unwrap_err(),
        ];
        for status in too_much {
            assert_eq!(status.code(), Code::OutOfRange);
            let names_both =
                status.message().contains(&(limit + 1).to_string()) && status.message().contains(&limit.to_string());
            assert!(names_both, "{}", status.message());
        }
        assert_eq!(stub.seen().len(), 2);
    }
}

fn rated(per_second: u32) -> ServerSettings {
    ServerSettings {
        rate: NonZeroU32::new(per_second).map(|per_second| RateLimit { per_second }),
        trusted_proxies: vec![parse_network("127.0.0.1").unwrap()],
        ..settings()
    }
}

fn from(address: &str) -> Request<hierophant_miden_api::proto::b::ProofRequest> {
    let mut request = Request::new(b_request(0, "witness"));
    request
        .metadata_mut()
        .insert("x-forwarded-for", address.parse().unwrap());
    request
}

#[tokio::test]
async fn the_rate_counts_addresses_and_not_connections() {
    let stub = Stub::new(Behaviour::Prove);
    let listener = Listener::start(&stub, rated(1)).await;
    // One allowance comes back a second; of so many calls at once, far fewer than half may pass on a slow machine.
    let mut passed = 0;
    for _ in 0..20 {
        match listener.b().await.prove(from("203.0.113.1")).await {
            Ok(_) => passed += 1,
            Err(status) => {
                assert_eq!(status.code(), Code::ResourceExhausted);
                assert!(status.message().contains("ask for 1 proofs a second"), "{status:?}");
                assert!(status.metadata().contains_key("x-request-id"));
            }
        }
    }
    assert!((1..10).contains(&passed), "{passed} of 20 passed");
    assert_eq!(stub.seen().len(), passed, "a refused call reaches nobody");
    let refused = stub.turned_away();
    assert_eq!(refused.len(), 20 - passed, "each refused call is told of");
    assert!(
        refused
            .iter()
            .all(|(refusal, _)| matches!(refusal, Refusal::TooOften(_))),
        "{refused:?}"
    );
    assert!(refused[0].1, "an excess begins with the first");
    let mut others = 0;
    for address in ["203.0.113.2", "203.0.113.3", "203.0.113.4"] {
        others += usize::from(listener.b().await.prove(from(address)).await.is_ok());
    }
    assert!(others > 0, "other addresses have an allowance of their own");
}

#[tokio::test]
async fn statuses_have_no_rate() {
    let listener = Listener::start(&Stub::new(Behaviour::Prove), rated(1)).await;
    let mut client = WorkerStatusApiClient::new(listener.channel().await);
    for _ in 0..100 {
        client.status(()).await.unwrap();
    }
    assert!(listener.b().await.prove(b_request(0, "witness")).await.is_ok());
}
