//! Asking for proofs in both schemas.

use hierophant_domain::{Digest, Limits, RequestState, time::Millis};
use prost::Message;
use tonic::Code;

use crate::support::{Rig, wire};

const REQUEST_PROOF: &str = "/network.ProverNetwork/RequestProof";

#[tokio::test]
async fn item_17_an_auction_request_is_accepted_with_all_that_it_says() {
    let rig = Rig::start().await;
    let body = rig.auction_body().await;
    let id = rig.client.request_proof(&body).await.expect("accepted");
    let request = rig.core.newest();
    assert_eq!(id[..16], request.id.as_bytes()[..]);
    assert_eq!(
        (
            request.system.as_str(),
            request.kind.as_str(),
            request.toolchain.as_str()
        ),
        ("sp1", "compressed", "v6.1.0")
    );
    assert_eq!(
        (request.requester.door.as_str(), &request.requester.principal),
        ("sp1", &rig.client.address())
    );
    assert_eq!(
        request.limits,
        Limits {
            cycles: Some(123_456),
            gas: Some(234_567)
        }
    );
    assert_eq!(request.expected_public_values, Some(Digest([0xee; 32])));
    assert_eq!(request.requested_deadline.unix_seconds(), body.deadline);
    assert_eq!(request.inputs.len(), 1);
    assert_eq!(request.inputs[0].name.as_str(), "stdin");
    assert_eq!(request.program.as_ref().expect("a program").id, [0xab; 32]);
    assert!(!request.private && request.execution.is_pending());
}

#[tokio::test]
async fn item_18_a_base_request_is_accepted() {
    let rig = Rig::start().await;
    let body = wire::BaseBody {
        mode: 1,
        ..rig.base_body().await
    };
    rig.client.request_proof(&body).await.expect("accepted");
    let request = rig.core.newest();
    assert_eq!((request.kind.as_str(), request.expected_public_values), ("core", None));
}

#[tokio::test]
async fn item_19_the_largest_limits_come_back_unchanged() {
    let rig = Rig::start().await;
    let body = wire::BaseBody {
        cycle_limit: u64::MAX,
        gas_limit: u64::MAX,
        ..rig.base_body().await
    };
    let id = rig.client.request_proof(&body).await.expect("accepted");
    assert_eq!(
        rig.core.newest().limits,
        Limits {
            cycles: Some(u64::MAX),
            gas: Some(u64::MAX)
        }
    );
    let details = rig.client.base_details(&id).await.expect("details");
    assert_eq!((details.cycle_limit, details.gas_limit), (u64::MAX, u64::MAX));
}

#[tokio::test]
async fn a_gas_limit_of_nothing_is_none() {
    let rig = Rig::start().await;
    let body = wire::BaseBody {
        gas_limit: 0,
        ..rig.base_body().await
    };
    rig.client.request_proof(&body).await.expect("accepted");
    assert_eq!(
        rig.core.newest().limits,
        Limits {
            cycles: Some(100_000_000),
            gas: None
        }
    );
}

#[tokio::test]
async fn item_20_private_inputs_are_understood_in_both_schemas() {
    let rig = Rig::start().await;
    let base = wire::BaseBody {
        stdin_private: true,
        stdin_uri: rig.upload(wire::PRIVATE_STDIN).await,
        ..rig.base_body().await
    };
    let id = rig.client.request_proof(&base).await.expect("field 12 is a number");
    assert!(rig.core.newest().private);
    assert!(
        rig.client
            .base_details(&id)
            .await
            .expect("details")
            .stdin_public_uri
            .is_empty()
    );
    let auction = wire::AuctionBody {
        stdin_private: true,
        ..rig.auction_body().await
    };
    let id = rig.client.request_proof(&auction).await.expect("field 12 is bytes");
    assert!(rig.client.details(&id).await.expect("details").stdin_private);
    // An upload that was announced as private makes its request private, whatever the body says.
    let silent = wire::AuctionBody {
        stdin_uri: rig.upload(wire::PRIVATE_STDIN).await,
        ..rig.auction_body().await
    };
    rig.client.request_proof(&silent).await.expect("accepted");
    assert!(rig.core.newest().private);
}

#[tokio::test]
async fn item_21_auction_parameters_do_not_break_clients() {
    let rig = Rig::start().await;
    for mode in 1..=4 {
        let params: wire::Params = rig
            .client
            .call(
                "/network.ProverNetwork/GetProofRequestParams",
                wire::OneNumber { value: mode },
            )
            .await
            .expect("parameters");
        for party in [params.auctioneer, params.executor, params.verifier, params.treasury] {
            assert_eq!(party, [0x0a; 20]);
        }
        assert_eq!(params.domain, rig.settings.domain);
        let price: u64 = params.max_price_per_pgu.parse().expect("clients parse it");
        let fee: u64 = params.base_fee.parse().expect("clients panic otherwise");
        let buffered = price * 120 / 100;
        assert!(
            buffered.checked_mul(1_000_000_000).is_some(),
            "debug builds of clients panic otherwise"
        );
        assert_eq!((fee, params.tick_size), (0, 0));
    }
    let unknown = rig
        .client
        .call::<_, wire::Params>(
            "/network.ProverNetwork/GetProofRequestParams",
            wire::OneNumber { value: 5 },
        )
        .await;
    assert_eq!(unknown.expect_err("no mode").code(), Code::InvalidArgument);
}

