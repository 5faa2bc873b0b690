//! Details and listings.

use hierophant_domain::{Failure, FailureClass, ProgramFault, request::RequestEvent, time::Millis};
use tonic::Code;

use crate::support::{Rig, wire};

/// Says whether a field stands anywhere at the top of an encoded `ProofRequest` inside a details reply.
fn has_field(details: &[u8], field: u32) -> bool {
    use prost::encoding::{DecodeContext, decode_key, decode_varint, skip_field};
    let mut rest = details;
    let (tag, _) = decode_key(&mut rest).expect("a field");
    assert_eq!(tag, 1);
    let length = usize::try_from(decode_varint(&mut rest).expect("a length")).expect("short");
    assert_eq!(length, rest.len());
    while !rest.is_empty() {
        let (tag, wire_type) = decode_key(&mut rest).expect("a field");
        if tag == field {
            return true;
        }
        skip_field(wire_type, tag, &mut rest, DecodeContext::default()).expect("a value");
    }
    false
}

#[tokio::test]
async fn item_43_details_decode_in_both_schemas_in_every_state() {
    for state in ["pending", "failed", "fulfilled", "cancelled"] {
        let rig = Rig::start().await;
        let id = rig
            .client
            .request_proof(&rig.auction_body().await)
            .await
            .expect("accepted");
        match state {
            "failed" => rig.core.end(
                RequestEvent::Failed,
                Failure::program(ProgramFault::NonZeroExit, "exit code 1"),
            ),
            "fulfilled" => rig.core.fulfil(),
            "cancelled" => drop(rig.client.cancel(&id).await.expect("cancelled")),
            _ => {}
        }
        let base = rig.client.base_details(&id).await.expect("decodes in the base schema");
        let auction = rig.client.details(&id).await.expect("decodes in the auction schema");
        assert_eq!((base.error, base.stdin_private), (0, false), "{state}");
        assert_eq!((auction.base_fee, auction.max_price_per_pgu), (None, None), "{state}");
        assert_eq!(base.fulfillment_status, auction.fulfillment_status);
        let reply: Vec<u8> = {
            use prost::Message;
            let details: RawDetails = rig
                .client
                .call(
                    "/network.ProverNetwork/GetProofRequestDetails",
                    wire::OneBytes { value: id.clone() },
                )
                .await
                .expect("details");
            details.encode_to_vec()
        };
        assert!(
            has_field(&reply, 1) && !has_field(&reply, 34) && !has_field(&reply, 35),
            "{state}"
        );
    }
}

/// The reply with its request as raw bytes.
#[derive(Clone, PartialEq, prost::Message)]
struct RawDetails {
    #[prost(bytes = "vec", tag = "1")]
    request: Vec<u8>,
}

#[tokio::test]
async fn item_44_details_give_back_what_was_asked_and_how_it_went() {
    let rig = Rig::start().await;
    let body = wire::AuctionBody {
        whitelist: vec![vec![3; 20]],
        min_auction_period: 5,
        ..rig.auction_body().await
    };
    let created_at = rig.core.seconds();
    let id = rig.client.request_proof(&body).await.expect("accepted");
    let details = rig.client.details(&id).await.expect("details");
    assert_eq!(details.request_id, id);
    assert_eq!((details.vk_hash, details.version), (body.vk_hash, body.version));
    assert_eq!(
        (details.mode, details.strategy, details.stdin_uri),
        (body.mode, body.strategy, body.stdin_uri)
    );
    assert_eq!(
        (details.cycle_limit, details.gas_limit),
        (body.cycle_limit, body.gas_limit)
    );
    assert_eq!(
        (details.min_auction_period, details.whitelist),
        (body.min_auction_period, body.whitelist)
    );
    assert_eq!(
        (details.requester, details.created_at),
        (rig.client.address(), created_at)
    );
    assert_eq!(
        (details.cycles, details.gas_used, details.fulfilled_at),
        (None, None, None)
    );
    assert_eq!(
        details.public_values_hash,
        Some(vec![0xee; 32]),
        "as the client signed it"
    );
    assert_eq!(details.tx_hash.len(), 32);
    assert_eq!(
        details.tx_hash,
        rig.client.status(&id).await.expect("a status").request_tx_hash
    );
    assert!(details.stdin_public_uri.is_empty() && details.program_public_uri.is_empty());
    rig.core.pass(Millis::from_secs(10));
    rig.core.fulfil();
    let details = rig.client.details(&id).await.expect("details");
    assert_eq!((details.cycles, details.gas_used), (Some(1_000), Some(2_000)));
    assert_eq!(
        (details.fulfilled_at, details.updated_at),
        (Some(created_at + 10), created_at + 10)
    );
    assert_eq!(details.public_values_hash, Some(vec![9; 32]), "as the proof has it");
}

