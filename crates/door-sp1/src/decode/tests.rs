//! Both schemas as clients encode them, and what is no body at all.

use proptest::prelude::*;
use prost::Message;
use tonic::Code;

use super::*;

fn base_body() -> BaseRequestProofBody {
    BaseRequestProofBody {
        nonce: 7,
        vk_hash: vec![0xab; 32].into(),
        version: "sp1-v6.1.0".to_owned(),
        mode: 4,
        strategy: 1,
        stdin_uri: "http://127.0.0.1:8081/a/s1".to_owned(),
        deadline: 1_900_000_000,
        cycle_limit: u64::MAX,
        gas_limit: u64::MAX,
        ..Default::default()
    }
}

fn auction_body() -> AuctionRequestProofBody {
    let party = Bytes::from_static(&[0x0a; 20]);
    AuctionRequestProofBody {
        nonce: 7,
        vk_hash: vec![0xab; 32].into(),
        version: "sp1-v6.1.0".to_owned(),
        mode: 2,
        strategy: 3,
        stdin_uri: "http://127.0.0.1:8081/a/s1".to_owned(),
        deadline: 1_900_000_000,
        cycle_limit: 123_456,
        gas_limit: 234_567,
        domain: vec![0xdd; 32].into(),
        auctioneer: party.clone(),
        executor: party.clone(),
        verifier: party.clone(),
        treasury: party,
        public_values_hash: Some(vec![0xee; 32].into()),
        base_fee: "0".to_owned(),
        max_price_per_pgu: "1".to_owned(),
        ..Default::default()
    }
}

fn read(message: &impl Message) -> Result<ProofWish, Status> {
    proof_wish(message.encode_to_vec().into())
}

#[test]
fn field_12_is_read_by_the_schema_that_field_13_names() {
    let base = read(&BaseRequestProofBody {
        stdin_private: true,
        ..base_body()
    })
    .expect("base");
    assert!(base.stdin_private && base.auction.is_none());
    assert_eq!((base.cycle_limit, base.gas_limit), (u64::MAX, u64::MAX));
    let auction = read(&AuctionRequestProofBody {
        stdin_private: true,
        ..auction_body()
    })
    .expect("auction");
    assert!(auction.stdin_private);
    let terms = auction.auction.expect("auction terms");
    assert_eq!(terms.domain[..], [0xdd; 32]);
    assert_eq!(terms.public_values_hash, Some(Digest([0xee; 32])));
    assert_eq!((terms.base_fee.as_str(), terms.max_price_per_pgu.as_str()), ("0", "1"));
}

#[test]
fn the_zero_address_is_still_a_party() {
    let zero = Bytes::from_static(&[0; 20]);
    let body = AuctionRequestProofBody {
        auctioneer: zero.clone(),
        executor: zero.clone(),
        verifier: zero.clone(),
        treasury: zero,
        ..auction_body()
    };
    assert!(read(&body).expect("auction").auction.is_some());
}

#[test]
fn unknown_fields_are_passed_over() {
    let mut bytes = base_body().encode_to_vec();
    bytes.extend([0xf8, 0x7f, 1]); // field 2047, varint
    assert!(proof_wish(bytes.into()).is_ok());
}