#[tokio::test]
async fn item_22_no_prover_is_named_for_either_flag() {
    let rig = Rig::start().await;
    for flag in [0, 1] {
        let provers: wire::Addresses = rig
            .client
            .call(
                "/network.ProverNetwork/GetProversByUptime",
                wire::OneNumber { value: flag },
            )
            .await
            .expect("a list");
        assert!(provers.provers.is_empty());
    }
}

#[tokio::test]
async fn market_prices_parse() {
    let rig = Rig::start().await;
    let price: wire::MarketPrice = rig
        .client
        .call("/network.ProverNetwork/GetMarketPricePerPgu", wire::Empty {})
        .await
        .expect("a price");
    price.price.parse::<u128>().expect("as clients parse it");
    assert_eq!(u64::try_from(price.as_of).expect("not negative"), rig.core.seconds());
}

#[tokio::test]
async fn item_24_the_signature_is_over_the_bytes_received_whatever_v() {
    let rig = Rig::start().await;
    // A field that this server does not know stays under the signature, though nobody here would encode it again.
    let mut body = rig.base_body().await.encode_to_vec();
    body.extend([0xf8, 0x7f, 1]);
    for v in [0, 27] {
        let envelope = wire::Envelope {
            format: 1,
            signature: rig.client.sign(&body, v),
            body: Some(body.clone()),
        };
        let reply: wire::SignedReply = rig.client.call(REQUEST_PROOF, envelope).await.expect("accepted");
        assert_eq!(
            reply.body.expect("a body").value[..16],
            rig.core.newest().id.as_bytes()[..]
        );
    }
}

#[tokio::test]
async fn item_26_the_same_request_with_a_new_nonce_is_the_same_request() {
    let rig = Rig::start().await;
    let body = rig.auction_body().await;
    let first = rig.client.request_proof(&body).await.expect("accepted");
    let again = rig
        .client
        .request_proof(&wire::AuctionBody {
            nonce: 99,
            ..body.clone()
        })
        .await
        .expect("accepted");
    assert_eq!(first, again);
    assert_eq!(rig.core.submissions(), 2);
    let other_mode = rig
        .client
        .request_proof(&wire::AuctionBody {
            mode: 1,
            ..body.clone()
        })
        .await
        .expect("accepted");
    assert_ne!(first, other_mode, "another kind of proof is another request");
    rig.register([0xac; 32]).await;
    let other = wire::AuctionBody {
        vk_hash: vec![0xac; 32],
        ..body.clone()
    };
    assert_ne!(
        first,
        rig.client.request_proof(&other).await.expect("accepted"),
        "another program is another request"
    );
    let other = wire::AuctionBody {
        stdin_uri: rig.upload(wire::STDIN).await,
        ..body
    };
    assert_ne!(
        first,
        rig.client.request_proof(&other).await.expect("accepted"),
        "another input is another request"
    );
}

#[tokio::test]
async fn item_26_the_same_request_is_found_after_its_deadline_and_without_its_upload() {
    let rig = Rig::start().await;
    let body = rig.auction_body().await;
    let first = rig.client.request_proof(&body).await.expect("accepted");
    let again = wire::AuctionBody {
        nonce: 99,
        ..body.clone()
    };
    rig.core.pass(Millis::from_secs(365 * 24 * 3600));
    assert_eq!(rig.client.request_proof(&again).await.expect("found"), first);
    rig.core.collect(&body.stdin_uri);
    assert_eq!(rig.client.request_proof(&again).await.expect("found"), first);
    // Nobody else finds it, and nothing else is found.
    let stranger = rig.other(2).await.request_proof(&again).await;
    assert_eq!(stranger.expect_err("not theirs").code(), Code::FailedPrecondition);
    let fresh = wire::AuctionBody {
        mode: 1,
        ..body.clone()
    };
    let refused = rig.client.request_proof(&fresh).await.expect_err("its upload is gone");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let late = wire::AuctionBody {
        stdin_uri: rig.upload(wire::STDIN).await,
        ..body.clone()
    };
    let refused = rig
        .client
        .request_proof(&late)
        .await
        .expect_err("its deadline has passed");
    assert_eq!(refused.code(), Code::InvalidArgument);
    // What was never meant for this network is refused as before.
    let other_version = wire::AuctionBody {
        version: "sp1-v5.0.0".to_owned(),
        ..body
    };
    let refused = rig.client.request_proof(&other_version).await.expect_err("not served");
    assert_eq!(refused.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn item_27_fifty_requests_at_once_from_one_key() {
    let rig = Rig::start().await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let body = rig.base_body().await;
        let client = rig.client.clone();
        calls.spawn(async move { client.request_proof(&body).await.expect("accepted") });
    }
    let ids: std::collections::HashSet<_> = calls.join_all().await.into_iter().collect();
    assert_eq!(ids.len(), 50);
}

#[tokio::test]
async fn item_42_only_its_owner_cancels_a_request() {
    let rig = Rig::start().await;
    let id = rig
        .client
        .request_proof(&rig.base_body().await)
        .await
        .expect("accepted");
    let refused = rig.other(2).await.cancel(&id).await.expect_err("not the owner");
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert_eq!(rig.core.newest().state, RequestState::Open);
    let reply = rig.client.cancel(&id).await.expect("cancelled");
    assert_eq!(reply.tx_hash.len(), 32);
    let status = rig.client.status(&id).await.expect("a status");
    assert_eq!((status.fulfillment_status, status.execution_status), (4, 1));
    rig.client.cancel(&id).await.expect("once more does no harm");
    assert!(rig.client.details(&id).await.expect("details").is_canceled);
    let unknown = rig.client.cancel(&[0xcd; 32]).await.expect_err("never given out");
    assert_eq!(unknown.code(), Code::NotFound);
}