#[tokio::test]
async fn item_45_listings_honour_their_filters() {
    let rig = Rig::start().await;
    let first_at = rig.core.seconds();
    let failed = rig
        .client
        .request_proof(&rig.auction_body().await)
        .await
        .expect("accepted");
    rig.core.end(
        RequestEvent::Failed,
        Failure::program(ProgramFault::CycleLimit, "too many cycles"),
    );
    rig.core.pass(Millis::from_secs(100));
    let fulfilled = rig
        .client
        .request_proof(&wire::AuctionBody {
            mode: 1,
            ..rig.auction_body().await
        })
        .await
        .expect("accepted");
    rig.core.fulfil();
    rig.core.pass(Millis::from_secs(100));
    let other = rig.signing_with(2).await;
    other.register([0xac; 32]).await;
    let open_body = wire::AuctionBody {
        vk_hash: vec![0xac; 32],
        ..other.auction_body().await
    };
    let open = other.client.request_proof(&open_body).await.expect("accepted");
    let everything = [open.clone(), fulfilled.clone(), failed.clone()];

    let some = |filter: wire::Filter, expected: &[&Vec<u8>], what: &'static str| {
        let (client, expected) = (
            other.client.clone(),
            expected.iter().map(|id| (*id).clone()).collect::<Vec<_>>(),
        );
        async move {
            let found: Vec<_> = client
                .list(filter)
                .await
                .expect(what)
                .into_iter()
                .map(|request| request.request_id)
                .collect();
            assert_eq!(found, expected, "{what}");
        }
    };
    let any = wire::Filter::default;
    some(any(), &everything.each_ref(), "newest first").await;
    some(
        wire::Filter {
            requester: Some(other.client.address()),
            ..any()
        },
        &[&open],
        "requester",
    )
    .await;
    some(
        wire::Filter {
            vk_hash: Some(vec![0xac; 32]),
            ..any()
        },
        &[&open],
        "vk_hash",
    )
    .await;
    some(
        wire::Filter {
            version: Some("sp1-v6.1.0".to_owned()),
            ..any()
        },
        &everything.each_ref(),
        "version",
    )
    .await;
    some(
        wire::Filter {
            version: Some("sp1-v5.0.0".to_owned()),
            ..any()
        },
        &[],
        "other version",
    )
    .await;
    some(
        wire::Filter {
            version: Some("Ünknown".to_owned()),
            ..any()
        },
        &[],
        "no version",
    )
    .await;
    some(wire::Filter { mode: Some(1), ..any() }, &[&fulfilled], "mode").await;
    some(
        wire::Filter {
            from: Some(first_at + 100),
            ..any()
        },
        &[&open, &fulfilled],
        "from",
    )
    .await;
    some(
        wire::Filter {
            to: Some(first_at + 100),
            ..any()
        },
        &[&failed],
        "to",
    )
    .await;
    for (status, expected) in [
        (0, &everything.each_ref()[..]),
        (1, &[]),
        (2, &[&open]),
        (3, &[&fulfilled]),
        (4, &[&failed]),
        (5, &[]),
        (6, &[]),
    ] {
        some(
            wire::Filter {
                fulfillment_status: Some(status),
                ..any()
            },
            expected,
            "fulfillment_status",
        )
        .await;
    }
    for (status, expected) in [(1, &[&open][..]), (2, &[&fulfilled]), (3, &[&failed]), (4, &[])] {
        some(
            wire::Filter {
                execution_status: Some(status),
                ..any()
            },
            expected,
            "execution_status",
        )
        .await;
    }
    some(
        wire::Filter {
            execute_fail_cause: Some(5),
            ..any()
        },
        &[&failed],
        "cause",
    )
    .await;
    some(
        wire::Filter {
            execute_fail_cause: Some(1),
            ..any()
        },
        &[],
        "other cause",
    )
    .await;
    some(
        wire::Filter {
            error: Some(1),
            ..any()
        },
        &[&failed],
        "error",
    )
    .await;
    some(
        wire::Filter {
            fulfiller: Some(vec![1; 20]),
            ..any()
        },
        &[],
        "fulfiller",
    )
    .await;
    some(
        wire::Filter {
            settlement_status: Some(2),
            ..any()
        },
        &[],
        "settled",
    )
    .await;
    some(
        wire::Filter {
            not_bid_by: Some(vec![1; 20]),
            ..any()
        },
        &everything.each_ref(),
        "nobody bids",
    )
    .await;
    let shown = other.client.status(&open).await.expect("a status").deadline;
    some(
        wire::Filter {
            minimum_deadline: Some(shown),
            ..any()
        },
        &[&open],
        "minimum_deadline",
    )
    .await;
    some(
        wire::Filter {
            minimum_deadline: Some(shown + 1),
            ..any()
        },
        &[],
        "later deadline",
    )
    .await;
    some(
        wire::Filter {
            limit: Some(2),
            ..any()
        },
        &[&open, &fulfilled],
        "limit",
    )
    .await;
    some(
        wire::Filter {
            limit: Some(2),
            page: Some(2),
            ..any()
        },
        &[&failed],
        "page",
    )
    .await;
    some(
        wire::Filter {
            limit: Some(2),
            page: Some(3),
            ..any()
        },
        &[],
        "past the end",
    )
    .await;
    let mixed = wire::Filter {
        execution_status: Some(3),
        limit: Some(1),
        page: Some(2),
        ..any()
    };
    some(mixed, &[], "pages of what is filtered here").await;
}