#[test]
fn shapes_are_checked_at_their_edges() {
    let auction_cases: Vec<(&str, AuctionRequestProofBody)> = vec![
        (
            "party",
            AuctionRequestProofBody {
                executor: vec![1; 19].into(),
                ..auction_body()
            },
        ),
        (
            "party",
            AuctionRequestProofBody {
                treasury: vec![1; 21].into(),
                ..auction_body()
            },
        ),
        (
            "variant",
            AuctionRequestProofBody {
                variant: 1,
                ..auction_body()
            },
        ),
        (
            "hash",
            AuctionRequestProofBody {
                public_values_hash: Some(vec![1; 31].into()),
                ..auction_body()
            },
        ),
        (
            "hash",
            AuctionRequestProofBody {
                public_values_hash: Some(Bytes::new()),
                ..auction_body()
            },
        ),
        (
            "fee",
            AuctionRequestProofBody {
                base_fee: String::new(),
                ..auction_body()
            },
        ),
        (
            "fee",
            AuctionRequestProofBody {
                base_fee: "0x10".to_owned(),
                ..auction_body()
            },
        ),
        (
            "price",
            AuctionRequestProofBody {
                max_price_per_pgu: "-1".to_owned(),
                ..auction_body()
            },
        ),
        (
            "price",
            AuctionRequestProofBody {
                max_price_per_pgu: "9".repeat(78),
                ..auction_body()
            },
        ),
        (
            "vk",
            AuctionRequestProofBody {
                vk_hash: vec![1; 33].into(),
                ..auction_body()
            },
        ),
    ];
    for (what, body) in auction_cases {
        assert_eq!(read(&body).expect_err(what).code(), Code::InvalidArgument, "{what}");
    }
    let base_cases: Vec<(&str, BaseRequestProofBody)> = vec![
        (
            "vk",
            BaseRequestProofBody {
                vk_hash: Bytes::new(),
                ..base_body()
            },
        ),
        (
            "uri",
            BaseRequestProofBody {
                stdin_uri: "x".repeat(TEXT_MAX_BYTES + 1),
                ..base_body()
            },
        ),
        (
            "version",
            BaseRequestProofBody {
                version: "x".repeat(TEXT_MAX_BYTES + 1),
                ..base_body()
            },
        ),
        (
            "list",
            BaseRequestProofBody {
                whitelist: vec![vec![1; 20].into(); WHITELIST_MAX + 1],
                ..base_body()
            },
        ),
        (
            "entry",
            BaseRequestProofBody {
                whitelist: vec![vec![1; 19].into()],
                ..base_body()
            },
        ),
    ];
    for (what, body) in base_cases {
        assert_eq!(read(&body).expect_err(what).code(), Code::InvalidArgument, "{what}");
    }
    let most = BaseRequestProofBody {
        whitelist: vec![vec![1; 20].into(); WHITELIST_MAX],
        ..base_body()
    };
    assert_eq!(
        read(&most).expect("the most that is taken").whitelist.len(),
        WHITELIST_MAX
    );
    let dearest = AuctionRequestProofBody {
        max_price_per_pgu: U256::MAX.to_string(),
        ..auction_body()
    };
    assert!(read(&dearest).is_ok());
}

proptest! {
    #[test]
    fn no_bytes_do_more_than_be_refused_for_good(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Err(refusal) = proof_wish(bytes.into()) {
            prop_assert_eq!(refusal.code(), Code::InvalidArgument);
        }
    }

    /// Bytes that are nearly a body reach further than noise.
    #[test]
    fn nor_do_damaged_bodies(auction in any::<bool>(), at in any::<prop::sample::Index>(), to in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut bytes = if auction { auction_body().encode_to_vec() } else { base_body().encode_to_vec() };
        let at = at.index(bytes.len());
        bytes[at] = to;
        bytes.truncate(cut.index(bytes.len()) + 1);
        if let Err(refusal) = proof_wish(bytes.into()) {
            prop_assert_eq!(refusal.code(), Code::InvalidArgument);
        }
    }

    /// Whatever the values, the schema that a client encodes with is the one that is read.
    #[test]
    fn schemas_are_never_confused(nonce in any::<u64>(), limits in any::<(u64, u64)>(), private in any::<bool>(), auction in any::<bool>()) {
        let (cycle_limit, gas_limit) = limits;
        let wish = if auction {
            read(&AuctionRequestProofBody { nonce, cycle_limit, gas_limit, stdin_private: private, ..auction_body() })
        } else {
            read(&BaseRequestProofBody { nonce, cycle_limit, gas_limit, stdin_private: private, ..base_body() })
        };
        let wish = wish.expect("well formed");
        prop_assert_eq!(wish.auction.is_some(), auction);
        prop_assert_eq!((wish.cycle_limit, wish.gas_limit, wish.stdin_private), (cycle_limit, gas_limit, private));
    }
}