#[tokio::test]
async fn listings_refuse_what_they_cannot_honour() {
    let rig = Rig::start().await;
    let any = wire::Filter::default;
    for (what, filter) in [
        (
            "limit 0",
            wire::Filter {
                limit: Some(0),
                ..any()
            },
        ),
        (
            "limit 101",
            wire::Filter {
                limit: Some(101),
                ..any()
            },
        ),
        ("page 0", wire::Filter { page: Some(0), ..any() }),
        (
            "a page too deep",
            wire::Filter {
                limit: Some(100),
                page: Some(101),
                ..any()
            },
        ),
        (
            "the last page",
            wire::Filter {
                page: Some(u32::MAX),
                ..any()
            },
        ),
        (
            "status",
            wire::Filter {
                fulfillment_status: Some(7),
                ..any()
            },
        ),
        (
            "execution",
            wire::Filter {
                execution_status: Some(5),
                ..any()
            },
        ),
        ("mode", wire::Filter { mode: Some(9), ..any() }),
        (
            "vk_hash",
            wire::Filter {
                vk_hash: Some(vec![1; 31]),
                ..any()
            },
        ),
        (
            "requester",
            wire::Filter {
                requester: Some(vec![1; 32]),
                ..any()
            },
        ),
        (
            "field 17",
            wire::Filter {
                field_17: Some(false),
                ..any()
            },
        ),
    ] {
        assert_eq!(
            rig.client.list(filter).await.expect_err(what).code(),
            Code::InvalidArgument,
            "{what}"
        );
    }
    let deepest = wire::Filter {
        limit: Some(100),
        page: Some(100),
        ..any()
    };
    assert!(rig.client.list(deepest).await.expect("the deepest page").is_empty());
}

#[tokio::test]
async fn item_47_a_full_page_fits_clients() {
    let rig = Rig::start().await;
    let whitelist = vec![vec![1; 20]; 256];
    for _ in 0..100 {
        let body = wire::AuctionBody {
            whitelist: whitelist.clone(),
            ..rig.auction_body().await
        };
        rig.client.request_proof(&body).await.expect("accepted");
        rig.core.end(
            RequestEvent::Failed,
            Failure::new(FailureClass::Prover, "x".repeat(5_000)),
        );
    }
    // The client refuses replies of more than 4 MiB, as published ones do.
    let page = rig
        .client
        .list(wire::Filter {
            limit: Some(100),
            ..wire::Filter::default()
        })
        .await
        .expect("fits");
    assert_eq!(page.len(), 100);
}
